"""Fairlead on a real Kubernetes, as its chart installs it: three nodes without kube-proxy, and a client beside them.

The tests build on each other: the first installs, the last takes away. With FAIRLEAD_FULL the judged numbers of
repetitions.
"""
import collections
import json
import os
import time

import pytest
import yaml
from kube import (CHART, FULL, HERE, NAMESPACE, Installed, Shown, address, deployment, first_answer, is_ready, judged,
                  l2_advertisement, pool, run, service, wait_until)

GOLDEN = HERE / "golden"


@pytest.fixture(scope="module")
def fl(kubernetes, client, loaded):
    """Installs, and asks from outside until the first answer comes."""
    api, started = kubernetes.api, time.monotonic()

    def step(name):
        f.steps[name] = time.monotonic() - started

    f = Installed(kubernetes, loaded)
    f.client, f.steps = client, {}
    step("helm install")
    for obj in (pool(), l2_advertisement(), deployment(), service("web")):
        api.create(obj)
    step("objects")
    f.ip = f.external_ip("web", 120)
    step("EXTERNAL-IP")
    with client.knocking(f.ip) as answers:
        first_answer(answers, 120, f"an answer from {f.ip}")
    step("first answer")
    return f


def test_install_to_first_answer(fl):
    print("figure", ", ".join(f"{name} after {t:.1f} s" for name, t in fl.steps.items()))
    judged("install to first answer", fl.steps["first answer"], 40)
    wait_until(lambda: all(is_ready(p) for c in ("controller", "speaker") for p in fl.kubernetes.pods(c)), 60, "all pods ready")
    assert len(fl.kubernetes.pods("controller")) == 2 and len(fl.kubernetes.pods("speaker")) == 3
    assert sum(fl.restarts().values()) == 0, fl.restarts()


def test_sysctls_are_raised(fl):
    """By a container without privileges that may write the node's /proc/sys/net."""
    node, setting = fl.nodes["node2"], "net.ipv4.ip_forward"
    node.run("sysctl", "-qw", f"{setting}=0")
    pod = fl.next_speaker("node2")
    assert node.run("sysctl", "-n", setting).strip() == "1"
    raised = fl.kubernetes.kubectl("-n", NAMESPACE, "logs", pod, "-c", "sysctls")
    assert "event=sysctl_raised name=net.ipv4.ip_forward value=1" in raised, raised
    spec = fl.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}")["spec"]
    assert not any(c["securityContext"].get("privileged") for c in spec["initContainers"] + spec["containers"])


def test_what_is_forwarded_is_said(fl):
    """In the notes, for each mode, and in each speaker's log; and where ClusterIPs are, the API server has said."""
    assert "(mode auto) forwards the cluster's Services on every node" in fl.notes
    for mode in ("full", "loadbalancer", "off"):
        notes = fl.kubernetes.helm("upgrade", "fairlead", CHART, "--namespace", NAMESPACE, "--reuse-values", "--dry-run=server",
                                   "--set", f"dataplane.mode={mode}").split("NOTES:")[1]
        assert f"mode {mode})" in notes and "WARNING" not in notes, notes
    for node in fl.nodes:
        log = fl.kubernetes.kubectl("-n", NAMESPACE, "logs", fl.speaker_on(node))
        assert 'event=mode mode=full reason="no other service proxy was found"' in log
    # No value of the chart names the IPv6 prefix: it comes from the ServiceCIDR object that this API server made.
    cidrs = [c for o in fl.api.items("/apis/networking.k8s.io/v1/servicecidrs") for c in o["spec"]["cidrs"]]
    assert sorted(cidrs) == ["10.96.0.0/16", "fd00:96::/112"]
    elements = fl.nodes["node1"].serving()
    assert "10.96.0.0" in json.dumps(elements["service_cidrs4"]) and "fd00:96::" in json.dumps(elements["service_cidrs6"])


def test_external_ip_and_answers(fl):
    """EXTERNAL-IP after the Service exists; answers after its pods are ready."""
    api, slowest = fl.api, 0
    for i in range(5):
        api.create(service(f"quick{i}"))
        created = time.monotonic()
        fl.external_ip(f"quick{i}")
        slowest = max(slowest, time.monotonic() - created)
    judged("Service to EXTERNAL-IP, slowest of 5", slowest, 1)

    api.create(service("late", app="late"))
    ip = fl.external_ip("late")
    with fl.client.knocking(ip) as answers:
        wait_until(lambda: len(answers) > 2, 20, "refusals")
        assert not any(a for _, a in answers), "nobody is there yet"
        api.create(deployment("late", replicas=3))
        wait_until(lambda: any(is_ready(p) for p in api.pods("default", app="late")), 60, "a pod ready", 0.01)
        ready = time.monotonic()
        answered = first_answer(answers, 20, f"an answer from {ip}")
    judged("pod ready to answer", max(0, answered - ready), 1)
    wait_until(lambda: all(is_ready(p) for p in api.pods("default", app="late")), 60, "all pods ready")
    names = {p["metadata"]["name"] for p in api.pods("default", app="late")}
    seen = set()
    wait_until(lambda: seen.add(fl.client.curl(ip)) or names <= seen, 30, lambda: f"all of {names}, saw {seen}")
    assert seen - {None} == names
    for i in range(5):
        api.delete(service(f"quick{i}"))


def test_both_families(fl):
    """A dual-stack Service: an address of each family out of one pool, announced by ARP and by NDP, forwarded; what the
    plan says of it; and an address that no node's segment holds is told."""
    api = fl.api
    api.create(pool("both", ["198.18.0.180-198.18.0.183", "fdfc::180-fdfc::183"]))
    api.create(pool("far", ["203.0.113.0/29"]))
    api.create(l2_advertisement("others", ["both", "far"]))
    both = service("both", annotations={"fairlead.io/address-pool": "both"})
    both["spec"]["ipFamilyPolicy"] = "RequireDualStack"
    api.create(both)
    api.create(service("far", annotations={"fairlead.io/address-pool": "far"}))

    def addresses():
        return [i["ip"] for i in api.service("both").get("status", {}).get("loadBalancer", {}).get("ingress", [])]

    four, six = wait_until(lambda: len(addresses()) == 2 and addresses(), 20, "an address of each family")
    assert four.startswith("198.18.0.18") and six.startswith("fdfc::18")
    pods = {p["metadata"]["name"] for p in api.pods("default", app="web")}
    for url in (four, f"[{six}]"):
        wait_until(lambda: fl.client.curl(url) in pods, 10, f"an answer from {url}")
    answer = json.loads(fl.kubernetes.kubectl("-n", NAMESPACE, "exec", fl.speaker_on("node1"), "-c", "speaker", "--", "fairleadctl", "trace",
                                              "198.18.0.100", f"{four}:80/TCP", "--node", "node1", "-o", "json"))
    ips = {f"{p['status']['podIP']}:8080" for p in api.pods("default", app="web")}
    assert (answer["verdict"], answer["row"], answer["service"], answer["masquerade"]) == ("endpoints", "6", "default/both", True)
    assert set(answer["endpoints"]) == ips
    told = wait_until(lambda: [e for e in api.items("/api/v1/namespaces/default/events") if e["reason"] == "VipNotOnSegment"], 20, "an Event")
    assert told[0]["involvedObject"]["name"] == "far" and "203.0.113." in told[0]["message"]
    for obj in (both, service("far"), l2_advertisement("others"), pool("both"), pool("far")):
        api.delete(obj)


def test_metrics_of_the_leader(fl):
    """From a node, as Prometheus would ask."""
    ips = [p["status"]["podIP"] for p in fl.kubernetes.pods("controller")]
    texts = [fl.nodes["node1"].run("curl", "-sf", "--max-time", "5", f"http://{ip}:7481/metrics") for ip in ips]
    leader, = (t for t in texts if "\nfairlead_controller_leader 1\n" in t)
    assert 'fairlead_pool_addresses{family="ipv4",pool="lan",state="assigned"}' in leader
    assert "fairlead_service_assign_seconds_count" in leader


def test_pods_find_services_by_name(fl):
    """A pod asks cluster DNS at its ClusterIP, which asks the API server at its own; then it connects to a ClusterIP."""
    started = time.monotonic()
    wait_until(lambda: all(is_ready(p) for p in fl.api.pods("default", app="web")), 60, "the pods ready")
    for pod in fl.api.pods("default", app="web"):
        node = fl.nodes[pod["spec"]["nodeName"]]
        url = (f"http://{pod['status']['podIP']}:8080/dial?request=hostname&protocol=http&host=web.default.svc.cluster.local"
               "&port=80&tries=1")

        def answer():
            text = node.run("curl", "-s", "--max-time", "10", url, check=False)
            return text.startswith("{") and json.loads(text).get("responses")
        assert wait_until(answer, 90, f"an answer by name on {node.name}", 0.3)
    print(f"figure names resolved on three nodes after {time.monotonic() - started:.1f} s")


def test_deleted_service_leaves_nothing(fl):
    wait_until(lambda: len(fl.api.items("/api/v1/namespaces/default/services")) == 3, 20, "only kubernetes, web, late")
    time.sleep(1)
    before = {name: node.elements() for name, node in fl.nodes.items()}
    fl.api.create(service("gone"))
    ip = fl.external_ip("gone")
    wait_until(lambda: fl.client.curl(ip), 10, "an answer")
    wait_until(lambda: all(n.elements() != before[name] for name, n in fl.nodes.items()), 10, "elements of the Service everywhere")
    fl.api.delete(service("gone"))
    started = time.monotonic()
    wait_until(lambda: all(n.elements() == before[name] for name, n in fl.nodes.items()), 20,
               lambda: f"elements as before: {[{k: v for k, v in n.elements().items() if v != before[name].get(k)} for name, n in fl.nodes.items()]}")
    judged("Service deleted to no element left", time.monotonic() - started, 1)
    wait_until(lambda: not fl.kubernetes.owners(fl.client, ip), 5, f"nobody answers for {ip}")
    fl.api.create(service("again", annotations={"fairlead.io/loadBalancerIPs": ip}))
    assert fl.external_ip("again") == ip, "the address is free"
    fl.api.delete(service("again"))


@pytest.mark.parametrize("component", ["controller", "speaker"])
def test_rbac_is_exact(fl, component):
    """What each ServiceAccount may do equals a golden file (rewritten with FAIRLEAD_GOLDEN=write)."""
    found = []
    for namespace in (NAMESPACE, "default"):
        text = fl.kubernetes.kubectl("auth", "can-i", "--list", "-n", namespace, "--as",
                                     f"system:serviceaccount:{NAMESPACE}:fairlead-{component}")
        rows = sorted(" ".join(line.split()) for line in text.splitlines()[1:])
        found += [f"# in namespace {namespace}", *rows]
    path = GOLDEN / f"rbac-{component}.txt"
    if os.environ.get("FAIRLEAD_GOLDEN") == "write":
        path.write_text("\n".join(found) + "\n")
    assert found == path.read_text().splitlines()


def test_thousand_services_memory_and_idle_requests(fl):
    """Resident memory with 1,000 Services of three endpoints; then what idle programs ask the API server for."""
    api, count = fl.api, 1000
    api.create(pool("many", ["10.99.0.0/21"]))
    api.create(l2_advertisement("many", ["many"]))
    started = time.monotonic()
    for i in range(count):
        api.create(service(f"many{i}", annotations={"fairlead.io/address-pool": "many"}))
    made = time.monotonic() - started

    def waiting():
        return [s["metadata"]["name"] for s in api.items("/api/v1/namespaces/default/services")
                if s["metadata"]["name"].startswith("many") and not address(s)]
    wait_until(lambda: not waiting(), 300, lambda: f"addresses for {len(waiting())} more", 0.5)
    print(f"figure {count} Services made in {made:.1f} s, all with an address after {time.monotonic() - started:.1f} s")
    last = api.service(f"many{count - 1}")["spec"]["clusterIP"]

    def slices():
        return sum(1 for s in api.items("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices")
                   if s["metadata"]["name"].startswith("many") and len(s["endpoints"]) == 3)
    wait_until(lambda: slices() == count, 300, lambda: f"endpoint slices: {slices()}", 1)
    wait_until(lambda: all(last in json.dumps(list(n.elements().values())) for n in fl.nodes.values()), 60, "elements for the last Service", 0.5)
    assert len({address(s) for s in api.items("/api/v1/namespaces/default/services") if s["metadata"]["name"].startswith("many")}) == count
    for program in ("fairlead-speaker", "fairlead-controller"):
        resident = [mb for n in fl.nodes.values() for mb in n.resident_mb(program)]
        print(f"figure {program}: " + ", ".join(f"{mb:.1f}" for mb in resident) + " MB")
        judged(f"resident memory of {program}, 1,000 Services x 3", max(resident), 30, "MB")

    # A thousand ServiceL2Statuses and Events go out at a few a second, and nothing waits for them.
    started = time.monotonic()
    wait_until(lambda: not any(account.endswith("fairlead-speaker") and of for (account, _), of in fl.kubernetes.requests(4).items()),
               240, "nothing more to be told by the speakers", 0)
    print(f"figure the speakers have told everything {time.monotonic() - started:.0f} s later")
    seconds = 60 if FULL else 20
    asked = fl.kubernetes.requests(seconds)
    for component, limit in (("controller", 1.0), ("speaker", 0.2)):
        for pod in fl.kubernetes.pods(component):
            requests = asked.get((f"{NAMESPACE}:fairlead-{component}", pod["metadata"]["name"]), [])
            print(f"figure idle {pod['metadata']['name']}: {len(requests) / seconds:.2f} requests/s {dict(collections.Counter(requests))}")
            assert len(requests) / seconds < limit

    for i in range(count):
        api.delete(service(f"many{i}"))
    api.delete(pool("many"))
    api.delete(l2_advertisement("many"))
    started = time.monotonic()
    wait_until(lambda: not any(last in json.dumps(list(n.elements().values())) for n in fl.nodes.values()), 120, "the elements go", 0.5)
    print(f"figure elements gone {time.monotonic() - started:.1f} s after the last deletion")


def test_reboot_without_the_api_server(fl):
    """A node loses its containers and its rules while no API server answers; it forwards and announces from its state
    file. Then the API server returns, and nobody outside notices."""
    api, kube = fl.api, fl.kubernetes
    # Endpoints elsewhere: a pod of the node itself would come back with another address, which nobody can announce now.
    api.create(deployment("far", replicas=2, nodes=["node2", "node3"]))
    names = [f"far{i}" for i in range(8)]
    for name in names:
        api.create(service(name, app="far"))
    ips = {name: fl.external_ip(name) for name in names}
    wait_until(lambda: sum(is_ready(p) for p in api.pods("default", app="far")) == 2, 60, "the pods ready")
    for ip in ips.values():
        wait_until(lambda: fl.client.curl(ip), 20, f"an answer from {ip}")
    owners = {ip: wait_until(lambda: kube.owners(fl.client, ip), 10, f"an owner of {ip}") for ip in ips.values()}
    assert all(len(o) == 1 for o in owners.values()), owners
    gone = fl.nodes["node1"]
    theirs = [ip for ip, o in owners.items() if o == [gone.name]]
    assert theirs, f"node1 announces none of eight: {owners}"
    speaker = next(p["metadata"]["name"] for p in kube.pods("speaker") if p["spec"]["nodeName"] == gone.name)
    statuses = {n: api.service(n)["status"] for n in names}
    time.sleep(2)  # the state file is written behind changes

    run(["docker", "kill", kube.control_plane.container])
    try:
        gone.pause_kubelet()  # nothing comes back before everything is gone
        gone.kill_containers(speaker)
        wait_until(lambda: not gone.resident_mb("fairlead-speaker"), 10, "the speaker is dead")
        gone.run("nft", "flush", "ruleset")
        gone.run("conntrack", "-F", check=False)
        fl.client.run("ip", "neigh", "flush", "all")
        assert gone.tables() == [] and kube.owners(fl.client, theirs[0]) == [] and not fl.client.curl(theirs[0])
        gone.pause_kubelet(False)
        rebooted = time.monotonic()
        wait_until(lambda: kube.owners(fl.client, theirs[0]) == [gone.name], 90, f"node1 announces {theirs[0]} again")
        announced = time.monotonic() - rebooted
        wait_until(lambda: fl.client.curl(theirs[0]), 30, f"an answer from {theirs[0]}")
        print(f"figure without the API server: announced again {announced:.1f} s, forwarded {time.monotonic() - rebooted:.1f} s after the crash")
        for ip in ips.values():
            assert kube.owners(fl.client, ip) == owners[ip] and fl.client.curl(ip)
        assert not ready(api)
    finally:
        run(["docker", "start", kube.control_plane.container])
        kube.starts.append((time.time(), time.time() + 25))
    with fl.client.knocking(theirs[0]) as answers:
        seen = fl.client.who_has(*ips.values(), seconds=25)
        assert ready(api), "the API server is back"
    assert {ip: {tuple(kube.by_mac.get(m, m) for m in macs) for macs in rounds} for ip, rounds in seen.items()} == \
        {ip: {tuple(o)} for ip, o in owners.items()}
    failed = [t for t, a in answers if not a]
    assert len(answers) > 50 and not failed, f"{len(failed)} of {len(answers)} failed"
    assert "state_restored" in kube.kubectl("-n", NAMESPACE, "logs", speaker)
    assert {n: api.service(n)["status"] for n in names} == statuses
    # ... and it is no museum: what changes now is seen.
    api.create(service("after", app="far"))
    ip = fl.external_ip("after", 60)
    wait_until(lambda: fl.client.curl(ip), 30, "an answer from a Service made after it")
    for name in [*names, "after"]:
        api.delete(service(name))


def ready(api):
    try:
        return api.call("GET", "/readyz")[0] == 200
    except OSError:
        return False


def test_leader_killed_while_services_are_made(fl):
    """Two controllers, the leader killed again and again: no address is given twice or changed. The container that kubelet
    starts again has its predecessor's name, which nobody else can have, and waits for that one's last writes only."""
    api, kube = fl.api, fl.kubernetes
    count, kills = (500, 10) if FULL else (100, 3)
    api.create(pool("killed", ["10.98.0.0/22"]))
    wait_until(fl.leader, 30, "a leader")
    seen = Shown(api)
    made, gaps = 0, []
    for kill in range(kills):
        holder, pod = fl.leading_pod()
        upto = count * (kill + 1) // kills
        while made < upto:
            api.create(service(f"killed{made}", annotations={"fairlead.io/address-pool": "killed"}))
            made += 1
            if made == upto - (upto - count * kill // kills) // 2:  # in the middle
                fl.nodes[pod["spec"]["nodeName"]].kill_containers(pod["metadata"]["name"], "controller")
                killed = time.monotonic()
        wait_until(lambda: fl.leader() not in (None, holder) or len(seen.of("killed")) == made, 120, f"another leader than {holder}", 0.1)
        gaps.append(time.monotonic() - killed)
    wait_until(lambda: len(seen.of("killed")) == count, 180, lambda: f"addresses: {len(seen.of('killed'))} of {count}", 0.2)
    print(f"figure leader killed {kills} times during {count} Services; a new one after " + ", ".join(f"{g:.1f}" for g in gaps) + " s")
    time.sleep(2)
    seen.stop()
    history = seen.of("killed")
    assert not seen.doubled
    assert {n: h for n, h in history.items() if len(h) != 1} == {}
    assert len({h[0] for h in history.values()}) == count
    for i in range(count):
        api.delete(service(f"killed{i}"))
    api.delete(pool("killed"))


def test_beside_kube_proxy_only_addresses_of_pools_are_forwarded(fl):
    """A speaker that starts where kube-proxy runs leaves it what is its own, and says so; without it, it takes all."""
    node = fl.nodes["node1"]

    def restarted():
        new = fl.next_speaker("node1")
        return wait_until(lambda: next((line for line in fl.kubernetes.kubectl("-n", NAMESPACE, "logs", new).splitlines()
                                        if "event=mode" in line), None), 20, "what it found")

    node.run("bash", "-c", "kube-proxy --kubeconfig /keys/admin.conf --proxy-mode nftables --hostname-override node1 --conntrack-max-per-core=0 "
             "--cluster-cidr 10.244.0.0/16,fd00:244::/32 >/var/log/kube-proxy.log 2>&1 & echo $! >/run/kube-proxy.pid")
    try:
        wait_until(lambda: "kube-proxy" in node.tables() and node.run("curl", "-s", "127.0.0.1:10249/healthz", check=False) == "ok", 60, "kube-proxy")
        found = restarted()
        assert "mode=loadbalancer" in found and "kube-proxy listens" in found, found
        dns = fl.api.service("kube-dns", "kube-system")["spec"]["clusterIP"]
        wait_until(lambda: dns not in json.dumps(list(node.elements().values())), 20, "no element for a ClusterIP")
        elements = node.serving()
        assert fl.ip in json.dumps(elements["services4"])
        assert not elements["node_addresses4"] and not elements["service_cidrs4"]
        answer = node.run("dig", "+short", "+time=2", "+tries=3", f"@{dns}", "web.default.svc.cluster.local").strip()
        assert answer == fl.api.service("web")["spec"]["clusterIP"], "ClusterIPs work, by kube-proxy"
        wait_until(lambda: fl.client.curl(fl.ip), 10, "the VIP answers")
    finally:
        node.run("bash", "-c", "kill $(cat /run/kube-proxy.pid); for f in ip ip6; do nft delete table $f kube-proxy; done", check=False)
    found = restarted()
    assert "mode=full" in found, found
    wait_until(lambda: dns in json.dumps(list(node.elements().values())), 20, "ClusterIPs are ours again")


def test_no_right_is_missing_or_left_unused(fl):
    """What the programs asked for in all the tests before, beside what their roles give them."""
    asked = fl.kubernetes.asked(fl.mark)
    for component in ("controller", "speaker"):
        requests = asked[f"{NAMESPACE}:fairlead-{component}"]
        assert not [r for r in requests if r[2] in (401, 403)], requests
        used = {(verb, resource) for verb, resource, _ in requests}
        granted = set()
        for line in (GOLDEN / f"rbac-{component}.txt").read_text().splitlines():
            resource, _, verbs = line.partition(" ")
            if not line.startswith(("#", "[", "self")):
                granted |= {(verb, resource.replace(".fairlead.io", "").replace(".coordination.k8s.io", "").replace(".discovery.k8s.io", "").replace(".networking.k8s.io", ""))
                            for verb in verbs.rsplit("[", 1)[1].rstrip("]").split()}
        print(f"figure rights of the {component} not used by these tests: {sorted(granted - used)}")
        assert used <= granted
        # An Event is patched when it happens again, a Service when the API server's status path keeps annotations out. A
        # server-side apply is a patch in the audit and asks for create besides; an owner may cost the right to delete.
        status_kinds = ("configurationstates", "servicel2statuses")
        assert granted - used <= {("patch", "events"), ("create", "events"), ("patch", "services"), ("list", "servicel2statuses"),
                                  *((verb, kind) for verb in ("create", "delete") for kind in status_kinds)}


def test_uninstall_leaves_nothing(fl):
    """The two steps that the chart's notes name."""
    kube = fl.kubernetes
    crds = [c["metadata"]["name"] for path in sorted(CHART.glob("crds/*.yaml")) for c in yaml.safe_load_all(path.read_text())]
    notes = (CHART / "templates/NOTES.txt").read_text()
    assert all(c in notes for c in crds), "the notes name what stays"
    assert any(t.startswith("fairlead-") for n in fl.nodes.values() for t in n.tables())
    kube.helm("upgrade", "fairlead", CHART, "--namespace", NAMESPACE, "--reuse-values", "--set", "cleanup=true")
    kube.kubectl("-n", NAMESPACE, "rollout", "status", "daemonset/fairlead-speaker", "--timeout=90s")
    kube.helm("uninstall", "fairlead", "--namespace", NAMESPACE)
    kube.kubectl("delete", "crd", *crds)
    assert {name: [t for t in n.tables() if "fairlead" in t] for name, n in fl.nodes.items()} == {name: [] for name in fl.nodes}
    left = kube.kubectl("get", "clusterroles,clusterrolebindings,crds,deployments,daemonsets,serviceaccounts,roles,rolebindings", "-A", "-o", "name")
    assert "fairlead" not in left.replace(NAMESPACE, "")
    wait_until(lambda: not kube.pods("speaker") and not kube.pods("controller"), 60, "the pods are gone")
    assert not fl.client.curl(fl.ip)
