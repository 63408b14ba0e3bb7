#include "controller/core/allocator.h"

#include <algorithm>
#include <tuple>

namespace fairlead::controller::core {
namespace {

std::size_t slot(Family family) { return family == Family::v4 ? 0 : 1; }

std::optional<Ip> plus(Ip ip, int steps) {
  std::optional<Ip> out = ip;
  for (int i = 0; out && i < steps; ++i) out = next(*out);
  return out;
}

}  // namespace

void FirstFree::add(std::size_t number, const IpRange& range, bool avoids_buggy) {
  ranges_.push_back({number, range, range.first, avoids_buggy});
}

void FirstFree::freed(const Ip& ip) {
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    Range& r = ranges_[i];
    if (!r.range.contains(ip)) continue;
    if (!r.at || ip < *r.at) r.at = ip;
    first_ = std::min(first_, i);
  }
}

Allocator::Allocator(const Pools& pools) : pools_(pools), state_(pools.valid().size()) {
  for (std::size_t i = 0; i < pools.valid().size(); ++i) {
    const api::IPAddressPool& pool = *pools.valid()[i];
    for (std::size_t n = 0; n < pool.addresses.size(); ++n) {
      free_of(i, pool.addresses[n].first.family()).add(n, pool.addresses[n], pool.avoid_buggy_ips);
    }
    if (pool.auto_assign) (pool.service_allocation ? pinned_ : unpinned_).push_back(i);
  }
  // valid() is sorted by name, so a stable sort leaves ties in that order.
  std::stable_sort(pinned_.begin(), pinned_.end(), [&](std::size_t a, std::size_t b) {
    const int pa = pools.valid()[a]->service_allocation->priority;
    const int pb = pools.valid()[b]->service_allocation->priority;
    return std::tuple(pa == 0, pa) < std::tuple(pb == 0, pb);
  });
}

FirstFree& Allocator::free_of(std::size_t pool, Family family) { return state_[pool].free[slot(family)]; }

Allocator::GroupKey Allocator::group_of(std::size_t pool, Family family, const User& user) const {
  const bool is_crossed = pools_.valid()[pool]->allow_cross_namespace_sharing;
  return {pool, family, user.manner->sharing_key, user.manner->backends,
          is_crossed ? std::string_view() : std::string_view(user.service->meta.ns)};
}

std::optional<Clash> Allocator::clash(const Ip& ip, const User& user) const {
  const auto found = used_.find(ip);
  if (found == used_.end()) return std::nullopt;
  const Use& use = found->second;
  if (use.first.service == nullptr && use.last == nullptr) return Clash{Reason::address_answered};
  if (use.first.service == nullptr) {
    const bool is_own = use.last->ns == user.service->meta.ns && use.last->name == user.service->meta.name;
    return is_own ? std::nullopt : std::optional(Clash{Reason::address_held_down, nullptr, 0});
  }
  const Manner& theirs = *use.first.manner;
  const Manner& ours = *user.manner;
  const auto refuse = [&](Reason reason) { return Clash{reason, use.first.service, 0}; };
  if (theirs.sharing_key.empty() || ours.sharing_key.empty()) return refuse(Reason::address_in_use);
  if (theirs.sharing_key != ours.sharing_key) return refuse(Reason::sharing_key_differs);
  if (theirs.backends != ours.backends) return refuse(Reason::sharing_backends_differ);
  if (use.first.service->meta.ns != user.service->meta.ns) {
    const auto pool = pools_.at(ip);
    // Where the pool is not known any more, the one that gave the address has allowed it.
    if (pool && !pools_.valid()[*pool]->allow_cross_namespace_sharing) return refuse(Reason::sharing_across_namespaces);
  }
  for (const std::uint32_t port : ours.ports) {
    const auto taken = use.shared->ports.find(port);
    if (taken != use.shared->ports.end()) return Clash{Reason::sharing_ports_clash, taken->second, port};
  }
  return std::nullopt;
}

void Allocator::take(const Ip& ip, const User& user) {
  const auto [at, is_new] = used_.try_emplace(ip);
  Use& use = at->second;
  const bool is_first = use.first.service == nullptr;
  if (is_first) use.first = user;
  else use.shared->others.push_back(user);
  const auto pool = pools_.at(ip);
  if (pool && is_first) ++state_[*pool].assigned[slot(ip.family())];
  if (user.manner->sharing_key.empty()) return;
  if (!use.shared) use.shared = std::make_unique<Shared>();
  for (const std::uint32_t port : user.manner->ports) use.shared->ports.emplace(port, user.service);
  if (pool && is_first) groups_[group_of(*pool, ip.family(), user)].spots.push_back({*pools_.entry_of(ip), ip});
}

void Allocator::release(const Ip& ip, const kube::Service& by) {
  const auto found = used_.find(ip);
  if (found == used_.end()) return;
  Use& use = found->second;
  const auto pool = pools_.at(ip);
  if (use.shared) {
    auto& others = use.shared->others;
    std::erase_if(use.shared->ports, [&](const auto& entry) { return entry.second == &by; });
    const User gone = use.first;
    if (use.first.service == &by && !others.empty()) {
      use.first = others.front();
      others.erase(others.begin());
    } else {
      std::erase_if(others, [&](const User& u) { return u.service == &by; });
    }
    if (pool) {
      Group& group = groups_[group_of(*pool, ip.family(), gone)];
      group.by_ports.clear();
      if (use.first.service == &by) std::erase_if(group.spots, [&](const Spot& s) { return s.ip == ip; });
    }
  }
  if (use.first.service != &by) return;
  used_.erase(found);
  if (!pool) return;
  --state_[*pool].assigned[slot(ip.family())];
  free_of(*pool, ip.family()).freed(ip);
}

void Allocator::hold_down(const Ip& ip, const kube::Name& last) {
  const auto [at, is_new] = used_.try_emplace(ip);
  if (is_new) at->second.last = &last;
}

void Allocator::block(const Ip& ip) { used_.try_emplace(ip); }

std::optional<Spot> Allocator::find_shared(std::size_t pool, Family family, const User& user) {
  if (user.manner->sharing_key.empty()) return std::nullopt;
  const auto found = groups_.find(group_of(pool, family, user));
  if (found == groups_.end()) return std::nullopt;
  Group& group = found->second;
  Group::Fitting& fitting = group.by_ports[user.manner->ports];
  for (; fitting.seen < group.spots.size(); ++fitting.seen) fitting.spots.insert(group.spots[fitting.seen]);
  while (!fitting.spots.empty()) {
    const auto first = fitting.spots.begin();
    if (!clash(first->ip, user)) return *first;
    fitting.spots.erase(first);
  }
  return std::nullopt;
}

std::optional<Spot> Allocator::find(std::size_t pool, Family family, const User& user) {
  const auto free = free_of(pool, family).find(used_);
  const auto shared = find_shared(pool, family, user);
  return shared && (!free || *shared < *free) ? shared : free;
}

std::optional<Ip> Allocator::assign_from(std::size_t pool, Family family, const User& user) {
  const auto spot = find(pool, family, user);
  if (!spot) return std::nullopt;
  take(spot->ip, user);
  return spot->ip;
}

std::vector<std::size_t> Allocator::candidates(const kube::Service& service, const match::Namespaces& namespaces) const {
  std::vector<std::size_t> out;
  for (const std::size_t i : pinned_) {
    if (match::pool_serves(*pools_.valid()[i], service, namespaces)) out.push_back(i);
  }
  out.insert(out.end(), unpinned_.begin(), unpinned_.end());
  return out;
}

std::optional<Allocator::Given> Allocator::assign_among(std::span<const std::size_t> candidates, const Wanted& wanted,
                                                        const User& user) {
  const auto give = [&](std::size_t pool, std::vector<Family> families) {
    std::sort(families.begin(), families.end());
    Given given{pool, {}};
    for (const Family f : families) given.ips.push_back(*assign_from(pool, f, user));
    return given;
  };
  const auto has_all = [&](std::size_t pool) {
    return std::all_of(wanted.families.begin(), wanted.families.end(),
                       [&](Family f) { return find(pool, f, user).has_value(); });
  };
  for (const std::size_t pool : candidates) {
    if (has_all(pool)) return give(pool, wanted.families);
  }
  if (wanted.all_or_nothing || wanted.families.size() == 1) return std::nullopt;
  for (const Family f : wanted.families) {
    for (const std::size_t pool : candidates) {
      if (find(pool, f, user)) return give(pool, {f});
    }
  }
  return std::nullopt;
}

Allocator::Answer Allocator::assign(std::span<const std::size_t> candidates, const Wanted& wanted, const User& user) {
  const auto is_pinned = [&](std::size_t pool) { return pools_.valid()[pool]->service_allocation.has_value(); };
  const auto pinned = static_cast<std::size_t>(
      std::find_if_not(candidates.begin(), candidates.end(), is_pinned) - candidates.begin());
  if (auto given = assign_among(candidates.first(pinned), wanted, user)) return *std::move(given);
  if (auto given = assign_among(candidates.subspan(pinned), wanted, user)) return *std::move(given);
  // Full, or never of that family: the remedy differs.
  const bool could = std::any_of(candidates.begin(), candidates.end(), [&](std::size_t pool) {
    const auto has = [&](Family f) { return !free_of(pool, f).empty(); };
    return wanted.all_or_nothing ? std::all_of(wanted.families.begin(), wanted.families.end(), has)
                                 : std::any_of(wanted.families.begin(), wanted.families.end(), has);
  });
  return could ? Reason::pools_exhausted : Reason::no_pool_of_family;
}

ClusterIps::ClusterIps(std::span<const Prefix> cidrs) {
  // All upper parts before all low parts would mix prefixes; the list's order is the user's, so each prefix by itself.
  std::size_t n = 0;
  for (const Prefix& cidr : cidrs) {
    const IpRange all = cidr.range();
    if (all.first == all.last) continue;
    const auto last = all.first.is4() ? previous(all.last) : std::optional(all.last);
    const auto low = plus(all.first, 1);
    if (!low || !last || *last < *low) continue;
    FirstFree& free = free_[slot(all.first.family())];
    const auto high = plus(all.first, 10);
    if (high && *high <= *last) free.add(n++, {*high, *last});
    free.add(n++, {*low, std::min(*last, plus(all.first, 9).value_or(*last))});
  }
}

const kube::Service* ClusterIps::take(const Ip& ip, const kube::Service& by) {
  const auto [at, is_new] = used_.emplace(ip, &by);
  return is_new ? nullptr : at->second;
}

std::optional<Ip> ClusterIps::assign(Family family, const kube::Service& by) {
  const auto spot = free_[slot(family)].find(used_);
  if (!spot) return std::nullopt;
  used_.emplace(spot->ip, &by);
  return spot->ip;
}

NodePorts::NodePorts(PortRange range) : range_(range) {
  const std::uint32_t size = std::uint32_t{range.last} - range.first + 1;
  if (size >= 16) band_ = std::min<std::uint32_t>(std::max<std::uint32_t>(16, size / 32), 128);
  if (band_ >= size) band_ = 0;
}

const kube::Service* NodePorts::take(Protocol protocol, Port port, const kube::Service& by) {
  const std::uint32_t key = static_cast<std::uint32_t>(protocol) << 16 | port.value;
  const auto [at, is_new] = used_.emplace(key, &by);
  return is_new ? nullptr : at->second;
}

std::optional<Port> NodePorts::assign(Protocol protocol, const kube::Service& by) {
  const std::uint32_t size = std::uint32_t{range_.last} - range_.first + 1;
  std::uint32_t& tried = cursors_[static_cast<std::uint8_t>(protocol)];
  for (; tried < size; ++tried) {
    const Port port{static_cast<std::uint16_t>(range_.first + (tried + band_) % size)};
    if (take(protocol, port, by) == nullptr) return port;
  }
  return std::nullopt;
}

}  // namespace fairlead::controller::core
