"""What a real API server takes and refuses by the chart's definitions alone: OpenAPI and CEL, without any of Fairlead's
programs. Nothing is stored (dryRun), but for what is applied twice.

REFUSED: what fairleadctl validate calls an error and one object shows by itself; what takes several objects to see (overlaps
across pools, two peers of one router, aggregation beside a pool) no schema can, nor that a selector is there twice: server-side
apply knows no sets of maps. TAKEN: whatever MetalLB takes.
"""
import copy
import subprocess

import pytest
import yaml
from kube import CHART, NAMESPACE, STATE, collection_of, custom, wait_until

# Fields that make an object complete; a case overrides them (None takes one away).
BASE = {
    "IPAddressPool": {"addresses": ["192.0.2.0/28"]},
    "L2Advertisement": {},
    "BGPAdvertisement": {},
    "BGPPeer": {"myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1"},
    "BFDProfile": {},
    "Community": {},
}
POOL, L2, BGP, PEER, BFD, COMMUNITY = BASE

ZONE = {"matchLabels": {"zone": "a"}}
IN_A = {"key": "zone", "operator": "In", "values": ["a", "b"]}
SELECTORS = {POOL: ("serviceAllocation.namespaceSelectors", "serviceAllocation.serviceSelectors"),
             L2: ("ipAddressPoolSelectors", "nodeSelectors", "serviceSelectors"),
             BGP: ("ipAddressPoolSelectors", "nodeSelectors", "serviceSelectors"),
             PEER: ("nodeSelectors",)}


def nested(path, value):
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


# What is wrong with a list of selectors, wherever one is: (why, the list, words of the refusal)
BAD_SELECTORS = [
    ("the same value twice", [{"matchExpressions": [{**IN_A, "values": ["a", "a"]}]}], "Duplicate value"),
    ("an operator that is none", [{"matchExpressions": [{**IN_A, "operator": "Near"}]}], 'supported values: "In", "NotIn", "Exists", "DoesNotExist"'),
    ("no operator", [{"matchExpressions": [{"key": "zone"}]}], "operator: Required value"),
    ("no key", [{"matchExpressions": [{"operator": "Exists"}]}], "key: Required value"),
    ("In without values", [{"matchExpressions": [{"key": "zone", "operator": "In"}]}], "In and NotIn need values"),
    ("NotIn with no value", [{"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": []}]}], "In and NotIn need values"),
    ("Exists with values", [{"matchExpressions": [{**IN_A, "operator": "Exists"}]}], "Exists and DoesNotExist have none"),
    ("a key that is none", [{"matchExpressions": [{**IN_A, "key": "a zone"}]}], "key"),
    ("a value that is none", [{"matchExpressions": [{**IN_A, "values": ["not a value"]}]}], "values[0]"),
    ("a label's value that is none", [{"matchLabels": {"zone": "-a"}}], "matchLabels.zone"),
]

# (kind, what is wrong, fields of spec, words of the refusal)
REFUSED = [
    (POOL, "no addresses", {"addresses": None}, "spec.addresses: Required value"),
    (POOL, "empty addresses", {"addresses": []}, "should have at least 1 items"),
    *((POOL, f"addresses: {text!r}", {"addresses": [text]}, "write a prefix like 192.0.2.0/28, or a range")
      for text in ("192.0.2.7", "192.0.2.0/33", "2001:db8::/129", "192.0.2.256/32", "192.0.2/24", "host.example/24", "", "192.0.2.1-", "-192.0.2.1",
                   "192.0.2.1-192.0.2.300", "192.0.2.1-2001:db8::1", "2001:db8::1-192.0.2.1", "192.0.2.1-192.0.2.3-192.0.2.5", "192.0.2.01/32")),
    (POOL, "a range that ends before it begins", {"addresses": ["192.0.2.0/28", "192.0.3.1-192.0.2.200"]}, "spec.addresses[1]"),
    (POOL, "the words for it", {"addresses": ["192.0.2.9 - 192.0.2.5"]}, "the range ends before it begins"),
    (POOL, "the same twice", {"addresses": ["192.0.2.0/28", "192.0.2.0/28"]}, "Duplicate value"),
    (POOL, "a namespace twice", {"serviceAllocation": {"namespaces": ["a", "a"]}}, "spec.serviceAllocation.namespaces[1]: Duplicate value"),
    (POOL, "priority as text", {"serviceAllocation": {"priority": "high"}}, "spec.serviceAllocation.priority"),
    (POOL, "autoAssign as text", {"autoAssign": "no"}, "spec.autoAssign"),
    (L2, "a pool twice", {"ipAddressPools": ["a", "a"]}, "spec.ipAddressPools[1]: Duplicate value"),
    (L2, "weight 0", {"preferredNodeSelectors": [{"weight": 0, "preference": {}}]}, "greater than or equal to 1"),
    (L2, "weight 101", {"preferredNodeSelectors": [{"weight": 101, "preference": {}}]}, "less than or equal to 100"),
    (L2, "no weight", {"preferredNodeSelectors": [{"preference": {}}]}, "weight: Required value"),
    (L2, "no preference", {"preferredNodeSelectors": [{"weight": 1}]}, "preference: Required value"),
    (L2, "a preference that is no selector", {"preferredNodeSelectors": [{"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]},
     "In and NotIn need values"),
    *((BGP, f"{field} twice", {field: ["a", "a"]}, f"spec.{field}[1]: Duplicate value") for field in ("ipAddressPools", "communities", "peers")),
    (BGP, "aggregationLength 0", {"aggregationLength": 0}, "greater than or equal to 1"),
    (BGP, "aggregationLength 33", {"aggregationLength": 33}, "less than or equal to 32"),
    (BGP, "aggregationLengthV6 129", {"aggregationLengthV6": 129}, "less than or equal to 128"),
    (BGP, "an aggregate beside serviceSelectors", {"aggregationLength": 24, "serviceSelectors": [ZONE]}, "an aggregation length goes not with serviceSelectors"),
    (BGP, "an IPv6 aggregate beside serviceSelectors", {"aggregationLengthV6": 64, "serviceSelectors": [ZONE]}, "an aggregation length goes not with serviceSelectors"),
    (BGP, "localPref below 0", {"localPref": -1}, "greater than or equal to 0"),
    (BGP, "localPref above 32 bits", {"localPref": 2**32}, "less than or equal to 4294967295"),
    (BGP, "64 communities", {"communities": [f"64500:{i}" for i in range(64)]}, "must have at most 63 items"),
    (BGP, "an empty community", {"communities": [""]}, "spec.communities[0]"),
    (BGP, "asPathPrepend 17", {"asPathPrepend": 17}, "less than or equal to 16"),
    (PEER, "no spec", None, "spec: Required value"),
    (PEER, "no myASN", {"myASN": None}, "spec.myASN: Required value"),
    (PEER, "myASN 0", {"myASN": 0}, "greater than or equal to 1"),
    (PEER, "myASN above 32 bits", {"myASN": 2**32}, "less than or equal to 4294967295"),
    (PEER, "no ASN of the router", {"peerASN": None}, "one of peerASN and dynamicASN must be there"),
    (PEER, "peerASN 0", {"peerASN": 0}, "one of peerASN and dynamicASN must be there"),
    (PEER, "two ASNs of the router", {"dynamicASN": "internal"}, "one of peerASN and dynamicASN must be there"),
    (PEER, "another dynamicASN", {"peerASN": None, "dynamicASN": "any"}, 'supported values: "internal", "external"'),
    (PEER, "localASN 0", {"localASN": 0}, "greater than or equal to 1"),
    (PEER, "no router", {"peerAddress": None}, "one of peerAddress and interface must be there"),
    (PEER, "two ways to the router", {"interface": "eth0"}, "one of peerAddress and interface must be there"),
    (PEER, "a name", {"peerAddress": "tor.example"}, "must be an address like 192.0.2.1 or 2001:db8::1, not a name"),
    (PEER, "an octet of 256", {"peerAddress": "192.0.2.256"}, "spec.peerAddress"),
    (PEER, "a prefix", {"sourceAddress": "192.0.2.1/32"}, "must be an address like"),
    (PEER, "an IPv6 routerID", {"routerID": "2001:db8::1"}, "must be written like an IPv4 address"),
    (PEER, "peerPort 0", {"peerPort": 0}, "greater than or equal to 1"),
    (PEER, "peerPort 16385", {"peerPort": 16385}, "less than or equal to 16384"),
    (PEER, "holdTime 2s", {"holdTime": "2s"}, "must be 0s, or 3s to 65535s"),
    (PEER, "holdTime 65536s", {"holdTime": "65536s"}, "must be 0s, or 3s to 65535s"),
    (PEER, "holdTime without a unit", {"holdTime": "90"}, "spec.holdTime"),
    (PEER, "keepaliveTime longer", {"holdTime": "9s", "keepaliveTime": "10s"}, "keepaliveTime must not be longer than holdTime"),
    (PEER, "keepaliveTime negative", {"keepaliveTime": "-1s"}, "must not be negative"),
    (PEER, "keepaliveTime that makes a short holdTime", {"keepaliveTime": "500ms"}, "keepaliveTime alone makes a holdTime of three times as much"),
    (PEER, "keepaliveTime that makes a long holdTime", {"keepaliveTime": "22000s"}, "keepaliveTime alone makes a holdTime of three times as much"),
    (PEER, "connectTime 500ms", {"connectTime": "500ms"}, "must be 1s to 65535s"),
    (PEER, "connectTime 1500ms", {"connectTime": "1500ms"}, "must be a whole number of seconds"),
    (PEER, "connectTime 65536s", {"connectTime": "65536s"}, "must be 1s to 65535s"),
    (PEER, "two passwords", {"password": "x", "passwordSecret": {"name": "y"}}, "only one of password and passwordSecret may be there"),
    (PEER, "a line break in the password", {"password": "secret\nprotocol"}, "must not hold a double quote, a line break"),
    (PEER, "a quote in the password", {"password": 'secret"'}, "must not hold a double quote, a line break"),
    (PEER, "a long password", {"password": "secret" * 14}, "spec.password: Too long"),
    (PEER, "a line break in the interface", {"peerAddress": None, "interface": "eth0\n}"}, "must not hold a line break or another control character"),
    (PEER, "a line break in the VRF", {"vrf": "red\n"}, "must not hold a line break or another control character"),
    (PEER, "multihop within the AS", {"peerASN": 64500, "ebgpMultiHop": True}, "ebgpMultiHop is for a peer of another AS"),
    *((BFD, f"{field} {number}", {field: number}, f"spec.{field}")
      for field, least, most in (("receiveInterval", 10, 60000), ("transmitInterval", 10, 60000), ("echoInterval", 10, 60000), ("detectMultiplier", 2, 255),
                                 ("minimumTtl", 1, 254)) for number in (least - 1, most + 1)),
    (COMMUNITY, "an alias twice", {"communities": [{"name": "a", "value": "1:2"}, {"name": "a", "value": "1:3"}]}, "Duplicate value"),
    (COMMUNITY, "no name", {"communities": [{"value": "1:2"}]}, "name: Required value"),
    (COMMUNITY, "no value", {"communities": [{"name": "a"}]}, "value: Required value"),
    *((COMMUNITY, f"value {text}", {"communities": [{"name": "a", "value": text}]}, "spec.communities[0].value")
      for text in ("1", "1:2:3", "large:1:2", "no-export", "a:b", "", "1:", "big:1:2:3")),
    *((COMMUNITY, f"value {text}", {"communities": [{"name": "a", "value": text}]}, "the parts of A:B are 0 to 65535") for text in ("1:65536", "large:1:2:4294967296")),
    *((kind, f"{path}: {why}", nested(path, bad), words) for kind, paths in SELECTORS.items() for path in paths for why, bad, words in BAD_SELECTORS),
]

GOOD_SELECTORS = [{}, ZONE, {"matchLabels": {"a.example/zone": "", "b": "x" * 63}},
                  {"matchExpressions": [IN_A, {**IN_A, "operator": "NotIn"}, {"key": "zone", "operator": "Exists"}, {"key": "a.example/b", "operator": "DoesNotExist", "values": []}]}]

# (kind, what, fields of spec): each shape of MetalLB's own samples, and the edges of each range
TAKEN = [
    (POOL, "prefixes and ranges of both families",
     {"addresses": ["198.51.100.0/24", "192.168.9.1-192.168.9.5", "fc00:f853:0ccd:e799::/124", "192.0.2.10/32", "2001:db8::1-2001:db8::ff", "0.0.0.0/0", "::/0",
                    "198.51.100.10/24", "2001:DB8::1/128", "10.0.0.9-10.0.0.9", "::ffff:192.0.2.1/128"]}),
    (POOL, "blanks around a dash", {"addresses": ["192.0.2.1 - 192.0.2.9", " 2001:db8::1  -  2001:db8::9 ", "9.255.255.255 -10.0.0.1"]}),
    (POOL, "all that there is", {"autoAssign": False, "avoidBuggyIPs": True, "serviceAllocation": {"priority": 50, "namespaces": ["a", "b"],
                                 "namespaceSelectors": [ZONE], "serviceSelectors": GOOD_SELECTORS}}),
    (POOL, "an allocation that says nothing", {"serviceAllocation": {}}),
    (POOL, "many", {"addresses": [f"10.{i // 256}.{i % 256}.0/24" for i in range(1000)]}),
    (L2, "no spec", None), (L2, "nothing", {}),
    (L2, "all that there is", {"ipAddressPools": ["a", "b"], "ipAddressPoolSelectors": GOOD_SELECTORS, "nodeSelectors": GOOD_SELECTORS, "serviceSelectors": [ZONE],
                               "interfaces": ["eth0", "eth1.100"], "preferredNodeSelectors": [{"weight": 1, "preference": {}}, {"weight": 100, "preference": ZONE}]}),
    (BGP, "no spec", None), (BGP, "nothing", {}),
    (BGP, "all that there is", {"aggregationLength": 24, "aggregationLengthV6": 64, "localPref": 100, "communities": ["65535:65282", "large:64512:1:2", "vpn1"],
                                "ipAddressPools": ["a"], "ipAddressPoolSelectors": GOOD_SELECTORS, "nodeSelectors": GOOD_SELECTORS, "peers": ["a", "b"]}),
    (BGP, "edges", {"aggregationLength": 1, "aggregationLengthV6": 0, "localPref": 2**32 - 1, "communities": [f"64500:{i}" for i in range(63)]}),
    (BGP, "selected Services", {"aggregationLength": 32, "aggregationLengthV6": 128, "serviceSelectors": [ZONE]}),
    (BGP, "additions", {"asPathPrepend": 16, "med": 0}),
    (PEER, "the least", {}),
    (PEER, "all that there is", {"peerASN": None, "dynamicASN": "external", "localASN": 64999, "peerAddress": "2001:db8::1", "sourceAddress": "2001:db8::2", "peerPort": 16384,
                                 "holdTime": "3s", "keepaliveTime": "1s", "connectTime": "10s", "routerID": "10.10.10.10", "nodeSelectors": GOOD_SELECTORS,
                                 "passwordSecret": {"name": "s", "namespace": "elsewhere"}, "bfdProfile": "fast", "enableGracefulRestart": True, "ebgpMultiHop": True,
                                 "vrf": "red", "disableMP": True, "dualStackAddressFamily": True}),
    (PEER, "unnumbered", {"peerAddress": None, "interface": "net0", "peerASN": None, "dynamicASN": "internal"}),
    (PEER, "an interface beside an empty address", {"peerAddress": "", "interface": "net0"}),
    (PEER, "empty texts are absent", {"sourceAddress": "", "routerID": "", "password": "", "vrf": "", "bfdProfile": "", "interface": ""}),
    (PEER, "peerASN 0 beside dynamicASN", {"peerASN": 0, "dynamicASN": "internal"}),
    (PEER, "within the AS", {"peerASN": 64500}),
    (PEER, "no timers", {"holdTime": "0s", "keepaliveTime": "0s"}),
    (PEER, "timers in other units", {"holdTime": "1m30s", "keepaliveTime": "30000ms", "connectTime": "1m"}),
    (PEER, "keepaliveTime alone", {"keepaliveTime": "10s"}),
    (PEER, "keepaliveTime alone, no timers", {"keepaliveTime": "0s"}),
    (PEER, "the longest holdTime", {"holdTime": "65535s", "connectTime": "65535s"}),
    (PEER, "a password", {"password": "y'{};#|\\ " + "x" * 71}),
    (PEER, "four-octet AS numbers", {"myASN": 4294967295, "peerASN": 4294967294, "localASN": 4200000000}),
    (BFD, "no spec", None), (BFD, "nothing", {}),
    (BFD, "all that there is", {"receiveInterval": 10, "transmitInterval": 60000, "detectMultiplier": 255, "echoInterval": 10, "echoMode": True, "passiveMode": True, "minimumTtl": 254}),
    (BFD, "other edges", {"receiveInterval": 60000, "transmitInterval": 10, "detectMultiplier": 2, "echoInterval": 60000, "minimumTtl": 1}),
    (COMMUNITY, "no spec", None), (COMMUNITY, "nothing", {}),
    (COMMUNITY, "all that there is", {"communities": [{"name": "vpn1", "value": "1234:1"}, {"name": "NO_ADVERTISE", "value": "65535:65282"}, {"name": "zero", "value": "0:0"},
                                                      {"name": "big", "value": "large:4294967295:0:4294967295"}]}),
    *((kind, f"{path}", nested(path, GOOD_SELECTORS)) for kind, paths in SELECTORS.items() for path in paths),
]


def made(kind, fields, name="case"):
    obj = custom(kind, name, **copy.deepcopy(BASE[kind]))
    for field, value in (fields or {}).items():
        if value is None:
            del obj["spec"][field]
        else:
            obj["spec"][field] = copy.deepcopy(value)
    if fields is None:
        del obj["spec"]
    return obj


@pytest.fixture(scope="module")
def api(kubernetes):
    """With the definitions, made as Helm makes them."""
    kubernetes.kubectl("delete", "--ignore-not-found", "-f", CHART / "crds", timeout=60)  # others may have left some
    kubernetes.kubectl("create", "-f", CHART / "crds")
    kubernetes.kubectl("create", "namespace", NAMESPACE, check=False)
    wait_until(lambda: all(kubernetes.api.call("GET", collection_of(custom(kind, "x")))[0] == 200 for kind in BASE), 20, "the definitions")
    yield kubernetes.api
    kubernetes.kubectl("delete", "-f", CHART / "crds", timeout=60)
    kubernetes.kubectl("delete", "namespace", NAMESPACE, "--wait=true", timeout=60)


def tried(api, obj):
    code, answer = api.call("POST", collection_of(obj) + "?dryRun=All&fieldValidation=Strict", obj)
    return code, answer.get("message", "") if isinstance(answer, dict) else answer


def test_what_is_refused(api):
    wrong = []
    for kind, why, fields, words in REFUSED:
        code, message = tried(api, made(kind, fields))
        if code != 422 or words not in message:
            wrong.append(f"{kind}, {why}: {code} {message or 'taken'} (wanted: {words})")
    assert not wrong, "\n".join(wrong)


def test_what_is_taken(api):
    wrong = [f"{kind}, {what}: {message}" for kind, what, fields in TAKEN for code, message in [tried(api, made(kind, fields))] if code != 201]
    assert not wrong, "\n".join(wrong)


def test_a_password_is_not_told(api):
    for password in ('secret"', "secret\n", "secret" * 14):
        assert "secret" not in tried(api, made(PEER, {"password": password}))[1].replace("passwordSecret", "")


def test_an_unknown_field_is_refused(api):
    for kind in BASE:
        code, message = tried(api, made(kind, {"colour": "red"}))
        assert code == 400 and 'unknown field "spec.colour"' in message, (kind, code, message)


def test_defaults(api):
    """What a reader sees is what the programs take: these are written into objects that do not say."""
    for kind, expected in ((POOL, {"autoAssign": True, "avoidBuggyIPs": False, "allowCrossNamespaceSharing": False}),
                           (BGP, {"aggregationLength": 32, "aggregationLengthV6": 128}), (PEER, {"peerPort": 179}), (BFD, {}), (L2, {})):
        code, answer = api.call("POST", collection_of(made(kind, {})) + "?dryRun=All", made(kind, {}))
        assert code == 201 and expected.items() <= answer["spec"].items(), answer


def difference(kubernetes, path, *flags):
    """What kubectl diff prints; "": the cluster is as the file says."""
    done = subprocess.run([STATE / "bin/kubectl", "--kubeconfig", kubernetes.keys / "admin.conf", "diff", *flags, "-f", path], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def test_two_applies_show_no_difference(kubernetes, api, tmp_path):
    """As a GitOps tool does it, by the client and by the server: definitions, all of the chart's objects, and objects of every
    kind and shape. Versions do not move by the second apply."""
    chart = tmp_path / "chart.yaml"
    values = "apiServer.endpoints={198.18.0.10:6443},bgp.enabled=true,controller.replicas=1,speaker.nodeSelector.nowhere=here,image.pullPolicy=Never"
    chart.write_text(kubernetes.helm("template", "fairlead", CHART, "--namespace", NAMESPACE, "--kube-version", "1.34.0", "--set", values))
    for flags in ([], ["--server-side", "--force-conflicts"]):
        objects = tmp_path / f"objects{len(flags)}.yaml"
        objects.write_text(yaml.safe_dump_all(made(kind, fields, f"case{i}-{len(flags)}") for i, (kind, what, fields) in enumerate(TAKEN) if what != "many"))
        for path in (CHART / "crds", chart, objects):
            kubernetes.kubectl("apply", *flags, "-f", path)
            assert difference(kubernetes, path, *flags) == "", path
            before = kubernetes.kubectl("get", "-f", path, "-o", "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.generation}{'\\n'}{end}")
            kubernetes.kubectl("apply", *flags, "-f", path)
            assert kubernetes.kubectl("get", "-f", path, "-o", "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.generation}{'\\n'}{end}") == before
    kubernetes.kubectl("delete", "--wait=false", "-f", chart, timeout=60)
