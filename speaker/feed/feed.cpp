#include "speaker/feed/feed.h"

#include <algorithm>
#include <variant>

#include "proto/base/log.h"

namespace fairlead::speaker {
namespace {

constexpr std::string_view kZoneLabel = "topology.kubernetes.io/zone";

template <class T>
std::optional<T> as(std::optional<api::Object>&& object) {
  if (!object) return std::nullopt;
  return std::get<T>(std::move(*object));
}

template <class T, class K>
void put(std::map<K, T>& map, const K& key, std::optional<api::Object>&& object) {
  if (object) {
    map.insert_or_assign(key, std::get<T>(std::move(*object)));
  } else {
    map.erase(key);
  }
}

/// The first of each family.
std::vector<Ip> primary(const std::vector<Ip>& ips) {
  std::vector<Ip> out;
  for (const Ip& ip : ips) {
    if (std::none_of(out.begin(), out.end(), [&](const Ip& o) { return o.family() == ip.family(); })) out.push_back(ip);
  }
  return out;
}

}  // namespace

Feed::Feed(FeedOptions options, Planner& planner, const Liveness& liveness, Handlers handlers)
    : options_(std::move(options)), planner_(planner), liveness_(liveness), handlers_(std::move(handlers)) {
  refresh_facts();
}

void Feed::apply(runtime::Change change) {
  const kube::Name& name = change.key.name;
  switch (change.key.kind) {
    case api::Kind::service:
      dirty_.insert(name);
      planner_.set_service(name, as<kube::Service>(std::move(change.object)));
      break;
    case api::Kind::endpoint_slice: {
      auto slice = as<kube::EndpointSlice>(std::move(change.object));
      if (const auto old = slice_service_.find(name); old != slice_service_.end()) dirty_.insert(old->second);
      if (slice) {
        const kube::Name service{slice->meta.ns, slice->service};
        slice_service_[name] = service;
        dirty_.insert(service);
      } else {
        slice_service_.erase(name);
      }
      planner_.set_slice(name, std::move(slice));
      break;
    }
    case api::Kind::node:
      put(cluster_.nodes, name.name, std::move(change.object));
      all_dirty_ = true;
      break;
    case api::Kind::ip_address_pool:
      put(cluster_.pools, name, std::move(change.object));
      all_dirty_ = true;
      break;
    case api::Kind::l2_advertisement:
      put(cluster_.advertisements, name, std::move(change.object));
      all_dirty_ = true;
      break;
    case api::Kind::namespace_: break;
  }
}

void Feed::changes(std::vector<runtime::Change> changes) {
  for (runtime::Change& c : changes) apply(std::move(c));
  if (all_dirty_) refresh_facts();
  if (planner_.is_dirty()) handlers_.planned();
  announce();
}

void Feed::synced() {
  is_synced_ = true;
  announce();
}

void Feed::set_link_addresses(std::vector<Ip> addresses) {
  if (addresses == link_addresses_) return;
  link_addresses_ = std::move(addresses);
  refresh_facts();
  if (planner_.is_dirty()) handlers_.planned();
}

void Feed::refresh_facts() {
  NodeFacts facts;
  facts.name = options_.node;
  facts.local_pods = options_.cluster_cidrs;
  facts.service_cidrs = options_.service_cidrs;
  facts.masquerade_all = options_.masquerade_all;
  if (const auto self = cluster_.nodes.find(options_.node); self != cluster_.nodes.end()) {
    facts.node_addresses = primary(self->second.internal_ips);
    if (const auto zone = self->second.meta.labels.find(kZoneLabel); zone != self->second.meta.labels.end()) {
      facts.zone = zone->second;
    }
  }
  for (const auto& [name, node] : cluster_.nodes) {
    facts.all_nodes.insert(facts.all_nodes.end(), node.internal_ips.begin(), node.internal_ips.end());
  }
  if (facts.node_addresses.empty()) facts.node_addresses = primary(link_addresses_);
  for (const auto& [name, pool] : cluster_.pools) {
    facts.pools.insert(facts.pools.end(), pool.addresses.begin(), pool.addresses.end());
  }
  planner_.set_facts(std::move(facts));
}

const Cluster& Feed::cluster() {
  if (!cluster_.nodes.empty()) return cluster_;
  // A plain host with a folder of Services: nobody wrote a Node object, so this node is the cluster.
  if (!warned_no_nodes_) {
    log::warn("no_node_objects", {{"node", options_.node}, {"what", "this node announces every VIP; write a Node object for each node if there are several"}});
    warned_no_nodes_ = true;
  }
  alone_ = cluster_;
  kube::Node self;
  self.meta.name = options_.node;
  alone_.nodes.emplace(options_.node, std::move(self));
  return alone_;
}

void Feed::announce() {
  if (!is_synced_ || (!all_dirty_ && dirty_.empty())) return;
  if (all_dirty_) {
    for (const auto& [name, service] : planner_.services()) dirty_.insert(name);
  }
  const Cluster& all = cluster();
  bool is_changed = false;
  for (const kube::Name& name : dirty_) {
    const auto service = planner_.services().find(name);
    std::vector<Announcement> now;
    if (service != planner_.services().end()) {
      now = announcements(service->second, planner_.slices_of(name), all, liveness_);
    }
    const auto before = announcements_.find(name);
    if (before == announcements_.end() ? now.empty() : before->second == now) continue;
    is_changed = true;
    for (const Announcement& a : now) {
      if (a.reason != Reason::owner) {
        log::info("not_announced", {{"vip", a.vip.str()}, {"service", name.str()}, {"reason", fairlead::speaker::name(a.reason)}});
      }
    }
    if (now.empty()) {
      announcements_.erase(name);
    } else {
      announcements_.insert_or_assign(name, std::move(now));
    }
  }
  dirty_.clear();
  all_dirty_ = false;
  if (!is_changed) return;

  // Two Services may share a VIP: announced if one of them says so, on the interfaces that either allows.
  std::map<Ip, std::vector<std::string>> mine;
  for (const auto& [name, list] : announcements_) {
    for (const Announcement& a : list) {
      if (a.reason != Reason::owner || a.node != options_.node) continue;
      const auto [at, is_new] = mine.try_emplace(a.vip, a.interfaces);
      if (is_new || at->second.empty()) continue;
      if (a.interfaces.empty()) at->second.clear();
      for (const std::string& i : a.interfaces) {
        if (std::find(at->second.begin(), at->second.end(), i) == at->second.end()) at->second.push_back(i);
      }
    }
  }
  for (const auto& [vip, interfaces] : mine) {
    if (!mine_.contains(vip)) log::info("announce", {{"vip", vip.str()}, {"node", options_.node}, {"reason", "owner"}});
  }
  for (const auto& [vip, interfaces] : mine_) {
    if (!mine.contains(vip)) log::info("withdraw", {{"vip", vip.str()}, {"node", options_.node}});
  }
  if (mine == mine_) return;
  mine_ = std::move(mine);
  handlers_.vips(mine_);
}

}  // namespace fairlead::speaker
