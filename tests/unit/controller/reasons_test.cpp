/// Every reason there is, reached by objects, and said as the table "Reasons" of controller/README.md says it.
#include "controller/core/reasons.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <regex>
#include <sstream>

#include "controller/core/judge.h"
#include "tests/unit/controller/world.h"

namespace fairlead::controller::core {
namespace {

using kube::IpFamilyPolicy;
using kube::ServiceType;

struct Row {
  std::string event, message, remedy;
};

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> out;
  std::stringstream in(line);
  for (std::string cell; std::getline(in, cell, '|');) {
    const auto first = cell.find_first_not_of(' ');
    out.push_back(first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
  }
  return out;
}

/// The rows of the table that have a reason in backticks first: label -> what it says.
std::map<std::string, Row> table() {
  std::ifstream file(std::string(FAIRLEAD_SOURCE_DIR) + "/controller/README.md");
  std::map<std::string, Row> out;
  for (std::string line; std::getline(file, line);) {
    const auto c = cells(line);
    if (c.size() < 5 || c[1].size() < 3 || c[1].front() != '`') continue;
    out[c[1].substr(1, c[1].size() - 2)] = {c[2], c[3], c[4]};
  }
  return out;
}

/// "<ip>" stands for anything.
std::regex pattern(const Row& row) {
  const std::string text = row.remedy.empty() ? row.message : row.message + ": " + row.remedy;
  std::string out;
  bool is_hole = false;
  for (const char c : text) {
    if (c == '<') out += ".+";
    if (c == '<' || c == '>') is_hole = c == '<';
    else if (!is_hole) {
      if (std::string_view(R"(.^$*+?()[]{}\|)").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return std::regex(out + "$");
}

kube::Service annotated(kube::Service s, std::string key, std::string value) {
  s.meta.annotations[std::move(key)] = std::move(value);
  return s;
}
kube::Service asking(kube::Service s, std::string ips) {
  return annotated(std::move(s), "fairlead.io/loadBalancerIPs", std::move(ips));
}
kube::Service of_pool(kube::Service s, std::string name) {
  return annotated(std::move(s), "fairlead.io/address-pool", std::move(name));
}
kube::Service sharing(kube::Service s, std::string key) {
  return annotated(std::move(s), "fairlead.io/allow-shared-ip", std::move(key));
}
kube::Service with(kube::Service s, IpFamilyPolicy policy) {
  s.ip_family_policy = policy;
  return s;
}
kube::Service web(std::string name = "web", std::int64_t created = 0) {
  return served(std::move(name), {"10.96.0.10"}, created);
}
kube::Service dual(std::string name = "web") {
  return with(served(std::move(name), {"10.96.0.10", "fd96::a"}), IpFamilyPolicy::require_dual_stack);
}
api::IPAddressPool lan() { return pool("lan", {"192.0.2.0/24"}); }

/// One world for each reason; the reason must be said after one pass, or a second that `later` prepares.
struct Scenario {
  Reason reason;
  std::function<void(World&)> make;
  std::function<void(World&)> later;
};

std::vector<Scenario> scenarios() {
  const auto gold = [] {
    kube::LabelSelector out;
    out.match_labels["tier"] = "gold";
    return out;
  };
  const auto allocated = [](api::IPAddressPool p, api::ServiceAllocation a) {
    p.service_allocation = std::move(a);
    return p;
  };
  const auto avoiding = [](api::IPAddressPool p) {
    p.avoid_buggy_ips = true;
    return p;
  };
  const auto folder = [](World& w) {
    w.config.allocates_cluster_ips = true;
    w.config.service_cidrs = {prefix("10.96.0.0/30")};
    w.config.node_ports = {30000, 30000};
  };
  return {
      {Reason::ip_allocated, [](World& w) { w.add(lan()).add(web()); }, {}},
      {Reason::address_in_no_pool, [](World& w) { w.add(lan()).add(holding(web(), {"203.0.113.1"}, "old")); }, {}},
      {Reason::address_kept,
       [](World& w) {
         w.add(lan()).add(holding(web("a"), {"192.0.2.1"}, "lan")).add(holding(web("b"), {"192.0.2.1"}, "lan"));
       },
       {}},
      {Reason::address_taken,
       [](World& w) {
         w.add(lan()).add(holding(web("a"), {"192.0.2.1"}, "lan")).add(holding(web("b"), {"192.0.2.1"}, "lan"));
       },
       {}},
      {Reason::address_avoided,
       [&](World& w) { w.add(avoiding(lan())).add(holding(web(), {"192.0.2.0"}, "lan")); },
       {}},
      {Reason::pool_does_not_serve,
       [&](World& w) { w.add(allocated(lan(), allocation({"x"}))).add(holding(web(), {"192.0.2.1"}, "lan")); },
       {}},
      {Reason::family_not_wanted, [](World& w) { w.add(lan()).add(holding(web(), {"fd00::1"}, "lan")); }, {}},
      {Reason::addresses_in_two_pools,
       [](World& w) {
         w.add(lan()).add(pool("six", {"fd00::/64"}));
         w.add(holding(with(dual(), IpFamilyPolicy::prefer_dual_stack), {"192.0.2.1", "fd00::1"}, "lan"));
       },
       {}},
      {Reason::dual_stack_incomplete, [](World& w) { w.add(lan()).add(holding(dual(), {"192.0.2.1"}, "lan")); }, {}},
      {Reason::other_address_requested,
       [](World& w) { w.add(lan()).add(asking(holding(web(), {"192.0.2.1"}, "lan"), "192.0.2.7")); },
       {}},
      {Reason::other_pool_requested,
       [](World& w) {
         w.add(lan()).add(pool("b", {"203.0.113.0/24"})).add(of_pool(holding(web(), {"192.0.2.1"}, "lan"), "b"));
       },
       {}},
      {Reason::no_families,
       [](World& w) {
         w.config.group = api::Group::metallb;
         w.add(lan()).add(holding(service("web"), {"192.0.2.1"}, "lan"));
       },
       {}},
      {Reason::no_pool, [](World& w) { w.add(web()); }, {}},
      {Reason::no_auto_assign_pool,
       [](World& w) {
         auto p = lan();
         p.auto_assign = false;
         w.add(p).add(web());
       },
       {}},
      {Reason::pools_refused, [](World& w) { w.add(lan()).add(node("n", {"192.0.2.7"})).add(web()); }, {}},
      {Reason::no_pool_for_namespace,
       [&](World& w) { w.add(allocated(lan(), allocation({"x"}))).add(web()); },
       {}},
      {Reason::no_pool_for_labels,
       [&](World& w) { w.add(allocated(lan(), allocation({"default"}, {}, {gold()}))).add(web()); },
       {}},
      {Reason::no_pool_of_family, [](World& w) { w.add(lan()).add(served("web", {"fd96::a"})); }, {}},
      {Reason::pools_exhausted, [](World& w) { w.add(pool("lan", {"192.0.2.1/32"})).add(web("a")).add(web("b")); }, {}},
      {Reason::additional_family_missing,
       [](World& w) { w.add(lan()).add(with(dual(), IpFamilyPolicy::prefer_dual_stack)); },
       {}},
      {Reason::no_cluster_ip, [](World& w) { w.add(lan()).add(service("web")); }, {}},
      {Reason::not_enough_cluster_ips,
       [](World& w) { w.add(lan()).add(with(web(), IpFamilyPolicy::require_dual_stack)); },
       {}},
      {Reason::request_invalid, [](World& w) { w.add(lan()).add(asking(web(), "192.0.2.x")); }, {}},
      {Reason::request_ignored,
       [](World& w) {
         w.add(pool("lan", {"192.0.2.0/24", "fd00::/64"}));
         w.add(asking(holding(with(dual(), IpFamilyPolicy::prefer_dual_stack), {"192.0.2.1"}, "lan"), "all"));
       },
       {}},
      {Reason::request_family_mismatch, [](World& w) { w.add(lan()).add(asking(web(), "fd00::1")); }, {}},
      {Reason::request_outside_pools, [](World& w) { w.add(lan()).add(asking(web(), "203.0.113.1")); }, {}},
      {Reason::request_in_two_pools,
       [](World& w) { w.add(lan()).add(pool("six", {"fd00::/64"})).add(asking(dual(), "192.0.2.1,fd00::1")); },
       {}},
      {Reason::request_not_in_pool,
       [](World& w) {
         w.add(lan()).add(pool("b", {"203.0.113.0/24"})).add(of_pool(asking(web(), "192.0.2.1"), "b"));
       },
       {}},
      {Reason::request_avoided, [&](World& w) { w.add(avoiding(lan())).add(asking(web(), "192.0.2.255")); }, {}},
      {Reason::pool_named_missing, [](World& w) { w.add(lan()).add(of_pool(web(), "b")); }, {}},
      {Reason::pool_named_refused,
       [](World& w) { w.add(lan()).add(node("n", {"192.0.2.7"})).add(of_pool(web(), "lan")); },
       {}},
      {Reason::pool_not_compatible,
       [&](World& w) { w.add(allocated(lan(), allocation({"x"}))).add(of_pool(web(), "lan")); },
       {}},
      {Reason::address_in_use, [](World& w) { w.add(lan()).add(web("a")).add(asking(web("b"), "192.0.2.0")); }, {}},
      {Reason::address_held_down,
       [](World& w) {
         w.restarts = false;
         w.config.hold_down = std::chrono::seconds(60);
         w.add(lan()).add(web("a"));
       },
       [](World& w) {
         w.services.clear();
         w.add(asking(web("b"), "192.0.2.0"));
       }},
      {Reason::sharing_key_differs,
       [](World& w) { w.add(lan()).add(sharing(web("a"), "x")).add(asking(sharing(web("b"), "y"), "192.0.2.0")); },
       {}},
      {Reason::sharing_ports_clash,
       [](World& w) { w.add(lan()).add(sharing(web("a"), "x")).add(asking(sharing(web("b"), "x"), "192.0.2.0")); },
       {}},
      {Reason::sharing_backends_differ,
       [](World& w) {
         auto local = asking(sharing(web("b"), "x"), "192.0.2.0");
         local.external_traffic_policy = kube::TrafficPolicy::local;
         w.add(lan()).add(sharing(web("a"), "x")).add(local);
       },
       {}},
      {Reason::sharing_across_namespaces,
       [](World& w) {
         auto there = asking(sharing(web("b"), "x"), "192.0.2.0");
         there.meta.ns = "other";
         there.ports[0].port = Port{81};
         w.add(lan()).add(sharing(web("a"), "x")).add(there);
       },
       {}},
      {Reason::address_answered,
       [](World& w) {
         w.restarts = false;
         w.config.probes_addresses = true;
         w.add(lan()).add(asking(web(), "192.0.2.7"));
       },
       [](World& w) { w.hear(ip("192.0.2.7"), "02:00:00:00:00:42"); }},
      {Reason::address_being_probed,
       [](World& w) {
         w.config.probes_addresses = true;
         w.add(lan()).add(web());
       },
       {}},
      {Reason::address_skipped,
       [](World& w) {
         w.restarts = false;
         w.config.probes_addresses = true;
         w.add(lan()).add(web());
       },
       [](World& w) { w.hear(ip("192.0.2.0"), "02:00:00:00:00:42"); }},
      {Reason::deprecated_annotation,
       [](World& w) { w.add(lan()).add(annotated(web(), "metallb.universe.tf/address-pool", "lan")); },
       {}},
      {Reason::class_not_ours,
       [](World& w) {
         w.add(lan()).add(web());
         w.at("web").load_balancer_class = "theirs";
       },
       {}},
      {Reason::cluster_ip_taken, [&](World& w) {
         folder(w);
         w.add(web("a")).add(web("b"));
       }, {}},
      {Reason::cluster_ips_exhausted, [&](World& w) {
         folder(w);
         for (const char* n : {"a", "b", "c"}) w.add(service(n));
       }, {}},
      {Reason::no_service_cidr, [&](World& w) {
         folder(w);
         w.add(with(service("a"), IpFamilyPolicy::require_dual_stack));
       }, {}},
      {Reason::node_port_taken, [&](World& w) {
         folder(w);
         for (const char* n : {"a", "b"}) {
           auto s = service(n);
           s.ports[0].node_port = Port{31000};
           w.add(s);
         }
       }, {}},
      {Reason::node_ports_exhausted, [&](World& w) {
         folder(w);
         w.add(service("a")).add(service("b"));
       }, {}},
      {Reason::pool_without_addresses, [](World& w) { w.add(pool("lan", {})); }, {}},
      {Reason::pool_duplicate_name, [](World& w) {
         auto p = pool("lan", {"203.0.113.0/24"});
         p.meta.ns = "other";
         w.add(lan()).add(p);
       }, {}},
      {Reason::pool_duplicate_namespace, [&](World& w) { w.add(allocated(lan(), allocation({"x", "x"}))); }, {}},
      {Reason::pool_duplicate_selector, [&](World& w) { w.add(allocated(lan(), allocation({}, {}, {gold(), gold()}))); }, {}},
      {Reason::pool_contains_node, [](World& w) { w.add(lan()).add(node("n", {"192.0.2.7"})); }, {}},
      {Reason::pool_overlaps_itself, [](World& w) { w.add(pool("lan", {"192.0.2.0/24", "192.0.2.7/32"})); }, {}},
      {Reason::pool_overlaps_other, [](World& w) { w.add(lan()).add(pool("z", {"192.0.2.7/32"})); }, {}},
      {Reason::pool_invalid, [&](World& w) {
         kube::LabelSelector twice;
         twice.match_expressions = {{"a", kube::LabelSelector::Operator::in, {"x", "x"}}};
         w.add(allocated(lan(), allocation({}, {}, {twice})));
       }, {}},
      {Reason::community_invalid, [](World& w) {
         w.config.group = api::Group::metallb;
         api::Community c;
         c.meta.ns = "default";
         c.meta.name = "c";
         c.communities = {{"a", "1:2"}, {"a", "1:3"}};
         w.communities.push_back(c);
         w.add(lan()).add(web());
       }, {}},
      {Reason::configuration_invalid, [](World& w) {
         w.config.group = api::Group::metallb;
         w.add(lan()).add(pool("z", {"192.0.2.7/32"})).add(web());
       }, {}},
      {Reason::object_invalid, [](World& w) {
         api::L2Advertisement ad;
         ad.meta.ns = "default";
         ad.meta.name = "twice";
         ad.pools = {"lan", "lan"};
         w.set.l2_advertisements = {ad};
         w.set.pools = {lan()};
       }, {}},
  };
}

TEST(Reasons, EachIsReachedAndSaidAsTheTableSaysIt) {
  const auto rows = table();
  std::set<Reason> reached;
  std::set<std::string> labels;
  for (const Scenario& scenario : scenarios()) {
    SCOPED_TRACE(label(scenario.reason));
    World w;
    scenario.make(w);
    std::vector<Notice> said;
    const auto listen = [&](const Decisions& d) {
      said.insert(said.end(), d.problems.begin(), d.problems.end());
      for (const Write& write : d.writes) said.insert(said.end(), write.events.begin(), write.events.end());
    };
    listen(w.step());
    Decisions judged;
    judged.problems = judge(w.set, w.config.group);
    listen(judged);
    if (scenario.later) {
      scenario.later(w);
      said.clear();
      listen(w.step());
    }
    bool is_said = false;
    for (const Notice& n : said) {
      is_said |= n.reason == scenario.reason;
      const auto row = rows.find(std::string(label(n.reason)));
      if (row == rows.end()) {
        ADD_FAILURE() << "controller/README.md has no row for " << label(n.reason);
        continue;
      }
      EXPECT_TRUE(std::regex_search(n.message, pattern(row->second))) << n.message << "\n is not\n" << row->second.message;
      const std::string event = is_quiet(n.reason) ? "(log)" : std::string(name(n.reason));
      EXPECT_EQ(row->second.event, event);
      EXPECT_NE(n.message.find(n.about.str()), std::string::npos) << n.message << " does not name its object";
      EXPECT_LT(n.message.size(), 1024U);
    }
    EXPECT_TRUE(is_said);
    reached.insert(scenario.reason);
  }
  EXPECT_EQ(reached.size(), kReasons) << "a reason without a scenario";
  for (const ReasonText& t : kReasonTexts) EXPECT_TRUE(labels.insert(std::string(t.label)).second) << t.label;
  EXPECT_EQ(rows.size(), kReasons) << "the table has rows that nothing says";
}

}  // namespace
}  // namespace fairlead::controller::core
