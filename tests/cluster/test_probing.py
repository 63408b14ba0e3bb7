"""Addresses that somebody on the network has, and addresses that rest, as the chart sets it up on a real cluster: rights, the
AddressRecords on a real API server, and a controller that is replaced."""
import pytest
from kube import NAMESPACE, POOL, Installed, address, custom, is_ready, l2_advertisement, service, wait_until

RECORDS = f"/apis/fairlead.io/v1/namespaces/{NAMESPACE}/addressrecords"
PLACE = "probing"  # of the Services: others may have left some that wait for an address
TAKEN, NEXT, THIRD = "198.18.0.200", "198.18.0.201", "198.18.0.202"


@pytest.fixture(scope="module")
def asking(kubernetes, loaded, client):
    kubernetes.kubectl("create", "namespace", PLACE)
    f = Installed(kubernetes, loaded, "addresses.probe=true", "addresses.holdDown=10m")
    wait_until(lambda: len(p := kubernetes.pods("controller")) == 2 and all(map(is_ready, p)), 90, "both controllers")
    wait_until(lambda: len(p := kubernetes.pods("speaker")) == 3 and all(map(is_ready, p)), 90, "the speakers")
    f.leading_pod()
    client.run("ip", "addr", "add", f"{TAKEN}/32", "dev", "eth0")
    f.api.create(custom("IPAddressPool", "lan", addresses=[POOL], serviceAllocation={"namespaces": [PLACE]}))
    f.api.create(l2_advertisement())
    yield f
    client.run("ip", "addr", "del", f"{TAKEN}/32", "dev", "eth0", check=False)
    kubernetes.kubectl("delete", "namespace", PLACE, "--wait=true")
    f.take_away()


def create(api, name):
    made = service(name)
    made["metadata"]["namespace"] = PLACE
    api.create(made)


def external_ip(api, name, seconds=20):
    return wait_until(lambda: address(api.get(f"/api/v1/namespaces/{PLACE}/services/{name}")), seconds, f"an EXTERNAL-IP for {name}", 0.05)


def records(api):
    return {r["metadata"]["name"]: r.get("status", {}) for r in api.items(RECORDS)}


def test_an_address_that_a_host_has_is_passed_over_and_nothing_is_left(asking, client):
    api, mark = asking.api, asking.kubernetes.audit_mark()
    create(api, "web")
    assert external_ip(api, "web") == NEXT
    mac = client.run("cat", "/sys/class/net/eth0/address").strip()
    told = wait_until(lambda: [e["message"] for e in api.items(f"/api/v1/namespaces/{PLACE}/events") if e["reason"] == "AddressInUse"], 20, "an Event")
    assert f"it does not get {TAKEN}: {mac} answers for it on eth0 of Node " in told[0] and "IPAddressPool lan" in told[0]
    wait_until(lambda: not records(api), 20, lambda: f"no record is left: {records(api)}")
    asked = [(e["user"]["username"].rsplit(":", 1)[1], e["verb"], e["objectRef"].get("subresource", ""), e["responseStatus"]["code"])
             for e in asking.kubernetes.audited(mark) if e.get("objectRef", {}).get("resource") == "addressrecords" and e["verb"] != "watch"]
    assert {a[0] for a in asked} == {"fairlead-controller", "fairlead-speaker"}
    assert {a[3] for a in asked} <= {200, 201}, asked
    print(f"figure one address passed over: {len(asked)} requests about AddressRecords")
    assert len(asked) <= 40, asked


def test_what_rests_outlives_the_controllers(asking):
    api, kube = asking.api, asking.kubernetes
    kube.kubectl("-n", PLACE, "delete", "service", "web")
    wait_until(lambda: [h["serviceName"] for h in records(api).get("controller", {}).get("heldDown", [])] == ["web"], 20, lambda: f"it rests: {records(api)}")
    old = {p["metadata"]["name"] for p in kube.pods("controller")}
    kube.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/fairlead-controller")
    wait_until(lambda: not old & {p["metadata"]["name"] for p in kube.pods("controller")}, 120, "other controllers")
    asking.leading_pod()
    assert "controller" in records(api), "its record is no Pod's"
    create(api, "other")
    assert external_ip(api, "other", 40) == THIRD
    create(api, "web")
    assert external_ip(api, "web", 40) == NEXT, "it was kept for the Service of this name"
    wait_until(lambda: not records(api), 20, lambda: f"no record is left: {records(api)}")
