#include "controller/core/pools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller/world.h"

namespace fairlead::controller::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

api::IPAddressPool allocated(api::IPAddressPool p, api::ServiceAllocation a) {
  p.service_allocation = std::move(a);
  return p;
}

kube::LabelSelector selector(std::string key, std::string value) {
  kube::LabelSelector out;
  out.match_labels[std::move(key)] = std::move(value);
  return out;
}

TEST(Pools, EachMistakeIsRefusedByName) {
  const auto other_ns = [](api::IPAddressPool p) {
    p.meta.ns = "other";
    return p;
  };
  const auto a = selector("app", "a");
  const auto b = selector("app", "b");
  const struct {
    const char* name;
    std::vector<api::IPAddressPool> pools;
    const char* refused;  // "" for none
    Reason reason;
    const char* sentence;
  } cases[] = {
      {"nothing wrong", {pool("a", {"10.0.0.0/24"}), pool("b", {"10.0.1.0/24", "fd00::/64"})}, "", {}, ""},
      {"no addresses", {pool("a", {})}, "a", Reason::pool_without_addresses, "spec.addresses is empty"},
      {"the same name twice",
       {pool("a", {"10.0.0.0/24"}, 1), other_ns(pool("a", {"10.0.1.0/24"}, 2))},
       "a",
       Reason::pool_duplicate_name,
       "IPAddressPool other/a: metadata.name is also that of IPAddressPool default/a"},
      {"overlap within",
       {pool("a", {"10.0.0.0/24", "10.0.0.255-10.0.1.3"})},
       "a",
       Reason::pool_overlaps_itself,
       "spec.addresses[1] 10.0.0.255-10.0.1.3 overlaps 10.0.0.0-10.0.0.255 of the same pool"},
      {"overlap across: the younger is refused",
       {pool("a", {"10.0.0.0/24"}, 2), pool("b", {"10.0.0.9-10.0.0.9"}, 1)},
       "a",
       Reason::pool_overlaps_other,
       "overlaps 10.0.0.9 of IPAddressPool default/b"},
      {"overlap across: alike in age, the second name is refused",
       {pool("a", {"10.0.0.0/24"}), pool("b", {"9.0.0.0/8", "10.0.0.255-10.0.0.255"})},
       "b",
       Reason::pool_overlaps_other,
       "spec.addresses[1]"},
      {"neighbours do not overlap", {pool("a", {"10.0.0.0/25"}), pool("b", {"10.0.0.128/25"})}, "", {}, ""},
      {"a range inside a wider one of IPv6",
       {pool("a", {"fd00::/64"}), pool("b", {"fd00::1:0/112"})},
       "b",
       Reason::pool_overlaps_other,
       "fd00::1:0"},
      {"duplicate namespace",
       {allocated(pool("a", {"10.0.0.0/24"}), allocation({"x", "y", "x"}))},
       "a",
       Reason::pool_duplicate_namespace,
       "names x twice"},
      {"duplicate namespace selector",
       {allocated(pool("a", {"10.0.0.0/24"}), allocation({}, {a, a}))},
       "a",
       Reason::pool_duplicate_selector,
       "namespaceSelectors[1] repeats entry 0"},
      {"duplicate service selector",
       {allocated(pool("a", {"10.0.0.0/24"}), allocation({}, {}, {a, b, b}))},
       "a",
       Reason::pool_duplicate_selector,
       "serviceSelectors[2] repeats entry 1"},
      {"different selectors", {allocated(pool("a", {"10.0.0.0/24"}), allocation({}, {a, b}, {a}))}, "", {}, ""},
      {"a node in the middle of the second range",
       {pool("a", {"10.0.0.0/24", "192.0.2.0/24"})},
       "a",
       Reason::pool_contains_node,
       "IPAddressPool default/a: spec.addresses[1] 192.0.2.0-192.0.2.255 contains 192.0.2.7, the address of Node n1"},
      {"a node at the very end", {pool("a", {"192.0.2.1-192.0.2.7"})}, "a", Reason::pool_contains_node, "Node n1"},
      {"a node at the very start", {pool("a", {"192.0.2.7-192.0.2.9"})}, "a", Reason::pool_contains_node, "Node n1"},
      {"a node just outside", {pool("a", {"192.0.2.8-192.0.2.9", "192.0.2.0-192.0.2.6"})}, "", {}, ""},
      {"a node by its IPv6 address", {pool("a", {"fd01::/64"})}, "a", Reason::pool_contains_node, "fd01::7"},
  };
  const kube::Node n1 = node("n1", {"192.0.2.7", "fd01::7"});
  const std::vector<const kube::Node*> nodes{&n1};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    std::vector<const api::IPAddressPool*> all;
    for (const auto& p : c.pools) all.push_back(&p);
    for (const bool is_reversed : {false, true}) {  // the order of reading does not matter
      if (is_reversed) std::reverse(all.begin(), all.end());
      const Pools pools(all, nodes);
      if (*c.refused == '\0') {
        EXPECT_THAT(pools.refused(), IsEmpty());
        EXPECT_EQ(pools.valid().size(), all.size());
        continue;
      }
      ASSERT_EQ(pools.refused().size(), 1U);
      EXPECT_EQ(pools.refused()[0].pool->meta.name, c.refused);
      EXPECT_EQ(pools.refused()[0].reason, c.reason);
      EXPECT_THAT(pools.refused()[0].what, HasSubstr(c.sentence));
      EXPECT_EQ(pools.valid().size(), all.size() - 1);
    }
  }
}

TEST(Pools, ARefusedPoolDoesNotBlockTheNext) {
  const auto a = pool("a", {"10.0.0.0/24", "192.0.2.0/24"}, 1);  // contains the node
  const auto b = pool("b", {"10.0.0.0/24"}, 2);
  const auto c = pool("c", {"10.0.1.0/24", "10.0.0.0/25"}, 3);  // overlaps b after its first range was taken
  const auto d = pool("d", {"10.0.1.0/24"}, 4);
  const kube::Node n = node("n", {"192.0.2.7"});
  const Pools pools(std::vector{&a, &b, &c, &d}, std::vector{&n});
  EXPECT_THAT(pools.valid(), ElementsAre(&b, &d));
  EXPECT_EQ(pools.at(ip("10.0.1.9")), 1U);
  EXPECT_EQ(pools.at(ip("10.0.0.9")), 0U);
  EXPECT_EQ(pools.at(ip("192.0.2.9")), std::nullopt);
  EXPECT_EQ(pools.at(ip("9.255.255.255")), std::nullopt);
  EXPECT_EQ(pools.at(ip("10.0.2.0")), std::nullopt);
  EXPECT_EQ(pools.holder_of(ip("192.0.2.9"), ""), &a);
  EXPECT_EQ(pools.holder_of(ip("1.2.3.4"), "c"), &c) << "the version that gave the address may have had other ranges";
  EXPECT_EQ(pools.holder_of(ip("1.2.3.4"), "b"), nullptr) << "a valid pool without the address has let it go";
}

TEST(Pools, CapacityCountsWhatCouldBeGiven) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const struct {
    const char* name;
    api::IPAddressPool pool;
    bool avoids;
    std::array<std::int64_t, 2> want;
  } cases[] = {
      {"a /24", pool("a", {"10.0.0.0/24"}), false, {256, 0}},
      {"a /24, avoiding .0 and .255", pool("a", {"10.0.0.0/24"}), true, {254, 0}},
      {"only edges that are there are avoided", pool("a", {"10.0.0.1-10.0.0.254"}), true, {254, 0}},
      {"one edge", pool("a", {"10.0.0.255-10.0.1.0"}), true, {0, 0}},
      {"from .255 to .1", pool("a", {"10.0.0.255-10.0.1.1"}), true, {1, 0}},
      {"a single .0", pool("a", {"10.0.0.0/32"}), true, {0, 0}},
      {"all of IPv4", pool("a", {"0.0.0.0/0"}), false, {std::int64_t{1} << 32, 0}},
      {"all of IPv4, avoiding", pool("a", {"0.0.0.0/0"}), true, {(std::int64_t{1} << 32) - (2 << 24), 0}},
      {"both families; IPv6 is never avoided", pool("a", {"fd00::/120", "10.0.0.0/30"}), true, {3, 256}},
      {"2^61", pool("a", {"fd00::/67"}), false, {0, std::int64_t{1} << 61}},
      {"from 2^62 on as MetalLB counts", pool("a", {"fd00::/66"}), false, {0, kMost}},
      {"2^63 saturates", pool("a", {"fd00::/65"}), false, {0, kMost}},
      {"all of IPv6 saturates", pool("a", {"::/0"}), false, {0, kMost}},
      {"a sum saturates", pool("a", {"fd00::/67", "fd01::/67", "fd02::/67", "fd03::/67"}), false, {0, kMost}},
      {"and does not overflow", pool("a", {"fd00::/64", "fd01::/64", "10.0.0.0/24"}), false, {256, kMost}},
  };
  for (auto c : cases) {
    SCOPED_TRACE(c.name);
    c.pool.avoid_buggy_ips = c.avoids;
    EXPECT_EQ(capacity(c.pool), c.want);
  }
}

}  // namespace
}  // namespace fairlead::controller::core
