#include <gtest/gtest.h>

#include "proto/match/pool.h"
#include "proto/match/selector.h"

namespace fairlead::match {
namespace {

using kube::Labels;
using kube::LabelSelector;
using Operator = LabelSelector::Operator;

const Labels kLabels = {{"app", "web"}, {"tier", "front"}};

TEST(Selects, AnEmptySelectorSelectsNoPod) {
  EXPECT_FALSE(selects({}, kLabels));
  EXPECT_TRUE(selects({{"app", "web"}}, kLabels));
  EXPECT_TRUE(selects(kLabels, kLabels));
  EXPECT_FALSE(selects({{"app", "web"}, {"tier", "back"}}, kLabels));
  EXPECT_FALSE(selects({{"zone", "a"}}, kLabels));
}

TEST(Matches, Table) {
  const struct {
    const char* name;
    LabelSelector selector;
    bool want;
  } cases[] = {
      {"empty matches everything", {}, true},
      {"label", {{{"app", "web"}}, {}}, true},
      {"other value", {{{"app", "db"}}, {}}, false},
      {"In", {{}, {{"app", Operator::in, {"db", "web"}}}}, true},
      {"In, not listed", {{}, {{"app", Operator::in, {"db"}}}}, false},
      {"In, label missing", {{}, {{"zone", Operator::in, {"a"}}}}, false},
      {"NotIn", {{}, {{"app", Operator::not_in, {"db"}}}}, true},
      {"NotIn, listed", {{}, {{"app", Operator::not_in, {"web"}}}}, false},
      {"NotIn, label missing", {{}, {{"zone", Operator::not_in, {"a"}}}}, true},
      {"Exists", {{}, {{"app", Operator::exists, {}}}}, true},
      {"Exists, missing", {{}, {{"zone", Operator::exists, {}}}}, false},
      {"DoesNotExist", {{}, {{"zone", Operator::does_not_exist, {}}}}, true},
      {"DoesNotExist, there", {{}, {{"app", Operator::does_not_exist, {}}}}, false},
      {"all parts must match", {{{"app", "web"}}, {{"tier", Operator::in, {"back"}}}}, false},
  };
  for (const auto& c : cases) EXPECT_EQ(matches(c.selector, kLabels), c.want) << c.name;
}

TEST(AnyMatches, IsAUnionAndSaysWhatEmptyMeans) {
  const LabelSelector web{{{"app", "web"}}, {}};
  const LabelSelector db{{{"app", "db"}}, {}};
  EXPECT_TRUE(any_matches(std::vector{db, web}, kLabels, false));
  EXPECT_FALSE(any_matches(std::vector{db}, kLabels, true));
  EXPECT_TRUE(any_matches({}, kLabels, true));
  EXPECT_FALSE(any_matches({}, kLabels, false));
}

TEST(PoolServes, Table) {
  kube::Service service;
  service.meta = {"shop", "web", "", "", 0, kLabels, {}};
  const Namespaces namespaces = {{"shop", {{"team", "a"}}}};
  const LabelSelector team_a{{{"team", "a"}}, {}};
  const LabelSelector team_b{{{"team", "b"}}, {}};
  const LabelSelector by_name{{{"kubernetes.io/metadata.name", "shop"}}, {}};
  const LabelSelector web{{{"app", "web"}}, {}};
  const LabelSelector db{{{"app", "db"}}, {}};
  using Rule = std::optional<api::ServiceAllocation>;
  const struct {
    const char* name;
    Rule rule;
    bool want;
  } cases[] = {
      {"no rule", std::nullopt, true},
      {"an empty rule", api::ServiceAllocation{}, true},
      {"a priority only", api::ServiceAllocation{7, {}, {}, {}}, true},
      {"its namespace", api::ServiceAllocation{0, {"shop"}, {}, {}}, true},
      {"another namespace", api::ServiceAllocation{0, {"bank"}, {}, {}}, false},
      {"a namespace selector", api::ServiceAllocation{0, {}, {team_a}, {}}, true},
      {"a selector of no namespace serves nobody", api::ServiceAllocation{0, {}, {team_b}, {}}, false},
      {"the label that every namespace has", api::ServiceAllocation{0, {}, {by_name}, {}}, true},
      {"list and selectors are a union", api::ServiceAllocation{0, {"shop"}, {team_b}, {}}, true},
      {"a service selector", api::ServiceAllocation{0, {}, {}, {web}}, true},
      {"another service selector", api::ServiceAllocation{0, {}, {}, {db}}, false},
      {"both must match", api::ServiceAllocation{0, {"shop"}, {}, {db}}, false},
      {"both match", api::ServiceAllocation{0, {"shop"}, {}, {db, web}}, true},
  };
  for (const auto& c : cases) {
    api::IPAddressPool pool;
    pool.service_allocation = c.rule;
    EXPECT_EQ(pool_serves(pool, service, namespaces), c.want) << c.name;
  }
}

TEST(Advertises, PoolsByNameOrSelectorAndAllWhenNeitherIsGiven) {
  api::IPAddressPool pool;
  pool.meta.name = "p";
  pool.meta.labels = kLabels;
  const LabelSelector web{{{"app", "web"}}, {}};
  const LabelSelector db{{{"app", "db"}}, {}};
  api::L2Advertisement ad;
  EXPECT_TRUE(advertises_pool(ad, pool));
  ad.pools = {"q"};
  EXPECT_FALSE(advertises_pool(ad, pool));
  ad.pool_selectors = {web};
  EXPECT_TRUE(advertises_pool(ad, pool)) << "a union";
  ad = {};
  ad.pool_selectors = {db};
  EXPECT_FALSE(advertises_pool(ad, pool)) << "selectors that match nothing do not mean all";
  ad.pools = {"p"};
  EXPECT_TRUE(advertises_pool(ad, pool));
}

TEST(Advertises, ServicesAndNodesBySelector) {
  const LabelSelector web{{{"app", "web"}}, {}};
  const LabelSelector db{{{"app", "db"}}, {}};
  kube::Service service;
  service.meta.labels = kLabels;
  kube::Node node;
  node.meta.labels = kLabels;
  api::L2Advertisement ad;
  EXPECT_TRUE(advertises_service(ad, service));
  EXPECT_TRUE(advertises_from(ad, node));
  ad.service_selectors = ad.node_selectors = {db};
  EXPECT_FALSE(advertises_service(ad, service));
  EXPECT_FALSE(advertises_from(ad, node));
  ad.service_selectors = ad.node_selectors = {db, web};
  EXPECT_TRUE(advertises_service(ad, service));
  EXPECT_TRUE(advertises_from(ad, node));
}

TEST(BgpAdvertisement, ChoosesLikeAnL2Advertisement) {
  api::IPAddressPool pool;
  pool.meta.name = "p";
  pool.meta.labels = {{"zone", "a"}};
  kube::Service service;
  service.meta.labels = {{"app", "web"}};
  kube::Node node;
  node.meta.labels = {{"rack", "r1"}};
  const kube::LabelSelector other{{{"rack", "r2"}}, {}};

  api::BGPAdvertisement ad;
  EXPECT_TRUE(advertises_pool(ad, pool) && advertises_service(ad, service) && advertises_from(ad, node));
  ad.pools = {"q"};
  EXPECT_FALSE(advertises_pool(ad, pool));
  ad.pool_selectors = {{{{"zone", "a"}}, {}}};
  EXPECT_TRUE(advertises_pool(ad, pool));
  ad.service_selectors = {{{{"app", "db"}}, {}}};
  EXPECT_FALSE(advertises_service(ad, service));
  ad.node_selectors = {other};
  EXPECT_FALSE(advertises_from(ad, node));

  api::BGPPeer peer;
  EXPECT_TRUE(peers_with(node, peer));
  peer.node_selectors = {other};
  EXPECT_FALSE(peers_with(node, peer));
  peer.node_selectors.push_back({});
  EXPECT_TRUE(peers_with(node, peer));
}

}  // namespace
}  // namespace fairlead::match
