#!/usr/bin/python3
"""Runs a containerlab topology file out of network namespaces: no containers, no images, no daemon.

    topo.py deploy  -t FILE [--prefix P]
    topo.py destroy -t FILE [--prefix P]
    topo.py exec    -t FILE [--prefix P] NODE -- COMMAND...
    topo.py inspect -t FILE [--prefix P]

What is understood (anything else is refused, with one line that names file, node and key):

    name, prefix             namespaces are called PREFIX-NAME-NODE; --prefix wins over the file, "fl" is the default
    topology.defaults, topology.kinds.KIND, topology.nodes.NODE: merged in this order
        kind                 linux: a namespace; bridge: a namespace with a Linux bridge br0 that holds all its links
        exec                 commands, run in order when all links exist; no shell, as in containerlab
        binds                HOST:INSIDE[:ro], HOST relative to the file; seen by what is run in the node
        env, sysctls         maps
        network-mode         only "none": there is no management network, so eth0 is free for links
        image, labels        ignored: a node sees the file system of the host
    topology.links           endpoints: ["a:eth1", "b:eth1"], mtu

A node is a namespace, not a container: processes, users and files are the host's. A bind whose INSIDE does not exist on
the host is mounted into an overlay of the nearest directory that does, so that the host is left as it was.
"""
import argparse
import contextlib
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

NETNS = Path("/run/netns")       # where `ip netns` keeps its names
STATE = Path("/run/fairlead-lab")  # one directory for each topology that is up; root's alone
DEFAULT_PREFIX = "fl"
CLONE_NEWNET = 0x40000000

NODE_KEYS = {"kind", "image", "labels", "exec", "binds", "env", "sysctls", "network-mode"}
KINDS = {"linux", "bridge"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
INTERFACE = re.compile(r"[^\s/:]{1,15}")
# What `ip -batch` can run: one process for all of a node's addresses and routes makes the set-up fast.
BATCHABLE = {"addr", "address", "link", "neigh", "neighbor", "route", "rule"}
# A new namespace copies the host's IPv4 settings, so what a test relies on is said here.
SYSCTLS = {
    "net.ipv4.ip_forward": 0,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv6.conf.all.accept_dad": 0,  # addresses are usable at once, not after a second
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.dad_transmits": 0,
}

_libc = ctypes.CDLL(None, use_errno=True)


class TopologyError(Exception):
    """One line that a person can act on."""


@dataclass
class Node:
    name: str
    kind: str = "linux"
    exec: list = field(default_factory=list)
    binds: list = field(default_factory=list)  # (host path, inside path, read-only)
    env: dict = field(default_factory=dict)
    sysctls: dict = field(default_factory=dict)


@dataclass
class Link:
    ends: tuple  # ((node, interface), (node, interface))
    mtu: int | None = None


class Topology:
    def __init__(self, path, prefix=None):
        self.path = Path(path)
        doc = _load(self.path)
        _known(doc, {"name", "prefix", "topology"}, f"{self.path}: top level")
        self.name = _name(doc.get("name"), f"{self.path}: name")
        self.prefix = _name(prefix or doc.get("prefix") or DEFAULT_PREFIX, f"{self.path}: prefix")
        body = _typed(doc.get("topology"), dict, f"{self.path}: topology")
        _known(body, {"defaults", "kinds", "nodes", "links"}, f"{self.path}: topology")
        self.nodes = _nodes(self.path, body)
        self.links = _links(self.path, body.get("links"), self.nodes)
        self.dir = STATE / self.full_name  # temporary files of this topology; gone with it
        self._children = []

    @property
    def full_name(self):
        return f"{self.prefix}-{self.name}"

    def namespace(self, node):
        if node not in self.nodes:
            raise TopologyError(f"{self.path}: no node '{node}'; there are: {', '.join(self.nodes)}")
        return f"{self.full_name}-{node}"

    def ns_path(self, node):
        return NETNS / self.namespace(node)

    def is_up(self, node):
        return self.ns_path(node).exists()

    # -- up and down

    def deploy(self):
        """Builds it, after removing what has its name. If a step fails nothing is left."""
        if os.geteuid() != 0:
            raise TopologyError("network namespaces need root")
        self._check_binds()
        self.destroy()
        try:
            (self.dir / "mnt").mkdir(parents=True)  # an empty place for what a process of a node mounts for itself
            (self.dir / "nodes").write_text("\n".join(self.nodes))  # the file may have changed when destroy() comes
            self._ip(f"netns add {self.namespace(n)}" for n in self.nodes)
            for node in self.nodes.values():
                self._set_sysctls(node)
            self._ip(self._link_line(link, number) for number, link in enumerate(self.links))
            for node in self.nodes.values():
                self._ip(self._up_lines(node), node.name)
            for node in self.nodes.values():
                self._run_exec(node)
        except BaseException:
            self.destroy()
            raise

    def destroy(self):
        """Removes processes, namespaces (their links go with them) and files. Does nothing when there is nothing."""
        for child in self._children:
            child.kill()
        destroy_named(self.full_name, self.nodes)
        for child in self._children:
            child.wait()  # ours: without this it stays as a zombie
        self._children = []

    def __enter__(self):
        self.deploy()
        return self

    def __exit__(self, *_):
        self.destroy()

    # -- in a node

    def command(self, node, argv):
        """argv, wrapped so that it runs in the node. The process keeps its pid: every step is an exec."""
        mounts = self._mount_script(self.nodes[node]) if node in self.nodes else ""
        inner = ["sh", "-ec", mounts + 'exec "$@"', "sh"] if mounts else []
        return ["ip", "netns", "exec", self.namespace(node), *inner, *map(str, argv)]

    def environment(self, node, extra=None):
        values = {**self.nodes[node].env, **(extra or {})}
        return {**os.environ, **{k: str(v) for k, v in values.items()}}

    def popen(self, node, argv, env=None, **options):
        """subprocess.Popen in the node; destroy() kills and reaps it. When this returns the process is in its namespace."""
        self._need_up(node)
        there = self.ns_path(node).stat().st_ino
        child = subprocess.Popen(self.command(node, argv), env=self.environment(node, env), **options)
        self._children = [c for c in self._children if c.poll() is None] + [child]
        while child.poll() is None and _network_of(child.pid) != there:
            time.sleep(0.001)  # who destroys the topology finds processes by their namespace
        return child

    def run(self, node, argv, check=True, env=None, input=None, timeout=30):
        """subprocess.run in the node, with captured text. A failure raises one line with what it said."""
        self._need_up(node)
        done = subprocess.run(self.command(node, argv), env=self.environment(node, env), input=input, timeout=timeout,
                              capture_output=True, text=True)
        if check and done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).replace("\n", "; ")
            raise TopologyError(f"{node}: '{shlex.join(map(str, argv))}' ended with {done.returncode}: {said}")
        return done

    @contextlib.contextmanager
    def inside(self, node):
        """This thread is in the node for the length of the block; sockets made here stay there."""
        self._need_up(node)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(self.ns_path(node), os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(there)
            finally:
                os.close(there)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)

    def inspect(self):
        """[{node, kind, namespace, up, interfaces: {name: [addresses]}, pids}]"""
        rows = []
        for node in self.nodes.values():
            row = {"node": node.name, "kind": node.kind, "namespace": self.namespace(node.name),
                   "up": self.is_up(node.name), "interfaces": {}, "pids": []}
            if row["up"]:
                out = subprocess.run(["ip", "-n", row["namespace"], "-j", "addr"], check=True, capture_output=True).stdout
                row["interfaces"] = {i["ifname"]: [f"{a['local']}/{a['prefixlen']}" for a in i["addr_info"]]
                                     for i in json.loads(out) if i["ifname"] != "lo"}
                row["pids"] = sorted(_pids_in([self.ns_path(node.name)]))
            rows.append(row)
        return rows

    # -- steps

    def _need_up(self, node):
        if not self.is_up(node):
            raise TopologyError(f"{self.path}: node '{node}' is not up: deploy the topology first")

    def _check_binds(self):
        for node in self.nodes.values():
            for host, inside, _ in node.binds:
                if not host.exists():
                    raise TopologyError(f"{self.path}: node '{node.name}': binds: {host} does not exist")
                if _nearest_directory(inside) == Path("/") and not inside.exists():
                    raise TopologyError(f"{self.path}: node '{node.name}': binds: {inside} cannot be made directly "
                                        "below /; choose a place in a directory that exists")

    def _ip(self, lines, node=None):
        lines = list(lines)
        where = ["-n", self.namespace(node)] if node else []
        done = subprocess.run(["ip", *where, "-batch", "-"], input="\n".join(lines) + "\n", text=True, capture_output=True)
        if done.returncode != 0:
            at = re.search(r"Command failed -:(\d+)", done.stderr)
            line = lines[int(at.group(1)) - 1] if at else lines[0]
            raise TopologyError(f"{self.path}: {f'node {node!r}: ' if node else ''}'ip {line}': {_first_line(done.stderr)}")

    def _set_sysctls(self, node):
        with self.inside(node.name):  # /proc/sys/net shows the namespace of the thread that opens it
            for key, value in {**SYSCTLS, **node.sysctls}.items():
                if key in SYSCTLS and not Path("/proc/sys", *key.split(".")[:2]).exists():
                    continue  # a host without IPv6
                try:
                    Path("/proc/sys", key.replace(".", "/")).write_text(str(value))
                except OSError as e:
                    raise TopologyError(f"{self.path}: node '{node.name}': sysctls: {key}: {e.strerror}") from e

    def _link_line(self, link, number):
        """The ends get different indexes: the kernel takes a veth whose index is its peer's for a physical device, and
        reports a carrier up to a second late (linkwatch); a bridge would not forward until then."""
        mtu = f"mtu {link.mtu} " if link.mtu else ""
        a, b = (f"name {interface} index {100 + 2 * number + side} {mtu}netns {self.namespace(node)}"
                for side, (node, interface) in enumerate(link.ends))
        return f"link add {a} type veth peer {b}"

    def _up_lines(self, node):
        interfaces = [name for link in self.links for end, name in link.ends if end == node.name]
        yield "link set lo up"
        if node.kind == "bridge":
            yield "link add name br0 type bridge stp_state 0 forward_delay 0"
            yield "link set br0 up"
        for name in interfaces:
            yield f"link set {name} up" + (" master br0" if node.kind == "bridge" else "")

    def _run_exec(self, node):
        batch = []
        for text in [*node.exec, None]:
            words = shlex.split(text) if text else []
            if words[:1] == ["ip"] and words[1:2] and words[1] in BATCHABLE:
                batch.append(text.split(None, 1)[1])
                continue
            if batch:
                self._ip(batch, node.name)
                batch = []
            if words:
                try:
                    self.run(node.name, words)
                except (TopologyError, subprocess.TimeoutExpired) as e:
                    raise TopologyError(f"{self.path}: node '{node.name}': exec: {_first_line(str(e))}") from e

    def _mount_script(self, node):
        """Shell text that mounts the binds. `ip netns exec` has made the mounts private to the process before."""
        if not node.binds:
            return ""
        # self.dir is bound onto itself: through an overlay of /run, inotify and flock would not see what others do there.
        binds = [*node.binds, (self.dir, self.dir, False)]
        missing = [inside for _, inside, _ in binds if not inside.exists()]
        # Sources first: an overlay may hide them. They wait at numbered places of a private tmpfs, which also holds what
        # the overlays write (an upper directory must not lie in its own lower one).
        script = [f"mount -t tmpfs fl {_quote(self.dir)}/mnt", f"cd {_quote(self.dir)}/mnt"]
        for number, (host, _, read_only) in enumerate(binds):
            script.append(f"{'mkdir' if host.is_dir() else ': >'} {number}")
            script.append(f"mount --bind {_quote(host)} {number}")
            script.extend([f"mount -o remount,ro,bind {number}"] if read_only else [])
        for number, base in enumerate(sorted({_nearest_directory(p) for p in missing})):
            script.append(f"mkdir u{number} w{number}")
            script.append(f"mount -t overlay fl -o lowerdir={_quote(base)},upperdir=u{number},workdir=w{number} {_quote(base)}")
        for number, (host, inside, _) in enumerate(binds):
            if inside in missing:
                script.append(f"mkdir -p {_quote(inside if host.is_dir() else inside.parent)}")
                script.extend([] if host.is_dir() else [f": > {_quote(inside)}"])
            script.append(f"mount --bind {number} {_quote(inside)}")
        script.append(f"cd {_quote(Path.cwd())}")
        return "".join(line + "\n" for line in script)


# -- reading the file


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice: of two nodes of one name, YAML would keep the second without a word."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: key '{key.value}' is there twice")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _load(path):
    try:
        doc = yaml.load(path.read_text(), _Loader)
    except OSError as e:
        raise TopologyError(f"{path}: {e.strerror}") from e
    except yaml.MarkedYAMLError as e:
        raise TopologyError(f"{path}:{e.problem_mark.line + 1}: {e.problem}") from e
    except yaml.YAMLError as e:
        raise TopologyError(f"{path}: {_first_line(str(e))}") from e
    return _typed(doc, dict, f"{path}: top level")


def _typed(value, kind, where):
    if value is None and kind in (dict, list):
        value = kind()
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        words = {dict: "a map", list: "a list", str: "a string", int: "a whole number"}
        raise TopologyError(f"{where}: must be {words[kind]}")
    return value


def _known(keys, allowed, where):
    for key in keys:
        if key not in allowed:
            raise TopologyError(f"{where}: unknown key '{key}'; known are: {', '.join(sorted(allowed))}")


def _name(value, where):
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise TopologyError(f"{where}: must be a name of letters, digits, '.', '_' and '-', not {value!r}")
    return value


def _nodes(path, body):
    layers = {"defaults": _typed(body.get("defaults"), dict, f"{path}: topology.defaults")}
    _known(layers["defaults"], NODE_KEYS, f"{path}: topology.defaults")
    for kind, settings in _typed(body.get("kinds"), dict, f"{path}: topology.kinds").items():
        where = f"{path}: topology.kinds.{kind}"
        if kind not in KINDS:
            raise TopologyError(f"{where}: unknown kind '{kind}'; known are: {', '.join(sorted(KINDS))}")
        layers[kind] = _typed(settings, dict, where)
        _known(layers[kind], NODE_KEYS - {"kind"}, where)

    nodes = {}
    for name, settings in _typed(body.get("nodes"), dict, f"{path}: topology.nodes").items():
        where = f"{path}: node '{name}'"
        _name(name, where)
        own = _typed(settings, dict, where)
        _known(own, NODE_KEYS, where)
        kind = own.get("kind", layers["defaults"].get("kind", "linux"))
        if kind not in KINDS:
            raise TopologyError(f"{where}: key 'kind': unknown kind {kind!r}; known are: {', '.join(sorted(KINDS))}")
        node = Node(name, kind)
        for layer in (layers["defaults"], layers.get(kind, {}), own):
            _merge(path, node, layer, where)
        nodes[name] = node
    if not nodes:
        raise TopologyError(f"{path}: topology.nodes: there is no node")
    return nodes


def _merge(path, node, layer, where):
    """Lists grow, maps are overlaid: containerlab's rules."""
    if layer.get("network-mode", "none") != "none":
        raise TopologyError(f"{where}: key 'network-mode': only 'none' is supported")
    for command in _typed(layer.get("exec"), list, f"{where}: key 'exec'"):
        _typed(command, str, f"{where}: key 'exec': each command")
        try:
            shlex.split(command)
        except ValueError as e:
            raise TopologyError(f"{where}: key 'exec': {command!r}: {e}") from e
        node.exec.append(command)
    for bind in _typed(layer.get("binds"), list, f"{where}: key 'binds'"):
        parts = _typed(bind, str, f"{where}: key 'binds': each bind").split(":")
        if len(parts) not in (2, 3) or not parts[0] or not parts[1].startswith("/") or parts[2:] not in ([], ["ro"], ["rw"]):
            raise TopologyError(f"{where}: key 'binds': {bind!r} is not HOST:/INSIDE[:ro]")
        node.binds.append(((path.parent / parts[0]).resolve(), Path(parts[1]), parts[2:] == ["ro"]))
    for key in ("env", "sysctls"):
        for name, value in _typed(layer.get(key), dict, f"{where}: key '{key}'").items():
            if not isinstance(name, str) or isinstance(value, (dict, list, type(None))):
                raise TopologyError(f"{where}: key '{key}': {name!r} must be a name with one value")
            if isinstance(value, bool):  # YAML's reading of a bare true; a program expects the word as written
                value = str(value).lower()
            getattr(node, key)[name] = value


def _links(path, items, nodes):
    links, used = [], {}
    for number, item in enumerate(_typed(items, list, f"{path}: topology.links"), 1):
        where = f"{path}: link {number}"
        _known(_typed(item, dict, where), {"endpoints", "mtu"}, where)
        ends = _typed(item.get("endpoints"), list, f"{where}: key 'endpoints'")
        if len(ends) != 2:
            raise TopologyError(f"{where}: key 'endpoints': must be two of NODE:INTERFACE")
        pairs = []
        for end in ends:
            node, _, interface = _typed(end, str, f"{where}: key 'endpoints'").partition(":")
            if node not in nodes:
                raise TopologyError(f"{where}: key 'endpoints': no node '{node}'")
            if not INTERFACE.fullmatch(interface) or interface in ("lo", "br0", ".", ".."):
                raise TopologyError(f"{where}: key 'endpoints': {end!r}: no name for an interface (1 to 15 characters)")
            if end in used:
                raise TopologyError(f"{where}: key 'endpoints': {end!r} is in link {used[end]} too")
            used[end] = number
            pairs.append((node, interface))
        mtu = item.get("mtu")
        if mtu is not None and not 68 <= _typed(mtu, int, f"{where}: key 'mtu'") <= 65535:
            raise TopologyError(f"{where}: key 'mtu': must be 68 to 65535")
        links.append(Link(tuple(pairs), mtu))
    return links


# -- the system


def destroy_named(full_name, nodes=()):
    """Removes what was deployed under this name, and these nodes. The file is not needed."""
    names = set(nodes)
    with contextlib.suppress(FileNotFoundError):
        names |= set((STATE / full_name / "nodes").read_text().split())
    paths = [p for p in (NETNS / f"{full_name}-{n}" for n in names) if p.exists()]
    _kill_all_in(paths)
    if paths:
        lines = "".join(f"netns del {p.name}\n" for p in paths)
        done = subprocess.run(["ip", "-batch", "-"], input=lines, text=True, capture_output=True)
        if done.returncode != 0:
            raise TopologyError(f"{full_name}: {_first_line(done.stderr)}")
    shutil.rmtree(STATE / full_name, ignore_errors=True)
    with contextlib.suppress(OSError):
        STATE.rmdir()  # succeeds for the last topology only


def _first_line(text):
    return next((line for line in text.splitlines() if line.strip()), "no reason given")


def _quote(path):
    return shlex.quote(str(path))


def _nearest_directory(path):
    return next(p for p in path.parents if p.is_dir())


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _pids_in(paths):
    """Processes whose network is one of these namespaces: what was started in a node, and its children."""
    ours = {p.stat().st_ino for p in paths}
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()
            and _network_of(name) in ours]


def _network_of(pid):
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:  # it ended meanwhile, or is a zombie
        return None


def _kill_all_in(paths):
    ours = {p.stat().st_ino for p in paths}
    deadline = time.monotonic() + 5
    while pids := _pids_in(paths):
        if time.monotonic() > deadline:
            raise TopologyError(f"processes do not end: {pids}")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)  # holds the process: its number cannot become somebody else's
                try:
                    if _network_of(pid) in ours:
                        signal.pidfd_send_signal(fd, signal.SIGKILL)
                finally:
                    os.close(fd)
        time.sleep(0.005)


def main(argv):
    parser = argparse.ArgumentParser(prog="topo.py", description="runs containerlab topologies out of namespaces")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("deploy", "destroy", "inspect", "exec"):
        sub = commands.add_parser(name)
        sub.add_argument("-t", "--topo", required=True, metavar="FILE")
        sub.add_argument("--prefix")
        if name == "exec":
            sub.add_argument("node")
            sub.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    args = parser.parse_args(argv)
    try:
        topology = Topology(args.topo, args.prefix)
        if args.command == "deploy":
            started = time.monotonic()
            topology.deploy()
            print(f"{topology.full_name}: {len(topology.nodes)} nodes, {len(topology.links)} links, "
                  f"{(time.monotonic() - started) * 1000:.0f} ms")
        elif args.command == "destroy":
            topology.destroy()
        elif args.command == "inspect":
            for row in topology.inspect():
                links = " ".join(f"{name}={','.join(a) or '-'}" for name, a in row["interfaces"].items())
                print(f"{row['node']:<12} {row['kind']:<7} {row['namespace']:<28} {'up' if row['up'] else 'down':<5} "
                      f"processes={len(row['pids'])} {links}".rstrip())
        else:
            words = args.argv[1:] if args.argv[:1] == ["--"] else args.argv
            if not words:
                parser.error("exec: no command")
            topology._need_up(args.node)
            command = topology.command(args.node, words)
            os.execvpe(command[0], command, topology.environment(args.node))
    except TopologyError as e:
        print(f"topo.py: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
