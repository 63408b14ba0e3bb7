#include "speaker/core/endpoints.h"

#include <algorithm>
#include <map>

namespace fairlead::speaker {
namespace {

struct Candidate {
  const kube::Endpoint* endpoint = nullptr;
  bool is_local = false;
};

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

/// Whether hints of one kind decide: every ready endpoint has them, and at least one names us. One endpoint without
/// hints switches the kind off, so that a roll-out of hints never empties a list.
template <class Hints>
bool hints_decide(const std::map<Target, Candidate>& all, Hints hints, const std::string& me) {
  bool names_us = false;
  for (const auto& [target, c] : all) {
    if (!c.endpoint->is_ready) continue;
    const auto& names = hints(*c.endpoint);
    if (names.empty()) return false;
    names_us = names_us || contains(names, me);
  }
  return names_us;
}

}  // namespace

Selection select(const kube::ServicePort& port, Family family, std::span<const kube::EndpointSlice* const> slices,
                 const NodeFacts& node) {
  // The same address may stand in several slices while endpoints move between them; the copy on this node wins.
  std::map<Target, Candidate> all;
  for (const kube::EndpointSlice* slice : slices) {
    if (slice->family != family) continue;
    for (const kube::EndpointPort& p : slice->ports) {
      if (p.name != port.name || p.protocol != port.protocol || p.port.value == 0) continue;
      for (const kube::Endpoint& e : slice->endpoints) {
        const Candidate mine{&e, !e.node_name.empty() && e.node_name == node.name};
        const auto [at, is_new] = all.try_emplace(Target{e.address, p.port}, mine);
        if (!is_new && mine.is_local && !at->second.is_local) at->second = mine;
      }
    }
  }

  const auto node_hints = [](const kube::Endpoint& e) -> const auto& { return e.node_hints; };
  const auto zone_hints = [](const kube::Endpoint& e) -> const auto& { return e.zone_hints; };
  const bool by_node = hints_decide(all, node_hints, node.name);
  const bool by_zone = !by_node && !node.zone.empty() && hints_decide(all, zone_hints, node.zone);

  Selection out;
  const auto drains = [](const kube::Endpoint& e) { return e.is_serving && e.is_terminating; };
  for (const auto& [target, c] : all) {
    const kube::Endpoint& e = *c.endpoint;
    out.has_any = out.has_any || can_serve(e);
    if (!e.is_ready) continue;
    if (c.is_local) out.local.push_back(target);
    if ((by_node && !contains(e.node_hints, node.name)) || (by_zone && !contains(e.zone_hints, node.zone))) continue;
    out.cluster.push_back(target);
  }
  const bool cluster_drains = out.cluster.empty();
  const bool local_drains = out.local.empty();
  for (const auto& [target, c] : all) {
    if (!drains(*c.endpoint)) continue;
    if (cluster_drains) out.cluster.push_back(target);
    if (local_drains && c.is_local) out.local.push_back(target);
  }
  // An endpoint without a node name may well be here (hand-made Endpoints): a pair that never meets costs nothing.
  for (const auto& [target, c] : all) {
    if ((c.is_local || c.endpoint->node_name.empty()) && (out.hairpin.empty() || out.hairpin.back() != target.ip)) {
      out.hairpin.push_back(target.ip);
    }
  }
  return out;
}

}  // namespace fairlead::speaker
