#include "speaker/feed/feed.h"

#include <algorithm>
#include <variant>

#include "proto/base/log.h"

namespace fairlead::speaker {
namespace {

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
    case api::Kind::service_cidr:
      put(cluster_.service_cidrs, name.name, std::move(change.object));
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
    case api::Kind::bgp_advertisement:
    case api::Kind::bgp_peer:
    case api::Kind::bfd_profile:
    case api::Kind::community:
    case api::Kind::secret:
    case api::Kind::address_record:
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

void Feed::set_host_addresses(HostAddresses addresses) {
  if (addresses == host_addresses_) return;
  host_addresses_ = std::move(addresses);
  refresh_facts();
  if (planner_.is_dirty()) handlers_.planned();
}

void Feed::refresh_facts() { planner_.set_facts(node_facts(options_.data_plane, options_.node, cluster_, host_addresses_)); }

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
  std::vector<kube::Name> changed;
  for (const kube::Name& name : dirty_) {
    const auto service = planner_.services().find(name);
    std::vector<Announcement> now;
    if (service != planner_.services().end()) {
      now = speaker::announcements(service->second, planner_.slices_of(name), all, liveness_);
    }
    const auto before = announcements_.find(name);
    if (before == announcements_.end() ? now.empty() : before->second == now) continue;
    changed.push_back(name);
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
  if (changed.empty()) return;
  if (handlers_.announced) handlers_.announced(changed);

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
