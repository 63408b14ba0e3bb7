#pragma once
/// The numbers behind the names: list ids, the order of endpoints within a list, class numbers. Deterministic, no I/O;
/// time is an argument. What the kernel holds is adopted at start, so that an unchanged restart changes nothing.
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "proto/base/clock.h"
#include "proto/kube/objects.h"
#include "proto/nft/element.h"
#include "speaker/core/plan.h"

namespace fairlead::speaker {

/// An id is not given to another list for this long: pins, accounting and conntrack entries of the old one are gone then.
inline constexpr Duration kIdQuarantine = std::chrono::hours(24);

/// The order after a change: survivors keep their index, new ones take the places of those that left, and if fewer came
/// than left, the last ones move into the holes (see "shrinking is two" in speaker/nft/README.md).
std::vector<Target> reorder(std::vector<Target> order, std::span<const Target> wanted);

class Ledger {
 public:
  struct List {
    nft::ListId id;
    std::vector<Target> order;
  };
  using Kernel = std::unordered_map<nft::ElementKey, std::string>;

  /// Takes over ids and orders from a dump for the lists of one plan, wherever the dump shows them and no other list has
  /// them. Call for every Service before the first elements(), in the order of precedence: `claimed` gathers the frontends,
  /// and one that two Services claim shows the list of the first.
  void adopt(const kube::Name& service, const ServicePlan& plan, const Kernel& kernel, std::unordered_set<nft::ElementKey>& claimed);
  /// Class numbers of rare list sizes, and which ids are taken.
  void adopt(const Kernel& kernel);

  /// The elements of one Service under its plan. Lists that it no longer has are forgotten, their ids quarantined.
  std::vector<nft::Element> elements(const kube::Name& service, const ServicePlan& plan, TimePoint now);
  /// The elements that are always there: all classes known so far.
  std::vector<nft::Element> classes() const;
  /// True once after a class was added: classes() has changed.
  bool take_classes_changed();

  const List* find(const kube::Name& service, const ListKey& key) const;

 private:
  nft::ListId new_id(TimePoint now);
  nft::ClassNo spread(std::size_t k);

  std::map<kube::Name, std::map<ListKey, List>> lists_;
  std::set<std::uint32_t> used_;
  std::deque<std::pair<TimePoint, std::uint32_t>> quarantine_;  // oldest first
  std::set<std::uint32_t> quarantined_;
  std::uint32_t next_id_ = 1;
  std::map<std::size_t, nft::ClassNo> rare_;  // list size above 64 -> class
  bool classes_changed_ = true;
};

}  // namespace fairlead::speaker
