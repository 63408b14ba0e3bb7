#include "proto/runtime/folder_objects.h"

#include <algorithm>
#include <map>
#include <set>

#include "proto/match/selector.h"

namespace fairlead::runtime {
namespace {

std::string_view suffix(Family family) { return family == Family::v4 ? "v4" : "v6"; }

kube::EndpointSlice empty_slice(const kube::Name& service, std::string name, Family family) {
  kube::EndpointSlice out;
  out.meta.ns = service.ns;
  out.meta.name = std::move(name);
  out.meta.labels.emplace("kubernetes.io/service-name", service.name);
  out.service = service.name;
  out.family = family;
  return out;
}

bool is_selected(const kube::Service& service, const kube::Pod& pod) {
  return pod.meta.ns == service.meta.ns && service.type != kube::ServiceType::external_name &&
         match::selects(service.selector, pod.meta.labels);
}

/// The number of a target port in this pod; 0 when it names a port that the pod does not have.
std::uint16_t resolve(const kube::ServicePort& port, const kube::Pod& pod) {
  if (const auto* const number = std::get_if<std::uint16_t>(&port.target_port)) {
    return *number != 0 ? *number : port.port.value;
  }
  const std::string& name = std::get<std::string>(port.target_port);
  for (const auto& candidate : pod.ports) {
    if (candidate.name == name && candidate.protocol == port.protocol) return candidate.port.value;
  }
  return 0;
}

kube::Endpoint endpoint_of(const kube::Service& service, const kube::Pod& pod, const Ip& address) {
  kube::Endpoint out;
  out.address = address;
  out.is_serving = pod.is_ready;
  out.is_terminating = pod.is_terminating;
  out.is_ready = (pod.is_ready && !pod.is_terminating) || service.publish_not_ready_addresses;
  out.node_name = pod.node_name;
  return out;
}

}  // namespace

std::vector<kube::EndpointSlice> slices_of_pods(const kube::Service& service, Pods pods) {
  const kube::Name owner{service.meta.ns, service.meta.name};
  const bool has_named = std::any_of(service.ports.begin(), service.ports.end(), [](const kube::ServicePort& p) {
    return std::holds_alternative<std::string>(p.target_port);
  });
  std::map<std::string, kube::EndpointSlice> by_name;
  for (const kube::Pod* const pod : pods) {
    if (!is_selected(service, *pod)) continue;
    std::vector<kube::EndpointPort> ports;
    std::string resolution;
    for (const kube::ServicePort& port : service.ports) {
      const std::uint16_t number = resolve(port, *pod);
      if (has_named) resolution += (resolution.empty() ? "~" : ",") + std::to_string(number);
      if (number != 0) ports.push_back({port.name, port.protocol, Port{number}});
    }
    if (ports.empty() && !service.ports.empty()) continue;
    for (const Ip& ip : pod->ips) {
      std::string name = owner.name + "~pods~" + std::string(suffix(ip.family())) + resolution;
      auto at = by_name.find(name);
      if (at == by_name.end()) {
        at = by_name.emplace(name, empty_slice(owner, name, ip.family())).first;
        at->second.ports = ports;
      }
      at->second.endpoints.push_back(endpoint_of(service, *pod, ip));
    }
  }
  std::vector<kube::EndpointSlice> out;
  for (auto& [name, slice] : by_name) out.push_back(std::move(slice));
  return out;
}

std::vector<kube::EndpointSlice> slices_of_endpoints(const kube::Endpoints& endpoints, Pods selected) {
  std::set<Ip> of_pods;
  for (const kube::Pod* const pod : selected) of_pods.insert(pod->ips.begin(), pod->ips.end());
  const kube::Name owner{endpoints.meta.ns, endpoints.meta.name};
  std::vector<kube::EndpointSlice> out;
  for (std::size_t i = 0; i < endpoints.subsets.size(); ++i) {
    const kube::Endpoints::Subset& subset = endpoints.subsets[i];
    for (const Family family : {Family::v4, Family::v6}) {
      auto slice = empty_slice(owner, owner.name + "~endpoints~" + std::to_string(i) + "~" + std::string(suffix(family)),
                               family);
      slice.ports = subset.ports;
      const auto add = [&](const std::vector<kube::Endpoints::Address>& addresses, bool is_ready) {
        for (const auto& address : addresses) {
          if (address.ip.family() != family || of_pods.contains(address.ip)) continue;
          kube::Endpoint endpoint;
          endpoint.address = address.ip;
          endpoint.is_ready = is_ready;
          endpoint.is_serving = is_ready;
          endpoint.node_name = address.node_name;
          slice.endpoints.push_back(std::move(endpoint));
        }
      };
      add(subset.addresses, true);
      add(subset.not_ready, false);
      if (!slice.endpoints.empty()) out.push_back(std::move(slice));
    }
  }
  return out;
}

std::vector<kube::EndpointSlice> make_slices(const kube::Service* service, const kube::Endpoints* endpoints, Pods pods) {
  std::vector<kube::EndpointSlice> out;
  std::vector<const kube::Pod*> selected;
  if (service != nullptr) {
    std::copy_if(pods.begin(), pods.end(), std::back_inserter(selected),
                 [&](const kube::Pod* pod) { return is_selected(*service, *pod); });
    out = slices_of_pods(*service, selected);
  }
  if (endpoints != nullptr) {
    auto more = slices_of_endpoints(*endpoints, selected);
    std::move(more.begin(), more.end(), std::back_inserter(out));
  }
  return out;
}

}  // namespace fairlead::runtime
