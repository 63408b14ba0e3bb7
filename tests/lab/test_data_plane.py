"""Forwarding beside the truth table: source ranges, refusals, where NodePorts answer, what is programmed at all, and changes
while running. On dual.clab.yml; nothing is announced, the router has routes (dual.route)."""
import contextlib
import socket

import dual
import pytest
from dual import FAMILIES, NODES, PROTOCOLS, answers, ask, client_ip, gateway, node_ip, pod_ip, second_client_ip
from lab import wait_until
from sctp import Servers

FLAGS = ("--cluster-cidr", dual.CLUSTER_CIDRS, "--service-cidr", dual.SERVICE_CIDRS, "--log-level", "debug")
BY_NODE = {"node-a": (), "node-b": ("--nodeport-addresses", "10.99.0.0/16,fd00:99::/64"),
           "node-c": ("--nodeport-addresses", "0.0.0.0/0,::/0")}
TABLE = "inet fairlead-2"
ALL = ("pod-a1", "pod-b1", "pod-c1")
PORT = 31000
PROMPT = 0.25
both = pytest.mark.parametrize("family", FAMILIES)
every = pytest.mark.parametrize("protocol", PROTOCOLS)


@pytest.fixture(scope="module")
def net(make_lab):
    lab = make_lab("dual")
    dual.route(lab)
    for pod in dual.PODS:
        lab.serve(pod)
    lab.serve("pod-a1", 9090, "pod-a1:9090")
    lab.serve("pod-a2", PORT + 10, "no-node-port")
    for n in NODES:
        lab.serve(n, 22, f"{n}:22")
    servers = Servers(lab.topo, dual.PODS)
    ranges = [f"{second_client_ip(f)}/{32 if f == 'ipv4' else 128}" for f in FAMILIES]
    lab.m = lab.manifests(
        # The pools' own: unused ports of VIPs out of them are refused.
        {"apiVersion": "fairlead.io/v1", "kind": "IPAddressPool", "metadata": {"name": "pool"},
         "spec": {"addresses": ["198.51.100.192/26", "fd00:c::f0:0/108"]}},
        dual.service("web", "node-a", 1, PORT + 1), *dual.slices("web", ALL),
        dual.service("empty", "node-a", 2, PORT + 2), *dual.slices("empty", ()),
        dual.service("guarded", "node-a", 3, PORT + 3, externals=True, externalTrafficPolicy="Local",
                     # adjacent, nested and not canonical: all of this is one range of one address
                     loadBalancerSourceRanges=[" 192.000.002.003/32", *ranges, ranges[0]]), *dual.slices("guarded", ["pod-a1"]),
        dual.service("v6-guarded", "node-a", 4, loadBalancerSourceRanges=[ranges[1]]), *dual.slices("v6-guarded", ["pod-a1"]),
        dual.service("everywhere", "node-c", 1, PORT + 10), *dual.slices("everywhere", ["pod-c1"]),
        dual.service("on-demand", "node-b", 1, PORT + 20), *dual.slices("on-demand", ["pod-b1"]))
    lab.m.write("nodes.yaml", *[dual.node(n) for n in NODES])
    lab.speakers = {n: lab.speaker(lab.m, n, *FLAGS, *BY_NODE[n]) for n in NODES}
    for s in lab.speakers.values():
        s.wait_event("synced", seconds=20)
    yield lab
    servers.close()


@contextlib.contextmanager
def written(net, *objects):
    """More objects for the length of a test."""
    net.m.write("more.yaml", *objects)
    try:
        yield
    finally:
        net.m.remove("more.yaml")


def eventually(net, want, *question, seconds=5):
    """Until asking gives this error, or (None) an answer; answers what it gave."""
    return wait_until(lambda: (got := ask(net, *question, timeout=PROMPT))[2] == want and (got,), seconds, f"{question}: {want or 'an answer'}")[0]


def silence(who, protocol):
    return "EPERM" if who.startswith("node") and protocol != "tcp" else "timeout"


def refusal(who, protocol):
    return "EPERM" if who.startswith("node") and protocol != "tcp" else "ECONNREFUSED"


def by_the_host(protocol):
    """What a host answers itself where nothing listens. A kernel without SCTP says so, or nothing to its own raw socket."""
    return {"ENOPROTOOPT", "EPROTO", "timeout"} if protocol == "sctp" else {"ECONNREFUSED"}


def loopback(family):
    return "127.0.0.1" if family == "ipv4" else "::1"


# -- source ranges ---------------------------------------------------------------------------------------------------------


@every
@both
def test_who_is_in_the_ranges_is_served_and_seen_by_its_address(net, protocol, family):
    ip = dual.vip(family, "node-a", 3)
    for _ in range(3):
        assert ask(net, "client", protocol, ip, 80, source=second_client_ip(family)) == ("pod-a1", second_client_ip(family), None)


@every
@both
@pytest.mark.parametrize("who", ["client", "pod-a2", "node-a", "pod-a1"])
def test_who_is_not_in_the_ranges_is_dropped_wherever_it_runs(net, who, protocol, family):
    assert ask(net, who, protocol, dual.vip(family, "node-a", 3), 80, timeout=PROMPT)[2] == silence(who, protocol)


@every
@both
def test_source_ranges_guard_neither_node_ports_nor_external_and_cluster_addresses(net, protocol, family):
    for ip, port in ((node_ip(family, "node-a"), PORT + 3), (dual.external_ip(family, "node-a", 3), 80), (dual.cluster_ip(family, "node-a", 3), 80)):
        assert ask(net, "client", protocol, ip, port)[2] is None, ip


@every
def test_ranges_of_the_other_family_only_leave_this_one_open(net, protocol):
    assert ask(net, "client", protocol, dual.vip("ipv4", "node-a", 4), 80)[2] is None
    assert ask(net, "client", protocol, dual.vip("ipv6", "node-a", 4), 80, timeout=PROMPT)[2] == "timeout"
    assert ask(net, "client", protocol, dual.vip("ipv6", "node-a", 4), 80, source=second_client_ip("ipv6"))[2] is None


@both
def test_ranges_change_while_connections_live(net, family):
    def guarded_by(*ranges):
        return dual.service("changing", "node-a", 5, loadBalancerSourceRanges=list(ranges)), *dual.slices("changing", ["pod-a1"])
    ip, bits = dual.vip(family, "node-a", 5), 32 if family == "ipv4" else 128
    mine, other = f"{client_ip(family)}/{bits}", f"{second_client_ip(family)}/{bits}"
    wide = "192.0.2.0/24" if family == "ipv4" else "2001:db8:1::/64"
    with written(net, *guarded_by(mine)):
        eventually(net, None, "client", "tcp", ip, 80)
        with net.topo.inside("client"):
            s = socket.create_connection((ip, 80), 2)
        with s:
            s.send(b"q")
            assert s.recv(100)
            net.m.write("more.yaml", *guarded_by(other))
            eventually(net, "timeout", "client", "tcp", ip, 80)
            assert ask(net, "client", "tcp", ip, 80, source=second_client_ip(family))[2] is None
            s.send(b"q")
            assert s.recv(100), "an open connection outlives its range"
        net.m.write("more.yaml", *guarded_by(wide, mine))  # around the one that is there
        eventually(net, None, "client", "tcp", ip, 80)
        net.m.write("more.yaml", *guarded_by(other))
        eventually(net, "timeout", "client", "tcp", ip, 80)
        net.m.write("more.yaml", *guarded_by())
        eventually(net, None, "client", "tcp", ip, 80)
    wait_until(lambda: not net.nft_elements("node-a", TABLE, f"guarded{family[-1]}") & {(ip, "tcp", 80)}, 5, "the guard is gone")


@both
def test_a_host_that_has_bound_the_vip_is_let_in_with_a_range_around_the_node(net, family):
    ip, bits = dual.vip(family, "node-a", 6), 32 if family == "ipv4" else 128
    net.topo.run("node-a", ["ip", "addr", "add", f"{ip}/{bits}", "dev", "lo"])
    try:
        for around, want in ((f"{node_ip(family, 'node-a')}/{bits}", None), (f"{node_ip(family, 'node-b')}/{bits}", "timeout")):
            with written(net, dual.service("bound", "node-a", 6, loadBalancerSourceRanges=[around]), *dual.slices("bound", ["pod-a1"])):
                eventually(net, want, "node-a", "tcp", ip, 80)
                assert ask(net, "client", "tcp", ip, 80, timeout=PROMPT)[2] == "timeout"
    finally:
        net.topo.run("node-a", ["ip", "addr", "del", f"{ip}/{bits}", "dev", "lo"])


# -- refusals ----------------------------------------------------------------------------------------------------------------


@every
@both
@pytest.mark.parametrize("who", ["client", "pod-a2", "node-a"])
def test_unused_ports_are_refused_and_unallocated_addresses_dropped(net, who, protocol, family):
    for ip in (dual.cluster_ip(family, "node-a", 1), dual.vip(family, "node-a", 1), dual.vip(family, "node-a", 2)):
        assert ask(net, who, protocol, ip, 81)[2] == refusal(who, protocol), ip
    before = net.nft_counters("node-a", TABLE)["unallocated"]
    assert ask(net, who, protocol, dual.cluster_ip(family, "node-a", 200), 80, timeout=PROMPT)[2] == silence(who, protocol)
    assert net.nft_counters("node-a", TABLE)["unallocated"] > before


@both
def test_ping_is_answered_by_vips_with_endpoints_only(net, family):
    for who in ("client", "pod-a2", "node-a"):
        assert net.ping(who, dual.vip(family, "node-a", 1))
    assert not net.ping("client", dual.vip(family, "node-a", 2), timeout=0.4)
    assert not net.ping("client", dual.cluster_ip(family, "node-a", 1), timeout=0.4)


@both
def test_a_nodes_own_address_as_a_vip_closes_nothing_of_the_host(net, family):
    own = node_ip(family, "node-a")
    with written(net, dual.service("own", "node-a", 7, ingress=[{"ip": own}], externalIPs=[own]), *dual.slices("own", ["pod-b1"])):
        assert eventually(net, None, "client", "tcp", own, 80)[0] == "pod-b1"
        assert ask(net, "client", "tcp", own, 22)[0] == "node-a:22"
        assert net.ping("client", own)


# -- NodePorts -----------------------------------------------------------------------------------------------------------------


@every
@both
def test_primary_node_ports_answer_on_the_nodes_address_alone(net, protocol, family):
    assert ask(net, "client", protocol, node_ip(family, "node-a"), PORT + 1)[2] is None
    assert ask(net, "pod-a2", protocol, gateway(family, "node-a"), PORT + 1, timeout=PROMPT)[2] in by_the_host(protocol)
    assert ask(net, "node-a", protocol, loopback(family), PORT + 1, timeout=PROMPT)[2] in by_the_host(protocol)


@every
@both
def test_node_ports_everywhere_answer_on_every_address_but_loopback(net, protocol, family):
    for ip in (node_ip(family, "node-c"), gateway(family, "node-c")):
        assert ask(net, "pod-c2", protocol, ip, PORT + 10)[0] == "pod-c1", ip
    assert ask(net, "node-c", protocol, loopback(family), PORT + 10, timeout=PROMPT)[2] in by_the_host(protocol)
    assert ask(net, "client", protocol, node_ip(family, "node-c"), PORT + 999, timeout=PROMPT)[2] in by_the_host(protocol)


@both
def test_node_ports_everywhere_are_on_this_hosts_addresses_alone(net, family):
    assert ask(net, "pod-c2", "tcp", pod_ip(family, "pod-a2"), PORT + 10)[0] == "no-node-port"
    assert ask(net, "node-c", "tcp", pod_ip(family, "pod-a2"), PORT + 10)[0] == "no-node-port"


@both
def test_node_ports_follow_addresses_that_come_and_go(net, family):
    ip = "10.99.1.7" if family == "ipv4" else "fd00:99::7"
    prefix = f"{ip}/{32 if family == 'ipv4' else 128}"
    question = ("client", "tcp", ip, PORT + 20)
    net.topo.run("router", ["ip", "route", "add", prefix, "via", node_ip(family, "node-b")])
    assert ask(net, "client", "tcp", node_ip(family, "node-b"), PORT + 20)[2] == "ECONNREFUSED", "outside the prefixes"
    for n in ("node-b", "node-c"):
        port = PORT + 20 if n == "node-b" else PORT + 10
        net.topo.run("router", ["ip", "route", "replace", prefix, "via", node_ip(family, n)])
        net.topo.run(n, ["ip", "addr", "add", prefix, "dev", "eth0", *(["nodad"] if family == "ipv6" else [])])
        assert eventually(net, None, "client", "tcp", ip, port)[0] == ("pod-b1" if n == "node-b" else "pod-c1")
        net.topo.run(n, ["ip", "addr", "del", prefix, "dev", "eth0"])
    net.topo.run("router", ["ip", "route", "replace", prefix, "via", node_ip(family, "node-b")])
    wait_until(lambda: not net.nft_elements("node-b", TABLE, f"node_addresses{family[-1]}"), 5, "the address is gone")
    net.topo.run("node-b", ["ip", "addr", "add", prefix, "dev", "eth0", *(["nodad"] if family == "ipv6" else [])])
    assert eventually(net, None, *question)[0] == "pod-b1"
    net.topo.run("node-b", ["ip", "addr", "del", prefix, "dev", "eth0"])


# -- what is programmed -----------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("label", ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"])
def test_labels_that_take_a_service_away_are_toggled_live(net, label, family):
    ip = dual.cluster_ip(family, "node-a", 8)
    with written(net, dual.service("labelled", "node-a", 8), *dual.slices("labelled", ["pod-a1"])):
        eventually(net, None, "pod-a2", "tcp", ip, 80)
        net.m.write("more.yaml", dual.service("labelled", "node-a", 8, labels={label: ""}), *dual.slices("labelled", ["pod-a1"]))
        eventually(net, "timeout", "pod-a2", "tcp", ip, 80)
        net.m.write("more.yaml", dual.service("labelled", "node-a", 8), *dual.slices("labelled", ["pod-a1"]))
        eventually(net, None, "pod-a2", "tcp", ip, 80)


def test_external_names_and_headless_services_are_not_programmed(net):
    outside = [dual.service("name", "node-a", 9, type="ExternalName", externalName="example.org"),
               dual.service("headless", "node-a", 10, clusterIP="None", clusterIPs=["None"])]
    # The last one shows when the others have been read.
    with written(net, *outside, *dual.slices("name", ALL), *dual.slices("headless", ALL), dual.service("seen", "node-a", 11), *dual.slices("seen", ALL)):
        eventually(net, None, "pod-a2", "tcp", dual.cluster_ip("ipv4", "node-a", 11), 80)
        for f in FAMILIES:
            served = {ip for ip, *_ in net.nft_elements("node-a", TABLE, f"services{f[-1]}")}
            assert {dual.cluster_ip(f, "node-a", 11), dual.vip(f, "node-a", 11)} <= served
            assert not {of(f, "node-a", i) for of in (dual.cluster_ip, dual.vip) for i in (9, 10)} & served
        assert ask(net, "pod-a2", "tcp", dual.cluster_ip("ipv4", "node-a", 9), 80, timeout=PROMPT)[2] == "timeout"


def test_a_family_without_cluster_address_does_not_exist(net):
    one = dual.service("single", "node-a", 9, families=["ipv4"], ingress=[{"ip": dual.vip(f, "node-a", 9)} for f in FAMILIES])
    with written(net, one, *dual.slices("single", ["pod-a1"])):
        eventually(net, None, "client", "tcp", dual.vip("ipv4", "node-a", 9), 80)
        assert (dual.vip("ipv6", "node-a", 9), "tcp", 80) not in net.nft_elements("node-a", TABLE, "services6")


@both
def test_an_address_in_proxy_mode_is_not_short_circuited(net, family):
    def proxied(mode):
        ingress = [{"ip": dual.vip(f, "node-a", 10), "ipMode": mode} for f in FAMILIES]
        return dual.service("proxied", "node-a", 10, ingress=ingress), *dual.slices("proxied", ["pod-a1"])
    frontend = (dual.vip(family, "node-a", 10), "tcp", 80)
    with written(net, *proxied("VIP")):
        eventually(net, None, "pod-a2", "tcp", frontend[0], 80)
        net.m.write("more.yaml", *proxied("Proxy"))
        wait_until(lambda: frontend not in net.nft_elements("node-a", TABLE, f"services{family[-1]}"), 5, "the frontend is gone")
        assert ask(net, "pod-a2", "tcp", dual.cluster_ip(family, "node-a", 10), 80)[2] is None


# -- endpoints -----------------------------------------------------------------------------------------------------------------------


@both
def test_draining_endpoints_serve_until_a_ready_one_comes(net, family):
    draining = {"conditions": {"ready": False, "serving": True, "terminating": True}}
    ip = dual.cluster_ip(family, "node-a", 12)
    service = dual.service("draining", "node-a", 12)
    with written(net, service, *dual.slices("draining", [("pod-a1", draining), ("pod-b1", {"conditions": {"ready": False}})])):
        eventually(net, None, "pod-a2", "tcp", ip, 80)
        assert answers(net, "pod-a2", "tcp", ip, 80, ["pod-a1"]) == {("pod-a1", pod_ip(family, "pod-a2"))}
        net.m.write("more.yaml", service, *dual.slices("draining", [("pod-a1", draining), "pod-c1"]))
        wait_until(lambda: ask(net, "pod-a2", "tcp", ip, 80)[0] == "pod-c1", 5, "the ready one")
        assert {s for s, _ in answers(net, "pod-a2", "tcp", ip, 80, ["pod-c1"])} == {"pod-c1"}


@both
def test_hints_for_a_zone_and_for_a_node_decide(net, family):
    def hinted(pod, zone, nodes):
        return pod, {"hints": {"forZones": [{"name": zone}], **({"forNodes": [{"name": n} for n in nodes]} if nodes else {})}}
    ip = dual.cluster_ip(family, "node-a", 13)
    service = dual.service("hinted", "node-a", 13)
    net.m.write("nodes.yaml", *[dual.node(n, labels={"topology.kubernetes.io/zone": "z1"}) for n in NODES])
    try:
        for endpoints, want in (([hinted("pod-a1", "z2", []), hinted("pod-b1", "z1", []), hinted("pod-c1", "z1", [])], {"pod-b1", "pod-c1"}),
                                ([hinted("pod-a1", "z1", ["node-b"]), hinted("pod-b1", "z2", ["node-a"]), hinted("pod-c1", "z1", ["node-c"])], {"pod-b1"}),
                                ([hinted("pod-a1", "z1", []), "pod-b1", hinted("pod-c1", "z2", [])], set(ALL))):
            net.m.write("more.yaml", service, *dual.slices("hinted", endpoints))
            wait_until(lambda: {ask(net, "pod-a2", "tcp", ip, 80, timeout=PROMPT)[0] for _ in range(30)} == want, 5, f"{want}")
    finally:
        net.m.remove("more.yaml")
        net.m.write("nodes.yaml", *[dual.node(n) for n in NODES])


def test_named_ports_lead_to_differing_targets_and_duplicates_are_one(net):
    """Two slices of one Service and family: each resolves the name by itself; addresses in a form of their own."""
    ports = [{"name": "web", "protocol": "TCP", "port": 80, "targetPort": "http"}, {"name": "alt", "protocol": "TCP", "port": 81, "targetPort": "alt"}]
    service = dual.service("named", "node-a", 14, families=["ipv4"], ports=ports)
    one, = dual.slices("named", ["pod-b1"], families=["ipv4"])
    one["ports"] = [{"name": "web", "protocol": "TCP", "port": 8080}]
    other, = dual.slices("named", ["pod-a1", "pod-b1"], families=["ipv4"])
    other["metadata"]["name"] = "named-2"
    other["ports"] = [{"name": "web", "protocol": "TCP", "port": 9090}, {"name": "alt", "protocol": "TCP", "port": 8080}]
    other["endpoints"] = [{"addresses": ["010.244.001.002"], "nodeName": "node-a"}, {"addresses": ["10.244.1.2", "10.244.9.9"]}]
    with written(net, service, one, other):
        ip = dual.cluster_ip("ipv4", "node-a", 14)
        eventually(net, None, "pod-a2", "tcp", ip, 80)
        assert {s for s, _ in answers(net, "pod-a2", "tcp", ip, 80, ["pod-b1", "pod-a1:9090"])} == {"pod-b1", "pod-a1:9090"}
        assert {s for s, _ in answers(net, "pod-a2", "tcp", ip, 81, ["pod-a1"])} == {"pod-a1"}
        listed = {v for v in net.nft_elements("node-a", TABLE, "endpoints4").values() if v in {("10.244.1.2", 9090), ("10.244.2.2", 8080)}}
        assert len(listed) == 2


# -- detectors, restarts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags, pods_peer, outsiders_peer", [
    (("--cluster-cidr", dual.CLUSTER_CIDRS), "kept", "node"),
    (("--cluster-cidr", dual.CLUSTER_CIDRS, "--masquerade-all"), "node", "node"),
    ((), "kept", "kept"),
    (("--detect-local-mode", "BridgeInterface", "--pod-bridge-interface", "vethpod2"), "kept", "node"),
    (("--detect-local-mode", "BridgeInterface", "--pod-bridge-interface", "vethpod"), "node", "node"),
    (("--detect-local-mode", "InterfaceNamePrefix", "--pod-interface-name-prefix", "vethpod"), "kept", "node"),
    (("--detect-local-mode", "NodeCIDR"), "kept", "node"),
], ids=["ClusterCIDR", "masquerade-all", "no detector", "BridgeInterface", "BridgeInterface of another name", "InterfaceNamePrefix", "NodeCIDR"])
def test_cluster_addresses_masquerade_by_the_detector(net, flags, pods_peer, outsiders_peer):
    """Row 1 with the endpoint on this node: what pod-b2 and the client look like to pod-b1. A restart under other flags."""
    net.speakers["node-b"].stop()
    speaker = net.speakers["node-b"] = net.speaker(net.m, "node-b", "--service-cidr", dual.SERVICE_CIDRS, *BY_NODE["node-b"], *flags)
    speaker.wait_event("synced")
    net.topo.run("node-b", ["conntrack", "-F"])  # a UDP port of the client may come again within the old entry's time
    for family in FAMILIES:
        ip, own = dual.cluster_ip(family, "node-b", 1), gateway(family, "node-b")
        assert answers(net, "pod-b2", "tcp", ip, 80, []) == {("pod-b1", pod_ip(family, "pod-b2") if pods_peer == "kept" else own)}
        assert answers(net, "client", "udp", ip, 80, []) == {("pod-b1", client_ip(family) if outsiders_peer == "kept" else own)}


def test_bad_flags_end_the_speaker_with_the_flag_and_the_remedy(net):
    for flags, said in ((("--detect-local-mode", "BridgeInterface"), "--pod-bridge-interface: is missing"),
                        (("--nodeport-addresses", "eth0"), "--nodeport-addresses: \"eth0\" is no prefix: write primary"),
                        (("--detect-local-mode", "Cilium"), "write one of ClusterCIDR, NodeCIDR")):
        daemon = net.speaker(net.m, "pod-a2", *flags)
        assert daemon.wait() == 2
        assert said in daemon.text()


@pytest.mark.parametrize("n", NODES)
def test_an_unchanged_restart_adopts_every_set(net, n):
    assert net.nft_elements("node-a", TABLE, "allowed4") and net.nft_elements("node-c", TABLE, "everywhere6")
    if n == "node-b":  # NodePorts on an address that only the host knows: known before the first plan
        net.topo.run(n, ["ip", "addr", "add", "10.99.0.1/32", "dev", "lo"])
        wait_until(lambda: net.nft_elements(n, TABLE, "node_addresses4") == {"10.99.0.1"}, 5, "the address")
    net.speakers[n].restart()
    done = net.speakers[n].wait_event("synced")
    assert (done["elements"], done["batches"]) == ("0", "0"), net.speakers[n].text()


@pytest.mark.parametrize("damage", ["flush set {t} allowed4", "flush set {t} guarded6", "flush set {t} node_addresses4",
                                    "delete element {t} allowed6 {{ fd00:c::f1:3 . tcp . 80 . 2001:db8:1::3 }}"])
def test_ranges_and_addresses_that_somebody_takes_away_come_back(net, damage):
    def elements():
        return {name: net.nft_elements("node-a", TABLE, name) for name in ("allowed4", "allowed6", "guarded4", "guarded6", "node_addresses4")}
    before = elements()
    net.topo.run("node-a", ["nft", *damage.format(t=TABLE).split()])
    wait_until(lambda: elements() == before, 5, "repair")


def test_an_older_layout_is_taken_over_with_its_ids(net):
    """What layout 1 lacked is taken out of the table, and the table given its name: the speaker brings it up to layout 2."""
    node, old = "node-a", "inet fairlead-1"
    net.speakers[node].stop()
    ids = net.nft_elements(node, TABLE, "services4")
    text = net.topo.run(node, ["nft", "list", "table", *TABLE.split()]).stdout
    lines, skip = [], False
    news = ("guarded", "allowed", "everywhere", "pod_links")
    for line in text.splitlines():
        if skip or (line.startswith("\tset ") and any(w in line for w in news)):
            skip = line != "\t}"
            continue
        if "@pod_links" in line and "masquerade" in line:
            line = line.replace("iifname != @pod_links ", "")
        if not any(f"@{w}" in line for w in news):
            lines.append(line)
    net.nft_load(node, "\n".join(lines).replace("fairlead-2", "fairlead-1") + f"\ndelete table {TABLE}\n")
    assert ask(net, "client", "tcp", dual.vip("ipv4", "node-a", 1), 80)[2] is None
    net.speakers[node].start()
    assert net.speakers[node].wait_event("table_replaced")["reason"] == "layout"
    net.speakers[node].wait_event("synced")
    assert old not in net.nft_tables(node)
    assert net.nft_elements(node, TABLE, "services4") == ids, "list ids and classes are what they were"
    assert ask(net, "client", "tcp", dual.vip("ipv4", "node-a", 3), 80, timeout=PROMPT)[2] == "timeout", "guarded again"


# -- one family alone -----------------------------------------------------------------------------------------------------------------


def test_a_cluster_of_ipv6_alone(make_lab):
    lab = make_lab("dual")
    dual.route(lab)
    six = ["ipv6"]
    for pod in ("pod-a1", "pod-c1"):
        lab.serve(pod)
    m = lab.manifests(*[dual.node(n, six) for n in NODES], dual.service("web", "node-a", 1, PORT, families=six, ipFamilyPolicy="SingleStack"),
                      *dual.slices("web", ["pod-a1", "pod-c1"], families=six))
    speaker = lab.speaker(m, "node-a", "--cluster-cidr", "fd00:244::/32", "--service-cidr", "fd00:96::/112", "--log-level", "debug")
    speaker.wait_event("synced")
    both_pods = ["pod-a1", "pod-c1"]
    seen = {("pod-a1", gateway("ipv6", "node-a")), ("pod-c1", node_ip("ipv6", "node-a"))}
    for protocol in ("tcp", "udp"):
        assert answers(lab, "client", protocol, dual.vip("ipv6", "node-a", 1), 80, both_pods) == seen
        assert answers(lab, "client", protocol, node_ip("ipv6", "node-a"), PORT, both_pods) == seen
        assert {s for s, _ in answers(lab, "pod-a2", protocol, dual.cluster_ip("ipv6", "node-a", 1), 80, both_pods)} == set(both_pods)
    for name in ("services4", "nodeports4", "node_addresses4", "pods4", "endpoints4", "refused4", "service_cidrs4"):
        assert not lab.nft_elements("node-a", TABLE, name), name
