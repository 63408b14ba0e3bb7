#include "controller/feed/feed.h"

#include <algorithm>

#include "proto/base/log.h"

namespace fairlead::controller::feed {
namespace {

/// Stores or erases; true when something is different now.
template <class Map, class Object>
bool put(Map& map, const runtime::Change& change) {
  const kube::Name& name = change.key.name;
  if (!change.object) return map.erase(name) > 0;
  const auto* object = std::get_if<Object>(&*change.object);
  if (object == nullptr) return false;
  const auto [at, is_new] = map.try_emplace(name, *object);
  if (is_new) return true;
  if (at->second == *object) return false;
  at->second = *object;
  return true;
}

}  // namespace

core::Snapshot Objects::snapshot() const {
  core::Snapshot out;
  out.services.reserve(services.size());
  for (const auto& [name, service] : services) out.services.push_back(&service);
  for (const auto& [name, pool] : pools) out.pools.push_back(&pool);
  for (const auto& [name, node] : nodes) out.nodes.push_back(&node);
  out.namespaces = &namespaces;
  out.may_miss_pools = may_miss_pools;
  out.gone_pools = &gone_pools;
  return out;
}

Feed::Feed(runtime::Loop& loop, runtime::Source& source, Handlers handlers)
    : loop_(loop), source_(source), handlers_(std::move(handlers)), timer_(loop, [this] { pass(); }) {}

void Feed::start() {
  const std::weak_ptr<char> alive = alive_;
  runtime::Source::Handlers h;
  h.changes = [this, alive](std::vector<runtime::Change> changes) {
    if (!alive.expired()) on_changes(std::move(changes));
  };
  h.synced = [this, alive] {
    if (alive.expired() || is_synced_) return;
    is_synced_ = true;
    if (handlers_.synced) handlers_.synced();
    mark_dirty();
  };
  h.fault = [this, alive](const runtime::Fault& fault) {
    if (alive.expired()) return;
    const bool may_be_pool = fault.object.empty() || fault.object.starts_with("IPAddressPool");
    if (!is_synced_ && may_be_pool) objects_.may_miss_pools = true;
    if (handlers_.fault) handlers_.fault(fault);
  };
  source_.start({api::Kind::service, api::Kind::node, api::Kind::namespace_, api::Kind::ip_address_pool}, std::move(h));
}

void Feed::mark_dirty() {
  // At least one turn later, so that what this turn still brings is part of it.
  if (is_synced_) timer_.arm_if_idle(2 * last_cost_);
}

void Feed::on_changes(std::vector<runtime::Change> changes) {
  bool is_dirty = false;
  for (const runtime::Change& change : changes) {
    is_dirty |= store(change);
    if (!change.object && handlers_.gone) handlers_.gone(change.key);
  }
  if (is_dirty) mark_dirty();
}

bool Feed::store(const runtime::Change& change) {
  switch (change.key.kind) {
    case api::Kind::service:
      return put<decltype(objects_.services), kube::Service>(objects_.services, change);
    case api::Kind::ip_address_pool:
      if (change.object)
        objects_.gone_pools.erase(change.key.name.name);
      else
        objects_.gone_pools.insert(change.key.name.name);
      return put<decltype(objects_.pools), api::IPAddressPool>(objects_.pools, change);
    case api::Kind::node: {
      // A Node changes often (heartbeats, conditions); only its addresses matter here.
      const auto found = objects_.nodes.find(change.key.name);
      const auto* node = change.object ? std::get_if<kube::Node>(&*change.object) : nullptr;
      const bool is_same =
          found != objects_.nodes.end() && node != nullptr && found->second.internal_ips == node->internal_ips;
      return put<decltype(objects_.nodes), kube::Node>(objects_.nodes, change) && !is_same;
    }
    case api::Kind::namespace_: {
      const std::string& name = change.key.name.name;
      if (!change.object) return objects_.namespaces.erase(name) > 0;
      const auto* ns = std::get_if<kube::Namespace>(&*change.object);
      if (ns == nullptr) return false;
      kube::Labels& labels = objects_.namespaces[name];
      const bool is_same = labels == ns->meta.labels;
      labels = ns->meta.labels;
      return !is_same;
    }
    case api::Kind::endpoint_slice:
    case api::Kind::l2_advertisement:
      return false;
  }
  return false;
}

void Feed::pass() {
  const TimePoint start = loop_.now();
  handlers_.pass();
  last_cost_ = loop_.now() - start;
  log::debug("pass", {{"services", objects_.services.size()}, {"ms", milliseconds(last_cost_)}});
}

}  // namespace fairlead::controller::feed
