"""Who answers for an IPv6 VIP, as its neighbours see it: another kernel's neighbour table and address check, raw
solicitations, MLD on the wire. Where ARP must do the same, IPv4 is asked beside it."""
import ipaddress
import json
import random
import re
import socket
import struct
import subprocess
import time

import pytest
from conftest import deployed
from lab import TOPOLOGIES, _checksum, l2_advertisement, node, pool, service, wait_until

VIP, SIBLING = "2001:db8:0:1::200", "2001:db8:0:1::100:200"  # one solicited-node group for the two
GROUP = "ff02::1:ff00:200"
VIP4 = "198.51.100.200"
POOLS = ("198.51.100.200-198.51.100.250", "2001:db8:0:1::200-2001:db8:0:1::2ff", SIBLING + "/128")
ALL_NODES_MAC, GROUP_MAC = "33:33:00:00:00:01", "33:33:ff:00:02:00"
NODES = {"node-a": "198.51.100.11", "node-b": "198.51.100.12"}
NODE_ADDRESSES = {f"2001:db8:0:{lan}::{n}" for lan in (1, 2) for n in ("a", "b")}
BURST = 5.0


def web(name, *vips, **spec):
    v6 = ":" in vips[0]
    number = 10 + sum(map(ord, name)) % 200
    return service(name, cluster_ip=f"fd00:10:96::{number:x}" if v6 else f"10.96.0.{number}", ip=list(vips), **spec)


@pytest.fixture(scope="module")
def net(make_lab):
    lab = make_lab("ndp")
    start(lab)
    time.sleep(BURST + 0.5)  # what is heard from now on is an answer
    return lab


@pytest.fixture
def own_net(tmp_path_factory, lab_is_possible):
    """For a test that changes things that others look at."""
    with deployed(TOPOLOGIES / "ndp.clab.yml", tmp_path_factory) as lab:
        start(lab)
        yield lab


def start(lab):
    lab.m = lab.manifests(pool("pool", *POOLS), l2_advertisement(), web("six", VIP), web("four", VIP4))
    for n, ip in NODES.items():
        lab.m.write(f"{n}.yaml", node(n, ip))
    lab.speakers = {n: lab.speaker(lab.m, n, "--cluster-cidr", "10.244.0.0/16") for n in NODES}
    for s in lab.speakers.values():
        s.wait_event("synced")
    wait_until(lambda: owner(lab, VIP) and who_has4(lab, VIP4), 10, "an owner for each VIP")


# -- a neighbour's means


def mac(lab, where="host", interface="eth0"):
    return lab.mac(where, interface)


def frame(lab, target=VIP, source="2001:db8:0:1::9", destination=None, dst_mac=None, option=True, hop_limit=255, interface="eth0", **ns):
    """A solicitation by scapy; a keyword for each thing that can be wrong with it."""
    from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
    from scapy.layers.l2 import Ether
    group = ipaddress.ip_address(int(ipaddress.ip_address("ff02::1:ff00:0")) | int(ipaddress.ip_address(target)) & 0xffffff)
    destination = destination or str(group)
    if dst_mac is None:
        dst_mac = "33:33:" + ipaddress.ip_address(destination).packed[-4:].hex(":")
    own = mac(lab, "host", interface)
    made = Ether(src=own, dst=dst_mac) / IPv6(src=source, dst=destination, hlim=hop_limit) / ICMPv6ND_NS(tgt=target, **ns)
    return bytes(made / ICMPv6NDOptSrcLLAddr(lladdr=own) if option else made)


def say(lab, octets, interface="eth0", seconds=0.4, many=1):
    """Sends it from the host; the advertisements heard then, as (Ethernet source, destination, IPv6 source, destination,
    target, R, S, O, target link-layer address)."""
    from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
    from scapy.layers.l2 import Ether
    with lab.topo.inside("host"):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
    heard = []
    with s:
        s.bind((interface, 0x86dd))
        s.send(octets)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and len(heard) < many:
            s.settimeout(left)
            try:
                data, address = s.recvfrom(2048)
            except TimeoutError:
                break
            if address[2] == socket.PACKET_OUTGOING or data[20:21] != b"\x3a" or data[54:55] != b"\x88":
                continue
            p = Ether(data)
            na = p[ICMPv6ND_NA]
            if na.tgt.startswith("fe80:") or na.tgt in NODE_ADDRESSES:
                continue  # the kernels' own conversation
            option = na[ICMPv6NDOptDstLLAddr].lladdr if ICMPv6NDOptDstLLAddr in na else None
            assert p[IPv6].hlim == 255
            sent = na.cksum
            na.cksum = None
            assert Ether(bytes(p))[ICMPv6ND_NA].cksum == sent, "the checksum, by another program"
            heard.append((p.src, p.dst, p[IPv6].src, p[IPv6].dst, na.tgt, na.R, na.S, na.O, option))
    return heard


def owner(lab, vip, interface="eth0", seconds=0.4):
    """The one node that answers a solicitation; None: nobody."""
    answers = [a for a in say(lab, frame(lab, vip, interface=interface), interface, seconds, many=3) if a[4] == vip and a[6] == 1]
    names = {lab.mac(n, interface): n for n in NODES}
    assert len(answers) <= 1, answers
    return names[answers[0][0]] if answers else None


def who_has4(lab, vip, interface="eth0"):
    names = [m for m in lab.who_has(vip, "host", interface)]
    assert len(names) <= 1, names
    return names[0] if names else None


def other(name):
    return next(n for n in NODES if n != name)


def neighbour(lab, vip):
    """The host's own table: {"lladdr": ..., "state": [...]} or {}."""
    out = lab.topo.run("host", ["ip", "-j", "neigh", "show", vip, "dev", "eth0"]).stdout
    rows = [r for r in json.loads(out or "[]") if r.get("dst") == vip]
    return rows[0] if rows else {}


def groups(lab, name, interface="eth0"):
    """Memberships, as the kernel lists them."""
    out = set()
    for line in lab.topo.run(name, ["cat", "/proc/net/igmp6"]).stdout.splitlines():
        words = line.split()
        if words[1] == interface:
            out.add(str(ipaddress.IPv6Address(bytes.fromhex(words[2]))))
    return out


def joined(lab, name, group=GROUP, interface="eth0"):
    return group in groups(lab, name, interface)


def so_far(capture):
    """The packets of a capture that goes on."""
    from scapy.error import Scapy_Exception
    from scapy.utils import rdpcap
    try:
        return list(rdpcap(str(capture.path)))
    except (Scapy_Exception, EOFError, OSError):  # nothing is written yet, or half a packet
        return []


def reports(packets):
    """MLDv2 records on the wire: [(type, group)]; type 3 leaves, type 4 joins (RFC 3810 section 5.2.12)."""
    from scapy.layers.inet6 import ICMPv6MLReport2
    return [(r.rtype, r.dst) for p in packets if ICMPv6MLReport2 in p for r in p[ICMPv6MLReport2].records]


# -- answers


def test_a_solicitation_is_answered_by_the_owner_alone(net):
    name = owner(net, VIP)
    answers = say(net, frame(net), many=3)
    # Source, target and link-layer address agree; it forwards, so R; it was asked, so S; nobody else has it, so O.
    assert answers == [(mac(net, name), mac(net), VIP, "2001:db8:0:1::9", VIP, 1, 1, 1, mac(net, name))]
    assert say(net, frame(net, "2001:db8:0:1::201")) == [], "in the pool, but nobody's"


def test_the_kernels_table_learns_and_keeps_the_owner(net):
    name = owner(net, VIP)
    net.topo.run("host", ["ip", "-6", "neigh", "flush", "dev", "eth0"])
    net.ping("host", VIP, timeout=0.5)
    wait_until(lambda: "REACHABLE" in neighbour(net, VIP).get("state", []), 5, "the neighbour table")
    assert neighbour(net, VIP)["lladdr"] == mac(net, name)
    # The kernel asks again, to the address alone: no answer would end in FAILED.
    net.topo.run("host", ["ip", "-6", "neigh", "replace", VIP, "lladdr", mac(net, name), "dev", "eth0", "nud", "probe"])
    wait_until(lambda: "REACHABLE" in neighbour(net, VIP).get("state", []), 5, "the probe's answer")


def test_ndisc6_finds_it(net):
    name = owner(net, VIP)
    out = net.topo.run("host", ["ndisc6", "-1", "-r", "2", "-w", "1000", VIP, "eth0"]).stdout
    assert mac(net, name) in out.lower()


@pytest.mark.parametrize("option", [True, False], ids=["with_option", "without_option"])
def test_a_unicast_probe_is_answered(net, option):
    """RFC 4861 7.2.3: a solicitation to us alone need not name who asks."""
    name = owner(net, VIP)
    answers = say(net, frame(net, destination=VIP, dst_mac=mac(net, name), option=option), many=3)
    assert [(a[0], a[1], a[3], a[6]) for a in answers] == [(mac(net, name), mac(net), "2001:db8:0:1::9", 1)]


def test_a_link_local_neighbour_is_answered(net):
    assert [a[3] for a in say(net, frame(net, source="fe80::1234"))] == ["fe80::1234"]


def test_a_probe_from_nowhere_is_answered_to_everybody(net):
    name = owner(net, VIP)
    assert say(net, frame(net, source="::", option=False), many=3) == \
        [(mac(net, name), ALL_NODES_MAC, VIP, "ff02::1", VIP, 1, 0, 1, mac(net, name))]


def test_a_kernel_that_tries_to_take_the_vip_gives_it_up(net):
    """RFC 4862 5.4: duplicate address detection of a real kernel; a free address beside it becomes usable."""
    for key, value in (("accept_dad", 1), ("dad_transmits", 1)):
        net.topo.run("host", ["sysctl", "-qw", f"net.ipv6.conf.eth0.{key}={value}"])

    def flags(address):
        listed = json.loads(net.topo.run("host", ["ip", "-6", "-j", "addr", "show", "dev", "eth0"]).stdout)
        return next(({k for k in a if a[k] is True} for i in listed for a in i.get("addr_info", []) if a.get("local") == address), None)
    try:
        for address in (VIP, "2001:db8:0:1::2fe"):
            net.topo.run("host", ["ip", "addr", "add", f"{address}/64", "dev", "eth0"])
        wait_until(lambda: "dadfailed" in (flags(VIP) or ()), 5, "dadfailed")
        wait_until(lambda: "tentative" not in flags("2001:db8:0:1::2fe"), 5, "the free address")
        assert "dadfailed" not in flags("2001:db8:0:1::2fe")
    finally:
        for address in (VIP, "2001:db8:0:1::2fe"):
            net.topo.run("host", ["ip", "addr", "del", f"{address}/64", "dev", "eth0"], check=False)


@pytest.mark.parametrize("bad", ["hop_limit", "checksum", "code", "group_as_target", "option_of_length_0", "cut", "vlan", "oversize",
                                 "another_station", "probe_with_option", "fragment"])
def test_junk_is_not_answered(net, bad):
    good = frame(net)
    name = owner(net, VIP)
    octets = {
        "hop_limit": lambda: frame(net, hop_limit=254),
        "checksum": lambda: good[:56] + bytes([good[56] ^ 0xff]) + good[57:],
        "code": lambda: frame(net, code=1),
        "group_as_target": lambda: frame(net, "ff02::1:ff00:200"),
        "option_of_length_0": lambda: summed(good[:79] + b"\x00" + good[80:]),
        "cut": lambda: good[:60],
        "vlan": lambda: good[:12] + b"\x81\x00\x00\x07" + good[12:],
        "oversize": lambda: good[:18] + struct.pack("!H", 1400) + good[20:] + bytes(1368),
        "another_station": lambda: frame(net, destination=VIP, dst_mac="02:00:00:00:00:77"),
        "probe_with_option": lambda: frame(net, source="::"),
        "fragment": lambda: good[:18] + struct.pack("!HB", 40, 44) + good[21:54] + b"\x3a\0\0\0\0\0\0\1" + good[54:],
    }[bad]()
    assert octets != good
    assert say(net, octets) == []
    assert owner(net, VIP) == name, "and the next one is"


def summed(octets):
    """With the checksum that belongs to it."""
    message = octets[54:56] + b"\0\0" + octets[58:]
    total = _checksum(octets[22:54] + struct.pack("!II", len(message), 58) + message)
    return octets[:56] + struct.pack("!H", total) + octets[58:]


def test_a_storm_of_solicitations_is_survived(net):
    name = owner(net, VIP)
    rng = random.Random(5)
    base = frame(net)
    with net.topo.inside("host"):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with s:
        s.bind(("eth0", 0))
        for i in range(20_000):
            octets = bytearray(base)
            for _ in range(rng.randrange(3)):
                octets[rng.randrange(14, len(octets))] = rng.randrange(256)
            s.send(bytes(octets[:rng.randrange(30, len(octets))] if i % 7 == 0 else octets))
    wait_until(lambda: owner(net, VIP, seconds=0.2) == name, 10, "an answer after the storm")
    assert all(s.is_running() for s in net.speakers.values())


# -- groups


def test_the_owner_is_a_member_and_nobody_else(net):
    name = owner(net, VIP)
    assert joined(net, name) and joined(net, name, interface="eth1")
    assert not joined(net, other(name))


def test_membership_is_told_by_mld_shared_by_vips_and_ends_with_the_last(own_net):
    net = own_net
    name = owner(net, VIP)
    # The sibling may be the other node's: this one alone is left to announce.
    net.m.write(f"{other(name)}.yaml", node(other(name), NODES[other(name)], ready=False))
    net.m.write("sibling.yaml", web("sibling", SIBLING))
    wait_until(lambda: owner(net, SIBLING) == name, 5, "the sibling")
    net.m.write("objects.yaml", pool("pool", *POOLS), l2_advertisement(), web("four", VIP4))
    wait_until(lambda: owner(net, VIP) is None, 5, "silence for the first")
    assert joined(net, name) and owner(net, SIBLING) == name, "the other VIP needs the group still"
    with net.capture("lan", name, "ip6") as left:
        net.m.remove("sibling.yaml")
        wait_until(lambda: not joined(net, name), 5, "the group left")
        wait_until(lambda: (3, GROUP) in reports(so_far(left)), 5, "the leave on the wire")
    assert (4, GROUP) not in reports(left.packets)
    with net.capture("lan", name, "ip6") as came:
        net.m.write("sibling.yaml", web("sibling", SIBLING))
        wait_until(lambda: (4, GROUP) in reports(so_far(came)), 5, "the report on the wire")
    assert joined(net, name)


def test_behind_a_switch_that_snoops_and_asks_it_is_still_found(own_net):
    """With a querier the bridge hands a group's frames to its members alone: only a real membership keeps the VIP alive."""
    net = own_net
    name = owner(net, VIP)
    net.topo.run("lan", ["ip", "link", "set", "br0", "type", "bridge", "mcast_snooping", "1", "mcast_querier", "1",
                         "mcast_query_response_interval", "100", "mcast_startup_query_interval", "100"])

    def ports():
        rows = json.loads(net.topo.run("lan", ["bridge", "-j", "mdb", "show"]).stdout)
        return {m["port"] for r in rows for m in r.get("mdb", []) if m["grp"] == GROUP}
    wait_until(lambda: ports() == {name}, 20, "the switch knows the member")

    def is_snooping():
        with net.capture(other(name), "eth0", f"ip6 dst {GROUP}") as c:
            assert owner(net, VIP) == name
        return not c.packets
    # The bridge trusts a querier only some time after it appeared.
    wait_until(is_snooping, 30, "the other node is spared")


def test_more_groups_than_one_socket_holds(own_net):
    net = own_net
    for n in NODES:
        before = net.topo.run(n, ["sysctl", "-nw", "net.core.optmem_max=512"], check=False)
        if before.returncode != 0:
            pytest.skip("this kernel has one net.core.optmem_max for all namespaces")
    vips = [f"2001:db8:0:1::2{i:02x}" for i in range(1, 61)]
    net.m.write("many.yaml", *[web(f"many{i}", vip) for i, vip in enumerate(vips)])
    wanted = {f"ff02::1:ff00:2{i:02x}" for i in range(1, 61)}
    wait_until(lambda: wanted <= groups(net, "node-a") | groups(net, "node-b"), 10, "all groups")
    for n in NODES:
        assert net.speakers[n].events("join_failed") == []
        held = wanted & groups(net, n)
        assert len(held) > 10, "one socket has no room for more than eight here"
    net.m.remove("many.yaml")
    wait_until(lambda: not wanted & (groups(net, "node-a") | groups(net, "node-b")), 10, "all left")


# -- changes


@pytest.mark.parametrize("vip", [VIP, VIP4], ids=["ndp", "arp"])
def test_a_hand_over_updates_the_neighbours_table_without_being_asked(own_net, vip):
    net = own_net
    who = owner if ":" in vip else who_has4
    first = wait_until(lambda: who(net, vip), 5, "an owner")
    net.ping("host", vip, timeout=0.3)
    wait_until(lambda: neighbour(net, vip).get("lladdr") == mac(net, first), 5, "the first owner in the table")
    with net.capture("host", "eth0", f"ether src {mac(net, other(first))}") as c:
        began = time.monotonic()
        net.m.write(f"{first}.yaml", node(first, NODES[first], ready=False))
        wait_until(lambda: neighbour(net, vip).get("lladdr") == mac(net, other(first)), 3, "the new owner in the table")
        took = time.monotonic() - began
        time.sleep(BURST + 0.5)
    print(f"figure hand-over of {vip} is in the neighbour table after {took * 1000:.0f} ms")
    if ":" in vip:
        told = [p for p in c.packets if "ICMPv6ND_NA" in p and p["ICMPv6ND_NA"].tgt == vip and p.dst == ALL_NODES_MAC]
        assert {(p["ICMPv6ND_NA"].S, p["ICMPv6ND_NA"].O, p["IPv6"].dst, p["IPv6"].src) for p in told} == {(0, 1, "ff02::1", vip)}
    else:
        told = [p for p in c.packets if "ARP" in p and p["ARP"].psrc == p["ARP"].pdst == vip and p["ARP"].op == 1]
    times = [float(p.time) for p in told]
    assert len(times) == 5 and all(0.9 < b - a < 2 for a, b in zip(times, times[1:])), times
    assert who(net, vip) == other(first)
    assert joined(net, first) is False


def test_an_interface_that_goes_and_comes_back(own_net):
    net = own_net
    name = owner(net, VIP)
    net.topo.run(name, ["ip", "link", "set", "eth0", "down"])
    net.speakers[name].wait_event("interface_left", interface="eth0")
    wait_until(lambda: not joined(net, name), 5, "no membership")  # closed right after the line that tells of it
    with net.capture("host", "eth0", "icmp6") as c:
        net.topo.run(name, ["ip", "link", "set", "eth0", "up"])
        net.speakers[name].wait_event("interface_joined", interface="eth0", count=2)
        wait_until(lambda: joined(net, name), 5, "the group again")
        wait_until(lambda: owner(net, VIP) == name, 5, "the owner again")
    assert [p for p in c.packets if "ICMPv6ND_NA" in p and p["ICMPv6ND_NA"].tgt == VIP and p["ICMPv6ND_NA"].S == 0]


def test_an_interface_that_appears_later(own_net):
    net = own_net
    name = owner(net, VIP)
    # From outside: inside of a node no other namespace has a name.
    subprocess.run(["ip", "-n", net.topo.namespace(name), "link", "add", "late0", "type", "veth", "peer", "name", "late0",
                    "netns", net.topo.namespace("host")], check=True)
    for n in (name, "host"):
        net.topo.run(n, ["ip", "link", "set", "late0", "up"])
    net.speakers[name].wait_event("interface_joined", interface="late0")
    wait_until(lambda: joined(net, name, interface="late0"), 5, "the group")
    names = [a[0] for a in wait_until(lambda: [a for a in say(net, frame(net, interface="late0"), "late0", many=3) if a[6]], 5, "an answer")]
    assert names == [net.mac(name, "late0")]


def test_an_interface_without_any_ipv6_address_answers(own_net):
    net = own_net
    name = owner(net, VIP)
    net.topo.run(name, ["ip", "-6", "addr", "flush", "dev", "eth0"])
    assert "inet6" not in net.topo.run(name, ["ip", "-6", "addr", "show", "dev", "eth0"]).stdout
    assert owner(net, VIP) == name


def test_a_vip_that_the_node_itself_has_is_left_to_its_kernel(own_net):
    net = own_net
    name = owner(net, VIP)
    net.topo.run(name, ["ip", "addr", "add", f"{VIP}/128", "dev", "eth0"])
    # One answer in any case: the kernel's, which has no reason to be twice.
    wait_until(lambda: len(say(net, frame(net), many=3)) == 1, 5, "one answer")
    for _ in range(3):
        assert len(say(net, frame(net), many=3)) == 1


def test_what_was_ignored_is_counted_by_reason(own_net):
    net = own_net
    name = owner(net, VIP)
    good = frame(net)
    for _ in range(2):
        say(net, frame(net, hop_limit=64), seconds=0.1)
    say(net, good[:56] + bytes([good[56] ^ 0xff]) + good[57:], seconds=0.1)
    owner(net, VIP)
    net.speakers[name].stop()
    counted = net.speakers[name].events("neighbours")[-1]
    reasons = dict(pair.split("=") for pair in counted["ignored"].split())
    assert reasons["bad_hop_limit"] == "2" and reasons["bad_checksum"] == "1"
    assert int(counted["answered"]) >= 2


# -- somebody else has the VIP

SETTLED = 8.0  # seconds: claims count from then on, and are told when they come again that long after the first


def conflicts(lab):
    return [e for e in lab.m.events() if " AddressConflict " in e]


def test_a_host_that_was_given_the_vips_is_told_though_it_never_says_so_itself(own_net):
    net = own_net
    names = {vip: who(net, vip) for vip, who in ((VIP, owner), (VIP4, who_has4))}
    with net.capture("lan", "node-a", "arp or icmp6") as a, net.capture("lan", "node-b", "arp or icmp6") as b:
        # Linux announces neither of the two: arp_notify and ndisc_notify are off.
        net.topo.run("host", ["ip", "addr", "add", f"{VIP}/128", "dev", "eth0", "nodad"])
        net.topo.run("host", ["ip", "addr", "add", f"{VIP4}/32", "dev", "eth0"])
        wait_until(lambda: all(any(f"Service default/{s} " in e for e in conflicts(net)) for s in ("six", "four")), 3 * SETTLED, "an Event for each")
    for vip, name in (("six", VIP), ("four", VIP4)):
        told = [e for e in conflicts(net) if f"Warning Service default/{vip} AddressConflict {name} is also claimed by {mac(net)} on eth0" in e]
        assert len(told) == 1 and "IPAddressPool fairlead-system/pool" in told[0], conflicts(net)
        assert net.speakers[names[name]].events("address_conflict", vip=name, mac=mac(net), interface="eth0")
    # Asking drew nobody's traffic away: what the host answered went to who asked alone.
    for p in [*a.packets, *b.packets]:
        if "ICMPv6ND_NA" in p and p["ICMPv6ND_NA"].tgt == VIP and p.src == mac(net):
            assert p.dst == mac(net, names[VIP])
        if "ARP" in p and p["ARP"].psrc == VIP4 and p.src == mac(net):
            assert p.dst == mac(net, names[VIP4])
    # The VIPs go on being announced.
    for vip in (VIP, VIP4):
        net.topo.run("host", ["ip", "addr", "del", f"{vip}/{128 if ':' in vip else 32}", "dev", "eth0"])
    assert owner(net, VIP) == names[VIP] and who_has4(net, VIP4) == names[VIP4]


def test_a_station_that_announces_the_vips_once_is_not_told_but_twice(own_net):
    from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
    from scapy.layers.l2 import ARP, Ether
    from scapy.sendrecv import sendp
    net = own_net
    stranger = "02:00:00:00:00:66"
    claims = [Ether(src=stranger, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=stranger, psrc=VIP4, pdst=VIP4),
              Ether(src=stranger, dst=ALL_NODES_MAC) / IPv6(src=VIP, dst="ff02::1", hlim=255) /
              ICMPv6ND_NA(tgt=VIP, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=stranger)]

    def say_so():
        with net.topo.inside("host"):
            sendp(claims, iface="eth0", verbose=0)
    time.sleep(SETTLED)
    say_so()
    time.sleep(SETTLED + 1)
    assert conflicts(net) == []
    say_so()
    told = wait_until(lambda: len(conflicts(net)) == 2 and conflicts(net), 3, "an Event for each")
    assert all(f"is also claimed by {stranger} on eth0" in t for t in told)


def test_hand_overs_late_speakers_and_reflected_frames_are_no_conflict(own_net):
    net = own_net
    for n in NODES:
        net.topo.run("lan", ["bridge", "link", "set", "dev", n, "hairpin", "on"])
    # A folder for each, so that one hears of a change later than the other: for seconds both announce.
    folders = {"node-a": net.m, "node-b": net.manifests(pool("pool", *POOLS), l2_advertisement(), web("six", VIP), web("four", VIP4))}
    for n, ip in NODES.items():
        folders["node-b"].write(f"{n}.yaml", node(n, ip))
    net.speakers["node-b"].stop()
    net.speakers["node-b"] = net.speaker(folders["node-b"], "node-b", "--cluster-cidr", "10.244.0.0/16")
    net.speakers["node-b"].wait_event("synced")
    gone = wait_until(lambda: owner(net, VIP), 5, "an owner")
    time.sleep(SETTLED)
    for late, ready in ((gone, False), (other(gone), True)):
        announced = len(net.speakers[other(late)].events("announce", vip=VIP))
        folders[other(late)].write(f"{gone}.yaml", node(gone, NODES[gone], ready=ready))
        net.speakers[other(late)].wait_event("announce", vip=VIP, count=announced + 1)
        time.sleep(3)
        assert not net.speakers[late].events("withdraw", vip=VIP)
        folders[late].write(f"{gone}.yaml", node(gone, NODES[gone], ready=ready))
        wait_until(lambda: owner(net, VIP) == who_has4(net, VIP4) == other(late), 5, "the new owner")
        time.sleep(2 * SETTLED + 1)
    assert [line for m in folders.values() for line in m.events() if "AddressConflict" in line] == []
    assert [s.events("address_conflict") for s in net.speakers.values()] == [[], []]


# -- what an L2Advertisement selects


ON_NODE_A, ON_NODE_B = ({"nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": n}}]} for n in NODES)
FOR_LABELLED_POOLS = {"ipAddressPoolSelectors": [{"matchLabels": {"use": "l2"}}]}
FOR_LABELLED_SERVICES = {"serviceSelectors": [{"matchLabels": {"tier": "edge"}}]}


def test_an_advertisement_selects_by_pool_service_and_node(own_net):
    net = own_net
    objects = [pool("pool", *POOLS), web("six", VIP), web("four", VIP4)]
    for spec, want in (({"ipAddressPools": ["other"]}, None), (ON_NODE_B, "node-b"), (FOR_LABELLED_POOLS, None), (ON_NODE_A, "node-a"),
                       (FOR_LABELLED_SERVICES, None)):
        net.m.write("objects.yaml", l2_advertisement("l2", **spec), *objects)
        wait_until(lambda: owner(net, VIP) == want and who_has4(net, VIP4) == want, 8, f"{spec}: owner {want}")
        assert [n for n in NODES if joined(net, n)] == ([want] if want else []), spec
    labelled = dict(objects[0], metadata={**objects[0]["metadata"], "labels": {"use": "l2"}})
    net.m.write("objects.yaml", l2_advertisement("l2", **FOR_LABELLED_POOLS), labelled, *objects[1:])
    wait_until(lambda: owner(net, VIP) and who_has4(net, VIP4), 8, "the pool's label")
    net.m.write("objects.yaml", l2_advertisement("l2", **FOR_LABELLED_SERVICES), objects[0], web("six", VIP, labels={"tier": "edge"}), objects[2])
    wait_until(lambda: owner(net, VIP) and not who_has4(net, VIP4), 8, "the Service's label")


def test_the_interfaces_of_an_advertisement_limit_answers_and_memberships(own_net):
    net = own_net
    net.m.write("objects.yaml", pool("pool", *POOLS), l2_advertisement("l2", interfaces=["eth1"]), web("six", VIP), web("four", VIP4))
    name = wait_until(lambda: owner(net, VIP, "eth1"), 8, "an owner on eth1")
    wait_until(lambda: owner(net, VIP) is None and who_has4(net, VIP4) is None, 8, "silence on eth0")
    assert joined(net, name, interface="eth1") and not joined(net, name)
    # 203.0.113.0/24 and 2001:db8:0:2::/64 are there: both VIPs are announced where nobody will ask for them.
    for service_name, vip in (("six", VIP), ("four", VIP4)):
        told = wait_until(lambda: [e for e in net.m.events() if f"Service default/{service_name} VipNotOnSegment" in e], 8, "an Event")
        assert f" Warning Service default/{service_name} VipNotOnSegment {vip} is outside of every prefix" in told[0]
        assert "IPAddressPool fairlead-system/pool" in told[0] and "spec.addresses" in told[0]
    assert not [e for e in net.m.events() if "NoInterface" in e]


@pytest.mark.parametrize("vip", ["2001:db8:9::1", "192.0.2.77"], ids=["ndp", "arp"])
def test_a_vip_outside_the_segment_is_announced_and_told(own_net, vip):
    net = own_net
    net.m.write("far.yaml", pool("far", f"{vip}/{128 if ':' in vip else 32}"), web("far", vip))
    who = owner if ":" in vip else who_has4
    name = wait_until(lambda: who(net, vip), 8, "an owner")
    wait_until(lambda: [e for e in net.m.events() if "Service default/far VipNotOnSegment" in e], 8, "an Event")
    net.speakers[name].wait_event("vip_not_on_segment", vip=vip)
    told = [e for e in net.m.events() if "VipNotOnSegment" in e]
    assert len(told) == 1 and "default/far" in told[0], "the others are on their segment"
    assert net.speakers[other(name)].events("vip_not_on_segment") == []


def test_interfaces_that_the_node_does_not_have_are_told(own_net):
    net = own_net
    net.m.write("objects.yaml", pool("pool", *POOLS), l2_advertisement("l2", interfaces=["eth9"]), web("six", VIP))
    wait_until(lambda: owner(net, VIP) is None, 8, "silence")
    told = wait_until(lambda: [e for e in net.m.events() if "NoInterface" in e], 8, "an Event")
    assert re.search(r"Warning Service default/six NoInterface .*spec\.interfaces \(eth9\) of L2Advertisement fairlead-system/l2", told[0])
    assert "eth0, eth1" in told[0]
