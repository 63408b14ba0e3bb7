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

void FirstFree::add(const IpRange& range, bool avoids_buggy) { ranges_.push_back({range, range.first, avoids_buggy}); }

std::optional<Ip> FirstFree::find(const Users& used) {
  for (; first_ < ranges_.size(); ++first_) {
    Range& r = ranges_[first_];
    while (r.at && (used.contains(*r.at) || (r.avoids_buggy && is_buggy(*r.at)))) {
      r.at = *r.at == r.range.last ? std::nullopt : next(*r.at);
    }
    if (r.at) return r.at;
  }
  return std::nullopt;
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
    for (const IpRange& range : pool.addresses) {
      free_of(i, range.first.family()).add(range, pool.avoid_buggy_ips);
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

bool Allocator::take(const Ip& ip, const kube::Service& by) {
  if (!used_.emplace(ip, &by).second) return false;
  if (const auto pool = pools_.at(ip)) ++state_[*pool].assigned[slot(ip.family())];
  return true;
}

void Allocator::release(const Ip& ip) {
  if (used_.erase(ip) == 0) return;
  if (const auto pool = pools_.at(ip)) {
    --state_[*pool].assigned[slot(ip.family())];
    free_of(*pool, ip.family()).freed(ip);
  }
}

const kube::Service* Allocator::user(const Ip& ip) const {
  const auto found = used_.find(ip);
  return found == used_.end() ? nullptr : found->second;
}

std::optional<Ip> Allocator::assign_from(std::size_t pool, Family family, const kube::Service& service) {
  const auto ip = free_of(pool, family).find(used_);
  if (ip) take(*ip, service);
  return ip;
}

Allocator::Answer Allocator::assign(const kube::Service& service, const Wanted& wanted,
                                    const match::Namespaces& namespaces) {
  if (pinned_.empty() && unpinned_.empty()) return Reason::no_pool;
  std::vector<std::size_t> candidates;
  for (const std::size_t i : pinned_) {
    if (match::pool_serves(*pools_.valid()[i], service, namespaces)) candidates.push_back(i);
  }
  candidates.insert(candidates.end(), unpinned_.begin(), unpinned_.end());
  if (candidates.empty()) return Reason::no_pool_serves;

  const auto give = [&](std::size_t pool, std::vector<Family> families) -> Answer {
    std::sort(families.begin(), families.end());
    Given given{pool, {}};
    for (const Family f : families) given.ips.push_back(*assign_from(pool, f, service));
    return given;
  };
  const auto has_all = [&](std::size_t pool) {
    return std::all_of(wanted.families.begin(), wanted.families.end(),
                       [&](Family f) { return free_of(pool, f).find(used_).has_value(); });
  };
  for (const std::size_t pool : candidates) {
    if (has_all(pool)) return give(pool, wanted.families);
  }
  if (!wanted.all_or_nothing && wanted.families.size() > 1) {
    for (const Family f : wanted.families) {
      for (const std::size_t pool : candidates) {
        if (free_of(pool, f).find(used_)) return give(pool, {f});
      }
    }
  }
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
  for (const Prefix& cidr : cidrs) {
    const IpRange all = cidr.range();
    if (all.first == all.last) continue;
    const auto last = all.first.is4() ? previous(all.last) : std::optional(all.last);
    const auto low = plus(all.first, 1);
    if (!low || !last || *last < *low) continue;
    FirstFree& free = free_[slot(all.first.family())];
    const auto high = plus(all.first, 10);
    if (high && *high <= *last) free.add({*high, *last});
    free.add({*low, std::min(*last, plus(all.first, 9).value_or(*last))});
  }
}

const kube::Service* ClusterIps::take(const Ip& ip, const kube::Service& by) {
  const auto [at, is_new] = used_.emplace(ip, &by);
  return is_new ? nullptr : at->second;
}

std::optional<Ip> ClusterIps::assign(Family family, const kube::Service& by) {
  const auto ip = free_[slot(family)].find(used_);
  if (ip) used_.emplace(*ip, &by);
  return ip;
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
