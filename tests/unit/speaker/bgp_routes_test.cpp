#include "speaker/core/bgp_routes.h"

#include <gtest/gtest.h>

#include <random>

#include "proto/bird/symbol.h"
#include "speaker/core/bgp_sessions.h"
#include "speaker/core/bgp_table.h"
#include "tests/unit/speaker/bgp_objects.h"

namespace fairlead::speaker {
namespace {

using test::alias;
using test::balancer;
using test::bgp_ad;
using test::endpoint;
using test::ip;
using test::named;
using test::own;
using test::pointers;
using test::prefix;
using test::slice;

struct World {
  BgpObjects objects;
  BgpView view;

  World() {
    view.node = "n1";
    for (const char* n : {"n1", "n2"}) view.nodes[n] = test::node(n, {n == std::string("n1") ? "10.0.0.1" : "10.0.0.2"});
    view.pools[own("main")] = test::pool("main", {"192.0.2.0/24", "2001:db8::/64"});
    view.peers = {{"a", 1}, {"b", 2}};
  }
  World& ad(api::BGPAdvertisement a) {
    objects.advertisements.insert_or_assign(own(a.meta.name), std::move(a));
    return *this;
  }
  std::vector<BgpAnnouncement> ask(const kube::Service& service, const std::vector<kube::EndpointSlice>& slices) {
    view.ads = decide_ads(objects).ads;
    return bgp_announcements(service, pointers(slices), view);
  }
  std::string reason(const kube::Service& service, const std::vector<kube::EndpointSlice>& slices) {
    return std::string(name(ask(service, slices).at(0).reason));
  }
};

kube::Service web() { return balancer("web", {"10.96.0.1"}, {"192.0.2.10"}); }
kube::Service local() {
  auto out = web();
  out.external_traffic_policy = kube::TrafficPolicy::local;
  return out;
}
std::vector<kube::EndpointSlice> on(std::vector<std::string> nodes) {
  std::vector<kube::Endpoint> endpoints;
  for (const auto& n : nodes) endpoints.push_back(endpoint("10.244.0.1", n));
  return {slice("web-1", "web", endpoints)};
}

TEST(BgpRoutes, Reasons) {
  World w;
  EXPECT_EQ(w.reason(web(), on({"n2"})), "no_matching_advertisement");
  w.ad(bgp_ad("all"));
  EXPECT_EQ(w.reason(web(), on({"n2"})), "announced");
  EXPECT_EQ(w.reason(web(), on({})), "no_endpoints");
  EXPECT_EQ(w.reason(web(), {slice("web-1", "web", {test::unready(endpoint("10.244.0.1", "n1"))})}), "no_endpoints");
  EXPECT_EQ(w.reason(web(), {slice("web-1", "web", {test::draining(endpoint("10.244.0.1", "n1"))})}), "announced");
  EXPECT_EQ(w.reason(local(), on({"n2"})), "no_local_endpoints");
  EXPECT_EQ(w.reason(local(), on({"n2", "n1"})), "announced");
  EXPECT_EQ(w.reason(balancer("web", {}, {"198.51.100.1"}), on({"n1"})), "not_in_a_pool");
  w.view.nodes["n2"].internal_ips = {ip("192.0.2.10")};
  EXPECT_EQ(w.reason(web(), on({"n1"})), "is_node_address");
  w.view.nodes["n2"].internal_ips = {};
  w.view.nodes["n1"].network_unavailable = true;
  EXPECT_EQ(w.reason(web(), on({"n1"})), "node_network_unavailable");
  w.view.nodes["n1"].network_unavailable = false;
  w.view.nodes["n1"].meta.labels["node.kubernetes.io/exclude-from-external-load-balancers"] = "";
  EXPECT_EQ(w.reason(web(), on({"n1"})), "node_excluded");
  w.view.is_draining = true;
  EXPECT_EQ(w.reason(web(), on({"n1"})), "announced");
  auto elsewhere = bgp_ad("all");
  elsewhere.node_selectors = {test::label_is("rack", "7")};
  w.ad(elsewhere);
  EXPECT_EQ(w.reason(web(), on({"n1"})), "not_owner");
  auto nobody = bgp_ad("all");
  nobody.peers = {"c"};
  w.ad(nobody);
  EXPECT_EQ(w.reason(web(), on({"n1"})), "no_peer");
  EXPECT_TRUE(w.ask(test::service("plain", {"10.96.0.9"}), {}).empty());
}

TEST(BgpRoutes, FamiliesHaveEndpointsOfTheirOwn) {
  World w;
  w.ad(bgp_ad("all"));
  const auto both = balancer("web", {"10.96.0.1", "fd02::1"}, {"192.0.2.10", "2001:db8::10"});
  const auto got = w.ask(both, on({"n1"}));
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0].reason, BgpReason::announced);
  EXPECT_EQ(got[1].reason, BgpReason::no_endpoints) << "no pod has IPv6";
}

TEST(BgpRoutes, SeveralAdvertisementsOfOnePrefix) {
  World w;
  w.objects.communities.emplace(own("x"), alias("blue", "65001:200"));
  auto one = bgp_ad("one");
  one.communities = {"65001:100", "blue"};
  one.local_pref = 100;
  auto two = bgp_ad("two");
  two.communities = {"large:1:2:3", "65001:100"};
  two.local_pref = 100;
  two.peers = {"b"};
  w.ad(one).ad(two);
  auto got = w.ask(web(), on({"n1"})).at(0);
  ASSERT_EQ(got.wishes.size(), 1U);
  using Standard = std::vector<bird::Attributes::Standard>;
  EXPECT_EQ(got.wishes[0].by_peer.at("a").communities, (Standard{{65001, 100}, {65001, 200}}));
  EXPECT_EQ(got.wishes[0].by_peer.at("b").communities, (Standard{{65001, 100}, {65001, 200}}));
  EXPECT_TRUE(got.wishes[0].by_peer.at("a").large.empty());
  EXPECT_EQ(got.wishes[0].by_peer.at("b").large.size(), 1U);
  two.local_pref = 200;
  w.ad(two);
  EXPECT_EQ(w.reason(web(), on({"n1"})), "conflicting_advertisements");
  one.peers = {"a"};
  w.ad(one);
  EXPECT_EQ(w.reason(web(), on({"n1"})), "announced") << "not to the same peer";
}

TEST(BgpRoutes, BadCommunities) {
  BgpObjects objects;
  auto unknown = bgp_ad("unknown");
  unknown.communities = {"nobody"};
  auto malformed = bgp_ad("malformed");
  malformed.communities = {"1:2:3"};
  auto many = bgp_ad("many");
  for (int i = 0; i < 64; ++i) many.communities.push_back("1:" + std::to_string(i));
  for (const auto& a : {unknown, malformed, many, bgp_ad("good")}) objects.advertisements.emplace(own(a.meta.name), a);
  const auto got = decide_ads(objects);
  ASSERT_EQ(got.ads.size(), 1U);
  EXPECT_EQ(got.ads[0].name, own("good"));
  ASSERT_EQ(got.problems.size(), 3U);
  EXPECT_EQ(got.problems[0].reason, "unknown_community");
  EXPECT_EQ(got.problems[1].reason, "too_many_communities");
  EXPECT_EQ(got.problems[2].reason, "unknown_community");
}

TEST(BgpRoutes, AnAggregateNeverBlackHoles) {
  World w;
  auto wide = bgp_ad("wide");
  wide.aggregation_length = 24;
  wide.aggregation_length_v6 = 64;
  w.ad(wide);
  auto got = w.ask(web(), on({"n1"})).at(0);
  ASSERT_EQ(got.wishes.size(), 1U);
  EXPECT_EQ(got.wishes[0].prefix, prefix("192.0.2.0/24"));
  got = w.ask(local(), on({"n1"})).at(0);
  ASSERT_EQ(got.wishes.size(), 2U);
  EXPECT_EQ(got.wishes[1].prefix, prefix("192.0.2.10/32"));
  EXPECT_TRUE(got.wishes[1].is_beside_aggregate);
  EXPECT_FALSE(got.wishes[0].is_beside_aggregate);
}

bird::Attributes with(std::uint16_t community) {
  bird::Attributes out;
  out.communities = {{65001, community}};
  return out;
}
BgpWish wish(std::string_view p, std::map<std::string, bird::Attributes> by_peer) { return {prefix(p), std::move(by_peer), false}; }

bird::Telling to_all(bird::Attributes attributes) { return {{{0, std::move(attributes)}}}; }

TEST(BgpTable, TellsAllOrSome) {
  RouteTable t;
  t.set_peers({{"a", 1}, {"b", 2}});
  t.set(named("web"), {wish("192.0.2.10/32", {{"a", {}}, {"b", {}}})});
  const auto line = [](std::map<std::uint32_t, bird::Attributes> by_peer) {
    return bird::route_line(prefix("192.0.2.10/32"), bird::Telling{std::move(by_peer)});
  };
  EXPECT_EQ(t.text(Family::v4), line({{0, {}}}));
  EXPECT_EQ(t.text(Family::v6), "");
  t.set(named("web"), {wish("192.0.2.10/32", {{"a", {}}})});
  EXPECT_EQ(t.text(Family::v4), line({{1, {}}}));
  t.set(named("web"), {wish("192.0.2.10/32", {{"a", {}}, {"b", with(7)}})});
  EXPECT_EQ(t.text(Family::v4), line({{1, {}}, {2, with(7)}}));
  EXPECT_EQ(t.tellings(), (std::vector{bird::Telling{{{1, {}}, {2, with(7)}}}}));
  t.set_peers({{"a", 1}});
  EXPECT_EQ(t.text(Family::v4), line({{0, {}}}));
  EXPECT_EQ(t.tellings(), std::vector{to_all({})});
  t.set_peers({});
  EXPECT_EQ(t.text(Family::v4), "") << "nobody to tell";
  EXPECT_TRUE(t.tellings().empty());
}

TEST(BgpTable, APrefixIsHeldUntilItsLastServiceGoes) {
  RouteTable t;
  t.set_peers({{"a", 1}});
  t.set(named("one"), {wish("192.0.2.0/24", {{"a", with(1)}})});
  t.set(named("two"), {wish("192.0.2.0/24", {{"a", with(2)}})});
  bird::Attributes both = with(1);
  both.communities.emplace_back(65001, 2);
  EXPECT_EQ(t.tellings(), std::vector{to_all(both)});
  t.set(named("one"), {});
  EXPECT_EQ(t.tellings(), std::vector{to_all(with(2))});
  t.set(named("two"), {});
  EXPECT_EQ(t.text(Family::v4), "");
  EXPECT_TRUE(t.tellings().empty());
  EXPECT_EQ(t.size(), 0U);
}

TEST(BgpTable, DisagreementIsToldAndTheFirstWins) {
  RouteTable t;
  t.set_peers({{"a", 1}});
  bird::Attributes high;
  high.local_pref = 200;
  t.set(named("b"), {wish("192.0.2.0/24", {{"a", high}})});
  t.set(named("a"), {wish("192.0.2.0/24", {{"a", {}}})});
  EXPECT_EQ(t.tellings(), std::vector{to_all({})});
  ASSERT_EQ(t.conflicts().size(), 1U);
  EXPECT_EQ(t.conflicts()[0], (RouteConflict{prefix("192.0.2.0/24"), "a", named("a"), named("b")}));
}

TEST(BgpTable, ManyStepsGiveWhatOneGives) {
  std::mt19937 random(7);
  RouteTable steps;
  std::map<kube::Name, std::vector<BgpWish>> now;
  const std::map<std::string, std::uint32_t> peers{{"a", 1}, {"b", 2}, {"c", 3}};
  steps.set_peers(peers);
  for (int i = 0; i < 3000; ++i) {
    const kube::Name service = named("s" + std::to_string(random() % 40));
    std::map<Prefix, BgpWish> wishes;
    for (auto n = random() % 3; n > 0; --n) {
      BgpWish w = wish("192.0.2." + std::to_string(random() % 8 * 16) + "/28", {});
      for (const auto& [peer, number] : peers) {
        if (random() % 2 == 0) w.by_peer[peer] = with(static_cast<std::uint16_t>(random() % 3));
      }
      wishes.insert_or_assign(w.prefix, w);
    }
    std::vector<BgpWish> list;
    for (auto& [p, w] : wishes) list.push_back(w);
    now[service] = list;
    steps.set(service, list);
    if (i % 100 != 0) continue;
    RouteTable once;
    once.set_peers(peers);
    for (const auto& [name, l] : now) once.set(name, l);
    ASSERT_EQ(steps.text(Family::v4), once.text(Family::v4)) << i;
    ASSERT_EQ(steps.tellings(), once.tellings()) << i;
  }
}

bird::Protocol session(const std::string& name, bird::BgpState state, const std::string& since, const std::string& error = "") {
  bird::Protocol out;
  out.name = name;
  out.type = "BGP";
  out.bgp = state;
  out.since = since;
  out.last_error = error;
  out.neighbor = "fe80::1%eth0";
  out.channels = {{"ipv4", "UP", 0, 3, ""}, {"ipv6", "UP", 0, 4, ""}};
  return out;
}

TEST(BgpSessions, WhatChanged) {
  using enum bird::BgpState;
  using What = SessionChange::What;
  const std::set<std::string> symbols{"flp_a", "flp_if"};
  const auto look = [&](std::vector<bird::Protocol> p, std::vector<bird::BfdSession> b = {}) { return sessions_of(p, b, symbols); };
  const auto nothing = look({});
  const auto trying = look({session("flp_a", active, "1", "Socket: Connection refused")});
  const auto up = look({session("flp_a", established, "2", "Socket: Connection refused")});
  const auto again = look({session("flp_a", established, "3")});
  EXPECT_EQ(up.at("flp_a").announced, 7U);
  EXPECT_EQ(up.at("flp_a").last_error, "") << "an old one";
  EXPECT_EQ(changes_of(nothing, trying), (std::vector<SessionChange>{{"flp_a", What::failing, "Socket: Connection refused"}}));
  EXPECT_TRUE(changes_of(trying, trying).empty());
  EXPECT_EQ(changes_of(trying, up), (std::vector<SessionChange>{{"flp_a", What::up, ""}}));
  EXPECT_EQ(changes_of(up, again).size(), 2U) << "down and up between two looks";
  EXPECT_EQ(changes_of(up, trying), (std::vector<SessionChange>{{"flp_a", What::down, "Socket: Connection refused"}}));
  EXPECT_EQ(changes_of(up, nothing).size(), 1U);
  // The real one is a millisecond more or less at each look.
  const auto first = look({session("flp_a", established, "2026-11-21 15:00:13.999")});
  EXPECT_TRUE(changes_of(first, look({session("flp_a", established, "2026-11-21 15:00:14.000")})).empty());
  EXPECT_EQ(changes_of(first, look({session("flp_a", established, "2026-11-21 15:00:15.000")})).size(), 2U);
  EXPECT_NE(remedy("Error: No listening socket").find("--bgp-listen-port"), std::string_view::npos);
  EXPECT_EQ(remedy("Received: Administrative shutdown"), "");
  // The parent of sessions on an interface waits for ever; what counts is its child.
  const auto child = look({session("flp_if", passive, "1"), session("flp_if_1", established, "2"), session("other", established, "1")},
                          {{"fe80::1", "eth0", bird::BfdSession::State::up, "2"}});
  EXPECT_TRUE(child.at("flp_if").is_established);
  EXPECT_TRUE(child.at("flp_if").is_bfd_up);
  EXPECT_EQ(child.size(), 1U);
}

}  // namespace
}  // namespace fairlead::speaker
