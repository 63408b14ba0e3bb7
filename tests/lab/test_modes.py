"""--mode: all Services, only VIPs out of our pools beside another proxy, or nothing; and what auto makes of what it finds."""
import contextlib

import pytest
from lab import NODES, l2_advertisement, nodes, pool, service, endpointslice, wait_until

FLAGS = ("--cluster-cidr", "10.244.0.0/16")
CLUSTER_IP, VIP, PORT = "10.96.0.10", "198.51.100.200", 30080
# What kube-proxy would do for that ClusterIP, at its own priority.
KUBE_PROXY = f"""
table ip kube-proxy {{
  chain nat-prerouting {{ type nat hook prerouting priority dstnat; ip daddr {CLUSTER_IP} tcp dport 80 dnat to 10.244.1.2:8080; }}
  chain nat-output {{ type nat hook output priority -100; ip daddr {CLUSTER_IP} tcp dport 80 dnat to 10.244.1.2:8080; }}
}}"""


@pytest.fixture
def net(fresh_lab):
    fresh_lab.serve_all()
    fresh_lab.m = fresh_lab.manifests(
        *nodes(), pool(), l2_advertisement(),
        service("web", cluster_ip=CLUSTER_IP, ip=VIP, ports=[{"port": 80, "targetPort": 8080, "nodePort": PORT, "protocol": "TCP"}]),
        endpointslice("web", ["pod-b1", "pod-c1"]))
    return fresh_lab


def tables(net, node="node-a"):
    return {t.split()[1] for t in net.nft_tables(node) if "fairlead" in t}


def elements(net, name, node="node-a"):
    table, = (t for t in net.nft_tables(node) if t.startswith("inet fairlead-") and "anchor" not in t)
    return net.nft_elements(node, table, name)


def announcer(net):
    """The one node that answers for the VIP."""
    owners = wait_until(lambda: net.who_has(VIP), 5, f"an owner of {VIP}")
    assert len(owners) == 1, owners
    return owners[0]


def test_loadbalancer_forwards_vips_and_leaves_the_rest_to_the_other_proxy(net):
    for n in NODES:
        net.nft_load(n, KUBE_PROXY)
        net.speaker(net.m, n, *FLAGS, "--mode", "loadbalancer").wait_event("synced")
    announcer(net)
    asked = net.ask("client", VIP, 80, count=30)
    assert not asked.errors and set(asked.names) == {"pod-b1", "pod-c1"}
    assert net.ask("client", VIP, 81).errors == {"ECONNREFUSED": 1}
    for who in ("pod-a2", "node-a"):
        asked = net.ask(who, CLUSTER_IP, 80, count=10)
        assert asked.names == {"pod-a1": 10}, "the other proxy's choice, whoever asks"
    assert net.ask("client", NODES["node-a"][0], PORT).errors == {"ECONNREFUSED": 1}, "no NodePort of ours"
    assert set(elements(net, "services4")) == {(VIP, "tcp", 80)}
    for empty in ("nodeports4", "node_addresses4", "service_cidrs4"):
        assert not elements(net, empty), empty
    assert elements(net, "refused4") == {VIP}


def test_off_announces_and_leaves_nothing_in_the_kernel(net):
    speakers = {n: net.speaker(net.m, n, *FLAGS, "--mode", "full") for n in NODES}
    for s in speakers.values():
        s.wait_event("synced")
    first = announcer(net)
    assert len(tables(net)) == 2
    for s in speakers.values():
        s.stop()
        s.argv[s.argv.index("full")] = "off"
        s.start()
        s.wait_event("mode", mode="off")
    wait_until(lambda: not any(tables(net, n) for n in NODES), 5, "no table of ours")
    assert announcer(net) == first
    assert net.ask(first, VIP, 80, timeout=0.4).errors, "nobody forwards"
    # A change while it is off: announced, not programmed.
    net.m.write("more.yaml", service("more", cluster_ip="10.96.0.11", ip="198.51.100.201"), endpointslice("more", ["pod-b1"]))
    wait_until(lambda: net.who_has("198.51.100.201"), 5, "the new VIP is announced")
    assert not tables(net)
    # And back: everything is forwarded again.
    for s in speakers.values():
        s.stop()
        s.argv[s.argv.index("off")] = "full"
        s.start()
        s.wait_event("synced")
    assert set(net.ask("client", VIP, 80, count=40).names) == {"pod-b1", "pod-c1"}


@contextlib.contextmanager
def listening(net, node, port):
    server = net.serve(node, port, "metrics")
    yield
    server.stop()


def test_auto_says_what_it_found_and_stays_with_it(net):
    speaker = net.speaker(net.m, "node-a", *FLAGS)
    assert speaker.wait_event("mode")["mode"] == "full"
    speaker.wait_event("synced")
    assert elements(net, "nodeports4") and elements(net, "service_cidrs4")

    net.nft_load("node-a", KUBE_PROXY)
    net.m.write("more.yaml", service("more", cluster_ip="10.96.0.11"), endpointslice("more", ["pod-b1"]))
    wait_until(lambda: ("10.96.0.11", "tcp", 80) in elements(net, "services4"), 5, "full, whatever comes later")

    speaker.restart()
    found = speaker.wait_event("mode")
    assert found["mode"] == "loadbalancer" and "kube-proxy" in found["reason"]
    assert "--cleanup" in speaker.wait_event("leftover_rules")["remedy"], "nothing listens: it may be gone"
    speaker.wait_event("synced")
    assert set(elements(net, "services4")) == {(VIP, "tcp", 80)} and not elements(net, "nodeports4")

    with listening(net, "node-a", 10249):
        speaker.restart()
        speaker.wait_event("synced")
        assert speaker.wait_event("mode")["mode"] == "loadbalancer" and not speaker.events("leftover_rules")

    net.topo.run("node-a", ["ip", "link", "add", "cilium_host", "type", "bridge"])
    speaker.restart()
    assert speaker.wait_event("mode")["mode"] == "off", "what is left of kube-proxy beside an eBPF proxy"
    wait_until(lambda: not tables(net), 5, "no table of ours")

    net.topo.run("node-a", ["ip", "link", "del", "cilium_host"])
    net.topo.run("node-a", ["nft", "delete", "table", "ip", "kube-proxy"])
    speaker.restart()
    assert speaker.wait_event("mode")["mode"] == "full"
    speaker.wait_event("synced")
    assert elements(net, "nodeports4")


def test_auto_knows_kube_proxys_iptables_chains(net):
    net.nft_load("node-a", "add table ip nat\nadd chain ip nat KUBE-SERVICES\n")
    assert net.speaker(net.m, "node-a", *FLAGS).wait_event("mode")["mode"] == "loadbalancer"


def test_a_mode_that_is_not_known_is_refused(net):
    speaker = net.speaker(net.m, "node-a", "--mode", "ipvs")
    assert speaker.wait() == 2
    assert "--mode" in speaker.text() and "loadbalancer" in speaker.text()
