#!/usr/bin/python3
"""Are the unit tests able to fail? Each patch here plants one fault; a test must find it.

    tests/mutation/run.py [NAME...] [--junit FILE]       NAME: the beginning of a patch's name; default: all of them

The working tree is copied to build/mutation/tree, so that nothing is ever planted into it. There the tests that the patches
name are built once and must pass; then, for each patch: apply, build those of its tests that it can reach, run, take it back.
A patch that survives, that does not compile, or that does not apply any more fails the run.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TREE, BUILD = ROOT / "build/mutation/tree", ROOT / "build/mutation/build"
TEST_SECONDS = 60  # a fault may well make a test run for ever


class Trouble(Exception):
    """The check itself could not be made; says why."""


@dataclass(frozen=True)
class Mutation:
    path: Path
    what: str
    tests: tuple

    @property
    def name(self):
        return self.path.stem


def read(path):
    text = path.read_text()
    what, tests = re.search(r"^Fault: (.+)", text, re.M), re.search(r"^Tests: (.+)", text, re.M)
    if not what or not tests:
        raise Trouble(f"{path.name}: needs a line \"Fault: ...\" and a line \"Tests: ...\" before the diff")
    changed = [line for line in text.splitlines() if re.match(r"[+-](?![+-]{2} )", line)]
    if len(changed) != 2:
        raise Trouble(f"{path.name}: changes {len(changed)} lines, not one into another")
    return Mutation(path, what[1], tuple(tests[1].split()))


def sync():
    """The files of git, and those it does not know yet. What is the same is not touched: the next build is short."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split("\0")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    for name in wanted:
        source, target = ROOT / name, TREE / name
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    for path in TREE.rglob("*"):
        if path.is_file() and str(path.relative_to(TREE)) not in wanted:
            path.unlink()


def run(*argv, **more):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, **more)


def end_of(done, lines=30):
    return "\n".join((done.stdout + done.stderr).splitlines()[-lines:])


def configure():
    launcher = ["-DCMAKE_EXPORT_COMPILE_COMMANDS=OFF", "-DCMAKE_BUILD_TYPE=Debug"]
    done = run("cmake", "-S", TREE, "-B", BUILD, "-G", "Ninja", *launcher)
    if done.returncode:
        raise Trouble(f"cmake failed:\n{end_of(done)}")


def build(tests):
    return run("cmake", "--build", BUILD, f"-j{os.environ.get('FAIRLEAD_JOBS') or os.cpu_count()}", "--target", *tests)


def failing(test):
    """What a test program complains of first; None: it passes."""
    try:
        done = run(BUILD / "bin" / test, "--gtest_brief=1", cwd=BUILD, timeout=TEST_SECONDS)
    except subprocess.TimeoutExpired:
        return f"{test} did not end within {TEST_SECONDS} s"
    if done.returncode == 0:
        return None
    named = re.search(r"^\[  FAILED  \] ([\w/]+\.[\w/]+)", done.stdout, re.M)
    if named:
        return f"{test}: {named[1]}"
    last = ([line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["no word"])[-1]
    return f"{test} ended with {done.returncode}: {last[:100]}"


def patch(mutation, *flags):
    return run("patch", "-p1", "-F3", "-s", "--no-backup-if-mismatch", "-r", "-", *flags, "-i", mutation.path, cwd=TREE)


def judge(mutation):
    """(killed, by what)"""
    done = patch(mutation, "--dry-run")
    if done.returncode:
        return False, "does not apply any more: the code has changed; plant the fault anew (README.md)"
    patch(mutation)
    try:
        done = build(mutation.tests)
        if done.returncode:
            return False, f"does not compile:\n{end_of(done)}"
        for test in mutation.tests:
            if by := failing(test):
                return True, by
        return False, "SURVIVED " + ", ".join(mutation.tests)
    finally:
        patch(mutation, "-R")


def write_junit(path, outcomes):
    if not path:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    cases = [f"<testcase classname=\"mutation\" name={quoteattr(name)}>" + ("" if killed else f"<failure message={quoteattr(by)}/>")
             + "</testcase>" for name, killed, by in outcomes]
    path.write_text('<testsuite name="mutation">\n' + "\n".join(cases) + "\n</testsuite>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--junit", type=Path)
    flags = parser.parse_args()
    start, outcomes = time.monotonic(), []
    try:
        chosen = [read(p) for p in sorted(HERE.glob("*.patch")) if not flags.names or p.name.startswith(tuple(flags.names))]
        if not chosen:
            raise Trouble("no such patch")
        TREE.mkdir(parents=True, exist_ok=True)
        sync()
        configure()
        tests = sorted({t for m in chosen for t in m.tests})
        done = build(tests)
        if done.returncode:
            raise Trouble(f"the tests do not build as they are:\n{end_of(done)}")
        broken = [by for by in map(failing, tests) if by]
        if broken:
            raise Trouble("tests fail without any fault planted, so they prove nothing: " + "; ".join(broken))
        print(f"{len(tests)} test programs pass as they are ({time.monotonic() - start:.0f} s)", flush=True)
        for mutation in chosen:
            begin = time.monotonic()
            killed, by = judge(mutation)
            outcomes.append((mutation.name, killed, by))
            print(f"{'killed' if killed else 'FAILED':7} {mutation.name:28} {mutation.what}\n{'':36} {by} "
                  f"({time.monotonic() - begin:.0f} s)", flush=True)
    except Trouble as e:
        print(f"mutation: {e}")
        outcomes.append(("the check itself", False, str(e)))
    write_junit(flags.junit, outcomes)
    killed = sum(k for _, k, _ in outcomes)
    print(f"mutation: {killed} of {len(outcomes)} faults found in {time.monotonic() - start:.0f} s")
    return 0 if killed == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
