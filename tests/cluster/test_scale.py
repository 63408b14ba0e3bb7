"""Thousands of Services at once on a real API server, and leaders that die meanwhile: how soon all have addresses, and that
no address ever changes or is given twice. A watch records every status that was ever shown.

With FAIRLEAD_FULL 5,000 and 2,700 Services and ten deaths; else a tenth of that, and three deaths.
"""
import collections
import threading
import time

import pytest
from kube import FULL, NAMESPACE, Installed, Shown, addresses, collection_of, custom, in_parallel, is_ready, judged, wait_until

PLAIN, WAITING, WITH_PORTS, KILLS = (5000, 2000, 2700, 10) if FULL else (500, 500, 200, 3)  # 2,768 node ports are there
PLACE = "scale"  # the namespace of the Services
POOL = ("10.64.0.0/18", "fd64::/64")


@pytest.fixture(scope="module")
def scale(kubernetes, loaded):
    f = Installed(kubernetes, loaded)
    kubernetes.kubectl("create", "namespace", PLACE)
    wait_until(lambda: len(p := kubernetes.pods("controller")) == 2 and all(map(is_ready, p)), 90, "both controllers")
    f.leading_pod()
    # Its own: others may have left Services that wait for an address.
    f.api.create(custom("IPAddressPool", "scale", addresses=list(POOL), serviceAllocation={"namespaces": [PLACE]}))
    f.shown = Shown(f.api)
    yield f
    kubernetes.kubectl("delete", "namespace", PLACE, "--wait=true", timeout=600)
    f.take_away()


def load_balancer(name, has_node_ports=False, is_dual=False):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": PLACE},
            "spec": {"type": "LoadBalancer", "selector": {"app": name}, "allocateLoadBalancerNodePorts": has_node_ports,
                     "ipFamilyPolicy": "PreferDualStack" if is_dual else "SingleStack", "ports": [{"port": 80, "protocol": "TCP"}]}}


def create(api, prefix, numbers, **how):
    """Every second one is of both families."""
    post(api, [load_balancer(f"{prefix}{i}", is_dual=i % 2 == 1, **how) for i in numbers])


def post(api, objects):
    """A busy server may make what it does not answer in time: asked again, it has it."""
    def one(obj):
        code, answer = api.call("POST", collection_of(obj), obj)
        assert code in (201, 409), answer

    in_parallel(one, objects)


def faults(shown, prefix, count):
    """What is wrong with the history of so many Services: nothing but one status each, of the families they have."""
    history = shown.of(prefix, PLACE)
    wrong = {name: seen for name, seen in history.items() if len(seen) != 1 or len(seen[0]) != 1 + int(name.removeprefix(prefix)) % 2}
    return wrong or (len(history) != count and f"{len(history)} of {count} have a status")


def usage(scale, mark, title):
    """Prints what the controllers asked the API server for since the mark, and how large they are."""
    asked = collections.Counter((e["verb"], e["objectRef"]["resource"], e["responseStatus"]["code"]) for e in scale.kubernetes.audited(mark)
                                if e["user"]["username"].endswith(":fairlead-controller") and e["verb"] != "watch")
    resident = [mb for node in scale.nodes.values() for mb in node.resident_mb("fairlead-controller")]
    print(f"figure {title}: the controllers' requests " + ", ".join(f"{n} x {verb} {what} {code}" for (verb, what, code), n in asked.most_common())
          + "; resident " + ", ".join(f"{mb:.1f}" for mb in resident) + " MB")


def test_thousands_of_services_at_once(scale):
    mark, started = scale.kubernetes.audit_mark(), time.monotonic()
    create(scale.api, "plain", range(PLAIN))
    last = time.monotonic()
    shown = lambda: len(scale.shown.of("plain", PLACE))  # noqa: E731
    wait_until(lambda: shown() == PLAIN, 300, lambda: f"{shown()} of {PLAIN} have a status", 0.1)
    took = time.monotonic() - last
    print(f"figure {PLAIN} Services made in {last - started:.1f} s")
    judged(f"{PLAIN} Services: all have addresses after the last was made", took, 20)
    usage(scale, mark, f"{PLAIN} Services")


def test_all_that_wait_get_addresses_when_their_pool_comes(scale):
    """However slow the API server is to make Services: so many writes are due at once."""
    pool = custom("IPAddressPool", "late", addresses=["10.65.0.0/19"], autoAssign=False)

    def wanting(name):
        obj = load_balancer(name)
        obj["metadata"]["annotations"] = {"fairlead.io/address-pool": "late"}
        return obj

    post(scale.api, [wanting(f"late{i}") for i in range(WAITING)])
    assert not scale.shown.of("late", PLACE)
    scale.api.create(pool)
    started = time.monotonic()
    shown = lambda: len(scale.shown.of("late", PLACE))  # noqa: E731
    wait_until(lambda: shown() == WAITING, 300, lambda: f"{shown()} of {WAITING} have a status", 0.05)
    took = time.monotonic() - started
    print(f"figure {WAITING} addresses written at {WAITING / took:.0f}/s")
    judged(f"{WAITING} Services that wait: all have addresses after their pool came", took, 20 * WAITING / 5000)
    history = scale.shown.of("late", PLACE)
    assert all(len(seen) == 1 for seen in history.values()) and len({seen[0] for seen in history.values()}) == WAITING
    in_parallel(lambda name: scale.api.delete(load_balancer(name)), history)
    scale.api.delete(pool)


def test_leaders_die_while_services_with_node_ports_are_made(scale):
    """Each death in the middle of writing; a new leader, or the same pod once more, finishes it. Every third leader goes as in
    an update, and gives its lease to one whose watch may be behind."""
    mark, gaps = scale.kubernetes.audit_mark(), []
    for kill in range(KILLS):
        first, end = WITH_PORTS * kill // KILLS, WITH_PORTS * (kill + 1) // KILLS
        _, pod = scale.leading_pod()
        shown = lambda: len(scale.shown.of("port", PLACE))  # noqa: E731
        making = threading.Thread(target=create, args=(scale.api, "port", range(first, end)), kwargs={"has_node_ports": True})
        making.start()
        wait_until(lambda: shown() >= first + (end - first) // 3, 180, lambda: f"a third of this part: {shown() - first} of {end - first}", 0.001)
        had = shown()
        if kill % 3 == 2:
            scale.kubernetes.kubectl("-n", NAMESPACE, "delete", "pod", pod["metadata"]["name"], "--wait=false")
        else:
            scale.nodes[pod["spec"]["nodeName"]].kill_containers(pod["metadata"]["name"], "controller")
        killed = time.monotonic()
        making.join()
        wait_until(lambda: shown() == end, 120, lambda: f"{shown()} of {end} have a status", 0.05)
        gaps.append((time.monotonic() - killed, end - had))
    print(f"figure leader killed {KILLS} times while {WITH_PORTS} Services were made; all have addresses again after "
          + ", ".join(f"{seconds:.1f} s ({left} to go)" for seconds, left in gaps))
    usage(scale, mark, f"{WITH_PORTS} Services, {KILLS} deaths")


def test_no_address_ever_changed_or_was_given_twice(scale):
    time.sleep(3)
    assert not (wrong := faults(scale.shown, "plain", PLAIN)), wrong
    assert not (wrong := faults(scale.shown, "port", WITH_PORTS)), wrong
    assert not scale.shown.doubled
    services = {s["metadata"]["name"]: s for s in scale.api.items(f"/api/v1/namespaces/{PLACE}/services")}
    assert {n: addresses(s) for n, s in services.items()} == {n: h[-1] for n, h in scale.shown.of("p", PLACE).items()}, "the watch saw all"
    assert all("nodePort" not in p for n, s in services.items() if n.startswith("plain") for p in s["spec"]["ports"])
    ports = [p["nodePort"] for n, s in services.items() if n.startswith("port") for p in s["spec"]["ports"]]
    assert len(set(ports)) == WITH_PORTS
    status = lambda: scale.api.get(f"/apis/fairlead.io/v1/namespaces/{NAMESPACE}/ipaddresspools/scale")["status"]  # noqa: E731
    wait_until(lambda: (s := status())["assignedIPv4"] == PLAIN + WITH_PORTS and s["assignedIPv6"] == (PLAIN + WITH_PORTS) // 2,
               30, lambda: f"the pool counts them: {status()}")


def test_two_holders(scale):
    """Somebody writes the address of one Service to another's status while no controller is there: the older keeps it, the
    other gets one of its own, both are told. Nobody else's address changes."""
    api, kube = scale.api, scale.kubernetes
    before = {name: list(seen) for name, seen in scale.shown.of("", PLACE).items()}
    kube.kubectl("-n", NAMESPACE, "scale", "deployment/fairlead-controller", "--replicas=0")
    wait_until(lambda: not kube.pods("controller"), 60, "no controller is there")
    path = f"/api/v1/namespaces/{PLACE}/services"
    theirs = addresses(api.get(f"{path}/plain0"))
    api.create(load_balancer("younger"))
    code, answer = api.call("PATCH", f"{path}/younger/status", {"status": {"loadBalancer": {"ingress": [{"ip": theirs[0]}]}}}, "application/merge-patch+json")
    assert code == 200, answer
    kube.kubectl("-n", NAMESPACE, "scale", "deployment/fairlead-controller", "--replicas=2")
    wait_until(lambda: scale.shown.of("younger", PLACE)["younger"][-1] not in ((), theirs), 90,
               lambda: f"another address than {theirs}: {scale.shown.of('younger', PLACE)}")

    def told():
        return {e["involvedObject"]["name"]: e["message"] for e in api.items(f"/api/v1/namespaces/{PLACE}/events")
                if (e["involvedObject"]["name"], e["reason"]) in (("plain0", "AddressConflict"), ("younger", "ClearAssignment"))}

    messages = wait_until(lambda: len(told()) == 2 and told(), 20, lambda: f"an Event on both: {told()}")
    assert f"keeps {theirs[0]}: Service {PLACE}/younger showed it too" in messages["plain0"], messages
    assert f"gives up {theirs[0]}: Service {PLACE}/plain0 has it" in messages["younger"], messages
    time.sleep(3)
    scale.shown.stop()
    after = scale.shown.of("", PLACE)
    own = after.pop("younger")
    assert after == before
    assert own[0] == theirs and own[-1] not in [h[-1] for h in after.values()]
    assert scale.shown.doubled == [(theirs[0], f"{PLACE}/plain0", f"{PLACE}/younger")]
