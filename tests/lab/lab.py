"""What lab tests are written with: programs under test, traffic, captures and manifests, all in a Topology's namespaces.

Everything started through a Lab ends with it. A program that died without being asked to fails the lab at the end.
"""
import collections
import contextlib
import datetime
import errno
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from topo import Topology, TopologyError

ROOT = Path(__file__).resolve().parents[2]
TOPOLOGIES = Path(__file__).resolve().parent / "topologies"

# basic.clab.yml, for tests that put it into manifests.
CLIENT, ROUTER = "192.0.2.2", "198.51.100.1"
POOL = "198.51.100.200-198.51.100.250"
NODES = {"node-a": ("198.51.100.11", "10.244.1.0/24"),
         "node-b": ("198.51.100.12", "10.244.2.0/24"),
         "node-c": ("198.51.100.13", "10.244.3.0/24")}
PODS = {"pod-a1": ("10.244.1.2", "node-a"), "pod-a2": ("10.244.1.3", "node-a"),
        "pod-b1": ("10.244.2.2", "node-b"), "pod-b2": ("10.244.2.3", "node-b"),
        "pod-c1": ("10.244.3.2", "node-c"), "pod-c2": ("10.244.3.3", "node-c")}
# Each node has its own of these; on the host, three speakers would share them.
NODE_DIRECTORIES = ("/var/lib/fairlead", "/run/fairlead")


def why_not():
    """Why lab tests cannot run here; None: they can."""
    if os.geteuid() != 0:
        return "lab tests need root: they make network namespaces"
    for program in ("ip", "nft", "gcc", "tcpdump", "conntrack"):
        if shutil.which(program) is None:
            return f"lab tests need the program {program}"
    done = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    return None if done.returncode == 0 else f"no network namespace can be made here: {done.stderr.strip()}"


def wait_until(predicate, seconds, what="the condition"):
    """The first true value of predicate(); an AssertionError that names `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return value


def program(name):
    """Path of a Fairlead program."""
    path = Path(os.environ.get("FAIRLEAD_BIN") or ROOT / "build/release/bin").resolve() / name
    if not path.exists():
        raise AssertionError(f"{path} is not built (FAIRLEAD_BIN says where to look)")
    return path


def tool(name):
    """Path of a program of tests/support/tools, compiled when it is older than its source."""
    source, binary = ROOT / f"tests/support/tools/{name}.c", ROOT / "build/tools" / name
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        binary.parent.mkdir(parents=True, exist_ok=True)
        half = binary.with_name(f".{name}.{os.getpid()}")  # a run beside this one must not see half a file
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", half, source], check=True)
        half.rename(binary)
    return binary


# -- logs

_FIELD = re.compile(r'([A-Za-z0-9_.-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)")


def parse_line(line):
    """A key=value line as a dict, with "time" (seconds since 1970) and "level"; None: it is not one."""
    fields = dict(_FIELD.findall(line))
    if "event" not in fields:
        return None
    for key, value in fields.items():
        if value.startswith('"'):
            fields[key] = _ESCAPE.sub(
                lambda m: "\n" if m[1] == "n" else chr(int(m[1][1:], 16)) if len(m[1]) == 3 else m[1], value[1:-1])
    head = line.split("event=", 1)[0].split()
    with contextlib.suppress(ValueError, IndexError):
        fields.setdefault("time", datetime.datetime.fromisoformat(head[0].replace("Z", "+00:00")).timestamp())
        fields.setdefault("level", head[1])
    return fields


class Daemon:
    """A long-running program in a node. Its log (stdout and stderr) goes to a file that survives restarts."""

    def __init__(self, topology, node, argv, log, env=None):
        self.node, self.argv, self.log = node, [str(a) for a in argv], Path(log)
        self.name = f"{Path(self.argv[0]).name}@{node}"
        self._topology, self._env = topology, env
        self._process, self._offset, self._wanted = None, 0, False
        self.start()

    @property
    def pid(self):
        return self._process.pid

    def start(self, *more):
        """Starts it (again), with `more` arguments for this time. events() begins anew."""
        assert not self.is_running(), f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self._offset = log.tell()
            # In a session of its own, so that Ctrl-C at the terminal ends the test run and not first the program.
            self._process = self._topology.popen(self.node, [*self.argv, *more], env=self._env, stdin=subprocess.DEVNULL,
                                                 stdout=log, stderr=log, start_new_session=True)
        self._wanted = True

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def returncode(self):
        """None while it runs."""
        return self._process.poll()

    def signal(self, number):
        self._process.send_signal(number)

    def kill9(self):
        self._wanted = False
        self._process.kill()
        self._process.wait(5)

    def stop(self, seconds=10):
        """SIGTERM; the exit code. A program that does not end is killed, and that is an error."""
        self._wanted = False
        self._process.terminate()
        return self._end(seconds, "did not end after SIGTERM")

    def wait(self, seconds=10):
        """For a program that ends by itself (--init-only, --cleanup); the exit code."""
        self._wanted = False
        return self._end(seconds, "did not end")

    def restart(self, *more):
        self.stop()
        self.start(*more)

    def _end(self, seconds, complaint):
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
            raise AssertionError(f"{self.name} {complaint} within {seconds} s") from None

    def died(self):
        """It ended, and nobody asked it to."""
        return self._wanted and not self.is_running()

    def text(self):
        """The log since the last start."""
        with open(self.log, "rb") as log:
            log.seek(self._offset)
            return log.read().decode(errors="replace")

    def events(self, event=None, **match):
        """Log lines since the last start as dicts, all or those with this event and these values."""
        want = {**({"event": event} if event else {}), **{k: str(v) for k, v in match.items()}}
        lines = [parse_line(line) for line in self.text().splitlines()]
        return [e for e in lines if e and all(e.get(k) == v for k, v in want.items())]

    def wait_event(self, event, seconds=5, count=1, **match):
        """The count-th such line since the last start; fails at once when the program ends before."""
        def seen():
            found = self.events(event, **match)
            if len(found) < count and not self.is_running():
                # read again: the line may be the last one it wrote
                found = self.events(event, **match)
                assert len(found) >= count, f"{self.name} ended with {self.returncode()} before event={event} {match}"
            return found[count - 1] if len(found) >= count else None
        return wait_until(seen, seconds, f"{self.name}: event={event} {match or ''} (number {count})")


# -- captures, traffic


class Capture:
    """tcpdump on an interface of a node: begins when the constructor returns."""

    def __init__(self, topology, node, interface, expression, path):
        self.path = path
        self._process = topology.popen(node, ["tcpdump", "-Z", "root", "--immediate-mode", "-U", "-n", "-i", interface, "-w", path,
                                              *([expression] if expression else [])],
                                       stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        said = ""
        while "listening on" not in said:
            line = self._process.stderr.readline()
            if not line:
                raise TopologyError(f"{node}: tcpdump: {said.strip()}")
            said += line

    def stop(self):
        """Ends it; the packets, as scapy's."""
        if self._process.poll() is None:
            time.sleep(0.05)  # what was sent just now is still on its way through the socket
            self._process.send_signal(signal.SIGINT)
            self._process.wait(5)
            self._process.stderr.close()
        # Slow to import: half a second that most tests do not need. The layers register themselves.
        import scapy.layers.inet6  # noqa: F401
        import scapy.layers.l2  # noqa: F401
        from scapy.utils import rdpcap
        return list(rdpcap(str(self.path)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.packets = self.stop()


class Load:
    """A running fl-load."""

    def __init__(self, topology, node, argv, log):
        self._log = log
        with open(log, "wb") as err:
            self._process = topology.popen(node, [tool("fl-load"), *argv], stdout=subprocess.PIPE, stderr=err, text=True)

    def wait_open(self, seconds=5):
        """For downloads: all of them run."""
        wait_until(lambda: "event=open" in self._log.read_text() or self._process.poll() is not None, seconds, "open downloads")
        assert "event=open" in self._log.read_text(), f"downloads did not open: {self.result()}"

    def result(self, seconds=600):
        """Waits for the end; what was measured, as a dict."""
        out, _ = self._process.communicate(timeout=seconds)
        assert self._process.returncode == 0, self._log.read_text().strip() or f"ended with {self._process.returncode}"
        return json.loads(out)


@dataclass
class Asked:
    """Outcome of ask(): how often each server answered, which client address they saw, what failed."""
    names: collections.Counter = field(default_factory=collections.Counter)
    peers: collections.Counter = field(default_factory=collections.Counter)
    errors: collections.Counter = field(default_factory=collections.Counter)


class Lab:
    def __init__(self, topology, directory):
        """`topology` is deployed by the caller; files (logs, captures, manifests) go to `directory`."""
        self.topo, self.dir = topology, Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.daemons = []
        self._at_close = []
        self._numbers = collections.Counter()
        for node in topology.nodes.values():
            for inside in NODE_DIRECTORIES:
                own = self.dir / node.name / inside.strip("/").replace("/", "-")
                own.mkdir(parents=True, exist_ok=True)
                node.binds.append((own, Path(inside), False))

    def close(self):
        """Ends all and removes the namespaces. Raises when a program died by itself."""
        died = [d for d in self.daemons if d.died()]
        self.topo.destroy()
        for action in self._at_close:
            action()
        if died:
            raise AssertionError("died without being asked to:\n" + "\n".join(
                f"-- {d.name}, exit code {d.returncode()}\n{tail(d.log)}" for d in died))

    def at_close(self, action):
        """Runs when the lab has ended: for what lies outside its directory."""
        self._at_close.append(action)

    # -- programs under test

    def daemon(self, node, argv, env=None):
        """Any program, in a node, with a log."""
        daemon = Daemon(self.topo, node, argv, self._path(f"{Path(argv[0]).name}@{node}", "log"), env)
        self.daemons.append(daemon)
        return daemon

    def controller(self, manifests, *flags, node="router"):
        """fairlead-controller. It reads and writes files only, so the node does not matter."""
        return self.daemon(node, [program("fairlead-controller"), "--manifests", str(manifests), *flags])

    def speaker(self, manifests, node, *flags):
        return self.daemon(node, [program("fairlead-speaker"), "--manifests", str(manifests), "--node", node, *flags])

    def manifests(self, *objects, name="manifests"):
        """A fresh folder for --manifests, with these objects in it."""
        return Manifests(self._path(name, "d"), *objects)

    # -- traffic

    def serve(self, pod, port=8080, name=None):
        """A server (TCP, UDP, HTTP; see fl-load) that answers with `name`, by default the pod's."""
        server = self.daemon(pod, [tool("fl-load"), "serve", str(port), name or pod, "--udp"])
        server.wait_event("listening")
        return server

    def serve_all(self, port=8080):
        return [self.serve(pod, port) for pod in PODS]

    def start_load(self, node, *argv):
        """fl-load beside the test: start_load("client", "connect", VIP, 80, "--rate", 100, "--seconds", 5)"""
        return Load(self.topo, node, argv, self._path(f"fl-load@{node}", "log"))

    def load(self, node, *argv):
        """fl-load, and wait for what it measured."""
        return self.start_load(node, *argv).result()

    def ask(self, node, ip, port, count=1, source=None, udp=False, timeout=1.0):
        """`count` new connections one after the other, each asks once."""
        asked = Asked()
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        for _ in range(count):
            with self.topo.inside(node):
                s = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
            with s:
                try:
                    s.settimeout(timeout)
                    if source:
                        s.bind((source, 0))
                    s.connect((ip, port))
                    s.send(b"q")
                    name, peer = s.recv(256).decode().split()
                    asked.names[name] += 1
                    asked.peers[peer] += 1
                except TimeoutError:
                    asked.errors["timeout"] += 1
                except ValueError:  # an end instead of an answer
                    asked.errors["closed"] += 1
                except OSError as e:
                    asked.errors[errno.errorcode.get(e.errno, str(e))] += 1
                if not udp:
                    with contextlib.suppress(OSError):  # RST: no TIME_WAIT holds the tuple
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return asked

    def ping(self, node, ip, timeout=1.0, size=8):
        """One echo request; whether its reply came. Does not need the program ping."""
        v6 = ":" in ip
        with self.topo.inside(node):
            s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) if v6 else \
                socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._numbers["ping"] += 1
        own = struct.pack("!HH", os.getpid() & 0xffff, self._numbers["ping"] & 0xffff)
        body = own + bytes(size)
        head = struct.pack("!BBH", 128 if v6 else 8, 0, 0)  # the kernel fills in ICMPv6's checksum, for IPv4 it is ours
        if not v6:
            head = struct.pack("!BBH", 8, 0, _checksum(head + body))
        with s:
            deadline = time.monotonic() + timeout
            try:
                s.sendto(head + body, (ip, 0))
                while (left := deadline - time.monotonic()) > 0:
                    s.settimeout(left)
                    packet, peer = s.recvfrom(2048 + size)
                    reply = packet if v6 else packet[(packet[0] & 15) * 4:]
                    if reply[0] == (129 if v6 else 0) and reply[4:8] == own and peer[0] == ip:
                        return True
            except OSError:  # unreachable, prohibited, or the time is over
                pass
        return False

    def who_has(self, ip, node="router", interface="eth1", seconds=0.3):
        """Asks by ARP as a neighbour would; the names of the nodes that answered (a MAC that is no node's as it is).

        One name for each reply, so that two speakers that both answer are seen.
        """
        with self.topo.inside(node):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        sender = next(i for i in self._links(node) if i["ifname"] == interface)
        own_mac = bytes.fromhex(sender["address"].replace(":", ""))
        own_ip = next((a["local"] for a in sender["addr_info"] if a["family"] == "inet"), "0.0.0.0")
        target = socket.inet_aton(ip)
        request = b"\xff" * 6 + own_mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + own_mac + \
            socket.inet_aton(own_ip) + bytes(6) + target
        replies = []
        with s:
            s.bind((interface, 0x0806))
            s.send(request)
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                s.settimeout(left)
                try:
                    frame = s.recv(2048)
                except TimeoutError:
                    break
                # To us alone: the gratuitous replies of a take-over go to everybody.
                if frame[:6] == own_mac and frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02" and frame[28:32] == target:
                    replies.append(frame[22:28].hex(":"))
        names = {i["address"]: n for n in NODES if n in self.topo.nodes for i in self._links(n)} if replies else {}
        return [names.get(mac, mac) for mac in replies]

    def mac(self, node, interface="eth0"):
        return next(i["address"] for i in self._links(node) if i["ifname"] == interface)

    def capture(self, node, interface="any", expression=""):
        """with lab.capture("client", "eth0", "arp") as c: ...; then c.packets (scapy)."""
        return Capture(self.topo, node, interface, expression, self._path(f"capture@{node}", "pcap"))

    # -- the kernel of a node

    def nft(self, node, *command):
        """`nft -j COMMAND` in a node: the objects, without the metainfo."""
        argv = ["nft", "-j", *" ".join(command).split()]
        # nft 1.0.6 may abort when the ruleset changes while it lists, and a large change goes on for a while: ask again.
        deadline = time.monotonic() + 5
        while (done := self.topo.run(node, argv, check=False)).returncode < 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        out = (self.topo.run(node, argv) if done.returncode else done).stdout
        return [o for o in json.loads(out)["nftables"] if "metainfo" not in o] if out.strip() else []

    def nft_load(self, node, text):
        self.topo.run(node, ["nft", "-f", "-"], input=text)

    def nft_tables(self, node):
        """{"inet fairlead-1", ...}"""
        # As text: nft 1.0.6 corrupts its heap when it writes the flag "owner" as JSON.
        out = self.topo.run(node, ["nft", "list", "tables"]).stdout
        return {line.removeprefix("table ") for line in out.splitlines()}

    def nft_elements(self, node, table, name):
        """Elements of a set or map, concatenations as tuples: {key: value} for a map, else a set. table: "inet fairlead-1"."""
        listed = self.nft(node, f"list map {table} {name}") if self._is_map(node, table, name) else \
            self.nft(node, f"list set {table} {name}")
        kind, content = next((k, o[k]) for o in listed for k in ("map", "set") if k in o)
        elements = content.get("elem", [])
        return {_plain(k): _plain(v) for k, v in elements} if kind == "map" else {_plain(e) for e in elements}

    def _is_map(self, node, table, name):
        family = table.split()[0]
        return any(o["map"]["name"] == name and f"{family} {o['map']['table']}" == table
                   for o in self.nft(node, f"list maps {family}") if "map" in o)

    def nft_counters(self, node, table):
        """{name: packets}"""
        return {o["counter"]["name"]: o["counter"]["packets"] for o in self.nft(node, f"list counters table {table}") if "counter" in o}

    def conntrack(self, node, *filters):
        """Entries as dicts: proto, state, mark, flags, original and reply (src, dst, sport, dport).

        `filters` are conntrack's own: conntrack("node-a", "-p", "tcp", "-d", VIP)
        """
        entries = []
        families = ["ipv6"] if any(":" in str(f) for f in filters) else ["ipv4", "ipv6"]
        if any(re.fullmatch(r"\d+\.\d+\.\d+\.\d+(/\d+)?", str(f)) for f in filters):
            families = ["ipv4"]
        for family in families:
            out = self.topo.run(node, ["conntrack", "-L", "-f", family, *filters]).stdout
            entries += [_conntrack_entry(line) for line in out.splitlines() if "src=" in line]
        return entries

    # -- for people

    def logs(self, lines=60):
        """[(name, end of the log)], for the report of a failed test."""
        return [(d.name, tail(d.log, lines)) for d in self.daemons]

    def _path(self, name, suffix):
        self._numbers[name] += 1
        return self.dir / f"{name}.{self._numbers[name]}.{suffix}"

    def _links(self, node):
        out = subprocess.run(["ip", "-n", self.topo.namespace(node), "-j", "addr"], check=True, capture_output=True).stdout
        return json.loads(out)


def tail(path, lines=60):
    try:
        return "\n".join(Path(path).read_text(errors="replace").splitlines()[-lines:])
    except OSError as e:
        return str(e)


def _checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def _plain(value):
    """nft's JSON for an element, as something that can be compared: text, number, or a tuple of a concatenation."""
    if isinstance(value, dict):
        if "elem" in value:
            return _plain(value["elem"]["val"])
        if "concat" in value:
            return tuple(_plain(v) for v in value["concat"])
        if "prefix" in value:
            return f"{value['prefix']['addr']}/{value['prefix']['len']}"
        if "range" in value:
            return "-".join(str(_plain(v)) for v in value["range"])
        return json.dumps(value, sort_keys=True)
    return value


def _conntrack_entry(line):
    words = line.split()
    entry = {"proto": words[0], "state": None, "mark": 0, "flags": [], "original": {}, "reply": {}}
    for word in words[1:]:
        key, is_pair, value = word.partition("=")
        if is_pair and key in ("src", "dst", "sport", "dport"):
            side = entry["reply"] if key in entry["original"] else entry["original"]
            side[key] = int(value) if key.endswith("port") else value
        elif is_pair and key == "mark":
            entry["mark"] = int(value)
        elif word.startswith("["):
            entry["flags"].append(word.strip("[]"))
        elif not is_pair and word.isupper():
            entry["state"] = word
    return entry


# -- manifests


class Manifests:
    """A folder for --manifests. Files appear whole, by rename, as a careful person or a ConfigMap volume would do it."""

    def __init__(self, directory, *objects):
        self.dir = Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        if objects:
            self.write("objects.yaml", *objects)

    def __str__(self):
        return str(self.dir)

    __fspath__ = __str__

    def write(self, file, *objects):
        self.write_text(file, yaml.safe_dump_all(objects, sort_keys=False))

    def write_text(self, file, text):
        half = self.dir / f".{file}.part"
        half.write_text(text)
        half.rename(self.dir / file)

    def remove(self, file):
        (self.dir / file).unlink()

    def status(self, kind, name, namespace="default"):
        """The overlay that the controller wrote, as a dict; None: none."""
        for path in (self.dir / ".status" / kind).glob(f"**/{name}.yaml"):
            if path.parent.name in (namespace, kind):
                return yaml.safe_load(path.read_text())
        return None

    def ingress(self, service, namespace="default"):
        """Addresses of a Service's status."""
        status = self.status("Service", service, namespace) or {}
        entries = ((status.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        return [e["ip"] for e in entries if "ip" in e]

    def events(self):
        """The lines of events.log."""
        with contextlib.suppress(FileNotFoundError):
            return (self.dir / ".status/events.log").read_text().splitlines()
        return []


def _object(api, kind, name, namespace=None, labels=None, annotations=None, **rest):
    meta = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = dict(labels)
    if annotations:
        meta["annotations"] = dict(annotations)
    return {"apiVersion": api, "kind": kind, "metadata": meta, **rest}


def pool(name="pool", *addresses, namespace="fairlead-system", **spec):
    return _object("fairlead.io/v1", "IPAddressPool", name, namespace, spec={"addresses": list(addresses) or [POOL], **spec})


def l2_advertisement(name="l2", *pools, namespace="fairlead-system", labels=None, **spec):
    """spec: interfaces, nodeSelectors, serviceSelectors, ... as in the CRD."""
    return _object("fairlead.io/v1", "L2Advertisement", name, namespace, labels,
                   spec={**({"ipAddressPools": list(pools)} if pools else {}), **spec})


def service(name="web", port=80, target_port=8080, *, ports=None, selector=None, type="LoadBalancer", protocol="TCP",
            cluster_ip=None, ip=None, namespace="default", labels=None, annotations=None, **spec):
    """spec: externalTrafficPolicy, sessionAffinity, ... as in Kubernetes. ip: status.loadBalancer.ingress, for labs without
    a controller. Without a selector, write an endpointslice()."""
    spec = {"type": type, "ports": ports or [{"port": port, "targetPort": target_port, "protocol": protocol}], **spec}
    if selector:
        spec["selector"] = dict(selector)
    if cluster_ip:
        spec["clusterIP"] = cluster_ip
        spec["clusterIPs"] = [cluster_ip]
    made = _object("v1", "Service", name, namespace, labels, annotations, spec=spec)
    if ip:
        made["status"] = {"loadBalancer": {"ingress": [{"ip": i} for i in ([ip] if isinstance(ip, str) else ip)]}}
    return made


def endpointslice(service="web", pods=None, port=8080, *, name=None, protocol="TCP", port_name=None, not_ready=(), terminating=(),
                  namespace="default"):
    """pods: names out of PODS (default: all), or (ip, node) pairs. not_ready, terminating: those of them that are."""
    endpoints = []
    for pod in PODS if pods is None else pods:
        ip, node_name = PODS[pod] if isinstance(pod, str) else pod
        conditions = {"ready": pod not in not_ready and pod not in terminating, "serving": pod not in not_ready,
                      "terminating": pod in terminating}
        endpoints.append({"addresses": [ip], "conditions": conditions, **({"nodeName": node_name} if node_name else {})})
    family = "IPv6" if endpoints and ipaddress.ip_address(endpoints[0]["addresses"][0]).version == 6 else "IPv4"
    entry = {"port": port, "protocol": protocol, "name": port_name or ""}
    return _object("discovery.k8s.io/v1", "EndpointSlice", name or f"{service}-1", namespace,
                   {"kubernetes.io/service-name": service}, addressType=family, ports=[entry], endpoints=endpoints)


def node(name, ip=None, pod_cidr=None, labels=None, ready=True):
    """Without an address: one of NODES."""
    known_ip, known_cidr = NODES.get(name, (None, None))
    cidr = pod_cidr or known_cidr
    return _object("v1", "Node", name, labels={"kubernetes.io/hostname": name, **(labels or {})},
                   spec={"podCIDR": cidr, "podCIDRs": [cidr]} if cidr else {},
                   status={"addresses": [{"type": "InternalIP", "address": ip or known_ip}],
                           "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]})


def nodes():
    return [node(name) for name in NODES]


def pod(name, labels=None, ip=None, node_name=None, port=8080, ready=True, namespace="default"):
    """Without an address: one of PODS."""
    known_ip, known_node = PODS.get(name, (None, None))
    ip = ip or known_ip
    return _object("v1", "Pod", name, namespace, labels,
                   spec={"nodeName": node_name or known_node, "containers": [{"name": "main", "ports": [{"containerPort": port}]}]},
                   status={"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
                           "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]})


def pods(labels=None, names=PODS):
    return [pod(name, labels or {"app": "web"}) for name in names]
