#include "proto/match/pool.h"

#include <algorithm>

#include "proto/match/selector.h"

namespace fairlead::match {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The API server labels every Namespace with its own name. A folder may hold no Namespace objects at all, and the
/// label counts there just the same.
kube::Labels labels_of(const std::string& ns, const Namespaces& namespaces) {
  kube::Labels out;
  if (const auto found = namespaces.find(ns); found != namespaces.end()) out = found->second;
  out.insert_or_assign("kubernetes.io/metadata.name", ns);
  return out;
}

/// The two kinds of advertisement choose pools alike.
template <class Advertisement>
bool takes_pool(const Advertisement& ad, const api::IPAddressPool& pool) {
  if (ad.pools.empty() && ad.pool_selectors.empty()) return true;
  return contains(ad.pools, pool.meta.name) || any_matches(ad.pool_selectors, pool.meta.labels, false);
}

}  // namespace

bool pool_serves_namespace(const api::IPAddressPool& pool, const std::string& ns, const Namespaces& namespaces) {
  if (!pool.service_allocation) return true;
  const api::ServiceAllocation& rule = *pool.service_allocation;
  if (rule.namespaces.empty() && rule.namespace_selectors.empty()) return true;
  return contains(rule.namespaces, ns) ||
         (!rule.namespace_selectors.empty() && any_matches(rule.namespace_selectors, labels_of(ns, namespaces), false));
}

bool pool_serves(const api::IPAddressPool& pool, const kube::Service& service, const Namespaces& namespaces) {
  if (!pool.service_allocation) return true;
  return pool_serves_namespace(pool, service.meta.ns, namespaces) &&
         any_matches(pool.service_allocation->service_selectors, service.meta.labels, true);
}

bool advertises_pool(const api::L2Advertisement& ad, const api::IPAddressPool& pool) { return takes_pool(ad, pool); }
bool advertises_pool(const api::BGPAdvertisement& ad, const api::IPAddressPool& pool) { return takes_pool(ad, pool); }

bool advertises_service(const api::L2Advertisement& ad, const kube::Service& service) {
  return any_matches(ad.service_selectors, service.meta.labels, true);
}
bool advertises_service(const api::BGPAdvertisement& ad, const kube::Service& service) {
  return any_matches(ad.service_selectors, service.meta.labels, true);
}

bool advertises_from(const api::L2Advertisement& ad, const kube::Node& node) {
  return any_matches(ad.node_selectors, node.meta.labels, true);
}
bool advertises_from(const api::BGPAdvertisement& ad, const kube::Node& node) {
  return any_matches(ad.node_selectors, node.meta.labels, true);
}

bool peers_with(const kube::Node& node, const api::BGPPeer& peer) {
  return any_matches(peer.node_selectors, node.meta.labels, true);
}

}  // namespace fairlead::match
