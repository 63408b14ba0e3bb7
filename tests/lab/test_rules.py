"""What MetalLB accepts, refuses and allocates, rule by rule: `fairleadctl validate` and `fairlead-controller --once` on
small folders, with --api-group metallb.io. Each case names the section of the MetalLB reference that it is taken from; what
it should give was written down before the programs were asked. Needs no namespaces."""
import json
import subprocess

import pytest
import yaml
from lab import program

pytestmark = pytest.mark.anywhere
METALLB = ("--api-group", "metallb.io")


# -- manifests, as text: `spec` is YAML on one line

def doc(kind, name, spec="{}", api="metallb.io/v1beta1", ns="metallb-system", labels="{}", more=""):
    where = f", namespace: {ns}" if ns else ""
    return f"---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}{where}, labels: {labels}}}\nspec: {spec}\n{more}"


def pool(name, spec, **more):
    """`spec`: all of it in braces, or the addresses alone."""
    spec = spec if spec.startswith("{") else f"{{addresses: [{spec}]}}"
    return doc("IPAddressPool", name, spec, **more)


def l2(name, spec="{}", **more):
    return doc("L2Advertisement", name, spec, **more)


def bgp(name, spec="{}", **more):
    return doc("BGPAdvertisement", name, spec, **more)


def raw_peer(name, spec, version="v1beta2", **more):
    return doc("BGPPeer", name, spec, api=f"metallb.io/{version}", **more)


def peer(name, fields="", at="10.9.0.1", version="v1beta2"):
    """A valid one of another AS, with more fields."""
    return raw_peer(name, f"{{myASN: 64512, peerASN: 64513, peerAddress: '{at}', {fields}}}", version)


def bfd(name, spec="{}"):
    return doc("BFDProfile", name, spec)


def community(name, *aliases):
    return doc("Community", name, "{communities: [" + ", ".join(f"{{name: {a}, value: '{v}'}}" for a, v in aliases) + "]}")


def secret(name, rest, ns="metallb-system"):
    return f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {ns}}}\n{rest}\n"


def node(name, labels="{}"):
    return doc("Node", name, api="v1", ns="", labels=labels)


def namespace(name, labels="{}"):
    return doc("Namespace", name, api="v1", ns="", labels=labels)


A, B = "nodeSelectors: [{matchLabels: {rack: a}}]", "nodeSelectors: [{matchLabels: {rack: b}}]"
RACKS = node("n1", "{rack: a}") + node("n2", "{rack: b}")
V4, V6 = pool("p", "10.20.0.0/24"), pool("p", "'2001:db8::/64'")
BOTH = pool("p", "10.20.0.0/24, '2001:db8::/64'")
GOOD_SECRET = secret("s", "type: kubernetes.io/basic-auth\ndata: {password: c2VjcmV0}")
ASK_SECRET = "passwordSecret: {name: s}"


# -- validation

CASES = []


def rule(section, title, want, *docs, flags=()):
    """`want`: "" where all is accepted; else "name field rule" for each fault, with ", " between; spec. is left out."""
    CASES.append(pytest.param("".join(docs), want, flags, id=f"{section} {title}"))


for text in ("192.0.2.10/24", "192.0.2.7/32", "0.0.0.0/0", "192.0.2.1 - 192.0.2.9", " 192.0.2.9-192.0.2.9 ", r"192.0.2.1-192.0.2.9\n", "192.0.2.0/024",
             "2001:DB8::A/64", "2001:db8::1/128", "::/0", "2001:db8::1-2001:DB8::FF", "::ffff:192.0.2.1-::ffff:192.0.2.9"):
    rule("1.1", f"address '{text}'", "", pool("a", f'"{text}"'))
bad = ("192.0.2.7", "2001:db8::7", "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/-1", "192.0.2.0/", "192.0.2.0/+24",
       "192.0.2.0/24/24", "192.0.2.9-192.0.2.1", "2001:db8::2-2001:db8::1", "192.0.2.1-", "-192.0.2.1",
       "-", "", " ", "192.0.2.1-2001:db8::1", "192.0.02.0/24", "192.0.2/24", "192.0.2.0/24 ", " 192.0.2.0/24",
       "192.0.2.0/24, 10.0.0.0/24", "192.0.2.256/24", "1::2::3/64", "fe80::1%eth0/64", "192.0.2.1-9", "example.org/24")
rule("1.9", "no addresses", ", ".join(f"a addresses[{i}] invalid_field" for i in range(len(bad))),
     pool("a", ", ".join(f"'{text}'" for text in bad)))
rule("1.9", "no spec.addresses", "a addresses invalid_field", pool("a", "{}"))
rule("1.9", "addresses: null", "a addresses invalid_field", pool("a", "{addresses: null}"))
rule("1.9", "addresses: []", "a addresses invalid_field", pool("a", "{addresses: []}"))
rule("1.9", "addresses is a text", "a addresses invalid_field", pool("a", "{addresses: 192.0.2.0/24}"))
rule("1.9", "an address is null", "a addresses[1] invalid_field", pool("a", "{addresses: [192.0.2.0/24, null]}"))
rule("1.9", "each wrong field is told", "a addresses[0] invalid_field, a addresses[2] invalid_field, a avoidBuggyIPs invalid_field",
     pool("a", "{addresses: [1, 192.0.2.0/24, x], avoidBuggyIPs: 'no'}"))
rule("1.9", "no name", " metadata.name invalid_field",
     "---\napiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {namespace: metallb-system}\n"
     "spec: {addresses: [192.0.2.0/24]}\n")
rule("1.1", "all fields", "",
     pool("a", "{addresses: [192.0.2.0/24], autoAssign: false, avoidBuggyIPs: true, serviceAllocation: {priority: 50, namespaces: [x, y], "
     "namespaceSelectors: [{matchLabels: {k: v}}], serviceSelectors: [{matchExpressions: [{key: k, operator: In, values: [v, w]}]}]}}"))
rule("1.1", "autoAssign is a text", "a autoAssign invalid_field", pool("a", "{addresses: [192.0.2.0/24], autoAssign: 'false'}"))
for text in ("yes", "off", "No", "ON"):
    rule("1.1", f"autoAssign is {text}", "", pool("a", f"{{addresses: [192.0.2.0/24], autoAssign: {text}}}"))
rule("1.9", "the words for a boolean are no texts", "a ipAddressPools[0] invalid_field", l2("a", "{ipAddressPools: [on]}"))
rule("1.1", "priority 0 and none", "", pool("a", "{addresses: [192.0.2.0/25], serviceAllocation: {priority: 0}}"),
     pool("b", "{addresses: [192.0.2.128/25], serviceAllocation: {}}"))
rule("1.9", "a namespace twice", "a serviceAllocation.namespaces[1] invalid_field",
     pool("a", "{addresses: [192.0.2.0/24], serviceAllocation: {namespaces: [x, x]}}"))
rule("1.9", "a namespace selector twice", "a serviceAllocation.namespaceSelectors[1] duplicate_selector",
     pool("a", "{addresses: [192.0.2.0/24], serviceAllocation: {namespaceSelectors: [{matchLabels: {k: v}}, {matchLabels: {k: v}}]}}"))
rule("1.9", "a service selector's value twice", "a serviceAllocation.serviceSelectors[0].matchExpressions[0].values[1] duplicate_value",
     pool("a", "{addresses: [192.0.2.0/24], serviceAllocation: {serviceSelectors: [{matchExpressions: [{key: k, operator: In, values: [v, v]}]}]}}"))
rule("1.9", "one name twice", "a metadata.name duplicate_name", pool("a", "192.0.2.0/25"), pool("a", "192.0.2.128/25"))
rule("1", "a pool in another namespace", "b metadata.namespace wrong_namespace", pool("a", "192.0.2.0/25"),
     pool("b", "192.0.2.128/25", ns="default"))
rule("1", "a pool alone in another namespace", "b metadata.namespace wrong_namespace", pool("b", "192.0.2.128/25", ns="default"))
rule("1", "a peer in another namespace", "t metadata.namespace wrong_namespace", V4,
     raw_peer("t", "{myASN: 1, peerASN: 2, peerAddress: 10.9.0.1}", ns="default"))
rule("1", "AddressPool is gone", "a kind unknown_kind", doc("AddressPool", "a", "{protocol: layer2, addresses: [192.0.2.0/24]}"))
rule("1", "a pool of v1beta2", "a kind unknown_kind", pool("a", "192.0.2.0/24", api="metallb.io/v1beta2"))
rule("1.7", "statuses are no configuration", "", doc("ServiceL2Status", "l2-x"), doc("ServiceBGPStatus", "bgp-x"),
     doc("ConfigurationState", "controller"))

over = "a addresses[0] pool_overlap, b addresses[0] pool_overlap"
for title, a, b, want in (
        ("the same prefix", "192.0.2.0/24", "192.0.2.0/24", over),
        ("a prefix in a prefix", "10.0.0.0/8", "10.1.0.0/16", over),
        ("host bits hide it", "192.0.2.200/24", "192.0.2.1-192.0.2.2", over),
        ("by one address", "192.0.2.1-192.0.2.9", "192.0.2.9-192.0.2.12", over),
        ("they touch", "192.0.2.1-192.0.2.8", "192.0.2.9-192.0.2.12", ""),
        ("a range around a prefix", "192.0.2.1-192.0.2.30", "192.0.2.8/30", over),
        ("all of IPv4 and all of IPv6", "0.0.0.0/0", "'::/0'", ""),
        ("IPv6", "'2001:db8::/64'", "'2001:db8::5-2001:db8::6'", over),
        ("IPv6, otherwise written", "'2001:db8:0::/64'", "'2001:DB8::/64'", over),
        ("a mapped address is an IPv4 address", "192.0.2.0/24", "'::ffff:192.0.2.5-::ffff:192.0.2.6'", over)):
    rule("1.9", f"overlap: {title}", want, pool("a", a), pool("b", b))
rule("1.9", "overlap in one pool", "a addresses[1] pool_overlap", pool("a", "192.0.2.0/24, 192.0.2.255/32"))
rule("1.9", "no overlap in one pool", "", pool("a", "192.0.2.0/25, 192.0.2.128/25, 192.0.3.0-192.0.3.1"))

# Selectors are judged alike everywhere: here by an L2Advertisement's nodeSelectors.
at = "a nodeSelectors[0].matchExpressions[0]"
for title, text, want in (
        ("labels", "{matchLabels: {a: b, example.org/c: ''}}", ""),
        ("the empty one", "{}", ""),
        ("In, NotIn, Exists, DoesNotExist",
         "{matchExpressions: [{key: a, operator: In, values: [b]}, {key: a, operator: NotIn, values: [b]}, "
         "{key: a, operator: Exists}, {key: a, operator: DoesNotExist}]}", ""),
        ("two different", "{matchLabels: {a: b}}, {matchLabels: {a: c}}", ""),
        ("the same labels in another order", "{matchLabels: {a: b, c: d}}, {matchLabels: {c: d, a: b}}",
         "a nodeSelectors[1] duplicate_selector"),
        ("the same values in another order",
         "{matchExpressions: [{key: a, operator: In, values: [b, c]}]}, {matchExpressions: [{key: a, operator: In, values: [c, b]}]}",
         "a nodeSelectors[1] duplicate_selector"),
        ("a value twice", "{matchExpressions: [{key: a, operator: NotIn, values: [b, b]}]}", at + ".values[1] duplicate_value"),
        ("an expression twice", "{matchExpressions: [{key: a, operator: In, values: [b, c]}, {key: a, operator: In, values: [c, b]}]}",
         "a nodeSelectors[0].matchExpressions[1] duplicate_expression"),
        ("no key", "{matchExpressions: [{operator: In, values: [b]}]}", at + ".key invalid_field"),
        ("no operator", "{matchExpressions: [{key: a, values: [b]}]}", at + ".operator invalid_field"),
        ("an unknown operator", "{matchExpressions: [{key: a, operator: surrounds, values: [b]}]}", at + ".operator invalid_field"),
        ("In without values", "{matchExpressions: [{key: a, operator: In}]}", at + ".values invalid_field"),
        ("Exists with values", "{matchExpressions: [{key: a, operator: Exists, values: [b]}]}", at + ".values invalid_field"),
        ("a key with a blank", "{matchLabels: {'a b': c}}", "a nodeSelectors[0].matchLabels invalid_label"),
        ("a value of 64", f"{{matchLabels: {{a: {'x' * 64}}}}}", "a nodeSelectors[0].matchLabels invalid_label"),
        ("a value that is a boolean", "{matchLabels: {a: true}}", "a nodeSelectors[0].matchLabels.a invalid_field")):
    rule("1.9", f"selector: {title}", want, l2("a", f"{{nodeSelectors: [{text}]}}"))
for field in ("ipAddressPoolSelectors", "nodeSelectors", "serviceSelectors"):
    rule("1.9", f"{field} twice", f"a {field}[1] duplicate_selector, b {field}[1] duplicate_selector",
         *(make(name, f"{{{field}: [{{matchLabels: {{k: v}}}}, {{matchLabels: {{k: v}}}}]}}") for make, name in ((l2, "a"), (bgp, "b"))))
rule("1.9", "a peer's nodeSelectors twice", "t nodeSelectors[1] duplicate_selector",
     peer("t", "nodeSelectors: [{matchLabels: {k: v}}, {matchLabels: {k: v}}]"))

rule("1.2", "nothing said", "", V4, l2("a"))
rule("1.2", "all fields", "", V4,
     l2("a", "{ipAddressPools: [p], ipAddressPoolSelectors: [{matchLabels: {k: v}}], nodeSelectors: [{}], interfaces: [eth0, eth1], "
     "serviceSelectors: [{matchLabels: {k: v}}], preferredNodeSelectors: [{weight: 100, preference: {}}, {weight: 1, preference: {}}]}"))
rule("1.2", "unknown pools are silent", "", l2("a", "{ipAddressPools: [q]}"), bgp("b", "{ipAddressPools: [q]}"))
rule("1.9", "a pool twice, L2", "a ipAddressPools[1] duplicate_entry", V4, l2("a", "{ipAddressPools: [p, p]}"))
rule("1.9", "a pool twice, BGP", "a ipAddressPools[1] duplicate_entry", V4, bgp("a", "{ipAddressPools: [p, p]}"))
rule("1.9", "a pool that is null", "a ipAddressPools[0] invalid_field", l2("a", "{ipAddressPools: [null]}"))
rule("1.2", "an interface twice is no fault", "", l2("a", "{interfaces: [eth0, eth0]}"))
rule("1.2", "equal L2Advertisements are merged", "", V4, l2("a"), l2("b"))
for weight, good in ((0, False), (1, True), (100, True), (101, False), ("null", False)):
    rule("1.2", f"weight {weight}", "" if good else "a preferredNodeSelectors[0].weight invalid_field",
         l2("a", f"{{preferredNodeSelectors: [{{weight: {weight}, preference: {{}}}}]}}"))
rule("1.2", "no preference", "a preferredNodeSelectors[0].preference invalid_field", l2("a", "{preferredNodeSelectors: [{weight: 1}]}"))
rule("1.9", "a bad preference", "a preferredNodeSelectors[0].preference.matchExpressions[0].operator invalid_field",
     l2("a", "{preferredNodeSelectors: [{weight: 1, preference: {matchExpressions: [{key: k, operator: Near}]}}]}"))

rule("1.3", "nothing said", "", V4, bgp("a"))
rule("1.3", "all fields", "", BOTH, peer("t"), community("c", ("mine", "1:2")),
     bgp("a", "{aggregationLength: 24, aggregationLengthV6: 64, localPref: 100, communities: [mine, '65535:65281', "
     f"'large:1:2:3'], ipAddressPools: [p], ipAddressPoolSelectors: [{{}}], peers: [t], {A}}}"))
for field, value, good in (
        ("aggregationLength", 0, False),
        ("aggregationLength", 1, True),
        ("aggregationLength", 32, True),
        ("aggregationLength", 33, False),
        ("aggregationLength", "'24'", False),
        ("aggregationLength", "null", True),
        ("aggregationLengthV6", 128, True),
        ("aggregationLengthV6", 129, False),
        ("localPref", 0, True),
        ("localPref", -1, False),
        ("localPref", 4294967296, False)):
    rule("1.3", f"{field} {value}", "" if good else f"a {field} invalid_field", bgp("a", f"{{{field}: {value}}}"))
for title, addresses, spec, want in (
        ("as the prefix", "10.0.0.0/24", "aggregationLength: 24", ""),
        ("longer", "10.0.0.0/24", "aggregationLength: 25", ""),
        ("shorter", "10.0.0.0/24", "aggregationLength: 23", "4"),
        ("host bits count as masked", "10.0.0.7/24", "aggregationLength: 24", ""),
        ("the narrowest of two prefixes counts", "10.0.0.0/24, 10.0.1.0/28", "aggregationLength: 26", "4"),
        ("a range with one wide enough piece", "3.3.3.2-3.3.3.254", "aggregationLength: 26", ""),
        ("a range without", "3.3.3.2-3.3.3.254", "aggregationLength: 25", "4"),
        ("a range that is a prefix", "3.3.3.0-3.3.3.255", "aggregationLength: 24", ""),
        ("a range of one", "3.3.3.3-3.3.3.3", "aggregationLength: 31", "4"),
        ("IPv6", "'2001:db8::/64'", "aggregationLengthV6: 64", ""),
        ("IPv6, shorter", "'2001:db8::/64'", "aggregationLengthV6: 63", "6"),
        ("IPv6 has its own", "'2001:db8::/64'", "aggregationLength: 8", ""),
        ("the default fits /32 and /128", "10.0.0.1/32, '2001:db8::1/128'", "localPref: 0", "")):
    rule("1.9", f"aggregation: {title}",
         {"": "", "4": "a aggregationLength aggregation_too_short", "6": "a aggregationLengthV6 aggregation_too_short"}[want],
         pool("p", addresses), bgp("a", f"{{{spec}}}"))
rule("1.9", "aggregation: a pool that is not advertised", "", V4, bgp("a", "{aggregationLength: 8, ipAddressPools: [q]}"),
     pool("q", "30.0.0.0/8"))
rule("1.9", "aggregation: by a pool's label", "a aggregationLength aggregation_too_short", pool("p", "10.0.0.0/24", labels="{k: v}"),
     bgp("a", "{aggregationLength: 8, ipAddressPoolSelectors: [{matchLabels: {k: v}}]}"))
some = "serviceSelectors: [{matchLabels: {k: v}}]"
rule("1.3", "serviceSelectors with the default lengths", "", BOTH, bgp("a", f"{{aggregationLength: 32, aggregationLengthV6: 128, {some}}}"))
rule("1.9", "serviceSelectors with another length", "a aggregationLength aggregation_with_selectors", V4,
     bgp("a", f"{{aggregationLength: 24, {some}}}"))
rule("1.9", "serviceSelectors with another IPv6 length", "a aggregationLengthV6 aggregation_with_selectors", V4,
     bgp("a", f"{{aggregationLengthV6: 64, {some}}}"))
rule("1.9", "two advertisements alike but for the name", "", V4, bgp("a"), bgp("b"))
rule("1.9", "one advertisement twice", "a metadata.name duplicate_name", V4, bgp("a"), bgp("a"))

clash = "a localPref local_pref_conflict, b localPref local_pref_conflict"
T, U = peer("t"), peer("u", at="10.9.0.2")
for title, world, a, b, want in (
        ("no Node is known", V4, "", "", clash),
        ("on all nodes", RACKS + V4, "", "", clash),
        ("other lengths", RACKS + V4, "aggregationLength: 24", "", ""),
        ("other IPv6 lengths of an IPv4 pool", RACKS + V4, "aggregationLengthV6: 64", "", clash),
        ("other lengths of an IPv6 pool", RACKS + V6, "aggregationLength: 24", "", clash),
        ("other IPv6 lengths of an IPv6 pool", RACKS + V6, "aggregationLengthV6: 64", "", ""),
        ("one length of a pool of both", RACKS + BOTH, "aggregationLength: 24", "", clash),
        ("both lengths of a pool of both", RACKS + BOTH, "aggregationLength: 24, aggregationLengthV6: 64", "", ""),
        ("other peers", RACKS + V4 + T + U, "peers: [t]", "peers: [u]", ""),
        ("a peer in common", RACKS + V4 + T + U, "peers: [t, u]", "peers: [u]", clash),
        ("one names no peer", RACKS + V4 + T, "peers: [t]", "", clash),
        ("other peers that are not there", RACKS + V4, "peers: [t]", "peers: [u]", ""),
        ("other nodes", RACKS + V4, A, B, ""),
        ("a node in common", RACKS + V4, A, "", clash),
        ("the same nodes, otherwise said", RACKS + V4, A,
         "nodeSelectors: [{matchExpressions: [{key: rack, operator: NotIn, values: [b]}]}]", clash),
        ("one selects Services", RACKS + V4, some, "", ""),
        ("no pool in common", RACKS + V4 + pool("q", "10.21.0.0/24"), "ipAddressPools: [p]", "ipAddressPools: [q]", ""),
        ("a pool in common", RACKS + V4 + pool("q", "10.21.0.0/24"), "ipAddressPools: [p, q]", "ipAddressPools: [q]", clash),
        ("selectors of no pool", RACKS + V4, "ipAddressPoolSelectors: [{matchLabels: {k: v}}]",
         "ipAddressPoolSelectors: [{matchLabels: {k: v}}]", "")):
    rule("1.9", f"localPref: {title}", want, world, bgp("a", f"{{localPref: 100, {a}}}"), bgp("b", f"{{localPref: 200, {b}}}"))
rule("1.9", "localPref: none is 0", clash, V4, bgp("a"), bgp("b", "{localPref: 200}"))
rule("1.9", "localPref: equal", "", V4, bgp("a", "{localPref: 5}"), bgp("b", "{localPref: 5}"))

good = ("0:0", "65535:65535", "00001:2", "large:0:0:0", "large:4294967295:4294967295:4294967295")
bad = ("65536:1", "1:65536", "-1:2", "+1:2", "1:", ":1", ":", "a:b", "0x1:2", "1: 2", "large:1:2:4294967296", "LARGE:1:2:3")
rule("1.3", "communities", "", bgp("a", f"{{communities: {list(good)}}}"),
     community("c", *((f"x{i}", text) for i, text in enumerate(good))))
rule("1.9", "no communities",
     ", ".join(f"a communities[{i}] invalid_community, c communities[{i}].value invalid_community" for i in range(len(bad))),
     bgp("a", f"{{communities: {list(bad)}}}"),
     community("c", *((f"x{i}", text) for i, text in enumerate(bad))))
rule("1.9", "no communities and no aliases",
     ", ".join(f"a communities[{i}] " + ("no_such_community" if i < 3 else "invalid_community") for i in range(5)),
     bgp("a", "{communities: ['1234', no-export, '', '1:2:3', 'large:1:2']}"))
rule("1.6", "an alias", "", bgp("a", "{communities: [mine]}"), community("c", ("mine", "65535:65281")))
rule("1.6", "an alias with dots and dashes, in capitals", "", bgp("a", "{communities: [NO_ADVERTISE-1.x]}"),
     community("c", ("NO_ADVERTISE-1.x", "65535:65282")))
rule("1.6", "an alias that looks like a community", "", bgp("a", "{communities: ['70000:1']}"), community("c", ("'70000:1'", "1:1")))
rule("1.9", "an alias without a value", "c communities[0].value invalid_community", doc("Community", "c", "{communities: [{name: x}]}"))
rule("1.6", "two aliases of one value", "", community("c", ("x", "1:1"), ("y", "1:1")))
rule("1.6", "no aliases", "", doc("Community", "c", "{communities: []}"), doc("Community", "d", "{}"))
rule("1.9", "an alias twice in one object", "c communities[1].name duplicate_alias", community("c", ("x", "1:1"), ("x", "1:1")))
rule("1.9", "an alias in two objects", "c communities[0].name duplicate_alias, d communities[0].name duplicate_alias",
     community("c", ("x", "1:1")), community("d", ("x", "1:2")))
rule("1.9", "a community twice", "a communities[1] duplicate_entry", bgp("a", "{communities: ['1:2', '1:2']}"))


def many(first, last, more=""):
    return "{communities: [" + ", ".join(f"'1:{i}'" for i in range(first, last)) + f"], {more}}}"


full = "a communities too_many_communities, b communities too_many_communities"
rule("1.3", "63 communities", "", bgp("a", many(0, 63)))
rule("1.3", "64 communities", "a communities too_many_communities", bgp("a", many(0, 64)))
rule("1.3", "32 and 31 on one prefix", "", V4, bgp("a", many(0, 32)), bgp("b", many(32, 63)))
rule("1.3", "32 and 32 on one prefix", full, V4, bgp("a", many(0, 32)), bgp("b", many(32, 64)))
rule("1.3", "the same 63 twice on one prefix", "", V4, bgp("a", many(0, 63)), bgp("b", many(0, 63)))
rule("1.3", "three times 22 on one prefix", full + ", c communities too_many_communities", V4, bgp("a", many(0, 22)),
     bgp("b", many(22, 44)), bgp("c", many(44, 66)))
rule("1.3", "32 and 32 on prefixes of two lengths", "", V4, bgp("a", many(0, 32)), bgp("b", many(32, 64, "aggregationLength: 24")))
rule("1.3", "32 and 32 to two peers", "", V4, T, U, bgp("a", many(0, 32, "peers: [t]")), bgp("b", many(32, 64, "peers: [u]")))
rule("1.3", "32 and 32 to one peer of two", full, V4, T, U, bgp("a", many(0, 32, "peers: [t]")), bgp("b", many(32, 64)))
rule("1.3", "32 and 32 from two nodes", "", RACKS, V4, bgp("a", many(0, 32, A)), bgp("b", many(32, 64, B)))
rule("1.3", "32 and 32 of two pools", "", V4, pool("q", "10.21.0.0/24"), bgp("a", many(0, 32, "ipAddressPools: [p]")),
     bgp("b", many(32, 64, "ipAddressPools: [q]")))

rule("1.4", "the least", "", raw_peer("t", "{myASN: 1, peerASN: 2, peerAddress: 10.9.0.1}"))
rule("1.4", "all fields", "", bfd("b"),
     peer("t", "localASN: 65000, sourceAddress: 10.9.0.2, peerPort: 1179, holdTime: 3m, keepaliveTime: 1m, connectTime: 10s, routerID: 10.0.0.1, "
     f"password: secret, bfdProfile: b, enableGracefulRestart: true, ebgpMultiHop: true, vrf: red, dualStackAddressFamily: true, {A}"))
for title, spec, want in (
        ("no myASN", "peerASN: 2, peerAddress: 10.9.0.1", "myASN invalid_field"),
        ("myASN 0", "myASN: 0, peerASN: 2, peerAddress: 10.9.0.1", "myASN no_local_asn"),
        ("myASN 2^32-1", "myASN: 4294967295, peerASN: 2, peerAddress: 10.9.0.1", ""),
        ("myASN 2^32", "myASN: 4294967296, peerASN: 2, peerAddress: 10.9.0.1", "myASN invalid_field"),
        ("myASN is a text", "myASN: '1', peerASN: 2, peerAddress: 10.9.0.1", "myASN invalid_field"),
        ("peerASN 2^32-1", "myASN: 1, peerASN: 4294967295, peerAddress: 10.9.0.1", ""),
        ("peerASN 2^32", "myASN: 1, peerASN: 4294967296, peerAddress: 10.9.0.1", "peerASN invalid_field"),
        ("neither ASN", "myASN: 1, peerAddress: 10.9.0.1", "peerASN peer_asn_choice"),
        ("peerASN 0", "myASN: 1, peerASN: 0, peerAddress: 10.9.0.1", "peerASN peer_asn_choice"),
        ("both ASNs", "myASN: 1, peerASN: 1, dynamicASN: internal, peerAddress: 10.9.0.1", "dynamicASN peer_asn_choice"),
        ("dynamicASN internal", "myASN: 1, dynamicASN: internal, peerAddress: 10.9.0.1", ""),
        ("dynamicASN external", "myASN: 1, dynamicASN: external, peerAddress: 10.9.0.1", ""),
        ("dynamicASN auto", "myASN: 1, dynamicASN: auto, peerAddress: 10.9.0.1", "dynamicASN invalid_field"),
        ("an interface", "myASN: 1, dynamicASN: external, interface: eth0", ""),
        ("neither address nor interface", "myASN: 1, peerASN: 2", "peerAddress peer_address_choice"),
        ("address and interface", "myASN: 1, peerASN: 2, peerAddress: 10.9.0.1, interface: eth0", "interface peer_address_choice"),
        ("an IPv6 address", "myASN: 1, peerASN: 2, peerAddress: 'fc00:F853::1'", ""),
        ("a DNS name", "myASN: 1, peerASN: 2, peerAddress: tor.example.org", "peerAddress invalid_field"),
        ("a prefix", "myASN: 1, peerASN: 2, peerAddress: 10.9.0.1/32", "peerAddress invalid_field"),
        ("an address out of range", "myASN: 1, peerASN: 2, peerAddress: 1.2.3.400", "peerAddress invalid_field"),
        ("an address with leading zeros", "myASN: 1, peerASN: 2, peerAddress: 10.09.0.1", "peerAddress invalid_field"),
        ("an address with a port", "myASN: 1, peerASN: 2, peerAddress: '10.9.0.1:179'", "peerAddress invalid_field"),
        ("iBGP", "myASN: 1, peerASN: 1, peerAddress: 10.9.0.1", ""),
        ("iBGP with multihop", "myASN: 1, peerASN: 1, peerAddress: 10.9.0.1, ebgpMultiHop: true", "ebgpMultiHop multihop_in_own_as")):
    rule("1.4", f"peer: {title}", f"t {want}" if want else "", raw_peer("t", f"{{{spec}}}"))
for field, value, want in (
        ("localASN", 1, ""),
        ("localASN", 0, "invalid_field"),
        ("localASN", 4294967296, "invalid_field"),
        ("peerPort", 1, ""),
        ("peerPort", 16384, ""),
        ("peerPort", 0, "invalid_field"),
        ("peerPort", 16385, "invalid_field"),
        ("sourceAddress", "300.0.0.1", "invalid_field"),
        ("routerID", "10.0.0.1", ""),
        ("routerID", "'oh god how do I BGP'", "invalid_field"),
        ("ebgpMultiHop", "'true'", "invalid_field"),
        ("disableMP", "true", ""),
        ("holdTime", "0s", ""),
        ("holdTime", "3s", ""),
        ("holdTime", "2999ms", "hold_time"),
        ("holdTime", "999ms", ""),
        ("holdTime", "9m0s", ""),
        ("holdTime", "'90'", "invalid_field"),
        ("holdTime", "90", "invalid_field"),
        ("holdTime", "1d", "invalid_field"),
        ("keepaliveTime", "0s", ""),
        ("keepaliveTime", "1s", ""),
        ("keepaliveTime", "500ms", "hold_time"),
        ("connectTime", "1s", ""),
        ("connectTime", "65535s", ""),
        ("connectTime", "0s", "connect_time"),
        ("connectTime", "65536s", "connect_time"),
        ("connectTime", "1500ms", "connect_time"),
        ("interface", r'"eth0\nx"', "forbidden_character"),
        ("vrf", r'"red\r"', "forbidden_character"),
        ("password", r'"x\n"', "forbidden_character"),
        ("password", "12345", "invalid_field")):
    make = (lambda f: raw_peer("t", f"{{myASN: 1, peerASN: 2, {f}}}")) if field == "interface" else (lambda f: peer("t", f))
    rule("1.4", f"{field} {value}", f"t {field} {want}" if want else "", make(f"{field}: {value}"))
rule("1.4", "keepalive as long as hold", "", peer("t", "holdTime: 30s, keepaliveTime: 30s"))
rule("1.4", "keepalive longer than hold", "t keepaliveTime keepalive_time", peer("t", "holdTime: 30s, keepaliveTime: 90s"))
rule("1.4", "keepalive with hold 0", "t keepaliveTime keepalive_time", peer("t", "holdTime: 0s, keepaliveTime: 1s"))
rule("1.4", "both 0", "", peer("t", "holdTime: 0s, keepaliveTime: 0s"))
rule("1.4", "a Secret", "", peer("t", ASK_SECRET), GOOD_SECRET)
rule("1.4", "a Secret with stringData", "", peer("t", ASK_SECRET), secret("s", "type: kubernetes.io/basic-auth\nstringData: {password: x}"))
rule("1.4", "its namespace field is not looked at", "", peer("t", "passwordSecret: {name: s, namespace: elsewhere}"), GOOD_SECRET)
rule("1.9", "a Secret that is not there", "t passwordSecret no_such_secret", peer("t", ASK_SECRET))
rule("1.9", "a Secret in another namespace", "t passwordSecret no_such_secret", peer("t", ASK_SECRET),
     secret("s", "type: kubernetes.io/basic-auth\ndata: {password: eA==}", ns="default"))
rule("1.9", "password and Secret", "t passwordSecret password_choice", peer("t", f"password: x, {ASK_SECRET}"), GOOD_SECRET)
rule("1.9", "a Secret of another type", "t passwordSecret secret_type", peer("t", ASK_SECRET),
     secret("s", "type: Opaque\ndata: {password: eA==}"))
rule("1.9", "a Secret without the key", "t passwordSecret secret_key", peer("t", ASK_SECRET),
     secret("s", "type: kubernetes.io/basic-auth\ndata: {username: eA==}"))
rule("1.9", "a Secret with a line break", "t passwordSecret forbidden_character", peer("t", ASK_SECRET),
     secret("s", "type: kubernetes.io/basic-auth\ndata: {password: bm9wYXNzCg==}"))
rule("1.9", "a profile that is not there", "t bfdProfile no_such_bfd_profile", peer("t", "bfdProfile: b"))

old = "{myASN: 1, peerASN: 2, peerAddress: 10.9.0.1"
for title, spec, want in (
        ("the least", old + "}", ""),
        ("all fields",
         old + ", sourceAddress: 10.9.0.2, peerPort: 0, holdTime: 30s, keepaliveTime: 10s, routerID: 10.0.0.1, password: x, ebgpMultiHop: true}", ""),
        ("port 16385", old + ", peerPort: 16385}", "peerPort invalid_field"),
        ("no peerASN", "{myASN: 1, peerAddress: 10.9.0.1}", "peerASN invalid_field"),
        ("no peerAddress", "{myASN: 1, peerASN: 2}", "peerAddress invalid_field"),
        ("node selectors", old + ", nodeSelectors: [{matchLabels: {a: b}, matchExpressions: [{key: a, operator: In, values: [b]}]}]}", ""),
        ("an expression without values", old + ", nodeSelectors: [{matchExpressions: [{key: a, operator: Exists}]}]}",
         "nodeSelectors[0].matchExpressions[0].values invalid_field"),
        ("newer fields are dropped", old + ", dynamicASN: internal, connectTime: 0s, vrf: red}", ""),
        ("hold 1 s", old + ", holdTime: 1s}", "holdTime hold_time")):
    rule("1.4", f"v1beta1: {title}", f"t {want}" if want else "", raw_peer("t", spec, "v1beta1"))

for field, least, most in (("receiveInterval", 10, 60000), ("transmitInterval", 10, 60000), ("echoInterval", 10, 60000),
                           ("detectMultiplier", 2, 255), ("minimumTtl", 1, 254)):
    rule("1.5", f"{field}: its ends", "", bfd("b", f"{{{field}: {least}}}"), bfd("c", f"{{{field}: {most}}}"))
    rule("1.9", f"{field}: beyond its ends", f"b {field} invalid_field, c {field} invalid_field", bfd("b", f"{{{field}: {least - 1}}}"),
         bfd("c", f"{{{field}: {most + 1}}}"))
rule("1.5", "nothing said", "", bfd("b"))
rule("1.5", "echoMode is a text", "b echoMode invalid_field", bfd("b", "{echoMode: 'on'}"))
rule("1.9", "one profile twice", "b metadata.name duplicate_name", bfd("b"), bfd("b"))

ECHO = bfd("e", "{echoMode: true}") + peer("t", "bfdProfile: e")
for title, docs, want in (
        ("to all peers", (V6, bgp("a")), "a"),
        ("to this peer", (V6, bgp("a", "{peers: [t]}")), "a"),
        ("to another peer", (V6, U, bgp("a", "{peers: [u]}")), ""),
        ("a pool of both", (BOTH, bgp("a")), "a"),
        ("an IPv4 pool", (V4, bgp("a")), ""),
        ("by layer 2 only", (V6, l2("a")), ""),
        ("a pool that is not advertised", (V6, pool("q", "10.0.0.0/24"), bgp("a", "{ipAddressPools: [q]}")), "")):
    rule("1.9", f"echo and IPv6: {title}", "a  bfd_echo_ipv6" if want else "", ECHO, *docs)
rule("1.9", "echo and IPv6: no peer uses it", "", bfd("e", "{echoMode: true}"), V6, T, bgp("a"))


def twice(field, name):
    return f"t {field} {name}, u {field} {name}"


for title, t, u, want in (
        ("two routers", peer("t"), peer("u", at="10.9.0.2"), ""),
        ("one router", peer("t"), peer("u"), twice("peerAddress", "peer_conflict")),
        ("one router by two VRFs", peer("t"), peer("u", "vrf: red"), ""),
        ("one router at two ports", peer("t"), peer("u", "peerPort: 1179"), twice("peerAddress", "peer_conflict")),
        ("one router from two racks", RACKS + peer("t", A), peer("u", B), ""),
        ("one router, no Node is known", peer("t", A), peer("u", B), twice("peerAddress", "peer_conflict")),
        ("one router, one rack and all", RACKS + peer("t", A), peer("u"), twice("peerAddress", "peer_conflict")),
        ("one interface", raw_peer("t", "{myASN: 1, dynamicASN: external, interface: eth0}"),
         raw_peer("u", "{myASN: 1, dynamicASN: internal, interface: eth0}"), twice("interface", "peer_conflict")),
        ("two interfaces", raw_peer("t", "{myASN: 1, dynamicASN: external, interface: eth0}"),
         raw_peer("u", "{myASN: 1, dynamicASN: external, interface: eth1}"), ""),
        ("two router ids", peer("t", "routerID: 10.0.0.1"), peer("u", "routerID: 10.0.0.2", at="10.9.0.2"),
         twice("routerID", "router_id_conflict")),
        ("one router id", peer("t", "routerID: 10.0.0.1"), peer("u", "routerID: 10.0.0.1", at="10.9.0.2"), ""),
        ("a router id and none", peer("t", "routerID: 10.0.0.1"), peer("u", at="10.9.0.2"), twice("routerID", "router_id_conflict")),
        ("two router ids in two racks", RACKS + peer("t", "routerID: 10.0.0.1, " + A),
         peer("u", "routerID: 10.0.0.2, " + B, at="10.9.0.2"), ""),
        ("two myASN", peer("t"), raw_peer("u", "{myASN: 7, peerASN: 8, peerAddress: 10.9.0.2}"), twice("myASN", "local_asn_conflict")),
        ("two myASN in two VRFs", peer("t"), raw_peer("u", "{myASN: 7, peerASN: 8, peerAddress: 10.9.0.2, vrf: red}"), ""),
        ("two myASN in one VRF", peer("t", "vrf: red"), raw_peer("u", "{myASN: 7, peerASN: 8, peerAddress: 10.9.0.2, vrf: red}"),
         twice("myASN", "local_asn_conflict")),
        ("two myASN in two racks", RACKS + peer("t", A), raw_peer("u", f"{{myASN: 7, peerASN: 8, peerAddress: 10.9.0.2, {B}}}"), "")):
    rule("1.9", f"two peers: {title}", want, t, u)
rule("1.9", "one peer twice", "t metadata.name duplicate_name", T, T)

# What could not be read hides nothing else, and nothing is said that comes of it.
rule("1.9", "rules beside a field that cannot be read", "t myASN no_local_asn, t peerPort invalid_field, t holdTime hold_time",
     raw_peer("t", "{myASN: 0, peerASN: 2, peerAddress: 10.0.0.1, peerPort: 99999, holdTime: 1s}"))
rule("1.9", "an advertisement beside fields that cannot be read",
     "a aggregationLength invalid_field, a peers[1] duplicate_entry, a communities[0] invalid_community, a localPref invalid_field",
     bgp("a", "{aggregationLength: 33, peers: [x, x], communities: ['70000:1'], localPref: -1}"))
rule("1.9", "an overlap beside a field that cannot be read",
     "a addresses[0] pool_overlap, a autoAssign invalid_field, b addresses[0] pool_overlap",
     pool("a", "{addresses: [192.0.2.0/24], autoAssign: x}"), pool("b", "192.0.2.0/25"))
rule("1.9", "one name twice, and one of the two cannot be read", "a addresses[0] invalid_field, a metadata.name duplicate_name",
     pool("a", "x"), pool("a", "192.0.2.0/25"))
rule("1.9", "an AS number that cannot be read is not missing", "t dynamicASN invalid_field",
     raw_peer("t", "{myASN: 1, peerAddress: 10.0.0.1, dynamicASN: x}"))
rule("1.9", "selectors that cannot be read are not those of all nodes", "t nodeSelectors invalid_field", RACKS,
     peer("t", "nodeSelectors: x"), peer("u", A))
rule("1.9", "pools that cannot be read are not all pools", "a ipAddressPools invalid_field", pool("p", "10.20.0.0/26"),
     bgp("a", "{aggregationLength: 24, ipAddressPools: x}"))
rule("1.9", "an alias of a Community that cannot be read as a whole", "c communities[1].value invalid_field",
     bgp("a", "{communities: [x, y]}"), community("c", ("x", "1:1")).replace("]}", ", {name: y, value: 7}]}"))

rule("1.4", "whole numbers written as others", "", raw_peer("t", "{myASN: 64512.0, peerASN: 6.4513e4, peerAddress: 10.9.0.1, peerPort: 1e3}"))
rule("1.4", "numbers that are not whole, or too large", "t myASN invalid_field, t peerASN invalid_field, t peerPort invalid_field",
     raw_peer("t", "{myASN: 64512.5, peerASN: 1e300, peerAddress: 10.9.0.1, peerPort: -1e1}"))

NATIVE = ("--bgp-type", "native")
missing = ("keepaliveTime: 10s", "vrf: red", "connectTime: 5s", "enableGracefulRestart: true", "disableMP: true",
           "dualStackAddressFamily: true", "localASN: 7", "bfdProfile: b")
rule("1.9", "native: what it has not", "b  unsupported, " + ", ".join(f"t {field.split(':')[0]} unsupported" for field in missing),
     bfd("b"), peer("t", ", ".join(missing)), flags=NATIVE)
rule("1.9", "native: no dynamicASN and no interface", "t dynamicASN unsupported, t interface unsupported",
     raw_peer("t", "{myASN: 1, dynamicASN: external, interface: eth0}"), flags=NATIVE)
rule("1.9", "native: what it has", "", V4, bgp("a", "{communities: ['1:2']}"),
     peer("t", "holdTime: 90s, keepaliveTime: 0s, password: x, sourceAddress: 10.9.0.9, ebgpMultiHop: true, peerPort: 1179"), flags=NATIVE)
rule("1.9", "native: two router ids", "", peer("t", "routerID: 10.0.0.1"), peer("u", "routerID: 10.0.0.2"), flags=NATIVE)
rule("1.9", "native: IPv6 by BGP", "p addresses unsupported", V6, bgp("a"), flags=NATIVE)
rule("1.9", "native: IPv6 by layer 2", "", V6, l2("a"), flags=NATIVE)
rule("1.9", "native: a large community", "a communities[0] unsupported", bgp("a", "{communities: ['large:1:2:3']}"), flags=NATIVE)
rule("1.9", "native: a large alias", "c communities[0].value unsupported", community("c", ("x", "large:1:2:3")), flags=NATIVE)


@pytest.mark.parametrize("text, want, flags", CASES)
def test_validation(tmp_path, text, want, flags):
    (tmp_path / "all.yaml").write_text(text)
    done = subprocess.run([program("fairleadctl"), "validate", "-f", tmp_path, *METALLB, *flags, "-o", "json"], capture_output=True, text=True, timeout=60)
    said = sorted(f"{f['name']} {f['field'].removeprefix('spec').removeprefix('.')} {f['rule']}" for f in json.loads(done.stdout)["faults"])
    assert (said, done.returncode, done.stderr) == (sorted(want.split(", ")) if want else [], 1 if want else 0, ""), done.stdout


# -- allocation

GIVEN = []


def service(name, cluster="10.96.1.1", notes="", shown="", ns="default", labels="{}", port="80", born="", **fields):
    """`cluster` and `shown`: addresses with blanks between. `notes`: what goes behind metallb.io/, "" for none."""
    ports = [{"name": f"p{i}", "port": int(p.split("/")[0]), "protocol": (p + "/TCP").split("/")[1]} for i, p in enumerate(port.split())]
    spec = {"type": "LoadBalancer", "ports": ports, **fields}
    if cluster:
        spec |= {"clusterIP": cluster.split()[0], "clusterIPs": cluster.split()}
    annotations = {key if "/" in key else f"metallb.io/{key}": value for key, value in yaml.safe_load(notes or "{}").items()}
    meta = {"name": name, "namespace": ns, "labels": yaml.safe_load(labels), "annotations": annotations}
    if born:
        meta["creationTimestamp"] = f"2026-01-01T00:00:{born}Z"
    out = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    if shown:
        out["status"] = {"loadBalancer": {"ingress": [{"hostname": a} if a.endswith(".local") else {"ip": a} for a in shown.split()]}}
    return "---\n" + yaml.safe_dump(out)


def gives(section, title, want, *docs, flags=()):
    """`want`: "a=192.0.2.0@p b=-": the addresses of each Service, and the pool that the annotation names; "-" for none."""
    GIVEN.append(pytest.param("".join(docs), want, flags, id=f"{section} {title}"))


def dual(policy=None, cluster="10.96.1.1 fd96::1", **more):
    fields = {"ipFamilyPolicy": policy} if policy else {}
    return service("a", cluster, **fields, **more)


P = pool("p", "192.0.2.0/30")
D = pool("p", "192.0.2.0/30, '2001:db8::/126'")
P6 = pool("q", "'2001:db8::/126'")
FIRST, BOTH_FIRST = "a=192.0.2.0@p", "a=192.0.2.0,2001:db8::@p"

gives("2.3", "one", FIRST, P, service("a"))
gives("2.3", "two, by name", "a=192.0.2.0@p b=192.0.2.1@p", P, service("b"), service("a"))
gives("2.3", "two, by age", "a=192.0.2.1@p b=192.0.2.0@p", P, service("a", born="09"), service("b", born="03"))
gives("2.3", "one address for two", "a=192.0.2.9@p b=-", pool("p", "192.0.2.9/32"), service("a"), service("b"))
gives("2.4", "entries in their order", "a=192.0.2.9@p b=192.0.2.3@p", pool("p", "192.0.2.9/32, 192.0.2.3/32"), service("a"), service("b"))
gives("2.3", "no pool", "a=-", service("a", shown="192.0.2.1"))
gives("2.3", "no pool of MetalLB's namespace", "a=-", pool("p", "192.0.2.0/30", ns="default"), service("a"))
for kind in ("ClusterIP", "NodePort"):
    gives("2.3", f"{kind} with a left-over address", "a=-", P,
          service("a", type=kind, shown="192.0.2.1", notes="{ip-allocated-from-pool: p}"))
gives("2.3", "ExternalName with a left-over address", "a=-", P,
      service("a", cluster="", type="ExternalName", externalName="example.org", shown="192.0.2.1", notes="{ip-allocated-from-pool: p}"))
gives("2.3", "a left-over address is free for others", "a=- b=192.0.2.9@p", pool("p", "192.0.2.9/32"),
      service("a", type="ClusterIP", shown="192.0.2.9"), service("b"))
gives("2.3", "what is shown is not stolen by an older one", "a=192.0.2.1@p b=192.0.2.0@p", P, service("a", born="01"),
      service("b", shown="192.0.2.0", born="05"))
gives("2.3", "two show the same", "a=192.0.2.2@p b=192.0.2.0@p", P, service("a", shown="192.0.2.2"), service("b", shown="192.0.2.2"))
gives("2.3", "shown, and in no pool", FIRST, P, service("a", shown="198.51.100.7"))
gives("2.3", "shown, of the other family", FIRST, P, P6, service("a", shown="2001:db8::1"))
gives("2.3", "three are shown", FIRST, P, service("a", shown="192.0.2.1 192.0.2.2 192.0.2.3"))
gives("2.3", "both families are shown and one is wanted", FIRST, D, service("a", shown="192.0.2.2 2001:db8::2"))
gives("2.3", "the pool of a shown address is written anew", "a=192.0.2.2@p", P,
      service("a", shown="192.0.2.2", notes="{ip-allocated-from-pool: gone}"))
gives("2.3", "headless", "a=-", P, service("a", cluster="None"))
gives("2.3", "an address moves to another pool", "a=192.0.2.2@q", pool("q", "192.0.2.2/31"), pool("p", "192.0.2.0/31"),
      service("a", shown="192.0.2.2", notes="{ip-allocated-from-pool: p}"))
gives("2.2", "clusterIP alone says the family", "a=2001:db8::@q", P, P6, service("a", cluster="", clusterIP="fd96::1"))
gives("2.2", "cluster addresses say the family, ipFamilies do not", FIRST, P, P6, service("a", ipFamilies=["IPv6"]))

gives("2.4", "autoAssign: false is not chosen", "a=-", pool("p", "{addresses: [192.0.2.0/30], autoAssign: false}"), service("a"))
gives("2.3", "autoAssign: false by name", FIRST, pool("p", "{addresses: [192.0.2.0/30], autoAssign: false}"),
      service("a", notes="{address-pool: p}"))
gives("2.3", "autoAssign: false by address", "a=192.0.2.3@p", pool("p", "{addresses: [192.0.2.0/30], autoAssign: false}"),
      service("a", loadBalancerIP="192.0.2.3"))
gives("2.3", "a pool by name", "a=198.51.100.0@q", P, pool("q", "198.51.100.0/30"), service("a", notes="{address-pool: q}"))
gives("2.3", "a pool by name, full", "a=198.51.100.0@q b=-", P, pool("q", "198.51.100.0/32"), service("a", notes="{address-pool: q}"),
      service("b", notes="{address-pool: q}"))
gives("2.3", "a pool by name, unknown", "a=-", P, service("a", notes="{address-pool: x}"))
gives("2.3", "a pool by name, without the family", "a=-", P, P6, service("a", notes="{address-pool: q}"))
gives("2.3", "another pool by name", "a=198.51.100.0@q", P, pool("q", "198.51.100.0/30"),
      service("a", shown="192.0.2.1", notes="{address-pool: q}"))
gives("2.1", "the old prefix", "a=198.51.100.0@q", P, pool("q", "198.51.100.0/30"),
      service("a", notes="{metallb.universe.tf/address-pool: q}"))
gives("2.1", "the new prefix wins, even empty", FIRST, P, pool("q", "198.51.100.0/30"),
      service("a", notes="{address-pool: '', metallb.universe.tf/address-pool: q}"))

for title, notes, want in (
        ("one", "192.0.2.3", "a=192.0.2.3@p"),
        ("mapped", "'::ffff:192.0.2.3'", "a=192.0.2.3@p"),
        ("empty", "''", FIRST),
        ("two of a family", "'192.0.2.1,192.0.2.2'", "a=-"),
        ("no address", "please", "a=-"),
        ("outside of all pools", "198.51.100.7", "a=-"),
        ("the other family", "'2001:db8::1'", "a=-"),
        ("both families for one", "'192.0.2.1,2001:db8::1'", "a=-")):
    gives("2.3", f"wanted: {title}", want, D, service("a", notes=f"{{loadBalancerIPs: {notes}}}"))
gives("2.3", "wanted: by spec.loadBalancerIP", "a=192.0.2.3@p", P, service("a", loadBalancerIP="192.0.2.3"))
gives("2.3", "wanted: both ways", "a=-", P, service("a", loadBalancerIP="192.0.2.3", notes="{loadBalancerIPs: 192.0.2.3}"))
gives("2.3", "wanted: both ways, and one is shown", "a=192.0.2.1@p", P,
      service("a", loadBalancerIP="192.0.2.3", notes="{loadBalancerIPs: 192.0.2.3}", shown="192.0.2.1"))
gives("2.3", "wanted: no address, and one is shown", "a=192.0.2.1@p", P, service("a", notes="{loadBalancerIPs: please}", shown="192.0.2.1"))
gives("2.3", "wanted: another than shown", "a=192.0.2.3@p", P, service("a", loadBalancerIP="192.0.2.3", shown="192.0.2.1"))
gives("2.3", "wanted: another than shown, and it is not there", "a=-", P, service("a", loadBalancerIP="198.51.100.7", shown="192.0.2.1"))
gives("2.3", "wanted: in use", "a=192.0.2.3@p b=-", P, service("a", shown="192.0.2.3"), service("b", loadBalancerIP="192.0.2.3"))
gives("2.3", "wanted: with another pool", "a=-", P, pool("q", "198.51.100.0/30"),
      service("a", loadBalancerIP="192.0.2.3", notes="{address-pool: q}"))
gives("2.3", "wanted: of a pool that excludes it", "a=-",
      pool("p", "{addresses: [192.0.2.0/30], serviceAllocation: {namespaces: [shop]}}"), service("a", loadBalancerIP="192.0.2.3"))
gives("1.1", "avoidBuggyIPs, across a /24", "a=192.0.2.254@p b=192.0.3.1@p c=-",
      pool("p", "{addresses: [192.0.2.254-192.0.3.1], avoidBuggyIPs: true}"), service("a"), service("b"), service("c"))
gives("1.1", "avoidBuggyIPs, wanted", "a=-", pool("p", "{addresses: [192.0.2.0/30], avoidBuggyIPs: true}"),
      service("a", loadBalancerIP="192.0.2.0"))
gives("1.1", "avoidBuggyIPs, shown", "a=192.0.2.1@p", pool("p", "{addresses: [192.0.2.0/30], avoidBuggyIPs: true}"),
      service("a", shown="192.0.2.0"))
gives("1.1", "avoidBuggyIPs, IPv6", "a=2001:db8::@p", pool("p", "{addresses: ['2001:db8::/126'], avoidBuggyIPs: true}"),
      service("a", cluster="fd96::1"))
gives("1.1", "a mapped prefix is an IPv4 prefix", FIRST, pool("p", "'::ffff:192.0.2.0/126'"), service("a"))
gives("1.1", "a mapped range is an IPv4 range", "a=192.0.2.1@p", pool("p", "'::ffff:192.0.2.1-::ffff:192.0.2.3'"), service("a"))


def pinned(name, address, allocation, more=""):
    return pool(name, f"{{addresses: [{address}/32], serviceAllocation: {{{allocation}}}{more}}}")


for title, one, two, want in (
        ("lower number first", "priority: 20", "priority: 10", "q"),
        ("0 is last", "priority: 0", "priority: 100", "q"),
        ("none is last", "namespaces: [default]", "priority: 9", "q"),
        ("equal: by name", "priority: 5", "priority: 5", "p"),
        ("no match, whatever the priority", "priority: 1, namespaces: [shop]", "priority: 9", "q"),
        ("labels match", "serviceSelectors: [{matchLabels: {app: x}}]", "priority: 1, serviceSelectors: [{matchLabels: {app: y}}]", "p"),
        ("one of two selectors",
         "priority: 1, serviceSelectors: [{matchLabels: {app: y}}, {matchExpressions: [{key: app, operator: Exists}]}]", "priority: 2",
         "p"),
        ("namespace and labels, both", "priority: 1, namespaces: [default], serviceSelectors: [{matchLabels: {app: y}}]",
         "priority: 2, namespaces: [default], serviceSelectors: [{matchLabels: {app: x}}]", "q"),
        ("namespaces and their selectors are a union", "priority: 1, namespaces: [shop], namespaceSelectors: [{matchLabels: {team: red}}]",
         "priority: 2", "p"),
        ("a namespace's name as its label", "priority: 1, namespaceSelectors: [{matchLabels: {kubernetes.io/metadata.name: default}}]",
         "priority: 2", "p")):
    gives("2.4", f"pinned: {title}", {"p": "a=192.0.2.1@p", "q": "a=192.0.2.2@q"}[want], pinned("p", "192.0.2.1", one),
          pinned("q", "192.0.2.2", two), pool("a", "192.0.2.3/32"),
          namespace("default", "{team: red}"), service("a", labels="{app: x}"))
gives("2.4", "pinned before all others", "a=192.0.2.9@z", pool("a", "192.0.2.0/30"), pinned("z", "192.0.2.9", "namespaces: [default]"),
      service("a"))
gives("2.4", "pinned and full: another pinned one, then the others", "a=192.0.2.1@p b=192.0.2.2@q c=192.0.2.9@a",
      pool("a", "192.0.2.9/32"), pinned("p", "192.0.2.1", "priority: 1"), pinned("q", "192.0.2.2", "priority: 2"),
      service("a"), service("b"), service("c"))
gives("2.4", "pinned with autoAssign: false", "a=192.0.2.9@b", pinned("a", "192.0.2.1", "namespaces: [default]", ", autoAssign: false"),
      pool("b", "192.0.2.9/32"), service("a"))
gives("2.4", "pinned to others", "a=-", pinned("p", "192.0.2.1", "namespaces: [shop]"), service("a"))
gives("2.4", "pinned to others, named", "a=-", pinned("p", "192.0.2.1", "namespaces: [shop]"), service("a", notes="{address-pool: p}"))
gives("2.3", "pinned to others, shown", "a=192.0.2.9@q", pinned("p", "192.0.2.1", "namespaces: [shop]"), pool("q", "192.0.2.9/32"),
      service("a", shown="192.0.2.1"))

KEY = "{allow-shared-ip: k}"
LOCAL = {"externalTrafficPolicy": "Local"}
same, apart = "a=192.0.2.0@p b=192.0.2.0@p", "a=192.0.2.0@p b=192.0.2.1@p"
for title, a, b, want in (
        ("other ports", dict(port="80"), dict(port="81"), same),
        ("a port in common", dict(port="80 81"), dict(port="81 82"), apart),
        ("other protocols", dict(port="53/TCP"), dict(port="53/UDP"), same),
        ("another key", {}, dict(port="81", notes="{allow-shared-ip: l}"), apart),
        ("an empty key", dict(notes="{allow-shared-ip: ''}"), dict(port="81", notes="{allow-shared-ip: ''}"), apart),
        ("the old prefix", {}, dict(port="81", notes="{metallb.universe.tf/allow-shared-ip: k}"), same),
        ("Cluster and other selectors", dict(selector={"x": "y"}), dict(port="81", selector={"x": "z"}), same),
        ("Local and one selector", dict(selector={"x": "y"}, **LOCAL), dict(port="81", selector={"x": "y"}, **LOCAL), same),
        ("Local and two selectors", dict(selector={"x": "y"}, **LOCAL), dict(port="81", selector={"x": "z"}, **LOCAL), apart),
        ("Local and Cluster", dict(selector={"x": "y"}, **LOCAL), dict(port="81", selector={"x": "y"}), apart),
        ("shown together", dict(shown="192.0.2.0"), dict(port="81", shown="192.0.2.0"), same),
        ("shown together, and the ports clash", dict(shown="192.0.2.0"), dict(shown="192.0.2.0"), apart)):
    gives("2.5", f"sharing: {title}", want, P, service("a", **{"notes": KEY, **a}), service("b", **{"notes": KEY, **b}))
gives("2.5", "sharing: across namespaces", "a=192.0.2.0@p shop/b=192.0.2.0@p", P, service("a", notes=KEY),
      service("b", notes=KEY, port="81", ns="shop"))
gives("2.5", "sharing: wanted", "a=192.0.2.0@p b=192.0.2.0@p c=-", P, service("a", notes=KEY),
      service("b", notes=KEY, port="81", loadBalancerIP="192.0.2.0"), service("c", port="82", loadBalancerIP="192.0.2.0"))
gives("2.5", "sharing: a full pool is no hindrance", "a=192.0.2.9@p b=192.0.2.9@p c=-", pool("p", "192.0.2.9/32"), service("a", notes=KEY),
      service("b", notes=KEY, port="81"), service("c", notes=KEY, port="81"))
gives("2.5", "sharing: both families", "a=192.0.2.0,2001:db8::@p b=192.0.2.0,2001:db8::@p", D, dual("RequireDualStack", notes=KEY),
      service("b", "10.96.1.2 fd96::2", notes=KEY, port="81", ipFamilyPolicy="RequireDualStack"))

PREFER, REQUIRE = "PreferDualStack", "RequireDualStack"
for title, docs, one, want in (
        ("single and PreferDualStack", (D,), dual(PREFER, "10.96.1.1"), FIRST),
        ("single and RequireDualStack", (D,), dual(REQUIRE, "10.96.1.1"), "a=-"),
        ("RequireDualStack", (D,), dual(REQUIRE), BOTH_FIRST),
        ("RequireDualStack, IPv6 first", (D,), dual(REQUIRE, "fd96::1 10.96.1.1"), BOTH_FIRST),
        ("RequireDualStack and two pools", (P, P6), dual(REQUIRE), "a=-"),
        ("RequireDualStack and one family full",
         (pool("p", "192.0.2.0/30, '2001:db8::/128'"), service("0", "10.96.9.9 fd96::9", ipFamilyPolicy=REQUIRE)), dual(REQUIRE),
         "a=- 0=192.0.2.0,2001:db8::@p"),
        ("RequireDualStack, one is shown", (D,), dual(REQUIRE, shown="192.0.2.2"), BOTH_FIRST),
        ("RequireDualStack, both are shown", (D,), dual(REQUIRE, shown="192.0.2.2 2001:db8::2"), "a=192.0.2.2,2001:db8::2@p"),
        ("RequireDualStack, shown from two pools", (D, pool("q", "'2001:db8:1::/126'")), dual(REQUIRE, shown="192.0.2.2 2001:db8:1::"),
         BOTH_FIRST),
        ("no policy", (D,), dual(), BOTH_FIRST),
        ("no policy and two pools", (P, P6), dual(), "a=-"),
        ("PreferDualStack and two pools", (P, P6), dual(PREFER), FIRST),
        ("PreferDualStack and two pools, IPv6 first", (P, P6), dual(PREFER, ipFamilies=["IPv6", "IPv4"]), "a=2001:db8::@q"),
        ("PreferDualStack: the pool of both, though a later one", (P, pool("z", "198.51.100.0/30, '2001:db8::/126'")), dual(PREFER),
         "a=198.51.100.0,2001:db8::@z"),
        ("PreferDualStack: the pool that is pinned, though of one family", (pinned("z", "198.51.100.9", "namespaces: [default]"), D),
         dual(PREFER), "a=198.51.100.9@z"),
        ("PreferDualStack: pinned to both families",
         (pinned("y", "198.51.100.9", "priority: 1"), pool("z", "{addresses: [203.0.113.0/30, '2001:db8:9::/126'], serviceAllocation: {priority: 2}}"), D),
         dual(PREFER), "a=203.0.113.0,2001:db8:9::@z"),
        ("RequireDualStack: pinned to one family, so another", (pinned("z", "198.51.100.9", "namespaces: [default]"), D), dual(REQUIRE),
         BOTH_FIRST),
        ("PreferDualStack, one is shown: the other of its pool", (D,), dual(PREFER, shown="192.0.2.2"), "a=192.0.2.2,2001:db8::@p"),
        ("PreferDualStack, one is shown and its pool has no more", (P, P6), dual(PREFER, shown="192.0.2.2"), "a=192.0.2.2@p"),
        ("PreferDualStack, the pool has lost a family", (P,), dual(PREFER, shown="192.0.2.2 2001:db8::2"), FIRST),
        ("a named pool of one family, PreferDualStack", (P, D.replace("name: p", "name: q").replace("192.0.2", "198.51.100")),
         dual(PREFER, notes="{address-pool: p}"), FIRST),
        ("a named pool of one family, RequireDualStack", (P,), dual(REQUIRE, notes="{address-pool: p}"), "a=-"),
        ("wanted both", (D,), dual(REQUIRE, notes="{loadBalancerIPs: '2001:db8::3, 192.0.2.3'}"), "a=192.0.2.3,2001:db8::3@p"),
        ("wanted one of two, PreferDualStack", (D,), dual(PREFER, loadBalancerIP="192.0.2.3"), "a=-"),
        ("wanted both, of two pools", (P, P6), dual(REQUIRE, notes="{loadBalancerIPs: '192.0.2.3,2001:db8::3'}"), "a=-"),
        ("wanted three", (D,), dual(REQUIRE, notes="{loadBalancerIPs: '192.0.2.1,192.0.2.2,2001:db8::3'}"), "a=-")):
    gives("2.6", title, want, *docs, one)

CLASS = "example.com/x"
gives("2.2", "a class, and none is served", "a=-", P, service("a", loadBalancerClass=CLASS))
gives("2.2", "a class that is not ours keeps its status", "a=192.0.2.2", P, service("a", loadBalancerClass=CLASS, shown="192.0.2.2"))
gives("2.2", "--lb-class", "a=192.0.2.0@p b=- c=-", P, service("a", loadBalancerClass=CLASS), service("b"),
      service("c", loadBalancerClass="example.com/y"), flags=("--lb-class", CLASS))
for title, bad in (("overlap", pool("q", "192.0.2.0/32")), ("alias twice", community("c", ("x", "1:1"), ("x", "1:1")))):
    gives("1.8", f"a wrong {title} stops allocation and takes nothing away", "a=- b=192.0.2.2", P, bad, service("a"),
          service("b", shown="192.0.2.2"))
for title, bad in (("BGPAdvertisement", bgp("x", "{aggregationLength: 99}")), ("BGPPeer", peer("x", "holdTime: 1s"))):
    gives("1.8", f"a wrong {title} does not stop allocation", FIRST, P, bad, service("a"))


@pytest.mark.parametrize("text, want, flags", GIVEN)
def test_allocation(tmp_path, text, want, flags):
    (tmp_path / "all.yaml").write_text(text)
    done = subprocess.run([program("fairlead-controller"), "--manifests", tmp_path, "--once", *METALLB, *flags], capture_output=True, text=True, timeout=60)
    assert done.returncode < 2, done.stderr
    got = []
    for s in (d for d in yaml.safe_load_all(text) if d["kind"] == "Service"):
        meta, overlay = s["metadata"], {}
        written = tmp_path / ".status/Service" / meta["namespace"] / f"{meta['name']}.yaml"
        if written.exists():
            overlay = yaml.safe_load(written.read_text())
        shown = {**s, **({"status": overlay["status"]} if "status" in overlay else {})}.get("status", {})
        notes = {**meta["annotations"], **overlay.get("metadata", {}).get("annotations", {})}
        ips = ",".join(i["ip"] for i in shown.get("loadBalancer", {}).get("ingress", []) if "ip" in i) or "-"
        from_pool = notes.get("metallb.io/ip-allocated-from-pool")
        where = "" if meta["namespace"] == "default" else meta["namespace"] + "/"
        got.append(f"{where}{meta['name']}={ips}" + (f"@{from_pool}" if from_pool else ""))
    assert sorted(got) == sorted(want.split()), done.stdout + done.stderr
