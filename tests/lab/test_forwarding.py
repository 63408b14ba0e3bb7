"""ClusterIP, NodePort and VIP with real packets: who answers, whose address the pod sees, what is refused, what is dropped.

The rows are those of the truth table (speaker/core/README.md). Speakers only: addresses are in the manifests.
"""
import pytest
from lab import CLIENT, NODES, PODS, endpointslice, l2_advertisement, node, nodes, pod, pods, pool, service, wait_until

FLAGS = ("--cluster-cidr", "10.244.0.0/16", "--log-level", "debug")
CLUSTER_IP, VIP, PORT = "10.96.0.10", "198.51.100.200", 30080
EMPTY_CLUSTER_IP, EMPTY_VIP, EMPTY_PORT = "10.96.0.11", "198.51.100.201", 30081
THREE = ["pod-a1", "pod-b1", "pod-c1"]


def ports(node_port, **more):
    return [{"port": 80, "targetPort": 8080, "nodePort": node_port, "protocol": "TCP", **more}]


@pytest.fixture(scope="module")
def net(lab):
    lab.serve_all()
    m = lab.manifests(
        *nodes(), pool(), l2_advertisement(),
        service("web", cluster_ip=CLUSTER_IP, ip=VIP, ports=ports(PORT)), endpointslice("web", THREE),
        service("empty", cluster_ip=EMPTY_CLUSTER_IP, ip=EMPTY_VIP, ports=ports(EMPTY_PORT)),
        service("self", cluster_ip="10.96.0.12", type="ClusterIP"), endpointslice("self", ["pod-a1"]),
        service("local", cluster_ip="10.96.0.13", ip="198.51.100.202", ports=ports(30082), externalTrafficPolicy="Local"),
        endpointslice("local", ["pod-a1", "pod-b1"]))
    lab.m = m
    lab.speakers = {n: lab.speaker(m, n, *FLAGS) for n in NODES}
    for s in lab.speakers.values():
        s.wait_event("synced")
    return lab


def test_vip_from_outside_reaches_every_pod_masqueraded(net):  # row 6
    asked = net.ask("client", VIP, 80, count=60)
    assert not asked.errors and set(asked.names) == set(THREE)
    assert CLIENT not in asked.peers


def test_node_port_from_outside_on_every_node(net):  # row 6
    for ip, _ in NODES.values():
        asked = net.ask("client", ip, PORT, count=60)
        assert not asked.errors and set(asked.names) == set(THREE), ip
        assert CLIENT not in asked.peers


def test_cluster_ip_from_a_pod_keeps_its_address(net):  # row 1, P
    asked = net.ask("pod-a2", CLUSTER_IP, 80, count=60)
    assert not asked.errors and set(asked.names) == set(THREE)
    assert set(asked.peers) == {PODS["pod-a2"][0]}


def test_cluster_ip_from_the_node_is_masqueraded(net):  # row 1, N
    asked = net.ask("node-a", CLUSTER_IP, 80, count=60)
    assert not asked.errors and set(asked.names) == set(THREE)
    assert set(asked.peers) <= {"198.51.100.11", "10.244.1.1"}


def test_a_pod_reaches_itself_through_its_service(net):  # row 13
    asked = net.ask("pod-a1", "10.96.0.12", 80, count=5)
    assert asked.names == {"pod-a1": 5} and set(asked.peers) == {"10.244.1.1"}


def test_local_policy_keeps_the_clients_address(net):  # rows 10, 11, 8, 9
    asked = net.ask("client", NODES["node-a"][0], 30082, count=6)
    assert asked.names == {"pod-a1": 6} and asked.peers == {CLIENT: 6}
    assert net.ask("client", NODES["node-c"][0], 30082, count=1, timeout=0.4).errors == {"timeout": 1}
    asked = net.ask("pod-c1", NODES["node-c"][0], 30082, count=40)
    assert set(asked.names) == {"pod-a1", "pod-b1"} and set(asked.peers) == {PODS["pod-c1"][0]}
    asked = net.ask("node-c", "198.51.100.202", 80, count=40)
    assert set(asked.names) == {"pod-a1", "pod-b1"} and not asked.errors


def test_local_policy_is_announced_by_a_node_with_an_endpoint(net):
    owner, = net.who_has("198.51.100.202")
    assert owner in ("node-a", "node-b")
    asked = net.ask("client", "198.51.100.202", 80, count=4)
    assert asked.peers == {CLIENT: 4}


@pytest.mark.parametrize("who", ["client", "pod-a1", "node-a"])
def test_without_endpoints_everything_is_refused(net, who):  # rows 2, 7, 12
    assert net.ask(who, EMPTY_VIP, 80).errors == {"ECONNREFUSED": 1}
    assert net.ask(who, NODES["node-a"][0], EMPTY_PORT).errors == {"ECONNREFUSED": 1}
    if who != "client":
        assert net.ask(who, EMPTY_CLUSTER_IP, 80).errors == {"ECONNREFUSED": 1}


def test_unused_ports_of_our_addresses_are_refused(net):
    assert net.ask("client", VIP, 81).errors == {"ECONNREFUSED": 1}
    assert net.ask("pod-a1", CLUSTER_IP, 81).errors == {"ECONNREFUSED": 1}


def test_unallocated_cluster_addresses_are_dropped(net):
    assert net.ask("pod-a1", "10.96.77.77", 80, timeout=0.4).errors == {"timeout": 1}


def test_a_vip_with_endpoints_answers_ping(net):
    assert net.ping("client", VIP)
    assert not net.ping("client", EMPTY_VIP, timeout=0.4)


def test_node_ports_do_not_answer_on_loopback(net):
    assert net.ask("node-a", "127.0.0.1", PORT).errors == {"ECONNREFUSED": 1}


def test_endpoints_come_and_go(net):
    m = net.m
    m.write("more.yaml", service("grow", cluster_ip="10.96.0.20", type="ClusterIP"), endpointslice("grow", ["pod-a1"]))
    wait_until(lambda: net.ask("pod-a2", "10.96.0.20", 80).names, 3, "the first endpoint")
    for names in (["pod-a1", "pod-b1", "pod-c1"], ["pod-c1"], ["pod-b2", "pod-a1"]):
        m.write("more.yaml", service("grow", cluster_ip="10.96.0.20", type="ClusterIP"), endpointslice("grow", names))
        wait_until(lambda: set(net.ask("pod-a2", "10.96.0.20", 80, count=60).names) == set(names), 3, names)
    m.remove("more.yaml")
    wait_until(lambda: net.ask("pod-a2", "10.96.0.20", 80, timeout=0.3).errors == {"timeout": 1}, 3, "gone")


def test_eighty_endpoints_use_a_class_made_over_netlink(net):
    # One pod that has a whole prefix: all eighty endpoints answer.
    net.topo.run("node-b", ["ip", "route", "add", "10.244.2.128/25", "dev", "vethpod1"])
    net.topo.run("pod-b1", ["ip", "route", "add", "local", "10.244.2.128/25", "dev", "lo"])
    some = [(f"10.244.2.{i}", "node-b") for i in range(130, 210)]
    net.m.write("many.yaml", service("many", cluster_ip="10.96.0.30", type="ClusterIP"), endpointslice("many", some))
    table = next(iter(t for t in net.nft_tables("node-a") if t.startswith("inet fairlead-") and "anchor" not in t))
    wait_until(lambda: any(c["chain"]["name"] == "spread-80" for c in net.nft("node-a", "list chains inet") if "chain" in c), 3, "spread-80")
    assert sum("rule" in r for r in net.nft("node-a", f"list chain {table} spread-80")) == 3
    asked = net.ask("pod-a2", "10.96.0.30", 80, count=200)
    assert asked.names == {"pod-b1": 200}
    reached = {e["reply"]["src"] for e in net.conntrack("node-a", "-p", "tcp", "-d", "10.96.0.30")}
    assert len(reached) > 40 and reached <= {ip for ip, _ in some}  # 200 draws out of 80: 73 are expected
    net.m.remove("many.yaml")


def test_nothing_was_missed(net):
    table = next(iter(t for t in net.nft_tables("node-a") if t.startswith("inet fairlead-") and "anchor" not in t))
    for n in NODES:
        assert net.nft_counters(n, table)["missed"] == 0, n


def test_seed_style_manifests_work(fresh_lab):
    """Deployment ignored by name, Pods, Service with selector, kind: Endpoints; everything else allocated."""
    lab = fresh_lab
    lab.serve_all()
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2}}
    by_hand = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "hand"},
               "subsets": [{"addresses": [{"ip": PODS["pod-b2"][0]}], "ports": [{"port": 8080}]}]}
    m = lab.manifests(deployment, *nodes(), pool(), *pods(names=["pod-a1", "pod-c1"]), service("web", selector={"app": "web"}),
                      service("hand", type="ClusterIP"), by_hand)
    lab.controller(m).wait_event("leader", seconds=5)
    speakers = {n: lab.speaker(m, n, *FLAGS) for n in NODES}
    vip, = wait_until(lambda: m.ingress("web"), 5, "an address")
    wait_until(lambda: lab.ask("client", vip, 80).names, 5, "an answer through the VIP")
    assert set(lab.ask("client", vip, 80, count=40).names) == {"pod-a1", "pod-c1"}
    overlay = m.status("Service", "hand")
    wait_until(lambda: lab.ask("pod-a1", m.status("Service", "hand")["spec"]["clusterIP"], 80).names == {"pod-b2": 1}, 3, overlay)
    assert "Deployment" in speakers["node-a"].text()
    # A pod that is not ready is left out; one that comes is taken in.
    m.write("pod.yaml", pod("pod-b1", labels={"app": "web"}))
    wait_until(lambda: "pod-b1" in lab.ask("client", vip, 80, count=20).names, 3, "the new pod")
    m.write("pod.yaml", pod("pod-b1", labels={"app": "web"}, ready=False))
    wait_until(lambda: "pod-b1" not in lab.ask("client", vip, 80, count=30).names, 3, "the pod that is not ready any more")
