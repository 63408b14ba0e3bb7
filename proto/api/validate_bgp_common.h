#pragma once
/// What the parts of validate_bgp() share: advertisements, peers. Internal to proto/api. Pure.
#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/api/validate_common.h"
#include "proto/match/selector.h"

namespace fairlead::api {

template <class T>
const T* find(const std::vector<T>& objects, std::string_view name) {
  const auto found = std::find_if(objects.begin(), objects.end(), [&](const T& o) { return o.meta.name == name; });
  return found == objects.end() ? nullptr : &*found;
}
inline bool is_refused(const ConfigSet& set, Kind kind, std::string_view name) {
  return std::any_of(set.refused.begin(), set.refused.end(),
                     [&](const Key& key) { return key.kind == kind && key.name.name == name; });
}
inline bool has_family(const IPAddressPool& pool, Family family) {
  return std::any_of(pool.addresses.begin(), pool.addresses.end(),
                     [&](const IpRange& range) { return range.first.family() == family; });
}

/// What BIRD cannot do is an error with BIRD; where MetalLB accepts the object it stays accepted, with a warning.
inline void unsupported(Findings& findings, const Rules& rules, std::string field, Rule rule, std::string what) {
  if (rules.bgp == BgpType::bird) findings.error(std::move(field), rule, std::move(what));
  else findings.warning(std::move(field), rule, std::move(what));
}

/// Which nodes each object is for, as indices that grow. Matched once for each object that is asked about, and not once for
/// each pair.
template <class T>
class Selected {
 public:
  Selected(const std::vector<T>& objects, const std::vector<kube::Node>& nodes)
      : first_(objects.data()), all_(nodes), nodes_(objects.size()) {}
  /// Both are elements of the vector that this was made of.
  bool share_one(const T& a, const T& b) {
    const auto &of_a = nodes_of(a), &of_b = nodes_of(b);
    auto x = of_a.begin();
    auto y = of_b.begin();
    while (x != of_a.end() && y != of_b.end() && *x != *y) ++(*x < *y ? x : y);
    return x != of_a.end() && y != of_b.end();
  }

 private:
  using Indices = std::vector<std::size_t>;
  const Indices& nodes_of(const T& object) {
    std::optional<Indices>& mine = nodes_[static_cast<std::size_t>(&object - first_)];
    if (mine) return *mine;
    mine.emplace();
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (match::any_matches(object.node_selectors, all_[i].meta.labels, true)) mine->push_back(i);
    }
    return *mine;
  }

  const T* first_;
  const std::vector<kube::Node>& all_;
  std::vector<std::optional<Indices>> nodes_;
};

/// Of many conflicts of an object by one rule the first is told: with it gone the next comes up.
using Told = std::set<std::pair<const void*, Rule>>;

void check_bgp_advertisements(Findings& findings, const ConfigSet& set);
void check_bgp_peers(Findings& findings, const ConfigSet& set, const Rules& rules);
/// Two that share a node, or that might: no Node is known.
void check_bgp_peer_pairs(Findings& findings, const ConfigSet& set, const Rules& rules);

}  // namespace fairlead::api
