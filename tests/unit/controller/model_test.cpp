/// Thousands of random operations on Services, pools, namespaces and nodes, leaders that die in the middle or go on beside the
/// next one, stations that have addresses, and everything checked after each one against naive.h, which shares no code with
/// what is tested. FAIRLEAD_FULL=1: a hundred thousand.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>

#include "tests/unit/controller/naive.h"
#include "tests/unit/controller/world.h"

namespace fairlead::controller::core {
namespace {

using kube::IpFamilyPolicy;
using kube::ServiceType;

using naive::external;

class Model {
 public:
  explicit Model(unsigned seed) : random_(seed) {
    w.restarts = false;
    w.config.allocates_cluster_ips = true;
    w.config.service_cidrs = {prefix("10.96.0.0/26"), prefix("fd96::/120")};
    w.config.node_ports = {30000, 30063};
    if (seed % 4 == 3) w.config.hold_down = std::chrono::seconds(4);
    w.config.probes_addresses = seed % 5 == 4;
  }

  struct Operation {
    kube::Name changed;            // the Service that it changed itself, if any
    bool is_manner_only = false;   // how it shares its address, and nothing else
  };
  Operation operate() {
    w.wait(std::chrono::seconds(1));
    const unsigned what = pick(100);
    if (what < 30) return create_service();
    if (what < 50) return delete_service();
    if (what < 72) return change_service();
    if (what < 86)
      change_pool();
    else if (what < 90)
      w.pools.erase({"default", "p" + std::to_string(pick(4))});
    else if (what < 94)
      w.add(node("n" + std::to_string(pick(3)), {"10.0." + std::to_string(pick(6)) + "." + std::to_string(pick(40))}));
    else if (what < 97 && !w.nodes.empty())
      w.nodes.erase(w.nodes.begin());
    else if (what >= 97)
      change_namespace();
    return {};
  }

  /// The leader dies while its decisions are on their way, and another one takes over, which remembers nothing. Or it does
  /// not know that it leads no more: what it decided comes some steps later, to what has not changed since (a write names
  /// the version that it is about).
  bool is_leader_killed() {
    const bool is_late = put_late_writes();
    const unsigned how = pick(12);
    if (how > 2) return is_late;
    std::vector<Write> writes = converge(w.snapshot(), w.config, w.memory).writes;
    if (how == 0) {
      for (const Write& write : writes) {
        if (pick(2) == 0) w.put(write);
      }
    }
    if (how == 2) {
      late_ = std::move(writes);
      late_of_ = w.services;
    }
    w.memory = {};
    w.memory.probes = Probes(ids_ += 1000);
    return true;
  }

  /// The speakers hear who has what they are asked for.
  void hear() {
    api::AddressRecord& record = w.records["speaker-n1"];
    record.meta.name = "speaker-n1";
    record.notes.heard.clear();
    for (const auto& q : w.records["controller"].notes.asked) {
      record.notes.heard.push_back({q.address, q.id, is_station(q.address) ? "02:00:00:00:00:42" : "", "eth0"});
    }
  }
  static bool is_station(const Ip& ip) { return ip.octets().back() % 5 == 3; }

  World w;

 private:
  bool put_late_writes() {
    if (late_.empty() || pick(3) == 0) return false;
    for (const Write& write : std::exchange(late_, {})) {
      const auto now = w.services.find(write.service);
      const auto then = late_of_.find(write.service);
      if (now != w.services.end() && then != late_of_.end() && now->second == then->second) w.put(write);
    }
    return true;
  }
  void change_namespace() {
    const std::string name = pick(2) == 0 ? "default" : "other";
    if (pick(3) == 0) w.namespaces.erase(name);
    else w.namespaces[name] = {{"team", pick(2) == 0 ? "red" : "blue"}};
  }
  unsigned pick(unsigned below) { return std::uniform_int_distribution<unsigned>(0, below - 1)(random_); }
  std::string some_ip() { return "10.0." + std::to_string(pick(5)) + "." + std::to_string(pick(20)); }
  kube::Service* any() {
    if (w.services.empty()) return nullptr;
    return &std::next(w.services.begin(), pick(static_cast<unsigned>(w.services.size())))->second;
  }

  Operation create_service() {
    kube::Service s = service("s" + std::to_string(pick(60)), pick(5));
    s.meta.ns = pick(5) == 0 ? "other" : "default";
    const kube::Name name{s.meta.ns, s.meta.name};
    if (w.services.contains(name)) return {};
    s.meta.labels["tier"] = pick(2) == 0 ? "gold" : "iron";
    const unsigned policy = pick(4);
    if (policy == 1) s.ip_family_policy = IpFamilyPolicy::prefer_dual_stack;
    if (policy == 2) s.ip_family_policy = IpFamilyPolicy::require_dual_stack;
    if (policy == 3) s.ip_families = {Family::v6};
    if (pick(10) == 0) s.cluster_ips = ips({"10.96.0.9"});
    if (pick(10) == 0) s.ports[0].node_port = Port{30001};
    if (pick(2) == 0) change_manner(s);
    if (pick(8) == 0) change_request(s);
    // A backup that was restored: an address that may be anybody's.
    if (pick(8) == 0) s = holding(s, {"10.0.0." + std::to_string(pick(20))}, "p0");
    w.add(std::move(s));
    return {name};
  }
  Operation delete_service() {
    const kube::Service* const s = any();
    if (s == nullptr) return {};
    const kube::Name name{s->meta.ns, s->meta.name};
    w.services.erase(name);
    return {name};
  }
  Operation change_service() {
    kube::Service* const s = any();
    if (s == nullptr) return {};
    Operation out{{s->meta.ns, s->meta.name}};
    switch (pick(7)) {
      case 0:
        s->type = s->type == ServiceType::load_balancer ? ServiceType::cluster_ip : ServiceType::load_balancer;
        break;
      case 1: s->ip_family_policy = IpFamilyPolicy::prefer_dual_stack; break;
      case 2: s->meta.labels["tier"] = pick(2) == 0 ? "gold" : "iron"; break;
      case 3: s->load_balancer_class = s->load_balancer_class.empty() && pick(4) == 0 ? "x" : ""; break;
      case 4: change_request(*s); break;
      default:
        change_manner(*s);
        out.is_manner_only = true;
    }
    return out;
  }
  void change_manner(kube::Service& s) {
    switch (pick(3)) {
      case 0:
        if (pick(4) == 0) s.meta.annotations.erase("fairlead.io/allow-shared-ip");
        else s.meta.annotations["fairlead.io/allow-shared-ip"] = "k" + std::to_string(pick(3));
        break;
      case 1: s.ports[0].port = Port{static_cast<std::uint16_t>(80 + pick(4))}; break;
      default:
        s.external_traffic_policy = pick(3) == 0 ? kube::TrafficPolicy::local : kube::TrafficPolicy::cluster;
        s.selector["app"] = pick(2) == 0 ? "a" : "b";
    }
  }
  void change_request(kube::Service& s) {
    s.meta.annotations.erase("fairlead.io/loadBalancerIPs");
    s.meta.annotations.erase("metallb.io/address-pool");
    const unsigned what = pick(4);
    if (what == 0) s.meta.annotations["metallb.io/address-pool"] = "p" + std::to_string(pick(4));
    if (what == 1) s.meta.annotations["fairlead.io/loadBalancerIPs"] = some_ip();
    if (what == 2) {
      s.meta.annotations["fairlead.io/loadBalancerIPs"] =
          some_ip() + ",fd00:" + std::to_string(pick(4) + 1) + "::" + std::to_string(pick(3));
    }
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
    p.allow_cross_namespace_sharing = pick(3) == 0;
    if (pick(4) == 0) {
      kube::LabelSelector gold;
      gold.match_labels["tier"] = "gold";
      std::vector<kube::LabelSelector> selectors;
      if (pick(2) == 0) selectors.push_back(gold);
      std::vector<std::string> namespaces;
      if (pick(2) == 0) namespaces.emplace_back(pick(2) == 0 ? "other" : "default");
      std::vector<kube::LabelSelector> of_team;
      if (pick(3) == 0) of_team.emplace_back().match_labels["team"] = "red";
      p.service_allocation = allocation(namespaces, of_team, selectors, static_cast<int>(pick(3)));
    }
    w.add(std::move(p));
  }

  std::mt19937 random_;
  std::int64_t ids_ = 1000;
  std::vector<Write> late_;
  std::map<kube::Name, kube::Service> late_of_;  // what they were decided about
};

bool same(const std::vector<Write>& a, const std::vector<Write>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Write& x, const Write& y) {
    return x.service == y.service && x.cluster_ips == y.cluster_ips && x.node_ports == y.node_ports &&
           x.ingress == y.ingress && x.pool == y.pool && x.events == y.events;
  });
}

/// What holds after each pass, by the naive reading of the reference.
class Checker {
 public:
  Checker(const World& w, const std::map<kube::Name, kube::Service>& before, const Decisions& decided)
      : w_(w), before_(before), decided_(decided), now_(w.services, w.pools, w.nodes, w.namespaces), valid_(naive::valid(now_)) {
    for (const Notice& p : decided.problems) {
      problems_[p.about.name].insert(p.reason);
      if (p.reason == Reason::cluster_ip_taken || p.reason == Reason::node_port_taken) clashes_.insert(p.about.name);
    }
  }

  void no_address_twice() {
    for (const auto& [address, users] : now_.shown) {
      for (std::size_t i = 0; i < users.size(); ++i) {
        for (std::size_t k = i + 1; k < users.size(); ++k) {
          EXPECT_TRUE(naive::may_share(*users[i], *users[k], naive::home(valid_, address)))
              << address.str() << " of " << users[i]->meta.name << " and " << users[k]->meta.name;
        }
      }
    }
    std::set<Ip> cluster;
    std::set<std::pair<Protocol, Port>> ports;
    for (const auto& [name, s] : w_.services) {
      if (s.type != ServiceType::load_balancer) {
        EXPECT_TRUE(external(s).empty()) << name.str() << " is no load balancer";
      }
      if (clashes_.contains(name)) continue;
      for (const Ip& address : s.cluster_ips) EXPECT_TRUE(cluster.insert(address).second) << address.str() << " twice";
      if (s.type != ServiceType::load_balancer) continue;
      for (const auto& p : s.ports) {
        if (p.node_port.value == 0) continue;
        EXPECT_TRUE(ports.insert({p.protocol, p.node_port}).second) << p.node_port.value;
      }
    }
  }

  /// Nobody waits who could have something, and who waits is told why. `rests`: addresses that are held down.
  void nobody_waits_in_vain(bool rests) {
    for (const auto& [name, s] : w_.services) {
      if (!naive::is_ours(s) || !external(s).empty()) continue;
      EXPECT_TRUE(problems_.contains(name)) << name.str() << " waits and nobody says why";
      if (rests || clashes_.contains(name) || s.cluster_ips.empty()) continue;
      const bool is_short = s.ip_family_policy == IpFamilyPolicy::require_dual_stack && s.cluster_ips.size() < 2;
      const auto& own = problems_[name];
      if (is_short || own.contains(Reason::node_ports_exhausted) || own.contains(Reason::cluster_ips_exhausted)) continue;
      EXPECT_EQ(naive::choice(now_, valid_, s), std::vector<Ip>{}) << name.str() << " could have that";
    }
  }

  /// Where a single Service got something in this pass and had nothing before, it is what the reference says.
  void the_choice_is_right() {
    const Write* only = nullptr;
    for (const Write& write : decided_.writes) {
      if (!write.ingress) continue;
      if (only != nullptr) return;
      only = &write;
    }
    if (only == nullptr || only->ingress->empty()) return;
    const auto old = before_.find(only->service);
    if (old == before_.end() || !external(old->second).empty()) return;
    EXPECT_EQ(*only->ingress, naive::choice(now_, valid_, w_.services.at(only->service))) << only->service.str();
  }

  /// Nothing that may stay has moved.
  void nothing_is_lost(const Model::Operation& operation, bool is_killed) {
    std::map<Ip, std::vector<const kube::Service*>> showed;
    for (const auto& [name, s] : before_) {
      for (const Ip& address : external(s)) showed[address].push_back(&s);
    }
    for (const auto& [name, old] : before_) {
      const auto now = w_.services.find(name);
      if (name == operation.changed || now == w_.services.end() || !naive::is_ours(old)) continue;
      const auto held = external(now->second);
      for (const Ip& address : external(old)) {
        if (std::find(held.begin(), held.end(), address) != held.end()) continue;
        const auto* const home = naive::home(valid_, address);
        // Shown by two that do not share it: one of them has lost it. But who changes how it shares is the one to go.
        const bool is_changed_alone = operation.is_manner_only && !is_killed;
        const bool is_taken = !is_changed_alone && std::any_of(showed[address].begin(), showed[address].end(), [&](const auto* other) {
          return other != &old && !naive::may_share(old, *other, home);
        });
        const bool is_half = old.ip_family_policy == IpFamilyPolicy::require_dual_stack || !naive::note(old, "loadBalancerIPs").empty();
        EXPECT_TRUE(is_taken || is_half || is_parted(external(old)) || !may_stay(old, address))
            << name.str() << " lost " << address.str();
      }
    }
  }

  /// Nobody is given what a station has.
  void no_station_is_robbed() {
    for (const Write& write : decided_.writes) {
      const auto old = before_.find(write.service);
      const auto held = old == before_.end() ? std::vector<Ip>() : external(old->second);
      for (const Ip& address : write.ingress.value_or(std::vector<Ip>())) {
        const bool is_new = std::find(held.begin(), held.end(), address) == held.end() && now_.shown.at(address).size() == 1;
        EXPECT_FALSE(is_new && Model::is_station(address)) << write.service.str() << " got " << address.str();
      }
    }
  }

  void counters_are_right(bool probes) {
    for (const PoolUse& use : decided_.pools) {
      const auto* const p = &w_.pools.at(use.pool);
      if (std::find(valid_.begin(), valid_.end(), p) == valid_.end()) continue;
      std::int64_t used[2] = {0, 0};
      for (const auto& [address, users] : now_.shown) {
        if (naive::holds(*p, address)) ++used[address.is4() ? 0 : 1];
      }
      // What is asked about is nobody else's.
      EXPECT_TRUE(use.assigned_ipv4 == used[0] || (probes && use.assigned_ipv4 > used[0]));
      EXPECT_TRUE(use.assigned_ipv6 == used[1] || (probes && use.assigned_ipv6 > used[1]));
    }
  }

 private:
  /// The address could go on where it was: the pool is there and valid, and allows it; or is refused.
  bool may_stay(const kube::Service& s, const Ip& address) const {
    if (const auto* const p = naive::home(valid_, address)) {
      const std::string named = naive::note(s, "address-pool");
      return naive::serves(w_.namespaces, *p, s) && !(p->avoid_buggy_ips && naive::ends_badly(address)) &&
             (named.empty() || named == p->meta.name);
    }
    const auto from = s.meta.annotations.find("fairlead.io/ip-allocated-from-pool");
    if (from == s.meta.annotations.end()) return false;
    const auto p = w_.pools.find({"default", from->second});
    const std::string named = naive::note(s, "address-pool");
    return p != w_.pools.end() && std::find(valid_.begin(), valid_.end(), &p->second) == valid_.end() &&
           (named.empty() || named == from->second);
  }
  /// Two addresses that are in two valid pools now: one of them has to go.
  bool is_parted(const std::vector<Ip>& held) const {
    if (held.size() != 2) return false;
    const auto* const a = naive::home(valid_, held[0]);
    const auto* const b = naive::home(valid_, held[1]);
    return a != nullptr && b != nullptr && a != b;
  }

  const World& w_;
  const std::map<kube::Name, kube::Service>& before_;
  const Decisions& decided_;
  naive::View now_;
  std::vector<const api::IPAddressPool*> valid_;
  std::map<kube::Name, std::set<Reason>> problems_;
  std::set<kube::Name> clashes_;
};

/// The state of all objects in the end.
std::map<kube::Name, kube::Service> play(unsigned seed, int operations) {
  Model model(seed);
  World& w = model.w;
  std::mt19937 shuffler(seed + 1);
  std::map<kube::Name, int> asked_for;  // steps for which a Service has waited for answers
  for (int step = 0; step < operations; ++step) {
    const Model::Operation operation = model.operate();
    const bool is_killed = model.is_leader_killed();
    const auto before = w.services;

    Snapshot shuffled = w.snapshot();
    std::shuffle(shuffled.services.begin(), shuffled.services.end(), shuffler);
    std::shuffle(shuffled.pools.begin(), shuffled.pools.end(), shuffler);
    std::shuffle(shuffled.nodes.begin(), shuffled.nodes.end(), shuffler);
    Memory memory = w.memory;
    const Decisions other_order = converge(shuffled, w.config, memory);
    const bool probes = w.config.probes_addresses;
    const bool rested = !w.memory.hold_down.released().empty() || !w.records["controller"].notes.held_down.empty() || probes;
    const Decisions first = w.step();
    EXPECT_TRUE(same(first.writes, other_order.writes)) << "the order of reading decides something";
    EXPECT_EQ(first.problems, other_order.problems);

    memory = w.memory;
    const Decisions second = converge(w.snapshot(), w.config, memory);
    EXPECT_TRUE(second.writes.empty()) << "a second pass still finds something to do";
    EXPECT_EQ(second.problems, first.problems);
    EXPECT_EQ(second.pools, first.pools);
    const bool rests = !w.memory.hold_down.released().empty() || probes;
    if (!rests) {
      EXPECT_TRUE(converge(w.snapshot(), w.config).writes.empty()) << "a restart still finds something to do";
    }

    Checker check(w, before, first);
    check.no_address_twice();
    check.nobody_waits_in_vain(rests);
    if (!rests && !rested) check.the_choice_is_right();
    check.nothing_is_lost(operation, is_killed);
    check.counters_are_right(probes);
    if (probes) check.no_station_is_robbed();
    // Answers come with the next step, and pools have few stations.
    if (is_killed) asked_for.clear();
    std::map<kube::Name, int> still;
    for (const Notice& p : first.problems) {
      if (p.reason != Reason::address_being_probed) continue;
      const int steps = still[p.about.name] = asked_for[p.about.name] + 1;
      EXPECT_LT(steps, 12) << p.message;
    }
    asked_for = std::move(still);
    if (probes) model.hear();
    if (testing::Test::HasFailure()) {
      std::string story;
      for (const Write& write : first.writes) {
        for (const Notice& n : write.events) story.append(1, '\n').append(n.message);
      }
      for (const Notice& n : first.problems) story.append("\nfirst:  ").append(n.message);
      for (const Notice& n : second.problems) story.append("\nsecond: ").append(n.message);
      ADD_FAILURE() << "seed " << seed << " step " << step << " changed " << operation.changed.str() << story;
      break;
    }
  }
  return w.services;
}

TEST(Model, RandomHistoriesKeepEveryPromise) {
  const unsigned histories = std::getenv("FAIRLEAD_FULL") != nullptr ? 200 : 20;
  for (unsigned seed = 1; seed <= histories && !HasFailure(); ++seed) play(seed, 500);
  std::printf("%u operations in %u histories\n", histories * 500, histories);
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

TEST(Scale, ManyServicesThatShare) {
  const struct {
    const char* name;
    std::function<void(kube::Service&, int)> make;
    std::size_t addresses;
  } cases[] = {
      {"one key, one port", [](kube::Service&, int) {}, 30'000},
      {"one key, two ports in turn",
       [](kube::Service& s, int i) { s.ports[0].port = Port{static_cast<std::uint16_t>(80 + i % 2)}; }, 15'000},
      {"one key, all ports", [](kube::Service& s, int i) { s.ports[0].port = Port{static_cast<std::uint16_t>(i + 1)}; }, 1},
      {"pairs by key",
       [](kube::Service& s, int i) {
         s.meta.annotations["fairlead.io/allow-shared-ip"] = numbered("k", i / 2);
         s.ports[0].port = Port{static_cast<std::uint16_t>(80 + i % 2)};
       },
       15'000},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    World w;
    w.add(pool("lan", {"10.0.0.0/8"}));
    for (int i = 0; i < 30'000; ++i) {
      kube::Service s = served(numbered("s", i), {"10.96.0.1"}, i);
      s.meta.annotations["fairlead.io/allow-shared-ip"] = "k";
      c.make(s, i);
      w.add(std::move(s));
    }
    const auto start = std::chrono::steady_clock::now();
    const Decisions first = converge(w.snapshot(), w.config);
    const double ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    std::set<Ip> addresses;
    for (const Write& write : first.writes) addresses.insert(write.ingress->at(0));
    EXPECT_EQ(first.writes.size(), 30'000U);
    EXPECT_EQ(addresses.size(), c.addresses);
    std::printf("30000 Services, %s: all given in %.0f ms\n", c.name, ms);
    EXPECT_LT(ms, 30'000);
  }
}

}  // namespace
}  // namespace fairlead::controller::core
