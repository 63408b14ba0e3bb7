#pragma once
/// What the table should hold, put together from what each Service contributes, and the way from what it holds to that.
/// Pure.
///
/// Several Services may contribute the same element (two Services of one VIP refuse the same address); it goes when the
/// last one does. Where they disagree (the same frontend twice), the oldest Service decides, then the name; and who lost the
/// frontend does not guard it either.
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "proto/kube/objects.h"
#include "proto/nft/element.h"

namespace fairlead::speaker {

/// Who contributes, in the order of precedence.
struct Owner {
  std::int64_t created = 0;
  kube::Name name;
  auto operator<=>(const Owner&) const = default;
};

class Desired {
 public:
  Desired() = default;
  Desired(Desired&&) = default;  // not copied: contributions point into the nodes of their own maps
  Desired& operator=(Desired&&) = default;

  /// A frontend that this owner wanted and another one has.
  struct Conflict {
    nft::ElementKey key;
    kube::Name winner;
    kube::Name loser;
    bool operator==(const Conflict&) const = default;
  };

  /// Replaces everything that the owner of this name contributed before.
  std::vector<Conflict> set(const Owner& owner, std::vector<nft::Element> elements);

  /// The winning value, or null.
  const std::string* find(const nft::ElementKey& key) const;
  std::size_t size() const { return claims_.size(); }
  template <class F>
  void for_each(F fn) const {
    for (const auto& [key, claims] : claims_) {
      if (const std::string* value = find(key)) fn(key, *value);
    }
  }

 private:
  friend class Table;
  struct Contribution {
    Owner owner;
    std::vector<const nft::ElementKey*> keys;  // of claims_, whose nodes stay where they are
  };
  struct Claim {
    const Contribution* by;
    std::string value;
  };
  using Claims = std::vector<Claim>;  // by precedence; nearly always one
  void touch_guards(const Claims& claims);

  std::unordered_map<nft::ElementKey, Claims> claims_;
  std::map<kube::Name, Contribution> owners_;
  std::unordered_set<nft::ElementKey> touched_;
};

struct Change {
  enum class Kind : std::uint8_t { add, replace, remove };
  Kind kind = Kind::add;
  nft::Element element;  // remove: without value
  bool operator==(const Change&) const = default;
};

/// Two transactions, in an order that a packet in flight survives: everything that is added, replaced or no longer
/// asked for; then, after the acknowledgement, what the first one stopped pointing at.
struct Steps {
  std::vector<Change> first;   // in the order of nft::Map
  std::vector<Change> second;  // the other way round
  bool empty() const { return first.empty() && second.empty(); }
};

/// Have and want of one table.
class Table {
 public:
  using Have = std::unordered_map<nft::ElementKey, std::string>;

  Desired& desired() { return desired_; }
  const Desired& desired() const { return desired_; }
  const Have& have() const { return have_; }

  /// What the kernel says it holds (a dump); everything is compared again.
  void reset(Have have);

  /// From what is to what should be; only what was touched is looked at. steps() of a table in sync is empty.
  Steps steps();
  /// These changes were acknowledged.
  void applied(const std::vector<Change>& changes);

 private:
  Desired desired_;
  Have have_;
  std::unordered_set<nft::ElementKey> open_;  // keys where have and want may differ
};

}  // namespace fairlead::speaker
