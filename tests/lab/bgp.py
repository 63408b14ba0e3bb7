"""What the BGP tests are written with: BIRD beside a speaker, and routers (BIRD, FRR, GoBGP) asked from their own side."""
import bisect
import datetime
import ipaddress
import json
import shutil
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from lab import wait_until

BIRD, FRR = "/usr/sbin/bird", Path("/usr/lib/frr")
POOL4, POOL6 = "203.0.113.0/24", "2001:db8:113::/64"
NODE_AS, ROUTER_AS = 65001, 65000


def _object(kind, name, spec, annotations=None):
    meta = {"name": name, "namespace": "fairlead-system"}
    if annotations:
        meta["annotations"] = {f"fairlead.io/{k}": v for k, v in annotations.items()}
    return {"apiVersion": "fairlead.io/v1", "kind": kind, "metadata": meta, "spec": spec}


def bgp_peer(name="tor", address="198.51.100.1", annotations=None, **spec):
    spec = {"myASN": NODE_AS, **({} if "dynamicASN" in spec else {"peerASN": ROUTER_AS}),
            **({} if "interface" in spec else {"peerAddress": address}), **spec}
    return _object("BGPPeer", name, spec, annotations)


def bgp_advertisement(name="bgp", **spec):
    return _object("BGPAdvertisement", name, spec)


def bfd_profile(name="fast", receive=50, transmit=50, multiplier=3, **spec):
    return _object("BFDProfile", name, {"receiveInterval": receive, "transmitInterval": transmit, "detectMultiplier": multiplier, **spec})


def community(name, **aliases):
    return _object("Community", name, {"communities": [{"name": k, "value": v} for k, v in aliases.items()]})


def secret(name, password, kind="kubernetes.io/basic-auth"):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "fairlead-system"}, "type": kind,
            "stringData": {"username": "bgp", "password": password}}


class Moment(float):
    """A time as BIRD prints it; from one question to the next it is a millisecond more or less."""

    def __eq__(self, other):
        return abs(self - other) < 0.5

    def __ne__(self, other):
        return not self == other

    __hash__ = None

    @classmethod
    def of(cls, text):
        try:
            return cls(datetime.datetime.fromisoformat(text).timestamp())
        except ValueError:
            return cls(0)


class Birdc:
    """BIRD's control socket, spoken by hand: another program than the one under test."""

    def __init__(self, path):
        self.path = str(path)

    def ask(self, command, timeout=5.0):
        """The text of all lines; raises on 8xxx and 9xxx."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout)
            s.connect(self.path)
            stream = s.makefile("rb")
            self._reply(stream)
            s.sendall(command.encode() + b"\n")
            return self._reply(stream)

    @staticmethod
    def _reply(stream):
        lines = []
        while True:
            line = stream.readline().decode()
            if not line:
                raise ConnectionError("BIRD has closed the connection")
            if line.startswith("+"):
                continue
            if line.startswith(" "):
                lines.append(line[1:].rstrip("\n"))
                continue
            if line[0] in "89":
                raise RuntimeError(line.strip())
            lines.append(line[5:].rstrip("\n"))
            if line[4] == " ":
                return "\n".join(lines)

    def is_there(self):
        try:
            return "Daemon is up" in self.ask("show status", 1.0)
        except (OSError, RuntimeError):
            return False

    def protocols(self):
        """{name: (state, since, info)} of BGP sessions."""
        out = {}
        for line in self.ask("show protocols").splitlines()[1:]:
            words = line.split()
            if len(words) > 3 and words[1] == "BGP":
                at = 6 if words[4].count("-") == 2 else 5
                out[words[0]] = (words[3], Moment.of(" ".join(words[4:at])), " ".join(words[at:]))
        return out

    def established(self):
        return {n for n, (_, _, info) in self.protocols().items() if info.startswith("Established")}

    def routes(self, where=""):
        """{prefix: [{attribute: value}]} of `show route all`."""
        out, current = {}, None
        prefix = None
        for line in self.ask(f"show route all {where}").splitlines():
            if line.startswith("\t"):
                key, _, value = line.strip().partition(": ")
                if current is not None and value:
                    current[key] = value
                elif current is not None and line.strip().startswith("via "):
                    current["via"] = line.split()[1]
            elif line and not line.startswith("Table") and line[0] not in " " or "unicast [" in line:
                words = line.split()
                if "[" not in line:
                    continue
                if "/" in words[0]:
                    prefix = words[0]
                current = {"from": line[line.index("[") + 1:].split()[0]}
                out.setdefault(prefix, []).append(current)
        return out


class NodeBird:
    """BIRD as it runs beside a speaker, with the files that the speaker writes."""

    def __init__(self, lab, node, directory="bird"):
        self.lab, self.node = lab, node
        self.dir = lab.dir / node / directory
        self.socket = self.dir.parent / f"{directory}.sock"
        self.ctl = Birdc(self.socket)
        self.daemon = None

    def flags(self):
        return ["--bird-socket", str(self.socket), "--bird-config-dir", str(self.dir)]

    def start(self):
        wait_until((self.dir / "bird.conf").exists, 10, "the speaker writes the files that BIRD starts with")
        if self.daemon is None:
            self.daemon = self.lab.daemon(self.node, [BIRD, "-f", "-R", "-c", str(self.dir / "bird.conf"), "-s", str(self.socket)])
        else:
            self.daemon.start()
        return self

    def text(self):
        return (self.dir / "bird.conf").read_text()


class BirdRouter:
    def __init__(self, lab, node="router", peers=("198.51.100.11", "198.51.100.12", "198.51.100.13"), options="", channel4="", channel6="",
                 extra="", local_as=ROUTER_AS, peer_as=NODE_AS, families=(4, 6), name="router"):
        """`options`: lines in each session. Sessions are called n1, n2, ... in the order of `peers`."""
        self.lab, self.node = lab, node
        self.conf = lab.dir / f"{name}.conf"
        self.socket = lab.dir / f"{name}.sock"
        self.ctl = Birdc(self.socket)
        self.kwargs = dict(peers=peers, options=options, channel4=channel4, channel6=channel6, extra=extra, local_as=local_as,
                           peer_as=peer_as, families=families)
        self.write()
        self.daemon = lab.daemon(node, [BIRD, "-f", "-c", str(self.conf), "-s", str(self.socket)])
        wait_until(self.ctl.is_there, 5, f"BIRD in {node}")

    def write(self, **changes):
        k = {**self.kwargs, **changes}
        own4 = "198.51.100.1" if self.node == "router" else "198.51.100.2"
        text = f"""log stderr all;
router id {own4};
timeformat protocol iso long ms;
protocol device {{ scan time 10; }}
protocol kernel k4 {{ merge paths on; ipv4 {{ import none; export where source = RTS_BGP; }}; }}
protocol kernel k6 {{ merge paths on; ipv6 {{ import none; export where source = RTS_BGP; }}; }}
protocol bfd {{ interface "*" {{ interval 50 ms; multiplier 3; }}; multihop {{ interval 50 ms; multiplier 3; }}; }}
{k['extra']}
"""
        for number, peer in enumerate(k["peers"], 1):
            text += f"protocol bgp n{number} {{\n  local as {k['local_as']};\n  neighbor {peer} as {k['peer_as']};\n  connect delay time 1;\n"
            text += f"  connect retry time 1;\n  error wait time 1,2;\n  {k['options']}\n"
            if 4 in k["families"]:
                text += f"  ipv4 {{ import all; export none; {k['channel4']} }};\n"
            if 6 in k["families"]:
                text += f"  ipv6 {{ import all; export none; {k['channel6']} }};\n"
            text += "}\n"
        self.conf.write_text(text)

    def configure(self, **changes):
        self.write(**changes)
        self.ctl.ask("configure")

    def kernel(self, prefix):
        """Next hops of a prefix in the router's kernel, sorted."""
        return kernel_hops(self.lab, self.node, prefix)


def kernel_routes(lab, node, family=4):
    """{prefix: [next hops]} that a routing daemon installed."""
    out = {}
    for route in json.loads(lab.topo.run(node, ["ip", f"-{family}", "-j", "route", "show", "proto", "bird"]).stdout or "[]"):
        prefix = route["dst"] if "/" in route["dst"] else f"{route['dst']}/{32 if family == 4 else 128}"
        hops = [h["gateway"] for h in route.get("nexthops", []) if "gateway" in h]
        if "gateway" in route:
            hops.append(route["gateway"])
        if "via" in route:
            hops.append(route["via"]["host"])
        hops += [h["via"]["host"] for h in route.get("nexthops", []) if "via" in h]
        out.setdefault(prefix, []).extend(hops)
    return {p: sorted(h) for p, h in out.items()}


def kernel_hops(lab, node, prefix):
    family = ipaddress.ip_network(prefix).version
    return kernel_routes(lab, node, family).get(prefix, [])


class RouteWatch:
    """When a prefix came into a node's kernel, or went: [(time.monotonic(), "[Deleted ]PREFIX")], see route_monitor.py."""

    def __init__(self, lab, node, family=4):
        self._seen = []
        self._process = lab.topo.popen(node, [sys.executable, Path(__file__).with_name("route_monitor.py"), str(family)], stdout=-1,
                                       text=True, bufsize=1)
        assert self._process.stdout.readline() == "ready\n"
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            when, _, rest = line.strip().partition(" ")
            self._seen.append((float(when), rest))

    def all(self):
        return list(self._seen)

    def first(self, after, prefix, is_deleted=False, seconds=5):
        """When the first such line came; None: not in that time."""
        deadline, at = time.monotonic() + seconds, bisect.bisect_left(self._seen, (after,))
        short = prefix.removesuffix("/32").removesuffix("/128")
        while time.monotonic() < deadline:
            while at < len(self._seen):
                when, line = self._seen[at]
                at += 1
                if when >= after and line == ("Deleted " if is_deleted else "") + short:
                    return when
            time.sleep(0.001)
        return None

    def stop(self):
        self._process.kill()
        self._process.wait()


class FrrRouter:
    """zebra, bgpd and bfdd of FRR 8, with their files and sockets in the lab's directory."""

    def __init__(self, lab, config, node="router"):
        self.lab, self.node = lab, node
        # Not below the lab's directory: it is root's alone, and these run as frr.
        self.dir = Path(tempfile.mkdtemp(prefix="fairlead-frr-"))
        (self.dir / "vtysh.conf").write_text("")
        texts = {"zebra": "hostname r\n" + config.get("zebra", ""), "bfdd": "hostname r\n", "bgpd": config["bgpd"]}
        for program, text in texts.items():
            (self.dir / f"{program}.conf").write_text(text)
        for path in (self.dir, *self.dir.iterdir()):
            shutil.chown(path, "frr", "frr")
        lab.at_close(lambda: shutil.rmtree(self.dir, ignore_errors=True))
        for program in texts:
            more = ["--bfdctl", self.dir / "bfdd.sock"] if program in ("bfdd",) else []
            lab.daemon(node, [FRR / program, "-f", self.dir / f"{program}.conf", "-i", self.dir / f"{program}.pid", "-z",
                              self.dir / "zserv.api", "--vty_socket", self.dir, "--log", "stdout", *more])
            wait_until((self.dir / f"{program}.vty").exists, 10, f"{program} in {node}")

    def text(self, command):
        return self.lab.topo.run(self.node, ["vtysh", "--vty_socket", str(self.dir), "--config_dir", str(self.dir), "-c", command],
                                 check=False).stdout

    def json(self, command):
        out = self.text(f"{command} json")
        return json.loads(out[out.index("{"):]) if "{" in out else {}

    def established(self):
        peers = {}
        for family in ("ipv4Unicast", "ipv6Unicast"):
            peers |= self.json("show bgp summary").get(family, {}).get("peers", {})
        return {p for p, v in peers.items() if v.get("state") == "Established"}

    def route(self, prefix):
        """The best path as FRR tells it, or {}."""
        family = "ipv6" if ":" in prefix else "ipv4"
        paths = self.json(f"show bgp {family} unicast {prefix}").get("paths", [])
        return paths[0] if paths else {}


class GobgpRouter:
    def __init__(self, lab, config, node="router"):
        self.lab, self.node = lab, node
        conf = lab.dir / f"gobgpd-{node}.toml"
        conf.write_text(config)
        lab.daemon(node, ["/usr/bin/gobgpd", "-f", conf, "--api-hosts", "127.0.0.1:50051", "--pprof-disable"])

    def json(self, *words):
        out = self.lab.topo.run(self.node, ["gobgp", "-j", *words], check=False).stdout
        try:
            return json.loads(out)
        except ValueError:
            return None
