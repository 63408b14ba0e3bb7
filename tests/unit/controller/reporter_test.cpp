#include "controller/report/reporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/feed/feed.h"
#include "tests/support/fake_source.h"
#include "tests/unit/controller/world.h"

namespace fairlead::controller::report {
namespace {

using core::ip;
using core::pool;
using core::service;
using testing::ElementsAre;
using testing::IsEmpty;

/// Feed, core and reporter wired as main.cpp does it.
struct ReporterTest : testing::Test {
  std::unique_ptr<runtime::Loop> loop = runtime::Loop::create().value();
  test::FakeSource source{*loop};
  core::Config config = [] {
    core::Config out;
    out.allocates_cluster_ips = true;
    out.service_cidrs = {*parse_prefix("10.96.0.0/16")};
    return out;
  }();
  int quiet_passes = 0;  // passes in a row that decided nothing, with nothing under way
  feed::Feed feed{*loop, source, {[this] { pass(); }, {}, [this](const api::Key& key) { reporter.forget(key); }, {}}, {}};
  Reporter reporter{*loop, source, [this] { feed.mark_dirty(); }};

  void pass() {
    core::Snapshot snapshot = feed.objects().snapshot(loop->now());
    for (const kube::Service*& s : snapshot.services) s = &reporter.expected(*s);
    const core::Decisions d = core::converge(snapshot, config);
    reporter.apply(d);
    quiet_passes = d.writes.empty() && reporter.is_idle() ? quiet_passes + 1 : 0;
  }
  bool settles() {
    quiet_passes = 0;
    feed.mark_dirty();
    return test::run_until(*loop, [&] { return quiet_passes > 0; });
  }
  const kube::Service& at(const std::string& name) {
    return std::get<kube::Service>(source.objects.at({api::Kind::service, {"default", name}}));
  }
  std::vector<std::string> event_reasons() const {
    std::vector<std::string> out;
    for (const auto& e : source.events) out.push_back(e.reason);
    return out;
  }
};

TEST_F(ReporterTest, NotesAreWrittenWhenTheyAreOthersAndEndWithNothing) {
  const auto key = std::pair(runtime::StatusKind::address_record, std::string("controller"));
  api::AddressRecord shown;
  reporter.note({}, nullptr);
  EXPECT_EQ(source.object_writes, 0U) << "nothing is there and nothing is wanted";
  reporter.stop();
  shown.notes.asked = {{core::ip("192.0.2.1"), 7}};
  reporter.note(shown.notes, &shown);
  EXPECT_EQ(source.object_writes, 0U) << "as the leader before left it";
  auto notes = shown.notes;
  notes.held_down = {{core::ip("192.0.2.2"), "default", "web", 1}};
  reporter.note(notes, &shown);
  reporter.note(notes, &shown);
  EXPECT_EQ(source.object_writes, 1U);
  ASSERT_EQ(source.status_objects.count(key), 1U);
  EXPECT_EQ(std::get<api::AddressNotes>(source.status_objects[key].status), notes);
  EXPECT_TRUE(source.status_objects[key].outlives_writer);
  reporter.note({}, &shown);
  EXPECT_EQ(source.status_objects.count(key), 0U);
  reporter.stop();
  reporter.note({}, &shown);
  EXPECT_EQ(source.object_writes, 3U) << "somebody else has led: what is shown counts again";
}

TEST_F(ReporterTest, ADecisionBecomesOneWriteOneEventAndAPoolStatus) {
  source.put(pool("lan", {"192.0.2.0/30"}));
  source.put(service("web"));
  feed.start();
  ASSERT_TRUE(settles());
  ASSERT_EQ(source.writes.size(), 1U);
  EXPECT_EQ(at("web").cluster_ips, core::ips({"10.96.0.10"}));
  EXPECT_EQ(at("web").ports[0].node_port, Port{30086});
  EXPECT_EQ(core::ingress_ips(at("web")), core::ips({"192.0.2.0"}));
  EXPECT_EQ(core::pool_annotation(at("web")), "lan");
  EXPECT_THAT(source.events, ElementsAre(test::FakeSource::Event{"Service default/web", "IPAllocated",
                                                                 "Service default/web has 192.0.2.0 from pool lan"}));
  EXPECT_EQ((source.statuses[{"default", "lan"}]), (runtime::PoolStatus{1, 0, 3, 0}));
  const std::size_t before = source.status_writes;
  ASSERT_TRUE(settles());
  EXPECT_EQ(source.writes.size(), 1U);
  EXPECT_EQ(source.status_writes, before) << "a status that is right already is not written again";
}

TEST_F(ReporterTest, ARefusedWriteIsTriedAgainWhenTheObjectHasChanged) {
  source.put(pool("lan", {"192.0.2.0/30"}));
  source.failures = {Errc::malformed, Errc::malformed};
  kube::Service web = service("web");
  for (const char* version : {"1", "2", "3"}) {
    web.meta.resource_version = version;
    source.put(web);
    if (source.kinds.empty()) feed.start();
    test::run_turns(*loop);
  }
  ASSERT_TRUE(settles()) << "not half a minute later";
  EXPECT_EQ(core::ingress_ips(at("web")), core::ips({"192.0.2.0"}));
  EXPECT_LE(source.writes.size(), 4U) << "and not all the time";
}

TEST_F(ReporterTest, AWriteThatFailsIsTriedAgainAndHoldsItsAddress) {
  source.put(pool("lan", {"192.0.2.0/30"}));
  source.put(service("m"));
  source.failures = {Errc::unavailable, Errc::conflict};
  feed.start();
  ASSERT_TRUE(test::run_until(*loop, [&] { return source.writes.size() == 1; }));
  source.put(service("a"));  // would come first, were it not that the address is spoken for
  ASSERT_TRUE(settles());
  EXPECT_EQ(core::ingress_ips(at("m")), core::ips({"192.0.2.0"}));
  EXPECT_EQ(core::ingress_ips(at("a")), core::ips({"192.0.2.1"}));
  EXPECT_EQ(source.writes.size(), 4U);  // m three times, a once
  EXPECT_EQ(source.events.size(), 2U) << "told when it is written, and once";
  EXPECT_FALSE(reporter.stuck());
}

TEST_F(ReporterTest, AServiceThatIsGoneIsNotWrittenAgain) {
  source.put(pool("lan", {"192.0.2.0/30"}));
  source.put(service("a"));
  source.failures = {Errc::not_found};
  feed.start();
  ASSERT_TRUE(test::run_until(*loop, [&] { return source.writes.size() == 1; }));
  source.remove({api::Kind::service, {"default", "a"}});
  source.put(service("b"));
  ASSERT_TRUE(settles());
  EXPECT_EQ(source.writes.size(), 2U);
  EXPECT_EQ(core::ingress_ips(at("b")), core::ips({"192.0.2.0"}));
}

TEST_F(ReporterTest, AWriteThatIsNeverShownIsReportedAndDecidedAnew) {
  source.put(service("a"));
  source.shows_writes = false;
  feed.start();
  const TimePoint start = loop->now();
  ASSERT_TRUE(test::run_until(*loop, [&] { return source.writes.size() == 2; }));
  EXPECT_GE(loop->now() - start, std::chrono::seconds(2)) << "until then it is not written again";
  EXPECT_EQ(reporter.stuck(), "Service default/a does not show what was written to it");
}

TEST_F(ReporterTest, AWriteIsGivenUpByAPassThatDoesNotSeeItNotByTheClock) {
  source.put(service("a"));
  int asked = 0;
  Reporter alone(*loop, source, [&] { ++asked; });
  core::Decisions decided;
  core::Write& write = decided.writes.emplace_back();
  write.service = {"default", "a"};
  write.ingress = core::ips({"192.0.2.7"});
  alone.apply(decided);
  const TimePoint start = loop->now();
  ASSERT_TRUE(test::run_until(*loop, [&] { return loop->now() - start > std::chrono::milliseconds(2300); }));
  EXPECT_EQ(alone.queued(), 1U);
  EXPECT_EQ(asked, 2) << "when it was written, and when it should have been seen";
  EXPECT_EQ(core::ingress_ips(alone.expected(at("a"))), core::ips({"192.0.2.7"}));
  EXPECT_EQ(alone.queued(), 0U);
  EXPECT_FALSE(alone.stuck());
}

TEST_F(ReporterTest, AProblemIsToldOnceAndAgainWhenItComesBack) {
  source.put(pool("lan", {"192.0.2.0/32"}));
  source.put(service("a", 1));
  source.put(service("b", 2));
  feed.start();
  ASSERT_TRUE(settles());
  EXPECT_THAT(event_reasons(), testing::UnorderedElementsAre("AllocationFailed", "IPAllocated"));
  ASSERT_TRUE(settles());
  EXPECT_EQ(source.events.size(), 2U);
  source.put(service("c", 3));  // another Service's problem is another event
  ASSERT_TRUE(settles());
  EXPECT_EQ(source.events.size(), 3U);
  source.events.clear();
  source.put(pool("lan", {"192.0.2.0/30"}));
  ASSERT_TRUE(settles());
  EXPECT_THAT(event_reasons(), ElementsAre("IPAllocated", "IPAllocated"));
  source.events.clear();
  source.put(pool("lan", {"192.0.2.0/32"}));
  ASSERT_TRUE(settles());
  EXPECT_THAT(event_reasons(), testing::UnorderedElementsAre("ClearAssignment", "AllocationFailed", "ClearAssignment",
                                                             "AllocationFailed"));
  source.events.clear();
  source.put(pool("lan", {"192.0.2.0/30"}));  // the addresses of before: news all the same
  ASSERT_TRUE(settles());
  EXPECT_THAT(event_reasons(), ElementsAre("IPAllocated", "IPAllocated"));
}

TEST_F(ReporterTest, ARefusedPoolIsAnEventOfThePool) {
  source.put(pool("lan", {}));
  feed.start();
  ASSERT_TRUE(settles());
  ASSERT_EQ(source.events.size(), 1U);
  EXPECT_EQ(source.events[0].about, "IPAddressPool default/lan");
  EXPECT_EQ(source.events[0].reason, "PoolInvalid");
}

TEST_F(ReporterTest, AStatusIsWrittenTwiceASecondAtMost) {
  source.put(pool("lan", {"192.0.2.0/24"}));
  feed.start();
  ASSERT_TRUE(settles());
  const std::size_t before = source.status_writes;
  const TimePoint start = loop->now();
  for (int i = 0; i < 20; ++i) {
    source.put(service(core::numbered("s", i), i));
    ASSERT_TRUE(test::run_until(*loop, [&] { return source.writes.size() == static_cast<std::size_t>(i) + 1; }));
  }
  ASSERT_TRUE(settles());
  const auto halves = static_cast<std::size_t>((loop->now() - start) / std::chrono::milliseconds(500));
  EXPECT_LE(source.status_writes - before, halves + 1);
  EXPECT_EQ((source.statuses[{"default", "lan"}]), (runtime::PoolStatus{20, 0, 236, 0})) << "the last one counts";
}

TEST_F(ReporterTest, AStatusThatFailsIsTriedAgainSoonAndThenLessOften) {
  source.put(pool("lan", {"192.0.2.0/24"}));
  source.status_failures = {Errc::unavailable, Errc::unavailable};
  feed.start();
  const TimePoint start = loop->now();
  ASSERT_TRUE(test::run_until(*loop, [&] { return source.statuses.size() == 1; }));
  EXPECT_GE(loop->now() - start, std::chrono::milliseconds(290));
  EXPECT_LE(loop->now() - start, std::chrono::seconds(3));
  EXPECT_FALSE(reporter.stuck());
  source.status_failures = {Errc::denied};
  source.put(service("a"));
  ASSERT_TRUE(test::run_until(*loop, [&] { return reporter.stuck().has_value(); })) << "a refusal does not pass";
}

TEST_F(ReporterTest, WhatIsOfAnotherClassIsNoEvent) {
  kube::Service s = core::served("a", {"10.96.0.10"});
  s.load_balancer_class = "theirs";
  s.allocate_load_balancer_node_ports = false;
  source.put(s);
  feed.start();
  ASSERT_TRUE(settles());
  EXPECT_THAT(source.events, IsEmpty());
  EXPECT_THAT(source.writes, IsEmpty());
}

TEST_F(ReporterTest, WhoStopsLeadingWritesNoMore) {
  source.put(service("a"));
  source.failures = {Errc::unavailable};
  feed.start();
  ASSERT_TRUE(test::run_until(*loop, [&] { return source.writes.size() == 1; }));
  reporter.stop();
  EXPECT_TRUE(reporter.is_idle());
}

TEST_F(ReporterTest, ManyServicesAreWrittenOnceEach) {
  source.put(pool("lan", {"10.0.0.0/8"}));
  for (int i = 0; i < 2000; ++i) source.put(service(core::numbered("s", i)));
  feed.start();
  ASSERT_TRUE(settles());
  EXPECT_EQ(source.writes.size(), 2000U);
  std::set<Ip> all;
  for (int i = 0; i < 2000; ++i) all.insert(core::ingress_ips(at(core::numbered("s", i))).at(0));
  EXPECT_EQ(all.size(), 2000U);
}

TEST_F(ReporterTest, TheConfigurationIsStatedWhenItChangesAndByTheOneThatLeads) {
  const std::pair key{runtime::StatusKind::configuration_state, std::string("controller")};
  reporter.state({core::Verdict::invalid, "IPAddressPool lb/lan: spec.addresses is empty: add one"});
  ASSERT_TRUE(test::run_until(*loop, [&] { return reporter.is_idle(); }));
  const runtime::StatusObject want{
      "controller",
      {{"component-type", "controller"}},
      runtime::ConfigurationStatus{"Invalid", "IPAddressPool lb/lan: spec.addresses is empty: add one",
                                   {{"poolReconcilerValid", "False", "ConfigurationError", "IPAddressPool lb/lan: spec.addresses is empty: add one"}}}};
  EXPECT_EQ(source.status_objects.at(key), want);
  reporter.state({core::Verdict::invalid, "IPAddressPool lb/lan: spec.addresses is empty: add one"});
  EXPECT_EQ(source.object_writes, 1U) << "nothing new";
  reporter.state({});
  const runtime::ConfigurationStatus valid{"Valid", "", {{"poolReconcilerValid", "True", "Reconciled", ""}}};
  EXPECT_EQ(std::get<runtime::ConfigurationStatus>(source.status_objects.at(key).status), valid);
  reporter.stop();
  reporter.state({});
  EXPECT_EQ(source.object_writes, 3U) << "who leads again says it again: somebody else did meanwhile";
}

}  // namespace
}  // namespace fairlead::controller::report
