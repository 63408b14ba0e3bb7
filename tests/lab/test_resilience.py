"""What must not happen: connections lost at a restart, an upgrade or a flush; un-NATed packets; a host locked out.

FAIRLEAD_FULL=1 drives the judged counts; without it the same checks run with smaller ones, and FAIRLEAD_LAB_SCALE (0..1)
makes them smaller still, for programs that a sanitizer slows down.
"""
import itertools
import os
import random
import re
import subprocess
import time

import pytest
from lab import NODES, PODS, TopologyError, endpointslice, l2_advertisement, nodes, pool, service, wait_until

FULL = os.environ.get("FAIRLEAD_FULL") == "1"
SCALE = float(os.environ.get("FAIRLEAD_LAB_SCALE") or 1)


def judged(full, default, least=1):
    """A count: what is judged, or what every run does."""
    return full if FULL else max(least, int(default * SCALE))


FLAGS = ("--cluster-cidr", "10.244.0.0/16", "--log-level", "debug")
CLUSTER_IP, VIP, PORT = "10.96.0.10", "198.51.100.200", 30080
TABLE = "inet fairlead-2"
TWO, THREE = ["pod-a1", "pod-b1"], ["pod-a1", "pod-b1", "pod-c1"]


def web(names=THREE, **spec):
    return service("web", cluster_ip=CLUSTER_IP, ip=VIP, ports=[{"port": 80, "targetPort": 8080, "nodePort": PORT}], **spec), \
        endpointslice("web", names)


@pytest.fixture
def net(fresh_lab):
    lab = fresh_lab
    lab.serve_all()
    lab.m = lab.manifests(*nodes(), pool(), l2_advertisement())
    lab.m.write("web.yaml", *web())
    lab.speakers = {n: lab.speaker(lab.m, n, *FLAGS) for n in NODES}
    for s in lab.speakers.values():
        s.wait_event("synced")
    lab.owner = wait_until(lambda: lab.who_has(VIP), 3, "an owner")[0]
    lab.speaker_of_vip = lab.speakers[lab.owner]
    wait_until(lambda: lab.ask("client", VIP, 80).names, 3, "an answer")
    return lab


def our_tables(lab, node):
    return {t for t in lab.nft_tables(node) if t.startswith("inet fairlead-") and t != "inet fairlead-anchor"}


def count_untranslated(lab, node):
    """A filter chain behind all NAT: packets from outside that still carry the VIP were not translated."""
    lab.nft_load(node, f"""table inet witness {{
        counter untranslated {{ }}
        chain forward {{
            type filter hook forward priority 0;
            iifname "eth0" ip daddr {VIP} counter name untranslated
        }}
        chain input {{
            type filter hook input priority 0;
            iifname "eth0" ip daddr {VIP} counter name untranslated
        }}
    }}""")
    return lambda: lab.nft_counters(node, "inet witness")["untranslated"]


def test_restarts_and_a_layout_change_lose_no_connection(net):
    speaker, rate = net.speaker_of_vip, judged(5000, 1500)
    seconds = 30 if FULL else 12
    load = net.start_load("client", "connect", VIP, 80, "--rate", rate, "--seconds", seconds, "--timeout", 3000)
    time.sleep(1)
    for _ in range(judged(10, 3)):
        speaker.restart()
        done = speaker.wait_event("synced")
        # Nothing had changed: nothing was written.
        assert (done["elements"], done["batches"]) == ("0", "0"), speaker.text()
        time.sleep(0.3)
    for layout in ("1", "2"):
        speaker.restart("--layout", layout)
        speaker.wait_event("synced")
        assert our_tables(net, net.owner) == {f"inet fairlead-{layout}"}
        time.sleep(0.3)
    result = load.result()
    assert result["failed"] == {} or not any(result["failed"].values()), result
    assert result["ok"] > rate * seconds * 0.5, result


def test_an_unchanged_restart_sends_no_element(net):
    node = net.owner
    net.speaker_of_vip.stop()
    monitor = net.topo.popen(node, ["nft", "monitor"], stdout=subprocess.PIPE, text=True)
    time.sleep(0.2)
    net.speaker_of_vip.start()
    net.speaker_of_vip.wait_event("synced")
    time.sleep(0.3)
    monitor.terminate()
    said = monitor.communicate()[0]
    assert "element" not in said and "fairlead-2" not in said, said
    assert "fairlead-anchor" in said  # the monitor did see the restart


def test_flush_ruleset_under_open_downloads(net):
    load = net.start_load("client", "downloads", VIP, 80, "--count", 100, "--seconds", 8)
    load.wait_open()
    time.sleep(0.5)
    began = time.monotonic()
    net.topo.run(net.owner, ["nft", "flush", "ruleset"])
    wait_until(lambda: net.ask("client", VIP, 80, timeout=0.15).names, 5, "a new connection")
    took = time.monotonic() - began
    print(f"new connections work again after {took * 1000:.0f} ms")
    assert took < 0.5 * 10  # judged: 0.5 s
    result = load.result()
    assert result["alive"] == 100, result
    assert our_tables(net, net.owner) == {TABLE}


@pytest.mark.parametrize("damage", [
    f"delete table {TABLE}",
    f"flush chain {TABLE} services",
    f"insert rule {TABLE} services drop",
    f"flush map {TABLE} endpoints4",
    f"delete element {TABLE} services4 {{ {VIP} . tcp . 80 }}",
    f"add element {TABLE} services4 {{ 198.51.100.9 . tcp . 80 : 2 }}",
    f"flush map {TABLE} classes",
    f"add table {TABLE} {{ flags dormant; }}",
])
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_damage_is_repaired(net, damage, running):
    node, speaker = net.owner, net.speaker_of_vip
    want = {m: net.nft_elements(node, TABLE, m) for m in ("services4", "endpoints4", "classes", "refused4")}
    if not running:
        speaker.stop()
    net.nft_load(node, damage + "\n")
    if not running:
        speaker.start()

    def repaired():
        tables = our_tables(net, node)
        if len(tables) != 1:
            return False
        table, = tables
        try:
            return {m: net.nft_elements(node, table, m) for m in want} == want
        except TopologyError:  # replaced while we looked
            return False

    wait_until(repaired, 3, "the same elements")
    wait_until(lambda: net.ask("client", VIP, 80, timeout=0.3).names, 3, "an answer")
    assert net.ask("client", VIP, 80, count=10).errors == {}
    assert net.speaker_of_vip.is_running()


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_damaged_rare_class_is_repaired(net, running):
    """Chains for more than 64 endpoints are made while running; without its rules one would let packets through."""
    node, speaker = net.owner, net.speaker_of_vip
    many = [(f"10.244.2.{i}", "node-b") for i in range(100, 168)] + ["pod-a1", "pod-b1"]
    net.m.write("many.yaml", service("many", cluster_ip="10.96.0.30", type="ClusterIP"), endpointslice("many", many))

    def rules():
        try:
            table, = our_tables(net, node)
            return sum("rule" in o for o in net.nft(node, f"list chain {table} spread-70"))
        except (TopologyError, ValueError):  # not there yet, or being replaced
            return 0

    wait_until(lambda: rules() == 3, 3, "the chain")
    if not running:
        speaker.stop()
    net.nft_load(node, f"flush chain {TABLE} spread-70\n")
    if not running:
        speaker.start()
    wait_until(lambda: rules() == 3, 3, "the chain again")
    # Gone and come back while the chain stayed: its rules are not there twice.
    net.m.remove("many.yaml")
    wait_until(lambda: net.ask(node, "10.96.0.30", 80, timeout=0.1).names == {}, 3, "gone")
    net.m.write("many.yaml", service("many", cluster_ip="10.96.0.30", type="ClusterIP"), endpointslice("many", many))
    wait_until(lambda: rules() == 3, 3, "three rules")


def test_toggling_endpoints_under_a_flood_translates_every_packet(net):
    toggles = judged(10_000, 600)
    node = net.owner
    untranslated = count_untranslated(net, node)
    seconds = judged(60, 8, least=6)
    flood = net.start_load("client", "flood", VIP, 80, "--seconds", seconds, "--tuples", 20000)
    texts = []
    for names in (TWO, THREE):
        net.m.write("web.yaml", *web(names))
        texts.append((net.m.dir / "web.yaml").read_text())
    time.sleep(0.5)
    first = len(net.speaker_of_vip.events("synced"))

    def applied():
        return len(net.speaker_of_vip.events("synced")) - first
    # A toggle may fall into the batch of the one before, the more often the slower the programs are.
    end = time.monotonic() + seconds - 1
    for i in itertools.count():
        if i >= toggles and i % 100 == 0 and (applied() > toggles * 0.5 or time.monotonic() > end):
            break
        net.m.write_text("web.yaml", texts[i % 2])
        time.sleep(0.002)
    result = flood.result()
    invalid = sum(map(int, re.findall(r"invalid=([0-9]+)", net.topo.run(node, ["conntrack", "-S"]).stdout)))
    assert invalid < result["sent"] / 100  # else conntrack refuses what was sent, and nothing is proved
    print(f"{applied()} of {i} changes applied, {result['sent']} packets, missed {net.nft_counters(node, TABLE)['missed']}")
    assert applied() > toggles * 0.5
    assert untranslated() == 0
    assert net.nft_counters(node, TABLE)["missed"] <= 5
    for e in net.conntrack(node, "-p", "tcp", "-d", VIP):
        assert e["reply"]["src"] != VIP, e


def other_proxy(target):
    return f"""table ip other
        delete table ip other
        table ip other {{
            chain pre {{
                type nat hook prerouting priority dstnat;
                ip daddr {VIP} tcp dport 80 dnat ip to {target}:9999
            }}
        }}
    """


def test_a_dstnat_table_that_claims_the_vip_does_not_get_it(net):
    node = net.owner
    net.nft_load(node, other_proxy(PODS["pod-c2"][0]))  # loaded after ours
    assert net.ask("client", VIP, 80, count=10).errors == {}
    net.speaker_of_vip.stop()
    for t in our_tables(net, node):
        net.nft_load(node, f"delete table {t}\n")
    net.speaker_of_vip.start()  # now theirs was first
    net.speaker_of_vip.wait_event("synced")
    assert net.ask("client", VIP, 80, count=10).errors == {}
    net.nft_load(node, other_proxy(PODS["pod-c2"][0]))  # and reloaded
    assert net.ask("client", VIP, 80, count=10).errors == {}


def test_a_vip_that_is_the_nodes_own_address_does_not_close_its_ports(net):
    ssh = net.daemon("node-b", [net_tool(), "serve", "22", "ssh"])
    ssh.wait_event("listening")
    own = NODES["node-b"][0]
    net.m.write("own.yaml", pool("own", f"{own}/32"), service("own", cluster_ip="10.96.0.40", ip=own), endpointslice("own", ["pod-b1"]))
    wait_until(lambda: net.ask("client", own, 80).names == {"pod-b1": 1}, 3, "the VIP serves")
    assert net.ask("client", own, 22).names == {"ssh": 1}
    for who in ("node-a", "node-b", "pod-a1"):
        assert net.ask(who, own, 22).names == {"ssh": 1}, who
    assert net.speakers["node-a"].events("not_announced", vip=own, reason="is_node_address")
    # The same for an address of a Service range, and for one that has no endpoints.
    net.m.write("own.yaml", pool("own", f"{own}/32"), service("own", cluster_ip="10.96.0.40", ip=own))
    wait_until(lambda: net.ask("client", own, 80).errors == {"ECONNREFUSED": 1}, 3, "the VIP refuses")
    assert net.ask("client", own, 22).names == {"ssh": 1}


def net_tool():
    from lab import tool
    return tool("fl-load")


@pytest.mark.parametrize("hook", ["prerouting priority mangle", "prerouting priority raw", "output priority mangle"])
def test_foreign_connection_marks_change_nothing(net, hook):
    net.nft_load(net.owner, f"""table inet foreign {{
        chain f {{
            type filter hook {hook};
            ct mark set 0xc00
        }}
    }}""")
    # A connection that is no Service's keeps its source; a Service's goes by our handle.
    asked = net.ask("pod-a2", PODS["pod-b2"][0], 8080, count=5)
    assert not asked.errors and set(asked.peers) == {PODS["pod-a2"][0]}
    asked = net.ask("client", VIP, 80, count=60)
    assert not asked.errors and set(asked.names) == set(THREE)
    asked = net.ask("pod-a2", CLUSTER_IP, 80, count=10)
    assert not asked.errors and set(asked.peers) == {PODS["pod-a2"][0]}


def test_sigkill_in_the_middle_of_a_large_change(net):
    """Killed at random moments of a 10,000-element change and started again: the kernel ends equal to the plan, and
    other Services lose no packet."""
    node, speaker = net.owner, net.speaker_of_vip
    rounds = judged(100, 8, least=2)
    count = judged(2500, 2500)  # times 3 endpoints and a frontend each
    dice = random.Random(1)

    def bulk(generation):
        objects = []
        for i in range(count):
            objects.append(service(f"bulk{i}", cluster_ip=f"10.96.{100 + i // 250}.{1 + i % 250}", type="ClusterIP"))
            objects.append(endpointslice(f"bulk{i}", [(f"10.244.{2 + generation % 2}.{10 + (i + k) % 200}", "node-b") for k in range(3)]))
        return objects

    texts = []
    for generation in range(2):
        net.m.write("bulk.yaml", *bulk(generation))
        texts.append((net.m.dir / "bulk.yaml").read_text())
    speaker.restart()
    speaker.wait_event("synced", seconds=30)
    load = net.start_load("client", "connect", VIP, 80, "--rate", 200, "--seconds", 5 * rounds if FULL else 30, "--timeout", 3000)
    for i in range(rounds):
        net.m.write_text("bulk.yaml", texts[i % 2])
        time.sleep(dice.uniform(0, 1.2))
        speaker.kill9()
        speaker.start()
        if i % 3 == 2:
            speaker.wait_event("synced", seconds=30)
    net.m.write_text("bulk.yaml", texts[0])
    speaker.wait_event("synced", seconds=30)
    want = {f"10.244.2.{10 + (i + k) % 200}" for i in range(count) for k in range(3)}

    def equal():
        table, = our_tables(net, node)
        have = net.nft_elements(node, table, "endpoints4")
        return {v[0] for v in have.values()} >= want and len(have) == count * 3 + len(THREE) and \
            not any(v[0].startswith("10.244.3.1") for v in have.values() if v[0] != PODS["pod-c1"][0])

    wait_until(equal, 20, "the plan in the kernel")
    result = load.result()
    assert not any(result["failed"].values()), result


def test_a_second_speaker_in_the_same_namespace_is_refused(net):
    second = net.speaker(net.m, net.owner, *FLAGS)
    assert second.wait(seconds=15) == 2
    assert "another fairlead-speaker" in second.text()
    assert net.ask("client", VIP, 80, count=3).errors == {}


def test_cleanup_leaves_nothing(net):
    assert net.speaker_of_vip.stop() == 0
    assert our_tables(net, net.owner) == {TABLE}  # forwarding goes on without the speaker
    assert net.speaker(net.m, net.owner, "--cleanup").wait() == 0
    assert net.nft_tables(net.owner) == set()


def test_bad_input_leaves_what_runs_alone(net):
    speaker = net.speaker_of_vip
    bad = {
        "broken.yaml": "kind: Service\n  bad indent: [\n",
        "wrong.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: wrong}\nspec:\n  ports:\n  - port: 99999\n",
        "address.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: addr}\nspec:\n  clusterIP: 10.96.0.300\n  ports: [{port: 80}]\n",
        "unknown.yaml": "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n",
    }
    for name, text in bad.items():
        net.m.write_text(name, text)
    net.m.write_text("large.yaml", "# " + "x" * (20 << 20) + "\n")
    for name in ("broken.yaml", "wrong.yaml", "address.yaml", "large.yaml"):
        wait_until(lambda: any(name in e["where"] for e in speaker.events("invalid_object")), 3, name)
    assert any(e["where"].endswith("wrong.yaml:6") and e["field"] == "spec.ports[0].port" for e in speaker.events("invalid_object"))
    # The object that runs becomes invalid: its last good version stays.
    net.m.write_text("web.yaml", (net.m.dir / "web.yaml").read_text().replace("port: 80\n", "port: eighty\n"))
    wait_until(lambda: any("web.yaml" in e["where"] for e in speaker.events("invalid_object")), 3, "web.yaml")
    assert net.ask("client", VIP, 80, count=5).errors == {}
