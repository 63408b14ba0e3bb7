"""fairlead-controller --once on folders: what a whole run of the program leaves behind. Needs no namespaces."""
import subprocess

import pytest
import yaml
from lab import program

pytestmark = pytest.mark.anywhere


def obj(api, kind, name, spec=None, ns=None, notes=None, status=None):
    out = {"apiVersion": api, "kind": kind, "metadata": {"name": name}}
    if ns:
        out["metadata"]["namespace"] = ns
    if notes:
        out["metadata"]["annotations"] = notes
    if spec is not None:
        out["spec"] = spec
    if status is not None:
        out["status"] = status
    return out


def pool(name, addresses, group="metallb.io/v1beta1", ns=None, **spec):
    return obj(group, "IPAddressPool", name, {"addresses": addresses, **spec}, ns=ns)


def service(name, cluster=("10.96.1.1",), ns="default", notes=None, shown=(), port=80, **spec):
    spec = {"type": "LoadBalancer", "ports": [{"port": port}], **spec}
    if cluster:
        spec |= {"clusterIP": cluster[0], "clusterIPs": list(cluster)}
    status = {"loadBalancer": {"ingress": [{"ip": ip} for ip in shown]}} if shown else None
    return obj("v1", "Service", name, spec, ns=ns, notes=notes, status=status)


def once(folder, *objects, flags=("--api-group", "metallb.io")):
    """Exit code, and what each Service shows in the end: by the table, and by the overlay over the manifest."""
    if objects:
        (folder / "all.yaml").write_text(yaml.safe_dump_all(list(objects)))
    done = subprocess.run([program("fairlead-controller"), "--manifests", str(folder), "--once", *flags],
                          capture_output=True, text=True, timeout=60)
    shown = {}
    for line in done.stdout.splitlines()[1:]:
        ns, name, _, _, external, _ = line.split()
        shown[name if ns == "default" else f"{ns}/{name}"] = external
    return done.returncode, shown


def overlay(folder, name, ns="default", kind="Service"):
    return yaml.safe_load((folder / ".status" / kind / ns / f"{name}.yaml").read_text())


def test_metallb_objects_are_served_as_metallb_serves_them(tmp_path):
    code, shown = once(
        tmp_path,
        pool("auto", ["192.0.2.0/29", "2001:db8::/125"], ns="metallb-system"),
        pool("bare", ["198.51.100.255-198.51.101.3"], autoAssign=False, avoidBuggyIPs=True),
        pool("elsewhere", ["203.0.113.0/24"], ns="default"),
        pool("gold", ["192.0.2.64/30"], ns="metallb-system",
             serviceAllocation={"priority": 1, "namespaceSelectors": [{"matchLabels": {"kubernetes.io/metadata.name": "shop"}}]}),
        service("a"),
        service("b", notes={"metallb.io/loadBalancerIPs": "192.0.2.5"}),
        service("c", cluster=("10.96.1.3", "fd96::3"), ipFamilyPolicy="PreferDualStack", ipFamilies=["IPv4", "IPv6"]),
        service("d", notes={"metallb.universe.tf/address-pool": "bare"}),
        service("e", notes={"metallb.io/address-pool": "elsewhere"}),
        service("f", ns="shop"),
        service("g", notes={"metallb.io/allow-shared-ip": "k"}),
        service("h", ns="shop2", notes={"metallb.io/allow-shared-ip": "k"}, port=81),
        service("i", cluster=("fd96::9",)),
        service("j", cluster=("10.96.1.9",), ipFamilyPolicy="RequireDualStack", shown=["192.0.2.6"]),
        service("k", loadBalancerClass="example.com/theirs"),
    )
    assert code == 0
    assert shown == {
        "a": "192.0.2.0", "b": "192.0.2.5", "c": "192.0.2.1,2001:db8::", "d": "198.51.101.1", "e": "<pending>",
        "shop/f": "192.0.2.64", "g": "192.0.2.2", "shop2/h": "192.0.2.2", "i": "2001:db8::1", "j": "<pending>",
        "k": "<pending>",
    }
    assert overlay(tmp_path, "c")["metadata"]["annotations"] == {"metallb.io/ip-allocated-from-pool": "auto"}
    assert overlay(tmp_path, "auto", "metallb-system", "IPAddressPool")["status"] == {
        "assignedIPv4": 4, "assignedIPv6": 2, "availableIPv4": 4, "availableIPv6": 6}


def test_a_second_run_moves_nothing_even_when_an_older_service_appears(tmp_path):
    first = [pool("p", ["192.0.2.0/30"]), service("m"), service("n")]
    assert once(tmp_path, *first) == (0, {"m": "192.0.2.0", "n": "192.0.2.1"})
    assert once(tmp_path, *first, service("a")) == (0, {"a": "192.0.2.2", "m": "192.0.2.0", "n": "192.0.2.1"})


def test_one_wrong_pool_stops_metallb_and_only_itself_in_our_own_mode(tmp_path):
    services = [service("new"), service("old", shown=["192.0.2.3"])]
    for group, bad, code, new in (
        ("metallb.io/v1beta1", ["192.0.2.7/32"], 1, "<pending>"),
        ("metallb.io/v1beta1", ["192.0.2.7"], 1, "<pending>"),
        ("fairlead.io/v1", ["192.0.2.7/32"], 1, "192.0.2.0"),
        ("fairlead.io/v1", ["192.0.2.7"], 1, "192.0.2.0"),
    ):
        folder = tmp_path / f"{group[:4]}{len(bad[0])}"
        folder.mkdir()
        pools = [pool("good", ["192.0.2.0/24"], group), pool("wrong", bad, group)]
        got = once(folder, *pools, *services, flags=("--api-group", group.split("/")[0]))
        assert got == (code, {"new": new, "old": "192.0.2.3"})


def test_what_is_no_load_balancer_any_more_is_cleared(tmp_path):
    notes = {"metallb.io/ip-allocated-from-pool": "p"}
    code, _ = once(tmp_path, pool("p", ["192.0.2.0/30"]), service("s", shown=["192.0.2.1"], notes=notes, type="ClusterIP"))
    assert code == 0
    left = overlay(tmp_path, "s")
    assert left["status"] == {"loadBalancer": {}}
    assert left["metadata"]["annotations"] == {"metallb.io/ip-allocated-from-pool": None}


def test_flags(tmp_path):
    objects = [pool("p", ["192.0.2.0/30", "2001:db8::/126"], "fairlead.io/v1"), service("none"),
               service("ours", cluster=(), loadBalancerClass="example.com/x", ipFamilyPolicy="RequireDualStack")]
    flags = ("--lb-class", "example.com/x", "--service-cidr", "10.96.0.0/16,fd96::/112")
    assert once(tmp_path, *objects, flags=flags) == (0, {"none": "<pending>", "ours": "192.0.2.0,2001:db8::"})
    assert overlay(tmp_path, "ours")["spec"]["clusterIPs"] == ["10.96.0.10", "fd96::a"]
    for wrong in (("--api-group", "example.com"), ("--hold-down", "soon"), ("--hold-down", "-3s")):
        assert once(tmp_path, flags=wrong)[0] == 2


@pytest.mark.parametrize("group, ns", [("fairlead.io/v1", "fairlead-system"), ("metallb.io/v1beta1", "metallb-system")])
def test_what_is_wrong_is_summed_up_and_stops_no_address(tmp_path, group, ns):
    own = ns if group.startswith("metallb") else "default"
    flags = ("--api-group", group.split("/")[0])
    peers = group if group.startswith("fairlead") else "metallb.io/v1beta2"
    good = [pool("p", ["192.0.2.0/30"], group), service("s")]
    wrong = [obj(group, "L2Advertisement", "twice", {"ipAddressPools": ["p", "p"]}),
             obj(peers, "BGPPeer", "tor", {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.100", "bfdProfile": "none"}),
             obj(peers, "BGPPeer", "unread", {"myASN": "x", "peerAddress": "192.0.2.101"})]
    assert once(tmp_path, *good, *wrong, flags=flags) == (1, {"s": "192.0.2.0"})
    state = overlay(tmp_path, "controller", ns, "ConfigurationState")
    assert state["apiVersion"] == f"{group.split('/')[0]}/{'v1' if own == 'default' else 'v1beta1'}"
    assert state["metadata"]["labels"] == {f"{group.split('/')[0]}/component-type": "controller"}
    assert state["status"]["result"] == "Invalid"
    assert [line.split(" ")[:3] for line in state["status"]["errorSummary"].splitlines()] == [
        ["BGPPeer", f"{own}/tor:", "spec.bfdProfile"], ["BGPPeer", f"{own}/unread:", "spec.myASN"],
        ["L2Advertisement", f"{own}/twice:", "spec.ipAddressPools[1]"]]
    log = (tmp_path / ".status/events.log").read_text()
    assert f"Warning BGPPeer {own}/tor InvalidConfiguration BGPPeer {own}/tor: spec.bfdProfile" in log
    assert once(tmp_path, *good, flags=flags) == (0, {"s": "192.0.2.0"})
    state = overlay(tmp_path, "controller", ns, "ConfigurationState")
    assert state["status"]["result"] == "Valid" and "errorSummary" not in state["status"]
    assert state["status"]["conditions"][0]["status"] == "True"


def plain(name, *ports, type="LoadBalancer", **spec):
    """A Service to which everything is given."""
    ports = [{"name": f"p{port}", "port": port} for port in ports or (80,)]
    return obj("v1", "Service", name, {"type": type, "ports": ports, **spec}, ns="default")


def given(folder, *names):
    """(cluster addresses, node ports) of these Services, as their overlays have them."""
    specs = [overlay(folder, name).get("spec", {}) for name in names]
    return [ip for s in specs for ip in s.get("clusterIPs", [])], [p["nodePort"] for s in specs for p in s.get("ports", [])]


def test_a_service_made_again_is_a_new_one(tmp_path):
    """Deleted while no controller ran: what was written about it is nobody's."""
    one = pool("p", ["192.0.2.0/32"])
    assert once(tmp_path, one, plain("a"))[1] == {"a": "192.0.2.0"}
    assert once(tmp_path, one, plain("b"))[1] == {"b": "192.0.2.0"}
    assert not (tmp_path / ".status/Service/default/a.yaml").exists()
    assert once(tmp_path, one, plain("a"), plain("b"))[1] == {"a": "<pending>", "b": "192.0.2.0"}
    ips, ports = given(tmp_path, "a", "b")
    assert len(set(ips)) == len(set(ports)) == 2, (ips, ports)


@pytest.mark.parametrize("without", [
    plain("a", 80), plain("a", 80, 81, type="ClusterIP"), plain("a", 80, 81, clusterIP="None"),
    obj("v1", "Service", "a", {"type": "ExternalName", "externalName": "example.org"}, ns="default")],
    ids=["one port less", "ClusterIP", "headless", "ExternalName"])
def test_what_a_service_has_no_use_for_is_free(tmp_path, without):
    """And when it has again, it gets another one where somebody else has the first."""
    pools, whole = pool("p", ["192.0.2.0/24"]), plain("a", 80, 81)
    once(tmp_path, pools, whole)
    once(tmp_path, pools, without, plain("b", 80, 81))
    assert once(tmp_path, pools, whole, plain("b", 80, 81))[0] == 0
    ips, ports = given(tmp_path, "a", "b")
    assert len(set(ips)) == len(ips) == 2 and len(set(ports)) == len(ports) == 4, (ips, ports)


@pytest.mark.parametrize("group", ["fairlead.io", "metallb.io"])
@pytest.mark.parametrize("policy", ["PreferDualStack", "RequireDualStack"])
def test_the_second_cluster_address_comes_to_one_that_was_written(tmp_path, group, policy):
    code, shown = once(tmp_path, pool("p", ["192.0.2.0/24", "2001:db8::/120"]),
                       obj("v1", "Service", "a", {"type": "LoadBalancer", "ipFamilyPolicy": policy, "clusterIP": "10.96.0.9", "ports": [{"port": 80}]}, ns="default"),
                       flags=("--api-group", group, "--service-cidr", "10.96.0.0/16,fd00::/108"))
    assert (code, shown) == (0, {"a": "192.0.2.0,2001:db8::"})
    ips, _ = given(tmp_path, "a")
    assert ips[0] == "10.96.0.9" and ips[1].startswith("fd00::"), ips


@pytest.mark.parametrize("text", ["replicas: 2\n", "just words\n", "a: [\n", "apiVersion: v1\nkind: Service\nkind: Service\n"],
                         ids=["no kind", "a scalar", "no YAML", "a key twice"])
def test_what_is_no_object_stops_nobody(tmp_path, text):
    (tmp_path / "values.yaml").write_text(text)
    assert once(tmp_path, pool("p", ["192.0.2.0/24"]), plain("a")) == (1, {"a": "192.0.2.0"})


def test_a_pool_without_a_name_stops_metallb(tmp_path):
    nameless = pool("p", ["198.51.100.0/24"])
    del nameless["metadata"]["name"]
    assert once(tmp_path, pool("p", ["192.0.2.0/24"]), nameless, plain("a")) == (1, {"a": "<pending>"})


def test_metallb_asks_for_the_pool_before_the_addresses(tmp_path):
    notes = {"metallb.io/address-pool": "q", "metallb.io/loadBalancerIPs": "bad"}
    code, shown = once(tmp_path, pool("p", ["192.0.2.0/24"]), pool("q", ["198.51.100.0/24"]), service("a", notes=notes, shown=["192.0.2.2"]))
    assert (code, shown) == (0, {"a": "<pending>"})
