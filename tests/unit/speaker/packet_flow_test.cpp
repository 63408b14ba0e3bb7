/// From manifests to what a packet meets: objects as Kubernetes writes them, through parser, facts and planner, asked with
/// trace(). Each case is a cluster, and the sentences that must hold in it. The idea (not the text) is kube-proxy's own
/// packet-flow corpus.
#include <gtest/gtest.h>

#include "proto/kube/parse.h"
#include "proto/runtime/yaml.h"
#include "speaker/core/node_facts.h"
#include "speaker/core/trace.h"
#include "tests/support/builders.h"

namespace fairlead::speaker {
namespace {

using namespace test;

/// "10.244.9.9 > 10.96.0.1:80/TCP" and what it meets: "endpoints", "+masq" behind them, or reject, drop, pass.
struct Flow {
  const char* question;
  const char* want;
};
struct Case {
  const char* name;
  const char* manifests;  // Services and EndpointSlices; names need no namespace
  std::vector<Flow> flows;
  DataPlaneTexts flags = {.cluster_cidrs = {"10.244.0.0/16", "fd01::/48"}, .service_cidrs = {"10.96.0.0/16", "fd02::/112"}};
};

template <class T>
std::optional<T> good(const kube::Parsed<T>& parsed) {
  if (const auto* error = std::get_if<kube::FieldError>(&parsed)) {
    ADD_FAILURE() << error->field << ": " << error->what;
    return std::nullopt;
  }
  return std::get<T>(parsed);
}

/// Node n1 in zone z1, at 192.0.2.1 and 2001:db8::1; it also has 10.9.0.1. Pods of n1 are 10.244.1.x, of n2 10.244.2.x.
class ClusterOf {
 public:
  explicit ClusterOf(const Case& c) {
    Cluster cluster;
    cluster.nodes["n1"] = node("n1", {"192.0.2.1", "2001:db8::1"});
    cluster.nodes["n1"].meta.labels["topology.kubernetes.io/zone"] = "z1";
    cluster.nodes["n1"].pod_cidrs = {prefix("10.244.1.0/24"), prefix("fd01:0:0:1::/64")};
    cluster.pools[named("pool")] = pool("pool", {"198.51.100.0/24"});
    const auto flags = parse_flags(c.flags);
    EXPECT_TRUE(flags) << flags.error().what;
    planner_.set_facts(node_facts(*flags, "n1", cluster, {{}, ips({"192.0.2.1", "2001:db8::1", "10.9.0.1", "127.0.0.1"})}));
    const auto broken = runtime::read_objects(c.manifests, runtime::Format::yaml, [&](const kube::Json& o, const runtime::Place&) { take(o); });
    EXPECT_FALSE(broken) << "line " << broken->line << ": " << broken->what;
    while (planner_.is_dirty()) planner_.plan_some(100, {});
  }

  std::string meets(std::string_view question) const {
    const auto part = [&](std::string_view end) {
      const auto at = question.find(end);
      const std::string_view out = question.substr(0, at);
      question.remove_prefix(std::min(question.size(), out.size() + end.size()));
      return out;
    };
    Question q;
    q.source = ip(part(" > "));
    const bool is6 = question.starts_with('[');
    if (is6) question.remove_prefix(1);
    q.destination = ip(part(is6 ? "]:" : ":"));
    q.port = Port{static_cast<std::uint16_t>(std::stoi(std::string(part("/"))))};
    const std::string_view protocol = part(" ");
    q.protocol = protocol == "UDP" ? Protocol::udp : protocol == "SCTP" ? Protocol::sctp : Protocol::tcp;
    if (question == "from a pod") q.from = From::pod;
    const Answer a = trace(planner_, q);
    if (a.verdict != Verdict::endpoints) return std::string(name(a.verdict));
    std::string out;
    for (const Target& t : a.endpoints) out += (out.empty() ? "" : " ") + t.ip.str() + (t.port.value == 8080 ? "" : "#" + std::to_string(t.port.value));
    return out + (a.masquerade ? " +masq" : "");
  }

 private:
  void take(const kube::Json& o) {
    if (o["kind"] == "Service") {
      if (auto s = good(kube::parse_service(o))) planner_.set_service({s->meta.ns, s->meta.name}, *s);
    } else if (auto s = good(kube::parse_endpoint_slice(o))) {
      planner_.set_slice({s->meta.ns, s->meta.name}, *s);
    }
  }

  Planner planner_;
};

// What most cases share. Endpoints: .2 on n1, .2 on n2.
#define TWO_ENDPOINTS                                                                                              \
  "---\n{kind: EndpointSlice, metadata: {name: web-4, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, " \
  "ports: [{name: '', port: 8080}], endpoints: [{addresses: [10.244.1.2], nodeName: n1}, {addresses: [10.244.2.2], nodeName: n2}]}\n"

const Case kCases[] = {
    {"a Service of both families has frontends and endpoints of both, and no target port is read", R"(
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  clusterIPs: [10.96.0.1, "fd02::1"]
  ipFamilies: [IPv4, IPv6]
  ports: [{port: 80, targetPort: 4711, nodePort: 30080}]
status: {loadBalancer: {ingress: [{ip: 198.51.100.1}, {ip: "2001:db8:5::1"}]}}
)" TWO_ENDPOINTS R"(---
kind: EndpointSlice
metadata: {name: web-6, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
ports: [{name: "", port: 8080, protocol: TCP}]
endpoints: [{addresses: ["fd01::7"]}]
)",
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "10.244.1.2 10.244.2.2"},
      {"203.0.113.5 > 10.96.0.1:80/TCP", "10.244.1.2 10.244.2.2 +masq"},
      {"203.0.113.5 > 198.51.100.1:80/TCP", "10.244.1.2 10.244.2.2 +masq"},
      {"203.0.113.5 > 192.0.2.1:30080/TCP", "10.244.1.2 10.244.2.2 +masq"},
      {"fd01::9 > [fd02::1]:80/TCP", "fd01::7"},
      {"2001:db8:9::9 > [2001:db8:5::1]:80/TCP", "fd01::7 +masq"},
      {"2001:db8:9::9 > [2001:db8::1]:30080/TCP", "fd01::7 +masq"},
      {"203.0.113.5 > 198.51.100.1:80/UDP", "reject"},
      {"203.0.113.5 > 192.0.2.1:30080/UDP", "pass"}}},

    {"addresses are written as old tools write them: leading zeros are decimal, blanks and host bits do not count", R"(
kind: Service
metadata: {name: web}
spec:
  clusterIP: 10.096.00.041
  externalIPs: ["192.0.002.099"]
  loadBalancerSourceRanges: [" 203.0.113.129/025", "203.000.113.200/32"]
  ports: [{port: 80}]
status: {loadBalancer: {ingress: [{ip: "198.051.100.004"}]}}
---
kind: EndpointSlice
metadata: {name: web-4, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints: [{addresses: ["010.244.01.002"], nodeName: n1}, {addresses: ["10.244.1.2"], nodeName: n2}]
)",
     {{"10.244.1.9 > 10.96.0.41:80/TCP", "10.244.1.2"},
      {"203.0.113.5 > 192.0.2.99:80/TCP", "10.244.1.2 +masq"},
      {"203.0.113.128 > 198.51.100.4:80/TCP", "10.244.1.2 +masq"},
      {"203.0.113.127 > 198.51.100.4:80/TCP", "drop"}}},

    {"one number in three protocols is three ports, each with its own endpoints", R"(
kind: Service
metadata: {name: dns}
spec:
  clusterIP: 10.96.0.10
  ports:
  - {name: udp, protocol: UDP, port: 53, nodePort: 30053}
  - {name: tcp, protocol: TCP, port: 53, nodePort: 30053}
  - {name: sctp, protocol: SCTP, port: 53}
---
kind: EndpointSlice
metadata: {name: dns-1, labels: {kubernetes.io/service-name: dns}}
addressType: IPv4
ports: [{name: udp, protocol: UDP, port: 8080}, {name: tcp, port: 5353}]
endpoints: [{addresses: [10.244.1.2]}]
---
kind: EndpointSlice
metadata: {name: dns-2, labels: {kubernetes.io/service-name: dns}}
addressType: IPv4
ports: [{name: tcp, port: 5354}, {name: sctp, protocol: TCP, port: 8080}]
endpoints: [{addresses: [10.244.2.2]}]
)",
     {{"10.244.1.9 > 10.96.0.10:53/UDP", "10.244.1.2"},
      {"10.244.1.9 > 10.96.0.10:53/TCP", "10.244.1.2#5353 10.244.2.2#5354"},
      {"10.244.1.9 > 10.96.0.10:53/SCTP", "reject"},
      {"203.0.113.5 > 192.0.2.1:30053/UDP", "10.244.1.2 +masq"},
      {"203.0.113.5 > 192.0.2.1:30053/TCP", "10.244.1.2#5353 10.244.2.2#5354 +masq"}}},

    {"conditions that are not there count as ready; of an endpoint only the first address, of its family, is used", R"(
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints:
- {addresses: [10.244.1.2, 10.244.1.3], conditions: {}}
- {addresses: [10.244.1.4], conditions: {ready: null, serving: null}}
- {addresses: [10.244.1.5], conditions: {ready: false}}
- {addresses: ["fd01::5"]}
- {addresses: []}
---
kind: EndpointSlice
metadata: {name: web-2, labels: {kubernetes.io/service-name: web}}
addressType: FQDN
ports: [{name: "", port: 8080}]
endpoints: [{addresses: [web.example.org]}]
)",
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "10.244.1.2 10.244.1.4"}}},

    {"slices without the Service's name, of another namespace, or whose port has no number, are not its own", R"(
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}
---
kind: EndpointSlice
metadata: {name: web-1}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints: [{addresses: [10.244.1.2]}]
---
kind: EndpointSlice
metadata: {name: web-1, namespace: other, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints: [{addresses: [10.244.1.3]}]
---
kind: EndpointSlice
metadata: {name: web-2, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: ""}]
endpoints: [{addresses: [10.244.1.4]}]
)",
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "reject"}}},

    {"an address in two slices is one endpoint, and is here if one of them says so", R"(
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.1, internalTrafficPolicy: Local, ports: [{port: 80}]}
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints: [{addresses: [10.244.1.2]}, {addresses: [10.244.2.2], nodeName: n2}]
---
kind: EndpointSlice
metadata: {name: web-2, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints: [{addresses: [10.244.1.2], nodeName: n1}]
)",
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "10.244.1.2"}}},

    {"draining endpoints serve where no ready one is, for this node and for the cluster apart", R"(
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, clusterIP: 10.96.0.1, externalTrafficPolicy: Local, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 198.51.100.1}]}}
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints:
- {addresses: [10.244.1.2], nodeName: n1, conditions: {ready: false, serving: true, terminating: true}}
- {addresses: [10.244.1.3], nodeName: n1, conditions: {ready: false, serving: false, terminating: true}}
- {addresses: [10.244.2.2], nodeName: n2}
- {addresses: [10.244.2.3], nodeName: n2, conditions: {ready: false, serving: true, terminating: true}}
)",
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "10.244.2.2"},
      {"10.244.1.9 > 198.51.100.1:80/TCP", "10.244.2.2"},
      {"203.0.113.5 > 198.51.100.1:80/TCP", "10.244.1.2"}}},

    {"publishNotReadyAddresses has made addresses ready that do not serve: they are used", R"(
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.1, publishNotReadyAddresses: true, ports: [{port: 80}]}
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints: [{addresses: [10.244.1.2], conditions: {ready: true, serving: false, terminating: true}}]
)",
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "10.244.1.2"}}},

    {"hints for zones decide over ClusterIPs and VIPs; a Local policy goes before them", R"(
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, clusterIP: 10.96.0.1, externalTrafficPolicy: Local, ports: [{port: 80}], trafficDistribution: PreferClose}
status: {loadBalancer: {ingress: [{ip: 198.51.100.1}]}}
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints:
- {addresses: [10.244.1.2], nodeName: n1, hints: {forZones: [{name: z2}]}}
- {addresses: [10.244.2.2], nodeName: n2, hints: {forZones: [{name: z2}, {name: z1}]}}
)",
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "10.244.2.2"},
      {"10.244.1.9 > 198.51.100.1:80/TCP", "10.244.2.2"},
      {"203.0.113.5 > 198.51.100.1:80/TCP", "10.244.1.2"}}},

    {"hints for nodes go before hints for zones, and only where every ready endpoint has them", R"(
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}, {port: 81, name: other}]}
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", port: 8080}, {name: other, port: 8080}]
endpoints:
- {addresses: [10.244.1.2], nodeName: n1, hints: {forZones: [{name: z2}], forNodes: [{name: n1}]}}
- {addresses: [10.244.2.2], nodeName: n2, hints: {forZones: [{name: z1}], forNodes: [{name: n2}]}}
---
kind: EndpointSlice
metadata: {name: web-2, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: other, port: 8080}]
endpoints: [{addresses: [10.244.3.2], nodeName: n3, hints: {forZones: [{name: z1}]}}]
)",
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "10.244.1.2"}, {"10.244.1.9 > 10.96.0.1:81/TCP", "10.244.2.2 10.244.3.2"}}},

    {"neither policy reaches the other kind of frontend, and a Local one without external frontends says nothing", R"(
kind: Service
metadata: {name: web}
spec: {type: NodePort, clusterIP: 10.96.0.1, internalTrafficPolicy: Local, ports: [{port: 80, nodePort: 30080}]}
---
kind: Service
metadata: {name: plain}
spec: {clusterIP: 10.96.0.2, externalTrafficPolicy: Local, ports: [{port: 80}]}
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints: [{addresses: [10.244.2.2], nodeName: n2}]
---
kind: EndpointSlice
metadata: {name: plain-1, labels: {kubernetes.io/service-name: plain}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints: [{addresses: [10.244.2.2], nodeName: n2}]
)",
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "drop"}, {"203.0.113.5 > 192.0.2.1:30080/TCP", "10.244.2.2 +masq"}, {"203.0.113.5 > 10.96.0.2:80/TCP", "10.244.2.2 +masq"}}},

    {"the type says nothing: a node port and an address that are there are served", R"(
kind: Service
metadata: {name: web}
spec: {type: ClusterIP, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]}
status: {loadBalancer: {ingress: [{ip: 198.51.100.1}]}}
)" TWO_ENDPOINTS,
     {{"203.0.113.5 > 192.0.2.1:30080/TCP", "10.244.1.2 10.244.2.2 +masq"}, {"203.0.113.5 > 198.51.100.1:80/TCP", "10.244.1.2 10.244.2.2 +masq"}}},

    {"addresses in Proxy mode and host names are another load balancer's", R"(
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, clusterIP: 10.96.0.1, loadBalancerSourceRanges: [203.0.113.0/24], ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 198.51.100.1, ipMode: Proxy}, {hostname: lb.example.org}, {ip: 198.51.100.2, ipMode: VIP}]}}
)" TWO_ENDPOINTS,
     {{"10.244.1.9 > 198.51.100.1:80/TCP", "pass"}, {"203.0.113.5 > 198.51.100.2:80/TCP", "10.244.1.2 10.244.2.2 +masq"}}},

    {"headless Services, external names, and those of another proxy are not there", R"(
kind: Service
metadata: {name: web}
spec: {clusterIP: None, ports: [{port: 80, nodePort: 30081}], externalIPs: [198.51.100.1]}
---
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: example.org, clusterIP: 10.96.0.2, ports: [{port: 80}]}
---
kind: Service
metadata: {name: other, labels: {service.kubernetes.io/service-proxy-name: ""}}
spec: {clusterIP: 10.96.0.3, ports: [{port: 80}]}
---
kind: Service
metadata: {name: labelled, labels: {service.kubernetes.io/headless: "false"}}
spec: {clusterIP: 10.96.0.4, ports: [{port: 80}]}
)" TWO_ENDPOINTS,
     {{"203.0.113.5 > 198.51.100.1:80/TCP", "pass"},
      {"203.0.113.5 > 192.0.2.1:30081/TCP", "pass"},
      {"10.244.1.9 > 10.96.0.2:80/TCP", "drop"},
      {"10.244.1.9 > 10.96.0.3:80/TCP", "drop"},
      {"10.244.1.9 > 10.96.0.4:80/TCP", "drop"}}},

    {"without a cluster address of a family a Service has no frontend in it", R"(
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, clusterIP: 10.96.0.1, externalIPs: ["2001:db8:7::7"], ports: [{port: 80, nodePort: 30080}]}
status: {loadBalancer: {ingress: [{ip: "2001:db8:5::1"}]}}
)" TWO_ENDPOINTS,
     {{"2001:db8:9::9 > [2001:db8:5::1]:80/TCP", "pass"},
      {"2001:db8:9::9 > [2001:db8:7::7]:80/TCP", "pass"},
      {"2001:db8:9::9 > [2001:db8::1]:30080/TCP", "pass"},
      {"203.0.113.5 > 192.0.2.1:30080/TCP", "10.244.1.2 10.244.2.2 +masq"}}},

    {"two Services share an address on different ports; of one port the older has it", R"(
kind: Service
metadata: {name: web, creationTimestamp: "2026-01-02T00:00:00Z"}
spec: {clusterIP: 10.96.0.1, externalIPs: [198.51.100.9], ports: [{name: "", port: 80}]}
---
kind: Service
metadata: {name: old, creationTimestamp: "2026-01-01T00:00:00Z"}
spec: {clusterIP: 10.96.0.2, externalIPs: [198.51.100.9], ports: [{name: a, port: 80}, {name: b, port: 81}]}
---
kind: EndpointSlice
metadata: {name: old-1, labels: {kubernetes.io/service-name: old}}
addressType: IPv4
ports: [{name: a, port: 9090}]
endpoints: [{addresses: [10.244.2.9]}]
)" TWO_ENDPOINTS,
     {{"203.0.113.5 > 198.51.100.9:80/TCP", "10.244.2.9#9090 +masq"}, {"203.0.113.5 > 198.51.100.9:81/TCP", "reject"}, {"10.244.1.9 > 10.96.0.1:80/TCP", "10.244.1.2 10.244.2.2"}}},

    {"source ranges are for VIPs: pods and the node outside of them are kept off too, NodePorts and externalIPs are open", R"(
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  clusterIPs: [10.96.0.1, "fd02::1"]
  externalIPs: [198.51.100.9]
  loadBalancerSourceRanges: [203.0.113.0/24]
  ports: [{port: 80, nodePort: 30080}]
status: {loadBalancer: {ingress: [{ip: 198.51.100.1}, {ip: "2001:db8:5::1"}]}}
)" TWO_ENDPOINTS,
     {{"203.0.113.5 > 198.51.100.1:80/TCP", "10.244.1.2 10.244.2.2 +masq"},
      {"203.0.114.5 > 198.51.100.1:80/TCP", "drop"},
      {"10.244.1.9 > 198.51.100.1:80/TCP", "drop"},
      {"192.0.2.1 > 198.51.100.1:80/TCP", "drop"},
      {"198.51.100.1 > 198.51.100.1:80/TCP", "drop"},
      {"203.0.114.5 > 198.51.100.9:80/TCP", "10.244.1.2 10.244.2.2 +masq"},
      {"203.0.114.5 > 192.0.2.1:30080/TCP", "10.244.1.2 10.244.2.2 +masq"},
      {"2001:db8:9::9 > [2001:db8:5::1]:80/TCP", "reject"}}},

    {"a range around this node lets in the VIP itself, as a host that has bound it would use it", R"(
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, clusterIP: 10.96.0.1, loadBalancerSourceRanges: [192.0.2.0/28], ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 198.51.100.1}]}}
)" TWO_ENDPOINTS,
     {{"192.0.2.1 > 198.51.100.1:80/TCP", "10.244.1.2 10.244.2.2 +masq"}, {"198.51.100.1 > 198.51.100.1:80/TCP", "10.244.1.2 10.244.2.2 +masq"}}},

    {"NodePorts on the prefixes given; the family without one is open, and loopback never is", R"(
kind: Service
metadata: {name: web}
spec: {type: NodePort, clusterIPs: [10.96.0.1, "fd02::1"], ports: [{port: 80, nodePort: 30080}]}
)" TWO_ENDPOINTS,
     {{"203.0.113.5 > 10.9.0.1:30080/TCP", "10.244.1.2 10.244.2.2 +masq"},
      {"203.0.113.5 > 192.0.2.1:30080/TCP", "pass"},
      {"127.0.0.1 > 127.0.0.1:30080/TCP", "pass"},
      {"2001:db8:9::9 > [2001:db8::1]:30080/TCP", "reject"},
      {"2001:db8:9::9 > [2001:db8::2]:30080/TCP", "pass"}},
     {.nodeport_addresses = {"10.9.0.0/16", "127.0.0.0/8"}}},

    {"a zero prefix opens NodePorts on every address of the host", R"(
kind: Service
metadata: {name: web}
spec: {type: NodePort, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]}
)" TWO_ENDPOINTS,
     {{"203.0.113.5 > 10.9.0.1:30080/TCP", "10.244.1.2 10.244.2.2 +masq"},
      {"203.0.113.5 > 192.0.2.1:30080/TCP", "10.244.1.2 10.244.2.2 +masq"},
      {"203.0.113.5 > 192.0.2.2:30080/TCP", "pass"},
      {"127.0.0.1 > 127.0.0.1:30080/TCP", "pass"}},
     {.nodeport_addresses = {"10.9.0.0/16", "0.0.0.0/0"}}},

    {"NodeCIDR: only this node's pods are local ones", R"(
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, clusterIP: 10.96.0.1, externalTrafficPolicy: Local, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 198.51.100.1}]}}
)" TWO_ENDPOINTS,
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "10.244.1.2 10.244.2.2"},
      {"10.244.2.9 > 10.96.0.1:80/TCP", "10.244.1.2 10.244.2.2 +masq"},
      {"10.244.1.9 > 198.51.100.1:80/TCP", "10.244.1.2 10.244.2.2"},
      {"10.244.2.9 > 198.51.100.1:80/TCP", "10.244.1.2"},
      {"192.0.2.1 > 198.51.100.1:80/TCP", "10.244.1.2 10.244.2.2 +masq"}},
     {.detect_local_mode = "NodeCIDR"}},

    {"without a detector a pod is like anybody, and nobody is masqueraded towards a ClusterIP", R"(
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, clusterIP: 10.96.0.1, externalTrafficPolicy: Local, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 198.51.100.1}]}}
)" TWO_ENDPOINTS,
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "10.244.1.2 10.244.2.2"},
      {"203.0.113.5 > 10.96.0.1:80/TCP", "10.244.1.2 10.244.2.2"},
      {"10.244.1.9 > 198.51.100.1:80/TCP", "10.244.1.2"},
      {"192.0.2.1 > 198.51.100.1:80/TCP", "10.244.1.2 10.244.2.2 +masq"}},
     {}},

    {"masquerade-all is for ClusterIPs; a pod keeps its address where a Local policy lets it", R"(
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, clusterIP: 10.96.0.1, externalTrafficPolicy: Local, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 198.51.100.1}]}}
)" TWO_ENDPOINTS,
     {{"10.244.1.9 > 10.96.0.1:80/TCP", "10.244.1.2 10.244.2.2 +masq"}, {"10.244.1.9 > 198.51.100.1:80/TCP", "10.244.1.2 10.244.2.2"}, {"203.0.113.5 > 198.51.100.1:80/TCP", "10.244.1.2"}},
     {.cluster_cidrs = {"10.244.0.0/16"}, .masquerade_all = true}},

    {"detectors by interface tell pods by where they come in, whatever their address", R"(
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, clusterIP: 10.96.0.1, externalTrafficPolicy: Local, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 198.51.100.1}]}}
)" TWO_ENDPOINTS,
     {{"10.244.1.9 > 10.96.0.1:80/TCP from a pod", "10.244.1.2 10.244.2.2"},
      {"10.244.1.9 > 198.51.100.1:80/TCP from a pod", "10.244.1.2 10.244.2.2"},
      {"10.244.2.9 > 198.51.100.1:80/TCP", "10.244.1.2"},
      {"192.0.2.1 > 10.96.0.1:80/TCP", "10.244.1.2 10.244.2.2 +masq"}},
     {.cluster_cidrs = {"10.244.0.0/16"}, .detect_local_mode = "InterfaceNamePrefix", .pod_interface_name_prefix = "cali"}},
};

TEST(PacketFlow, FromManifestsToWhatAPacketMeets) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const ClusterOf cluster(c);
    for (const Flow& f : c.flows) EXPECT_EQ(cluster.meets(f.question), f.want) << f.question;
  }
}

}  // namespace
}  // namespace fairlead::speaker
