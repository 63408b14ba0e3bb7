#!/usr/bin/python3
"""Counts what a part of tests/run.sh did: tally.py DIR EXIT_CODE

DIR/*.xml      JUnit files of pytest, layering.py and the bench
DIR/again.xml  the files of the tests that failed in pytest.xml, run a second time: one that passes there counts as passed,
               and is named
DIR/ctest.xml  ctest's own (--output-junit): one case for each program
DIR/gtest/     what those programs wrote (GTEST_OUTPUT): the cases inside, named like the program

Prints "passed failed skipped", then "NAME: WHY" for each that failed, and "unstable: NAME: WHY" for each that passed only the
second time. A program or a part that ended badly without saying which case failed counts as one failure, so that nothing
that broke sums up to "0 failed".
"""
import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def cases(path):
    """[(name, "passed" | "failed" | "skipped", why)]; None: it cannot be read, so its program died while writing it."""
    try:
        tree = ET.parse(path)
    except ET.ParseError:
        return None
    found = []
    for case in tree.iter("testcase"):
        outcome, why = "passed", ""
        fault = next((f for f in case if f.tag in ("failure", "error")), None)
        if fault is not None or case.get("status") == "fail":
            outcome = "failed"
            why = "" if fault is None else " ".join((fault.get("message") or "").split())[:300]
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            outcome = "skipped"
        found.append((".".join(filter(None, (case.get("classname"), case.get("name")))), outcome, why))
    return found


def main(directory, exit_code):
    directory = Path(directory)
    found = []
    again = directory / "again.xml"
    second = {name: outcome for name, outcome, _ in cases(again) or []} if again.exists() else {}
    for path in sorted(directory.glob("*.xml")):
        if path == again:
            continue
        listed = cases(path)
        if listed is None:
            found.append((f"{path.name} is cut off", "failed", ""))
        elif path.name != "ctest.xml":
            found += [(n, "unstable" if o == "failed" and second.get(n) == "passed" else o, why) for n, o, why in listed]
        else:
            for program, outcome, why in listed:
                name = program.rsplit(".", 1)[-1]
                inside = directory / "gtest" / f"{name}.xml"
                # No file: no gtest program, or one that died before it could write.
                inner = cases(inside) if inside.exists() else [(name, outcome, why)]
                inner = [(f"{name}: {n}" if n != name else n, o, w) for n, o, w in inner or []]
                if outcome == "failed" and not any(o == "failed" for _, o, _ in inner):
                    inner.append((f"{name}: ended badly", "failed", why))
                found += inner
    if exit_code != 0 and not any(o == "failed" for _, o, _ in found):
        found.append((f"ended with code {exit_code}", "failed", ""))
    kinds = (("passed", "unstable"), ("failed",), ("skipped",))
    print(*(sum(1 for _, o, _ in found if o in kind) for kind in kinds))
    for name, outcome, why in found:
        told = f"{name}: {why}" if why else name
        if outcome == "failed":
            print(told)
        elif outcome == "unstable":
            print(f"unstable: {told}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
