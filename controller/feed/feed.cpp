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

template <class Map, class List>
void copy(const Map& from, List& to) {
  to.reserve(from.size());
  for (const auto& [name, object] : from) to.push_back(object);
}

/// "IPAddressPool ns/name"; none for what is no such text.
std::optional<api::Key> key_of(const std::string& object) {
  const auto blank = object.find(' ');
  const auto slash = object.find('/');
  if (blank == std::string::npos || slash == std::string::npos || slash < blank) return std::nullopt;
  const auto kind = api::kind_of_name(object.substr(0, blank));
  if (!kind) return std::nullopt;
  return api::Key{*kind, {object.substr(blank + 1, slash - blank - 1), object.substr(slash + 1)}};
}

}  // namespace

api::ConfigSet Objects::config_set() const {
  api::ConfigSet out;
  copy(pools, out.pools);
  copy(l2_advertisements, out.l2_advertisements);
  copy(bgp_advertisements, out.bgp_advertisements);
  copy(peers, out.peers);
  copy(profiles, out.profiles);
  copy(communities, out.communities);
  copy(nodes, out.nodes);
  for (const runtime::Fault& fault : faults) {
    if (auto key = key_of(fault.object)) out.refused.insert(*std::move(key));
  }
  return out;
}

const api::AddressRecord* Objects::own_record() const {
  const auto found = std::find_if(records.begin(), records.end(), [](const auto& entry) { return entry.first.name == api::kControllerRecord; });
  return found == records.end() ? nullptr : &found->second;
}

std::vector<std::string> Objects::unreadable_lines() const {
  std::vector<std::string> out;
  for (const runtime::Fault& fault : faults) {
    const std::string field = fault.field.empty() ? "" : fault.field + " ";
    out.push_back(fault.about() + ": " + field + fault.what);
  }
  return out;
}

core::Snapshot Objects::snapshot(TimePoint now) const {
  core::Snapshot out;
  out.services.reserve(services.size());
  for (const auto& [name, service] : services) out.services.push_back(&service);
  for (const auto& [name, pool] : pools) out.pools.push_back(&pool);
  for (const auto& [name, node] : nodes) out.nodes.push_back(&node);
  for (const auto& [name, community] : communities) out.communities.push_back(&community);
  out.namespaces = &namespaces;
  out.may_miss_pools = !hiding.empty();
  out.gone_pools = &gone_pools;
  out.has_unreadable_pool = !unreadable.empty();
  for (const auto& [name, record] : records) out.records.push_back(&record);
  out.now = now;
  return out;
}

Feed::Feed(runtime::Loop& loop, runtime::Source& source, Handlers handlers, Options options)
    : loop_(loop),
      source_(source),
      handlers_(std::move(handlers)),
      options_(std::move(options)),
      timer_(loop, [this] { pass(); }) {}

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
    if (!alive.expired()) on_fault(fault);
  };
  h.mended = [this, alive](const runtime::Fault& fault) {
    if (!alive.expired()) on_mended(fault);
  };
  std::vector<api::Kind> kinds{api::Kind::service, api::Kind::node, api::Kind::namespace_, api::Kind::ip_address_pool, api::Kind::l2_advertisement,
                               api::Kind::bgp_advertisement, api::Kind::bgp_peer, api::Kind::bfd_profile, api::Kind::community};
  if (options_.reads_records) kinds.push_back(api::Kind::address_record);
  source_.start(std::move(kinds), std::move(h));
}

/// In metallb.io mode Communities count as pools do.
bool Feed::hides_pools(const std::string& object) const {
  const std::string in = options_.metallb_namespace.empty() ? "" : options_.metallb_namespace + "/";
  const auto is_of = [&](const std::string& kind) { return object == kind || object.starts_with(kind + " " + in); };  // or without a name
  return is_of("IPAddressPool") || (!in.empty() && is_of("Community"));
}

void Feed::on_fault(const runtime::Fault& fault) {
  const bool is_hiding = !is_synced_ && (fault.object.empty() || hides_pools(fault.object));
  if (is_hiding) objects_.hiding.insert(fault.about());
  if (hides_pools(fault.object)) objects_.unreadable.insert(fault.about());
  if (counts(fault.object)) {
    objects_.faults.push_back(fault);
    ++objects_.configuration;
    mark_dirty();
  }
  if (handlers_.fault) handlers_.fault(fault);
}

bool Feed::counts(const std::string& object) const {
  const auto key = options_.metallb_namespace.empty() ? std::nullopt : key_of(object);
  return !key || key->kind < api::Kind::ip_address_pool || key->name.ns == options_.metallb_namespace;
}

void Feed::on_mended(const runtime::Fault& fault) {
  const auto found = std::find(objects_.faults.begin(), objects_.faults.end(), fault);
  if (found == objects_.faults.end()) return;
  objects_.faults.erase(found);
  ++objects_.configuration;
  const std::string& what = fault.about();
  if (std::none_of(objects_.faults.begin(), objects_.faults.end(), [&](const runtime::Fault& other) { return other.about() == what; })) {
    objects_.hiding.erase(what);
    objects_.unreadable.erase(what);
  }
  mark_dirty();
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
    case api::Kind::l2_advertisement:
    case api::Kind::bgp_advertisement:
    case api::Kind::bgp_peer:
    case api::Kind::bfd_profile:
    case api::Kind::community: {
      const bool is_different = store_custom(change);
      if (is_different) ++objects_.configuration;
      return is_different;
    }
    case api::Kind::node: {
      // A Node changes often (heartbeats, conditions); only its addresses and labels matter here.
      const auto found = objects_.nodes.find(change.key.name);
      const auto* node = change.object ? std::get_if<kube::Node>(&*change.object) : nullptr;
      const bool is_same =
          found != objects_.nodes.end() && node != nullptr && found->second.internal_ips == node->internal_ips &&
          found->second.meta.labels == node->meta.labels;
      const bool is_different = put<decltype(objects_.nodes), kube::Node>(objects_.nodes, change) && !is_same;
      if (is_different) ++objects_.configuration;
      return is_different;
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
    case api::Kind::address_record:
      return put<decltype(objects_.records), api::AddressRecord>(objects_.records, change);
    case api::Kind::endpoint_slice:
    case api::Kind::service_cidr:
    case api::Kind::secret:
      return false;
  }
  return false;
}

bool Feed::store_custom(const runtime::Change& change) {
  if (!options_.metallb_namespace.empty() && change.key.name.ns != options_.metallb_namespace) return false;
  switch (change.key.kind) {
    case api::Kind::l2_advertisement: return put<decltype(objects_.l2_advertisements), api::L2Advertisement>(objects_.l2_advertisements, change);
    case api::Kind::bgp_advertisement: return put<decltype(objects_.bgp_advertisements), api::BGPAdvertisement>(objects_.bgp_advertisements, change);
    case api::Kind::bgp_peer: return put<decltype(objects_.peers), api::BGPPeer>(objects_.peers, change);
    case api::Kind::bfd_profile: return put<decltype(objects_.profiles), api::BFDProfile>(objects_.profiles, change);
    case api::Kind::community: return put<decltype(objects_.communities), api::Community>(objects_.communities, change);
    default: break;
  }
  if (change.object) objects_.gone_pools.erase(change.key.name.name);
  else objects_.gone_pools.insert(change.key.name.name);
  return put<decltype(objects_.pools), api::IPAddressPool>(objects_.pools, change);
}

void Feed::pass() {
  const TimePoint start = loop_.now();
  handlers_.pass();
  last_cost_ = loop_.now() - start;
  log::debug("pass", {{"services", objects_.services.size()}, {"ms", milliseconds(last_cost_)}});
}

}  // namespace fairlead::controller::feed
