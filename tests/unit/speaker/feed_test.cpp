#include "speaker/feed/feed.h"

#include <gtest/gtest.h>

#include "speaker/core/owner.h"
#include "tests/support/builders.h"

namespace fairlead::speaker {
namespace {

using namespace test;
using Vips = std::map<Ip, std::vector<std::string>>;

/// One node's feed, with what it told.
struct Speaker {
  explicit Speaker(std::string node, FeedOptions options = {}) : feed(with_name(std::move(options), std::move(node)), planner, liveness, handlers()) {}

  static FeedOptions with_name(FeedOptions options, std::string node) {
    options.node = std::move(node);
    return options;
  }
  Feed::Handlers handlers() {
    return {.planned = [this] { ++planned; }, .vips = [this](Vips v) { told.push_back(std::move(v)); }};
  }
  template <class... Objects>
  void see(const Objects&... objects) {
    std::vector<runtime::Change> changes;
    (changes.push_back({api::key_of(api::Object(objects)), api::Object(objects)}), ...);
    feed.changes(std::move(changes));
  }
  template <class T>
  void lose(const T& object) {
    feed.changes({{api::key_of(api::Object(object)), std::nullopt}});
  }
  Vips now() const { return told.empty() ? Vips{} : told.back(); }
  bool announces(std::string_view vip) const { return now().contains(ip(vip)); }

  Planner planner;
  NodeReadiness liveness;
  int planned = 0;
  std::vector<Vips> told;
  Feed feed;
};

kube::Service web() { return balancer("web", {"10.96.0.1"}, {"192.0.2.10"}); }
kube::Node down(kube::Node n) {
  n.is_ready = false;
  return n;
}
void see_basics(Speaker& s) { s.see(node("n1"), node("n2"), node("n3"), pool("main", {"192.0.2.0/24"}), advertisement("all"), web()); }
std::string winner(std::vector<std::string> nodes) { return owner(ip("192.0.2.10"), nodes).value(); }

TEST(Feed, TellsNothingBeforeItIsSynced) {
  Speaker s(winner({"n1", "n2", "n3"}));
  see_basics(s);
  EXPECT_TRUE(s.told.empty()) << "who draws traffic must be able to forward it";
  s.feed.synced();
  EXPECT_EQ(s.told, (std::vector<Vips>{{{ip("192.0.2.10"), {}}}}));
}

TEST(Feed, ExactlyOneOfThreeAnnounces) {
  int announcers = 0;
  for (const char* n : {"n1", "n2", "n3"}) {
    Speaker s(n);
    see_basics(s);
    s.feed.synced();
    announcers += s.announces("192.0.2.10");
    EXPECT_EQ(s.announces("192.0.2.10"), n == winner({"n1", "n2", "n3"}));
  }
  EXPECT_EQ(announcers, 1);
}

TEST(Feed, AVipIsHandedOverWhenItsNodeIsNotReadyAndTakenBackWhenItIs) {
  const std::string first = winner({"n1", "n2", "n3"});
  std::vector<std::string> rest{"n1", "n2", "n3"};
  std::erase(rest, first);
  const std::string second = winner(rest);
  Speaker loses(first);
  Speaker gains(second);
  for (Speaker* s : {&loses, &gains}) {
    see_basics(*s);
    s->feed.synced();
  }
  EXPECT_TRUE(loses.announces("192.0.2.10"));
  EXPECT_FALSE(gains.announces("192.0.2.10"));
  for (Speaker* s : {&loses, &gains}) s->see(down(node(first)));
  EXPECT_FALSE(loses.announces("192.0.2.10"));
  EXPECT_TRUE(gains.announces("192.0.2.10"));
  for (Speaker* s : {&loses, &gains}) s->see(node(first));
  EXPECT_TRUE(loses.announces("192.0.2.10"));
  EXPECT_FALSE(gains.announces("192.0.2.10"));
}

TEST(Feed, WithoutNodeObjectsThisNodeIsTheCluster) {
  Speaker s("alone");
  s.see(pool("main", {"192.0.2.0/24"}), advertisement("all"), web());
  s.feed.synced();
  EXPECT_TRUE(s.announces("192.0.2.10"));
  s.see(node("somebody-else"));
  EXPECT_FALSE(s.announces("192.0.2.10")) << "now there is a cluster, and this node is not in it";
  s.lose(node("somebody-else"));
  EXPECT_TRUE(s.announces("192.0.2.10"));
}

TEST(Feed, ToldOnlyWhenSomethingChanges) {
  Speaker s("n1");
  s.see(node("n1"), pool("main", {"192.0.2.0/24"}), advertisement("all"), web());
  s.feed.synced();
  EXPECT_EQ(s.told.size(), 1U);
  s.see(web());
  s.see(slice("web-1", "web", {endpoint("10.244.1.1", "n1")}));
  s.see(node("n1"));
  EXPECT_EQ(s.told.size(), 1U);
  s.lose(web());
  EXPECT_EQ(s.told.size(), 2U);
  EXPECT_TRUE(s.now().empty());
}

TEST(Feed, EachPartOfTheDecisionIsWatched) {
  Speaker s("n1");
  s.feed.synced();
  s.see(node("n1"));
  s.see(web());
  EXPECT_FALSE(s.announces("192.0.2.10"));
  s.see(pool("main", {"192.0.2.0/24"}));
  EXPECT_FALSE(s.announces("192.0.2.10"));
  s.see(advertisement("all"));
  EXPECT_TRUE(s.announces("192.0.2.10"));
  auto limited = advertisement("all");
  limited.interfaces = {"eth1"};
  s.see(limited);
  EXPECT_EQ(s.now().at(ip("192.0.2.10")), (std::vector<std::string>{"eth1"}));
  s.see(pool("main", {"198.51.100.0/24"}));
  EXPECT_FALSE(s.announces("192.0.2.10"));
  s.see(pool("main", {"192.0.2.0/24"}));
  EXPECT_TRUE(s.announces("192.0.2.10"));
  s.lose(advertisement("all"));
  EXPECT_FALSE(s.announces("192.0.2.10"));
}

TEST(Feed, LocalPolicyFollowsTheSlices) {
  auto service = web();
  service.external_traffic_policy = kube::TrafficPolicy::local;
  Speaker s("n1");
  s.see(node("n1"), node("n2"), pool("main", {"192.0.2.0/24"}), advertisement("all"), service);
  s.feed.synced();
  s.see(slice("web-1", "web", {endpoint("10.244.2.1", "n2")}));
  EXPECT_FALSE(s.announces("192.0.2.10"));
  s.see(slice("web-1", "web", {endpoint("10.244.1.1", "n1")}));
  EXPECT_TRUE(s.announces("192.0.2.10"));
  s.see(slice("web-2", "web", {endpoint("10.244.2.1", "n2")}));
  s.see(slice("web-1", "other", {endpoint("10.244.1.1", "n1")}));  // it moved to another Service
  EXPECT_FALSE(s.announces("192.0.2.10"));
  s.see(slice("web-1", "web", {endpoint("10.244.1.1", "n1")}));
  s.lose(slice("web-2", "web", {}));
  EXPECT_TRUE(s.announces("192.0.2.10"));
}

TEST(Feed, TwoServicesOfOneVip) {
  auto other = balancer("other", {"10.96.0.2"}, {"192.0.2.10"});
  auto limited = advertisement("limited");
  limited.interfaces = {"eth1"};
  limited.service_selectors = {label_is("app", "web")};
  auto second = advertisement("second");
  second.interfaces = {"eth0"};
  second.service_selectors = {label_is("app", "other")};
  auto first = web();
  first.meta.labels["app"] = "web";
  other.meta.labels["app"] = "other";
  Speaker s("n1");
  s.see(node("n1"), pool("main", {"192.0.2.0/24"}), limited, second, first, other);
  s.feed.synced();
  auto interfaces = s.now().at(ip("192.0.2.10"));
  std::sort(interfaces.begin(), interfaces.end());
  EXPECT_EQ(interfaces, (std::vector<std::string>{"eth0", "eth1"}));
  second.interfaces.clear();
  s.see(second);
  EXPECT_TRUE(s.now().at(ip("192.0.2.10")).empty()) << "one that allows all allows all";
  s.lose(first);
  s.see(other);
  EXPECT_TRUE(s.announces("192.0.2.10")) << "held until the last one goes";
  s.lose(other);
  EXPECT_FALSE(s.announces("192.0.2.10"));
}

TEST(Feed, AnnouncementsAreToldWhereverTheyGo) {
  Planner planner;
  NodeReadiness liveness;
  std::vector<std::vector<kube::Name>> told;
  FeedOptions options;
  options.node = "n9";  // nothing of this is its own
  Feed feed(options, planner, liveness, {.planned = [] {}, .vips = [](auto) { ADD_FAILURE(); }, .announced = [&](const auto& services) { told.push_back(services); }});
  feed.synced();
  const auto change = [](auto object) { return runtime::Change{api::key_of(api::Object(object)), api::Object(object)}; };
  feed.changes({change(node("n1")), change(pool("main", {"192.0.2.0/24"})), change(advertisement("all")), change(web())});
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0], std::vector{named("web")});
  EXPECT_EQ(feed.announcements().at(named("web")).at(0).node, "n1");
  feed.changes({change(web())});
  EXPECT_EQ(told.size(), 1U);
}

TEST(Feed, ThePlannerGetsTheSnapshotAndIsToldWhenDirty) {
  Speaker s("n1");
  s.see(web(), slice("web-1", "web", {endpoint("10.244.1.1", "n1")}));
  EXPECT_EQ(s.planned, 1);
  EXPECT_TRUE(s.planner.services().contains(named("web")));
  EXPECT_EQ(s.planner.slices_of(named("web")).size(), 1U);
  while (s.planner.is_dirty()) s.planner.plan_some(10, {});
  s.see(advertisement("all"));
  EXPECT_EQ(s.planned, 1) << "an advertisement is no business of the data plane";
  s.lose(web());
  EXPECT_EQ(s.planned, 2);
  EXPECT_FALSE(s.planner.services().contains(named("web")));
}

TEST(Feed, NodeFactsComeFromTheNodeThenFromTheLinks) {
  FeedOptions options;
  options.data_plane.detector.pods = {prefix("10.244.0.0/16")};
  options.data_plane.service_cidrs = {prefix("10.96.0.0/16")};
  options.data_plane.masquerade_all = true;
  Speaker s("n1", options);
  EXPECT_EQ(s.planner.facts().detector, options.data_plane.detector);
  EXPECT_EQ(s.planner.facts().service_cidrs, options.data_plane.service_cidrs);
  EXPECT_TRUE(s.planner.facts().masquerade_all);
  EXPECT_TRUE(s.planner.facts().node_addresses.empty());

  s.feed.set_host_addresses({ips({"10.0.0.7", "10.0.0.8", "fd00::7"}), ips({"10.0.0.7"})});
  EXPECT_EQ(s.planner.facts().node_addresses, ips({"10.0.0.7", "fd00::7"})) << "the first of each family";
  EXPECT_EQ(s.planned, 1);
  s.feed.set_host_addresses({ips({"10.0.0.7", "10.0.0.8", "fd00::7"}), ips({"10.0.0.7"})});
  EXPECT_EQ(s.planned, 1);

  auto self = node("n1", {"10.0.0.1", "10.0.0.2"});
  self.meta.labels["topology.kubernetes.io/zone"] = "z1";
  s.see(self, node("n2", {"10.0.0.99"}));
  EXPECT_EQ(s.planner.facts().node_addresses, ips({"10.0.0.1"}));
  EXPECT_EQ(s.planner.facts().zone, "z1");
  EXPECT_EQ(s.planner.facts().all_nodes, ips({"10.0.0.1", "10.0.0.2", "10.0.0.99"}));
  s.see(pool("main", {"192.0.2.0/24"}));
  EXPECT_EQ(s.planner.facts().pools, std::vector<IpRange>{range("192.0.2.0/24")});
}

TEST(Feed, ServiceCidrObjectsWinOverTheFlagWhileThereAreAny) {
  FeedOptions options;
  options.data_plane.service_cidrs = {prefix("10.96.0.0/16")};
  Speaker s("n1", options);
  kube::ServiceCIDR first;
  first.meta.name = "kubernetes";
  first.cidrs = {prefix("10.100.0.0/16"), prefix("fd02::/112")};
  kube::ServiceCIDR second;
  second.meta.name = "more";
  second.cidrs = {prefix("10.101.0.0/16")};
  s.see(first, second);
  EXPECT_EQ(s.planner.facts().service_cidrs, (std::vector<Prefix>{prefix("10.100.0.0/16"), prefix("fd02::/112"), prefix("10.101.0.0/16")}));
  s.lose(first);
  EXPECT_EQ(s.planner.facts().service_cidrs, second.cidrs);
  s.lose(second);
  EXPECT_EQ(s.planner.facts().service_cidrs, options.data_plane.service_cidrs);
}

}  // namespace
}  // namespace fairlead::speaker
