#!/usr/bin/python3
"""The arrows of the design, held against every #include and every DEPS.

    layering.py               judges this repository, then plants faults into a copy and expects each to be found
    layering.py --judge DIR   judges that directory only
    layering.py --junit FILE  besides, writes the outcome for tests/run.sh

    main.cpp, ctl -> shells -> core -> proto (arp, nft, kube, ...) -> proto/base;   shells -> proto/runtime

What a folder may include is what its target in the CMakeLists.txt files names under DEPS (its own sources: PRIVATE_DEPS
too), and what those name. The rules below hold whatever the lists say. One line a fault: file:line: what (rule).
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

ROOT = Path(__file__).resolve().parents[2]
TREES = ("proto", "speaker", "controller")
SHELLS = {"speaker": {"feed", "report", "l2", "bgp", "nft", "link", "peers"}, "controller": {"feed", "report", "webhook"}}
TOP_LEVEL = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "speaker", "controller", "proto", "tests", "examples", "helm"}

# A library stays in these folders: (beginning of the include, name, folders).
EDGES = [
    (("cpprest/", "pplx/"), "cpprestsdk", {"proto/runtime"}),
    (("boost/beast", "boost/asio"), "Boost.Beast/Asio", {"proto/runtime"}),
    (("netlink/",), "libnl", {"speaker/nft", "speaker/link"}),
    (("pcap.h", "pcap/"), "libpcap", {"speaker/l2"}),
    (("nlohmann/",), "nlohmann_json", {"proto/kube", "proto/api", "proto/runtime", "controller/ctl"}),
    (("yaml-cpp/",), "yaml-cpp", {"proto/runtime"}),
    (("spdlog/", "fmt/"), "spdlog", {"proto/base"}),
    (("prometheus/",), "prometheus-cpp", {"proto/base"}),
    (("linux/netfilter",), "the kernel's netfilter headers", {"proto/nft/uapi.h"}),
]
CLI_FILES = {"main.cpp", "flags.h", "flags.cpp"}
# What a pure core has no use for.
IMPURE = ("sys/", "unistd.h", "fcntl.h", "poll.h", "dirent.h", "spawn.h", "thread", "mutex", "condition_variable", "future",
          "fstream", "iostream", "filesystem")

RULES = {
    "top-level": "the top level holds only what the design names",
    "proto": "proto includes neither speaker nor controller",
    "programs": "speaker and controller meet only in proto (and in controller/ctl)",
    "core": "a core is pure: no proto/runtime, no shell, no I/O",
    "shells": "shells do not call each other",
    "composition": "only main.cpp and ctl compose, and nothing includes them",
    "edges": "libraries stay at the edge",
    "deps": "what is included is in the target's DEPS",
    "headers": "each header is in its target's HEADERS, each source in its SOURCES",
    "includes": "includes name a file of this repository, from its root",
}


@dataclass(frozen=True, order=True)
class Fault:
    file: str
    line: int
    what: str
    rule: str

    def __str__(self):
        return f"{self.file}:{self.line}: {self.what} ({self.rule}: {RULES[self.rule]})"


@dataclass
class Target:
    name: str
    file: str
    line: int
    is_program: bool
    lists: dict = field(default_factory=dict)

    def paths(self, key):
        folder = os.path.dirname(self.file)
        return [os.path.normpath(os.path.join(folder, p)) for p in self.lists.get(key, [])]


def read_targets(root):
    """{name: Target} out of the CMakeLists.txt files."""
    targets = {}
    for tree in TREES:
        for path in sorted((root / tree).rglob("CMakeLists.txt")):
            text = re.sub(r"#[^\n]*", "", path.read_text())
            for call in re.finditer(r"\bfairlead_(library|program)\s*\(([^()]*)\)", text):
                words = call[2].split()
                target = Target(words[0], str(path.relative_to(root)), text.count("\n", 0, call.start()) + 1, call[1] == "program")
                key = None
                for word in words[1:]:
                    if word in ("SOURCES", "HEADERS", "DEPS", "PRIVATE_DEPS"):
                        key = target.lists.setdefault(word, [])
                    elif key is not None:
                        key.append(word.strip('"'))
                targets[target.name] = target
    return targets


def place(path):
    """("speaker", "l2") for speaker/l2/announcer.h, ("speaker", "") for speaker/main.cpp."""
    parts = path.split("/")
    return parts[0], parts[1] if len(parts) > 2 else ""


def is_composer(path):
    return place(path) == ("controller", "ctl") or os.path.basename(path) == "main.cpp" and place(path)[1] == ""


def arrow(file, include):
    """The rule and reason against `file` (or folder/) including `include`, whatever DEPS say; None: none."""
    (tree, folder), (to_tree, to_folder) = place(file), place(include)
    if tree == "proto" and to_tree != "proto":
        return "proto", f"proto includes {include}"
    if (to_tree, to_folder) == ("controller", "ctl") and (tree, folder) != ("controller", "ctl"):
        return "composition", f"{include} is a composition root's"
    if to_tree != "proto":
        if tree != to_tree and (tree, folder) != ("controller", "ctl"):
            return "programs", f"{tree} includes {include}"
        if to_folder == "" and folder != "":
            return "composition", f"{tree}/{folder} includes {include}, which is the program's"
    if folder == "core":
        if (to_tree, to_folder) == ("proto", "runtime"):
            return "core", f"{tree}/core includes {include}"
        if to_folder in SHELLS.get(to_tree, ()):
            return "core", f"{tree}/core includes the shell {include}"
    if to_folder in SHELLS.get(to_tree, ()):
        if (tree, folder) == ("controller", "ctl"):
            return "composition", f"ctl links cores only, not the shell {include}"
        if folder in SHELLS.get(tree, ()) and (tree, folder) != (to_tree, to_folder):
            return "shells", f"{tree}/{folder} includes {include}"
        if folder == "" and not is_composer(file):
            return "composition", f"{file} includes the shell {include}"
    return None


def edge(file, include):
    """The same for headers of libraries and of the system."""
    folder = os.path.dirname(file)
    for beginnings, library, allowed in EDGES:
        if include.startswith(beginnings) and folder not in allowed and file not in allowed:
            return "edges", f"<{include}>: {library} is only in {', '.join(sorted(allowed))}"
    if include.startswith("CLI/") and os.path.basename(file) not in CLI_FILES:
        return "edges", f"<{include}>: CLI11 is only in main.cpp and flags.*"
    if place(file)[1] == "core" and include.startswith(IMPURE):
        return "core", f"<{include}> in a core"
    return None


def includes_of(text):
    """(line number, name, is quoted); what is in comments does not count."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line):
            yield number, found[2], found[1] == '"'


def top_level_of(root):
    """Names that git knows; without git, those that are there."""
    listed = subprocess.run(["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files", "-z"], capture_output=True,
                            text=True) if shutil.which("git") and (root / ".git").exists() else None
    if listed is None or listed.returncode != 0:
        return {p.name for p in root.iterdir()} - {"build"}
    # A file that is still in the index and was removed is not in the way.
    return {p.split("/")[0] for p in listed.stdout.split("\0") if p and (root / p.split("/")[0]).exists()}


def judge(root):
    """All faults, in the order of files."""
    faults = set()
    targets = read_targets(root)
    owner = {}
    for target in targets.values():
        for path in target.paths("HEADERS") + target.paths("SOURCES"):
            owner[path] = target
    folder_target = {os.path.dirname(p): t for p, t in owner.items()}

    def closure(names):
        reached, open_ = set(), list(names)
        while open_:
            name = open_.pop()
            if name not in reached:
                reached.add(name)
                open_ += targets[name].lists.get("DEPS", []) if name in targets else []
        return reached

    public = {n: closure([n]) for n in targets}
    private = {n: closure([n, *t.lists.get("PRIVATE_DEPS", [])]) for n, t in targets.items()}

    for name in sorted(top_level_of(root) - TOP_LEVEL):
        if not name.startswith("."):
            faults.add(Fault(name, 1, f"{name} is at the top level", "top-level"))

    # What is linked but not included is an arrow too.
    for target in targets.values():
        own = sorted({os.path.dirname(p) for p in target.paths("HEADERS") + target.paths("SOURCES")})
        if target.is_program or not own:
            continue
        for dep in target.lists.get("DEPS", []) + target.lists.get("PRIVATE_DEPS", []):
            for to in sorted({os.path.dirname(p) for p in targets[dep].paths("HEADERS")} if dep in targets else ()):
                if found := arrow(f"{own[0]}/x", f"{to}/x"):
                    faults.add(Fault(target.file, target.line, f"{target.name} has {dep} in its DEPS", found[0]))

    for tree in TREES:
        for path in sorted((root / tree).rglob("*")):
            if path.suffix not in (".h", ".cpp"):
                continue
            file = str(path.relative_to(root))
            is_header = path.suffix == ".h"
            target = owner.get(file) or folder_target.get(os.path.dirname(file))
            if file not in owner and not (is_header and place(file)[1] == ""):  # a program has no HEADERS
                kind = "HEADERS" if is_header else "SOURCES"
                faults.add(Fault(file, 1, f"{os.path.basename(file)} is in no target's {kind}", "headers"))
            for line, include, is_quoted in includes_of(path.read_text(errors="replace")):
                if include.split("/")[0] not in TREES:
                    found = edge(file, include)
                    if not found and is_quoted:
                        found = "includes", f'"{include}" is not from the root of the repository; a library\'s header goes in <>'
                    if found:
                        faults.add(Fault(file, line, found[1], found[0]))
                    continue
                if not (root / include).exists() and not (root / f"{include}.in").exists():
                    faults.add(Fault(file, line, f'"{include}" does not exist', "includes"))
                    continue
                if found := arrow(file, include):
                    faults.add(Fault(file, line, found[1], found[0]))
                    continue
                to = owner.get(include) or folder_target.get(os.path.dirname(include))
                if target is None or to is None:
                    continue  # said above
                reach = public[target.name] if is_header else private[target.name]
                if to.name not in reach:
                    hint = " (a header needs it in DEPS, not in PRIVATE_DEPS)" if to.name in private[target.name] else ""
                    faults.add(Fault(file, line, f'"{include}": {to.name} is not among what {target.name} depends on{hint}', "deps"))
    return sorted(faults)


# -- the test of the test: each plant is one fault, and must be found as the only new one


def some(root, folder, suffix):
    """A file of the folder."""
    return str(next(p for p in sorted((root / folder).glob(f"*{suffix}")) if p.name != "uapi.h").relative_to(root))


def including(folder, what, rule, suffix=".cpp"):
    """`what`: a folder, of which a header is included; or the name, between <> if it has no quotes."""
    def plant(root):
        into = some(root, folder, suffix)
        name = f'"{some(root, what, ".h")}"' if (root / what).is_dir() else what if what.startswith('"') else f"<{what}>"
        with open(root / into, "a") as file:
            file.write(f"\n#include {name}\n")
        return f"{into}:{(root / into).read_text().count(chr(10))}: "
    return plant, rule


def writing(path, text, rule, at=None):
    def plant(root):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        return f"{at or path}:"
    return plant, rule


def ctl_including(header):
    def plant(root):
        (root / "controller/ctl").mkdir(exist_ok=True)
        (root / "controller/ctl/main.cpp").write_text(f'#include "{header}"\n')
        with open(root / "controller/CMakeLists.txt", "a") as file:
            file.write("fairlead_program(planted SOURCES ctl/main.cpp DEPS controller_core)\n")
        return "controller/ctl/main.cpp:1: "
    return plant, "composition"


def depending(file, target, dep, rule):
    def plant(root):
        text = (root / file).read_text()
        changed = re.sub(rf"(fairlead_library\(\s*{target}\b[^()]*?\bDEPS)\b", rf"\1 {dep}", text, count=1)
        assert changed != text, f"{file} has no {target} with DEPS"
        (root / file).write_text(changed)
        return f"{file}:"
    return plant, rule


PLANTS = {
    "proto includes a program": including("proto/net", "speaker/core", "proto"),
    "proto includes the other program, in a header": including("proto/runtime", "controller/core", "proto", ".h"),
    "speaker includes controller": including("speaker/feed", "controller/core", "programs"),
    "controller includes speaker": including("controller/core", "speaker/core", "programs"),
    "a core includes the runtime": including("speaker/core", "proto/runtime", "core"),
    "the other core includes the runtime": including("controller/core", "proto/runtime", "core", ".h"),
    "a core includes a shell": including("speaker/core", "speaker/l2", "core"),
    "a core does I/O": including("controller/core", "sys/socket.h", "core"),
    "a shell includes a shell": including("speaker/l2", "speaker/nft", "shells"),
    "a shell of the controller includes a shell": including("controller/report", "controller/feed", "shells"),
    "a shell includes the program's header": including("controller/feed", "controller", "composition"),
    "flags.cpp composes": including("controller", "controller/report", "composition", "flags.cpp"),
    "ctl includes a shell": ctl_including("controller/feed/feed.h"),
    "proto/arp includes what its target does not name": including("proto/arp", "proto/api", "deps"),
    "a codec includes the runtime": including("proto/nft", "proto/runtime", "deps"),
    "the base includes what is above it": including("proto/base", "proto/net", "deps", ".h"),
    "a shell includes a codec that it does not depend on": including("speaker/link", "proto/nft", "deps"),
    "cpprestsdk in the speaker": including("speaker/feed", "cpprest/http_client.h", "edges"),
    "Beast in the controller": including("controller/report", "boost/beast/http.hpp", "edges"),
    "libnl in the ARP shell": including("speaker/l2", "netlink/netlink.h", "edges"),
    "libpcap in the runtime": including("proto/runtime", "pcap/pcap.h", "edges"),
    "nlohmann in the core": including("controller/core", "nlohmann/json.hpp", "edges"),
    "yaml-cpp in proto/kube": including("proto/kube", "yaml-cpp/yaml.h", "edges"),
    "spdlog in a shell": including("speaker/nft", "spdlog/spdlog.h", "edges"),
    "CLI11 in a shell": including("controller/feed", "CLI/CLI.hpp", "edges"),
    "netfilter's headers beside uapi.h": including("speaker/nft", "linux/netfilter/nf_tables.h", "edges"),
    "a header in no target": writing("speaker/l2/planted.h", "#pragma once\n", "headers"),
    "a source in no target": writing("proto/net/planted.cpp", "\n", "headers"),
    "a folder without a target": writing("speaker/bgp/planted.h", "#pragma once\n", "headers"),
    "an include by relative path": including("speaker/core", '"planted.h"', "includes"),
    "an include of nothing": including("speaker/core", "speaker/core/planted.h", "includes"),
    "a new directory at the top": writing("planted/file", "\n", "top-level", "planted"),
    "a shell linked into a core": depending("speaker/CMakeLists.txt", "speaker_core", "speaker_nft", "core"),
    "a shell linked into a shell": depending("controller/CMakeLists.txt", "controller_report", "controller_feed", "shells"),
}


def copy_to(there):
    for name in TREES:
        shutil.copytree(ROOT / name, there / name)
    for name in ("CMakeLists.txt", "LICENSE"):
        shutil.copy(ROOT / name, there / name)


def self_test():
    """{name of the plant: complaint or None}"""
    outcome = {}
    with tempfile.TemporaryDirectory(prefix="fairlead-layering-") as directory:
        for name, (plant, rule) in PLANTS.items():
            there = Path(directory) / "tree"
            copy_to(there)
            before = set(judge(there))
            try:
                where = plant(there)
            except StopIteration:
                outcome[name] = "there is no file to plant it in: change the plant"
                continue
            finally:
                after = set(judge(there))
                shutil.rmtree(there)
            # A DEPS list that grows by a fault moves no line, and what follows from it is in the same list.
            new = after - before
            if not any(f.rule == rule and str(f).startswith(where) for f in new):
                outcome[name] = f"not found at {where} by rule {rule}; found: {[str(f) for f in sorted(new)]}"
            elif len(new) > 1:
                outcome[name] = f"one fault, found as {[str(f) for f in sorted(new)]}"
            else:
                outcome[name] = None
    return outcome


def write_junit(path, outcome, seconds):
    failed = {n: w for n, w in outcome.items() if w}
    path.parent.mkdir(parents=True, exist_ok=True)
    cases = "".join(
        f'<testcase classname="layering" name={quoteattr(n)}>' + (f"<failure message={quoteattr(w)}/>" if w else "") + "</testcase>\n"
        for n, w in outcome.items())
    path.write_text(f'<testsuite name="layering" tests="{len(outcome)}" failures="{len(failed)}" errors="0" skipped="0" '
                    f'time="{seconds:.3f}">\n{cases}</testsuite>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", type=Path, metavar="DIR")
    parser.add_argument("--junit", type=Path, metavar="FILE")
    flags = parser.parse_args()
    start = time.monotonic()
    faults = judge((flags.judge or ROOT).resolve())
    for fault in faults:
        print(fault)
    outcome = {f"rule {rule}": "\n".join(str(f) for f in faults if f.rule == rule) or None for rule in RULES}
    if not flags.judge:
        planted = self_test()
        for name, complaint in planted.items():
            if complaint:
                print(f"layering.py itself: planted \"{name}\": {complaint}")
        outcome.update({f"finds: {n}": c for n, c in planted.items()})
    if flags.junit:
        write_junit(flags.junit, outcome, time.monotonic() - start)
    failed = sum(1 for c in outcome.values() if c)
    print(f"layering: {len(outcome) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
