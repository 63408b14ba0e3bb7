/// Addresses that the controller asks about: who asks, when, which answers count; and the record that says so.
#include "speaker/core/address_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "speaker/feed/address_feed.h"
#include "tests/support/builders.h"
#include "tests/support/fake_source.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;
using namespace test;
using api::AddressNotes;
using testing::ElementsAre;
using testing::IsEmpty;

const Ip kWanted = ip("192.0.2.50");
const Mac kStranger = mac(66);
constexpr IfIndex kEth0{2}, kEth1{3};

AddressChecks::Question question(std::int64_t id, const Ip& address = kWanted, std::set<IfIndex> on = {kEth0}) { return {{address, id}, std::move(on)}; }

TEST(AsksAbout, TwoOfThoseThatCould) {
  std::map<std::string, std::vector<Ip>> nodes;
  for (int i = 1; i <= 9; ++i) nodes["n" + std::to_string(i)] = {ip("192.0.2." + std::to_string(i)), ip("2001:db8::" + std::to_string(i))};
  nodes["far"] = {ip("198.51.100.1")};
  for (const char* address : {"192.0.2.50", "192.0.2.51", "2001:db8::50"}) {
    const Prefix net = prefix(ip(address).is4() ? "192.0.2.0/24" : "2001:db8::/64");
    int asking = 0;
    for (const auto& [name, ips] : nodes) asking += asks_about(ip(address), name, net, nodes) ? 1 : 0;
    EXPECT_EQ(asking, 2) << address;
    EXPECT_FALSE(asks_about(ip(address), "far", net, nodes)) << "its Node object says that it is elsewhere";
  }
  EXPECT_TRUE(asks_about(kWanted, "far", prefix("192.0.2.0/24"), {{"far", {ip("198.51.100.1")}}})) << "where no Node has an address, all ask";
  EXPECT_TRUE(asks_about(kWanted, "n1", prefix("192.0.2.0/24"), {{"n1", {ip("192.0.2.1")}}}));
}

TEST(AddressChecks, ThreeQuestionsAndThenNobodyHasIt) {
  AddressChecks checks;
  const TimePoint start{};
  EXPECT_FALSE(checks.next());
  checks.set_questions({question(7)}, start);
  const Duration when[] = {0ms, 200ms, 400ms};
  for (const Duration at : when) {
    EXPECT_EQ(checks.next(), start + at);
    const auto due = checks.due(start + at);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].address, kWanted);
    EXPECT_EQ(due[0].on, std::set<IfIndex>{kEth0});
    EXPECT_THAT(checks.due(start + at), IsEmpty());
    EXPECT_THAT(checks.answers(), IsEmpty());
  }
  EXPECT_EQ(checks.next(), start + 900ms);
  EXPECT_THAT(checks.due(start + 900ms), IsEmpty());
  EXPECT_THAT(checks.answers(), ElementsAre(AddressNotes::Hearing{kWanted, 7, "", ""}));
  EXPECT_FALSE(checks.next());

  checks.set_questions({question(7)}, start + 10s);
  EXPECT_EQ(checks.answers().size(), 1U) << "the same question is not asked again";
  checks.set_questions({question(8)}, start + 10s);
  EXPECT_THAT(checks.answers(), IsEmpty());
  EXPECT_EQ(checks.next(), start + 10s);
  checks.set_questions({}, start + 10s);
  EXPECT_FALSE(checks.next());
  EXPECT_FALSE(checks.is_asked(kWanted));
}

TEST(AddressChecks, OnlyWhoAnswersTheSecondOneHasIt) {
  AddressChecks checks;
  const TimePoint start{};
  const ForeignClaim claim{kWanted, kStranger, "eth0"};
  checks.heard(claim);
  checks.set_questions({question(7)}, start);
  checks.heard(claim);
  (void)checks.due(start);
  checks.heard(claim);
  EXPECT_THAT(checks.answers(), IsEmpty()) << "a speaker may have announced it until now";
  (void)checks.due(start + 200ms);
  checks.heard({ip("192.0.2.51"), kStranger, "eth0"});
  EXPECT_THAT(checks.answers(), IsEmpty());
  checks.heard(claim);
  EXPECT_THAT(checks.answers(), ElementsAre(AddressNotes::Hearing{kWanted, 7, kStranger.str(), "eth0"}));
  checks.heard({kWanted, mac(67), "eth0"});
  EXPECT_EQ(checks.answers()[0].hardware_address, kStranger.str());
  EXPECT_THAT(checks.due(start + 400ms), IsEmpty()) << "that is enough";
  EXPECT_FALSE(checks.next());
}

class AddressFeedTest : public testing::Test {
 protected:
  void SetUp() override {
    source.start({api::Kind::node, api::Kind::address_record},
                 {.changes = [this](std::vector<runtime::Change> c) { feed.changes(c); }, .synced = [] {}, .fault = {}, .mended = {}});
    rtnl::Link eth0;
    eth0.index = kEth0;
    eth0.name = "eth0";
    eth0.mac = mac(1);
    feed.set_links({{kEth0, eth0}}, {{kEth0, ip("192.0.2.1"), 24, true}, {kEth0, ip("fe80::1"), 64, false}});
  }
  void ask(std::vector<AddressNotes::Question> questions, std::string record = "controller") {
    api::AddressRecord out;
    out.meta.ns = "fairlead-system";
    out.meta.name = std::move(record);
    out.notes.asked = std::move(questions);
    source.put(out);
  }
  const AddressNotes* said() {
    const auto found = source.status_objects.find({runtime::StatusKind::address_record, "speaker-n1"});
    return found == source.status_objects.end() ? nullptr : &std::get<AddressNotes>(found->second.status);
  }

  std::unique_ptr<runtime::Loop> loop = runtime::Loop::create().value();
  FakeSource source{*loop};
  std::vector<std::pair<Ip, IfIndex>> sent;
  bool can_ask = true;
  AddressFeed feed{*loop, source, "n1", [this](const Ip& address, IfIndex on) {
                     sent.emplace_back(address, on);
                     return can_ask;
                   }};
};

TEST_F(AddressFeedTest, WhatIsOnTheSegmentIsAskedAndTheRestIsNot) {
  ask({{kWanted, 7}, {ip("203.0.113.9"), 8}, {ip("fe80::2"), 9}});
  ASSERT_TRUE(run_until(*loop, [&] { return said() != nullptr; }));
  EXPECT_THAT(said()->heard, ElementsAre(AddressNotes::Hearing{kWanted, 7, "", ""}));
  EXPECT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[0], std::pair(kWanted, kEth0));
  ask({});
  EXPECT_TRUE(run_until(*loop, [&] { return said() == nullptr; })) << "the record goes with the questions";
}

TEST_F(AddressFeedTest, AStationIsToldAtOnceAndThisHostWithoutAsking) {
  ask({{kWanted, 7}, {ip("192.0.2.1"), 8}});
  ASSERT_TRUE(run_until(*loop, [&] { return said() != nullptr; }));
  EXPECT_THAT(said()->heard, ElementsAre(AddressNotes::Hearing{ip("192.0.2.1"), 8, mac(1).str(), "eth0"}));
  ASSERT_TRUE(run_until(*loop, [&] { return sent.size() == 2; }));
  feed.heard({kWanted, kStranger, "eth0"});
  EXPECT_EQ(said()->heard.size(), 2U);
  EXPECT_EQ(said()->heard[1].hardware_address, kStranger.str());
}

TEST_F(AddressFeedTest, NothingIsSaidWhereItCannotBeAskedOrOthersDo) {
  can_ask = false;
  ask({{kWanted, 7}});
  ASSERT_TRUE(run_until(*loop, [&] { return !sent.empty(); }));
  run_turns(*loop);
  EXPECT_EQ(said(), nullptr) << "an interface that is not fit is not a quiet one";
  EXPECT_FALSE(feed.is_asked(kWanted));
  can_ask = true;
  for (int i = 2; i <= 9; ++i) {
    kube::Node node;
    node.meta.name = "n" + std::to_string(i);
    node.internal_ips = {ip("192.0.2." + std::to_string(i))};
    source.put(node);
  }
  run_turns(*loop);
  sent.clear();
  ask({{kWanted, 9}});
  run_turns(*loop);
  EXPECT_THAT(sent, IsEmpty()) << "n1 is no Node of this segment";
}

TEST_F(AddressFeedTest, WhatAnEarlierSpeakerSaidIsTakenBack) {
  api::AddressRecord old;
  old.meta.name = "speaker-n1";
  old.notes.heard = {{kWanted, 3, "", ""}};
  source.status_objects[{runtime::StatusKind::address_record, "speaker-n1"}] = {"speaker-n1", {}, old.notes, false};
  source.put(old);
  EXPECT_TRUE(run_until(*loop, [&] { return said() == nullptr; }));
}

}  // namespace
}  // namespace fairlead::speaker
