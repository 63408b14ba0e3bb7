#include "proto/kube/parse.h"

#include <algorithm>

#include "proto/kube/common.h"

namespace fairlead::kube {
namespace {

Protocol read_protocol(const Field& field) {
  return field.one_of<Protocol>({{"TCP", Protocol::tcp}, {"UDP", Protocol::udp}, {"SCTP", Protocol::sctp}},
                                Protocol::tcp);
}

/// 0 when absent.
Port read_port(const Field& field, std::int64_t least = 1) {
  return Port{static_cast<std::uint16_t>(field.number("a port", least, 65535, 0))};
}

TargetPort read_target_port(const Field& field) {
  if (!field.is_text()) return read_port(field, 0).value;
  std::string name = field.text();
  if (name.empty()) return std::uint16_t{0};
  if (name.find_first_not_of("0123456789") == std::string::npos) {
    field.refuse(field.shown() + " is a number in quotes and would be taken for the name of a port: remove the quotes");
  }
  return name;
}

ServicePort read_service_port(const Field& field) {
  ServicePort out;
  out.name = field["name"].text();
  out.protocol = read_protocol(field["protocol"]);
  const Field port = field["port"];
  out.port = read_port(port);
  if (!port.is_present()) port.refuse("is missing: write the port (1 to 65535)");
  out.target_port = read_target_port(field["targetPort"]);
  out.node_port = read_port(field["nodePort"], 0);
  return out;
}

/// Ports are told apart by name and protocol where slices are joined, and by number and protocol on the wire.
void check_distinct(const Field& field, const std::vector<ServicePort>& before, const ServicePort& port) {
  for (const ServicePort& other : before) {
    if (other.name == port.name) {
      field["name"].refuse(port.name.empty() ? "is missing: several ports need a name each"
                                             : "\"" + port.name + "\" is used twice: give each port its own name");
    }
    if (other.port == port.port && other.protocol == port.protocol) {
      field["port"].refuse(std::to_string(port.port.value) + "/" + name(port.protocol) +
                           " is there twice: remove one of the two");
    }
  }
}

void add_cluster_ip(const Field& field, Service& service) {
  const std::string text = field.text();
  if (text.empty()) return;
  if (text == "None") {
    service.is_headless = true;
    return;
  }
  const auto ip = field.ip();
  if (!ip) return;
  for (const Ip& other : service.cluster_ips) {
    if (other.family() == ip->family()) {
      field.refuse(field.shown() + " is a second address of its family: give at most one IPv4 and one IPv6 address");
    }
  }
  service.cluster_ips.push_back(*ip);
}

void read_cluster_ips(const Field& spec, Service& service) {
  const Field list = spec["clusterIPs"];
  bool is_listed = false;
  list.each([&](const Field& item) {
    is_listed = true;
    add_cluster_ip(item, service);
  });
  const Field single = spec["clusterIP"];
  if (!is_listed) add_cluster_ip(single, service);
  if (service.is_headless && !service.cluster_ips.empty()) {
    list.refuse("mixes None with an address: write None alone, or addresses");
  }
}

Ingress read_ingress(const Field& field) {
  Ingress out;
  const Field ip = field["ip"];
  if (!ip.text().empty()) out.ip = ip.ip();
  out.hostname = field["hostname"].text();
  out.is_vip = field["ipMode"].one_of<bool>({{"VIP", true}, {"Proxy", false}}, true);
  return out;
}

TrafficPolicy read_policy(const Field& field) {
  return field.one_of<TrafficPolicy>({{"Cluster", TrafficPolicy::cluster}, {"Local", TrafficPolicy::local}},
                                     TrafficPolicy::cluster);
}

std::optional<std::uint32_t> read_affinity(const Field& spec) {
  if (!spec["sessionAffinity"].one_of<bool>({{"None", false}, {"ClientIP", true}}, false)) return std::nullopt;
  const Field config = spec["sessionAffinityConfig"];
  const Field client = config["clientIP"];
  return static_cast<std::uint32_t>(client["timeoutSeconds"].number("a timeout in seconds", 1, 86400, 10800));
}

Service read_service(const Field& object) {
  Service out;
  out.meta = read_meta(object, Scope::namespaced);
  const Field spec = object["spec"];
  out.type = spec["type"].one_of<ServiceType>({{"ClusterIP", ServiceType::cluster_ip},
                                               {"NodePort", ServiceType::node_port},
                                               {"LoadBalancer", ServiceType::load_balancer},
                                               {"ExternalName", ServiceType::external_name}},
                                              ServiceType::cluster_ip);
  read_cluster_ips(spec, out);
  const Field families = spec["ipFamilies"];
  families.each([&](const Field& item) {
    out.ip_families.push_back(item.one_of<Family>({{"IPv4", Family::v4}, {"IPv6", Family::v6}}, Family::v4));
  });
  out.ip_family_policy = spec["ipFamilyPolicy"].one_of<std::optional<IpFamilyPolicy>>(
      {{"SingleStack", IpFamilyPolicy::single_stack},
       {"PreferDualStack", IpFamilyPolicy::prefer_dual_stack},
       {"RequireDualStack", IpFamilyPolicy::require_dual_stack}},
      std::nullopt);
  const Field ports = spec["ports"];
  ports.each([&](const Field& item) {
    ServicePort port = read_service_port(item);
    check_distinct(item, out.ports, port);
    out.ports.push_back(std::move(port));
  });
  out.selector = read_labels(spec["selector"]);
  const Field external = spec["externalIPs"];
  external.each([&](const Field& item) {
    if (const auto ip = item.ip()) out.external_ips.push_back(*ip);
  });
  out.external_traffic_policy = read_policy(spec["externalTrafficPolicy"]);
  out.internal_traffic_policy = read_policy(spec["internalTrafficPolicy"]);
  out.publish_not_ready_addresses = spec["publishNotReadyAddresses"].boolean(false);
  out.allocate_load_balancer_node_ports = spec["allocateLoadBalancerNodePorts"].boolean(true);
  out.load_balancer_class = spec["loadBalancerClass"].text();
  out.load_balancer_ip = spec["loadBalancerIP"].text();
  out.affinity_seconds = read_affinity(spec);
  const Field ranges = spec["loadBalancerSourceRanges"];
  ranges.each([&](const Field& item) {
    if (const auto prefix = item.prefix()) out.source_ranges.push_back(*prefix);
  });
  const Field status = object["status"];
  const Field balancer = status["loadBalancer"];
  const Field ingress = balancer["ingress"];
  ingress.each([&](const Field& item) { out.ingress.push_back(read_ingress(item)); });
  return out;
}

std::vector<std::string> read_hints(const Field& list) {
  std::vector<std::string> out;
  list.each([&](const Field& item) { out.push_back(item["name"].text()); });
  return out;
}

/// None when there is nothing to send to: no address, or one of the other family.
std::optional<Endpoint> read_endpoint(const Field& field, Family family) {
  std::optional<Ip> address;
  bool is_first = true;
  const Field addresses = field["addresses"];
  addresses.each([&](const Field& item) {
    if (std::exchange(is_first, false)) address = item.ip();
  });
  Endpoint out;
  const Field conditions = field["conditions"];
  out.is_ready = conditions["ready"].boolean(true);
  out.is_serving = conditions["serving"].boolean(true);
  out.is_terminating = conditions["terminating"].boolean(false);
  out.node_name = field["nodeName"].text();
  const Field hints = field["hints"];
  out.zone_hints = read_hints(hints["forZones"]);
  out.node_hints = read_hints(hints["forNodes"]);
  if (!address || address->family() != family) return std::nullopt;
  out.address = *address;
  return out;
}

EndpointSlice read_endpoint_slice(const Field& object) {
  EndpointSlice out;
  out.meta = read_meta(object, Scope::namespaced);
  if (const auto label = out.meta.labels.find("kubernetes.io/service-name"); label != out.meta.labels.end()) {
    out.service = label->second;
  }
  const Field type = object["addressType"];
  const auto family = type.one_of<std::optional<Family>>(
      {{"IPv4", Family::v4}, {"IPv6", Family::v6}, {"FQDN", std::nullopt}}, std::nullopt);
  if (type.text().empty()) type.refuse("is missing: write IPv4 or IPv6");
  out.family = family.value_or(Family::v4);
  const Field ports = object["ports"];
  ports.each([&](const Field& item) {
    EndpointPort port{item["name"].text(), read_protocol(item["protocol"]), read_port(item["port"], 0)};
    if (port.port.value != 0) out.ports.push_back(std::move(port));  // none: "all ports", which nobody implements
  });
  if (!family) return out;  // FQDN: names are not resolved here
  const Field endpoints = object["endpoints"];
  endpoints.each([&](const Field& item) {
    if (auto endpoint = read_endpoint(item, *family)) out.endpoints.push_back(*std::move(endpoint));
  });
  return out;
}

/// Whether the condition of this type is True; none when it is not there.
std::optional<bool> read_condition(const Field& status, std::string_view type) {
  std::optional<bool> out;
  const Field conditions = status["conditions"];
  conditions.each([&](const Field& item) {
    if (item["type"].text() == type) out = item["status"].text() == "True";
  });
  return out;
}

Node read_node(const Field& object) {
  Node out;
  out.meta = read_meta(object, Scope::cluster);
  const Field spec = object["spec"];
  const Field cidrs = spec["podCIDRs"];
  cidrs.each([&](const Field& item) {
    if (const auto prefix = item.prefix()) out.pod_cidrs.push_back(*prefix);
  });
  const Field cidr = spec["podCIDR"];
  if (out.pod_cidrs.empty() && !cidr.text().empty()) {
    if (const auto prefix = cidr.prefix()) out.pod_cidrs.push_back(*prefix);
  }
  const Field status = object["status"];
  const Field addresses = status["addresses"];
  addresses.each([&](const Field& item) {
    const std::string type = item["type"].text();
    if (type != "InternalIP" && type != "ExternalIP") return;
    const Field address = item["address"];
    if (const auto ip = address.ip()) (type == "InternalIP" ? out.internal_ips : out.external_ips).push_back(*ip);
  });
  out.is_ready = read_condition(status, "Ready").value_or(true);
  out.network_unavailable = read_condition(status, "NetworkUnavailable").value_or(false);
  return out;
}

/// RFC 4648 section 4, with padding; what Kubernetes takes as []byte.
std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  std::size_t digits = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    const auto at = kAlphabet.find(c);
    if (c == '=') ++padding;
    else if (at == std::string_view::npos || padding > 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(c == '=' ? 0 : at);
    if (++digits % 4 != 0) continue;
    for (const int shift : {16, 8, 0}) out += static_cast<char>(bits >> shift & 0xff);
    bits = 0;
  }
  if (digits % 4 != 0 || padding > 2) return std::nullopt;
  out.resize(out.size() - padding);
  return out;
}

Secret read_secret(const Field& object) {
  Secret out;
  out.meta = read_meta(object, Scope::namespaced);
  out.meta.annotations.clear();
  out.type = object["type"].text();
  if (out.type != kBasicAuth) return out;
  const Field data = object["data"];
  const Field coded = data["password"];
  const Field plain = object["stringData"];
  const Field password = plain["password"];
  for (const Field* field : {&coded, &password}) {  // without showing what it holds
    if (field->is_present() && !field->is_text()) field->refuse("is not a string: put it in quotes");
  }
  if (const std::string text = coded.text(); coded.is_text()) {
    out.password = decode_base64(text);
    if (!out.password) coded.refuse("is not Base64: encode it, or write it under stringData as it is");
  }
  if (std::string text = password.text(); password.is_text()) out.password = std::move(text);
  return out;
}

ServiceCIDR read_service_cidr(const Field& object) {
  ServiceCIDR out;
  out.meta = read_meta(object, Scope::cluster);
  const Field spec = object["spec"];
  const Field cidrs = spec["cidrs"];
  cidrs.each([&](const Field& item) {
    if (const auto prefix = item.prefix()) out.cidrs.push_back(*prefix);
    else item.refuse(item.shown() + " is not a prefix: write one like 10.96.0.0/16 or fd00:96::/112");
  });
  if (out.cidrs.empty()) cidrs.refuse("is missing or empty: list one prefix, or one of each family");
  return out;
}

void read_pod_ips(const Field& spec, const Field& status, std::vector<Ip>& out) {
  const Field list = status["podIPs"];
  list.each([&](const Field& item) {
    const Field ip = item["ip"];
    if (const auto parsed = ip.ip()) out.push_back(*parsed);
  });
  const Field single = status["podIP"];
  if (out.empty() && !single.text().empty()) {
    if (const auto parsed = single.ip()) out.push_back(*parsed);
  }
  const Field host = status["hostIP"];
  if (out.empty() && spec["hostNetwork"].boolean(false) && !host.text().empty()) {
    if (const auto parsed = host.ip()) out.push_back(*parsed);
  }
}

void read_container_ports(const Field& containers, std::vector<Pod::ContainerPort>& out) {
  containers.each([&](const Field& container) {
    const Field ports = container["ports"];
    ports.each([&](const Field& item) {
      out.push_back({item["name"].text(), read_protocol(item["protocol"]), read_port(item["containerPort"])});
    });
  });
}

Pod read_pod(const Field& object) {
  Pod out;
  out.meta = read_meta(object, Scope::namespaced);
  const Field spec = object["spec"];
  const Field status = object["status"];
  out.node_name = spec["nodeName"].text();
  const std::string phase = status["phase"].text();
  // A Pod that has ended gave its address back, whatever its status still says: it is nobody's endpoint.
  if (phase != "Succeeded" && phase != "Failed") read_pod_ips(spec, status, out.ips);
  out.is_ready = read_condition(status, "Ready").value_or(phase.empty() || phase == "Running");
  const Field metadata = object["metadata"];
  out.is_terminating = metadata["deletionTimestamp"].is_present();
  read_container_ports(spec["containers"], out.ports);
  // Init containers with restartPolicy Always (sidecars) serve ports too; the others have ended before.
  const Field init = spec["initContainers"];
  init.each([&](const Field& container) {
    if (container["restartPolicy"].text() != "Always") return;
    const Field ports = container["ports"];
    ports.each([&](const Field& item) {
      out.ports.push_back({item["name"].text(), read_protocol(item["protocol"]), read_port(item["containerPort"])});
    });
  });
  return out;
}

std::vector<Endpoints::Address> read_addresses(const Field& list) {
  std::vector<Endpoints::Address> out;
  list.each([&](const Field& item) {
    const Field ip = item["ip"];
    if (!ip.is_present()) ip.refuse("is missing: write the address");
    if (const auto parsed = ip.ip()) out.push_back({*parsed, item["nodeName"].text()});
  });
  return out;
}

Endpoints read_endpoints(const Field& object) {
  Endpoints out;
  out.meta = read_meta(object, Scope::namespaced);
  const Field subsets = object["subsets"];
  subsets.each([&](const Field& item) {
    Endpoints::Subset subset;
    subset.addresses = read_addresses(item["addresses"]);
    subset.not_ready = read_addresses(item["notReadyAddresses"]);
    const Field ports = item["ports"];
    ports.each([&](const Field& entry) {
      const Field port = entry["port"];
      if (!port.is_present()) port.refuse("is missing: write the port (1 to 65535)");
      subset.ports.push_back({entry["name"].text(), read_protocol(entry["protocol"]), read_port(port)});
    });
    out.subsets.push_back(std::move(subset));
  });
  return out;
}

}  // namespace

Parsed<Service> parse_service(const Json& object) { return read_document<Service>(object, read_service); }
Parsed<EndpointSlice> parse_endpoint_slice(const Json& object) {
  return read_document<EndpointSlice>(object, read_endpoint_slice);
}
Parsed<Node> parse_node(const Json& object) { return read_document<Node>(object, read_node); }
Parsed<Namespace> parse_namespace(const Json& object) {
  return read_document<Namespace>(object, [](const Field& o) { return Namespace{read_meta(o, Scope::cluster)}; });
}
Parsed<Secret> parse_secret(const Json& object) { return read_document<Secret>(object, read_secret); }
Parsed<ServiceCIDR> parse_service_cidr(const Json& object) {
  return read_document<ServiceCIDR>(object, read_service_cidr);
}
Parsed<Pod> parse_pod(const Json& object) { return read_document<Pod>(object, read_pod); }
Parsed<Endpoints> parse_endpoints(const Json& object) { return read_document<Endpoints>(object, read_endpoints); }

}  // namespace fairlead::kube
