#include "proto/nft/skeleton.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "proto/nft/batch.h"
#include "proto/nft/uapi.h"
#include "tests/support/netlink_walk.h"

namespace fairlead::nft {
namespace {

Bytes attribute(std::uint16_t type, std::string_view payload) {
  Bytes out(4);
  const auto length = static_cast<std::uint16_t>(4 + payload.size());
  std::memcpy(out.data(), &length, 2);
  std::memcpy(out.data() + 2, &type, 2);
  out.insert(out.end(), payload.begin(), payload.end());
  out.resize((out.size() + 3) / 4 * 4);
  return out;
}

template <class... More>
Bytes attributes(const Bytes& first, const More&... more) {
  Bytes out = first;
  (out.insert(out.end(), more.begin(), more.end()), ...);
  return out;
}

Part chain(std::string_view name, std::string_view hook = "", std::string_view handle = "1") {
  return parse_chain(attributes(attribute(NFTA_CHAIN_TABLE, "fairlead-1"), attribute(NFTA_CHAIN_HANDLE, handle),
                                attribute(NFTA_CHAIN_NAME, name), attribute(NFTA_CHAIN_HOOK, hook), attribute(NFTA_CHAIN_USE, handle)));
}
Part rule(std::string_view in, std::string_view expressions, std::string_view handle = "1") {
  return parse_rule(attributes(attribute(NFTA_RULE_TABLE, "fairlead-1"), attribute(NFTA_RULE_CHAIN, in),
                               attribute(NFTA_RULE_HANDLE, handle), attribute(NFTA_RULE_EXPRESSIONS, expressions)));
}
Part set(std::string_view name, std::string_view flags = "f", std::string_view length = "4") {
  return parse_set(attributes(attribute(NFTA_SET_TABLE, "fairlead-1"), attribute(NFTA_SET_NAME, name), attribute(NFTA_SET_FLAGS, flags),
                              attribute(NFTA_SET_KEY_LEN, length)));
}

struct Dump {
  std::vector<Part> chains{chain("services"), chain("refuse"), chain("prerouting", "hook")};
  std::vector<Part> rules{rule("services", "a"), rule("services", "b"), rule("services", "c"), rule("refuse", "a"), rule("prerouting", "p")};
  std::vector<Part> sets{set("pods4"), set("services4"), set("__set0")};

  std::uint64_t fingerprint() const {
    Skeleton s;
    for (const Part& p : chains) s.add_chain(p);
    for (const Part& p : rules) s.add_rule(p);
    for (const Part& p : sets) s.add_set(p);
    return s.fingerprint();
  }
};

TEST(NftSkeleton, DamageChangesTheFingerprint) {
  const struct {
    const char* name;
    std::function<void(Dump&)> damage;
  } cases[] = {
      {"a rule removed", [](Dump& d) { d.rules.erase(d.rules.begin() + 1); }},
      {"the last rule removed", [](Dump& d) { d.rules.erase(d.rules.begin() + 2); }},
      {"the only rule of a chain removed", [](Dump& d) { d.rules.pop_back(); }},
      {"a rule added", [](Dump& d) { d.rules.insert(d.rules.begin(), rule("services", "accept")); }},
      {"a rule twice", [](Dump& d) { d.rules.insert(d.rules.begin(), d.rules[0]); }},
      {"two rules change places", [](Dump& d) { std::swap(d.rules[0], d.rules[1]); }},
      {"a rule moved to another chain", [](Dump& d) { d.rules[2] = rule("refuse", "c"); }},
      {"a rule changed", [](Dump& d) { d.rules[1] = rule("services", "B"); }},
      {"a chain removed", [](Dump& d) { d.chains.erase(d.chains.begin() + 1), d.rules.erase(d.rules.begin() + 3); }},
      {"a chain added", [](Dump& d) { d.chains.push_back(chain("mine")); }},
      {"a hook changed", [](Dump& d) { d.chains[2] = chain("prerouting", "HOOK"); }},
      {"a set removed", [](Dump& d) { d.sets.erase(d.sets.begin()); }},
      {"a set added", [](Dump& d) { d.sets.push_back(set("mine")); }},
      {"a set's flags changed", [](Dump& d) { d.sets[0] = set("pods4", "g"); }},
      {"a set's key changed", [](Dump& d) { d.sets[0] = set("pods4", "f", "8"); }},
      {"two sets' definitions swapped", [](Dump& d) { d.sets[0] = set("pods4", "g"), d.sets[1] = set("services4", "g"); }},
  };
  const std::uint64_t whole = Dump{}.fingerprint();
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    Dump d;
    c.damage(d);
    EXPECT_NE(d.fingerprint(), whole);
  }
}

TEST(NftSkeleton, WhatIsNoDamageLeavesTheFingerprintAlone) {
  const struct {
    const char* name;
    std::function<void(Dump&)> change;
  } cases[] = {
      {"nothing", [](Dump&) {}},
      {"chains in another order", [](Dump& d) { std::reverse(d.chains.begin(), d.chains.end()); }},
      {"sets in another order", [](Dump& d) { std::reverse(d.sets.begin(), d.sets.end()); }},
      {"rules of different chains mixed", [](Dump& d) { std::rotate(d.rules.begin(), d.rules.begin() + 3, d.rules.end()); }},
      {"a rare class", [](Dump& d) { d.chains.push_back(chain("spread-70")), d.rules.push_back(rule("spread-70", "r")); }},
      {"the marker", [](Dump& d) { d.chains.push_back(chain("skeleton-1-2")); }},
      {"another marker", [](Dump& d) { d.chains.push_back(chain("skeleton-3-4")); }},
      {"other handles and use counts", [](Dump& d) { d.chains[0] = chain("services", "", "2"), d.rules[0] = rule("services", "a", "9"); }},
      {"an anonymous set", [](Dump& d) { d.sets.push_back(set("__set7")); }},
  };
  const std::uint64_t whole = Dump{}.fingerprint();
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    Dump d;
    c.change(d);
    EXPECT_EQ(d.fingerprint(), whole);
  }
}

TEST(NftSkeleton, FindsItsMarker) {
  Skeleton s;
  EXPECT_TRUE(s.is_empty());
  EXPECT_EQ(s.marker(), "");
  s.add_chain(chain(marker_name(0x1234, 0xffffffffffffffffULL)));
  s.add_chain(chain("services"));
  EXPECT_EQ(s.marker(), "skeleton-0000000000001234-ffffffffffffffff");
  EXPECT_FALSE(s.is_empty());
  EXPECT_LT(marker_name(~0ULL, ~0ULL).size(), std::size_t{NFT_CHAIN_MAXNAMELEN});
}

TEST(NftSkeleton, PartsNameTheirTable) {
  EXPECT_EQ(chain("services").table, "fairlead-1");
  EXPECT_EQ(rule("services", "a").table, "fairlead-1");
  EXPECT_EQ(rule("services", "a").name, "services");
  EXPECT_EQ(set("pods4").table, "fairlead-1");
}

TEST(NftSkeleton, ARareClassWithoutItsThreeRulesIsDamaged) {
  for (int rules = 0; rules <= 4; ++rules) {
    Skeleton s;
    s.add_chain(chain("spread-70"));
    for (int i = 0; i < rules; ++i) s.add_rule(rule("spread-70", "r"));
    EXPECT_EQ(s.has_damaged_class(), rules != 3) << rules;
  }
  Skeleton none;
  none.add_chain(chain("spread-3"));
  EXPECT_FALSE(none.has_damaged_class()) << "the template's classes are in the fingerprint";
}

TEST(NftSkeleton, RareClassTable) {
  for (const char* yes : {"spread-65", "spread-70", "spread-1024"}) EXPECT_TRUE(is_rare_class(yes)) << yes;
  for (const char* no : {"spread-1", "spread-64", "spread-", "spread-70x", "spread--70", "spread-x", "spread", "services", ""}) {
    EXPECT_FALSE(is_rare_class(no)) << no;
  }
}

}  // namespace
}  // namespace fairlead::nft
