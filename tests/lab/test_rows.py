"""The truth table (speaker/core/README.md) with real packets: row x frontend x protocol x family x who asks.

Each node runs a speaker of another configuration: node-a tells pods by --cluster-cidr, node-b by the Node's podCIDRs, node-c
by the names of their links. Nothing is announced here: the router has routes (dual.route). What `fairleadctl trace` says of
the same question from the same manifests is held against what the packets did.
"""
import itertools
import json
import subprocess

import dual
import pytest
from dual import FAMILIES, NODES, PROTOCOLS, answers, ask, client_ip, gateway, node_ip, number, pod_ip
from lab import program
from sctp import Servers

FLAGS = {"node-a": ("--cluster-cidr", dual.CLUSTER_CIDRS),
         "node-b": ("--cluster-cidr", "192.168.0.0/16", "--detect-local-mode", "NodeCIDR",
                    "--nodeport-addresses", "198.51.100.0/24,10.99.0.0/16,fd00:c::/64,fd00:99::/64"),
         "node-c": ("--detect-local-mode", "InterfaceNamePrefix", "--pod-interface-name-prefix", "vethp",
                    "--nodeport-addresses", "0.0.0.0/0,::/0")}
COMMON = ("--service-cidr", dual.SERVICE_CIDRS, "--log-level", "debug")
ALL = ("pod-a1", "pod-b1", "pod-c1")
NODE_PORT, SPARE_PORT = 31000, 31990
TABLE = "inet fairlead-2"
PROMPT = 0.25  # how long to wait for an answer that must not come

# Number of the Service, its policies, and its endpoints as seen from the node that is asked.
HERE, AWAY = "here", "away"
SERVICES = {"cluster": (1, "Cluster", ALL), "empty": (2, "Cluster", ()), "local": (3, "Local", ALL), "away": (4, "Local", AWAY),
            "empty-local": (5, "Local", ()), "self": (6, "Cluster", HERE)}
EXTERNAL = ("vip", "external", "nodeport")
# Row -> the Services and frontends it is about, and what who asks meets: endpoints and whose address they see, or an error.
ROWS = {
    "1": [("cluster", ("clusterip",), {"outside": (ALL, "node"), "pod": (ALL, "kept"), "node": (ALL, "node")})],
    "2": [("empty", ("clusterip",), {w: "refused" for w in ("outside", "pod", "node")})],
    "3": [("local", ("clusterip",), {"outside": (HERE, "node"), "pod": (HERE, "kept"), "node": (HERE, "node")})],
    "4": [("away", ("clusterip",), {w: "dropped" for w in ("outside", "pod", "node")})],
    "5": [("empty-local", ("clusterip",), {w: "refused" for w in ("outside", "pod", "node")})],
    "6": [("cluster", EXTERNAL, {w: (ALL, "node") for w in ("outside", "pod", "node")})],
    "7": [("empty", EXTERNAL, {w: "refused" for w in ("outside", "pod", "node")})],
    "8": [("local", EXTERNAL, {"pod": (ALL, "kept")}), ("away", EXTERNAL, {"pod": (AWAY, "kept")})],
    "9": [("local", EXTERNAL, {"node": (ALL, "node")}), ("away", EXTERNAL, {"node": (AWAY, "node")})],
    "10": [("local", EXTERNAL, {"outside": (HERE, "kept")})],
    "11": [("away", EXTERNAL, {"outside": "dropped"})],
    "12": [("empty-local", EXTERNAL, {w: "refused" for w in ("outside", "pod", "node")})],
    "13": [("self", ("clusterip", "vip", "nodeport"), {"itself": (HERE, "node")})],
}
# What depends on the detector is asked of every node, the rest of node-a.
DETECTOR_ROWS = ("1", "3", "8", "9", "10", "11")


def endpoints(which, n):
    here = f"pod-{n[-1]}1"
    return {HERE: (here,), AWAY: tuple(p for p in ALL if p != here)}.get(which, which)


def address(frontend, family, n, service):
    i = SERVICES[service][0]
    if frontend == "nodeport":
        return node_ip(family, n), NODE_PORT + 100 * number(n) + i
    return {"clusterip": dual.cluster_ip, "vip": dual.vip, "external": dual.external_ip}[frontend](family, n, i), 80


def asker(who, n):
    return {"outside": "client", "pod": f"pod-{n[-1]}2", "node": n, "itself": f"pod-{n[-1]}1"}[who]


def cases():
    for row, parts in ROWS.items():
        for service, frontends, asks in parts:
            for frontend, (who, want), n in itertools.product(frontends, asks.items(), NODES):
                if n != "node-a" and (row not in DETECTOR_ROWS or frontend == "external"):
                    continue
                where = f"from outside through {n}" if who == "outside" else f"from {who} on {n}"
                for protocol, family in itertools.product(PROTOCOLS, FAMILIES):
                    yield pytest.param(row, service, frontend, who, want, n, protocol, family,
                                       id=f"row {row}, {service} {frontend} {protocol} {family}, {where}")


@pytest.fixture(scope="module")
def net(make_lab):
    lab = make_lab("dual")
    dual.route(lab)
    for pod in dual.PODS:
        lab.serve(pod)
    servers = Servers(lab.topo, dual.PODS)
    lab.m = lab.manifests(*[dual.node(n) for n in NODES])
    for n in NODES:
        objects = []
        for name, (i, policy, which) in SERVICES.items():
            objects.append(dual.service(f"{name}-{n}", n, i, NODE_PORT + 100 * number(n) + i, externals=True,
                                        externalTrafficPolicy=policy, internalTrafficPolicy=policy))
            objects += dual.slices(f"{name}-{n}", endpoints(which, n))
        lab.m.write(f"{n}.yaml", *objects)
    lab.speakers = {n: lab.speaker(lab.m, n, *COMMON, *FLAGS[n]) for n in NODES}
    for s in lab.speakers.values():
        s.wait_event("synced", seconds=20)
    yield lab
    servers.close()


def refusal(who, protocol):
    """What the sender is told of a refused connection: the host itself that its packet did not get out."""
    return "EPERM" if who == "node" and protocol != "tcp" else "ECONNREFUSED"


def silence(who, protocol):
    return "EPERM" if who == "node" and protocol != "tcp" else "timeout"


def seen_address(source, family, n, who, server):
    """Whose address `server` must see."""
    if source == "kept":
        return {"outside": client_ip(family), "pod": pod_ip(family, asker("pod", n))}[who]
    return gateway(family, n) if number(server) == number(n) else node_ip(family, n)


def traced(net, n, who, family, protocol, ip, port):
    """What `fairleadctl trace` answers."""
    source = {"outside": client_ip(family), "node": node_ip(family, n)}.get(who) or pod_ip(family, asker(who, n))
    target = f"[{ip}]:{port}/{protocol}" if family == "ipv6" else f"{ip}:{port}/{protocol}"
    done = subprocess.run([program("fairleadctl"), "trace", "--manifests", str(net.m), "--node", n, *COMMON[:2], *FLAGS[n], source, target,
                           "--from", {"itself": "pod"}.get(who, who), "-o", "json"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("row, service, frontend, who, want, n, protocol, family", cases())
def test_truth_table(net, row, service, frontend, who, want, n, protocol, family):
    ip, port = address(frontend, family, n, service)
    said = traced(net, n, who, family, protocol, ip, port)
    assert said["row"] == row
    if isinstance(want, str):
        error = ask(net, asker(who, n), protocol, ip, port, timeout=PROMPT if want == "dropped" else 2)[2]
        assert error == (silence if want == "dropped" else refusal)(who, protocol)
        assert said["verdict"] == {"dropped": "drop", "refused": "reject"}[want] and not said["endpoints"] and not said["masquerade"]
        return
    which, source = want
    expected = endpoints(which, n)
    assert answers(net, asker(who, n), protocol, ip, port, expected) == {(s, seen_address(source, family, n, who, s)) for s in expected}
    named = {f"[{pod_ip(family, s)}]:8080" if family == "ipv6" else f"{pod_ip(family, s)}:8080" for s in expected}
    assert said["verdict"] == "endpoints" and set(said["endpoints"]) == named
    assert said["masquerade"] == (source == "node")


@pytest.mark.parametrize("n", NODES)
def test_no_look_up_missed_in_all_rows(net, n):
    assert net.nft_counters(n, TABLE)["missed"] == 0
