"""The topology runner and the lab helpers themselves: a lab that lies would make every other test worthless."""
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from lab import (NODES, PODS, POOL, Lab, Manifests, endpointslice, l2_advertisement, nodes, parse_line, pods, pool, service,
                 tool, wait_until)
from topo import STATE, Topology, TopologyError

RUNNER = Path(__file__).with_name("topo.py")
BASIC = Path(__file__).with_name("topologies") / "basic.clab.yml"
PREFIX = f"flt{os.getpid()}"

TWO_AND_A_BRIDGE = """
name: two
topology:
  nodes:
    a:
      exec: [ip addr add 192.0.2.1/24 dev eth1, ip addr add 2001:db8::1/64 dev eth1, "ip link set eth1 alias 'left one'"]
      env: {FRUIT: apple}
      binds: ["data:/var/lib/fl-test/deep", "data/file:/etc/fl-test.conf:ro"]
      sysctls: {net.ipv4.ip_forward: 1}
    b:
      exec: [ip addr add 192.0.2.2/24 dev eth1, ip addr add 2001:db8::2/64 dev eth1]
    sw: {kind: bridge}
  links:
    - endpoints: ["a:eth1", "sw:p1"]
      mtu: 1400
    - endpoints: ["b:eth1", "sw:p2"]
"""


def write(tmp_path, text, name="two.clab.yml"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.fixture
def two(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("content\n")
    topo = Topology(write(tmp_path, TWO_AND_A_BRIDGE), PREFIX)
    yield topo
    topo.destroy()


def run_cli(*argv, **options):
    return subprocess.run([sys.executable, RUNNER, *map(str, argv)], capture_output=True, text=True, timeout=30, **options)


def host_state():
    """What a topology could leave behind, on the host."""
    netns = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.splitlines()
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    processes = subprocess.run(["ps", "-eo", "pid=,stat=,args="], capture_output=True, text=True).stdout.splitlines()
    # Others may work on this host meanwhile, so only what carries our prefix is compared. Links cannot: they are made in
    # their namespaces, never on the host, and end with them.
    return {"netns": sorted(n for n in netns if PREFIX in n), "mounts": sorted(m for m in mounts if PREFIX in m),
            "processes": sorted(p for p in processes if "fl-test-mark" in p or PREFIX in p),
            "files": sorted(p.name for p in STATE.glob(f"{PREFIX}*"))}


def is_alive(pid):
    """A zombie is not: orphans are init's to reap, in its own time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# -- what a topology does


def test_linked_nodes_reach_each_other_through_the_bridge_at_once(two):
    two.deploy()
    lab = Lab(two, two.path.parent / "files")
    assert lab.ping("a", "192.0.2.2")
    assert lab.ping("a", "2001:db8::2"), "duplicate address detection is on?"
    assert not lab.ping("a", "192.0.2.3", timeout=0.2)


def test_mtu_quotes_and_sysctls_of_the_file_are_applied(two):
    two.deploy()
    shown = two.run("a", ["ip", "link", "show", "eth1"]).stdout
    assert "mtu 1400" in shown and "alias left one" in shown
    assert "mtu 1400" in two.run("sw", ["ip", "link", "show", "p1"]).stdout
    assert two.run("a", ["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout == "1\n"
    assert two.run("b", ["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout == "0\n"


def test_bridge_has_its_links_and_no_spanning_tree(two):
    two.deploy()
    shown = two.run("sw", ["ip", "-d", "link", "show"]).stdout
    assert re.search(r"p1@.*master br0 state UP", shown) and re.search(r"p2@.*master br0 state UP", shown)
    assert "forward_delay 0" in shown and "stp_state 0" in shown


def test_a_command_sees_binds_env_and_keeps_its_pid(two):
    two.deploy()
    out = two.run("a", ["sh", "-c", "cat /var/lib/fl-test/deep/file /etc/fl-test.conf; echo $FRUIT $EXTRA; head -c1 /etc/hosts >&2"],
                  env={"EXTRA": 7}).stdout
    assert out == "content\ncontent\napple 7\n"
    child = two.popen("a", ["sleep", "60"])
    wait_until(lambda: Path(f"/proc/{child.pid}/comm").read_text() == "sleep\n", 2, "the pid of popen() is the program's")
    child.kill()
    assert child.wait() == -signal.SIGKILL


def test_a_bind_can_be_written_unless_it_is_read_only_and_the_host_sees_no_mount_point(two):
    two.deploy()
    two.run("a", ["sh", "-c", "echo more > /var/lib/fl-test/deep/new"])
    assert (two.path.parent / "data/new").read_text() == "more\n"
    with pytest.raises(TopologyError, match="Read-only"):
        two.run("a", ["sh", "-c", "echo x > /etc/fl-test.conf"])
    assert not Path("/var/lib/fl-test").exists() and not Path("/etc/fl-test.conf").exists()
    assert "fl-test" not in Path("/proc/self/mounts").read_text()


def test_inside_moves_one_thread_and_brings_it_back(two):
    two.deploy()
    before = os.readlink("/proc/thread-self/ns/net")
    with pytest.raises(ZeroDivisionError):
        with two.inside("a"):
            assert os.stat("/proc/thread-self/ns/net").st_ino == two.ns_path("a").stat().st_ino
            1 / 0
    assert os.readlink("/proc/thread-self/ns/net") == before


def test_cli_deploys_inspects_runs_and_destroys(two):
    where = ("-t", two.path, "--prefix", PREFIX)
    assert run_cli("exec", *where, "a", "--", "true").stderr.count("\n") == 1, "not deployed: one line"
    assert run_cli("deploy", *where).returncode == 0
    shown = run_cli("inspect", *where).stdout
    assert re.search(rf"^a +linux +{PREFIX}-two-a +up .*eth1=192.0.2.1/24,2001:db8::1/64", shown, re.M), shown
    assert re.search(r"^sw +bridge ", shown, re.M)
    done = run_cli("exec", *where, "b", "--", "sh", "-c", "ip -o addr show eth1; exit 7")
    assert done.returncode == 7 and "192.0.2.2/24" in done.stdout
    assert run_cli("destroy", *where).returncode == 0
    assert not two.is_up("a") and run_cli("destroy", *where).returncode == 0


# -- what it leaves


def test_destroy_leaves_nothing(two):
    before = host_state()
    two.deploy()
    for node in ("a", "b"):
        two.popen(node, ["sh", "-c", "sleep 61 & setsid sleep 62; : fl-test-mark"], stdout=subprocess.DEVNULL)
    two.popen("a", ["sh", "-c", "trap '' TERM; while :; do sleep 63; done; : fl-test-mark"])
    wait_until(lambda: len(two.inspect()[0]["pids"]) >= 5, 2, "processes in a")
    pids = [p for row in two.inspect() for p in row["pids"]]
    assert host_state() != before, "this test must be able to see what is left"
    two.destroy()
    assert host_state() == before
    assert not [p for p in pids if is_alive(p)]
    two.destroy()


def test_destroy_leaves_other_processes_and_topologies_alone(two, tmp_path):
    outside = subprocess.Popen(["sleep", "64"])
    other = Topology(write(tmp_path, "name: two-a\ntopology: {nodes: {b: {}}}\n", "other.clab.yml"), PREFIX)
    try:
        two.deploy()
        other.deploy()  # its namespace begins with the name of a namespace of `two`
        kept = other.popen("b", ["sleep", "65"])
        two.destroy()
        assert other.is_up("b") and kept.poll() is None and outside.poll() is None
    finally:
        other.destroy()
        outside.kill()
        outside.wait()


def test_deploy_takes_away_what_has_its_name_even_if_the_file_has_changed(two):
    two.deploy()
    old = two.popen("b", ["sleep", "66"])
    changed = Topology(write(two.path.parent, "name: two\ntopology: {nodes: {a: {}, c: {}}}\n"), PREFIX)
    changed.deploy()
    try:
        assert old.wait(2) == -signal.SIGKILL
        assert not two.is_up("b") and changed.is_up("a") and changed.is_up("c")
    finally:
        changed.destroy()
    assert host_state()["netns"] == []


def test_a_failed_command_is_named_and_nothing_stays(tmp_path):
    before = host_state()
    for command, why in (("ip addr add 192.0.2.1/24 dev eth9", 'Cannot find device "eth9"'),
                         ("ip -6 route add default via fe80::1 dev lo nonsense", "nonsense"),
                         ("sh -c 'echo because >&2; exit 3'", "because"),
                         ("/does/not/exist", "No such file")):
        text = f"name: bad\ntopology: {{nodes: {{a: {{exec: [ip link set lo up, {command!r}]}}}}}}\n"
        topo = Topology(write(tmp_path, text), PREFIX)
        with pytest.raises(TopologyError) as e:
            topo.deploy()
        said = str(e.value)
        assert why in said and "two.clab.yml: node 'a'" in said and "\n" not in said, said
    assert host_state() == before


def test_setting_up_the_basic_topology_is_fast(tmp_path):
    started = time.monotonic()
    with Topology(BASIC, PREFIX) as topo:
        assert len(topo.nodes) == 12
        taken = time.monotonic() - started
    print(f"12 nodes, 11 links: {taken * 1000:.0f} ms")
    assert taken < 10, "ten times the second that it may take"


# -- bad files


@pytest.mark.anywhere
@pytest.mark.parametrize("text, said", [
    ("name: x\ntopology: {nodes: {a: {kind: ceos}}}", "node 'a': key 'kind': unknown kind 'ceos'; known are: bridge, linux"),
    ("name: x\ntopology: {nodes: {a: {ports: [80]}}}", "node 'a': unknown key 'ports'"),
    ("name: x\ntopology: {kinds: {vr-sros: {}}, nodes: {a: {}}}", "topology.kinds.vr-sros: unknown kind 'vr-sros'"),
    ("name: x\ntopology: {kinds: {linux: {kind: bridge}}, nodes: {a: {}}}", "topology.kinds.linux: unknown key 'kind'"),
    ("name: x\ntopology: {defaults: {bind: []}, nodes: {a: {}}}", "topology.defaults: unknown key 'bind'"),
    ("name: x\nmgmt: {}\ntopology: {nodes: {a: {}}}", "top level: unknown key 'mgmt'"),
    ("topology: {nodes: {a: {}}}", "name: must be a name"),
    ("name: ../x\ntopology: {nodes: {a: {}}}", "name: must be a name"),
    ("name: x\ntopology: {nodes: {a/b: {}}}", "node 'a/b': must be a name"),
    ("name: x\ntopology: {}", "topology.nodes: there is no node"),
    ("name: x\ntopology: {nodes: [a]}", "topology.nodes: must be a map"),
    ("name: x\ntopology:\n  nodes:\n    a: {}\n    a: {}", "line 5: key 'a' is there twice"),
    ("name: x\ntopology: {nodes: {a: {exec: ip link}}}", "node 'a': key 'exec': must be a list"),
    ("name: x\ntopology: {nodes: {a: {exec: ['sh -c \"x']}}}", "node 'a': key 'exec': 'sh -c \"x': No closing quotation"),
    ("name: x\ntopology: {nodes: {a: {env: [A=1]}}}", "node 'a': key 'env': must be a map"),
    ("name: x\ntopology: {nodes: {a: {binds: [here]}}}", "node 'a': key 'binds': 'here' is not HOST:/INSIDE[:ro]"),
    ("name: x\ntopology: {nodes: {a: {binds: ['a:/b:z']}}}", "node 'a': key 'binds': 'a:/b:z' is not"),
    ("name: x\ntopology: {nodes: {a: {network-mode: host}}}", "node 'a': key 'network-mode': only 'none'"),
    ("name: x\ntopology: {nodes: {a: {}}, links: [{endpoints: ['a:e', 'b:e']}]}", "link 1: key 'endpoints': no node 'b'"),
    ("name: x\ntopology: {nodes: {a: {}}, links: [{endpoints: ['a:e']}]}", "link 1: key 'endpoints': must be two"),
    ("name: x\ntopology: {nodes: {a: {}}, links: [{endpoints: ['a:e', 'a:e']}]}", "link 1: key 'endpoints': 'a:e' is in link 1 too"),
    ("name: x\ntopology: {nodes: {a: {}}, links: [{endpoints: ['a:e', 'a:a-name-of-16-let']}]}", "'a:a-name-of-16-let': no name for"),
    ("name: x\ntopology: {nodes: {a: {}}, links: [{endpoints: ['a:e', 'a:f'], mtu: 9}]}", "link 1: key 'mtu': must be 68"),
    ("name: x\ntopology: {nodes: {a: {}}, links: [{endpoints: ['a:e', 'a:f'], vlan: 9}]}", "link 1: unknown key 'vlan'"),
    ("name: x\ntopology: [", "two.clab.yml:3: "),
    ("- x", "top level: must be a map"),
])
def test_a_bad_file_gives_one_clear_line(tmp_path, text, said):
    path = write(tmp_path, text + "\n")
    done = run_cli("inspect", "-t", path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"topo.py: {path}") and said in done.stderr


def test_a_missing_file_and_a_missing_bind_are_named(tmp_path):
    assert "No such file" in run_cli("deploy", "-t", tmp_path / "none.yml").stderr
    path = write(tmp_path, "name: x\ntopology: {nodes: {a: {binds: ['gone:/etc/gone']}}}\n")
    done = run_cli("deploy", "-t", path, "--prefix", PREFIX)
    assert done.returncode == 1 and f"node 'a': binds: {tmp_path}/gone does not exist" in done.stderr
    path = write(tmp_path, "name: x\ntopology: {nodes: {a: {binds: ['.:/fl-gone/x']}}}\n")
    assert "cannot be made directly below /" in run_cli("deploy", "-t", path, "--prefix", PREFIX).stderr


# -- the basic topology and the helpers


def test_basic_topology_routes_as_its_picture_says(lab):
    assert lab.ping("client", "198.51.100.1")
    for name, (ip, _) in NODES.items():
        assert lab.ping("client", ip), name
    for name, (ip, node) in PODS.items():
        assert lab.ping(node, ip), name
        assert lab.ping("pod-a1", ip), name
        assert not lab.ping("client", ip, timeout=0.05), "the router knows no pod network"


def test_servers_say_who_they_are_and_whom_they_see(lab):
    lab.serve("pod-b1")
    for udp in (False, True):
        asked = lab.ask("pod-a1", "10.244.2.2", 8080, count=3, udp=udp)
        assert asked.names == {"pod-b1": 3} and asked.peers == {"10.244.1.2": 3} and not asked.errors
    assert lab.ask("pod-a1", "10.244.2.2", 8081).errors == {"ECONNREFUSED": 1}
    assert lab.ask("pod-a1", "10.244.2.99", 8080, timeout=0.1).errors == {"timeout": 1}


def test_fl_load_measures_connects_downloads_and_floods(lab):
    lab.serve("pod-c1")
    r = lab.load("node-a", "connect", "10.244.3.2", 8080, "--rate", 200, "--seconds", 1)
    assert r["started"] == r["ok"] == 200 and r["failed"] == {} and r["answers"] == {"pod-c1 198.51.100.11": 200}
    assert 0 < r["p50_ms"] <= r["p99_ms"] <= r["max_ms"] and r["gap_ms"] < 500
    r = lab.load("node-a", "connect", "10.244.3.2", 8081, "--rate", 50, "--seconds", 1)
    assert r["failed"] == {"refused": 50} and r["ok"] == 0 and r["gap_ms"] == pytest.approx(1000, abs=1)
    r = lab.load("node-a", "downloads", "10.244.3.2", 8080, "--count", 20, "--seconds", 2, "--kbps", 400)
    assert (r["alive"], r["stalled"], r["closed"], r["failed"]) == (20, 0, 0, 0) and r["names"] == {"pod-c1": 20}
    assert r["bytes_last_second"] == pytest.approx(20 * 50000, rel=0.3)
    for more in ((), ("--udp",)):
        r = lab.load("node-a", "flood", "10.244.3.2", 9, "--seconds", 1, "--tuples", 100, *more)
        assert r["sent"] > 1000 and r["failed"] == {}


def test_fl_load_sees_a_server_that_stops_and_one_that_dies(lab):
    server = lab.serve("pod-c2")
    load = lab.start_load("node-a", "connect", "10.244.3.3", 8080, "--rate", 100, "--seconds", 3, "--timeout", 300)
    time.sleep(1)
    server.signal(signal.SIGSTOP)
    time.sleep(0.8)
    server.signal(signal.SIGCONT)
    r = load.result()
    assert r["gap_ms"] == pytest.approx(800, abs=200) and r["failed"].keys() == {"timeout"}
    load = lab.start_load("node-a", "downloads", "10.244.3.3", 8080, "--count", 10, "--seconds", 3)
    load.wait_open()
    server.kill9()
    r = load.result()
    assert r["closed"] == 10 and r["alive"] == 0
    assert lab.ask("node-a", "10.244.3.3", 8080).errors == {"ECONNREFUSED": 1}
    server.start()
    server.wait_event("listening")
    assert lab.ask("node-a", "10.244.3.3", 8080).names == {"pod-c2": 1}
    assert len(server.events("listening")) == 1, "events are those since the start"


@pytest.mark.anywhere
@pytest.mark.parametrize("argv, said", [
    ([], "usage"), (["dance"], "usage"), (["serve"], "an argument is missing"), (["serve", "0"], "PORT: '0'"),
    (["serve", "80", "a b"], "NAME"), (["serve", "80", "x", "y"], "one argument too many: 'y'"),
    (["connect", "localhost", "80", "--rate", "1", "--seconds", "1"], "'localhost' is not an address"),
    (["connect", "192.0.2.1", "80", "--rate", "1"], "--seconds is missing"),
    (["connect", "192.0.2.1", "80", "--rate", "1x", "--seconds", "1"], "--rate: '1x'"),
    (["connect", "192.0.2.1", "80", "--rate", "1", "--rate", "1", "--seconds", "1"], "--rate is there twice"),
    (["connect", "192.0.2.1", "80", "--rate"], "--rate needs a value"),
    (["flood", "192.0.2.1", "80", "--seconds", "1", "--tuples", "60001"], "--tuples: '60001'"),
    (["flood", "::1", "80", "--seconds", "1", "--tuples", "1"], "IPv4 only"),
    (["downloads", "192.0.2.1", "80", "--seconds", "1", "--rate", "5"], "unknown option '--rate'"),
    (["talk", "192.0.2.1", "80", "--keep"], "--ms is missing"),
])
def test_fl_load_refuses_bad_arguments(argv, said):
    done = subprocess.run([tool("fl-load"), *argv], capture_output=True, text=True, timeout=5)
    assert done.returncode == 2 and said in done.stderr and done.stdout == ""


def test_captures_and_arp_questions_see_the_wire(lab):
    with lab.capture("router", "eth1", "arp") as capture:
        assert lab.who_has(NODES["node-b"][0]) == ["node-b"]
        assert lab.who_has("198.51.100.200", seconds=0.1) == []
    asked = [p for p in capture.packets if p["ARP"].op == 1]
    answered = [p for p in capture.packets if p["ARP"].op == 2]
    assert {p["ARP"].pdst for p in asked} == {"198.51.100.12", "198.51.100.200"}
    assert [p["ARP"].hwsrc for p in answered] == [lab.mac("node-b")]
    lab.topo.run("node-c", ["ip", "addr", "add", "198.51.100.12/32", "dev", "lo"])  # now two answer
    assert sorted(lab.who_has("198.51.100.12")) == ["node-b", "node-c"]
    lab.topo.run("node-c", ["ip", "addr", "del", "198.51.100.12/32", "dev", "lo"])


def test_nft_and_conntrack_helpers_read_the_kernel(lab):
    lab.serve("pod-a2")
    lab.nft_load("node-a", """
        table inet probe {
          counter hits { }
          set pair { type ipv4_addr . inet_service; elements = { 192.0.2.1 . 80 } }
          set nets { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }
          map to { type ipv4_addr . inet_service : ipv4_addr . inet_service
                   elements = { 198.51.100.200 . 80 : 10.244.1.3 . 8080 } }
          map empty { type mark : mark; }
          chain pre { type nat hook prerouting priority dstnat - 1
            counter name hits dnat ip to ip daddr . tcp dport map @to
          }
        }""")
    assert "inet probe" in lab.nft_tables("node-a")
    assert lab.nft_elements("node-a", "inet probe", "pair") == {("192.0.2.1", 80)}
    assert lab.nft_elements("node-a", "inet probe", "nets") == {"192.0.2.0/24"}
    assert lab.nft_elements("node-a", "inet probe", "empty") == {}
    assert lab.nft_elements("node-a", "inet probe", "to") == {("198.51.100.200", 80): ("10.244.1.3", 8080)}
    assert lab.nft_counters("node-a", "inet probe") == {"hits": 0}
    lab.topo.run("router", ["ip", "route", "add", "198.51.100.200/32", "via", "198.51.100.11"])
    assert lab.ask("client", "198.51.100.200", 80).peers == {"192.0.2.2": 1}
    assert lab.nft_counters("node-a", "inet probe") == {"hits": 1}
    entry, = lab.conntrack("node-a", "-p", "tcp", "-d", "198.51.100.200")
    assert entry["original"]["dport"] == 80 and entry["reply"]["src"] == "10.244.1.3" and entry["reply"]["sport"] == 8080
    lab.nft_load("node-a", "delete table inet probe")
    with pytest.raises(TopologyError, match="nft -j list table inet probe"):
        lab.nft("node-a", "list table inet probe")


def test_nodes_have_directories_of_their_own(lab):
    for node in NODES:
        lab.topo.run(node, ["sh", "-c", f"echo {node} > /var/lib/fairlead/state; echo {node} > /run/fairlead/x"])
    for node in NODES:
        assert lab.topo.run(node, ["cat", "/var/lib/fairlead/state", "/run/fairlead/x"]).stdout == f"{node}\n{node}\n"


def test_a_program_that_dies_fails_the_lab(tmp_path):
    topo = Topology(write(tmp_path, "name: two\ntopology: {nodes: {a: {}}}\n"), PREFIX)
    topo.deploy()
    lab = Lab(topo, tmp_path / "files")
    daemon = lab.daemon("a", ["sh", "-c", "echo event=up n=1; exit 9"])
    with pytest.raises(AssertionError, match="ended with 9 before event=never"):
        daemon.wait_event("never")
    assert daemon.wait_event("up")["n"] == "1"
    with pytest.raises(AssertionError, match="(?s)sh@a, exit code 9.*event=up"):
        lab.close()
    assert not topo.is_up("a")


@pytest.mark.anywhere
def test_log_lines_are_read_back_as_they_were_meant():
    got = parse_line('2026-01-31T12:00:00.500Z info  event=announce vip=10.0.0.7 reason="a \\"b\\" \\\\ c\\n\\x01" empty=""')
    assert got == {"time": 1769860800.5, "level": "info", "event": "announce", "vip": "10.0.0.7",
                   "reason": 'a "b" \\ c\n\x01', "empty": ""}
    assert parse_line("==12==ERROR: AddressSanitizer") is None


@pytest.mark.anywhere
def test_manifests_are_written_whole(tmp_path):
    folder = Manifests(tmp_path / "m", *nodes(), pool(), l2_advertisement(), service(selector={"app": "web"}), *pods())
    folder.write("slice.yaml", endpointslice("web", ["pod-a1", "pod-b1"], not_ready=["pod-b1"]))
    assert sorted(p.name for p in folder.dir.iterdir()) == ["objects.yaml", "slice.yaml"]
    objects = list(yaml.safe_load_all((folder.dir / "objects.yaml").read_text()))
    assert [o["kind"] for o in objects] == ["Node"] * 3 + ["IPAddressPool", "L2Advertisement", "Service"] + ["Pod"] * 6
    assert objects[3]["spec"]["addresses"] == [POOL]
    folder.remove("slice.yaml")
    assert [p.name for p in folder.dir.iterdir()] == ["objects.yaml"] and folder.ingress("web") == []
