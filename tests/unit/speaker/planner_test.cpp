#include "speaker/core/planner.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/builders.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/speaker/kernel.h"

namespace fairlead::speaker {
namespace {

using namespace test;
using nft::Map;

std::vector<Desired::Conflict> plan_all(Planner& planner, std::size_t at_once = 16, TimePoint now = {}) {
  std::vector<Desired::Conflict> out;
  while (planner.is_dirty()) {
    const auto some = planner.plan_some(at_once, now);
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}

/// Objects that come, change and go at random: few names and few addresses, so that they get into each other's way.
class World {
 public:
  explicit World(unsigned seed, unsigned names = 12) : random_(seed), names_(names) {}

  /// One random operation, on the planner and on our own copy.
  void step(Planner& planner) {
    const unsigned what = pick(100);
    if (what < 30) {
      const kube::Name name = service_name();
      change(planner, name, random_service(name));
    } else if (what < 38) {
      change(planner, service_name(), std::nullopt);
    } else if (what < 85) {
      const kube::Name name = slice_name();
      change(planner, name, random_slice(name));
    } else if (what < 95) {
      const kube::Name name = slice_name();
      slices.erase(name);
      planner.set_slice(name, std::nullopt);
    } else {
      node_facts = random_facts();
      planner.set_facts(node_facts);
    }
  }

  /// A planner that sees all of it for the first time.
  Planner fresh() const {
    Planner out;
    for (const auto& [name, s] : services) out.set_service(name, s);
    for (const auto& [name, s] : slices) out.set_slice(name, s);
    out.set_facts(node_facts);
    return out;
  }

  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
  bool one_in(unsigned n) { return pick(n) == 0; }

  std::map<kube::Name, kube::Service> services;
  std::map<kube::Name, kube::EndpointSlice> slices;
  NodeFacts node_facts;

 private:
  void change(Planner& planner, const kube::Name& name, std::optional<kube::Service> s) {
    if (s) {
      services.insert_or_assign(name, *s);
    } else {
      services.erase(name);
    }
    planner.set_service(name, std::move(s));
  }
  void change(Planner& planner, const kube::Name& name, kube::EndpointSlice s) {
    slices.insert_or_assign(name, s);
    planner.set_slice(name, std::move(s));
  }

  kube::Name service_name() { return named("s" + std::to_string(pick(names_))); }
  kube::Name slice_name() { return named("e" + std::to_string(pick(names_ * 2))); }

  kube::Service random_service(const kube::Name& name) {
    kube::Service out = balancer(name.name, {}, {});
    const std::string n = std::to_string(std::stoi(name.name.substr(1)) + 1);
    out.meta.created = pick(5);  // ages that tie, and a Service that was made anew under its name
    if (one_in(15)) out.is_headless = true;
    if (one_in(20)) out.meta.labels["service.kubernetes.io/service-proxy-name"] = "other";
    if (!one_in(10)) out.cluster_ips.push_back(ip("10.96.0." + n));
    if (one_in(3)) out.cluster_ips.push_back(ip("fd02::" + n));
    for (unsigned i = pick(3); i > 0; --i) out.ingress.push_back({ip("192.0.2." + std::to_string(pick(8))), "", !one_in(6)});
    if (one_in(3)) out.ingress.push_back({ip("2001:db8::" + std::to_string(pick(8))), "", true});
    const char* const ranges[] = {"203.0.113.0/24", "203.0.112.0/20", "10.0.0.0/8", "2001:db8:1::/48", "0.0.0.0/0"};
    while (one_in(3)) out.source_ranges.push_back(prefix(ranges[pick(5)]));
    if (one_in(4)) out.external_ips.push_back(ip("198.51.100." + std::to_string(pick(4))));
    out.ports.clear();
    if (!one_in(8)) out.ports.push_back(port("web", 80, Protocol::tcp, static_cast<std::uint16_t>(one_in(2) ? 0 : 30000 + pick(10))));
    if (one_in(3)) out.ports.push_back(port("dns", 53, Protocol::udp));
    const auto policy = [&] { return one_in(2) ? kube::TrafficPolicy::local : kube::TrafficPolicy::cluster; };
    out.internal_traffic_policy = policy();
    out.external_traffic_policy = policy();
    return out;
  }

  kube::EndpointSlice random_slice(const kube::Name& name) {
    kube::EndpointSlice out = slice(name.name, one_in(30) ? "" : service_name().name, {});
    out.family = one_in(3) ? Family::v6 : Family::v4;
    out.ports = {{"web", Protocol::tcp, Port{static_cast<std::uint16_t>(one_in(5) ? 9090 : 8080)}}, {"dns", Protocol::udp, Port{5353}}};
    const unsigned count = one_in(25) ? 60 + pick(12) : pick(7);
    for (unsigned i = 0; i < count; ++i) {
      const std::string last = std::to_string(count > 10 ? i : pick(12));
      kube::Endpoint e = endpoint(out.family == Family::v4 ? "10.244.0." + last : "fd01::" + last, one_in(8) ? "" : one_in(2) ? "n1" : "n2");
      switch (pick(8)) {
        case 0: e = unready(e); break;
        case 1: e = draining(e); break;
        case 2: e = dying(e); break;
        default: break;
      }
      if (one_in(3)) e.zone_hints = {one_in(2) ? "z1" : "z2"};
      out.endpoints.push_back(std::move(e));
    }
    return out;
  }

  NodeFacts random_facts() {
    NodeFacts out = facts();
    if (one_in(2)) out.zone = one_in(2) ? "z2" : "";
    if (one_in(3)) out.detector.pods.clear();
    if (one_in(4)) out.detector.pods.push_back(prefix("10.0.0.0/8"));  // around another
    if (one_in(3)) out.node_addresses = ips({"10.0.0.2", "127.0.0.1", "::1"});
    if (one_in(3)) out.own_addresses = ips({"10.0.0.2", "fd00::2"});
    if (one_in(3)) out.node_ports_everywhere4 = out.node_ports_everywhere6 = true;
    if (one_in(4)) out.detector = {one_in(2) ? Detector::Mode::bridge_interface : Detector::Mode::interface_name_prefix, {}, one_in(2) ? "cali" : ""};
    if (one_in(3)) out.pools = {range("192.0.2.0-192.0.2.3")};
    out.masquerade_all = one_in(4);
    return out;
  }

  std::mt19937 random_;
  unsigned names_;
};

TEST(Planner, RandomIncrementsGiveWhatOneFullPlanGives) {
  for (unsigned seed = 1; seed <= 4; ++seed) {
    World world(seed);
    Planner planner;
    for (int step = 0; step < 2500; ++step) {
      world.step(planner);
      if (world.one_in(3)) continue;  // some come in one turn
      plan_all(planner, 1 + world.pick(4));
      if (!world.one_in(5)) continue;
      Planner fresh = world.fresh();
      plan_all(fresh);
      const auto got = meaning(wanted(planner.table()));
      const auto want = meaning(wanted(fresh.table()));
      if (got == want) continue;
      for (const auto& [key, text] : want) {
        const auto found = got.find(key);
        EXPECT_TRUE(found != got.end() && found->second == text) << key << ": want " << text << ", got " << (found == got.end() ? "nothing" : found->second);
      }
      for (const auto& [key, text] : got) EXPECT_TRUE(want.contains(key)) << key << " should be gone";
      FAIL() << "seed " << seed << ", step " << step;
    }
  }
}

/// The heart: whatever changes, whenever it changes, and wherever a batch is cut, a packet finds its way at every moment.
TEST(Planner, AfterEveryCommitEveryHandleLeadsToEndpointsThatAreThere) {
  std::size_t commits = 0;
  for (unsigned seed = 10; seed < 16; ++seed) {
    World world(seed, 6);
    Planner planner;
    Kernel kernel;
    for (int step = 0; step < 1000; ++step) {
      world.step(planner);
      plan_all(planner);
      // Batches of any size, down to a single change; often the next change comes before all of them are out.
      const std::size_t most = world.one_in(2) ? 1 + world.pick(5) : 1 + world.pick(200);
      while (kernel.apply(planner.table(), most)) {
        ++commits;
        const std::string fault = kernel.fault();
        ASSERT_EQ(fault, "") << "seed " << seed << ", step " << step << ", batches of " << most;
        if (world.one_in(8)) break;
      }
      if (!world.one_in(20)) continue;
      while (kernel.apply(planner.table(), 1000)) {
      }
      const auto have = kernel.have();
      ASSERT_EQ((std::map<nft::ElementKey, std::string>(have.begin(), have.end())), wanted(planner.table())) << "in sync";
    }
  }
  EXPECT_GT(commits, 10'000U);
}

/// Whether a packet could notice a change of this element.
bool is_met(const nft::ElementKey& key, const Kernel::InUse& in_use) {
  switch (key.map) {
    case Map::endpoints4:
    case Map::endpoints6: return in_use.lists.contains(nft::endpoint_slot(key).id);
    case Map::by_pod:
    case Map::by_node:
    case Map::by_other: return in_use.by_source.contains(nft::handle_of(key.bytes).id());  // a list's number stands there as in a handle
    default: return true;
  }
}

TEST(Planner, ARestartOnWhatTheKernelHoldsChangesNothing) {
  int without_conflicts = 0;
  for (unsigned seed = 20; seed < 24; ++seed) {
    World world(seed, seed % 2 == 0 ? 12 : 3);
    Planner planner;
    Kernel kernel;
    for (int step = 0; step < 600; ++step) {
      world.step(planner);
      plan_all(planner);
      if (!world.one_in(20)) continue;
      while (kernel.apply(planner.table(), 1000)) {
      }
      Planner again = world.fresh();
      const auto have = kernel.have();
      again.adopt(have);
      again.table().reset(have);
      const bool has_conflicts = !plan_all(again, 1 + world.pick(4)).empty();
      const Steps steps = again.table().steps();
      if (!has_conflicts) {
        ++without_conflicts;
        ASSERT_TRUE(steps.empty()) << "seed " << seed << ", step " << step;
      }
      // Where a Service lost its frontend to another, nothing in the kernel tells whose list that was: it gets a new
      // number. No packet can notice: nothing points there.
      const Kernel::InUse in_use = kernel.in_use();
      for (const auto* list : {&steps.first, &steps.second}) {
        for (const Change& c : *list) {
          EXPECT_FALSE(is_met(c.element.key, in_use)) << nft::describe(c.element.key) << ", seed " << seed << ", step " << step;
        }
      }
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(without_conflicts, 20);
}

TEST(Planner, ARestartAfterChangesConvergesToo) {
  for (unsigned seed = 30; seed < 34; ++seed) {
    World world(seed);
    Kernel kernel;
    Planner planner;
    for (int round = 0; round < 40; ++round) {
      for (int step = 0; step < 10; ++step) world.step(planner);
      plan_all(planner);
      while (kernel.apply(planner.table(), 1 + world.pick(50)) && !world.one_in(30)) {  // and it died in the middle
      }
      Planner unseen;
      for (int step = 0; step < 5; ++step) world.step(unseen);  // what happened meanwhile
      planner = world.fresh();
      const auto have = kernel.have();
      planner.adopt(have);
      planner.table().reset(have);
      plan_all(planner);
      while (kernel.apply(planner.table(), 1 + world.pick(50))) {
        ASSERT_EQ(kernel.fault(), "") << "seed " << seed << ", round " << round;
      }
      const auto now = kernel.have();
      ASSERT_EQ((std::map<nft::ElementKey, std::string>(now.begin(), now.end())), wanted(planner.table()));
      Planner fresh = world.fresh();
      plan_all(fresh);
      ASSERT_EQ(meaning(wanted(planner.table())), meaning(wanted(fresh.table())));
    }
  }
}

TEST(Planner, DamageIsMended) {
  World world(40);
  Planner planner;
  Kernel kernel;
  for (int step = 0; step < 200; ++step) world.step(planner);
  plan_all(planner);
  while (kernel.apply(planner.table(), 1000)) {
  }
  const auto whole = kernel.have();
  std::size_t n = 0;
  for (const auto& [key, value] : whole) {
    if (nft::info(key.map).has_two_ends() || ++n % 3 != 0) continue;
    const bool is_changed = n % 2 == 0 && nft::info(key.map).value_kind == nft::ValueKind::bytes;
    kernel.nft().tamper("fairlead-1", key.map, {key.bytes, false}, is_changed ? std::optional(std::string(value.size(), '\1')) : std::nullopt);
  }
  ASSERT_NE(kernel.have(), whole);
  planner.table().reset(kernel.have());
  while (kernel.apply(planner.table(), 50)) {
  }
  EXPECT_EQ(kernel.have(), whole);
}

// --- single rules ----------------------------------------------------------------------------------------------------------

kube::Service web(std::string name, std::int64_t created) {
  auto out = balancer(std::move(name), {}, {"192.0.2.10"});
  out.meta.created = created;
  return out;
}

TEST(Planner, ConflictsAreToldAndTheNextInLineTakesOver) {
  Planner planner;
  planner.set_facts(facts());
  auto young = web("young", 20);
  young.cluster_ips = ips({"10.96.0.1"});
  auto old = web("old", 10);
  old.cluster_ips = ips({"10.96.0.2"});
  planner.set_service(named("young"), young);
  EXPECT_TRUE(plan_all(planner).empty());
  planner.set_slice(named("y"), slice("y", "young", {endpoint("10.244.1.1", "n1")}));
  planner.set_slice(named("o"), slice("o", "old", {endpoint("10.244.1.2", "n1")}));
  planner.set_service(named("old"), old);
  const auto conflicts = plan_all(planner);
  ASSERT_FALSE(conflicts.empty());
  for (const Desired::Conflict& c : conflicts) {  // told by each of the two when it is planned
    EXPECT_EQ(nft::describe(c.key), "services4 192.0.2.10 TCP 80");
    EXPECT_EQ(c.winner, named("old"));
    EXPECT_EQ(c.loser, named("young"));
  }
  const auto target = [&] { return meaning(wanted(planner.table())).at("services4 192.0.2.10 TCP 80"); };
  EXPECT_EQ(target(), "spread-1 M 10.244.1.2 8080");
  planner.set_service(named("old"), std::nullopt);
  plan_all(planner);
  EXPECT_EQ(target(), "spread-1 M 10.244.1.1 8080");
}

TEST(Planner, AServiceMadeAnewTakesItsNewAgeEvenWithTheSamePlan) {
  Planner planner;
  planner.set_facts(facts());
  auto a = web("a", 10);
  a.cluster_ips = ips({"10.96.0.1"});
  auto b = web("b", 20);
  b.cluster_ips = ips({"10.96.0.2"});
  planner.set_slice(named("ea"), slice("ea", "a", {endpoint("10.244.1.1", "n1")}));
  planner.set_slice(named("eb"), slice("eb", "b", {endpoint("10.244.1.2", "n1")}));
  planner.set_service(named("a"), a);
  planner.set_service(named("b"), b);
  plan_all(planner);
  a.meta.created = 30;
  planner.set_service(named("a"), a);
  plan_all(planner);
  EXPECT_EQ(meaning(wanted(planner.table())).at("services4 192.0.2.10 TCP 80"), "spread-1 M 10.244.1.2 8080");
}

TEST(Planner, ASliceThatMovesTouchesBothServices) {
  Planner planner;
  planner.set_facts(facts());
  planner.set_service(named("a"), service("a", {"10.96.0.1"}));
  planner.set_service(named("b"), service("b", {"10.96.0.2"}));
  planner.set_slice(named("e"), slice("e", "a", {endpoint("10.244.1.1", "n1")}));
  plan_all(planner);
  const auto of = [&](const char* address) { return meaning(wanted(planner.table())).at(std::string("services4 ") + address + " TCP 80"); };
  EXPECT_EQ(of("10.96.0.1"), "spread-1 P 10.244.1.1 8080");
  EXPECT_EQ(of("10.96.0.2"), "refuse -");
  planner.set_slice(named("e"), slice("e", "b", {endpoint("10.244.1.1", "n1")}));
  plan_all(planner);
  EXPECT_EQ(of("10.96.0.1"), "refuse -");
  EXPECT_EQ(of("10.96.0.2"), "spread-1 P 10.244.1.1 8080");
  planner.set_slice(named("e"), std::nullopt);
  plan_all(planner);
  EXPECT_EQ(of("10.96.0.2"), "refuse -");
  EXPECT_TRUE(planner.slices_of(named("b")).empty());
}

TEST(Planner, FactsBecomeSetsWithoutNestedPrefixesAndLoopbacks) {
  Planner planner;
  NodeFacts node = facts();
  node.node_addresses = ips({"10.0.0.1", "127.0.0.1", "::1"});
  node.detector.pods = {prefix("10.244.1.0/24"), prefix("10.244.0.0/16"), prefix("10.244.0.0/16"), prefix("10.245.0.0/16")};
  planner.set_facts(node);
  plan_all(planner);
  std::map<Map, int> count;
  for (const auto& [key, value] : wanted(planner.table())) ++count[key.map];
  EXPECT_EQ(count[Map::node_addresses4], 1);
  EXPECT_EQ(count[Map::node_addresses6], 0);
  EXPECT_EQ(count[Map::pods4], 2);
  EXPECT_EQ(count[Map::service_cidrs4], 1);
  EXPECT_EQ(count[Map::service_cidrs6], 1);
}

TEST(Planner, DetectorsAndNodePortsEverywhereAreElements) {
  const auto count = [](const NodeFacts& node, Map map) {
    Planner planner;
    planner.set_facts(node);
    plan_all(planner);
    std::map<Map, int> out;
    for (const auto& [key, value] : wanted(planner.table())) ++out[key.map];
    return out[map];
  };
  NodeFacts node = facts();
  EXPECT_EQ(count(node, Map::pod_links), 0);
  EXPECT_EQ(count(node, Map::everywhere4), 0);
  node.detector = {Detector::Mode::bridge_interface, {}, "cni0"};
  node.node_ports_everywhere6 = true;
  EXPECT_EQ(count(node, Map::pod_links), 1);
  EXPECT_EQ(count(node, Map::pods4), 0);
  EXPECT_EQ(count(node, Map::everywhere4), 0);
  EXPECT_EQ(count(node, Map::everywhere6), 2);
  Planner planner;
  planner.set_facts(node);
  plan_all(planner);
  EXPECT_NE(planner.table().desired().find(nft::pod_link("cni0", false).key), nullptr) << "a bridge by its whole name";
  node.detector.mode = Detector::Mode::interface_name_prefix;
  planner.set_facts(node);
  plan_all(planner);
  EXPECT_NE(planner.table().desired().find(nft::pod_link("cni0", true).key), nullptr);
  EXPECT_EQ(planner.table().desired().find(nft::pod_link("cni0", false).key), nullptr);
}

TEST(Planner, PlansAtMostWhatItIsAllowedAndTheSameFactsDirtyNothing) {
  Planner planner;
  planner.set_facts(facts());
  for (int n = 0; n < 10; ++n) planner.set_service(named("s" + std::to_string(n)), service("s", {"10.96.0.1"}));
  planner.plan_some(4, {});
  EXPECT_TRUE(planner.is_dirty());
  planner.plan_some(6, {});
  EXPECT_FALSE(planner.is_dirty());
  planner.set_facts(facts());
  EXPECT_FALSE(planner.is_dirty());
  NodeFacts other = facts();
  other.zone = "z9";
  planner.set_facts(other);
  EXPECT_TRUE(planner.is_dirty());
}

TEST(Planner, WhatIsNotProgrammedLeavesNothingBehind) {
  Planner planner;
  planner.set_facts(facts());
  plan_all(planner);
  const auto empty = wanted(planner.table());
  planner.set_service(named("a"), service("a", {"10.96.0.1"}));
  planner.set_slice(named("e"), slice("e", "a", {endpoint("10.244.1.1", "n1")}));
  plan_all(planner);
  EXPECT_NE(planner.plan_of(named("a")), nullptr);
  auto headless = service("a", {"10.96.0.1"});
  headless.is_headless = true;
  planner.set_service(named("a"), headless);
  plan_all(planner);
  EXPECT_EQ(wanted(planner.table()), empty);
  EXPECT_EQ(planner.plan_of(named("a")), nullptr);
}

}  // namespace
}  // namespace fairlead::speaker
