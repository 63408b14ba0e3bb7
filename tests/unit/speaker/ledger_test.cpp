#include "speaker/core/ledger.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/support/builders.h"
#include "tests/support/manual_clock.h"

namespace fairlead::speaker {
namespace {

using namespace test;
using namespace std::chrono_literals;
using nft::Map;

Target t(int n) { return {Ip4::of(0x0af40000U + static_cast<std::uint32_t>(n)), Port{8080}}; }
std::vector<Target> ts(std::initializer_list<int> ns) {
  std::vector<Target> out;
  for (const int n : ns) out.push_back(t(n));
  return out;
}
std::vector<Target> up_to(int n) {
  std::vector<Target> out;
  for (int i = 0; i < n; ++i) out.push_back(t(i));
  return out;
}

/// One ClusterIP frontend on a list of these endpoints.
ServicePlan plan_of(std::vector<Target> targets, std::string_view address = "10.96.0.1") {
  ServicePlan out;
  out.lists = {{{"", Protocol::tcp, Family::v4, Scope::cluster}, std::move(targets)}};
  out.frontends = {{ip(address), Family::v4, Protocol::tcp, Port{80}, "", {{Choice::Kind::list, Scope::cluster, nft::Masquerade::never}, {}}}};
  return out;
}
const ListKey kList{"", Protocol::tcp, Family::v4, Scope::cluster};

Ledger::Kernel kernel_of(const std::vector<nft::Element>& elements, Ledger::Kernel into = {}) {
  for (const nft::Element& e : elements) into[e.key] = e.value;
  return into;
}
nft::Handle frontend_handle(const std::vector<nft::Element>& elements) {
  for (const nft::Element& e : elements) {
    if (e.key.map == Map::services4) return nft::handle_of(e.value);
  }
  return {};
}

TEST(Reorder, Table) {
  const struct {
    const char* name;
    std::vector<Target> order, wanted, want;
  } cases[] = {
      {"from nothing", {}, ts({1, 2, 3}), ts({1, 2, 3})},
      {"to nothing", ts({1, 2, 3}), {}, {}},
      {"the same, whatever the order", ts({3, 1, 2}), ts({1, 2, 3}), ts({3, 1, 2})},
      {"growing appends", ts({2, 1}), ts({1, 2, 3}), ts({2, 1, 3})},
      {"the last leaves", ts({1, 2, 3}), ts({1, 2}), ts({1, 2})},
      {"shrinking: the last moves into the hole", ts({1, 2, 3}), ts({2, 3}), ts({3, 2})},
      {"in the middle", ts({1, 2, 3, 4}), ts({1, 3, 4}), ts({1, 4, 3})},
      {"replaced in place", ts({1, 2, 3}), ts({1, 3, 9}), ts({1, 9, 3})},
      {"all replaced", ts({1, 2}), ts({8, 9}), ts({8, 9})},
      {"one came, two left", ts({1, 2, 3, 4}), ts({2, 4, 9}), ts({9, 2, 4})},
      {"two came, one left", ts({1, 2, 3}), ts({1, 3, 8, 9}), ts({1, 8, 3, 9})},
      {"several holes at the end", ts({1, 2, 3, 4}), ts({1}), ts({1})},
      {"holes at both ends", ts({1, 2, 3, 4, 5}), ts({2, 3, 4}), ts({4, 2, 3})},
      {"twice in a damaged table", ts({1, 1, 2}), ts({1, 2}), ts({1, 2})},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(reorder(c.order, c.wanted), c.want);
  }
}

TEST(Reorder, RandomOnesHoldExactlyWhatIsWantedAndMoveLittle) {
  std::mt19937 random(1);
  std::vector<Target> order;
  for (int round = 0; round < 5000; ++round) {
    std::vector<Target> wanted;
    for (int n = 0; n < 12; ++n) {
      if (random() % 2 != 0) wanted.push_back(t(n));
    }
    const auto next = reorder(order, wanted);
    EXPECT_EQ(std::set<Target>(next.begin(), next.end()), std::set<Target>(wanted.begin(), wanted.end()));
    ASSERT_EQ(next.size(), wanted.size());
    // A survivor within the new length keeps its index; only those beyond it move.
    const std::set<Target> stays(wanted.begin(), wanted.end());
    for (std::size_t i = 0; i < std::min(order.size(), next.size()); ++i) {
      if (!stays.contains(order[i])) continue;
      EXPECT_EQ(next[i], order[i]);
    }
    order = next;
  }
}

TEST(Ledger, IdsAreNotUsedAgainForADay) {
  test::ManualClock clock;
  Ledger ledger;
  std::set<std::uint32_t> seen;
  const auto make = [&] { return frontend_handle(ledger.elements(named("a"), plan_of(ts({1})), clock.now())).id().value; };
  const auto drop = [&] { ledger.elements(named("a"), {}, clock.now()); };
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(seen.insert(make()).second);
    drop();
    clock.advance(1min);
  }
  EXPECT_EQ(ledger.find(named("a"), kList), nullptr);
}

TEST(Ledger, IdsComeBackInTheSecondRoundAfterTheirDayAndNotBefore) {
  test::ManualClock clock;
  Ledger ledger;
  // A table that holds the last id: the next list begins the second round.
  const auto last = kernel_of({nft::endpoint(nft::ListId{nft::kMaxListId}, 0, ip("10.1.1.1"), Port{1})});
  const auto make = [&] {
    const auto id = frontend_handle(ledger.elements(named("a"), plan_of(ts({1})), clock.now())).id().value;
    ledger.elements(named("a"), {}, clock.now());
    return id;
  };
  EXPECT_EQ(make(), 1U);
  ledger.adopt(last);
  EXPECT_EQ(make(), 2U) << "1 rests";
  clock.advance(kIdQuarantine - 1ns);
  ledger.adopt(last);
  EXPECT_EQ(make(), 3U) << "1 and 2 rest, for a moment more";
  clock.advance(1ns);
  ledger.adopt(last);
  EXPECT_EQ(make(), 1U);
}

TEST(Ledger, AListKeepsItsIdWhileItsServiceHasIt) {
  test::ManualClock clock;
  Ledger ledger;
  const auto id = frontend_handle(ledger.elements(named("a"), plan_of(ts({1})), clock.now())).id();
  for (const int n : {5, 2, 9, 1}) {
    EXPECT_EQ(frontend_handle(ledger.elements(named("a"), plan_of(up_to(n)), clock.now())).id(), id);
    EXPECT_EQ(ledger.find(named("a"), kList)->order.size(), static_cast<std::size_t>(n));
  }
  EXPECT_NE(frontend_handle(ledger.elements(named("b"), plan_of(ts({1}), "10.96.0.2"), clock.now())).id(), id);
}

TEST(Ledger, EndpointsAreNumberedFromZeroWithoutGaps) {
  Ledger ledger;
  for (const int n : {3, 70, 1, 12}) {
    const auto elements = ledger.elements(named("a"), plan_of(up_to(n)), {});
    std::set<std::uint32_t> indexes;
    for (const auto& e : elements) {
      if (e.key.map == Map::endpoints4) indexes.insert(nft::endpoint_slot(e.key).index);
    }
    EXPECT_EQ(indexes.size(), static_cast<std::size_t>(n));
    EXPECT_EQ(*indexes.rbegin(), static_cast<std::uint32_t>(n - 1));
  }
}

TEST(Ledger, ClassesOfTheTemplateAreFixedAndRareOnesAllocated) {
  Ledger ledger;
  EXPECT_TRUE(ledger.take_classes_changed()) << "they are new to the table";
  EXPECT_FALSE(ledger.take_classes_changed());
  const auto cls = [&](int n) { return frontend_handle(ledger.elements(named("a"), plan_of(up_to(n)), {})).cls().value; };
  EXPECT_EQ(cls(1), 16);
  EXPECT_EQ(cls(64), 79);
  EXPECT_FALSE(ledger.take_classes_changed());
  EXPECT_EQ(cls(65), 80);
  EXPECT_TRUE(ledger.take_classes_changed());
  EXPECT_EQ(cls(1024), 81) << "a count of endpoints is no class number: 1,024 would be 0, 1,025 refuse";
  EXPECT_EQ(cls(1025), 82);
  EXPECT_EQ(cls(65), 80) << "once given, kept";

  std::map<std::uint32_t, std::string> classes;
  std::map<std::uint32_t, std::string> resolved;
  for (const auto& e : ledger.classes()) {
    std::uint32_t number = 0;
    std::memcpy(&number, e.key.bytes.data(), 4);
    EXPECT_TRUE((e.key.map == Map::classes ? classes : resolved).emplace(number, e.value).second);
  }
  EXPECT_EQ(classes.at(1), "refuse");
  EXPECT_EQ(classes.at(2), "ignore");
  EXPECT_EQ(classes.at(3), "by-source");
  EXPECT_EQ(classes.at(16), "spread-1");
  EXPECT_EQ(classes.at(79), "spread-64");
  EXPECT_EQ(classes.at(80), "spread-65");
  EXPECT_EQ(classes.at(81), "spread-1024");
  EXPECT_FALSE(resolved.contains(3)) << "the kernel refuses a loop";
  classes.erase(3);
  EXPECT_EQ(resolved, classes);
}

TEST(Ledger, WhenNoClassNumberIsLeftTheFirstSixtyFourServe) {
  Ledger ledger;
  std::set<std::uint16_t> seen;
  for (int n = 65; n < 65 + nft::kMaxClass - 79; ++n) {
    const auto cls = frontend_handle(ledger.elements(named("a"), plan_of(up_to(n)), {})).cls();
    EXPECT_TRUE(seen.insert(cls.value).second);
    EXPECT_LE(cls.value, nft::kMaxClass);
  }
  EXPECT_EQ(frontend_handle(ledger.elements(named("a"), plan_of(up_to(2000)), {})).cls().value, 79);
}

TEST(Ledger, RareClassesAreAdoptedWithTheirNumbers) {
  Ledger before;
  before.elements(named("a"), plan_of(up_to(100)), {});
  const auto elements = before.elements(named("b"), plan_of(up_to(70), "10.96.0.2"), {});
  const auto kernel = kernel_of(before.classes(), kernel_of(elements));

  Ledger after;
  after.adopt(kernel);
  std::unordered_set<nft::ElementKey> claimed;
  after.adopt(named("b"), plan_of(up_to(70), "10.96.0.2"), kernel, claimed);
  EXPECT_EQ(after.elements(named("b"), plan_of(up_to(70), "10.96.0.2"), {}), elements);
  EXPECT_EQ(frontend_handle(elements).cls().value, 81);
  EXPECT_EQ(after.classes(), before.classes());
}

TEST(Ledger, ForeignClassesAreNotAdopted) {
  const auto kernel = kernel_of({
      nft::spread_class(Map::classes, nft::ClassNo{20}, "spread-70"),   // a number of the template's
      nft::spread_class(Map::classes, nft::ClassNo{90}, "spread-7"),    // a size of the template's
      nft::spread_class(Map::classes, nft::ClassNo{91}, "spread-70x"),
      nft::spread_class(Map::classes, nft::ClassNo{1}, "refuse"),
  });
  Ledger ledger;
  ledger.adopt(kernel);
  EXPECT_EQ(ledger.classes(), Ledger{}.classes());
}

TEST(Ledger, BySourceGoesThroughTheClusterListsId) {
  Ledger ledger;
  ServicePlan plan = plan_of(up_to(3));
  plan.lists.push_back({{"", Protocol::tcp, Family::v4, Scope::local}, up_to(1)});
  Frontend vip = plan.frontends[0];
  vip.ip = ip("192.0.2.10");
  vip.action = {{}, Action::BySource{.pod = {Choice::Kind::list, Scope::cluster, nft::Masquerade::never},
                                     .node = {Choice::Kind::list, Scope::cluster, nft::Masquerade::always},
                                     .other = {Choice::Kind::list, Scope::local, nft::Masquerade::never}}};
  Frontend node_port = vip;
  node_port.ip.reset();
  node_port.port = Port{30080};
  plan.frontends.insert(plan.frontends.end(), {vip, node_port});

  const auto kernel = kernel_of(ledger.elements(named("a"), plan, {}));
  const auto cluster = ledger.find(named("a"), kList)->id;
  const auto local = ledger.find(named("a"), {"", Protocol::tcp, Family::v4, Scope::local})->id;
  const auto handle = [&](const nft::Element& e) { return nft::handle_of(kernel.at(e.key)); };
  using nft::Handle, nft::Masquerade, nft::ClassNo;
  EXPECT_EQ(handle(nft::frontend(ip("192.0.2.10"), Protocol::tcp, Port{80}, {})), Handle::of(cluster, Masquerade::never, nft::kBySource));
  EXPECT_EQ(handle(nft::node_port(Family::v4, Protocol::tcp, Port{30080}, {})), Handle::of(cluster, Masquerade::never, nft::kBySource));
  EXPECT_EQ(handle(nft::by_source(Map::by_pod, cluster, {})), Handle::of(cluster, Masquerade::never, ClassNo{18}));
  EXPECT_EQ(handle(nft::by_source(Map::by_node, cluster, {})), Handle::of(cluster, Masquerade::always, ClassNo{18}));
  EXPECT_EQ(handle(nft::by_source(Map::by_other, cluster, {})), Handle::of(local, Masquerade::never, ClassNo{16}));
}

// --- restart -------------------------------------------------------------------------------------------------------------

kube::Service random_service(std::mt19937& random, int n) {
  auto out = balancer("s" + std::to_string(n), {}, {});
  const auto octet = std::to_string(n + 1);
  out.cluster_ips = {ip("10.96.0." + octet)};
  if (random() % 3 == 0) out.cluster_ips.push_back(ip("fd02::" + octet));
  if (random() % 2 != 0) out.ingress.push_back({ip("192.0.2." + octet), "", true});
  out.ports = {port("a", 80, Protocol::tcp, static_cast<std::uint16_t>(random() % 2 == 0 ? 0 : 30000 + n)), port("b", 80, Protocol::udp)};
  const auto policy = [&] { return random() % 2 == 0 ? kube::TrafficPolicy::cluster : kube::TrafficPolicy::local; };
  out.internal_traffic_policy = policy();
  out.external_traffic_policy = policy();
  return out;
}
std::vector<kube::EndpointSlice> random_slices(std::mt19937& random, int n) {
  std::vector<kube::EndpointSlice> out;
  for (const Family family : {Family::v4, Family::v6}) {
    auto s = slice("s" + std::to_string(n) + (family == Family::v4 ? "-4" : "-6"), "s" + std::to_string(n), {});
    s.family = family;
    s.ports = {{"a", Protocol::tcp, Port{8080}}, {"b", Protocol::udp, Port{5353}}};
    const auto count = random() % 40 == 0 ? 70 + random() % 5 : random() % 5;
    for (unsigned i = 0; i < count; ++i) {
      const std::string last = std::to_string(random() % 9000);
      s.endpoints.push_back(endpoint(family == Family::v4 ? "10." + std::to_string(n) + "." + std::to_string(random() % 250) + "." + std::to_string(i) : "fd01::" + last,
                                     random() % 2 == 0 ? "n1" : "n2"));
    }
    out.push_back(std::move(s));
  }
  return out;
}

TEST(Ledger, ARestartFindsEverythingAsItWas) {
  std::mt19937 random(2);
  for (int round = 0; round < 40; ++round) {
    Ledger before;
    std::map<kube::Name, ServicePlan> plans;
    Ledger::Kernel kernel;
    for (int pass = 0; pass < 4; ++pass) {  // lists that grew and shrank have orders of their own
      kernel.clear();
      for (int n = 0; n < 20; ++n) {
        const auto service = random_service(random, n);
        const auto slices = random_slices(random, n);
        ServicePlan plan = plan_service(service, pointers(slices), facts());
        kernel = kernel_of(before.elements(named(service.meta.name), plan, {}), std::move(kernel));
        plans[named(service.meta.name)] = std::move(plan);
      }
    }
    kernel = kernel_of(before.classes(), std::move(kernel));

    Ledger after;
    after.adopt(kernel);
    Ledger::Kernel again;
    std::unordered_set<nft::ElementKey> claimed;
    for (const auto& [name, plan] : plans) after.adopt(name, plan, kernel, claimed);
    for (const auto& [name, plan] : plans) {
      again = kernel_of(after.elements(name, plan, {}), std::move(again));
    }
    again = kernel_of(after.classes(), std::move(again));
    ASSERT_EQ(again, kernel) << "round " << round;
  }
}

TEST(Ledger, NewListsAfterARestartStartAboveWhatTheKernelHolds) {
  const auto kernel = kernel_of({nft::endpoint(nft::ListId{500}, 0, ip("10.1.1.1"), Port{1})});
  Ledger ledger;
  ledger.adopt(kernel);
  EXPECT_EQ(frontend_handle(ledger.elements(named("a"), plan_of(ts({1})), {})).id(), nft::ListId{501});
}

TEST(Ledger, TwoServicesDoNotAdoptOneList) {
  Ledger before;
  const auto kernel = kernel_of(before.elements(named("a"), plan_of(ts({1, 2})), {}));
  Ledger after;
  after.adopt(kernel);
  std::unordered_set<nft::ElementKey> claimed;
  after.adopt(named("a"), plan_of(ts({1, 2})), kernel, claimed);
  after.adopt(named("b"), plan_of(ts({1, 2})), kernel, claimed);
  const auto a = frontend_handle(after.elements(named("a"), plan_of(ts({1, 2})), {})).id();
  const auto b = frontend_handle(after.elements(named("b"), plan_of(ts({1, 2})), {})).id();
  EXPECT_NE(a, b);
}

/// The loser of a frontend serves nothing through it: what stands there is (or was, while it had endpoints) the winner's list.
TEST(Ledger, AServiceDoesNotAdoptTheListOfTheOneThatWonItsFrontend) {
  Ledger before;
  const auto winner = plan_of(ts({1, 2}));
  const auto kernel = kernel_of(before.elements(named("winner"), winner, {}));
  ServicePlan without_endpoints;
  without_endpoints.frontends = winner.frontends;
  without_endpoints.frontends[0].action = {};
  for (const ServicePlan& now : {winner, without_endpoints}) {
    Ledger after;
    after.adopt(kernel);
    std::unordered_set<nft::ElementKey> claimed;
    after.adopt(named("winner"), now, kernel, claimed);
    after.adopt(named("loser"), plan_of(ts({8, 9})), kernel, claimed);
    EXPECT_EQ(after.find(named("winner"), kList) != nullptr, now == winner);
    EXPECT_EQ(after.find(named("loser"), kList), nullptr);
  }
}

}  // namespace
}  // namespace fairlead::speaker
