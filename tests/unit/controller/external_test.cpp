/// Which external addresses Services keep and get: requests, named pools, sharing, classes, hold-down, and the mode of
/// metallb.io (reference MetalLB 2.2 to 2.6).
#include "controller/core/external.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/controller/world.h"

namespace fairlead::controller::core {
namespace {

using kube::IpFamilyPolicy;
using kube::ServiceType;
using kube::TrafficPolicy;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kPrefer = IpFamilyPolicy::prefer_dual_stack;
constexpr auto kRequire = IpFamilyPolicy::require_dual_stack;

/// A Service in the making.
struct Make {
  kube::Service s;
  Make(std::string name, std::initializer_list<std::string_view> cluster = {"10.96.0.10"}, std::int64_t created = 0)
      : s(served(std::move(name), cluster, created)) {}
  Make& note(std::string key, std::string value) {
    s.meta.annotations[std::move(key)] = std::move(value);
    return *this;
  }
  Make& ask(std::string ips) { return note("fairlead.io/loadBalancerIPs", std::move(ips)); }
  Make& from(std::string pool) { return note("fairlead.io/address-pool", std::move(pool)); }
  Make& share(std::string key) { return note("fairlead.io/allow-shared-ip", std::move(key)); }
  Make& port(std::uint16_t number, Protocol protocol = Protocol::tcp) {
    s.ports[0].port = Port{number};
    s.ports[0].protocol = protocol;
    return *this;
  }
  Make& policy(IpFamilyPolicy p) {
    s.ip_family_policy = p;
    return *this;
  }
  Make& local(kube::Labels selector) {
    s.external_traffic_policy = TrafficPolicy::local;
    s.selector = std::move(selector);
    return *this;
  }
  Make& ns(std::string name) {
    s.meta.ns = std::move(name);
    return *this;
  }
  Make& holds(std::initializer_list<std::string_view> ips, std::string pool) {
    s = holding(std::move(s), ips, std::move(pool));
    return *this;
  }
  operator kube::Service() const { return s; }  // NOLINT(google-explicit-constructor)
};
Make dual(std::string name) { return Make(std::move(name), {"10.96.0.10", "fd96::a"}); }

api::IPAddressPool lan() { return pool("lan", {"192.0.2.0/29", "fd00::/125"}); }
api::IPAddressPool manual(api::IPAddressPool p) {
  p.auto_assign = false;
  return p;
}
api::IPAddressPool crossing(api::IPAddressPool p) {
  p.allow_cross_namespace_sharing = true;
  return p;
}
World metallb() {
  World w;
  w.config.group = api::Group::metallb;
  return w;
}
/// As the controller's own last pass would have left it.
Make shown(Make m, std::initializer_list<std::string_view> ips, const std::string& pool) {
  for (const auto text : ips) m.s.ingress.push_back({ip(text), "", true});
  return m.note("metallb.io/ip-allocated-from-pool", pool);
}

Decisions settle(World& w) {
  Decisions first = w.step();
  const Decisions second = w.step();
  EXPECT_THAT(second.writes, IsEmpty());
  EXPECT_EQ(second.problems, first.problems);
  return first;
}
std::vector<Reason> events(const Decisions& d) {
  std::vector<Reason> out;
  for (const Write& w : d.writes) {
    for (const Notice& n : w.events) out.push_back(n.reason);
  }
  return out;
}

TEST(Request, Table) {
  const struct {
    const char* name;
    kube::Labels annotations;
    const char* single;
    std::vector<Ip> ips;
    const char* pool;
    const char* key;
    const char* fault;
    const char* deprecated;
  } cases[] = {
      {"nothing", {}, "", {}, "", "", "", ""},
      {"ours", {{"fairlead.io/address-pool", "a"}, {"fairlead.io/allow-shared-ip", "k"}}, "", {}, "a", "k", "", ""},
      {"MetalLB's", {{"metallb.io/address-pool", "a"}, {"metallb.io/loadBalancerIPs", "192.0.2.1"}}, "", ips({"192.0.2.1"}), "a", "", "", ""},
      {"the old prefix", {{"metallb.universe.tf/allow-shared-ip", "k"}}, "", {}, "", "k", "", "metallb.universe.tf/allow-shared-ip"},
      {"the first prefix counts", {{"metallb.io/address-pool", "b"}, {"metallb.universe.tf/address-pool", "c"}}, "", {}, "b", "", "", ""},
      {"even when it is empty", {{"fairlead.io/address-pool", ""}, {"metallb.io/address-pool", "b"}}, "", {}, "", "", "", ""},
      {"two families, sorted", {{"fairlead.io/loadBalancerIPs", "fd00::1, 192.0.2.1"}}, "", ips({"192.0.2.1", "fd00::1"}), "", "", "", ""},
      {"spec.loadBalancerIP", {}, "192.0.2.1", ips({"192.0.2.1"}), "", "", "", ""},
      {"both", {{"metallb.io/loadBalancerIPs", "192.0.2.1"}}, "192.0.2.1", {}, "", "", "both spec.loadBalancerIP and the annotation metallb.io/loadBalancerIPs", ""},
      {"an empty annotation is no request", {{"fairlead.io/loadBalancerIPs", ""}}, "192.0.2.1", ips({"192.0.2.1"}), "", "", "", ""},
      {"no address", {{"fairlead.io/loadBalancerIPs", "192.0.2.1,"}}, "", {}, "", "", "holds \"\", which is no address", ""},
      {"a line break, as of a YAML block", {{"fairlead.io/loadBalancerIPs", "192.0.2.1\n"}}, "", ips({"192.0.2.1"}), "", "", "", ""},
      {"mapped, in both", {{"fairlead.io/loadBalancerIPs", "::ffff:192.0.2.1,192.0.2.1"}}, "", {}, "", "", "two addresses of one family", ""},
      {"two of one family", {{"fairlead.io/loadBalancerIPs", "192.0.2.1,192.0.2.2"}}, "", {}, "", "", "two addresses of one family", ""},
      {"three", {{"fairlead.io/loadBalancerIPs", "192.0.2.1,fd00::1,192.0.2.3"}}, "", {}, "", "", "more than two", ""},
      {"spec.loadBalancerIP is no list", {}, "192.0.2.1,fd00::1", {}, "", "", "spec.loadBalancerIP holds", ""},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    kube::Service s = service("s");
    s.meta.annotations = c.annotations;
    s.load_balancer_ip = c.single;
    const Request r = read_request(s);
    EXPECT_EQ(r.ips, c.ips);
    EXPECT_EQ(r.pool, c.pool);
    EXPECT_EQ(r.sharing_key, c.key);
    EXPECT_THAT(r.fault, HasSubstr(c.fault));
    EXPECT_EQ(r.fault.empty(), *c.fault == '\0') << r.fault;
    EXPECT_EQ(r.deprecated, c.deprecated);
  }
}

TEST(External, WhatIsAskedForAlone) {
  auto avoiding = pool("odd", {"203.0.113.254-203.0.114.1"});
  avoiding.avoid_buggy_ips = true;
  auto shop = pool("shop", {"198.51.100.0/30"});
  shop.service_allocation = allocation({"shop"});
  const struct {
    const char* name;
    kube::Service service;
    std::vector<Ip> want;
    const char* pool;
    std::vector<Reason> problems;
  } cases[] = {
      {"an address", Make("s").ask("192.0.2.5"), ips({"192.0.2.5"}), "lan", {}},
      {"an address, mapped", Make("s").ask("::ffff:192.0.2.5"), ips({"192.0.2.5"}), "lan", {}},
      {"an address of a pool without autoAssign", Make("s").ask("10.9.0.1"), ips({"10.9.0.1"}), "kept", {}},
      {"two addresses", dual("s").policy(kRequire).ask("fd00::3,192.0.2.3"), ips({"192.0.2.3", "fd00::3"}), "lan", {}},
      {"two addresses, preferred", dual("s").policy(kPrefer).ask("192.0.2.3,fd00::3"), ips({"192.0.2.3", "fd00::3"}), "lan", {}},
      {"one address for two families", dual("s").policy(kPrefer).ask("192.0.2.3"), {}, "", {Reason::request_family_mismatch}},
      {"two addresses for one family", Make("s").ask("192.0.2.3,fd00::3"), {}, "", {Reason::request_family_mismatch}},
      {"the other family", Make("s").ask("fd00::3"), {}, "", {Reason::request_family_mismatch}},
      {"outside", Make("s").ask("192.0.2.8"), {}, "", {Reason::request_outside_pools}},
      {"two pools", dual("s").policy(kRequire).ask("10.9.0.1,fd00::3"), {}, "", {Reason::request_in_two_pools}},
      {"a buggy address", Make("s").ask("203.0.113.255"), {}, "", {Reason::request_avoided}},
      {"its neighbour", Make("s").ask("203.0.113.254"), ips({"203.0.113.254"}), "odd", {}},
      {"an address and its pool", Make("s").ask("192.0.2.5").from("lan"), ips({"192.0.2.5"}), "lan", {}},
      {"an address and another pool", Make("s").ask("192.0.2.5").from("kept"), {}, "", {Reason::request_not_in_pool}},
      {"an address and no such pool", Make("s").ask("192.0.2.5").from("nil"), {}, "", {Reason::request_not_in_pool}},
      {"an address of others", Make("s").ask("198.51.100.1"), {}, "", {Reason::pool_not_compatible}},
      {"a pool", Make("s").from("kept"), ips({"10.9.0.0"}), "kept", {}},
      {"a pool of one family", dual("s").policy(kPrefer).from("kept"), ips({"10.9.0.0"}), "kept", {Reason::additional_family_missing}},
      {"a pool of one family, for both", dual("s").policy(kRequire).from("kept"), {}, "", {Reason::no_pool_of_family}},
      {"a pool of the other family", Make("s", {"fd96::a"}).from("kept"), {}, "", {Reason::no_pool_of_family}},
      {"a pool of others", Make("s").from("shop"), {}, "", {Reason::pool_not_compatible}},
      {"a pool of its namespace", Make("s").from("nil").note("fairlead.io/address-pool", "lan"), ips({"192.0.2.0"}), "lan", {}},
      {"no such pool", Make("s").from("nil"), {}, "", {Reason::pool_named_missing}},
      {"a pool, avoiding", Make("s").from("odd"), ips({"203.0.113.254"}), "odd", {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    World w;
    w.add(lan()).add(manual(pool("kept", {"10.9.0.0/30"}))).add(avoiding).add(shop).add(c.service);
    const Decisions d = settle(w);
    EXPECT_EQ(w.external("s"), c.want);
    EXPECT_EQ(pool_annotation(w.at("s")), c.pool);
    EXPECT_EQ(reasons(d.problems), c.problems);
  }
}

TEST(External, AChangedRequestMoves) {
  const auto old = [] { return Make("s").holds({"192.0.2.1"}, "lan"); };
  const struct {
    const char* name;
    kube::Service service;
    std::vector<Ip> want;
    std::vector<Reason> events;
    std::vector<Reason> problems;
  } cases[] = {
      {"to another address", old().ask("192.0.2.7"), ips({"192.0.2.7"}), {Reason::other_address_requested, Reason::ip_allocated}, {}},
      {"to the one it has", old().ask("192.0.2.1"), ips({"192.0.2.1"}), {}, {}},
      {"to one that cannot be had", old().ask("10.0.0.1"), {}, {Reason::other_address_requested}, {Reason::request_outside_pools}},
      {"to another pool", old().from("kept"), ips({"10.9.0.0"}), {Reason::other_pool_requested, Reason::ip_allocated}, {}},
      {"to its own pool", old().from("lan"), ips({"192.0.2.1"}), {}, {}},
      {"to no such pool", old().from("nil"), {}, {Reason::other_pool_requested}, {Reason::pool_named_missing}},
      {"to what cannot be read: it stays, and that is told", old().ask("192.0.2.x"), ips({"192.0.2.1"}), {}, {Reason::request_ignored}},
      {"to another pool beside what cannot be read", old().ask("192.0.2.x").from("kept"), ips({"192.0.2.1"}), {}, {Reason::request_ignored}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    World w;
    w.add(lan()).add(manual(pool("kept", {"10.9.0.0/30"}))).add(c.service);
    const Decisions d = settle(w);
    EXPECT_EQ(w.external("s"), c.want);
    EXPECT_EQ(events(d), c.events);
    EXPECT_EQ(reasons(d.problems), c.problems);
  }
}

TEST(External, WhoWaitsIsServedWhenSomethingIsFreed) {
  World w;
  w.add(lan()).add(Make("a", {"10.96.0.10"}, 1).ask("192.0.2.3")).add(Make("b", {"10.96.0.11"}, 2).ask("192.0.2.3"));
  const Decisions d = settle(w);
  ASSERT_THAT(reasons(d.problems), ElementsAre(Reason::address_in_use));
  EXPECT_THAT(d.problems[0].message, HasSubstr("192.0.2.3 is in use by Service default/a"));
  w.at("a").type = ServiceType::cluster_ip;
  EXPECT_THAT(settle(w).problems, IsEmpty());
  EXPECT_EQ(w.external("b"), ips({"192.0.2.3"}));
}

TEST(Sharing, Rules) {
  const kube::Labels web{{"app", "web"}};
  const kube::Labels dns{{"app", "dns"}};
  const auto a = [] { return Make("a").share("k"); };
  const auto b = [] { return Make("b", {"10.96.0.11"}, 1).share("k").port(81); };
  const struct {
    const char* name;
    kube::Service a, b;
    api::IPAddressPool pool;
    bool is_shared;
    Reason reason;  // of b, when it asks for a's address
  } cases[] = {
      {"one key, other ports", a(), b(), lan(), true, {}},
      {"one key, one number, other protocols", a(), b().port(80, Protocol::udp), lan(), true, {}},
      {"one key, one port", a(), b().port(80), lan(), false, Reason::sharing_ports_clash},
      {"other keys", a(), b().share("l"), lan(), false, Reason::sharing_key_differs},
      {"an empty key is none", a().share(""), b().share(""), lan(), false, Reason::address_in_use},
      {"one without", Make("a"), b(), lan(), false, Reason::address_in_use},
      {"the other without", a(), b().share(""), lan(), false, Reason::address_in_use},
      {"prefixes do not matter", a(), Make("b", {"10.96.0.11"}, 1).note("metallb.universe.tf/allow-shared-ip", "k").port(81), lan(), true, {}},
      {"Local and Cluster", a().local(web), b(), lan(), false, Reason::sharing_backends_differ},
      {"Local, one selector", a().local(web), b().local(web), lan(), true, {}},
      {"Local, other selectors", a().local(web), b().local(dns), lan(), false, Reason::sharing_backends_differ},
      {"Local without selector, and Cluster", a().local({}), b(), lan(), false, Reason::sharing_backends_differ},
      {"other namespaces", a().ns("other"), b(), lan(), false, Reason::sharing_across_namespaces},
      {"other namespaces, allowed", a().ns("other"), b(), crossing(lan()), true, {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    for (const bool asks : {false, true}) {
      SCOPED_TRACE(asks ? "asked for" : "automatic");
      World w;
      w.add(c.pool).add(c.a).add(c.b);
      if (asks) w.at("b").meta.annotations["fairlead.io/loadBalancerIPs"] = "192.0.2.0";
      const Decisions d = settle(w);
      EXPECT_EQ(ingress_ips(w.services.at({c.a.meta.ns, "a"})), ips({"192.0.2.0"}));
      EXPECT_EQ(w.external("b"), c.is_shared ? ips({"192.0.2.0"}) : asks ? ips({}) : ips({"192.0.2.1"}));
      EXPECT_EQ(d.pools[0].assigned_ipv4, c.is_shared || asks ? 1 : 2) << "a shared address counts once";
      if (asks && !c.is_shared) {
        ASSERT_FALSE(d.problems.empty());
        EXPECT_EQ(d.problems.back().reason, c.reason);
      }
    }
  }
}

TEST(Sharing, OnlyTheOneThatChangesMoves) {
  const auto shared = [] {
    World w;
    w.restarts = false;
    w.add(lan()).add(Make("a", {"10.96.0.10"}, 1).share("k")).add(Make("b", {"10.96.0.11"}, 2).share("k").port(81));
    settle(w);
    EXPECT_EQ(w.external("b"), ips({"192.0.2.0"}));
    return w;
  };
  const struct {
    const char* name;
    std::function<void(kube::Service&)> change;
  } cases[] = {
      {"another key", [](kube::Service& s) { s.meta.annotations["fairlead.io/allow-shared-ip"] = "l"; }},
      {"no key", [](kube::Service& s) { s.meta.annotations.erase("fairlead.io/allow-shared-ip"); }},
      {"a port of the other",
       [](kube::Service& s) {
         auto port = s.ports[0];
         port.name = "more";
         port.port = Port{static_cast<std::uint16_t>(port.port.value == 80 ? 81 : 80)};
         s.ports.push_back(port);
       }},
      {"Local", [](kube::Service& s) { s.external_traffic_policy = TrafficPolicy::local; }},
  };
  for (const auto& c : cases) {
    for (const std::string name : {"a", "b"}) {  // also when it is the older one
      SCOPED_TRACE(std::string(c.name) + " of " + name);
      World w = shared();
      c.change(w.at(name));
      const Decisions d = settle(w);
      EXPECT_EQ(w.external(name), ips({"192.0.2.1"}));
      EXPECT_EQ(w.external(name == "a" ? "b" : "a"), ips({"192.0.2.0"}));
      EXPECT_THAT(events(d), ElementsAre(Reason::address_taken, Reason::ip_allocated))
          << "the other one is not told of a second holder: it has shared its address";
    }
  }
  World w = shared();
  w.services.erase({"default", "b"});
  w.at("a").meta.annotations["fairlead.io/allow-shared-ip"] = "other";
  EXPECT_THAT(settle(w).writes, IsEmpty()) << "who is alone may change its key";
}

TEST(Sharing, TheFirstOfThreeMayLeave) {
  World w;
  w.add(lan());
  for (int i = 0; i < 3; ++i) {
    w.add(Make(numbered("s", i), {"10.96.0.10"}, i).share("k").port(static_cast<std::uint16_t>(80 + i)));
  }
  settle(w);
  w.services.erase({"default", "s0"});
  EXPECT_THAT(settle(w).writes, IsEmpty());
  w.add(Make("late", {"10.96.0.11"}, 9).share("k").port(80));
  settle(w);
  EXPECT_EQ(w.external("late"), ips({"192.0.2.0"})) << "its port is free again";
}

TEST(Sharing, BothFamilies) {
  World w;
  w.add(lan()).add(dual("a").policy(kRequire).share("k")).add(dual("b").policy(kRequire).share("k").port(81));
  w.add(Make("c", {"fd96::c"}, 1).share("k").port(82)).add(Make("d", {"fd96::d"}, 2).share("k").port(80));
  settle(w);
  EXPECT_EQ(w.external("b"), ips({"192.0.2.0", "fd00::"}));
  EXPECT_EQ(w.external("c"), ips({"fd00::"}));
  EXPECT_EQ(w.external("d"), ips({"fd00::1"}));
}

TEST(External, LoadBalancerClass) {
  const auto of = [](std::string name, std::string cls) {
    Make m(std::move(name));
    m.s.load_balancer_class = std::move(cls);
    return m;
  };
  World w;
  w.config.lb_class = "example.com/ours";
  w.add(lan()).add(of("none", "")).add(of("ours", "example.com/ours")).add(of("theirs", "example.com/theirs"));
  w.add(of("foreign", "").holds({"192.0.2.7"}, "")).add(of("was", "").holds({"192.0.2.6"}, "lan"));
  w.at("foreign").type = w.at("was").type = ServiceType::cluster_ip;
  w.at("foreign").meta.annotations.clear();
  const Decisions d = settle(w);
  EXPECT_EQ(w.external("ours"), ips({"192.0.2.0"}));
  EXPECT_THAT(w.external("none"), IsEmpty());
  EXPECT_THAT(w.external("theirs"), IsEmpty());
  EXPECT_EQ(w.external("foreign"), ips({"192.0.2.7"})) << "nothing says that it was ours";
  EXPECT_THAT(w.external("was"), IsEmpty());
  EXPECT_THAT(reasons(d.problems), ElementsAre(Reason::class_not_ours, Reason::class_not_ours));
}

TEST(HoldDown, AnAddressRestsButForItsOldName) {
  World w;
  w.restarts = false;
  w.config.hold_down = std::chrono::seconds(30);
  w.add(pool("lan", {"192.0.2.0/31"})).add(Make("a")).add(Make("b", {"10.96.0.11"}, 1));
  settle(w);
  ASSERT_EQ(w.external("a"), ips({"192.0.2.0"}));
  const kube::Service old = w.at("a");
  w.services.erase({"default", "a"});
  w.add(Make("c", {"10.96.0.12"}, 2));
  Decisions d = settle(w);
  EXPECT_THAT(w.external("c"), IsEmpty());
  EXPECT_EQ(d.wake_at, w.now + std::chrono::seconds(30));
  w.now += std::chrono::seconds(29);
  settle(w);
  EXPECT_THAT(w.external("c"), IsEmpty());
  w.add(Make("a", {"10.96.0.10"}, 9));  // younger than c, and it was its address
  settle(w);
  EXPECT_EQ(w.external("a"), ips({"192.0.2.0"}));
  EXPECT_THAT(w.external("c"), IsEmpty());
  w.services.erase({"default", "a"});
  settle(w);
  w.now += std::chrono::seconds(30);
  d = settle(w);
  EXPECT_EQ(w.external("c"), ips({"192.0.2.0"}));
  EXPECT_FALSE(d.wake_at);
}

TEST(HoldDown, OutlivesTheControllerByItsNotes) {
  using std::chrono::seconds;
  World w;
  w.restarts = false;
  w.config.hold_down = seconds(30);
  w.add(pool("lan", {"192.0.2.0/31"})).add(Make("a")).add(Make("b", {"10.96.0.11"}, 1));
  settle(w);
  w.services.erase({"default", "a"});
  w.add(Make("c", {"10.96.0.12"}, 2));
  Decisions d = settle(w);
  ASSERT_THAT(d.notes.held_down, ElementsAre(api::AddressNotes::HeldDown{ip("192.0.2.0"), "default", "a", w.wall_now + 30}));

  const auto restart = [&] { w.memory = {}; };
  w.wait(seconds(20));
  restart();
  d = settle(w);
  EXPECT_THAT(w.external("c"), IsEmpty());
  EXPECT_EQ(d.wake_at, w.now + seconds(10));
  EXPECT_EQ(d.notes.held_down.size(), 1U);
  EXPECT_EQ(d.notes.held_down[0].until, w.wall_now + 10) << "a restart makes it no longer";

  w.records["controller"].notes.held_down[0].until = w.wall_now + 1'000'000;  // the clock was set, or somebody wrote it
  restart();
  EXPECT_EQ(settle(w).wake_at, w.now + seconds(30));

  w.add(Make("a", {"10.96.0.10"}, 9));
  restart();
  settle(w);
  EXPECT_EQ(w.external("a"), ips({"192.0.2.0"})) << "it is reserved for its name";
  EXPECT_THAT(w.records["controller"].notes.held_down, IsEmpty());

  w.config.hold_down = seconds(0);
  w.services.erase({"default", "a"});
  w.records["controller"].notes.held_down = {{ip("192.0.2.0"), "default", "a", w.wall_now + 30}};
  restart();
  settle(w);
  EXPECT_EQ(w.external("c"), ips({"192.0.2.0"})) << "it is off now";
}

TEST(HoldDown, OfTwoFamiliesAndOff) {
  for (const bool is_on : {false, true}) {
    SCOPED_TRACE(is_on);
    World w;
    w.restarts = false;
    if (is_on) w.config.hold_down = std::chrono::seconds(30);
    w.add(lan()).add(dual("a").policy(kRequire).ask("192.0.2.5,fd00::5"));
    settle(w);
    w.services.clear();
    settle(w);
    w.add(dual("b").policy(kRequire)).add(dual("a").policy(kRequire));
    settle(w);
    EXPECT_EQ(w.external("a"), is_on ? ips({"192.0.2.5", "fd00::5"}) : ips({"192.0.2.0", "fd00::"}));
  }
}

// --- as MetalLB does ---

TEST(Metallb, TwoAddressesAreKeptTogetherOrNotAtAll) {
  const struct {
    const char* name;
    kube::Service service;
    std::vector<Ip> want;
  } cases[] = {
      {"the pool has lost a family: both are given anew", shown(dual("s").policy(kPrefer), {"192.0.2.5", "fd99::1"}, "lan"), ips({"192.0.2.0", "fd00::"})},
      {"one for two: given anew", shown(dual("s").policy(kRequire), {"192.0.2.5"}, "lan"), ips({"192.0.2.0", "fd00::"})},
      {"one, preferring two: the other one is added", shown(dual("s").policy(kPrefer), {"192.0.2.5"}, "lan"), ips({"192.0.2.5", "fd00::"})},
      {"two for one: given anew", shown(Make("s"), {"192.0.2.5", "fd00::5"}, "lan"), ips({"192.0.2.0"})},
      {"two cluster addresses and SingleStack", dual("s").policy(IpFamilyPolicy::single_stack), ips({"192.0.2.0", "fd00::"})},
      {"one cluster address, preferring two", Make("s").policy(kPrefer), ips({"192.0.2.0"})},
      {"one cluster address, requiring two", shown(Make("s").policy(kRequire), {"192.0.2.5"}, "lan"), {}},
      {"no cluster address", shown(Make("s", {}), {"192.0.2.5"}, "lan"), {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    World w = metallb();
    w.add(lan()).add(c.service);
    settle(w);
    EXPECT_EQ(w.external("s"), c.want);
    EXPECT_EQ(pool_annotation(w.at("s"), api::Group::metallb), c.want.empty() ? "" : "lan");
  }
}

TEST(Metallb, OneWrongPoolRefusesAll) {
  World w = metallb();
  w.restarts = false;
  w.add(lan()).add(pool("bad", {"192.0.2.7/32"}, 9)).add(Make("new")).add(shown(Make("old"), {"192.0.2.3"}, "lan"));
  w.add(shown(Make("gone"), {"203.0.113.1"}, "x"));
  Decisions d = settle(w);
  EXPECT_THAT(d.writes, IsEmpty()) << "nothing valid is known: nothing is decided, and nothing taken away";
  EXPECT_THAT(reasons(d.problems), ElementsAre(Reason::configuration_invalid, Reason::pool_overlaps_other));
  EXPECT_EQ(d.pools[1].pool.name, "lan");
  EXPECT_EQ(d.pools[1].assigned_ipv4, 1);

  w.pools.erase({"default", "bad"});
  settle(w);
  EXPECT_EQ(w.external("gone"), ips({"192.0.2.0"}));
  EXPECT_EQ(w.external("new"), ips({"192.0.2.1"}));
  EXPECT_EQ(w.external("old"), ips({"192.0.2.3"}));

  // The last valid pools go on, whatever the objects are now.
  w.add(pool("lan", {"203.0.113.0/24"})).add(pool("bad", {"203.0.113.7/32"}, 9)).add(Make("late", {"10.96.0.11"}, 5));
  d = settle(w);
  EXPECT_EQ(w.external("late"), ips({"192.0.2.2"}));
  EXPECT_EQ(w.external("old"), ips({"192.0.2.3"}));
  EXPECT_THAT(reasons(d.problems), ElementsAre(Reason::pool_overlaps_other));
  w.pools.erase({"default", "bad"});
  settle(w);
  EXPECT_EQ(w.external("old"), ips({"203.0.113.2"}));
}

TEST(Metallb, WhatCannotBeReadRefusesAllToo) {
  World w = metallb();
  w.has_unreadable_pool = true;
  w.add(lan()).add(Make("s"));
  EXPECT_THAT(reasons(settle(w).problems), ElementsAre(Reason::configuration_invalid));
  EXPECT_THAT(w.external("s"), IsEmpty());
}

TEST(Metallb, WhatMetallbDoesNotLookAt) {
  World w = metallb();
  w.config.allocates_cluster_ips = true;
  w.config.service_cidrs = {prefix("10.96.0.0/24")};
  auto shared = lan();
  shared.allow_cross_namespace_sharing = true;  // so it is read
  w.add(shared).add(node("n", {"192.0.2.7"}));
  w.add(Make("a").share("k")).add(Make("b").share("k").port(81).ns("other")).add(Make("c", {"1.2.3.4"}, 1));
  const Decisions d = settle(w);
  EXPECT_EQ(w.external("a"), ips({"192.0.2.0"}));
  EXPECT_EQ(ingress_ips(w.services.at({"other", "b"})), ips({"192.0.2.0"}));
  EXPECT_EQ(w.external("c"), ips({"192.0.2.1"}));
  EXPECT_THAT(reasons(d.problems), ElementsAre(Reason::cluster_ip_taken)) << "told, and it does not wait";
}

}  // namespace
}  // namespace fairlead::controller::core
