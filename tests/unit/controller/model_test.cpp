/// Thousands of random operations on Services, pools and nodes, with everything checked after each one. The controller
/// keeps no state of its own, so each pass is one after a restart; what is compared is the objects before and after.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <random>

#include "tests/unit/controller/world.h"

namespace fairlead::controller::core {
namespace {

using kube::IpFamilyPolicy;
using kube::ServiceType;

class Model {
 public:
  explicit Model(unsigned seed) : random_(seed) {
    w.config.allocates_cluster_ips = true;
    w.config.service_cidrs = {prefix("10.96.0.0/26"), prefix("fd96::/120")};
    w.config.node_ports = {30000, 30063};
  }

  /// One random operation; the name of the Service that it changed itself, if any.
  std::string operate() {
    const unsigned what = pick(100);
    if (what < 35) return create_service();
    if (what < 55) return delete_service();
    if (what < 70) return change_service();
    if (what < 85)
      change_pool();
    else if (what < 90)
      w.pools.erase({"default", "p" + std::to_string(pick(4))});
    else if (what < 95)
      w.add(node("n" + std::to_string(pick(3)), {"10.0." + std::to_string(pick(6)) + "." + std::to_string(pick(40))}));
    else if (!w.nodes.empty())
      w.nodes.erase(w.nodes.begin());
    return "";
  }

  World w;

 private:
  unsigned pick(unsigned below) { return std::uniform_int_distribution<unsigned>(0, below - 1)(random_); }

  std::string create_service() {
    kube::Service s = service("s" + std::to_string(pick(60)), pick(5));
    if (w.services.contains({"default", s.meta.name})) return "";
    s.meta.labels["tier"] = pick(2) == 0 ? "gold" : "iron";
    const unsigned policy = pick(4);
    if (policy == 1) s.ip_family_policy = IpFamilyPolicy::prefer_dual_stack;
    if (policy == 2) s.ip_family_policy = IpFamilyPolicy::require_dual_stack;
    if (policy == 3) s.ip_families = {Family::v6};
    if (pick(10) == 0) s.cluster_ips = ips({"10.96.0.9"});
    if (pick(10) == 0) s.ports[0].node_port = Port{30001};
    // A backup that was restored: an address that may be anybody's.
    if (pick(8) == 0) s = holding(s, {"10.0.0." + std::to_string(pick(20))}, "p0");
    const std::string name = s.meta.name;
    w.add(std::move(s));
    return name;
  }
  std::string delete_service() {
    if (w.services.empty()) return "";
    const auto at = std::next(w.services.begin(), pick(static_cast<unsigned>(w.services.size())));
    const std::string name = at->first.name;
    w.services.erase(at);
    return name;
  }
  std::string change_service() {
    if (w.services.empty()) return "";
    kube::Service& s = std::next(w.services.begin(), pick(static_cast<unsigned>(w.services.size())))->second;
    switch (pick(4)) {
      case 0:
        s.type = s.type == ServiceType::load_balancer ? ServiceType::cluster_ip : ServiceType::load_balancer;
        break;
      case 1:
        s.ip_family_policy = IpFamilyPolicy::prefer_dual_stack;
        break;
      case 2:
        s.meta.labels["tier"] = pick(2) == 0 ? "gold" : "iron";
        break;
      case 3:
        s.load_balancer_class = s.load_balancer_class.empty() && pick(4) == 0 ? "x" : "";
        break;
    }
    return s.meta.name;
  }
  void change_pool() {
    const unsigned i = pick(4);
    const std::string base = "10.0." + std::to_string(pick(5)) + ".";
    const unsigned from = pick(20), size = pick(12);
    const std::string v4 = base + std::to_string(from) + "-" + base + std::to_string(from + size);
    api::IPAddressPool p = pool("p" + std::to_string(i), {v4}, pick(3));
    if (pick(2) == 0)
      p.addresses.push_back(range("fd00:" + std::to_string(i + 1) + "::/" + (pick(3) == 0 ? "126" : "64")));
    p.avoid_buggy_ips = pick(4) == 0;
    p.auto_assign = pick(6) != 0;
    if (pick(4) == 0) {
      kube::LabelSelector gold;
      gold.match_labels["tier"] = "gold";
      p.service_allocation = allocation({}, {}, {gold}, static_cast<int>(pick(3)));
    }
    w.add(std::move(p));
  }

  std::mt19937 random_;
};

/// The address could go on where it was: the pool is there and valid, allows it, and is wanted; or is refused.
bool may_stay(const World& w, const kube::Service& s, const Ip& address, const std::string& from) {
  const Snapshot snapshot = w.snapshot();
  const Pools pools(snapshot.pools, snapshot.nodes);
  if (const auto at = pools.at(address)) {
    const auto& p = *pools.valid()[*at];
    return match::pool_serves(p, s, w.namespaces) && !(p.avoid_buggy_ips && is_buggy(address));
  }
  return std::any_of(pools.refused().begin(), pools.refused().end(),
                     [&](const Refusal& r) { return r.pool->meta.name == from; });
}

/// Two addresses that are in two valid pools now: one of them has to go.
bool is_parted(const World& w, const std::vector<Ip>& held) {
  const Snapshot snapshot = w.snapshot();
  const Pools pools(snapshot.pools, snapshot.nodes);
  return held.size() == 2 && pools.at(held[0]) && pools.at(held[1]) && pools.at(held[0]) != pools.at(held[1]);
}

/// An oracle that knows nothing of cursors: is any address free that this Service could have by itself?
bool could_have(const World& w, const kube::Service& s, Family family, const std::set<Ip>& used) {
  const Snapshot snapshot = w.snapshot();
  const Pools pools(snapshot.pools, snapshot.nodes);
  for (const api::IPAddressPool* p : pools.valid()) {
    if (!p->auto_assign || !match::pool_serves(*p, s, w.namespaces)) continue;
    for (const IpRange& r : p->addresses) {
      if (r.first.family() != family) continue;
      std::optional<Ip> at = r.first;
      for (int i = 0; i < 1000 && at && *at <= r.last; ++i, at = next(*at)) {
        if (!used.contains(*at) && !(p->avoid_buggy_ips && is_buggy(*at))) return true;
      }
    }
  }
  return false;
}

bool same(const std::vector<Write>& a, const std::vector<Write>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Write& x, const Write& y) {
    return x.service == y.service && x.cluster_ips == y.cluster_ips && x.node_ports == y.node_ports &&
           x.ingress == y.ingress && x.pool == y.pool && x.events == y.events;
  });
}

/// The state of all objects in the end.
std::map<kube::Name, kube::Service> play(unsigned seed, int operations) {
  Model model(seed);
  World& w = model.w;
  std::mt19937 shuffler(seed + 1);
  for (int step = 0; step < operations; ++step) {
    const std::string changed = model.operate();
    const auto before = w.services;

    Snapshot shuffled = w.snapshot();
    std::shuffle(shuffled.services.begin(), shuffled.services.end(), shuffler);
    std::shuffle(shuffled.pools.begin(), shuffled.pools.end(), shuffler);
    std::shuffle(shuffled.nodes.begin(), shuffled.nodes.end(), shuffler);
    const Decisions other_order = converge(shuffled, w.config);
    const Decisions first = w.step();
    EXPECT_TRUE(same(first.writes, other_order.writes)) << "the order of reading decides something";
    EXPECT_EQ(first.problems, other_order.problems);

    const Decisions second = converge(w.snapshot(), w.config);
    EXPECT_TRUE(second.writes.empty()) << "a second pass still finds something to do";
    EXPECT_EQ(second.problems, first.problems);
    EXPECT_EQ(second.pools, first.pools);

    std::set<Ip> used;
    std::set<Ip> cluster;
    std::set<std::pair<Protocol, Port>> ports;
    std::set<kube::Name> has_problem;
    std::set<kube::Name> clashes;
    for (const Notice& p : first.problems) {
      has_problem.insert(p.about.name);
      if (p.reason == Reason::cluster_ip_taken || p.reason == Reason::node_port_taken) clashes.insert(p.about.name);
    }
    for (const auto& [name, s] : w.services) {
      const bool ours = s.type == ServiceType::load_balancer && s.load_balancer_class.empty();
      const auto held = ingress_ips(s);
      if (s.type != ServiceType::load_balancer) {
        EXPECT_TRUE(held.empty()) << name.str() << " is no load balancer";
      }
      if (!ours) continue;
      for (const Ip& address : held) EXPECT_TRUE(used.insert(address).second) << address.str() << " twice";
      if (held.empty()) {
        EXPECT_TRUE(has_problem.contains(name)) << name.str() << " waits and nobody says why";
      }
    }
    for (const auto& [name, s] : w.services) {
      if (clashes.contains(name)) continue;
      for (const Ip& address : s.cluster_ips) EXPECT_TRUE(cluster.insert(address).second) << address.str() << " twice";
      if (s.type != ServiceType::load_balancer) continue;
      for (const auto& p : s.ports) {
        if (p.node_port.value != 0) {
          EXPECT_TRUE(ports.insert({p.protocol, p.node_port}).second) << p.node_port.value;
        }
      }
    }
    // Held by nobody of ours, and wanted: then there is none free.
    for (const Notice& p : first.problems) {
      if (name(p.reason) != "AllocationFailed") continue;
      const kube::Service& s = w.services.at(p.about.name);
      if (s.ip_family_policy == IpFamilyPolicy::require_dual_stack) continue;  // both have to be free in one pool
      for (const Ip& c : s.cluster_ips) {
        EXPECT_FALSE(could_have(w, s, c.family(), used)) << p.about.str() << " could have an address";
      }
    }
    // Nothing that may stay has moved.
    for (const auto& [name, old] : before) {
      const auto now = w.services.find(name);
      if (name.name == changed || now == w.services.end() || old.type != ServiceType::load_balancer ||
          !old.load_balancer_class.empty())
        continue;
      const auto held = ingress_ips(now->second);
      for (const Ip& address : ingress_ips(old)) {
        if (std::find(held.begin(), held.end(), address) != held.end()) continue;
        // Restored with another one that shows it too: one of the two loses it.
        const bool taken = std::any_of(before.begin(), before.end(), [&](const auto& b) {
          const auto shown = ingress_ips(b.second);
          return b.first != name && std::find(shown.begin(), shown.end(), address) != shown.end();
        });
        const bool half = old.ip_family_policy == IpFamilyPolicy::require_dual_stack;  // the other one had to go
        const bool parted = is_parted(w, ingress_ips(old));
        EXPECT_TRUE(taken || half || parted || !may_stay(w, old, address, std::string(pool_annotation(old))))
            << name.str() << " lost " << address.str();
      }
    }
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "seed " << seed << " step " << step;
      break;
    }
  }
  return w.services;
}

TEST(Model, RandomHistoriesKeepEveryPromise) {
  for (unsigned seed = 1; seed <= 20 && !HasFailure(); ++seed) play(seed, 300);
}

TEST(Model, TheSameHistoryGivesTheSameAddresses) { EXPECT_EQ(play(77, 200), play(77, 200)); }

TEST(Scale, ThirtyThousandServicesFromALargePool) {
  const struct {
    const char* name;
    api::IPAddressPool pool;
    std::initializer_list<std::string_view> cidrs;
    IpFamilyPolicy policy;
  } cases[] = {
      {"/8", pool("lan", {"10.0.0.0/8"}), {"172.16.0.0/12"}, IpFamilyPolicy::single_stack},
      {"/64", pool("lan", {"fd00::/64"}), {"fd96::/64"}, IpFamilyPolicy::single_stack},
      {"/8 and /64",
       pool("lan", {"10.0.0.0/8", "fd00::/64"}),
       {"172.16.0.0/12", "fd96::/64"},
       IpFamilyPolicy::require_dual_stack},
  };
  const auto ms = [](auto from) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - from).count();
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    World w;
    w.config.allocates_cluster_ips = true;
    for (const auto cidr : c.cidrs) w.config.service_cidrs.push_back(prefix(cidr));
    w.add(c.pool);
    for (int i = 0; i < 30'000; ++i) {
      kube::Service s = service(numbered("s", i), i % 1000);
      s.allocate_load_balancer_node_ports = false;  // there are not that many
      s.ip_family_policy = c.policy;
      w.add(std::move(s));
    }
    const auto start = std::chrono::steady_clock::now();
    const Decisions first = converge(w.snapshot(), w.config);
    const double first_ms = ms(start);
    EXPECT_EQ(first.writes.size(), 30'000U);
    for (const Write& write : first.writes) w.put(write);
    const auto again = std::chrono::steady_clock::now();
    const Decisions second = converge(w.snapshot(), w.config);
    const double second_ms = ms(again);
    EXPECT_TRUE(second.writes.empty());
    std::printf("30000 Services, %s: all given in %.0f ms, a pass without a change %.0f ms\n", c.name, first_ms,
                second_ms);
    EXPECT_LT(first_ms, 30'000);
    EXPECT_LT(second_ms, 30'000);
  }
}

}  // namespace
}  // namespace fairlead::controller::core
