"""Who answers ARP for a VIP, as its neighbours see it: the router's table, raw requests, captured frames."""
import socket
import time

import pytest
import yaml
from lab import NODES, endpointslice, l2_advertisement, node, nodes, pool, service, wait_until

VIPS = [f"198.51.100.{200 + i}" for i in range(8)]


@pytest.fixture
def net(fresh_lab):
    lab = fresh_lab
    lab.serve_all()
    lab.m = lab.manifests(pool(), l2_advertisement(), endpointslice("web0"),
                          *[service(f"web{i}", cluster_ip=f"10.96.0.{10 + i}", ip=vip) for i, vip in enumerate(VIPS)])
    for n in nodes():
        lab.m.write(f"{n['metadata']['name']}.yaml", n)
    lab.speakers = {n: lab.speaker(lab.m, n, "--cluster-cidr", "10.244.0.0/16") for n in NODES}
    for s in lab.speakers.values():
        s.wait_event("synced")
    return lab


def owners(lab):
    found = {}
    for vip in VIPS:
        answers = lab.who_has(vip, seconds=0.1)
        assert len(answers) <= 1, f"{vip}: {answers}"
        found[vip] = answers[0] if answers else None
    return found


def test_every_vip_is_answered_by_exactly_one_node(net):
    found = wait_until(lambda: (o := owners(net)) and all(o.values()) and o, 3, "an owner for each")
    assert set(found.values()) <= set(NODES)
    assert net.who_has("198.51.100.249") == []  # in the pool, but nobody's


def metrics(lab, node):
    text = lab.topo.run(node, ["curl", "-sf", "--max-time", "5", "http://127.0.0.1:7480/metrics"]).stdout
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line and not line.startswith("#")}


def l2_statuses(lab):
    """{namespace/service: [nodes]} out of ServiceL2Status."""
    out = {}
    for path in (lab.m.dir / ".status/ServiceL2Status/fairlead-system").glob("*.yaml"):
        try:
            status = yaml.safe_load(path.read_text())["status"]
        except FileNotFoundError:  # removed meanwhile
            continue
        assert status.get("interfaces", []) == []
        out.setdefault(f"{status['serviceNamespace']}/{status['serviceName']}", []).append(status["node"])
    return out


def test_who_answers_is_in_statuses_and_metrics(net):
    found = wait_until(lambda: (o := owners(net)) and all(o.values()) and o, 3, "an owner for each")
    by_service = {f"default/web{i}": [found[vip]] for i, vip in enumerate(VIPS)}
    wait_until(lambda: l2_statuses(net) == by_service, 10, f"a status by each owner alone: {l2_statuses(net)}, {by_service}")
    for name in NODES:
        seen = metrics(net, name)
        mine = {vip for vip, owner in found.items() if owner == name}
        told = {vip for vip in VIPS for i in range(len(VIPS)) if
                seen.get(f'fairlead_speaker_announced{{service="default/web{i}",protocol="layer2",node="{name}",ip="{vip}"}}') == 1}
        assert told == mine
        assert seen["fairlead_l2_responses_total"] == seen["fairlead_l2_requests_total"] >= len(mine)
        assert seen["fairlead_l2_gratuitous_total"] >= 2 * len(mine)
        assert seen['fairlead_l2_ignored_total{reason="not_our_vip"}'] > 0
        assert seen["fairlead_dataplane_services"] == len(VIPS) and seen["fairlead_dataplane_batches_total"] >= 1
        assert abs(seen["fairlead_dataplane_last_sync_timestamp_seconds"] - time.time()) < 600
        assert seen["fairlead_config_loaded"] == 1 and seen["fairlead_config_stale"] == 0
        assert net.topo.run(name, ["curl", "-sf", "http://127.0.0.1:7480/readyz"]).stdout == "ok\n"
        state = net.m.status("ConfigurationState", f"speaker-{name}", "fairlead-system")["status"]
        assert state["result"] == "Valid" and "mode" in state["conditions"][0]["message"]
    # A node that goes takes its statuses along, and the new owners write theirs.
    gone = found[VIPS[0]]
    net.m.write(f"{gone}.yaml", node(gone, ready=False))
    wait_until(lambda: len(s := l2_statuses(net)) == len(VIPS) and all(len(n) == 1 and n != [gone] for n in s.values()), 15,
               f"statuses move: {l2_statuses(net)}")
    # A file that is no object of ours is told, with the last good version running on.
    net.m.write_text("bad.yaml", "apiVersion: fairlead.io/v1\nkind: IPAddressPool\nmetadata: {name: bad, namespace: fairlead-system}\nspec: {addresses: [nonsense]}\n")
    summary = lambda: net.m.status("ConfigurationState", f"speaker-{gone}", "fairlead-system")["status"].get("errorSummary", "")  # noqa: E731
    wait_until(lambda: "IPAddressPool fairlead-system/bad" in summary(), 5, f"the fault in ConfigurationState: {summary()}")
    net.m.write_text("bad.yaml", "apiVersion: fairlead.io/v1\nkind: IPAddressPool\nmetadata: {name: bad, namespace: fairlead-system}\nspec: {addresses: [203.0.113.0/24]}\n")
    wait_until(lambda: summary() == "", 5, f"solved: {summary()}")


def test_an_occupied_port_is_waited_for(fresh_lab):
    lab = fresh_lab
    other = lab.daemon("node-a", ["/usr/bin/python3", "-m", "http.server", "7480", "--bind", "127.0.0.1"])
    wait_until(lambda: lab.topo.run("node-a", ["curl", "-s", "http://127.0.0.1:7480/"], check=False).stdout, 10, "somebody else on the port")
    speaker = lab.speaker(lab.manifests(pool()), "node-a")
    speaker.wait_event("metrics_not_shown")
    speaker.wait_event("synced")
    time.sleep(2.5)
    assert len(speaker.events("metrics_not_shown")) == 1, "said once"
    other.stop()
    wait_until(lambda: "fairlead_config_loaded 1" in lab.topo.run("node-a", ["curl", "-s", "http://127.0.0.1:7480/metrics"], check=False).stdout, 5, "ours")


def test_not_ready_node_hands_over_only_its_own_and_neighbours_learn_at_once(net):
    before = wait_until(lambda: (o := owners(net)) and all(o.values()) and o, 3, "an owner for each")
    gone = before[VIPS[0]]
    assert net.ask("client", VIPS[0], 80).names  # the router has learnt the old owner
    with net.capture("router", "eth1", "arp") as c:
        net.m.write(f"{gone}.yaml", node(gone, ready=False))
        wait_until(lambda: net.who_has(VIPS[0], seconds=0.05) not in ([], [gone]), 3, "a new owner")
        assert net.ask("client", VIPS[0], 80, count=5).errors == {}
    after = owners(net)
    for vip, owner in before.items():
        assert (after[vip] != gone) if owner == gone else (after[vip] == owner), vip
    gratuitous = [p for p in c.packets if p["ARP"].psrc == p["ARP"].pdst == VIPS[0]]
    assert {p["ARP"].op for p in gratuitous} == {1, 2}
    assert all(p.dst == "ff:ff:ff:ff:ff:ff" and p["ARP"].hwsrc == p.src for p in gratuitous)
    # ... and back: without membership the choice is a function of who is ready.
    net.m.write(f"{gone}.yaml", node(gone))
    wait_until(lambda: owners(net) == before, 3, "the old owners")


def test_gratuitous_frames_go_on_for_five_seconds(net):
    with net.capture("router", "eth1", "arp") as c:
        net.m.write("late.yaml", service("late", cluster_ip="10.96.0.99", ip="198.51.100.240"))
        wait_until(lambda: net.who_has("198.51.100.240", seconds=0.05), 3, "the new VIP")
        time.sleep(5.5)
    times = [float(p.time) for p in c.packets if p["ARP"].psrc == p["ARP"].pdst == "198.51.100.240" and p["ARP"].op == 1]
    assert len(times) == 5 and all(0.9 < b - a < 2 for a, b in zip(times, times[1:]))


def test_excluded_and_pod_interfaces_stay_silent(net):
    vip = VIPS[0]
    with net.capture("pod-a1", "eth0", "arp") as c:
        time.sleep(0.5)
    assert not [p for p in c.packets if p["ARP"].psrc == vip]


def test_a_probe_is_answered(net):
    """RFC 5227: a host that wants to use the VIP is told that it is taken."""
    from scapy.layers.l2 import ARP, Ether
    from scapy.sendrecv import srp1
    owner = wait_until(lambda: net.who_has(VIPS[0]), 3, "an owner")[0]
    with net.topo.inside("router"):
        reply = srp1(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="0.0.0.0", pdst=VIPS[0]), iface="eth1", timeout=2, verbose=0)
    assert reply is not None and reply["ARP"].op == 2 and reply["ARP"].psrc == VIPS[0]
    assert reply["ARP"].hwsrc == net.mac(owner) and reply["ARP"].pdst == "0.0.0.0"


def test_arping_hears_one_station_only(net):
    owner = wait_until(lambda: net.who_has(VIPS[0]), 3, "an owner")[0]
    # -d: ends with 1 when two hardware addresses answer.
    done = net.topo.run("router", ["arping", "-d", "-c", "3", "-W", "0.2", "-i", "eth1", VIPS[0]])
    answers = [line for line in done.stdout.splitlines() if "bytes from" in line]
    assert len(answers) == 3 and all(net.mac(owner) in a for a in answers), done.stdout
    free = net.topo.run("router", ["arping", "-c", "2", "-W", "0.2", "-i", "eth1", "198.51.100.249"], check=False)
    assert free.returncode != 0 and "bytes from" not in free.stdout


def raw(net, octets, seconds=0.3):
    """Sends a frame from the router; the ARP replies to it alone."""
    with net.topo.inside("router"):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    own, heard = bytes.fromhex(net.mac("router", "eth1").replace(":", "")), []
    with s:
        s.bind(("eth1", 0x0806))
        s.send(octets)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            s.settimeout(left)
            try:
                data = s.recv(2048)
            except TimeoutError:
                break
            if data[:6] == own and data[20:22] == b"\0\x02":
                heard.append(data)
    return heard


def request(net, dst="ff:ff:ff:ff:ff:ff", **arp):
    from scapy.layers.l2 import ARP, Ether
    own = net.mac("router", "eth1")
    return bytes(Ether(src=own, dst=dst) / ARP(**{"op": 1, "hwsrc": own, "psrc": "198.51.100.1", "pdst": VIPS[0], **arp}))


def test_a_unicast_request_is_answered(net):
    """RFC 1122 2.3.2.1: a neighbour checks its table's entry with the station alone."""
    owner = wait_until(lambda: net.who_has(VIPS[0]), 3, "an owner")[0]
    heard = raw(net, request(net, dst=net.mac(owner)))
    assert [h[6:12].hex(":") for h in heard] == [net.mac(owner)]
    assert raw(net, request(net, dst="02:00:00:00:00:77")) == []


def test_arp_junk_is_not_answered(net):
    wait_until(lambda: net.who_has(VIPS[0]), 3, "an owner")
    good = request(net)
    junk = {"reply": request(net, op=2), "RARP": request(net, op=3), "token ring": request(net, hwtype=6), "lengths": request(net, hwlen=8),
            "cut": good[:30], "VLAN": good[:12] + b"\x81\0\0\x07" + good[12:], "announcement": request(net, psrc=VIPS[0]),
            "from a group": request(net, hwsrc="03:00:00:00:00:01")}
    for name, octets in junk.items():
        assert raw(net, octets, 0.15) == [], name
    assert len(raw(net, good + bytes(1400))) == 1, "what follows the packet is padding"


def test_a_service_without_advertisement_is_not_announced_and_the_reason_is_told(net):
    net.m.write("other.yaml", pool("other", "198.51.100.100/32"), service("unannounced", cluster_ip="10.96.0.98", ip="198.51.100.100"),
                l2_advertisement("l2", "pool"))
    net.m.remove("objects.yaml")
    net.speakers["node-a"].wait_event("not_announced", vip="198.51.100.100", reason="no_advertisement")
    assert net.who_has("198.51.100.100") == []


def test_the_interface_list_of_an_advertisement_limits_where_it_is_answered(net):
    net.m.write("ads.yaml", pool("limited", "198.51.100.110/31"), l2_advertisement("nowhere", "limited", interfaces=["eth9"]),
                service("limited", cluster_ip="10.96.0.97", ip="198.51.100.110"))
    for s in net.speakers.values():
        s.wait_event("synced")
    time.sleep(0.3)
    # The advertisement for all pools of the fixture has no list and would allow all: it goes.
    net.m.write("objects.yaml", pool(), l2_advertisement("l2", "pool"))
    wait_until(lambda: net.who_has("198.51.100.110") == [], 3, "silence")


def test_a_link_that_comes_back_is_announced_on_again(net):
    owner = wait_until(lambda: net.who_has(VIPS[0]), 3, "an owner")[0]
    net.topo.run(owner, ["ip", "link", "set", "eth0", "down"])
    net.speakers[owner].wait_event("interface_left", interface="eth0")
    with net.capture("router", "eth1", "arp") as c:
        net.topo.run(owner, ["ip", "link", "set", "eth0", "up"])
        net.speakers[owner].wait_event("interface_joined", interface="eth0", count=2)
        wait_until(lambda: net.who_has(VIPS[0]) == [owner], 3, "the owner again")
    assert [p for p in c.packets if p["ARP"].psrc == p["ARP"].pdst == VIPS[0]]
