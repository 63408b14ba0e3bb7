"""BGP through the chart: BIRD beside every speaker, a router with BFD, a client whose way to the addresses leads through it.

The tests build on each other: one Deployment with a pod on node1 and one on node2, so that the death of node3 takes away no
endpoint; Services of both families.
"""
import collections
import re
import time

import pytest
from kube import (FULL, Installed, Router, addresses, custom, deployment, is_ready, judged, service, wait_until)

POOL = ("203.0.113.0/28", "2001:db8:113::/124")
NUMBER = 101  # of the router
NODES = (1, 2, 3)
ALL4, ALL6 = [f"198.18.0.1{n}" for n in NODES], [f"fdfc::1{n}" for n in NODES]


class Site:
    def __init__(self, fl, router, client):
        self.fl, self.api, self.nodes, self.router, self.client = fl, fl.api, fl.nodes, router, client

    def hops(self, expected, seconds=30):
        """Waits until the router's kernel has these next hops: {VIP: next hops}, {} among them for none."""
        want = {vip: hops for vip, hops in expected.items() if hops}
        wait_until(lambda: {v: h for v, h in self.router.hops().items() if v in expected} == want, seconds,
                   lambda: f"{want} in the router's kernel: {self.router.hops()}; {self.router.bird('show', 'protocols')}", 0.1)

    def vips(self, name):
        return wait_until(lambda: (a := addresses(self.api.service(name))) and len(a) == 2 and a, 30, f"two addresses for {name}", 0.05)

    def entered(self, vip, count):
        """Through which nodes so many connections came: the source that a pod sees is that of the node that masquerades."""
        url = f"http://[{vip}]/clientip" if ":" in vip else f"http://{vip}/clientip"
        seen = collections.Counter()
        for source in self.client.run("bash", "-c", f"for i in $(seq {count}); do curl -sf --max-time 3 '{url}' || echo failed; echo; done").split():
            host = source.rpartition(":")[0].strip("[]")
            node = re.match(r"198\.18\.0\.1(\d)$|10\.244\.(\d)\.|fdfc::1(\d)$|fd00:244:(\d):", host)
            seen[int(next(filter(None, node.groups()))) if node else source] += 1
        return seen


def dual(name, **spec):
    obj = service(name)
    obj["spec"] |= {"ipFamilyPolicy": "RequireDualStack", **spec}
    return obj


@pytest.fixture(scope="module")
def site(kubernetes, client, loaded):
    router = Router("router", NUMBER, len(NODES))
    fl = Installed(kubernetes, loaded, "bgp.enabled=true")
    own4, own6 = f"198.18.0.{NUMBER}", f"fdfc::{NUMBER}"
    client.run("ip", "route", "replace", POOL[0], "via", own4)
    client.run("ip", "-6", "route", "replace", POOL[1], "via", own6)
    objects = [custom("IPAddressPool", "bgp", addresses=list(POOL)),
               custom("BFDProfile", "fast", receiveInterval=50, transmitInterval=50, detectMultiplier=3),
               *(custom("BGPPeer", name, myASN=65001, peerASN=65000, peerAddress=ip, bfdProfile="fast") for name, ip in (("tor4", own4), ("tor6", own6))),
               custom("BGPAdvertisement", "bgp", ipAddressPools=["bgp"], communities=["65001:7"]),
               deployment("web", replicas=2, nodes=["node1", "node2"]), dual("web")]
    for obj in objects:
        fl.api.create(obj)
    yield Site(fl, router, client)
    for obj in (*objects, dual("local")):
        fl.api.delete(obj)
    client.run("ip", "route", "del", POOL[0], check=False)
    client.run("ip", "-6", "route", "del", POOL[1], check=False)
    fl.take_away()
    router.remove()


def test_routes_over_all_nodes(site):
    """Both families: in the router's kernel with every node as a next hop, the community among the attributes, BFD up."""
    started = time.monotonic()
    four, six = site.vips("web")
    site.hops({four: ALL4, six: ALL6}, 120)
    print(f"figure BGP by the chart: all routes {time.monotonic() - started:.1f} s after the installation")
    told = site.router.bird("show", "route", "all", f"{four}/32")
    assert told.count("(65001,7)") == len(NODES) and "bgp_path: 65001" in told.lower().replace("bgp.as_path", "bgp_path"), told
    wait_until(lambda: len(re.findall(r"eth0\s+Up", site.router.bird("show", "bfd", "sessions"))) == 2 * len(NODES), 30,
               lambda: site.router.bird("show", "bfd", "sessions"))


def test_answers_through_every_node(site):
    pods = wait_until(lambda: [p for p in site.api.pods("default", app="web") if is_ready(p)][1:] and site.api.pods("default", app="web"), 60, "both pods ready")
    assert {p["spec"]["nodeName"] for p in pods} == {"node1", "node2"}
    for vip in site.vips("web"):
        seen = site.entered(vip, 60)
        print(f"figure connections to {vip} by the node they came in through: {dict(sorted(seen.items()))}")
        assert set(seen) == set(NODES), "an answer through every node, and no failure"


def test_local_only_from_the_nodes_that_have_endpoints(site):
    """externalTrafficPolicy Local: one next hop, then another one; the pod sees the client's own address."""
    site.api.create(dual("local", externalTrafficPolicy="Local"))
    four, six = site.vips("local")
    site.hops({four: ALL4[:2], six: ALL6[:2]})
    site.api.call("PATCH", "/apis/apps/v1/namespaces/default/deployments/web", {"spec": {"replicas": 1}}, "application/merge-patch+json")
    pod, = wait_until(lambda: len(p := site.api.pods("default", app="web")) == 1 and p, 60, "one pod")
    at = int(pod["spec"]["nodeName"].removeprefix("node")) - 1
    site.hops({four: [ALL4[at]], six: [ALL6[at]]})
    for _ in range(4):
        assert site.client.run("curl", "-sf", "--max-time", "3", f"http://{four}/clientip").startswith("198.18.0.100:")
    site.api.call("PATCH", "/apis/apps/v1/namespaces/default/deployments/web", {"spec": {"replicas": 2}}, "application/merge-patch+json")
    site.hops({four: ALL4[:2], six: ALL6[:2]})
    site.api.delete(dual("local"))
    site.hops({four: [], six: []})


def test_a_node_dies_and_comes_back(site):
    """All at once, as by power loss. Its next hop goes by BFD; connections that are opened meanwhile go on, those among them that
    went to the dead node by a second SYN. After its boot it is a next hop again."""
    four, six = site.vips("web")
    node, took = site.nodes["node3"], []
    for _ in range(3 if FULL else 1):
        site.hops({four: ALL4, six: ALL6}, 120)
        wait_until(lambda: len(re.findall(r"eth0\s+Up", site.router.bird("show", "bfd", "sessions"))) == 2 * len(NODES), 30, "BFD with all nodes")
        with site.router.monitored() as changes, site.client.knocking(four, seconds=4) as answers:
            wait_until(lambda: len(answers) >= 10, 20, "answers")
            died = node.die()
            try:
                for vip, hop in ((four, ALL4[2]), (six, ALL6[2])):
                    gone = wait_until(lambda: next((at for at, line in list(changes) if at >= died and vip in line and f"via {hop} " not in f"{line} "), None), 20,
                                      lambda: f"{hop} is no next hop any more: {changes}", 0.01)
                    took.append(gone - died)
                site.hops({four: ALL4[:2], six: ALL6[:2]}, 5)
                count = len(answers)
                wait_until(lambda: len(answers) >= count + 30, 20, "answers after it")
            finally:
                node.boot()
                booted = time.monotonic()
            failed = [a for _, a in answers if not a]
            assert not failed, f"{len(failed)} of {len(answers)} failed"
            site.hops({four: ALL4, six: ALL6}, 180)
            print(f"figure node back in the router's kernel {time.monotonic() - booted:.1f} s after its boot began")
            assert not [a for _, a in answers if not a], "and nobody noticed its return"
    print("figure node dead to its next hop gone: " + ", ".join(f"{t * 1000:.0f}" for t in took) + " ms")
    judged("node dead to its next hop gone, slowest", max(took) * 1000, 200, "ms")
    assert set(site.entered(four, 60)) == set(NODES)
