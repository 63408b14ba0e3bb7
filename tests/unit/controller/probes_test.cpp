/// Addresses that are asked about before they are given: what is asked, when something is given, who is skipped and told.
#include "controller/core/probes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller/world.h"

namespace fairlead::controller::core {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kStranger = "02:00:00:00:00:42";

World probing(std::initializer_list<std::string_view> ranges = {"192.0.2.0/29"}) {
  World w;
  w.restarts = false;
  w.config.probes_addresses = true;
  w.add(pool("lan", ranges));
  return w;
}
kube::Service web(std::string name = "a", std::int64_t created = 0) { return served(std::move(name), {"10.96.0.10"}, created); }
kube::Service asking(kube::Service s, std::string ips) {
  s.meta.annotations["fairlead.io/loadBalancerIPs"] = std::move(ips);
  return s;
}
std::vector<Ip> asked(const Decisions& d) {
  std::vector<Ip> out;
  for (const auto& q : d.notes.asked) out.push_back(q.address);
  return out;
}

TEST(Probing, AnAddressIsGivenWhenNobodyHasIt) {
  World w = probing();
  w.add(web());
  Decisions d = w.step();
  EXPECT_EQ(asked(d), ips({"192.0.2.0"}));
  EXPECT_THAT(d.writes, IsEmpty());
  EXPECT_THAT(reasons(d.problems), ElementsAre(Reason::address_being_probed));
  EXPECT_EQ(d.wake_at, w.now + Probes::kPatience);
  const auto id = d.notes.asked[0].id;
  d = w.step();
  EXPECT_EQ(d.notes.asked[0].id, id) << "one question, however often a pass is made";

  w.hear(ip("192.0.2.0"), "");
  d = w.step();
  EXPECT_EQ(w.external("a"), ips({"192.0.2.0"}));
  EXPECT_THAT(d.notes.asked, IsEmpty());
  EXPECT_THAT(d.problems, IsEmpty());
  d = w.step();
  EXPECT_THAT(d.writes, IsEmpty());
  EXPECT_THAT(d.notes.asked, IsEmpty()) << "what a status shows is asked about no more";
  EXPECT_FALSE(d.wake_at);
}

TEST(Probing, WhoeverIsThereIsSkippedAndTold) {
  World w = probing();
  w.add(web("a", 0)).add(web("b", 1));
  EXPECT_EQ(asked(w.step()), ips({"192.0.2.0", "192.0.2.1"}));
  w.hear(ip("192.0.2.0"), kStranger);
  w.hear(ip("192.0.2.1"), "");
  Decisions d = w.step();
  EXPECT_EQ(w.external("a"), ips({"192.0.2.1"})) << "the older one takes the next, which is known to be free";
  EXPECT_THAT(w.external("b"), IsEmpty());
  EXPECT_EQ(asked(d), ips({"192.0.2.2"}));
  ASSERT_THAT(reasons(d.problems), Contains(Reason::address_skipped));
  const auto told = std::find_if(d.problems.begin(), d.problems.end(), [](const Notice& n) { return n.reason == Reason::address_skipped; });
  EXPECT_EQ(told->message, "Service default/a: it does not get 192.0.2.0: 02:00:00:00:00:42 answers for it on eth0 of Node n1: take it "
                           "from that station, or out of spec.addresses of IPAddressPool lan");
  w.hear(ip("192.0.2.2"), "");
  d = w.step();
  EXPECT_EQ(w.external("b"), ips({"192.0.2.2"}));
  EXPECT_EQ(d.wake_at, w.now + Probes::kTakenFor);

  // Ten minutes later it is asked again, if somebody wants it.
  w.wait(std::chrono::duration_cast<std::chrono::seconds>(Probes::kTakenFor));
  w.add(web("c", 2));
  d = w.step();
  EXPECT_EQ(asked(d), ips({"192.0.2.0"}));
  EXPECT_THAT(reasons(d.problems), Not(Contains(Reason::address_skipped)));
}

TEST(Probing, OneThatIsAskedForWaitsUntilItIsFree) {
  World w = probing();
  w.add(asking(web(), "192.0.2.5"));
  w.step();
  w.hear(ip("192.0.2.5"), kStranger);
  Decisions d = w.step();
  ASSERT_THAT(reasons(d.problems), ElementsAre(Reason::address_answered));
  EXPECT_THAT(d.problems[0].message, HasSubstr("it asks for 192.0.2.5: 02:00:00:00:00:42 answers for it on eth0 of Node n1: take it"));
  EXPECT_THAT(w.external("a"), IsEmpty());
  w.records.clear();
  w.wait(std::chrono::duration_cast<std::chrono::seconds>(Probes::kTakenFor));
  EXPECT_EQ(asked(w.step()), ips({"192.0.2.5"}));
  w.hear(ip("192.0.2.5"), "");
  w.step();
  EXPECT_EQ(w.external("a"), ips({"192.0.2.5"}));
}

TEST(Probing, WhereNobodyCanAskItIsGivenAfterAWhile) {
  World w = probing();
  w.add(web());
  w.step();
  w.wait(4s);
  w.step();
  EXPECT_THAT(w.external("a"), IsEmpty());
  w.wait(1s);
  w.step();
  EXPECT_EQ(w.external("a"), ips({"192.0.2.0"}));
}

TEST(Probing, WhatAStatusShowsIsNeverAskedAbout) {
  World w = probing();
  w.add(holding(web("a"), {"192.0.2.3"}, "lan"));
  auto sharer = asking(web("b", 1), "192.0.2.3");
  for (auto* s : {&w.at("a"), &sharer}) s->meta.annotations["fairlead.io/allow-shared-ip"] = "k";
  sharer.ports[0].port = Port{81};
  w.add(sharer);
  const Decisions d = w.step();
  EXPECT_THAT(d.notes.asked, IsEmpty());
  EXPECT_EQ(w.external("a"), ips({"192.0.2.3"}));
  EXPECT_EQ(w.external("b"), ips({"192.0.2.3"})) << "it is in use by us already";
}

TEST(Probing, TwoFamiliesAreGivenTogetherAndASecondOneKeepsTheFirst) {
  World w = probing({"192.0.2.0/29", "2001:db8::/125"});
  auto dual = served("a", {"10.96.0.10", "fd96::a"});
  dual.ip_family_policy = kube::IpFamilyPolicy::require_dual_stack;
  auto grown = holding(served("b", {"10.96.0.11", "fd96::b"}, 1), {"192.0.2.7"}, "lan");
  grown.ip_family_policy = kube::IpFamilyPolicy::prefer_dual_stack;
  w.add(dual).add(grown);
  EXPECT_EQ(asked(w.step()), ips({"192.0.2.0", "2001:db8::", "2001:db8::1"}));
  EXPECT_EQ(w.external("b"), ips({"192.0.2.7"}));
  w.hear(ip("192.0.2.0"), "");
  w.step();
  EXPECT_THAT(w.external("a"), IsEmpty());
  w.hear(ip("2001:db8::"), "");
  w.hear(ip("2001:db8::1"), "");
  w.step();
  EXPECT_EQ(w.external("a"), ips({"192.0.2.0", "2001:db8::"}));
  EXPECT_EQ(w.external("b"), ips({"192.0.2.7", "2001:db8::1"}));
}

TEST(Probing, QuestionsEndWithTheWishAndAreNotTooMany) {
  World w = probing({"192.0.0.0/16"});
  for (int i = 0; i < 300; ++i) w.add(web(numbered("s", i), i));
  Decisions d = w.step();
  EXPECT_EQ(d.notes.asked.size(), Probes::kAtOnce);
  for (const auto& q : d.notes.asked) w.hear(q.address, "");
  d = w.step();
  EXPECT_EQ(d.writes.size(), Probes::kAtOnce);
  EXPECT_EQ(d.notes.asked.size(), 300 - Probes::kAtOnce);
  for (int i = 0; i < 300; ++i) w.services.erase({"default", numbered("s", i)});
  d = w.step();
  EXPECT_THAT(d.notes.asked, IsEmpty());
  EXPECT_FALSE(d.wake_at);
}

TEST(Probes, AnswersToOtherQuestionsMeanNothing) {
  const TimePoint now{};
  const kube::Name who{"default", "a"};
  const Ip address = ip("192.0.2.1");
  api::AddressRecord record;
  record.meta.name = "speaker-n1";
  record.notes.heard = {{address, 6, "", ""}, {address, 8, kStranger, "eth0"}, {ip("192.0.2.9"), 7, kStranger, "eth0"}};

  Probes probes(7);
  probes.begin(now);
  EXPECT_FALSE(probes.is_free(address, who, now));
  probes.learn(record, now);
  EXPECT_FALSE(probes.is_free(address, who, now));
  EXPECT_THAT(probes.taken(), IsEmpty());

  record.notes.heard[0].id = 7;
  probes.learn(record, now);
  EXPECT_TRUE(probes.is_free(address, who, now));
  record.notes.heard[0] = {address, 7, kStranger, "eth0"};
  probes.learn(record, now);
  ASSERT_EQ(probes.taken().count(address), 1U) << "another speaker has heard somebody";
  EXPECT_EQ(probes.taken().at(address).node, "n1");
  EXPECT_THAT(probes.questions(), IsEmpty());

  // Asked again: a new number.
  probes.begin(now + Probes::kTakenFor);
  EXPECT_FALSE(probes.is_free(address, who, now + Probes::kTakenFor));
  EXPECT_THAT(probes.questions(), ElementsAre(api::AddressNotes::Question{address, 8}));
}

}  // namespace
}  // namespace fairlead::controller::core
