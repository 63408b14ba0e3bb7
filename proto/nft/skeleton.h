#pragma once
/// The fingerprint of a table's skeleton: its chains, rules and set definitions, and none of its elements. Taken once
/// after a load, written into the table as the name of an empty chain, and compared at every look: so damage done while
/// nobody was watching shows, and an unchanged restart needs no load. Pure.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "proto/nft/decode.h"

namespace fairlead::nft {

class Skeleton {
 public:
  void add_chain(const Part& part);
  void add_rule(const Part& part);  // in the order of the dump: order within a chain counts
  void add_set(const Part& part);

  /// Does not depend on the order of chains or sets.
  std::uint64_t fingerprint() const;
  /// The name of the marker chain that was found, or "".
  const std::string& marker() const { return marker_; }
  /// Rare classes are no part of the fingerprint; one of these chains without its three rules lets packets through.
  bool has_damaged_class() const;
  bool is_empty() const { return chains_.empty(); }

 private:
  std::map<std::string, std::uint64_t, std::less<>> chains_;  // name -> its definition and rules
  std::map<std::string, std::uint64_t, std::less<>> sets_;
  std::map<std::string, int, std::less<>> rare_rules_;  // chain of a rare class -> how many rules it has
  std::string marker_;
};

/// "skeleton-<text>-<dump>": which template text was loaded and what the kernel made of it.
std::string marker_name(std::uint64_t template_hash, std::uint64_t fingerprint);
/// The chain of a list size that the template does not have: made while running, so no part of the
/// fingerprint.
bool is_rare_class(std::string_view chain);
/// FNV-1a of a text.
std::uint64_t text_hash(std::string_view text);

}  // namespace fairlead::nft
