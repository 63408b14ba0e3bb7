#!/usr/bin/python3
"""What a build cost: build_times.py BUILD_DIR --before FILE --seconds N [--was-clean] [--ccache-log FILE] [--junit FILE]

--before is a copy of .ninja_log from before the build (it may be missing or empty): what is new in it now was built.
Judged: a build from clean in 6 minutes with -j2, no file over 25 s. Above that this warns; above ten times that it ends
with 1, as every timed test here does. What ccache gave back was not compiled, so its times say nothing, and that is said.
"""
import argparse
import re
import sys
from pathlib import Path
from xml.sax.saxutils import quoteattr

JUDGED_TOTAL, JUDGED_FILE, FACTOR = 360.0, 25.0, 10


def entries(path):
    try:
        return {line for line in path.read_text().splitlines() if not line.startswith("#")}
    except FileNotFoundError:
        return set()


def source(output):
    """proto/CMakeFiles/proto_net.dir/net/ip.cpp.o is proto/net/ip.cpp."""
    return re.sub(r"CMakeFiles/[^/]+\.dir/", "", output).removesuffix(".o")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--was-clean", action="store_true")
    parser.add_argument("--ccache-log", type=Path)
    parser.add_argument("--junit", type=Path)
    flags = parser.parse_args()

    compiled = {}
    for line in entries(flags.build / ".ninja_log") - entries(flags.before):
        start, end, _, output, *_ = line.split("\t")
        if output.endswith(".o"):
            compiled[source(output)] = (int(end) - int(start)) / 1000
    slowest = sorted(compiled.items(), key=lambda item: -item[1])

    hits = misses = 0
    if flags.ccache_log and flags.ccache_log.exists():
        said = flags.ccache_log.read_text().split()
        hits, misses = sum(w in ("direct_cache_hit", "preprocessed_cache_hit") for w in said), said.count("cache_miss")
    cached = f"ccache gave {hits} of {hits + misses} objects" if hits + misses else "no ccache"

    state = "from clean" if flags.was_clean else "not from clean"
    print(f"build: {flags.seconds:.0f} s {state}, {len(compiled)} files compiled, {cached}")
    for name, seconds in slowest[:5]:
        print(f"  {seconds:6.1f} s  {name}")
    if hits:
        print("  (objects out of ccache cost nothing: these are no figures of a clean build)")

    cases = {"no file takes 250 s": None, "a clean build ends within an hour": None}
    for name, seconds in slowest:
        if seconds > FACTOR * JUDGED_FILE:
            cases["no file takes 250 s"] = f"{name}: {seconds:.1f} s"
        elif seconds > JUDGED_FILE:
            print(f"  warning: {name} takes {seconds:.1f} s; judged: {JUDGED_FILE:.0f} s")
    if flags.seconds > FACTOR * JUDGED_TOTAL:
        cases["a clean build ends within an hour"] = f"{flags.seconds:.0f} s"
    elif flags.was_clean and flags.seconds > JUDGED_TOTAL:
        print(f"  warning: the clean build takes {flags.seconds:.0f} s; judged: {JUDGED_TOTAL:.0f} s")
    for name, complaint in cases.items():
        if complaint:
            print(f"  FAILED: {name}: {complaint}")
    if flags.junit:
        flags.junit.write_text("<testsuite name=\"build\">" + "".join(
            f'<testcase classname="build" name={quoteattr(n)}>' + (f"<failure message={quoteattr(c)}/>" if c else "") + "</testcase>"
            for n, c in cases.items()) + "</testsuite>\n")
    return 1 if any(cases.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
