#include "controller/core/pools.h"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

#include "proto/api/validate.h"

namespace fairlead::controller::core {
namespace {

__extension__ using Wide = unsigned __int128;

Wide number(const Ip& ip) {
  Wide out = 0;
  for (const std::uint8_t octet : ip.octets()) out = out << 8 | octet;
  return out;
}

std::string object(const api::IPAddressPool& pool) {
  return "IPAddressPool " + kube::Name{pool.meta.ns, pool.meta.name}.str();
}

std::string entry(std::size_t i, const IpRange& range) {
  return "spec.addresses[" + std::to_string(i) + "] " + range.str();
}

struct NodeAddress {
  Ip ip;
  const kube::Node* node = nullptr;
};

/// A verdict on one pool by itself: everything but names and overlaps, which depend on the other pools.
std::optional<Refusal> judge_alone(const api::IPAddressPool& pool, std::span<const NodeAddress> nodes) {
  if (pool.addresses.empty()) {
    return Refusal{&pool, Reason::pool_without_addresses,
                   object(pool) + ": spec.addresses is empty: add a prefix or a range"};
  }
  if (pool.service_allocation) {
    const api::ServiceAllocation& a = *pool.service_allocation;
    std::set<std::string_view> seen;
    for (const std::string& ns : a.namespaces) {
      if (!seen.insert(ns).second) {
        return Refusal{&pool, Reason::pool_duplicate_namespace,
                       object(pool) + ": spec.serviceAllocation.namespaces names " + ns + " twice: remove one"};
      }
    }
    const std::pair<const char*, const std::vector<kube::LabelSelector>*> lists[] = {
        {"namespaceSelectors", &a.namespace_selectors}, {"serviceSelectors", &a.service_selectors}};
    for (const auto& [field, list] : lists) {
      for (std::size_t i = 0; i < list->size(); ++i) {
        const auto first = std::find(list->begin(), list->end(), (*list)[i]) - list->begin();
        if (first == static_cast<std::ptrdiff_t>(i)) continue;
        return Refusal{&pool, Reason::pool_duplicate_selector,
                       object(pool) + ": spec.serviceAllocation." + field + "[" + std::to_string(i) +
                           "] repeats entry " + std::to_string(first) + ": remove one"};
      }
    }
  }
  for (std::size_t i = 0; i < pool.addresses.size(); ++i) {
    const IpRange& range = pool.addresses[i];
    const auto at = std::lower_bound(nodes.begin(), nodes.end(), range.first,
                                     [](const NodeAddress& n, const Ip& ip) { return n.ip < ip; });
    if (at != nodes.end() && range.contains(at->ip)) {
      return Refusal{&pool, Reason::pool_contains_node,
                     object(pool) + ": " + entry(i, range) + " contains " + at->ip.str() + ", the address of Node " +
                         at->node->meta.name + ": leave the addresses of nodes out"};
    }
  }
  api::ConfigSet alone;
  alone.pools.push_back(pool);
  for (const api::Violation& v : api::validate_pools(alone, api::Rules::of(api::Group::fairlead))) {
    const bool is_judged_later = v.rule == api::Rule::pool_overlap;
    if (v.severity != api::Severity::error || is_judged_later) continue;
    return Refusal{&pool, Reason::pool_invalid, object(pool) + ": " + v.field + " " + v.reason};
  }
  return std::nullopt;
}

std::vector<NodeAddress> sorted_addresses(std::span<const kube::Node* const> nodes) {
  std::vector<NodeAddress> out;
  for (const kube::Node* node : nodes) {
    for (const Ip& ip : node->internal_ips) out.push_back({ip, node});
  }
  std::sort(out.begin(), out.end(), [](const NodeAddress& a, const NodeAddress& b) {
    return std::tie(a.ip, a.node->meta.name) < std::tie(b.ip, b.node->meta.name);
  });
  return out;
}

}  // namespace

Pools::Pools(std::span<const api::IPAddressPool* const> all, std::span<const kube::Node* const> nodes) {
  std::vector<const api::IPAddressPool*> pools(all.begin(), all.end());
  std::sort(pools.begin(), pools.end(), [](const auto* a, const auto* b) { return is_before(a->meta, b->meta); });
  const std::vector<NodeAddress> node_addresses = sorted_addresses(nodes);

  // The range, of those taken so far, that the new one overlaps. Taken ranges are disjoint, so only the last one that
  // starts at or before the new one's end can.
  const auto clash = [this](const IpRange& range) {
    auto at = spans_.upper_bound(range.last);
    if (at == spans_.begin()) return spans_.end();
    --at;
    return IpRange{at->first, at->second.last}.overlaps(range) ? at : spans_.end();
  };

  std::map<std::string_view, const api::IPAddressPool*> names;
  for (const api::IPAddressPool* pool : pools) {
    auto refusal = judge_alone(*pool, node_addresses);
    if (!refusal && names.contains(pool->meta.name)) {
      refusal = Refusal{pool, Reason::pool_duplicate_name,
                        object(*pool) + ": metadata.name is also that of " + object(*names[pool->meta.name]) +
                            ", and annotations name pools without their namespace: rename one"};
    }
    std::vector<Ip> added;
    for (std::size_t i = 0; !refusal && i < pool->addresses.size(); ++i) {
      const IpRange& range = pool->addresses[i];
      const auto other = clash(range);
      if (other == spans_.end()) {
        spans_[range.first] = {range.last, pool, 0, i};
        added.push_back(range.first);
        continue;
      }
      const IpRange theirs{other->first, other->second.last};
      const bool is_self = other->second.pool == pool;
      refusal = Refusal{pool, is_self ? Reason::pool_overlaps_itself : Reason::pool_overlaps_other,
                        object(*pool) + ": " + entry(i, range) + " overlaps " + theirs.str() +
                            (is_self ? " of the same pool" : " of " + object(*other->second.pool)) +
                            ": leave each address in one place"};
    }
    if (!refusal) {
      names[pool->meta.name] = pool;
      valid_.push_back(pool);
      continue;
    }
    for (const Ip& first : added) spans_.erase(first);
    refused_.push_back(std::move(*refusal));
  }

  std::sort(valid_.begin(), valid_.end(), [](const auto* a, const auto* b) { return a->meta.name < b->meta.name; });
  std::map<const api::IPAddressPool*, std::size_t> index;
  for (std::size_t i = 0; i < valid_.size(); ++i) index[valid_[i]] = i;
  for (auto& [first, span] : spans_) span.index = index[span.pool];
}

const Pools::Span* Pools::span_of(const Ip& ip) const {
  auto at = spans_.upper_bound(ip);
  if (at == spans_.begin()) return nullptr;
  --at;
  return IpRange{at->first, at->second.last}.contains(ip) ? &at->second : nullptr;
}

std::optional<std::size_t> Pools::at(const Ip& ip) const {
  const Span* const span = span_of(ip);
  return span == nullptr ? std::nullopt : std::optional(span->index);
}

std::optional<std::size_t> Pools::entry_of(const Ip& ip) const {
  const Span* const span = span_of(ip);
  return span == nullptr ? std::nullopt : std::optional(span->entry);
}

std::optional<std::size_t> Pools::named(std::string_view name) const {
  const auto at = std::lower_bound(valid_.begin(), valid_.end(), name,
                                   [](const auto* pool, std::string_view wanted) { return pool->meta.name < wanted; });
  if (at == valid_.end() || (*at)->meta.name != name) return std::nullopt;
  return static_cast<std::size_t>(at - valid_.begin());
}

const Refusal* Pools::refused_named(std::string_view name) const {
  const auto at =
      std::find_if(refused_.begin(), refused_.end(), [&](const Refusal& r) { return r.pool->meta.name == name; });
  return at == refused_.end() ? nullptr : &*at;
}

const api::IPAddressPool* Pools::holder_of(const Ip& ip, std::string_view named) const {
  // Where a valid pool has the name too, the annotation means that one.
  if (!named.empty() && !this->named(named)) {
    if (const Refusal* const r = refused_named(named)) return r->pool;
  }
  for (const Refusal& r : refused_) {
    for (const IpRange& range : r.pool->addresses) {
      if (range.contains(ip)) return r.pool;
    }
  }
  return nullptr;
}

bool is_before(const kube::Meta& a, const kube::Meta& b) {
  return std::tie(a.created, a.ns, a.name) < std::tie(b.created, b.ns, b.name);
}

bool is_buggy(const Ip& ip) {
  if (!ip.is4()) return false;
  const std::uint8_t last = ip.v4().octets[3];
  return last == 0 || last == 255;
}

std::array<std::int64_t, 2> capacity(const api::IPAddressPool& pool) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const Wide many = Wide{1} << 62;  // MetalLB counts no further, and statuses should not differ
  std::array<std::int64_t, 2> out{};
  for (const IpRange& range : pool.addresses) {
    const bool is4 = range.first.is4();
    const Wide first = number(range.first);
    const Wide last = number(range.last);
    Wide count = last - first;  // less one: the whole of IPv6 would not fit
    if (is4 && pool.avoid_buggy_ips) {
      // Multiples of 256 in [first, last] end in .0; those in [first+1, last+1] follow a .255.
      const Wide zeros = last / 256 - (first + 255) / 256 + 1;
      const Wide ends = (last + 1) / 256 - (first + 256) / 256 + 1;
      count -= zeros + ends;  // may pass below zero by one; the +1 below brings it back
    }
    std::int64_t& total = out[is4 ? 0 : 1];
    if (!is4 && (count >= many - 1 || count >= static_cast<Wide>(kMost - total))) {
      total = kMost;
    } else {
      total += static_cast<std::int64_t>(count + 1);
    }
  }
  return out;
}

}  // namespace fairlead::controller::core
