"""What tests on dual.clab.yml are written with: addresses of both families, objects that hold them, probes of any protocol."""
import sctp
from lab import _object

FAMILIES = ("ipv4", "ipv6")
PROTOCOLS = ("tcp", "udp", "sctp")
NODES = ("node-a", "node-b", "node-c")
PODS = tuple(f"pod-{n}{k}" for n in "abc" for k in (1, 2))
CLUSTER_CIDRS, SERVICE_CIDRS = "10.244.0.0/16,fd00:244::/32", "10.96.0.0/16,fd00:96::/112"


def number(name):
    """1 for node-a and its pods, 2 for node-b, 3 for node-c."""
    return "abc".index(name.split("-")[1][0]) + 1


def by_family(v4, v6):
    return lambda family, *names: (v4 if family == "ipv4" else v6)(*names)


node_ip = by_family(lambda n: f"198.51.100.{10 + number(n)}", lambda n: f"fd00:c::{10 + number(n)}")
gateway = by_family(lambda n: f"10.244.{number(n)}.1", lambda n: f"fd00:244:{number(n)}::1")  # of a node's pods
pod_ip = by_family(lambda p: f"10.244.{number(p)}.{int(p[-1]) + 1}", lambda p: f"fd00:244:{number(p)}::{int(p[-1]) + 1}")
client_ip = by_family(lambda: "192.0.2.2", lambda: "2001:db8:1::2")
second_client_ip = by_family(lambda: "192.0.2.3", lambda: "2001:db8:1::3")
# Addresses number i (1 to 15) of the Services that are asked through node n; the router sends them there.
cluster_ip = by_family(lambda n, i: f"10.96.{number(n)}.{i}", lambda n, i: f"fd00:96::{number(n)}{i:02x}")
vip = by_family(lambda n, i: f"198.51.100.{176 + 16 * number(n) + i}", lambda n, i: f"fd00:c::f{number(n)}:{i:x}")
external_ip = by_family(lambda n, i: f"203.0.113.{64 * (number(n) - 1) + i}", lambda n, i: f"2001:db8:113:{number(n)}::{i:x}")


def route(lab):
    """The router sends a node's Services to it, announced or not: what is tested here is forwarding."""
    for n in NODES:
        k = number(n)
        for prefix in (f"198.51.100.{176 + 16 * k}/28", f"10.96.{k}.0/24", f"203.0.113.{64 * (k - 1)}/26"):
            lab.topo.run("router", ["ip", "route", "add", prefix, "via", node_ip("ipv4", n)])
        for prefix in (f"fd00:c::f{k}:0/112", f"fd00:96::{k}00/120", f"2001:db8:113:{k}::/64"):
            lab.topo.run("router", ["ip", "-6", "route", "add", prefix, "via", node_ip("ipv6", n)])


def node(name, families=FAMILIES, labels=None):
    cidrs = [f"{gateway('ipv4', name)[:-1]}0/24" if f == "ipv4" else f"{gateway('ipv6', name)[:-1]}/64" for f in families]
    return _object("v1", "Node", name, labels={"kubernetes.io/hostname": name, **(labels or {})},
                   spec={"podCIDR": cidrs[0], "podCIDRs": cidrs},
                   status={"addresses": [{"type": "InternalIP", "address": node_ip(f, name)} for f in families],
                           "conditions": [{"type": "Ready", "status": "True"}]})


def service(name, n, i, node_port=0, *, families=FAMILIES, protocols=PROTOCOLS, labels=None, vips=True, externals=False, ports=None,
            ingress=None, **spec):
    """Number i of those asked through node n: ClusterIPs, and where asked for VIPs, externalIPs and a NodePort, on port 80 of
    every protocol."""
    cluster = [cluster_ip(f, n, i) for f in families]
    if ports is None:
        ports = [{"name": p, "protocol": p.upper(), "port": 80, **({"nodePort": node_port} if node_port else {})} for p in protocols]
    spec = {"type": "LoadBalancer", "clusterIP": cluster[0], "clusterIPs": cluster,
            "ipFamilies": ["IPv4" if f == "ipv4" else "IPv6" for f in families], "ports": ports, **spec}
    if externals:
        spec["externalIPs"] = [external_ip(f, n, i) for f in families]
    if ingress is None:
        ingress = [{"ip": vip(f, n, i)} for f in families] if vips else []
    return _object("v1", "Service", name, "default", labels, spec=spec, status={"loadBalancer": {"ingress": ingress}})


def slices(of_service, pods, families=FAMILIES, protocols=PROTOCOLS, port=8080, labels=None, **more):
    """One EndpointSlice for each family. `pods` are names, or (name, what to add to the endpoint) pairs."""
    out = []
    for f in families:
        endpoints = []
        for p in pods:
            name, rest = (p, {}) if isinstance(p, str) else p
            endpoints.append({"addresses": [pod_ip(f, name)], "nodeName": f"node-{name.split('-')[1][0]}",
                              "conditions": {"ready": True}, **rest})
        out.append(_object("discovery.k8s.io/v1", "EndpointSlice", f"{of_service}-{f}", "default",
                           {"kubernetes.io/service-name": of_service, **(labels or {})}, addressType="IPv4" if f == "ipv4" else "IPv6",
                           ports=[{"name": p, "protocol": p.upper(), "port": port} for p in protocols], endpoints=endpoints, **more))
    return out


def ask(lab, who, protocol, ip, port, source=None, timeout=1.0):
    """One new connection: (server, client address seen there, None) or (None, None, error)."""
    if protocol == "sctp":
        return sctp.ask(lab.topo, who, ip, port, source, timeout)
    asked = lab.ask(who, ip, port, source=source, udp=protocol == "udp", timeout=timeout)
    if asked.errors:
        return None, None, next(iter(asked.errors))
    return next(iter(asked.names)), next(iter(asked.peers)), None


def answers(lab, who, protocol, ip, port, expected, source=None, most=80):
    """{(server, client address seen there)} of some new connections: at least four, and until every expected server has
    answered. Eighty draws out of three miss one once in 10^13 times. Fails at the first error."""
    seen = set()
    for count in range(most):
        server, peer, error = ask(lab, who, protocol, ip, port, source)
        assert error is None, f"{who} asks {ip} {port}/{protocol}, connection {count + 1}: {error}; before: {sorted(seen)}"
        seen.add((server, peer))
        if count >= 3 and {s for s, _ in seen} >= set(expected):
            break
    return seen
