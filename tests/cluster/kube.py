"""What cluster tests are written with: the cluster program, the API server, nodes' insides, a client outside.

Times are taken from the API server's answers and from a loop inside the client's container: starting `kubectl` or
`docker exec` takes longer than what is measured.
"""
import collections
import concurrent.futures
import contextlib
import datetime
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STATE = Path(os.environ.get("FAIRLEAD_CLUSTER_DIR") or "/var/tmp/fairlead-cluster")
CHART = ROOT / "helm/fairlead"
FULL = bool(os.environ.get("FAIRLEAD_FULL"))
NAMESPACE = "fairlead-system"
LEASE = "fairlead-controller"
TAG = "cluster-test"
POOL = "198.18.0.200-198.18.0.250"
API = "198.18.0.10"


def why_not():
    """Why cluster tests cannot run here; None: they can."""
    if os.geteuid() != 0:
        return "cluster tests need root: they make containers that make containers"
    if not shutil.which("docker"):
        return "cluster tests need Docker"
    if subprocess.run(["docker", "info"], capture_output=True).returncode != 0:
        return "cluster tests need a Docker that answers (docker info fails)"
    if not (STATE / "bin/kube.version").exists() and not shutil.which("go"):
        return "cluster tests need Go: they compile Kubernetes"
    return None


def cluster(*arguments, **options):
    """Runs tests/cluster/cluster; its standard output."""
    return run([HERE / "cluster", *arguments], **options)


def run(command, timeout=120, check=True, **options):
    done = subprocess.run([str(c) for c in command], text=True, timeout=timeout,
                          **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_until(predicate, seconds, what, pause=0.05):
    """The first true value of predicate(); an AssertionError that names `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause)
    return value


def in_parallel(work, items, threads=8):
    """work(item) for each item, by so many threads; the answers in the items' order."""
    with concurrent.futures.ThreadPoolExecutor(threads) as executor:
        return list(executor.map(work, items))


def judged(name, value, limit, unit="s"):
    """Prints a measured figure beside what is promised. A timed figure fails at ten times that: this may be anybody's
    busy machine."""
    print(f"figure {name}: {value:.2f} {unit} (promised <= {limit}{', MISSED' if value > limit else ''})")
    assert value <= limit * 10, f"{name}: {value:.2f} {unit}, promised {limit}"


class Api:
    """The API server, as an administrator. Safe to use from several threads."""

    def __init__(self, keys):
        self.keys = keys
        self._local = threading.local()

    def connection(self, timeout=30):
        context = ssl.create_default_context(cafile=self.keys / "ca.crt")
        context.load_cert_chain(self.keys / "admin.crt", self.keys / "admin.key")
        return http.client.HTTPSConnection(API, 6443, context=context, timeout=timeout)

    def call(self, method, path, body=None, content="application/json"):
        """(code, answer)"""
        for fresh in (False, True):
            if fresh or not getattr(self._local, "connection", None):
                self._local.connection = self.connection()
            try:
                self._local.connection.request(method, path, body and json.dumps(body), {"Content-Type": content})
                answer = self._local.connection.getresponse()
                text = answer.read()
                break
            except (http.client.HTTPException, OSError):
                self._local.connection.close()
                self._local.connection = None
                if fresh:
                    raise
        try:
            return answer.status, json.loads(text or b"{}")
        except ValueError:
            return answer.status, text.decode()

    def get(self, path):
        code, answer = self.call("GET", path)
        assert code == 200, f"GET {path}: {code} {answer}"
        return answer

    def items(self, path):
        return self.get(path)["items"]

    def create(self, obj):
        code, answer = self.call("POST", collection_of(obj), obj)
        assert code in (200, 201), f"POST {collection_of(obj)}: {code} {answer}"
        return answer

    def delete(self, obj):
        code, answer = self.call("DELETE", f"{collection_of(obj)}/{obj['metadata']['name']}")
        assert code in (200, 202, 404), f"DELETE {obj['metadata']['name']}: {code} {answer}"

    def service(self, name, namespace="default"):
        return self.get(f"/api/v1/namespaces/{namespace}/services/{name}")

    def pods(self, namespace, **labels):
        selector = ",".join(f"{k}={v}" for k, v in labels.items())
        return self.items(f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")


PLURALS = {"Service": "services", "Deployment": "deployments", "Namespace": "namespaces",
           "IPAddressPool": "ipaddresspools", "L2Advertisement": "l2advertisements", "BGPAdvertisement": "bgpadvertisements",
           "BGPPeer": "bgppeers", "BFDProfile": "bfdprofiles", "Community": "communities"}


def collection_of(obj):
    group = obj["apiVersion"]
    base = f"/api/{group}" if "/" not in group else f"/apis/{group}"
    if obj["kind"] == "Namespace":
        return f"{base}/namespaces"
    return f"{base}/namespaces/{obj['metadata'].get('namespace', 'default')}/{PLURALS[obj['kind']]}"


def custom(kind, name, **spec):
    """One of Fairlead's own objects."""
    return {"apiVersion": "fairlead.io/v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def pool(name="lan", addresses=(POOL,)):
    return custom("IPAddressPool", name, addresses=list(addresses))


def l2_advertisement(name="lan", pools=("lan",)):
    return custom("L2Advertisement", name, ipAddressPools=list(pools))


def service(name, app="web", kind="LoadBalancer", annotations=None):
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "default", "annotations": annotations or {}},
            "spec": {"type": kind, "selector": {"app": app},
                     "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}


def deployment(name="web", replicas=3, nodes=None):
    """Pods that say their names on port 8080, one a node; `nodes`: only there."""
    affinity = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname",
                                          "labelSelector": {"matchLabels": {"app": name}}}}]}}
    if nodes:
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": list(nodes)}]}]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": {
                         "affinity": affinity, "terminationGracePeriodSeconds": 1, "containers": [{
                             "name": "web", "image": "flc/agnhost:1", "imagePullPolicy": "Never",
                             "args": ["netexec", "--http-port=8080"],
                             "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}}]}}}}


def addresses(obj):
    """All of a Service's status."""
    return tuple(i["ip"] for i in obj.get("status", {}).get("loadBalancer", {}).get("ingress") or [] if "ip" in i)


def address(obj):
    """EXTERNAL-IP of a Service; None: none yet."""
    return (addresses(obj) or (None,))[0]


def is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


class Node:
    def __init__(self, name):
        self.name, self.container = name, f"flc-{name}"

    def run(self, *command, **options):
        return run(["docker", "exec", "-i", self.container, *command], **options)

    def elements(self):
        """{(table, set)} -> sorted elements of all sets and maps of Fairlead's tables, without counters."""
        found = {}
        for entry in json.loads(self.run("nft", "-j", "list", "ruleset"))["nftables"]:
            for kind in ("set", "map"):
                if kind in entry and entry[kind]["table"].startswith("fairlead-"):
                    found[entry[kind]["table"], entry[kind]["name"]] = sorted(
                        re.sub(r'"(packets|bytes|expires)": \d+', "", json.dumps(e)) for e in entry[kind].get("elem", []))
        return found

    def serving(self):
        """As elements(), of the table that serves, by the name of the set or map."""
        return {name: found for (table, name), found in self.elements().items() if table != "fairlead-anchor"}

    def tables(self):
        return [line.split()[-1] for line in self.run("nft", "list", "tables").splitlines()]

    def resident_mb(self, program):
        """Of each process of that name."""
        pids = self.run("pidof", program, check=False).split()
        return [int(re.search(r"VmRSS:\s+(\d+) kB", self.run("cat", f"/proc/{pid}/status"))[1]) / 1024 for pid in pids]

    def die(self):
        """As a machine does that loses power: everything in it at once. The wall clock then."""
        first = int(run(["docker", "inspect", "-f", "{{.State.Pid}}", self.container]))
        at = time.time()
        os.kill(first, signal.SIGKILL)
        run(["docker", "wait", self.container])
        return at

    def boot(self):
        run(["docker", "start", self.container])

    def pause_kubelet(self, is_paused=True):
        """It is the container's first process, which nobody inside can stop."""
        os.kill(int(run(["docker", "inspect", "-f", "{{.State.Pid}}", self.container])), signal.SIGSTOP if is_paused else signal.SIGCONT)

    def kill_containers(self, pod, container=None):
        """SIGKILL for the containers of a pod, its sandbox among them; `container`: only for that one."""
        query = [f'labels."io.kubernetes.pod.name"=={pod}']
        ids = self.run("ctr", "-n", "k8s.io", "containers", "list", "-q", *query).split()
        for i in ids:
            # One that died before may be cleared away meanwhile: no info, nothing to kill.
            if container and f'"io.kubernetes.container.name": "{container}"' not in self.run("ctr", "-n", "k8s.io", "containers", "info", i, check=False):
                continue
            self.run("ctr", "-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", i, check=False)


class Client:
    """A container on the nodes' network that is not a node."""

    def __init__(self, name, number):
        cluster("attach", name, number)
        self.name, self.container = name, f"flc-{name}"

    def run(self, *command, **options):
        return run(["docker", "exec", "-i", self.container, *command], **options)

    def curl(self, ip, port=80, path="/hostname", seconds=2):
        """The answer; None: none."""
        done = subprocess.run(["docker", "exec", self.container, "curl", "-sf", "--max-time", str(seconds), f"http://{ip}:{port}{path}"],
                              capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else None

    def who_has(self, *ips, seconds=0):
        """{ip: [every set of MACs that answered ARP for it, in order of time]}; one round, or so many seconds of them."""
        found = {ip: [] for ip in ips}
        for line in self.run("python3", "/containers/who_has.py", seconds, *ips, timeout=seconds + 60).splitlines():
            _, ip, macs = line.split()
            found[ip].append(() if macs == "-" else tuple(macs.split(",")))
        return found

    @contextlib.contextmanager
    def knocking(self, ip, pause=0.05, seconds=0.5):
        """Asks http://ip/hostname again and again. Yields a list that grows: (time, answer or None)."""
        loop = (f"while :; do a=$(curl -sf --max-time {seconds} http://{ip}/hostname) && echo \"ok $a\" || echo no; "
                f"sleep {pause}; done")
        process = subprocess.Popen(["docker", "exec", "-i", self.container, "bash", "-c", loop],
                                   stdout=subprocess.PIPE, text=True)
        answers = []

        def read():
            for line in process.stdout:
                answers.append((time.monotonic(), line.split()[1] if line.startswith("ok ") else None))

        threading.Thread(target=read, daemon=True).start()
        try:
            yield answers
        finally:
            process.kill()
            self.run("pkill", "-f", f"http://{ip}/hostname", check=False)
            process.wait()


class Router(Client):
    """Such a container that forwards and speaks BGP with every node; what it learns is in its kernel."""

    def __init__(self, name, number, nodes):
        cluster("router", name, number, nodes)
        self.name, self.container = name, f"flc-{name}"

    def bird(self, *command):
        return self.run("birdc", "-s", "/run/bird/bird.ctl", *command)

    def hops(self):
        """{address of a VIP: sorted next hops}, as its kernel has them."""
        found = {}
        for family in ("-4", "-6"):
            for route in json.loads(self.run("ip", family, "-j", "route", "show", "proto", "bird") or "[]"):
                found[route["dst"]] = sorted(hop["gateway"] for hop in route.get("nexthops", [route]))
        return found

    def remove(self):
        run(["docker", "rm", "-fv", self.container])

    @contextlib.contextmanager
    def monitored(self):
        """Yields a list that grows: (wall clock, line) of each change of a route in its kernel."""
        process = subprocess.Popen(["docker", "exec", "-i", self.container, "stdbuf", "-oL", "ip", "-ts", "-o", "monitor", "route"],
                                   stdout=subprocess.PIPE, text=True)
        changes = []

        def read():
            for line in process.stdout:
                stamp, _, rest = line.partition("]")
                with contextlib.suppress(ValueError):
                    changes.append((datetime.datetime.fromisoformat(stamp.lstrip("[")).replace(tzinfo=datetime.timezone.utc).timestamp(), rest.strip()))

        threading.Thread(target=read, daemon=True).start()
        time.sleep(0.3)
        try:
            yield changes
        finally:
            process.kill()
            self.run("pkill", "-f", "ip -ts", check=False)
            process.wait()


def first_answer(answers, seconds, what):
    """When the first answer came."""
    return wait_until(lambda: next((t for t, a in list(answers) if a), None), seconds, what, 0.01)


class Shown(threading.Thread):
    """Every address that Services ever showed, from a watch: of each change of a status, none is missed.

    history   {namespace/name: [addresses, one tuple for each change]}; () where it lost them all
    doubled   [(address, who shows it, who shows it too from now on)]
    """

    def __init__(self, api):
        super().__init__(daemon=True)
        self.history, self.doubled, self.fault = collections.defaultdict(list), [], None
        self._api, self._now, self._holders, self._is_stopped = api, {}, collections.defaultdict(set), False
        listed = api.get("/api/v1/services")
        self._version = listed["metadata"]["resourceVersion"]
        for obj in listed["items"]:
            self._take(obj)
        self.start()

    def of(self, prefix, namespace="default"):
        """The history of Services whose names begin so: {name: [addresses]}."""
        begin = f"{namespace}/{prefix}"
        return {key.partition("/")[2]: seen for key, seen in list(self.history.items()) if key.startswith(begin)}

    def stop(self):
        self._is_stopped = True
        assert not self.fault, self.fault

    def run(self):
        while not self._is_stopped and not self.fault:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._watch()

    def _watch(self):
        connection = self._api.connection(timeout=1200)
        connection.request("GET", f"/api/v1/services?watch=1&resourceVersion={self._version}")
        for line in connection.getresponse():
            event = json.loads(line)
            if event["type"] == "ERROR":
                self.fault = event["object"]
                return
            self._version = event["object"]["metadata"]["resourceVersion"]
            self._take(event["object"], event["type"] == "DELETED")
            if self._is_stopped:
                return

    def _take(self, obj, is_deleted=False):
        key = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
        had, has = self._now.get(key, ()), () if is_deleted else addresses(obj)
        if had == has:
            return
        self._now[key] = has
        for ip in had:
            self._holders[ip].discard(key)
        for ip in has:
            self.doubled += [(ip, other, key) for other in self._holders[ip] - {key}]
            self._holders[ip].add(key)
        if not is_deleted:
            self.history[key].append(has)


class Cluster:
    def __init__(self, nodes=3):
        started = time.monotonic()
        cluster("up", nodes, timeout=300)
        self.keys = STATE / "keys"
        self.api = Api(self.keys)
        self.starts = []  # of the API server by a test: (from, until)
        self.nodes = {f"node{i}": Node(f"node{i}") for i in range(1, nodes + 1)}
        self.control_plane = Node("control-plane")
        self.up_seconds = time.monotonic() - started
        macs = run(["docker", "inspect", "-f", '{{range .NetworkSettings.Networks}}{{.MacAddress}}{{end}} {{.Name}}',
                    *(n.container for n in self.nodes.values())])
        self.by_mac = {mac: name.lstrip("/").removeprefix("flc-") for mac, name in map(str.split, macs.splitlines())}

    def tool(self, name, *arguments, **options):
        return run([STATE / "bin" / name, *arguments], env={**os.environ, "KUBECONFIG": str(self.keys / "admin.conf")}, **options)

    def kubectl(self, *arguments, **options):
        return self.tool("kubectl", *arguments, **options)

    def helm(self, *arguments, **options):
        return self.tool("helm", *arguments, **options)

    def pods(self, component):
        return self.api.pods(NAMESPACE, **{"app.kubernetes.io/component": component})

    def owners(self, client, ip):
        """Names of the nodes that answer for it."""
        return [self.by_mac.get(mac, mac) for mac in client.who_has(ip)[ip][0]]

    def audit_mark(self):
        """For audited(): now, as far as the log has been written."""
        return int(self.control_plane.run("stat", "-c", "%s", "/var/log/audit.log"))

    def audited(self, mark):
        """What the API server was asked since then, as its audit log has it, a second behind."""
        time.sleep(1.5)
        for line in self.control_plane.run("tail", "-c", f"+{mark + 1}", "/var/log/audit.log").splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    def requests(self, seconds):
        """What service accounts asked the API server for during so many seconds from now, watches aside:
        {(account, pod): [(verb, resource)]}."""
        mark = self.audit_mark()
        time.sleep(seconds)
        found = collections.defaultdict(list)
        for event in self.audited(mark):
            if event["verb"] != "watch":
                account = event["user"]["username"].removeprefix("system:serviceaccount:")
                pod = event["user"].get("extra", {}).get("authentication.kubernetes.io/pod-name", ["?"])[0]
                found[account, pod].append((event["verb"], event.get("objectRef", {}).get("resource", event["requestURI"])))
        return found

    def asked(self, mark):
        """{account: {(verb, resource, code)}} since the mark, but for what was refused while the API server started: it does not
        know any rights then."""
        found = collections.defaultdict(set)
        for event in self.audited(mark):
            with contextlib.suppress(KeyError):
                at = datetime.datetime.fromisoformat(event["requestReceivedTimestamp"].replace("Z", "+00:00")).timestamp()
                if event["responseStatus"]["code"] == 403 and any(start <= at <= end for start, end in self.starts):
                    continue
                what = event["objectRef"]
                resource = what["resource"] + ("/" + what["subresource"] if "subresource" in what else "")
                found[event["user"]["username"].removeprefix("system:serviceaccount:")].add(
                    (event["verb"], resource, event["responseStatus"]["code"]))
        return found

    def logs(self):
        """[(what, text)] for a failed test's report."""
        found = []
        with contextlib.suppress(Exception):
            found.append(("pods", self.kubectl("get", "pods", "-A", "-o", "wide", "--request-timeout=5s", check=False)))
            for component in ("controller", "speaker"):
                for pod in self.pods(component):
                    name = pod["metadata"]["name"]
                    for previous in ([], ["--previous"]):
                        text = self.kubectl("-n", NAMESPACE, "logs", name, "--all-containers", "--tail=40", "--request-timeout=5s", *previous,
                                            check=False, timeout=20)
                        if text:
                            found.append((f"log of {name} ({pod['spec'].get('nodeName')}){' before its restart' if previous else ''}", text))
        return found


class Installed:
    """Fairlead, as its chart installs it."""

    def __init__(self, kubernetes, image, *values):
        """`values`: more of Helm's NAME=VALUE."""
        self.kubernetes, self.api, self.nodes = kubernetes, kubernetes.api, kubernetes.nodes
        self.mark = kubernetes.audit_mark()
        repository, tag = image.rsplit(":", 1)
        first = f"image.repository={repository},image.tag={tag},image.pullPolicy=Never,dataplane.clusterCIDRs={{10.244.0.0/16}}"
        self.notes = kubernetes.helm("install", "fairlead", CHART, "--namespace", NAMESPACE, "--create-namespace",
                                     *(word for value in (first, *values) for word in ("--set", value)))

    def take_away(self):
        """Without the steps that a user takes: what nodes hold goes with them, and all definitions and objects."""
        kube = self.kubernetes
        kube.helm("uninstall", "fairlead", "--namespace", NAMESPACE, check=False)
        kube.kubectl("delete", "--ignore-not-found", "-f", CHART / "crds", timeout=180)
        kube.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=true", timeout=120)
        for node in self.nodes.values():
            for table in node.tables():
                if table.startswith("fairlead-"):
                    node.run("nft", "delete", "table", "inet", table)
            node.run("rm", "-rf", "/var/lib/fairlead", "/run/fairlead-bird")

    def external_ip(self, name, seconds=20):
        return wait_until(lambda: address(self.api.service(name)), seconds, f"an EXTERNAL-IP for {name}", 0.01)

    def restarts(self):
        return {p["metadata"]["name"]: sum(c["restartCount"] for c in p["status"].get("containerStatuses", []))
                for component in ("controller", "speaker") for p in self.kubernetes.pods(component)}

    def speaker_on(self, node):
        return next(p["metadata"]["name"] for p in self.kubernetes.pods("speaker") if p["spec"]["nodeName"] == node and not p["metadata"].get("deletionTimestamp"))

    def next_speaker(self, node):
        """Deletes that node's speaker; the name of the one that follows."""
        old = self.speaker_on(node)
        self.kubernetes.kubectl("-n", NAMESPACE, "delete", "pod", old, "--wait=true")
        return wait_until(lambda: next((p["metadata"]["name"] for p in self.kubernetes.pods("speaker")
                                        if p["spec"]["nodeName"] == node and p["metadata"]["name"] != old and is_ready(p)), None), 60, "the next speaker")

    def leader(self):
        """Who holds the Lease; None: nobody."""
        code, lease = self.api.call("GET", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{LEASE}")
        return code == 200 and lease["spec"].get("holderIdentity") or None

    def leading_pod(self, seconds=90):
        """(what the Lease names, the pod that this is)"""
        def found():
            holder = self.leader() or ""
            return next(((holder, p) for p in self.kubernetes.pods("controller") if p["metadata"]["name"] in holder), None)

        return wait_until(found, seconds, lambda: f"a pod that leads; the Lease names {self.leader()}")


if __name__ == "__main__":  # for tests/run.sh: says why cluster tests cannot run here, or fails
    print(reason := why_not() or "")
    raise SystemExit(0 if reason else 1)
