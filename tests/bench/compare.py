#!/usr/bin/python3
"""Fairlead beside kube-proxy (nftables) and a direct route, in namespaces of the same shape, in one run.

    tests/run.sh bench        or, as root:   tests/bench/compare.py [--rounds N] [--services N ...] [--json FILE] [--junit FILE]

Both programs get the same objects from the same kind of API server (tests/support/fake_api.py, one for each), fill the kernel of their own
node, and stay. Then rounds: in each, every path is asked in turn for new TCP connections, first packets of UDP flows and
round trips on an established connection, and each program is shown one changed endpoint. A figure is the third best of the
rounds, beside its spread; what counts is the ratio, as all paths met the same machine in the same minutes.

kube-proxy is built by `tests/cluster/cluster build` (FAIRLEAD_CLUSTER_DIR); without it, its column is left out.
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests/lab"), str(ROOT / "tests/support")]

from bench import finish, machine, memory, settle, write_junit  # noqa: E402
from fake_api import Api  # noqa: E402
from lab import Lab, Topology, endpointslice, node, program, service, why_not  # noqa: E402

WORK = ROOT / "build/bench/compare"
CLUSTER = Path(os.environ.get("FAIRLEAD_CLUSTER_DIR") or "/var/tmp/fairlead-cluster")
KUBE_PROXY = CLUSTER / "bin/kube-proxy"
NODE, POD_CIDR = "node-a", "10.244.0.0/16"
SERVER, HIT = "10.244.1.3", "10.96.255.7"   # the pod that answers, and the Service in front of it
ENDPOINTS = 3                               # of every other Service
STARTS = 3                                  # from nothing, of each program
MISSING = 0.001                             # share of questions that may fail


@dataclass(frozen=True)
class Figure:
    what: str
    unit: str
    is_rate: bool = False  # more is better


TRAFFIC = {
    "connections": Figure("new TCP connections, 4 at once", "/s", True),
    "connect_p50": Figure("TCP connect, one at once: median", "us"),
    "connect_p99": Figure("TCP connect, one at once: 99th of 100", "us"),
    "udp_p50": Figure("UDP, first packet and its answer: median", "us"),
    "udp_p99": Figure("UDP, first packet and its answer: 99th of 100", "us"),
    "trips": Figure("round trips on one connection", "/s", True),
}
PROGRAM = {
    "programmed": Figure("start -> last Service in the kernel", "ms"),
    "change": Figure("endpoint change -> kernel", "ms"),
    "rss": Figure("resident memory", "MB"),
}
FIGURES = {**TRAFFIC, **PROGRAM}


# -- what is served


def objects(services):
    """The Services s0000, s0001, ... with endpoints on another node, and among them the one that is asked."""
    made = [node(NODE, "198.51.100.11", "10.244.1.0/24"), node("node-b", "198.51.100.12", "10.244.2.0/23")]
    for number in range(services):
        made.append(service(f"s{number:05}", type="ClusterIP", cluster_ip=f"10.96.{number // 250}.{number % 250 + 1}"))
        made.append(slice_of(number))
    made.append(service("hit", type="ClusterIP", cluster_ip=HIT, ports=[
        {"name": p.lower(), "port": 80, "targetPort": 8080, "protocol": p} for p in ("TCP", "UDP")]))
    hit = endpointslice("hit", [(SERVER, NODE)])
    hit["ports"] = [{"name": p.lower(), "port": 8080, "protocol": p} for p in ("TCP", "UDP")]
    made.append(hit)
    for number, o in enumerate(made):
        o["metadata"].update(uid=f"00000000-0000-4000-8000-{number:012}", creationTimestamp="2026-01-01T00:00:00Z")
    return made


def slice_of(number, first_ip=None):
    ips = [f"10.{128 + e // 62500}.{e // 250 % 250}.{e % 250 + 1}" for e in range(number * ENDPOINTS, (number + 1) * ENDPOINTS)]
    if first_ip:
        ips[0] = first_ip
    return endpointslice(f"s{number:05}", [(ip, "node-b") for ip in ips])


# -- what the kernel tells


class KernelWatch:
    """Notifications of nf_tables in a node, as they come."""
    NETLINK_NETFILTER, SOL_NETLINK, ADD_MEMBERSHIP, NFNLGRP_NFTABLES, SO_RCVBUFFORCE = 12, 270, 1, 7, 33
    NEWRULE, NEWSETELEM = 10 << 8 | 6, 10 << 8 | 12

    def __init__(self, lab, name):
        with lab.topo.inside(f"node-{name}"):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, self.NETLINK_NETFILTER)
        self._socket.setsockopt(socket.SOL_SOCKET, self.SO_RCVBUFFORCE, 512 << 20)
        self._socket.bind((0, 0))
        self._socket.setsockopt(self.SOL_NETLINK, self.ADD_MEMBERSHIP, self.NFNLGRP_NFTABLES)
        self._socket.settimeout(60)

    def messages(self):
        """(when, type, bytes) until somebody has seen enough."""
        while True:
            data = self._socket.recv(1 << 20)
            at, offset = time.monotonic(), 0
            while offset + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, offset)
                yield at, kind, data[offset:offset + length]
                offset += max(length + 3 & ~3, 16)

    def wait_services(self, count):
        """When the last of so many TCP Services came. Both programs know them by the same key: address . protocol . port."""
        key = re.compile(rb"\x0a\x60(..)\x06\0\0\0\0\x50\0\0", re.DOTALL)
        seen = set()
        for at, kind, message in self.messages():
            if kind == self.NEWSETELEM and (b"services4\0" in message or b"service-ips\0" in message):
                seen.update(key.findall(message))
                if len(seen) >= count:
                    return at
        raise AssertionError("unreachable")

    def wait_endpoint(self, ip):
        wanted = socket.inet_aton(ip)
        return next(at for at, kind, message in self.messages() if kind in (self.NEWRULE, self.NEWSETELEM) and wanted in message)

    def close(self):
        self._socket.close()


# -- the paths


class Direct:
    name, title, target = "direct", "direct", (SERVER, 8080)


class Program:
    target = (HIT, 80)

    def __init__(self, lab, files, services):
        self.lab, self.services, self.daemon = lab, services, None
        self.api = Api(lab.topo, f"node-{self.name}", files / self.name, objects(services))
        self.fresh_ips = (f"10.200.{n // 250}.{n % 250 + 1}" for n in range(60000))

    def start(self):
        """Milliseconds until the last Service was in an empty kernel."""
        if self.daemon:
            self.daemon.stop()
        self.clean()
        watch = KernelWatch(self.lab, self.name)
        with contextlib.closing(watch):
            begin = time.monotonic()
            if self.daemon:
                self.daemon.start()
            else:
                self.daemon = self.lab.daemon(f"node-{self.name}", self.argv())
            try:
                return (watch.wait_services(self.services + 1) - begin) * 1000
            except TimeoutError:
                raise AssertionError(f"{self.title} did not bring {self.services} Services into the kernel\n"
                                     f"{self.daemon.text()[-3000:]}") from None

    def change(self):
        ip = next(self.fresh_ips)
        watch = KernelWatch(self.lab, self.name)
        with contextlib.closing(watch):
            try:
                begin = self.api.change(slice_of(0, ip))
                return (watch.wait_endpoint(ip) - begin) * 1000
            except TimeoutError:
                raise AssertionError(f"{self.title} did not bring the endpoint {ip} into the kernel") from None


class Fairlead(Program):
    name, title = "fairlead", "Fairlead"

    def argv(self):
        return [program("fairlead-speaker"), "--kubeconfig", self.api.kubeconfig, "--node", NODE, "--cluster-cidr", POD_CIDR,
                "--state-file", ""]

    def clean(self):
        self.lab.topo.run("node-fairlead", [program("fairlead-speaker"), "--cleanup"])


class KubeProxy(Program):
    name, title = "kubeproxy", "kube-proxy"

    def argv(self):
        return [KUBE_PROXY, "--kubeconfig", self.api.kubeconfig, "--proxy-mode", "nftables", "--hostname-override", NODE, "--cluster-cidr",
                POD_CIDR, "--kube-api-content-type", "application/json", "--conntrack-max-per-core", "0",
                "--conntrack-tcp-timeout-established", "0", "--conntrack-tcp-timeout-close-wait", "0",
                "--healthz-bind-address", "127.0.0.1:10256", "--metrics-bind-address", "127.0.0.1:10249"]

    def clean(self):
        for family in ("ip", "ip6"):  # flush first: deleting what is not there is an error
            self.lab.topo.run("node-kubeproxy", ["nft", f"add table {family} kube-proxy; delete table {family} kube-proxy"])


# -- rounds


def ask(lab, path):
    """The traffic figures of one path, and how many questions failed of how many."""
    def talk(*flags):
        found = lab.load(f"client-{path.name}", "talk", *map(str, path.target), *flags)
        outcome["asked"] += found["answers"] + sum(found["failed"].values())
        outcome["failed"] += sum(found["failed"].values())
        return found
    outcome = {"asked": 0, "failed": 0}
    outcome["connections"] = talk("--ms", "350", "--count", "4")["per_second"]
    single = talk("--ms", "250")["connect_ms"]
    datagram = talk("--ms", "200", "--udp")["answer_ms"]
    outcome["trips"] = talk("--ms", "200", "--keep")["per_second"]
    return {**outcome, "connect_p50": single["p50"] * 1000, "connect_p99": single["p99"] * 1000, "udp_p50": datagram["p50"] * 1000,
            "udp_p99": datagram["p99"] * 1000}


def play(lab, files, services, rounds):
    """{path: {figure: [values]}}"""
    programs = [Fairlead(lab, files, services)]
    if KUBE_PROXY.exists():
        programs.append(KubeProxy(lab, files, services))
    paths = [Direct(), *programs]
    found = {path.name: {} for path in paths}
    note = lambda path, key, value: found[path.name].setdefault(key, []).append(value)  # noqa: E731
    try:
        for _ in range(STARTS):
            for each in programs:
                note(each, "programmed", each.start())
                settle(each.daemon.pid, 3)
        for each in programs:
            note(each, "rss", memory(each.daemon.pid)[0])
        for turn in range(rounds):
            for shift in range(len(paths)):  # nobody is always first
                path = paths[(turn + shift) % len(paths)]
                for key, value in ask(lab, path).items():
                    note(path, key, value)
                if path in programs:
                    note(path, "change", path.change())
    finally:
        for each in programs:
            if each.daemon:
                each.daemon.stop()
            each.api.close()
    return found


# -- what came out


def third_best(figure, values):
    return sorted(values, reverse=figure.is_rate)[min(2, len(values) - 1)]


def sum_up(found):
    return {path: {key: {"unit": FIGURES[key].unit, "third_best": third_best(FIGURES[key], values), "min": min(values),
                         "max": max(values), "values": values} for key, values in figures.items() if key in FIGURES}
            for path, figures in found.items()}


def shown(entry):
    def text(value):
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return f"{text(entry['third_best'])} {entry['unit']} ({text(entry['min'])}..{text(entry['max'])})"


def ratio(results, key, of, to):
    one, other = results.get(of, {}).get(key), results.get(to, {}).get(key)
    if not one or not other or not other["third_best"]:
        return ""
    quotient = one["third_best"] / other["third_best"]
    return f"{quotient:.2f}" if quotient >= 0.1 else f"{quotient:.3f}"


def print_table(services, rounds, results):
    print(f"\n{services:,} Services of {ENDPOINTS} endpoints; third best of {rounds} (of {STARTS} for the start), and the spread")
    print(f"  {'':46}{'direct':>30}{'Fairlead':>30}{'kube-proxy':>30}   F/direct  F/kube-proxy")
    for key, figure in FIGURES.items():
        cells = "".join(f"{shown(results[p][key]) if key in results.get(p, {}) else '':>30}" for p in ("direct", "fairlead", "kubeproxy"))
        print(f"  {figure.what:46}{cells}   {ratio(results, key, 'fairlead', 'direct'):>8}  {ratio(results, key, 'fairlead', 'kubeproxy'):>12}")


def judge(services, found, results):
    """{what: complaint or None}"""
    verdicts = {}
    for path, figures in found.items():
        asked, failed = sum(figures["asked"]), sum(figures["failed"])
        verdicts[f"{services:,} Services: {path} answers"] = None if asked and failed <= MISSING * asked else f"{failed} of {asked} failed"
    cost = results["fairlead"]["connect_p50"]["third_best"] / results["direct"]["connect_p50"]["third_best"]
    verdicts[f"{services:,} Services: a connection through Fairlead is below ten direct ones"] = None if cost < 10 else f"{cost:.1f} times"
    return verdicts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    is_full = os.environ.get("FAIRLEAD_FULL") == "1"
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--services", type=int, action="append")
    parser.add_argument("--json", type=Path, default=ROOT / "build/results/compare.json")
    parser.add_argument("--junit", type=Path)
    flags = parser.parse_args()
    if reason := why_not():
        print(f"bench: skipped: {reason}")
        write_junit(flags.junit, {}, reason)
        return 0
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    about, skipped = machine(), None
    print(f"machine: {about['cores']} x {about['cpu']}, {about['memory_gib']} GiB, {about['kernel']}, {about['nft']}; load {about['load']:.1f}")
    if KUBE_PROXY.exists():
        version = CLUSTER / "bin/kube.version"
        about["kube_proxy"] = version.read_text().strip() if version.exists() else "unknown"
        print(f"kube-proxy {about['kube_proxy']}, in one program with the rest of Kubernetes: its memory is that program's")
    else:
        skipped = f"kube-proxy was not built ({KUBE_PROXY} is missing): run tests/cluster/cluster build"
        print(f"bench: without kube-proxy: {skipped}")

    report, verdicts = {"machine": about, "rounds": flags.rounds, "services": {}}, {}
    topology = Topology(HERE / "three_paths.clab.yml", f"fl{os.getpid()}-2")
    topology.deploy()
    lab = Lab(topology, WORK / "lab")
    try:
        for path in ("direct", "fairlead", "kubeproxy"):
            lab.serve(f"server-{path}", name="server")
        for services in flags.services or [100, 1000, *([10000] if is_full else [])]:
            begin = time.monotonic()
            files = WORK / f"files-{services}"
            shutil.rmtree(files, ignore_errors=True)
            found = play(lab, files, services, flags.rounds)
            results = sum_up(found)
            print_table(services, flags.rounds, results)
            print(f"  ({time.monotonic() - begin:.0f} s)", flush=True)
            report["services"][services] = results
            verdicts.update(judge(services, found, results))
    except AssertionError as e:
        print(f"bench: FAILED: {e}")
        write_junit(flags.junit, {"compare": str(e)[:2000]})
        return 1
    finally:
        lab.close()
    return finish(flags.json, report, flags.junit, verdicts, skipped)


if __name__ == "__main__":
    sys.exit(main())
