#include "speaker/core/endpoints.h"

#include <gtest/gtest.h>

#include "tests/support/builders.h"

namespace fairlead::speaker {
namespace {

using namespace test;

std::vector<Target> at8080(std::initializer_list<std::string_view> texts) {
  std::vector<Target> out;
  for (const auto text : texts) out.push_back({ip(text), Port{8080}});
  return out;
}

Selection chosen(const std::vector<kube::EndpointSlice>& slices, Family family = Family::v4, const kube::ServicePort& p = port("", 80)) {
  return select(p, family, pointers(slices), facts());
}
Selection chosen(std::vector<kube::Endpoint> endpoints) { return chosen({slice("web-1", "web", std::move(endpoints))}); }

const kube::Endpoint kHere = endpoint("10.244.1.1", "n1");
const kube::Endpoint kHere2 = endpoint("10.244.1.2", "n1");
const kube::Endpoint kThere = endpoint("10.244.2.1", "n2");
const kube::Endpoint kThere2 = endpoint("10.244.2.2", "n2");
kube::Endpoint serving_only(kube::Endpoint e) {  // a readiness probe that failed
  e.is_ready = false;
  return e;
}
kube::Endpoint published(kube::Endpoint e) {  // publishNotReadyAddresses: ready wins outright
  e.is_serving = false;
  e.is_terminating = true;
  return e;
}

TEST(Select, ReadyAndTerminatingTable) {
  const struct {
    const char* name;
    std::vector<kube::Endpoint> in;
    std::vector<Target> cluster, local;
    bool has_any;
  } cases[] = {
      {"nobody", {}, {}, {}, false},
      {"here and there", {kHere, kThere}, at8080({"10.244.1.1", "10.244.2.1"}), at8080({"10.244.1.1"}), true},
      {"there alone", {kThere}, at8080({"10.244.2.1"}), {}, true},
      {"no node name counts as remote", {endpoint("10.244.9.9")}, at8080({"10.244.9.9"}), {}, true},
      {"not ready", {unready(kHere), unready(kThere)}, {}, {}, false},
      {"one of two not ready", {unready(kHere), kThere}, at8080({"10.244.2.1"}), {}, true},
      {"serving but neither ready nor terminating", {serving_only(kHere)}, {}, {}, false},
      {"terminating and not serving, alone", {dying(kHere)}, {}, {}, false},
      {"all drain", {draining(kHere), draining(kThere)}, at8080({"10.244.1.1", "10.244.2.1"}), at8080({"10.244.1.1"}), true},
      {"draining beside ready is left out", {draining(kHere), kHere2, kThere}, at8080({"10.244.1.2", "10.244.2.1"}), at8080({"10.244.1.2"}), true},
      {"each list falls back by itself", {draining(kHere), kThere}, at8080({"10.244.2.1"}), at8080({"10.244.1.1"}), true},
      {"... the other way round", {kHere, draining(kThere)}, at8080({"10.244.1.1"}), at8080({"10.244.1.1"}), true},
      {"draining there, nothing here", {draining(kThere)}, at8080({"10.244.2.1"}), {}, true},
      {"ready wins over terminating", {published(kHere), draining(kThere)}, at8080({"10.244.1.1"}), at8080({"10.244.1.1"}), true},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const Selection got = chosen(c.in);
    EXPECT_EQ(got.cluster, c.cluster);
    EXPECT_EQ(got.local, c.local);
    EXPECT_EQ(got.has_any, c.has_any);
  }
}

TEST(Select, HintsTable) {
  const auto z = [](kube::Endpoint e, const char* zone) { return for_zones(std::move(e), {zone}); };
  const auto zn = [](kube::Endpoint e, const char* zone, const char* n) { return for_nodes(for_zones(std::move(e), {zone}), {n}); };
  const struct {
    const char* name;
    std::vector<kube::Endpoint> in;
    std::vector<Target> cluster;
  } cases[] = {
      {"our zone", {z(kHere, "z1"), z(kThere, "z2"), z(kThere2, "z1")}, at8080({"10.244.1.1", "10.244.2.2"})},
      {"several zones on one endpoint", {for_zones(kHere, {"z9", "z1"}), z(kThere, "z2")}, at8080({"10.244.1.1"})},
      {"one without a hint switches them off", {z(kHere, "z1"), z(kThere, "z2"), kThere2}, at8080({"10.244.1.1", "10.244.2.1", "10.244.2.2"})},
      {"nobody is for our zone", {z(kHere, "z2"), z(kThere, "z2")}, at8080({"10.244.1.1", "10.244.2.1"})},
      {"our node before our zone", {zn(kHere, "z1", "n1"), zn(kThere, "z1", "n2")}, at8080({"10.244.1.1"})},
      {"nobody is for our node: the zone", {zn(kHere, "z1", "n2"), zn(kThere, "z2", "n3")}, at8080({"10.244.1.1"})},
      {"one without a node hint: the zone", {zn(kHere, "z2", "n1"), z(kThere, "z1")}, at8080({"10.244.2.1"})},
      {"hints of those that are not ready do not count", {z(kHere, "z1"), unready(kThere), z(kThere2, "z2")}, at8080({"10.244.1.1"})},
      {"an unready one for our zone does not select it", {unready(z(kHere, "z1")), z(kThere, "z2")}, at8080({"10.244.2.1"})},
      {"draining ones come without hints", {draining(z(kHere, "z2")), draining(z(kThere, "z1"))}, at8080({"10.244.1.1", "10.244.2.1"})},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(chosen(c.in).cluster, c.cluster);
  }
  const auto local = chosen({for_zones(kHere, {"z2"}), for_zones(kThere, {"z1"})});
  EXPECT_EQ(local.local, at8080({"10.244.1.1"})) << "local lists ignore hints";
  EXPECT_EQ(local.cluster, at8080({"10.244.2.1"}));
}

TEST(Select, ANodeWithoutZoneIgnoresZones) {
  NodeFacts nowhere = facts();
  nowhere.zone = "";
  const std::vector<kube::EndpointSlice> slices{slice("web-1", "web", {for_zones(kHere, {""}), for_zones(kThere, {"z2"})})};
  EXPECT_EQ(select(port("", 80), Family::v4, pointers(slices), nowhere).cluster.size(), 2U);
}

TEST(Select, DuplicatesAcrossSlicesCollapseAndTheLocalCopyWins) {
  auto lost = kHere;
  lost.node_name = "n2";
  for (const bool local_first : {true, false}) {
    const auto got = chosen({slice("web-1", "web", {local_first ? kHere : lost, kThere}), slice("web-2", "web", {local_first ? lost : kHere, kThere})});
    EXPECT_EQ(got.cluster, at8080({"10.244.1.1", "10.244.2.1"}));
    EXPECT_EQ(got.local, at8080({"10.244.1.1"}));
  }
}

TEST(Select, PortsAreMatchedByNameAndProtocolAndMayDifferInNumber) {
  auto a = slice("web-1", "web", {kHere});
  a.ports = {{"http", Protocol::tcp, Port{8080}}, {"dns", Protocol::udp, Port{5353}}, {"dns", Protocol::tcp, Port{5300}}};
  auto b = slice("web-2", "web", {kThere});
  b.ports = {{"http", Protocol::tcp, Port{9090}}, {"dns", Protocol::udp, Port{0}}};
  using T = std::vector<Target>;
  EXPECT_EQ(chosen({a, b}, Family::v4, port("http", 80)).cluster, (T{{ip("10.244.1.1"), Port{8080}}, {ip("10.244.2.1"), Port{9090}}}));
  EXPECT_EQ(chosen({a, b}, Family::v4, port("dns", 53, Protocol::udp)).cluster, (T{{ip("10.244.1.1"), Port{5353}}})) << "no port number: left out";
  EXPECT_EQ(chosen({a, b}, Family::v4, port("dns", 53)).cluster, (T{{ip("10.244.1.1"), Port{5300}}}));
  EXPECT_FALSE(chosen({a, b}, Family::v4, port("", 80)).has_any);
  EXPECT_FALSE(chosen({a, b}, Family::v4, port("http", 80, Protocol::sctp)).has_any);
}

TEST(Select, TheSameAddressMayServeOnTwoPorts) {
  auto a = slice("web-1", "web", {kHere});
  auto b = slice("web-2", "web", {kHere});
  b.ports = {{"", Protocol::tcp, Port{9090}}};
  const auto got = chosen({a, b});
  EXPECT_EQ(got.cluster, (std::vector<Target>{{ip("10.244.1.1"), Port{8080}}, {ip("10.244.1.1"), Port{9090}}}));
  EXPECT_EQ(got.hairpin, ips({"10.244.1.1"}));
}

TEST(Select, FamiliesAreApart) {
  const std::vector<kube::EndpointSlice> both{slice("web-1", "web", {kHere}), slice("web-2", "web", {endpoint("fd01::1", "n1"), endpoint("fd01::2", "n2")})};
  EXPECT_EQ(chosen(both, Family::v4).cluster, at8080({"10.244.1.1"}));
  EXPECT_EQ(chosen(both, Family::v6).cluster, at8080({"fd01::1", "fd01::2"}));
  EXPECT_EQ(chosen(both, Family::v6).local, at8080({"fd01::1"}));
}

TEST(Select, HairpinListsWhatMayBeHere) {
  EXPECT_EQ(chosen({kHere, kThere, endpoint("10.244.9.9"), draining(kHere2)}).hairpin, ips({"10.244.1.1", "10.244.1.2", "10.244.9.9"}));
}

}  // namespace
}  // namespace fairlead::speaker
