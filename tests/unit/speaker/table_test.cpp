#include "speaker/core/table.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/builders.h"
#include "tests/unit/speaker/kernel.h"

namespace fairlead::speaker {
namespace {

using namespace test;
using nft::Element;
using nft::Handle;
using nft::Map;

Element web(std::uint32_t raw, std::string_view address = "192.0.2.10") { return nft::frontend(ip(address), Protocol::tcp, Port{80}, Handle{raw}); }
std::uint32_t value_of(const Desired& d, const Element& e) {
  const std::string* found = d.find(e.key);
  return found == nullptr ? 0 : nft::handle_of(*found).raw;
}
Owner by(std::string name, std::int64_t created = 0) { return {created, named(std::move(name))}; }

TEST(Desired, AnElementGoesWhenItsLastContributorDoes) {
  Desired d;
  const Element shared = nft::refused(ip("192.0.2.10"));
  EXPECT_TRUE(d.set(by("a"), {shared}).empty());
  EXPECT_TRUE(d.set(by("b"), {shared}).empty()) << "an address of two Services is no conflict";
  EXPECT_EQ(d.size(), 1U);
  d.set(by("a"), {});
  EXPECT_NE(d.find(shared.key), nullptr);
  d.set(by("b"), {});
  EXPECT_EQ(d.find(shared.key), nullptr);
  EXPECT_EQ(d.size(), 0U);
}

TEST(Desired, SettingReplacesWhatTheOwnerHadBefore) {
  Desired d;
  d.set(by("a"), {web(16), web(16, "192.0.2.11")});
  d.set(by("a"), {web(17)});
  EXPECT_EQ(value_of(d, web(0)), 17U);
  EXPECT_EQ(d.size(), 1U);
  d.set(by("never seen"), {});
  EXPECT_EQ(d.size(), 1U);
}

TEST(Desired, TheOldestWinsThenTheNameAndTheNextTakesOverWhenItGoes) {
  Desired d;
  EXPECT_TRUE(d.set(by("young", 30), {web(1)}).empty());
  const auto first = d.set(by("old", 10), {web(2)});
  EXPECT_EQ(first, (std::vector<Desired::Conflict>{{web(0).key, named("old"), named("young")}}));
  const auto second = d.set(by("middle", 20), {web(3)});
  EXPECT_EQ(second, (std::vector<Desired::Conflict>{{web(0).key, named("old"), named("middle")}}));
  EXPECT_EQ(value_of(d, web(0)), 2U);
  d.set(by("old", 10), {});
  EXPECT_EQ(value_of(d, web(0)), 3U);
  d.set(by("middle", 20), {});
  EXPECT_EQ(value_of(d, web(0)), 1U);

  Desired same_age;
  same_age.set(by("b", 10), {web(5)});
  same_age.set(by("a", 10), {web(6)});
  EXPECT_EQ(value_of(same_age, web(0)), 6U);
}

Element guard() { return nft::guarded(ip("192.0.2.10"), Protocol::tcp, Port{80}); }
Element from(std::string_view source) { return nft::allowed(ip("192.0.2.10"), Protocol::tcp, Port{80}, prefix(source)); }

TEST(Desired, WhoLostAFrontendDoesNotGuardIt) {
  const auto closed = [](const Desired& d) { return d.find(guard().key) != nullptr; };
  Desired d;
  d.set(by("young", 30), {web(1), guard(), from("10.0.0.0/8")});
  EXPECT_TRUE(closed(d));
  d.set(by("old", 10), {web(2)});
  EXPECT_FALSE(closed(d)) << "the winner's is open";
  EXPECT_EQ(d.find(from("10.0.0.0/8").key), nullptr);
  d.set(by("old", 10), {web(2), guard(), from("10.0.0.0/16")});
  EXPECT_TRUE(closed(d));
  EXPECT_NE(d.find(from("10.0.0.0/16").key), nullptr);
  EXPECT_EQ(d.find(from("10.0.0.0/8").key), nullptr) << "the two would overlap";
  d.set(by("old", 10), {});
  EXPECT_TRUE(closed(d)) << "the next one's guard counts with its frontend";
  EXPECT_NE(d.find(from("10.0.0.0/8").key), nullptr);
}

TEST(Table, GuardsFollowTheFrontendsWinner) {
  Table table;
  const auto sync = [&] {
    const Steps steps = table.steps();
    table.applied(steps.first);
    table.applied(steps.second);
    return steps;
  };
  table.desired().set(by("young", 30), {web(1), guard(), from("10.0.0.0/8")});
  const Steps opening = sync();
  EXPECT_EQ(opening.first, (std::vector<Change>{{Change::Kind::add, from("10.0.0.0/8")}, {Change::Kind::add, guard()}, {Change::Kind::add, web(1)}}))
      << "never open, and never closed to those who may";
  table.desired().set(by("old", 10), {web(2)});
  sync();
  EXPECT_EQ(table.have().size(), 1U) << "the loser's guard is gone, though nobody touched the loser";
  table.desired().set(by("old", 10), {});
  sync();
  EXPECT_EQ(table.have().size(), 3U) << "and comes back with it";
}

TEST(Table, ExchangedRangesMakeRoomAtOnceAndAGuardThatGoesStaysToTheLast) {
  Table table;
  table.desired().set(by("a"), {web(1), guard(), from("10.0.0.0/8")});
  table.applied(table.steps().first);
  table.desired().set(by("a"), {web(1), guard(), from("10.0.0.0/16")});
  Steps steps = table.steps();
  EXPECT_EQ(steps.first, (std::vector<Change>{{Change::Kind::remove, {from("10.0.0.0/8").key, {}}}, {Change::Kind::add, from("10.0.0.0/16")}}));
  EXPECT_TRUE(steps.second.empty());
  table.applied(steps.first);
  table.desired().set(by("a"), {});
  steps = table.steps();
  EXPECT_EQ(steps.first, (std::vector<Change>{{Change::Kind::remove, {web(1).key, {}}}}));
  EXPECT_EQ(steps.second, (std::vector<Change>{{Change::Kind::remove, {guard().key, {}}}, {Change::Kind::remove, {from("10.0.0.0/16").key, {}}}}));
}

TEST(Desired, AnOwnerThatWasMadeAnewTakesItsNewRank) {
  Desired d;
  d.set(by("a", 10), {web(1)});
  d.set(by("b", 20), {web(2)});
  d.set(by("a", 30), {web(1)});
  EXPECT_EQ(value_of(d, web(0)), 2U);
  d.set(by("a", 30), {});
  d.set(by("b", 20), {});
  EXPECT_EQ(d.size(), 0U) << "nothing of the old rank is left";
}

TEST(Table, InSyncIsEmpty) {
  Table table;
  EXPECT_TRUE(table.steps().empty());
  table.desired().set(by("a"), {web(16)});
  const Steps steps = table.steps();
  EXPECT_EQ(steps.first, (std::vector<Change>{{Change::Kind::add, web(16)}}));
  EXPECT_TRUE(steps.second.empty());
  EXPECT_EQ(table.steps().first, steps.first) << "until it is acknowledged";
  table.applied(steps.first);
  EXPECT_TRUE(table.steps().empty());
  table.desired().set(by("a"), {web(16)});
  EXPECT_TRUE(table.steps().empty()) << "touched, and the same";
  table.reset({{web(16).key, web(16).value}});
  EXPECT_TRUE(table.steps().empty());
}

TEST(Table, StepsSayWhatDiffers) {
  Table table;
  const Element foreign = nft::refused(ip("203.0.113.1"));
  table.desired().set(by("a"), {web(17), web(18, "192.0.2.11")});
  table.reset({{web(16).key, web(16).value}, {foreign.key, ""}});
  const Steps steps = table.steps();
  EXPECT_EQ(steps.first, (std::vector<Change>{{Change::Kind::replace, web(17)}, {Change::Kind::add, web(18, "192.0.2.11")}, {Change::Kind::remove, {foreign.key, {}}}}));
  EXPECT_TRUE(steps.second.empty());
}

TEST(Table, WhatIsPointedAtGoesInASecondTransactionAndComesFirst) {
  const std::vector<Element> all{
      nft::endpoint(nft::ListId{1}, 0, ip("10.1.1.1"), Port{1}), nft::endpoint(nft::ListId{2}, 0, ip("fd01::1"), Port{1}),
      nft::by_source(Map::by_pod, nft::ListId{1}, Handle{16}),   nft::by_source(Map::by_node, nft::ListId{1}, Handle{16}),
      nft::by_source(Map::by_other, nft::ListId{1}, Handle{16}), nft::spread_class(Map::classes, nft::ClassNo{16}, "spread-1"),
      nft::spread_class(Map::resolved, nft::ClassNo{16}, "spread-1")};
  Table table;
  std::vector<Element> with_frontend = all;
  with_frontend.push_back(web(0x1010));
  table.desired().set(by("a"), with_frontend);
  const Steps filling = table.steps();
  EXPECT_EQ(filling.first.size(), 8U);
  EXPECT_EQ(filling.first.back().element, web(0x1010)) << "a fill that is cut never points at what is not there";
  for (std::size_t i = 1; i < filling.first.size(); ++i) EXPECT_LE(filling.first[i - 1].element.key.map, filling.first[i].element.key.map);
  table.applied(filling.first);

  table.desired().set(by("a"), {});
  const Steps emptying = table.steps();
  EXPECT_EQ(emptying.first, (std::vector<Change>{{Change::Kind::remove, {web(0).key, {}}}}));
  EXPECT_EQ(emptying.second.size(), 7U);
  for (std::size_t i = 1; i < emptying.second.size(); ++i) {
    EXPECT_GE(emptying.second[i - 1].element.key.map, emptying.second[i].element.key.map) << "what points goes before what it points at";
  }
}

TEST(Table, AnIntervalGivesWayBeforeOneThatOverlapsItComes) {
  const Element narrow = nft::local_pods(prefix("10.244.0.0/16"));
  const Element wide = nft::local_pods(prefix("10.0.0.0/8"));
  for (const bool grows : {true, false}) {
    const Element& old = grows ? narrow : wide;
    const Element& now = grows ? wide : narrow;
    Table table;
    Kernel kernel;
    table.desired().set(by("a"), {old});
    while (kernel.apply(table, 1)) {
    }
    table.desired().set(by("a"), {now});
    EXPECT_EQ(table.steps().first, (std::vector<Change>{{Change::Kind::remove, {old.key, {}}}, {Change::Kind::add, now}}));
    while (kernel.apply(table, 1)) {
    }
    EXPECT_EQ(kernel.have(), (Table::Have{{now.key, ""}}));
  }
}

/// Desired contents against a have that came from anywhere: whatever was there, applying the steps ends in sync.
TEST(Table, ConvergesFromAnywhere) {
  std::mt19937 random(4);
  const auto some = [&] {
    std::vector<Element> out;
    for (std::uint32_t i = 0; i < 30; ++i) {
      if (random() % 2 == 0) continue;
      const Ip address = Ip4::of(0x0a000000U + i);
      switch (random() % 4) {
        case 0: out.push_back(nft::refused(address)); break;
        case 1: out.push_back(nft::frontend(address, Protocol::tcp, Port{80}, Handle{static_cast<std::uint32_t>(random() % 3)})); break;
        case 2: out.push_back(nft::endpoint(nft::ListId{i + 1}, 0, Ip4::of(static_cast<std::uint32_t>(random() % 3)), Port{80})); break;
        default: out.push_back(nft::hairpin(address));
      }
    }
    return out;
  };
  for (int round = 0; round < 2000; ++round) {
    Table table;
    Table::Have have;
    for (const Element& e : some()) have[e.key] = e.value;
    const auto want = some();
    table.desired().set(by("a"), want);
    table.reset(have);
    for (int n = 0; n < 2; ++n) {
      const Steps steps = table.steps();
      for (const Change& c : steps.first.empty() ? steps.second : steps.first) {
        EXPECT_EQ(have.contains(c.element.key), c.kind != Change::Kind::add);
        if (c.kind == Change::Kind::remove) {
          have.erase(c.element.key);
        } else {
          have[c.element.key] = c.element.value;
        }
      }
      table.applied(steps.first.empty() ? steps.second : steps.first);
    }
    ASSERT_TRUE(table.steps().empty());
    ASSERT_EQ(have, table.have());
    Table::Have wanted_now;
    for (const Element& e : want) wanted_now[e.key] = e.value;
    ASSERT_EQ(have, wanted_now);
  }
}

}  // namespace
}  // namespace fairlead::speaker
