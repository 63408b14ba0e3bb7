#include "controller/feed/feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_source.h"
#include "tests/unit/controller/world.h"

namespace fairlead::controller::feed {
namespace {

using core::node;
using core::pool;
using core::service;
using testing::ElementsAre;

struct FeedTest : testing::Test {
  std::unique_ptr<runtime::Loop> loop = runtime::Loop::create().value();
  test::FakeSource source{*loop};
  int passes = 0, synced = 0, faults = 0;
  std::vector<std::string> gone;
  Feed feed{*loop,
            source,
            {[this] { ++passes; }, [this] { ++synced; }, [this](const api::Key& key) { gone.push_back(key.str()); },
             [this](const runtime::Fault&) { ++faults; }},
            {}};
};

TEST_F(FeedTest, NeverAsksForEndpointSlices) {
  feed.start();
  EXPECT_THAT(source.kinds, testing::Not(testing::Contains(api::Kind::endpoint_slice)));
  EXPECT_THAT(source.kinds, testing::Not(testing::Contains(api::Kind::secret))) << "it has no right to";
}

TEST_F(FeedTest, AddressRecordsAreReadWhereTheyAreWanted) {
  feed.start();
  EXPECT_THAT(source.kinds, testing::Not(testing::Contains(api::Kind::address_record)));
  Feed wanting{*loop, source, {[this] { ++passes; }, {}, {}, {}}, {.metallb_namespace = "metallb-system", .reads_records = true}};
  wanting.start();
  EXPECT_THAT(source.kinds, testing::Contains(api::Kind::address_record));
  api::AddressRecord record;
  record.meta.ns = "fairlead-system";
  record.meta.name = "speaker-n1";
  source.put(record);
  record.meta.name = "controller";
  record.notes.asked = {{parse_ip("192.0.2.1").value(), 7}};
  source.put(record);
  ASSERT_TRUE(test::run_until(*loop, [&] { return wanting.objects().own_record() != nullptr; }));
  EXPECT_EQ(wanting.objects().own_record()->notes, record.notes);
  EXPECT_EQ(wanting.objects().snapshot(loop->now()).records.size(), 2U);
}

TEST_F(FeedTest, NoPassBeforeEverythingIsThere) {
  source.is_sync_held = true;
  source.put(service("a"));
  feed.start();
  feed.mark_dirty();
  test::run_turns(*loop);
  EXPECT_EQ(passes, 0);
  EXPECT_EQ(feed.objects().services.size(), 1U);
  source.sync();
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes == 1; }));
  EXPECT_EQ(synced, 1);
}

TEST_F(FeedTest, ABurstIsOnePass) {
  feed.start();
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes == 1; }));
  for (int i = 0; i < 1000; ++i) source.put(service(core::numbered("s", i)));
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes > 1; }));
  test::run_turns(*loop);
  EXPECT_EQ(passes, 2);
  EXPECT_EQ(feed.objects().services.size(), 1000U);
}

TEST_F(FeedTest, WhatChangesNothingAsksForNothing) {
  auto n = node("n1", {"192.0.2.7"});
  source.put(service("a"));
  source.put(n);
  feed.start();
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes == 1; }));
  n.meta.resource_version = "2";
  n.is_ready = false;
  source.put(service("a"));
  source.put(n);
  test::run_turns(*loop);
  EXPECT_EQ(passes, 1);
  n.internal_ips = core::ips({"192.0.2.8"});
  source.put(n);
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes == 2; }));
}

TEST_F(FeedTest, ADeletionIsStoredAndTold) {
  source.put(pool("lan", {"192.0.2.0/24"}));
  feed.start();
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes == 1; }));
  EXPECT_EQ(feed.objects().snapshot({}).pools.size(), 1U);
  source.remove({api::Kind::ip_address_pool, {"default", "lan"}});
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes == 2; }));
  EXPECT_THAT(gone, ElementsAre("IPAddressPool default/lan"));
  EXPECT_TRUE(feed.objects().pools.empty());
  EXPECT_TRUE(feed.objects().gone_pools.contains("lan"));
  source.put(pool("lan", {"192.0.2.0/24"}));
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes == 3; }));
  EXPECT_FALSE(feed.objects().gone_pools.contains("lan"));
}

TEST_F(FeedTest, OnlyAFaultAtTheStartMayHideAPool) {
  const struct {
    const char* object;
    bool is_synced;
    bool hides;
  } cases[] = {{"IPAddressPool default/lan", false, true},
               {"IPAddressPool", false, true},
               {"", false, true},
               {"Service default/web", false, false},
               {"IPAddressPool default/lan", true, false}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.object);
    test::FakeSource own{*loop};
    own.is_sync_held = !c.is_synced;
    int seen = 0, ready = 0;
    Feed one{*loop, own, {[] {}, [&] { ++ready; }, {}, [&](const runtime::Fault&) { ++seen; }}, {}};
    one.start();
    if (c.is_synced) {
      ASSERT_TRUE(test::run_until(*loop, [&] { return ready == 1; }));
    }
    own.fault({"web.yaml:3", c.object, "spec", "is wrong"});
    ASSERT_TRUE(test::run_until(*loop, [&] { return seen == 1; }));
    EXPECT_EQ(one.objects().snapshot({}).may_miss_pools, c.hides);
    EXPECT_EQ(one.objects().snapshot({}).has_unreadable_pool, std::string_view(c.object).starts_with("IPAddressPool"));
    own.mend({"web.yaml:3", c.object, "spec", "is wrong"});
    EXPECT_TRUE(test::run_until(*loop, [&] { return one.objects().faults.empty(); }));
    EXPECT_FALSE(one.objects().snapshot({}).may_miss_pools);
  }
}

TEST_F(FeedTest, MetallbsObjectsCountInOneNamespace) {
  test::FakeSource own{*loop};
  int seen = 0;
  Feed one{*loop, own, {[&] { ++seen; }, {}, {}, {}}, {.metallb_namespace = "metallb-system"}};
  auto there = pool("there", {"192.0.2.0/24"});
  there.meta.ns = "metallb-system";
  api::Community community;
  community.meta.ns = "metallb-system";
  community.meta.name = "c";
  own.put(pool("elsewhere", {"203.0.113.0/24"}));
  own.put(there);
  own.put(community);
  one.start();
  ASSERT_TRUE(test::run_until(*loop, [&] { return seen == 1; }));
  EXPECT_THAT(own.kinds, testing::Contains(api::Kind::community));
  const core::Snapshot snapshot = one.objects().snapshot({});
  ASSERT_EQ(snapshot.pools.size(), 1U);
  EXPECT_EQ(snapshot.pools[0]->meta.name, "there");
  EXPECT_EQ(snapshot.communities.size(), 1U);
  EXPECT_FALSE(snapshot.has_unreadable_pool);

  // One that cannot be read is remembered until it can be, or is gone; one of another namespace does not matter.
  own.fault({"", "IPAddressPool default/elsewhere", "spec", "is wrong"});
  own.fault({"", "IPAddressPool metallb-system/there", "spec", "is wrong"});
  ASSERT_TRUE(test::run_until(*loop, [&] { return seen == 2; }));
  EXPECT_THAT(one.objects().unreadable, ElementsAre("IPAddressPool metallb-system/there"));
  EXPECT_TRUE(one.objects().snapshot({}).has_unreadable_pool);
  own.mend({"", "IPAddressPool default/elsewhere", "spec", "is wrong"});
  own.mend({"", "IPAddressPool metallb-system/there", "spec", "is wrong"});
  ASSERT_TRUE(test::run_until(*loop, [&] { return seen == 3; }));
  EXPECT_FALSE(one.objects().snapshot({}).has_unreadable_pool);
}

TEST_F(FeedTest, WhatIsJudgedIsKeptAndCounted) {
  feed.start();
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes == 1; }));
  const auto changed = [&](const std::function<void()>& change) {
    const std::uint64_t before = feed.objects().configuration;
    const int seen = passes;
    change();
    EXPECT_TRUE(test::run_until(*loop, [&] { return passes > seen; }));
    return feed.objects().configuration != before;
  };
  const auto put = [&]<class T>(T object) {
    object.meta.ns = "lb";
    object.meta.name = "x";
    return changed([&] { source.put(object); });
  };
  EXPECT_TRUE(put(api::L2Advertisement{}));
  EXPECT_TRUE(put(api::BGPAdvertisement{}));
  EXPECT_TRUE(put(api::BGPPeer{}));
  EXPECT_TRUE(put(api::BFDProfile{}));
  EXPECT_TRUE(put(api::Community{}));
  EXPECT_TRUE(changed([&] { source.put(pool("lan", {"192.0.2.0/28"})); }));
  auto labelled = node("a", {"192.0.2.1"});
  EXPECT_TRUE(changed([&] { source.put(labelled); }));
  labelled.meta.labels["rack"] = "1";
  EXPECT_TRUE(changed([&] { source.put(labelled); }));
  EXPECT_FALSE(changed([&] { source.put(service("web")); })) << "no Service decides about the configuration";
  const api::ConfigSet set = feed.objects().config_set();
  EXPECT_EQ((std::vector{set.pools.size(), set.l2_advertisements.size(), set.bgp_advertisements.size(), set.peers.size(),
                         set.profiles.size(), set.communities.size(), set.nodes.size()}),
            std::vector<std::size_t>(7, 1));
  EXPECT_TRUE(changed([&] { source.remove({api::Kind::bgp_peer, {"lb", "x"}}); }));
  EXPECT_TRUE(feed.objects().config_set().peers.empty());
}

TEST_F(FeedTest, FaultsAreKeptUntilTheyAreMended) {
  feed.start();
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes == 1; }));
  const runtime::Fault peer{"", "BGPPeer lb/tor", "spec.myASN", "is missing"}, file{"a.yaml:3", "", "", "is no YAML"};
  source.fault(peer);
  source.fault(file);
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes == 2; }));
  EXPECT_THAT(feed.objects().unreadable_lines(), ElementsAre("BGPPeer lb/tor: spec.myASN is missing", "a.yaml:3: is no YAML"));
  EXPECT_THAT(feed.objects().config_set().refused, ElementsAre(api::Key{api::Kind::bgp_peer, {"lb", "tor"}}));
  source.mend(peer);
  ASSERT_TRUE(test::run_until(*loop, [&] { return passes == 3; }));
  EXPECT_THAT(feed.objects().unreadable_lines(), ElementsAre("a.yaml:3: is no YAML"));
  EXPECT_TRUE(feed.objects().config_set().refused.empty());
}

TEST_F(FeedTest, APoolThatIsAsItWasBeforeIsReadableAgain) {
  test::FakeSource own{*loop};
  int seen = 0;
  Feed one{*loop, own, {[&] { ++seen; }, {}, {}, {}}, {.metallb_namespace = "metallb-system"}};
  one.start();
  ASSERT_TRUE(test::run_until(*loop, [&] { return seen == 1; }));
  const runtime::Fault fault{"", "IPAddressPool metallb-system/lan", "spec", "is wrong"};
  own.fault(fault);
  own.fault({"", "BGPPeer elsewhere/tor", "spec", "is wrong"});
  ASSERT_TRUE(test::run_until(*loop, [&] { return seen == 2; }));
  EXPECT_TRUE(one.objects().snapshot({}).has_unreadable_pool);
  EXPECT_EQ(one.objects().faults.size(), 1U) << "another namespace is nobody's configuration";
  own.mend(fault);
  ASSERT_TRUE(test::run_until(*loop, [&] { return seen == 3; }));
  EXPECT_FALSE(one.objects().snapshot({}).has_unreadable_pool);
}

}  // namespace
}  // namespace fairlead::controller::feed
