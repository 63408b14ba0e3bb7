#include "controller/core/request.h"

#include <algorithm>

#include "proto/api/annotations.h"
#include "proto/base/text.h"

namespace fairlead::controller::core {
namespace {

struct Found {
  std::string key;
  std::string_view value;
};

/// Notes one of the old prefix.
Found find(const kube::Meta& meta, std::string_view name, std::string& deprecated) {
  if (meta.annotations.empty()) return {};
  const auto found = api::annotation(meta, name);
  if (!found) return {};
  std::string key(found->prefix);
  key += name;
  if (found->prefix == api::kDeprecatedPrefix) deprecated.append(deprecated.empty() ? "" : " and ").append(key);
  return {std::move(key), found->value};
}

void read_ips(const std::string& field, std::string_view list, Request& out) {
  while (true) {
    const auto comma = list.find(',');
    const std::string_view item = trim(list.substr(0, comma));
    const auto ip = parse_ip(item);
    if (!ip) {
      out.fault = field + " holds \"" + std::string(item.substr(0, 64)) + "\", which is no address: write one address, or an IPv4 and an IPv6 one with a comma";
      break;
    }
    out.ips.push_back(unmapped(*ip));
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  std::sort(out.ips.begin(), out.ips.end());
  if (out.fault.empty() && out.ips.size() > 2) out.fault = field + " holds more than two addresses: write one of each family at most";
  if (out.fault.empty() && out.ips.size() == 2 && out.ips[0].family() == out.ips[1].family()) {
    out.fault = field + " holds two addresses of one family: write one of each family at most";
  }
  if (!out.fault.empty()) out.ips.clear();
}

}  // namespace

Request read_request(const kube::Service& service) {
  Request out;
  out.pool = find(service.meta, api::kAddressPool, out.deprecated).value;
  out.sharing_key = find(service.meta, api::kAllowSharedIp, out.deprecated).value;
  const Found ips = find(service.meta, api::kLoadBalancerIps, out.deprecated);
  const std::string& single = service.load_balancer_ip;
  if (!ips.value.empty() && !single.empty()) {
    out.fault = "both spec.loadBalancerIP and the annotation " + ips.key + " are there: remove one of the two";
  } else if (!ips.value.empty()) {
    read_ips("the annotation " + ips.key, ips.value, out);
  } else if (!single.empty()) {
    const auto ip = parse_ip(single);
    if (ip) out.ips = {unmapped(*ip)};
    else out.fault = "spec.loadBalancerIP holds \"" + single.substr(0, 64) + "\", which is no address: write one IPv4 or IPv6 address";
  }
  return out;
}

Manner manner_of(const kube::Service& service, std::string_view sharing_key) {
  Manner out;
  out.sharing_key = sharing_key;
  if (sharing_key.empty()) return out;  // alone: nobody asks for the rest
  if (service.external_traffic_policy == kube::TrafficPolicy::local) {
    out.backends = "local";  // so that an empty selector is not the same as Cluster
    for (const auto& [key, value] : service.selector) out.backends.append(1, ',').append(key).append(1, '=').append(value);
  }
  for (const kube::ServicePort& p : service.ports) out.ports.push_back(port_key(p.protocol, p.port));
  std::sort(out.ports.begin(), out.ports.end());
  out.ports.erase(std::unique(out.ports.begin(), out.ports.end()), out.ports.end());
  return out;
}

std::string port_text(std::uint32_t key) {
  return std::to_string(key & 0xffff) + "/" + std::string(name(static_cast<Protocol>(key >> 16)));
}

}  // namespace fairlead::controller::core
