#pragma once
/// Builders for the objects and values that the speaker's tests are made of. They abort on a bad literal.
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/api/objects.h"
#include "proto/kube/objects.h"
#include "proto/net/mac.h"
#include "speaker/core/facts.h"

namespace fairlead::test {

inline Ip ip(std::string_view text) { return parse_ip(text).value(); }
inline Ip4 ip4(std::string_view text) { return ip(text).v4(); }
inline Prefix prefix(std::string_view text) { return parse_prefix(text).value(); }
inline IpRange range(std::string_view text) { return std::get<IpRange>(api::parse_range(text)); }
inline std::vector<Ip> ips(std::initializer_list<std::string_view> texts) {
  std::vector<Ip> out;
  for (const auto text : texts) out.push_back(ip(text));
  return out;
}
inline Mac mac(std::uint8_t last) { return Mac{{0x02, 0, 0, 0, 0, last}}; }
inline kube::Name named(std::string name) { return {"default", std::move(name)}; }

inline kube::ServicePort port(std::string name, std::uint16_t number, Protocol protocol = Protocol::tcp, std::uint16_t node_port = 0) {
  kube::ServicePort out;
  out.name = std::move(name);
  out.protocol = protocol;
  out.port = Port{number};
  out.node_port = Port{node_port};
  return out;
}

/// A ClusterIP Service with these addresses and one unnamed port, 80/TCP.
inline kube::Service service(std::string name, std::initializer_list<std::string_view> cluster_ips, std::int64_t created = 0) {
  kube::Service out;
  out.meta.ns = "default";
  out.meta.name = std::move(name);
  out.meta.created = created;
  out.cluster_ips = ips(cluster_ips);
  out.ports = {port("", 80)};
  return out;
}

/// As service(), but a LoadBalancer that holds these addresses.
inline kube::Service balancer(std::string name, std::initializer_list<std::string_view> cluster_ips,
                              std::initializer_list<std::string_view> vips) {
  kube::Service out = service(std::move(name), cluster_ips);
  out.type = kube::ServiceType::load_balancer;
  for (const auto text : vips) out.ingress.push_back({ip(text), "", true});
  return out;
}

inline kube::Endpoint endpoint(std::string_view address, std::string node = "") {
  kube::Endpoint out;
  out.address = ip(address);
  out.node_name = std::move(node);
  return out;
}
inline kube::Endpoint unready(kube::Endpoint e) {
  e.is_ready = e.is_serving = false;
  return e;
}
/// Terminating, and serving meanwhile.
inline kube::Endpoint draining(kube::Endpoint e) {
  e.is_ready = false;
  e.is_serving = e.is_terminating = true;
  return e;
}
inline kube::Endpoint dying(kube::Endpoint e) {
  e.is_ready = e.is_serving = false;
  e.is_terminating = true;
  return e;
}
inline kube::Endpoint for_zones(kube::Endpoint e, std::vector<std::string> zones) {
  e.zone_hints = std::move(zones);
  return e;
}
inline kube::Endpoint for_nodes(kube::Endpoint e, std::vector<std::string> nodes) {
  e.node_hints = std::move(nodes);
  return e;
}

/// The family is that of the endpoints (IPv4 without any); one unnamed port, 8080/TCP.
inline kube::EndpointSlice slice(std::string name, std::string of_service, std::vector<kube::Endpoint> endpoints) {
  kube::EndpointSlice out;
  out.meta.ns = "default";
  out.meta.name = std::move(name);
  out.service = std::move(of_service);
  out.family = endpoints.empty() ? Family::v4 : endpoints.front().address.family();
  out.ports = {{"", Protocol::tcp, Port{8080}}};
  out.endpoints = std::move(endpoints);
  return out;
}

inline kube::Node node(std::string name, std::initializer_list<std::string_view> internal_ips = {}) {
  kube::Node out;
  out.meta.name = std::move(name);
  out.internal_ips = ips(internal_ips);
  return out;
}

inline api::IPAddressPool pool(std::string name, std::initializer_list<std::string_view> ranges) {
  api::IPAddressPool out;
  out.meta.ns = "default";
  out.meta.name = std::move(name);
  for (const auto text : ranges) out.addresses.push_back(range(text));
  return out;
}

inline api::L2Advertisement advertisement(std::string name) {
  api::L2Advertisement out;
  out.meta.ns = "default";
  out.meta.name = std::move(name);
  return out;
}

inline kube::LabelSelector label_is(std::string key, std::string value) {
  kube::LabelSelector out;
  out.match_labels.emplace(std::move(key), std::move(value));
  return out;
}

/// Node n1 in zone z1 at 10.0.0.1 and fd00::1, pods in 10.244.0.0/16 and fd01::/48, pools 192.0.2.0/24 and 2001:db8::/64.
inline speaker::NodeFacts facts() {
  speaker::NodeFacts out;
  out.name = "n1";
  out.zone = "z1";
  out.node_addresses = ips({"10.0.0.1", "fd00::1"});
  out.detector.pods = {prefix("10.244.0.0/16"), prefix("fd01::/48")};
  out.service_cidrs = {prefix("10.96.0.0/16"), prefix("fd02::/112")};
  out.pools = {range("192.0.2.0/24"), range("2001:db8::/64")};
  return out;
}

/// Pointers into `slices`, as the planner hands them to the pure functions.
inline std::vector<const kube::EndpointSlice*> pointers(const std::vector<kube::EndpointSlice>& slices) {
  std::vector<const kube::EndpointSlice*> out;
  for (const kube::EndpointSlice& s : slices) out.push_back(&s);
  return out;
}

}  // namespace fairlead::test
