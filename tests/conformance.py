#!/usr/bin/python3
"""Holds tests/conformance.md against the tests there are: every clause names tests that exist, or says why it has none.

    conformance.py                judges the table, then plants faults into a copy and expects each to be found
    conformance.py --junit FILE   besides, writes the outcome for tests/run.sh
"""
import argparse
import re
import sys
from pathlib import Path
from xml.sax.saxutils import quoteattr

TESTS = Path(__file__).resolve().parent
TABLE = TESTS / "conformance.md"


def known_tests():
    """Names of unit tests (Suite.Name) and lab tests (file.py::name)."""
    names = set()
    for path in (TESTS / "unit").rglob("*_test.cpp"):
        names |= {f"{suite}.{name}" for suite, name in re.findall(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", path.read_text(), re.M)}
    for path in (TESTS / "lab").glob("test_*.py"):
        names |= {f"{path.name}::{name}" for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.M)}
    return names


def clauses(text):
    """(line number, clause, what it asks, proof)"""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("| ") and not line.startswith("| clause |"):
            yield number, *[cell.strip() for cell in (line.strip("| ").split(" | ") + ["", ""])[:3]]


def faults(text, known):
    found = []
    rows = list(clauses(text))
    if len(rows) < 40:
        found.append(f"{TABLE.name}: {len(rows)} clauses: the table is not read, or was cut")
    for number, clause, what, proof in rows:
        where = f"{TABLE.name}:{number}: {clause}"
        if not re.match(r"RFC \d+", clause) or not what:
            found.append(f"{where}: a row is | RFC n section | what it asks | proof |")
        elif proof.startswith("not covered:"):
            if len(proof.split()) < 5:
                found.append(f"{where}: not covered, and no reason")
        elif not proof:
            found.append(f"{where}: no test, and no \"not covered: reason\"")
        else:
            found += [f"{where}: no test is called {name}" for name in proof.split(", ") if name not in known]
    return found


def planted(text, known):
    """What a judge that sees nothing would let pass: [complaint]."""
    victim = next(proof.split(", ")[0] for _, _, _, proof in clauses(text) if not proof.startswith("not covered"))
    changes = {"a test that does not exist": text.replace(victim, victim + "X", 1),
               "a clause without proof": text + "| RFC 9999 1 | something |  |\n",
               "not covered without a reason": text + "| RFC 9999 1 | something | not covered: |\n",
               "a table that was cut": text[:len(text) // 4]}
    return [f"planted and not found: {name}" for name, changed in changes.items() if not faults(changed, known)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--junit")
    args = parser.parse_args()
    text, known = TABLE.read_text(), known_tests()
    cases = {"table": faults(text, known), "planted": planted(text, known)}
    for complaint in sum(cases.values(), []):
        print(complaint)
    rows = list(clauses(text))
    uncovered = sum(proof.startswith("not covered") for *_, proof in rows)
    print(f"conformance: {len(rows)} clauses, {len(rows) - uncovered} covered, {uncovered} not and with a reason")
    if args.junit:
        lines = [f'<testcase classname="conformance" name={quoteattr(name)}>' +
                 (f"<failure message={quoteattr('; '.join(found))}/>" if found else "") + "</testcase>" for name, found in cases.items()]
        Path(args.junit).write_text('<testsuite name="conformance">' + "".join(lines) + "</testsuite>\n")
    return 1 if any(cases.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
