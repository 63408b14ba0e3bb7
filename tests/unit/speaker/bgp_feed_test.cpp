#include "speaker/feed/bgp_feed.h"

#include <gtest/gtest.h>

#include "speaker/core/planner.h"
#include "tests/unit/speaker/bgp_objects.h"

namespace fairlead::speaker {
namespace {

using namespace test;

/// The feed between a planner and what it tells.
struct World {
  World()
      : feed(*loop, {.node = "n1"}, planner,
             {.want = [this](BgpWant w) { wants.push_back(std::move(w)); },
              .told = [this](const api::Key& about, const std::string& reason, const std::string& what) {
                told.push_back(about.str() + " " + reason);
                last = what;
              },
              .announced = nullptr}) {
    feed.synced();
  }

  void put(std::vector<api::Object> objects) {
    std::vector<runtime::Change> changes;
    for (api::Object& o : objects) {
      const api::Key key = api::key_of(o);
      changes.push_back({key, std::move(o)});
    }
    apply(std::move(changes));
  }
  void remove(const api::Key& key) { apply({{key, std::nullopt}}); }
  void apply(std::vector<runtime::Change> changes) {
    feed.note(changes);
    for (runtime::Change& c : changes) {
      if (c.key.kind == api::Kind::service) {
        planner.set_service(c.key.name, c.object ? std::optional(std::get<kube::Service>(*c.object)) : std::nullopt);
      } else if (c.key.kind == api::Kind::endpoint_slice) {
        planner.set_slice(c.key.name, c.object ? std::optional(std::get<kube::EndpointSlice>(*c.object)) : std::nullopt);
      }
    }
    feed.settle();
  }

  /// A Service with a VIP and an endpoint.
  static std::vector<api::Object> web(const std::string& name, std::string_view vip, kube::Labels labels = {}) {
    kube::Service s = balancer(name, {"10.96.0.1"}, {vip});
    s.meta.labels = std::move(labels);
    return {s, slice(name + "-1", name, {endpoint("10.244.0.2", "n1")})};
  }

  std::unique_ptr<runtime::Loop> loop = std::move(runtime::Loop::create().value());
  Planner planner;
  std::vector<BgpWant> wants;
  std::vector<std::string> told;
  std::string last;
  BgpFeed feed;
};

api::BGPAdvertisement for_label(api::BGPAdvertisement ad, const std::string& value, std::uint32_t local_pref) {
  ad.local_pref = local_pref;
  ad.service_selectors = {label_is("tier", value)};
  return ad;
}

TEST(BgpFeed, TwoAdvertisementsOfOneServiceThatDisagreeAreNamedAndSolved) {
  World w;
  w.put({pool("main", {"192.0.2.0/24"}), bgp_peer("tor"), for_label(bgp_ad("low"), "front", 100), for_label(bgp_ad("high"), "front", 200)});
  w.put(World::web("web", "192.0.2.10", {{"tier", "front"}}));
  EXPECT_EQ(w.told, std::vector<std::string>{"Service default/web conflictingAdvertisements"});
  for (const char* part : {"low", "high", "192.0.2.10/32", "tor"}) EXPECT_NE(w.last.find(part), std::string::npos) << part << ": " << w.last;
  EXPECT_EQ(w.wants.back().routes4, "");
  w.put({for_label(bgp_ad("low"), "front", 200)});
  EXPECT_EQ(w.told.back(), "Service default/web ");
  EXPECT_NE(w.wants.back().routes4, "");
}

TEST(BgpFeed, TwoServicesThatDisagreeAboutAnAggregateAreNamedAndSolved) {
  World w;
  auto front = for_label(bgp_ad("front"), "front", 100);
  auto back = for_label(bgp_ad("back"), "back", 200);
  front.aggregation_length = back.aggregation_length = 24;
  w.put({pool("main", {"192.0.2.0/24"}), bgp_peer("tor"), front, back});
  w.put(World::web("a", "192.0.2.10", {{"tier", "front"}}));
  EXPECT_TRUE(w.told.empty());
  w.put(World::web("b", "192.0.2.11", {{"tier", "back"}}));
  EXPECT_EQ(w.told, std::vector<std::string>{"Service default/b conflictingAdvertisements"});
  for (const char* part : {"front", "back", "192.0.2.0/24", "tor", "default/a"}) EXPECT_NE(w.last.find(part), std::string::npos) << part << ": " << w.last;
  w.put(World::web("c", "192.0.2.12", {{"tier", "front"}}));
  EXPECT_EQ(w.told.size(), 1U) << "the same as before is not told again";
  w.remove({api::Kind::service, named("b")});
  EXPECT_EQ(w.told.back(), "Service default/b ");
  EXPECT_EQ(w.told.size(), 2U);
}

}  // namespace
}  // namespace fairlead::speaker
