"""--probe-addresses: a station that has an address of a pool without Kubernetes knowing is found by ARP and NDP before the address
is given. Another kernel is that station; two speakers ask; a controller gives."""
import time

import pytest
import yaml
from conftest import deployed
from lab import TOPOLOGIES, l2_advertisement, node, pool, service, wait_until

NODES = {"node-a": "198.51.100.11", "node-b": "198.51.100.12"}
FIRST4, SECOND4, LAST4 = "198.51.100.200", "198.51.100.201", "198.51.100.203"
FIRST6, SECOND6 = "2001:db8:0:1::200", "2001:db8:0:1::201"
POOL = ("198.51.100.200/30", "2001:db8:0:1::200/126")
FLAG = "--probe-addresses"


def dual(name, **spec):
    made = service(name, ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"], **spec)
    return made


@pytest.fixture
def net(tmp_path_factory, lab_is_possible):
    with deployed(TOPOLOGIES / "ndp.clab.yml", tmp_path_factory) as lab:
        lab.m = lab.manifests(pool("pool", *POOL), l2_advertisement(), *(node(n, ip) for n, ip in NODES.items()))
        lab.speakers = {n: lab.speaker(lab.m, n, FLAG) for n in NODES}
        for s in lab.speakers.values():
            s.wait_event("synced")
        yield lab


def controller(net, *flags):
    made = net.controller(net.m, "--service-cidr", "10.96.0.0/16,fd00:96::/112", FLAG, *flags, node="host")
    made.wait_event("leader")
    return made


def records(net):
    return sorted(p.stem for p in (net.m.dir / ".status/AddressRecord").glob("*/*.yaml"))


def settled(net, seconds=5):
    wait_until(lambda: records(net) == [], seconds, "the questions and the answers are gone")


def test_a_station_that_has_an_address_is_passed_over_and_told(net):
    # Linux answers for these and says nothing by itself.
    net.topo.run("host", ["ip", "addr", "add", f"{FIRST4}/32", "dev", "eth0"])
    net.topo.run("host", ["ip", "addr", "add", f"{FIRST6}/128", "dev", "eth0", "nodad"])
    controller(net)
    with net.capture("host", "eth0", "arp or icmp6") as heard:
        net.m.write("web.yaml", dual("web"))
        wait_until(lambda: net.m.ingress("web") == [SECOND4, SECOND6], 10, "the next address of each family")
        settled(net)
    told = wait_until(lambda: [e for e in net.m.events() if " AddressInUse " in e][:2] if len(net.m.events()) >= 2 else None, 3, "an Event")
    mac = net.mac("host")
    for first in (FIRST4, FIRST6):
        assert any(f"Warning Service default/web AddressInUse Service default/web: it does not get {first}: {mac} answers for it on eth0 of Node node-" in e
                   for e in told), net.m.events()
    assert not [e for e in net.m.events() if "AddressConflict" in e]
    assert net.m.status("IPAddressPool", "pool", "fairlead-system")["status"] == {
        "assignedIPv4": 1, "assignedIPv6": 1, "availableIPv4": 3, "availableIPv6": 3}
    # RFC 5227 2.1.1: nobody learns anything from a probe. Three for each node and address, and none after an answer that counts.
    asked = [(p.src, p["ARP"].pdst) for p in heard.packets if "ARP" in p and p["ARP"].op == 1 and p["ARP"].psrc == "0.0.0.0"]
    for n in NODES:
        assert asked.count((net.mac(n), SECOND4)) == 3, asked
        # Who hears the answer first ends it for both.
        assert asked.count((net.mac(n), FIRST4)) in (1, 2, 3), asked
    assert max(asked.count((net.mac(n), FIRST4)) for n in NODES) >= 2, asked
    solicited = [(p.src, p["ICMPv6ND_NS"].tgt) for p in heard.packets if "ICMPv6ND_NS" in p and p["IPv6"].src != "::"]
    assert solicited.count((net.mac("node-a"), SECOND6)) >= 3
    assert net.who_has(SECOND4, node="host", interface="eth0"), "and it is announced"


def test_one_that_is_asked_for_is_not_given_while_somebody_has_it(net):
    net.topo.run("host", ["ip", "addr", "add", f"{LAST4}/32", "dev", "eth0"])
    first = controller(net)
    net.m.write("web.yaml", service("web", annotations={"fairlead.io/loadBalancerIPs": LAST4}))
    told = wait_until(lambda: [e for e in net.m.events() if " AllocationFailed " in e], 5, "an Event")
    assert f"it asks for {LAST4}: {net.mac('host')} answers for it on eth0 of Node node-" in told[0]
    time.sleep(1)
    assert net.m.ingress("web") == [] and len([e for e in net.m.events() if "web" in e]) == 1
    # Ten minutes later it would be asked again. A controller that takes over knows nothing of it, so it asks at once.
    net.topo.run("host", ["ip", "addr", "del", f"{LAST4}/32", "dev", "eth0"])
    first.restart()
    wait_until(lambda: net.m.ingress("web") == [LAST4], 5, "the address")
    settled(net)


def test_what_is_ours_is_no_station(net):
    """A node's own address, one that another Service has just given back, and one that a status shows."""
    net.m.write("objects.yaml", pool("pool", "198.51.100.200/32"), l2_advertisement(), *(node(n, ip) for n, ip in NODES.items()))
    running = controller(net)
    net.m.write("web.yaml", service("old"))
    wait_until(lambda: net.m.ingress("old") == [FIRST4], 5, "the address")
    wait_until(lambda: net.who_has(FIRST4, node="host", interface="eth0"), 5, "somebody announces it")
    settled(net)
    running.restart()
    time.sleep(1)
    assert net.m.ingress("old") == [FIRST4] and records(net) == [], "what is shown is not asked about"
    for round in range(3):
        net.m.write("web.yaml", service(f"new{round}"))
        wait_until(lambda: net.m.ingress(f"new{round}") == [FIRST4], 5, "the same address for another Service")
        wait_until(lambda: net.who_has(FIRST4, node="host", interface="eth0"), 5, "somebody announces it")
    assert not [e for e in net.m.events() if "AddressInUse" in e or "AddressConflict" in e]
    # An address of a node that its Node object does not tell.
    net.topo.run("node-a", ["ip", "addr", "add", "198.51.100.210/32", "dev", "eth0"])
    net.m.write("more.yaml", pool("more", "198.51.100.210/31"), service("web", annotations={"fairlead.io/address-pool": "more"}))
    wait_until(lambda: net.m.ingress("web") == ["198.51.100.211"], 5, "the next one")
    assert [e for e in net.m.events() if "does not get 198.51.100.210: " + net.mac("node-a") in e]


def test_where_nobody_can_ask_an_address_is_given_all_the_same(net):
    net.m.write("far.yaml", pool("far", "203.0.113.128/25", "192.0.2.0/24"), service("web", annotations={"fairlead.io/address-pool": "far"}),
                service("far", annotations={"fairlead.io/loadBalancerIPs": "192.0.2.7"}))
    controller(net)
    start = time.monotonic()
    wait_until(lambda: net.m.ingress("web") == ["203.0.113.128"], 3, "the address on eth1's segment")
    wait_until(lambda: net.m.ingress("far") == ["192.0.2.7"], 10, "the address on nobody's segment")
    assert time.monotonic() - start > 4, "it was waited for"
    settled(net)


def test_a_hundred_at_once_and_a_speaker_that_dies(net):
    net.m.write("objects.yaml", pool("pool", "198.51.100.100-198.51.100.250"), l2_advertisement(), *(node(n, ip) for n, ip in NODES.items()))
    for n in range(100, 120):
        net.topo.run("host", ["ip", "addr", "add", f"198.51.100.{n}/32", "dev", "eth0"])
    controller(net)
    net.m.write("web.yaml", *(service(f"s{i}") for i in range(100)))
    wait_until(lambda: records(net), 3, "questions")
    net.speakers["node-a"].kill9()
    wait_until(lambda: all(net.m.ingress(f"s{i}") for i in range(100)), 30, "an address for each")
    given = {net.m.ingress(f"s{i}")[0] for i in range(100)}
    assert given == {f"198.51.100.{n}" for n in range(120, 220)}
    net.speakers["node-a"].start()
    settled(net, 10)


def test_a_held_down_address_outlives_the_controller(net):
    running = controller(net, "--hold-down", "60s")
    net.m.write("web.yaml", service("old"))
    wait_until(lambda: net.m.ingress("old") == [FIRST4], 5, "the address")
    net.m.write("web.yaml", service("new"))
    wait_until(lambda: net.m.ingress("new") == [SECOND4], 5, "another address")
    record = yaml.safe_load((net.m.dir / ".status/AddressRecord/fairlead-system/controller.yaml").read_text())
    assert [(h["address"], h["serviceName"]) for h in record["status"]["heldDown"]] == [(FIRST4, "old")]
    running.kill9()
    running.start()
    net.m.write("more.yaml", service("newer"))
    wait_until(lambda: net.m.ingress("newer") == ["198.51.100.202"], 5, "not the one that rests")
    net.m.write("old.yaml", service("old"))
    wait_until(lambda: net.m.ingress("old") == [FIRST4], 5, "it is reserved for the Service of its name")
