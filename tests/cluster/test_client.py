"""The programs' client against a real API server, outside of containers: in the network of the client, with a service
account's token. What is installed does not matter here, so nothing is.

FAIRLEAD_CLIENT_BIN names other programs for it, such as build/asan/bin; their output must then hold no sanitizer's report.
"""
import base64
import collections
import os
import re
import select
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml
from kube import API, CHART, ROOT, address, judged, pool, run, service, wait_until

NAMESPACE = "outside"  # of this test's Lease and service account
BRIDGE = "198.18.0.1"  # this machine, on the nodes' network
BIN = Path(os.environ.get("FAIRLEAD_CLIENT_BIN") or os.environ.get("FAIRLEAD_BIN") or ROOT / "build/release/bin").resolve()
ACCOUNT = f"{NAMESPACE}:outside"


class Relay:
    """TCP to the API server. freeze(): what is open now is never closed and never moved again; new connections work."""

    def __init__(self):
        self.accepted, self._frozen, self._pairs = 0, set(), []
        self._listener = socket.create_server((BRIDGE, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self):
        self._frozen = {id(pair) for pair in self._pairs}
        return len(self._frozen)

    def close(self):
        self._listener.close()
        for pair in self._pairs:
            for s in pair:
                s.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            pair = (client, socket.create_connection((API, 6443)))
            self.accepted += 1
            self._pairs.append(pair)
            threading.Thread(target=self._move, args=(pair,), daemon=True).start()

    def _move(self, pair):
        client, server = pair
        try:
            while True:
                for s in select.select(pair, [], [])[0]:
                    if id(pair) in self._frozen:
                        return
                    data = s.recv(65536)
                    if not data:
                        return [other.shutdown(socket.SHUT_RDWR) for other in pair]
                    (server if s is client else client).sendall(data)
        except (OSError, ValueError):
            return


class Program:
    """One of ours, in the client's network namespace and this machine's files."""

    def __init__(self, client, folder, name, *flags):
        self.name, self.log = name, folder / f"{name}.log"
        pid = run(["docker", "inspect", "-f", "{{.State.Pid}}", client.container]).strip()
        env = {**os.environ, "ASAN_OPTIONS": "halt_on_error=1:detect_leaks=1:exitcode=99", "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99"}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["nsenter", "-t", pid, "-n", BIN / name, "--log-level", "debug", *flags],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)

    def lines(self, event, **match):
        """Its log's lines with this event and these values; fails when it has ended by itself."""
        assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}\n{self.log.read_text(errors='replace')[-6000:]}"
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            fields = {k: v.strip('"') for k, v in re.findall(r'([a-z_]+)=("[^"]*"|\S+)', line)}
            if fields.get("event") == event and all(fields.get(k) == v for k, v in match.items()):
                found.append(fields)
        return found

    def stop(self):
        self.process.terminate()
        code = self.process.wait(20)
        text = self.log.read_text(errors="replace")
        assert code == 0 and "Sanitizer" not in text and "runtime error" not in text, f"{self.name}: code {code}\n{text[-6000:]}"


@pytest.fixture(scope="module")
def outside(kubernetes, client, tmp_path_factory):
    """outside(name, *flags, server=...) starts a program; a Relay in front where `server` says so."""
    kube, folder = kubernetes, tmp_path_factory.mktemp("outside")
    kube.kubectl("apply", "-f", CHART / "crds")
    kube.kubectl("create", "namespace", NAMESPACE)
    kube.kubectl("-n", NAMESPACE, "create", "serviceaccount", "outside")
    kube.kubectl("create", "clusterrolebinding", "outside", "--clusterrole=cluster-admin", f"--serviceaccount={ACCOUNT}")
    token = kube.kubectl("-n", NAMESPACE, "create", "token", "outside", "--duration=2h").strip()
    config = folder / "kubeconfig"
    ca = base64.b64encode((kube.keys / "ca.crt").read_bytes()).decode()
    config.write_text(yaml.safe_dump({
        "clusters": [{"name": "c", "cluster": {"server": f"https://{API}:6443", "certificate-authority-data": ca}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "current-context": "c"}))
    wait_until(lambda: kube.api.call("GET", "/apis/fairlead.io/v1/ipaddresspools")[0] == 200, 20, "the definitions")
    kube.kubectl("create", "namespace", "fairlead-system")
    kube.api.create(pool("outside", ["198.18.0.230-198.18.0.239"]))
    running = []

    def start(name, *flags):
        more = ("--state-file", "", "--node=outside", "--mode=loadbalancer", "--exclude-interfaces=.*") if name == "fairlead-speaker" else ()
        running.append(Program(client, folder, name, "--kubeconfig", config, "--namespace", NAMESPACE, *more, *flags))
        return running[-1]

    start.running, start.api = running, kube.api
    yield start
    kube.api.delete(pool("outside"))
    kube.kubectl("delete", "namespace", NAMESPACE, "fairlead-system", "--wait=true", timeout=60)
    kube.kubectl("delete", "clusterrolebinding", "outside")


@pytest.fixture(autouse=True)
def _nothing_runs_on(outside):
    """A test that failed leaves no leader to the next."""
    yield
    for program in outside.running:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()
    for s in outside.api.items("/api/v1/namespaces/default/services"):
        if s["spec"]["type"] == "LoadBalancer":
            outside.api.delete(service(s["metadata"]["name"]))


def external_ip(api, name, seconds):
    return wait_until(lambda: address(api.service(name)), seconds, f"an EXTERNAL-IP for {name}", 0.02)


def test_an_ipv6_address_of_the_api_server(kubernetes, outside):
    """Verified for the name that every API server's certificate has."""
    program = outside("fairlead-controller", "--api-server", "[fdfc::10]:6443")
    wait_until(lambda: program.lines("leader"), 20, "a leader")
    assert not program.lines("api_unreachable")
    established = run(["nsenter", "-t", str(program.process.pid), "-n", "ss", "-Htn", "state", "established", "dport", "=", ":6443"])
    assert established.count("[fdfc::10]:6443") >= 4 and "198.18" not in established, established
    program.stop()


def definition(kind, plural):
    """MetalLB's, without its schema."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.metallb.io"},
            "spec": {"group": "metallb.io", "scope": "Namespaced", "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
                     "versions": [{"name": "v1beta1", "served": True, "storage": True, "subresources": {"status": {}},
                                   "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}}}]}}


def test_metallbs_own_objects(kubernetes, outside, tmp_path):
    """--api-group metallb.io: pools and annotations of MetalLB are read, its annotation and its pool's status written. Fairlead's
    own pool is nobody's then."""
    api, path = kubernetes.api, tmp_path / "definitions.yaml"
    path.write_text(yaml.safe_dump_all([definition("IPAddressPool", "ipaddresspools"), definition("Community", "communities")]))
    kubernetes.kubectl("apply", "-f", path)
    try:
        metal = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "metal", "namespace": NAMESPACE},
                 "spec": {"addresses": ["198.18.0.240-198.18.0.243"], "autoAssign": False}}
        collection = f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/ipaddresspools"
        wait_until(lambda: api.call("GET", collection)[0] == 200, 20, "the definitions")
        api.create(metal)
        program = outside("fairlead-controller", "--api-server", f"{API}:6443", "--api-group", "metallb.io")
        wait_until(lambda: program.lines("leader"), 30, "a leader")
        for name, annotations in (("old", {"metallb.universe.tf/address-pool": "metal"}), ("new", {"metallb.io/loadBalancerIPs": "198.18.0.243"}), ("none", {})):
            api.create(service(name, annotations=annotations))
        assert external_ip(api, "old", 20) == "198.18.0.240" and external_ip(api, "new", 20) == "198.18.0.243"
        for name in ("old", "new"):
            written = api.service(name)["metadata"]["annotations"]
            assert written["metallb.io/ip-allocated-from-pool"] == "metal" and not any(key.startswith("fairlead.io/") for key in written)
        wait_until(lambda: api.get(f"{collection}/metal").get("status") == {"assignedIPv4": 2, "availableIPv4": 2, "assignedIPv6": 0, "availableIPv6": 0}, 10,
                   lambda: f"the pool's status: {api.get(f'{collection}/metal')}")
        assert address(api.service("none")) is None, "neither of the two pools is for it"
        # A second pool that is wrong: both are refused, as MetalLB does it, and what was given stays.
        api.create({**metal, "metadata": {"name": "wrong", "namespace": NAMESPACE}, "spec": {"addresses": ["198.18.0.243/32"]}})
        wait_until(lambda: program.lines("pool_refused"), 20, "the fault is said")
        api.create(service("late", annotations={"metallb.io/address-pool": "metal"}))
        time.sleep(2)
        assert [address(api.service(name)) for name in ("old", "new")] == ["198.18.0.240", "198.18.0.243"]
        program.stop()
    finally:
        kubernetes.kubectl("delete", "--ignore-not-found", "-f", path, timeout=60)


def test_a_relay_that_goes_silent(kubernetes, client, outside):
    """Nothing is closed and nothing arrives. A change made meanwhile is seen in 100 s, by one new watch of each kind from
    where the old one was, without a list."""
    api, relay = kubernetes.api, Relay()
    server = f"{BRIDGE}:{relay.port}"
    programs = [outside(name, "--api-server", server) for name in ("fairlead-controller", "fairlead-speaker")]
    controller, speaker = programs
    wait_until(lambda: controller.lines("leader") and speaker.lines("synced"), 60, "both are there")
    api.create(service("before"))
    external_ip(api, "before", 20)
    wait_until(lambda: frontends(client).count("198.18.0.23") > 0, 20, "the speaker has it")
    before = {p: collections.Counter(w["kind"] for w in p.lines("watch")) for p in programs}
    assert {p.name: len(b) for p, b in before.items()} == {"fairlead-controller": 9, "fairlead-speaker": 6}
    lists = {p: len(p.lines("listed")) for p in programs}

    mark, frozen, accepted = kubernetes.audit_mark(), relay.freeze(), relay.accepted
    started = time.monotonic()
    api.create(service("meanwhile"))
    ip = external_ip(api, "meanwhile", 120)
    judged("silent relay: seen by the controller", time.monotonic() - started, 100)
    wait_until(lambda: ip in frontends(client), 120, "the speaker has it")
    judged("silent relay: seen by a speaker", time.monotonic() - started, 100)
    assert time.monotonic() - started <= 100, "this is a limit, not a speed"
    wait_until(lambda: all(len(p.lines("watch")) >= before[p].total() + len(before[p]) for p in programs), 100 - (time.monotonic() - started),
               "all watches are back")
    time.sleep(3)
    # A renewal into the silence takes 5 of the 10 s that it may: a busy machine may need the rest, and a new leader lists.
    kept = [p for p in programs if len(p.lines("standby")) < 2]  # it begins as one
    assert speaker in kept
    for p in kept:
        assert collections.Counter(w["kind"] for w in p.lines("watch")) == {kind: n + 1 for kind, n in before[p].items()}, p.name
        assert not p.lines("relist") and len(p.lines("listed")) == lists[p], p.name
    asked = collections.Counter((e["verb"], e["objectRef"]["resource"]) for e in kubernetes.audited(mark) if e["user"]["username"].endswith(ACCOUNT))
    assert len(kept) < len(programs) or not [verb for verb, _ in asked if verb == "list"], asked
    print(f"figure silent relay: {frozen} connections went silent, {relay.accepted - accepted} were made, {dict(asked)}")
    for p in programs:
        p.stop()
    relay.close()


def frontends(client):
    """What the speaker has made of Services in the client's kernel, as text."""
    return client.run("nft", "list", "maps", "inet", check=False)


def test_a_thousand_flaps_are_few_events(kubernetes, outside):
    """A Service that stops and starts to be a LoadBalancer, now and then while another takes its address."""
    api, program = kubernetes.api, outside("fairlead-controller", "--api-server", f"{API}:6443")

    def become(kind):
        code, _ = api.call("PATCH", "/api/v1/namespaces/default/services/flap", {"spec": {"type": kind}}, "application/merge-patch+json")
        assert code == 200

    wait_until(lambda: program.lines("leader"), 30, "a leader")
    api.create(service("flap"))
    external_ip(api, "flap", 20)
    mark, started, others = kubernetes.audit_mark(), time.monotonic(), 20
    for i in range(1000):
        become("ClusterIP")
        if i % (1000 // others) == 0:  # the address is another one each time, and so are the words
            wait_until(lambda: address(api.service("flap")) is None, 20, "the address is given back")
            api.create(service(f"between{i}"))
            external_ip(api, f"between{i}", 20)
        become("LoadBalancer")
        if i % 10 == 0:
            external_ip(api, "flap", 5)  # whatever was refused while it was no LoadBalancer
            if i % (1000 // others) == 0:
                api.delete(service(f"between{i}"))
    external_ip(api, "flap", 5)
    took = time.monotonic() - started
    asked = [e for e in kubernetes.audited(mark) if e["user"]["username"].endswith(ACCOUNT)]
    events = [e for e in asked if e["objectRef"]["resource"] == "events"]
    statuses = sum(e["objectRef"]["resource"] == "services" for e in asked)
    print(f"figure 1,000 flaps in {took:.1f} s: {statuses} writes to Services, {len(events)} of Events, {others} of them about others")
    assert statuses >= 100, "it was noticed"
    assert len(events) - others <= 10, collections.Counter(e["verb"] for e in events)
    program.stop()
