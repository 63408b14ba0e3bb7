#include "proto/runtime/folder_overlay.h"

#include <algorithm>

#include "proto/kube/parse.h"
#include "proto/runtime/json.h"
#include "proto/runtime/written_json.h"

namespace fairlead::runtime {
namespace {

bool is_blank(const Json& value) { return value.is_null() || value == "" || (value.is_array() && value.empty()); }

/// An object to write into, whatever was there.
Json& child(Json& object, const char* key) {
  Json& out = object[key];
  if (!out.is_object()) out = Json::object();
  return out;
}

std::string protocol_of(const Json& port) {
  const Json& protocol = at(port, "protocol");
  return protocol.is_string() ? protocol.get<std::string>() : "TCP";
}

/// As addresses, in their order; what is no address is none.
std::vector<std::optional<Ip>> addresses(const Json& list) {
  std::vector<std::optional<Ip>> out;
  for (const Json& item : list) out.push_back(item.is_string() ? parse_ip(item.get<std::string>()) : std::nullopt);
  return out;
}

/// Of two families the manifest may name the first, and the overlay goes on from there.
bool goes_on(const Json& spec, const Json& list) {
  const Json& written = at(spec, "clusterIPs");
  const auto before = addresses(written.is_array() && !written.empty() ? written : Json::array({at(spec, "clusterIP")}));
  const auto all = addresses(list);
  return before.size() <= all.size() && std::equal(before.begin(), before.end(), all.begin()) &&
         std::find(before.begin(), before.end(), std::nullopt) == before.end();
}

bool takes(const Json& spec, const Json& list) {
  if (!list.is_array() || list.empty()) return false;
  const bool is_open = is_blank(at(spec, "clusterIP")) && is_blank(at(spec, "clusterIPs"));
  return is_open || goes_on(spec, list);
}

void fill_cluster_ips(Json& spec, const Json& overlay) {
  const Json& list = at(overlay, "clusterIPs");
  if (!takes(spec, list)) return;
  spec["clusterIPs"] = list;
  spec["clusterIP"] = at(overlay, "clusterIP");
}

/// Whether a port of the manifest is open, and this node port was made for it.
bool takes_port(const Json& port, const Json& made) {
  const bool is_open = port.is_object() && (at(port, "nodePort").is_null() || at(port, "nodePort") == 0);
  return is_open && at(made, "port") == at(port, "port") && protocol_of(made) == protocol_of(port);
}

void fill_node_ports(Json& spec, const Json& overlay) {
  const auto ports = spec.find("ports");
  if (ports == spec.end() || !ports->is_array() || !at(overlay, "ports").is_array()) return;
  for (Json& port : *ports) {
    for (const Json& made : at(overlay, "ports")) {
      if (takes_port(port, made)) port["nodePort"] = at(made, "nodePort");
    }
  }
}

bool has_cluster_ips(const Json& type) { return type != "ExternalName"; }
bool has_node_ports(const Json& type) { return type == "NodePort" || type == "LoadBalancer"; }

void drop_if_empty(Json& object, const char* key) {
  const auto found = object.find(key);
  if (found != object.end() && found->empty()) object.erase(found);
}

void write_cluster_ips(Json& overlay, const std::vector<Ip>& ips) {
  Json& spec = child(overlay, "spec");
  spec.erase("clusterIP");
  spec.erase("clusterIPs");
  if (ips.empty()) return;
  spec["clusterIP"] = ips.front().str();
  for (const Ip& ip : ips) spec["clusterIPs"].push_back(ip.str());
}

void write_node_ports(Json& overlay, const kube::Service& merged, const std::vector<Port>& node_ports) {
  Json& spec = child(overlay, "spec");
  spec.erase("ports");
  for (std::size_t i = 0; i < node_ports.size(); ++i) {
    if (node_ports[i].value == 0) continue;
    const kube::ServicePort& port = merged.ports[i];
    spec["ports"].push_back(
        {{"port", port.port.value}, {"protocol", name(port.protocol)}, {"nodePort", node_ports[i].value}});
  }
}

void write_ingress(Json& overlay, const kube::Service& merged, std::vector<kube::Ingress> ingress) {
  for (const kube::Ingress& entry : merged.ingress) {
    const bool is_ours = entry.ip.has_value();
    if (!is_ours) ingress.push_back(entry);  // a hostname that somebody else put there
  }
  const bool is_written = at(at(overlay, "status"), "loadBalancer").is_object();
  if (!is_written && ingress == merged.ingress) return;
  Json& balancer = child(child(overlay, "status"), "loadBalancer");
  balancer.erase("ingress");
  for (const kube::Ingress& entry : ingress) balancer["ingress"].push_back(to_json(entry));
}

}  // namespace

Json merged_service(Json manifest, const Json& overlay) {
  if (!manifest.is_object() || !overlay.is_object()) return manifest;
  if (const Json& added = at(at(overlay, "metadata"), "annotations"); added.is_object() && !added.empty()) {
    Json& annotations = child(child(manifest, "metadata"), "annotations");
    for (const auto& [key, value] : added.items()) {
      if (value.is_null()) annotations.erase(key);
      else annotations[key] = value;
    }
  }
  if (const Json& balancer = at(at(overlay, "status"), "loadBalancer"); balancer.is_object()) {
    child(manifest, "status")["loadBalancer"] = balancer;
  }
  const auto spec = manifest.find("spec");
  if (spec == manifest.end() || !spec->is_object()) return manifest;
  const Json& type = at(*spec, "type");
  if (has_cluster_ips(type)) fill_cluster_ips(*spec, at(overlay, "spec"));
  if (has_node_ports(type)) fill_node_ports(*spec, at(overlay, "spec"));
  return manifest;
}

kube::Parsed<kube::Service> parse_merged(const std::string& manifest, const std::string* overlay) {
  Json merged = Json::parse(manifest, nullptr, false);
  if (overlay != nullptr) merged = merged_service(std::move(merged), Json::parse(*overlay, nullptr, false));
  return kube::parse_service(merged);
}

Result<Json> with_write(Json overlay, const kube::Service& merged, const ServiceWrite& what,
                        std::string_view annotation, bool is_in_manifest) {
  if (what.node_ports && what.node_ports->size() != merged.ports.size()) {
    return Error{Errc::conflict, "write node ports of " + merged.meta.ns + "/" + merged.meta.name +
                                     ": its ports have changed meanwhile"};
  }
  if (what.cluster_ips) write_cluster_ips(overlay, *what.cluster_ips);
  if (what.node_ports) write_node_ports(overlay, merged, *what.node_ports);
  if (what.ingress) write_ingress(overlay, merged, *what.ingress);
  if (what.pool) {
    Json& annotations = child(child(overlay, "metadata"), "annotations");
    if (what.pool->empty() && is_in_manifest) annotations[std::string(annotation)] = nullptr;
    else if (what.pool->empty()) annotations.erase(std::string(annotation));
    else annotations[std::string(annotation)] = *what.pool;
    drop_if_empty(overlay["metadata"], "annotations");
  }
  drop_if_empty(overlay, "spec");
  return overlay;
}

Json tidied(Json overlay, const Json& manifest) {
  const auto own = overlay.find("spec");
  const Json& spec = at(manifest, "spec");
  if (own == overlay.end() || !own->is_object() || !spec.is_object()) return overlay;
  const Json& type = at(spec, "type");
  if (!has_cluster_ips(type) || !takes(spec, at(*own, "clusterIPs"))) {
    own->erase("clusterIP");
    own->erase("clusterIPs");
  }
  if (const auto made = own->find("ports"); made != own->end() && made->is_array()) {
    const Json& ports = at(spec, "ports");
    Json kept = Json::array();
    for (const Json& entry : *made) {
      const auto is_its = [&](const Json& port) { return takes_port(port, entry); };
      if (has_node_ports(type) && ports.is_array() && std::any_of(ports.begin(), ports.end(), is_its)) kept.push_back(entry);
    }
    *made = std::move(kept);
    drop_if_empty(*own, "ports");
  }
  drop_if_empty(overlay, "spec");
  return overlay;
}

Json with_status(Json overlay, const PoolStatus& status) {
  overlay["status"] = to_json(status);
  return overlay;
}

}  // namespace fairlead::runtime
