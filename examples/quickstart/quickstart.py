#!/usr/bin/python3
"""The quickstart's story: builds Fairlead, runs it on manifests/ in the network of quickstart.clab.yml, and checks it from
outside. Started by run.sh, which has installed what this needs.

The network and the programs come from tests/lab. All that is written is in the topology's own directory under /run (and
build/), so that removing the topology removes everything, whoever does it: the end of the run, a signal, --down, or the
next run after one that was killed.
"""
import collections
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is something to clean up: no traceback

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = ROOT / "build/release/bin"
os.environ["FAIRLEAD_BIN"] = str(BIN)
os.environ.setdefault("CCACHE_DIR", str(ROOT / "build/ccache"))  # as tests/run.sh
sys.path.insert(0, str(ROOT / "tests/lab"))

from lab import Lab, parse_line, tail, tool, wait_until  # noqa: E402
from topo import Topology, TopologyError  # noqa: E402

NODES = {"node-a": "198.51.100.11", "node-b": "198.51.100.12", "node-c": "198.51.100.13"}
PODS = ["web-a", "web-b", "web-c"]
CLUSTER_CIDR = "10.244.0.0/16"
SET_UP_FAULT, INTERRUPTED = 2, 130


class SetUpFault(Exception):
    """One line: why there is nothing to check."""


class Interrupted(BaseException):
    pass


class Signals:
    """The first of SIGINT, SIGTERM and SIGHUP ends the run, all later ones are ignored: they would disturb the cleaning up."""

    NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self):
        self._held, self._came = 0, False
        for number in self.NUMBERS:
            signal.signal(number, self._on)

    def ignore(self):
        for number in self.NUMBERS:
            signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def held(self):
        """While a process is being started it is in no namespace yet, and cleaning up would not find it."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._came and self._held == 0:
                raise Interrupted

    def _on(self, _number, _frame):
        self.ignore()
        self._came = True
        if self._held == 0:
            raise Interrupted


class Network(Topology):
    def __init__(self, signals):
        super().__init__(HERE / "quickstart.clab.yml")
        self._signals = signals

    def popen(self, *args, **options):
        with self._signals.held():
            return super().popen(*args, **options)

    @property
    def kept(self):
        """There is a run that --keep left, and not one that was killed."""
        return self.dir / "kept"

    def leftovers(self):
        return [str(self.ns_path(n)) for n in self.nodes if self.is_up(n)] + [str(p) for p in [self.dir] if p.exists()]


def step(text):
    print(f"==> {text}", flush=True)


def show(text):
    print("".join(f"    {line}\n" for line in text.splitlines()), end="", flush=True)


@contextlib.contextmanager
def building_alone():
    """tests/run.sh takes this lock too: two that build in one tree would write over each other."""
    (ROOT / "build").mkdir(exist_ok=True)
    with open(ROOT / "build/.run.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            show("waiting for tests/run.sh, which is at work in this tree")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build():
    step("build: fairlead-controller and fairlead-speaker, into build/release")
    targets = ["fairlead-controller", "fairlead-speaker"]
    jobs = str(os.cpu_count() or 1)

    def configure(*more):
        done = subprocess.run(["cmake", "--preset", "release", *more], cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            raise SetUpFault(f"cmake --preset release failed:\n{done.stdout}{done.stderr}")

    def compiled():
        built = subprocess.Popen(["cmake", "--build", "build/release", "-j", jobs, "--target", *targets], cwd=ROOT,
                                 start_new_session=True)
        try:
            return built.wait() == 0
        except Interrupted:
            os.killpg(built.pid, signal.SIGTERM)  # the compilers too
            built.wait()
            raise

    try:
        if not (ROOT / "build/release/build.ninja").exists():
            configure()
        if not compiled():
            step("again, with warnings that are no errors: this compiler may be newer than ours")
            configure("--compile-no-warning-as-error")
            if not compiled():
                raise SetUpFault("the build failed, see above")
        tool("fl-load")
    except (OSError, subprocess.CalledProcessError) as e:
        raise SetUpFault(f"the build failed: {e}") from e


class Story:
    """Starts what runs in the network and checks it, one line a check. One that fails ends the run only if the rest depends
    on it."""

    def __init__(self, network):
        self.net = network
        self.lab = Lab(network, network.dir / "logs")
        self.passed = self.failed = 0
        self.manifests = network.dir / "manifests"
        shutil.copytree(HERE / "manifests", self.manifests)
        self.speakers = {}
        self.services = {}
        self.announcer = "node-a"  # who was seen to announce `web` last

    def check(self, what):
        """Runs it at once; it returns what the line says, or raises."""
        try:
            line = what()
        except (AssertionError, TopologyError, OSError, subprocess.SubprocessError) as e:
            self.failed += 1
            print(f"FAIL {what.__doc__}: {e}", flush=True)
            return False
        self.passed += 1
        print(f"ok   {line}", flush=True)
        return True

    def tell(self):
        step("start: a web server in each pod, and one on a machine that is no node")
        for name in [*PODS, "archive"]:
            self.lab.serve(name, 8080)
        step("start: one controller, and a speaker on each node")
        self.controller = self.lab.controller(self.manifests, "--log-level", "info", node="node-a")
        for node in NODES:
            self.prepare(node)
            self.speakers[node] = self.lab.speaker(self.manifests, node, "--cluster-cidr", CLUSTER_CIDR)
        has_addresses = self.check(self.addresses_are_assigned)
        show(self.table())
        if not has_addresses or not self.check(self.one_node_answers):
            return
        page = self.fetch("client", self.vip)
        show(f"client$ curl http://{self.vip}/\n{page}")
        self.check(self.vip_is_reached)
        self.check(self.node_port_is_reached)
        self.check(self.cluster_ip_is_reached)
        self.check(self.archive_is_reached)
        step("restart: SIGTERM to the announcing speaker and a new one, while the client connects 500 times a second")
        self.check(self.restart_loses_nothing)
        step("hand-over: the announcing node's manifest says that it is not Ready")
        self.check(self.node_is_handed_over)
        self.check(self.nothing_died)

    # -- what is checked; the doc string is the check's name when it fails

    def addresses_are_assigned(self):
        """addresses from the pool"""
        def assigned():
            self.services = self.read_table()
            return {"web", "archive"} <= set(self.services) and all(
                re.fullmatch(r"[\d.]+", s["external"]) and re.fullmatch(r"[\d.]+", s["cluster"]) for s in self.services.values())
        wait_until(assigned, 10, "every Service has its addresses")
        self.vip = self.services["web"]["external"]
        return "addresses from the pool: " + ", ".join(f"{n} {s['external']}" for n, s in sorted(self.services.items()))

    def one_node_answers(self):
        """one node announces each VIP"""
        said = []
        for name, s in sorted(self.services.items()):
            wait_until(lambda: self.lab.who_has(s["external"], seconds=0.05), 10, f"a node answers ARP for {s['external']}")
            answers = self.lab.who_has(s["external"])
            assert len(answers) == 1, f"{s['external']} is answered by {answers}"
            said.append(f"{s['external']} {answers[0]}")
        for node in NODES:
            wait_until(lambda: self.fetch("client", NODES[node], self.node_port()), 10, f"{node} forwards")
        return "one node answers ARP for each VIP: " + ", ".join(said)

    def vip_is_reached(self):
        """client -> VIP"""
        return f"client -> VIP {self.vip}: {self.fetch_often('client', self.vip, at_least=2)}"

    def node_port_is_reached(self):
        """client -> NodePort"""
        port = self.node_port()
        return f"client -> NodePort {port} of each node: " + "; ".join(
            f"{node} {self.fetch_often('client', ip, port, count=4)}" for node, ip in NODES.items())

    def cluster_ip_is_reached(self):
        """pod -> ClusterIP"""
        ip = self.services["web"]["cluster"]
        return f"pod web-a -> ClusterIP {ip}: {self.fetch_often('web-a', ip, at_least=2)}"

    def archive_is_reached(self):
        """client -> VIP of a Service with Endpoints"""
        vip = self.services["archive"]["external"]
        return f"client -> VIP {vip}, a Service with Endpoints and no selector: {self.fetch_often('client', vip, count=4)}"

    def restart_loses_nothing(self):
        """restart under load"""
        node = self.owner()
        speaker = self.speakers[node]
        load = self.lab.start_load("client", "connect", self.vip, 80, "--rate", 500, "--seconds", 4)
        time.sleep(1)
        began = time.monotonic()
        speaker.restart()
        speaker.wait_event("announce", vip=self.vip)
        away = time.monotonic() - began
        seen = load.result(30)
        assert seen["started"] > 0 and seen["ok"] == seen["started"] and not seen["failed"], \
            f"{seen['ok']} of {seen['started']} connections were answered, failed: {seen['failed']}"
        return (f"restart of {node}'s speaker: 0 of {seen['started']} connections failed "
                f"(it was away for {away * 1000:.0f} ms; slowest connection {seen['max_ms']:.0f} ms)")

    def node_is_handed_over(self):
        """hand-over"""
        old = self.owner()
        macs = {self.lab.mac(node): node for node in NODES}
        load = self.lab.start_load("client", "connect", self.vip, 80, "--rate", 500, "--seconds", 3)
        time.sleep(1)
        with self.net.inside("router"):
            assert self.neighbour() == self.lab.mac(old), f"the router sends to {self.neighbour()}, not to {old}"
            began = time.monotonic()
            self.set_ready(old, False)
            while (mac := self.neighbour()) not in macs or macs[mac] == old:
                assert time.monotonic() < began + 5, f"after 5 s the router still sends to {old}"
                time.sleep(0.0002)
            took = time.monotonic() - began
        seen = load.result(30)
        failed = sum(seen["failed"].values())
        new = macs[mac]
        text = (f"hand-over {old} -> {new}: {took * 1000:.0f} ms (from the edit to the router's neighbour table; for the client "
                f"no answer for {seen['gap_ms']:.0f} ms at most, {failed} of {seen['started']} connections failed)")
        answers = self.lab.who_has(self.vip)
        assert answers == [new], f"{self.vip} is answered by {answers} and not by {new} alone; {text}"
        assert took < 1 and seen["gap_ms"] < 1000 and failed <= seen["started"] / 20, text
        return text

    def nothing_died(self):
        """all programs run"""
        died = [d.name for d in self.lab.daemons if d.died()]
        assert not died, f"ended without being asked to: {', '.join(died)}"
        return "the controller and the three speakers run"

    def nothing_is_left(self):
        """clean-up"""
        left = self.net.leftovers()
        assert not left, f"still there: {', '.join(left)}"
        return "nothing is left: no process, no namespace, no file"

    # -- how

    def prepare(self, node):
        """What the chart's init container does."""
        said = self.net.run(node, [BIN / "fairlead-speaker", "--init-only"])
        events = [e for e in map(parse_line, (said.stdout + said.stderr).splitlines()) if e]
        raised = [f"{e['name']}={e['value']}" for e in events if e["event"] == "sysctl_raised"]
        kept = [f"{e['name']} stays as it is ({e['what']})" for e in events if e["event"] == "sysctl_failed"]
        show(f"{node}: {', '.join(raised + kept) or 'all kernel settings are high enough'}")

    def table(self):
        argv = [BIN / "fairlead-controller", "--manifests", self.manifests, "--show"]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=10).stdout

    def read_table(self):
        """{name: {cluster, external, ports}}, as people read it."""
        rows = [line.split() for line in self.table().splitlines()[1:]]
        return {r[1]: {"cluster": r[3], "external": r[4], "ports": r[5]} for r in rows}

    def node_port(self):
        return re.search(r":(\d+)/", self.services["web"]["ports"])[1]

    def fetch(self, node, ip, port=80):
        """The page; "" when it did not come."""
        return self.net.run(node, ["curl", "-sS", "--max-time", "2", f"http://{ip}:{port}/"], check=False).stdout

    def fetch_often(self, node, ip, port=80, count=12, at_least=1):
        """"web-a 5, web-b 7": all answers came, and from that many servers."""
        names = collections.Counter()
        for _ in range(count):
            page = self.fetch(node, ip, port)
            assert page.startswith("name "), f"no page from {ip}:{port}"
            names[page.split()[1]] += 1
        assert len(names) >= at_least, f"{count} requests to {ip}:{port} were all answered by {', '.join(names)}"
        return ", ".join(f"{name} {n}" for name, n in sorted(names.items()))

    def owner(self):
        answers = self.lab.who_has(self.vip)
        assert len(answers) == 1 and answers[0] in NODES, f"{self.vip} is answered by {answers or 'nobody'}"
        self.announcer = answers[0]
        return self.announcer

    def neighbour(self):
        """Where the router, in which this thread is, sends packets for the VIP."""
        with open("/proc/thread-self/net/arp") as table:
            return next((f[3] for f in map(str.split, table) if f[0] == self.vip), None)

    def set_ready(self, node, ready):
        path = self.manifests / f"{node}.yaml"
        half = path.with_suffix(".part")
        text, changed = re.subn(r'(type: Ready\n\s+status: )"\w+"', rf'\1"{ready}"', path.read_text())
        assert changed == 1, f"{path} has no condition Ready"
        half.write_text(text)
        half.rename(path)  # as a careful editor does

    def logs(self, lines=15):
        for daemon in self.lab.daemons:
            if Path(daemon.argv[0]).name.startswith("fairlead-"):
                step(f"the end of the log of {daemon.name}")
                show(tail(daemon.log, lines))


def say_what_to_try(story):
    first, node = story.services.get("web", {}), story.announcer
    step(f"all of it is left running; the manifests are in {story.manifests}")
    name, dir = story.net.full_name, story.manifests
    show(f"""the page, through the VIP:    ip netns exec {name}-client curl http://{first.get('external', 'VIP')}/
from a pod, by ClusterIP:     ip netns exec {name}-web-a curl http://{first.get('cluster', 'IP')}/
the table of Services:        {BIN}/fairlead-controller --manifests {dir} --show
a node is lost:               sed -i 's/status: "True"/status: "False"/' {dir}/{node}.yaml
it comes back:                sed -i 's/status: "False"/status: "True"/' {dir}/{node}.yaml
who announces, and why:       tail -f {story.lab.dir}/fairlead-*.log
a pod is lost:                edit {dir}/web.yaml (Ready: "False", or remove the Pod)
what the kernel holds:        ip netns exec {name}-{node} nft list ruleset
what was written, and why:    cat {dir}/.status/Service/default/web.yaml {dir}/.status/events.log
take it down:                 {HERE}/run.sh --down""")


def take_down(network):
    if not network.leftovers():
        print("run.sh: nothing is up")
        return 0
    network.destroy()
    print("run.sh: taken down")
    return 0


def run(network, keep, signals):
    """The exit code; what is there when it returns stays only if `network.kept` exists."""
    with building_alone():
        build()
    step("network: client, router, three nodes with a pod each, and a machine beside them")
    began = time.monotonic()
    network.deploy()
    show(f"{len(network.nodes)} namespaces, {(time.monotonic() - began) * 1000:.0f} ms")
    story = Story(network)
    story.tell()
    if story.failed:
        story.logs()
    if keep:
        for node in NODES:
            story.set_ready(node, True)
        say_what_to_try(story)
        network.kept.touch()
    else:
        step("clean up")
        signals.ignore()
        network.destroy()
        story.check(story.nothing_is_left)
    print(f"{story.passed} passed, {story.failed} failed", flush=True)
    return 1 if story.failed else 0


def main(argv):
    signals = Signals()
    try:
        network = Network(signals)
    except TopologyError as e:
        print(f"run.sh: {e}", file=sys.stderr)
        return SET_UP_FAULT
    # The name belongs to this process as long as it lives, and leaves no file behind.
    lock = socket.socket(socket.AF_UNIX)
    try:
        lock.bind("\0fairlead-quickstart")
    except OSError:
        print("run.sh: another run of the quickstart is going on; wait for it, or end it with Ctrl-C", file=sys.stderr)
        return SET_UP_FAULT
    if "--down" in argv:
        return take_down(network)
    if network.kept.exists():
        print(f"run.sh: a quickstart is running already; take it down with {HERE / 'run.sh'} --down", file=sys.stderr)
        return SET_UP_FAULT
    try:
        return run(network, "--keep" in argv, signals)
    except (SetUpFault, TopologyError) as e:
        print(f"run.sh: {e}", file=sys.stderr)
        return SET_UP_FAULT
    except Interrupted:
        print("\nrun.sh: interrupted, cleaning up", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `run.sh | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    finally:
        signals.ignore()
        if not network.kept.exists():
            network.destroy()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
