#!/usr/bin/python3
"""What is promised about time and memory, measured: 1,000 Services on one node, in a network namespace.

    tests/run.sh bench        or, as root:   tests/bench/bench.py [--rounds N] [--case NAME] [--junit FILE]

A round of a case: controller from nothing (it gives addresses to the LoadBalancer Services), speaker into an empty kernel,
memory after both have settled, one endpoint changed by renaming a file until the kernel tells of its element, speaker
restarted while nothing changed. Rounds of the cases take turns, so that a busy moment of the machine does not meet one
case alone. A time is the third best of the rounds, beside its spread; memory is judged by the worst round.

A time fails at ten times what is promised, as it is measured on whatever machine this is; memory fails at the promise.
Everything is written to build/bench/results.json too.
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests/lab"))

import yaml  # noqa: E402
from lab import Lab, Topology, endpointslice, l2_advertisement, node, pool, program, service, why_not  # noqa: E402

OUT = ROOT / "build/bench"
FACTOR = 10
PER_FILE = 100            # objects in a file of many
LOAD_BALANCERS = 100      # of the Services
CHANGES = 5               # of each kind, in a round
ALONE, CROWDED = 0, 500   # Services whose slice is alone in its file, and one among PER_FILE
NODE = "node-a"


@dataclass(frozen=True)
class Case:
    services: int
    endpoints: int  # of each Service
    is_judged: bool


CASES = {"1,000 x 3": Case(1000, 3, True), "1,000 x 10": Case(1000, 10, False)}


@dataclass(frozen=True)
class Figure:
    what: str
    unit: str
    promise: float = None     # in the unit; of judged cases
    is_exact: bool = False    # fails at the promise itself, and by its worst round


# In the order of a round. MB are millions of bytes.
FIGURES = {
    "controller_read": Figure("controller: folder read", "ms"),
    "controller_settle": Figure("controller: folder read -> last address written", "ms"),
    "controller_rss": Figure("controller: resident memory", "MB", 25, True),
    "controller_pss": Figure("controller: its proportional share", "MB"),
    "speaker_read": Figure("speaker: folder read", "ms"),
    "speaker_sync": Figure("speaker: folder read -> kernel in sync", "ms", 300),
    "speaker_elements": Figure("speaker: elements written", ""),
    "speaker_batches": Figure("speaker: batches", ""),
    "kernel_endpoints": Figure("speaker: endpoints that the kernel then has", ""),
    "speaker_rss": Figure("speaker: resident memory", "MB", 27, True),
    "speaker_pss": Figure("speaker: its proportional share", "MB"),
    "change_alone": Figure("endpoint change -> kernel, slice alone in its file", "ms"),
    "change_crowded": Figure(f"endpoint change -> kernel, slice among {PER_FILE}", "ms"),
    "restart_read": Figure("restart: folder read", "ms"),
    "restart_sync": Figure("restart, nothing changed: folder read -> in sync", "ms", 300),
    "restart_elements": Figure("restart, nothing changed: elements written", "", 0, True),
}


# -- manifests


def dump(objects):
    """As Manifests.write() would, by libyaml where there is one: thousands of objects."""
    return yaml.dump_all(objects, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def endpoint_ip(number):
    return f"10.244.{number // 250}.{number % 250 + 1}"


def slice_of(case, number, first_ip=None):
    own = range(number * case.endpoints, (number + 1) * case.endpoints)
    pods = [(endpoint_ip(e), f"node-{'abc'[e % 3]}") for e in own]
    if first_ip:
        pods[0] = (first_ip, pods[0][1])
    return endpointslice(f"s{number:04}", pods)


def service_of(case, number):
    is_lb = number % (case.services // LOAD_BALANCERS) == 0
    return service(f"s{number:04}", type="LoadBalancer" if is_lb else "ClusterIP",
                   cluster_ip=f"10.96.{1 + number // 250}.{number % 250 + 1}")


def slices_file(case, number, first_ip=None):
    """(name, text) of the file that holds the slice of Service `number`; first_ip replaces its first endpoint."""
    if number == ALONE:
        return "slice-alone.yaml", dump([slice_of(case, ALONE, first_ip)])
    start = number - number % PER_FILE
    return f"slices-{start:04}.yaml", dump(slice_of(case, n, first_ip if n == number else None)
                                           for n in range(start, start + PER_FILE) if n != ALONE)


def write(folder, name, text):
    """By rename. When the file appeared, on the monotonic clock."""
    half = folder / f".{name}.part"
    half.write_text(text)
    at = time.monotonic()
    half.rename(folder / name)
    return at


def write_case(folder, case):
    folder.mkdir(parents=True)
    write(folder, "config.yaml", dump([pool("pool", "198.51.100.100-198.51.100.219"), l2_advertisement("l2"),
                                       *(node(n) for n in ("node-a", "node-b", "node-c"))]))
    for start in range(0, case.services, PER_FILE):
        write(folder, f"services-{start:04}.yaml", dump(service_of(case, n) for n in range(start, start + PER_FILE)))
        write(folder, *slices_file(case, start + 1))
    write(folder, *slices_file(case, ALONE))


# -- a round


def kilobytes(pid, file, key):
    return int(re.search(rf"^{key}:\s+(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.M)[1])


def memory(pid):
    """(resident, proportional share) in MB."""
    return tuple(kb * 1024 / 1e6 for kb in (kilobytes(pid, "status", "VmRSS"), kilobytes(pid, "smaps_rollup", "Pss")))


def settle(pid, seconds=15):
    """Until the process has not run for a second."""
    def ticks():
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    deadline, since, last = time.monotonic() + seconds, time.monotonic(), ticks()
    while time.monotonic() - since < 1.0 and time.monotonic() < deadline:
        time.sleep(0.1)
        if ticks() != last:
            since, last = time.monotonic(), ticks()


def wait_for(daemon, seconds, what, ready):
    """Until ready(its log). Looks seldom: reading the log takes from what is measured."""
    deadline = time.monotonic() + seconds
    while not ready(daemon.text()):
        assert daemon.is_running(), f"{daemon.name} ended with {daemon.returncode()}\n{daemon.text()[-3000:]}"
        assert time.monotonic() < deadline, f"{daemon.name}: not within {seconds} s: {what}\n{daemon.text()[-3000:]}"
        time.sleep(0.05)


def synced(speaker, prefix, found):
    wait_for(speaker, 120, "event=synced", lambda log: "event=synced " in log)
    read, done = speaker.events("folder_read")[0], speaker.events("synced")[0]
    found[f"{prefix}_read"] = float(read["ms"])
    # Two clocks: what the program says, and the time between its lines, which cannot leave anything out.
    found[f"{prefix}_sync"] = max(float(done["ms"]), (done["time"] - read["time"]) * 1000)
    found[f"{prefix}_elements"] = int(done["elements"])
    return int(done["batches"])


class KernelWatch:
    """Notifications of nf_tables in a node: `nft monitor`, without the time that a program takes to print."""
    NETLINK_NETFILTER, SOL_NETLINK, ADD_MEMBERSHIP, NFNLGRP_NFTABLES = 12, 270, 1, 7
    NEWSETELEM = 10 << 8 | 12

    def __init__(self, lab):
        with lab.topo.inside(NODE):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, self.NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.setsockopt(self.SOL_NETLINK, self.ADD_MEMBERSHIP, self.NFNLGRP_NFTABLES)
        self._socket.settimeout(10)

    def wait_element(self, ip):
        """When an element with this address came, on the monotonic clock."""
        wanted = socket.inet_aton(ip)
        while True:
            data = self._socket.recv(1 << 20)
            at = time.monotonic()
            offset = 0
            while offset + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, offset)
                if kind == self.NEWSETELEM and wanted in data[offset:offset + length]:
                    return at
                offset += max(length + 3 & ~3, 16)

    def close(self):
        self._socket.close()


def change(lab, folder, case, number, fresh_ips):
    """Milliseconds from a file's appearance to the element in the kernel; the median of some changes."""
    times = []
    watch = KernelWatch(lab)
    with contextlib.closing(watch):
        for _ in range(CHANGES):
            ip = next(fresh_ips)
            name, text = slices_file(case, number, ip)
            time.sleep(0.3)  # the last one is over and done with
            begin = write(folder, name, text)
            try:
                times.append((watch.wait_element(ip) - begin) * 1000)
            except TimeoutError:
                raise AssertionError(f"the endpoint {ip} did not reach the kernel within 10 s of {name}") from None
    return statistics.median(times)


def play(lab, case, folder, fresh_ips):
    """One round: {figure: value}."""
    found = {}
    shutil.rmtree(folder / ".status", ignore_errors=True)
    lab.topo.run(NODE, [program("fairlead-speaker"), "--cleanup"])

    controller = lab.controller(folder)
    given = re.compile(r"event=service .*ingress=\d")
    wait_for(controller, 120, f"{LOAD_BALANCERS} addresses", lambda log: len(given.findall(log)) >= LOAD_BALANCERS)
    read = controller.events("folder_read")[0]
    found["controller_read"] = float(read["ms"])
    settle(controller.pid)
    last = [e for e in controller.events("service") if e.get("ingress")][-1]
    found["controller_settle"] = (last["time"] - read["time"]) * 1000

    speaker = lab.speaker(folder, NODE)
    found["speaker_batches"] = synced(speaker, "speaker", found)
    settle(speaker.pid)
    table = speaker.events("synced")[0]["table"]
    listed = next(o["map"] for o in lab.nft(NODE, f"list map inet {table} endpoints4") if "map" in o)
    found["kernel_endpoints"] = len(listed.get("elem", []))
    found["controller_rss"], found["controller_pss"] = memory(controller.pid)
    found["speaker_rss"], found["speaker_pss"] = memory(speaker.pid)

    found["change_alone"] = change(lab, folder, case, ALONE, fresh_ips)
    found["change_crowded"] = change(lab, folder, case, CROWDED, fresh_ips)

    settle(speaker.pid)
    speaker.restart()
    synced(speaker, "restart", found)

    for daemon in (speaker, controller):
        assert daemon.stop() == 0, f"{daemon.name} ended with {daemon.returncode()}"
    for number in (ALONE, CROWDED):
        write(folder, *slices_file(case, number))
    return found


# -- what came out


def machine():
    cpu = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.M)
    total = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])
    uname = os.uname()
    cache = program("fairlead-speaker").parent.parent / "CMakeCache.txt"
    kind = re.search(r"^CMAKE_BUILD_TYPE:\w+=(\w*)", cache.read_text(), re.M) if cache.exists() else None
    return {"cpu": cpu[1] if cpu else uname.machine, "cores": os.cpu_count(), "memory_gib": round(total / 2**20, 1),
            "kernel": f"{uname.sysname} {uname.release} {uname.machine}", "load": os.getloadavg()[0],
            "nft": subprocess.run(["nft", "--version"], capture_output=True, text=True).stdout.strip(),
            "build": kind[1] if kind else "unknown"}


def number(value, unit):
    return f"{value:,.0f}" if not unit else f"{value:.1f} {unit}"


def sum_up(case, rounds):
    """{figure: {...}} and {judged figure: complaint or None}"""
    results, verdicts = {}, {}
    for key, figure in FIGURES.items():
        values = [r[key] for r in rounds]
        third = sorted(values)[min(2, len(values) - 1)]
        entry = {"what": figure.what, "unit": figure.unit, "third_best": third, "min": min(values), "max": max(values), "values": values}
        if figure.promise is not None and case.is_judged:
            value = max(values) if figure.is_exact else third
            limit = figure.promise if figure.is_exact else figure.promise * FACTOR
            entry.update(promise=figure.promise, fails_above=limit, kept=value <= figure.promise, passed=value <= limit)
            verdicts[key] = None if value <= limit else \
                f"{number(value, figure.unit)}; promised: {number(figure.promise, figure.unit)}, fails above {number(limit, figure.unit)}"
        if key == "kernel_endpoints":  # a sync that leaves something out is fast, too
            wanted = case.services * case.endpoints
            verdicts[key] = None if set(values) == {wanted} else f"{sorted(set(values))}, not {wanted}"
        results[key] = entry
    return results, verdicts


def print_case(name, case, results):
    print(f"\n{name}: {case.services:,} Services, {case.services * case.endpoints:,} endpoints, {LOAD_BALANCERS} LoadBalancers"
          f"{'' if case.is_judged else ' (not judged)'}")
    print(f"  {'':52} {'third best':>12}   spread")
    for entry in results.values():
        unit, verdict = entry["unit"], ""
        if "promise" in entry:
            verdict = f"   promised {number(entry['promise'], unit)}: " + \
                ("kept" if entry["kept"] else "NOT KEPT" if entry["passed"] else "FAILED")
        spread = f"{number(entry['min'], '')} .. {number(entry['max'], '')}" if not unit else f"{entry['min']:.1f} .. {entry['max']:.1f}"
        print(f"  {entry['what']:52} {number(entry['third_best'], unit):>12}   {spread}{verdict}")


def write_junit(path, verdicts, skipped=None):
    if not path:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    cases = [f"<testcase classname=\"bench\" name={quoteattr(n)}>" + (f"<failure message={quoteattr(w)}/>" if w else "") + "</testcase>"
             for n, w in verdicts.items()]
    if skipped:
        cases.append(f"<testcase classname=\"bench\" name=\"bench\"><skipped message={quoteattr(skipped)}/></testcase>")
    path.write_text('<testsuite name="bench">\n' + "\n".join(cases) + "\n</testsuite>\n")


def finish(path, report, junit, verdicts, skipped=None):
    """All figures into `path`, the verdicts ({name: complaint or ""}) to whoever looks. Returns the exit code."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    write_junit(junit, verdicts, skipped)
    failed = {n: c for n, c in verdicts.items() if c}
    for name, complaint in failed.items():
        print(f"FAILED {name}: {complaint}")
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    print(f"bench: {len(verdicts) - len(failed)} passed, {len(failed)} failed; all figures: {shown}")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    is_full = os.environ.get("FAIRLEAD_FULL") == "1"
    parser.add_argument("--rounds", type=int, default=12 if is_full else 5)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--junit", type=Path)
    flags = parser.parse_args()
    if reason := why_not():
        print(f"bench: skipped: {reason}")
        write_junit(flags.junit, {}, reason)
        return 0
    # Without this, SIGTERM ends Python before the namespaces are removed.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

    about = machine()
    cases = {name: CASES[name] for name in flags.case or CASES}
    print(f"machine: {about['cores']} x {about['cpu']}, {about['memory_gib']} GiB, {about['kernel']}, {about['nft']}; load {about['load']:.1f}")
    print(f"build: {about['build']}; rounds: {flags.rounds}, the cases take turns")
    if about["build"] != "Release":
        print("warning: this is no release build")

    work = OUT / "work"
    shutil.rmtree(work, ignore_errors=True)
    for index, case in enumerate(cases.values()):
        write_case(work / f"manifests-{index}", case)
    fresh_ips = (f"10.245.{n // 250}.{n % 250 + 1}" for n in range(50000))
    rounds = {name: [] for name in cases}
    # Named like the lab's: its next run removes what a SIGKILL leaves.
    topology = Topology(HERE / "one_node.clab.yml", f"fl{os.getpid()}-1")
    topology.deploy()
    lab = Lab(topology, work / "lab")
    try:
        for turn in range(flags.rounds):
            for index, (name, case) in enumerate(cases.items()):
                start = time.monotonic()
                rounds[name].append(play(lab, case, work / f"manifests-{index}", fresh_ips))
                last = rounds[name][-1]
                print(f"round {turn + 1}, {name}: sync {last['speaker_sync']:.0f} ms, restart {last['restart_sync']:.0f} ms, "
                      f"speaker {last['speaker_rss']:.1f} MB, controller {last['controller_rss']:.1f} MB "
                      f"({time.monotonic() - start:.0f} s)", flush=True)
    except AssertionError as e:
        print(f"bench: FAILED: {e}")
        write_junit(flags.junit, {"rounds": str(e)[:2000]})
        return 1
    finally:
        lab.close()

    report, verdicts = {"machine": about, "rounds": flags.rounds, "cases": {}}, {}
    for name, case in cases.items():
        results, judged = sum_up(case, rounds[name])
        print_case(name, case, results)
        report["cases"][name] = results
        verdicts.update({f"{name}: {FIGURES[k].what}": complaint for k, complaint in judged.items()})
    return finish(OUT / "results.json", report, flags.junit, verdicts)


if __name__ == "__main__":
    sys.exit(main())
