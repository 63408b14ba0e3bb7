#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "speaker/report/config_state.h"
#include "speaker/report/status_objects.h"
#include "speaker/report/status_writer.h"
#include "tests/support/builders.h"
#include "tests/support/fake_source.h"

namespace fairlead::speaker {
namespace {

using namespace test;
using runtime::StatusKind;
using runtime::StatusObject;
using testing::HasSubstr;

Announcement owned(std::string node, std::vector<std::string> interfaces = {}) {
  Announcement out;
  out.vip = ip("192.0.2.1");
  out.node = std::move(node);
  out.interfaces = std::move(interfaces);
  return out;
}

TEST(StatusName, IsALabelAndAnotherForEachKindServiceAndNode) {
  const std::string one = status_name(StatusKind::service_bgp_status, named("web"), "n1");
  EXPECT_EQ(one, status_name(StatusKind::service_bgp_status, named("web"), "n1")) << "a restarted speaker finds its own";
  EXPECT_TRUE(one.starts_with("bgp-web-")) << one;
  std::set<std::string> all{one, status_name(StatusKind::service_l2_status, named("web"), "n1"),
                            status_name(StatusKind::service_bgp_status, named("web"), "n2"),
                            status_name(StatusKind::service_bgp_status, {"other", "web"}, "n1"),
                            status_name(StatusKind::service_bgp_status, {"default-web", ""}, "n1")};
  EXPECT_EQ(all.size(), 5U);
  for (const std::string& service : {std::string("a.b"), std::string(253, 'x'), std::string("Ü/\n"), std::string()}) {
    const std::string name = status_name(StatusKind::service_bgp_status, {"default", service}, std::string(253, 'n'));
    EXPECT_LE(name.size(), 63U);
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), std::string::npos) << name;
    EXPECT_TRUE(name.front() != '-' && name.back() != '-') << name;
  }
}

TEST(StatusObjects, OnlyTheAnnouncingNodeHasALayer2Status) {
  const std::vector<Announcement> list{owned("n1")};
  EXPECT_FALSE(l2_status(named("web"), "n2", list));
  const auto mine = l2_status(named("web"), "n1", list);
  ASSERT_TRUE(mine);
  EXPECT_EQ(std::get<runtime::L2Status>(mine->status), (runtime::L2Status{"n1", "web", "default", {}}));
  EXPECT_EQ(mine->labels.at("node"), "n1");
  EXPECT_EQ(mine->labels.at("service-name"), "web");
  EXPECT_EQ(mine->labels.at("service-namespace"), "default");
  Announcement none = owned("");
  none.reason = Reason::no_advertisement;
  EXPECT_FALSE(l2_status(named("web"), "", std::vector{none}));
}

TEST(StatusObjects, InterfacesAreNamedOnlyWhereAllAreLimited) {
  const auto interfaces = [](const std::vector<Announcement>& list) { return std::get<runtime::L2Status>(l2_status(named("web"), "n1", list)->status).interfaces; };
  EXPECT_EQ(interfaces({owned("n1", {"eth1"}), owned("n1", {"eth0", "eth1"})}), (std::vector<std::string>{"eth0", "eth1"}));
  EXPECT_TRUE(interfaces({owned("n1", {"eth1"}), owned("n1")}).empty());
  EXPECT_EQ(interfaces({owned("n1", {"eth1"}), owned("n2")}), std::vector<std::string>{"eth1"}) << "the other VIP is another node's";
}

TEST(StatusObjects, AServiceThatNoPeerIsToldOfHasNoBgpStatus) {
  EXPECT_FALSE(bgp_status(named("web"), "n1", {}));
  EXPECT_EQ(std::get<runtime::BgpStatus>(bgp_status(named("web"), "n1", {"a", "b"})->status), (runtime::BgpStatus{"n1", "web", "default", {"a", "b"}}));
}

TEST(ConfigState, GathersFaultsAndForgetsThem) {
  std::vector<StatusObject> told;
  ConfigState config("n1", [&](StatusObject s) { told.push_back(std::move(s)); });
  const auto last = [&] { return std::get<runtime::ConfigurationStatus>(told.back().status); };
  config.set_note("mode full: table kube-proxy is in the kernel");
  EXPECT_EQ(last().result, "Unknown");
  config.set_loaded();
  EXPECT_EQ(told.back().name, "speaker-n1");
  EXPECT_EQ(told.back().labels.at("component-type"), "speaker");
  EXPECT_EQ(told.back().labels.at("node-name"), "n1");
  EXPECT_EQ(last().result, "Valid");
  EXPECT_EQ(last().error_summary, "");
  ASSERT_EQ(last().conditions.size(), 1U);
  EXPECT_EQ(last().conditions[0], (runtime::StatusCondition{"configReconcilerValid", "True", "Reconciled", "mode full: table kube-proxy is in the kernel"}));
  config.set("bgp", "BGPPeer x/tor", "hold_time: too short");
  config.set("source", "BGPPeer x/tor", "spec.myASN: is no number");
  EXPECT_TRUE(config.is_stale());
  EXPECT_EQ(last().result, "Invalid");
  EXPECT_EQ(last().error_summary, "BGPPeer x/tor: hold_time: too short\nBGPPeer x/tor: spec.myASN: is no number");
  EXPECT_EQ(last().conditions[0].reason, "ConfigurationError");
  EXPECT_THAT(last().conditions[0].message, HasSubstr("mode full"));
  EXPECT_THAT(last().conditions[0].message, HasSubstr("hold_time"));
  const std::size_t before = told.size();
  config.set("bgp", "BGPPeer x/tor", "hold_time: too short");
  config.set("bgp", "BGPPeer x/never", "");
  EXPECT_EQ(told.size(), before) << "nothing new";
  config.set("source", "BGPPeer x/tor", "");
  config.set("bgp", "BGPPeer x/tor", "");
  EXPECT_EQ(last().result, "Valid");
  EXPECT_FALSE(config.is_stale());
}

TEST(ConfigState, HundredsOfFaultsAreBounded) {
  Faults faults;
  for (int i = 0; i < 500; ++i) faults[{"Service default/s" + std::to_string(i), "bgp"}] = std::string(1000, 'x');
  const auto status = std::get<runtime::ConfigurationStatus>(speaker_state("n1", true, faults, "note").status);
  EXPECT_LE(status.conditions[0].message.size(), 32'768U);
  EXPECT_LE(status.error_summary.size(), 65'536U);
}

/// Services wanted by BGP, by name; a writer that may write as often as it is told.
struct World {
  explicit World(double per_second = 1e6, double burst = 1e6, bool tidies_bgp = true)
      : writer(*loop, source, {.node = "n1", .writes_per_second = per_second, .burst = burst, .tidies_bgp = tidies_bgp},
               {.wanted = [this](StatusKind kind, const kube::Name& service) -> std::optional<StatusObject> {
                  const auto found = peers.find(service.name);
                  if (kind != StatusKind::service_bgp_status || found == peers.end()) return std::nullopt;
                  return bgp_status(service, "n1", found->second);
                },
                .written = [this](std::string_view failure) { written.emplace_back(failure); }}) {}

  void want(const std::string& service, std::vector<std::string> of) {
    peers[service] = std::move(of);
    writer.changed(StatusKind::service_bgp_status, named(service));
  }
  void drop(const std::string& service) {
    peers.erase(service);
    writer.changed(StatusKind::service_bgp_status, named(service));
  }
  bool settle() {
    const bool is_done = run_until(*loop, [&] { return writer.queued() == 0; });
    run_turns(*loop);
    return is_done;
  }
  static std::string name_of(const std::string& service, const std::string& node = "n1") {
    return status_name(StatusKind::service_bgp_status, named(service), node);
  }
  bool has(const std::string& service) const { return source.status_objects.contains({StatusKind::service_bgp_status, name_of(service)}); }

  std::unique_ptr<runtime::Loop> loop = std::move(runtime::Loop::create().value());
  FakeSource source{*loop};
  std::map<std::string, std::vector<std::string>> peers;
  std::vector<std::string> written;
  StatusWriter writer;
};

TEST(StatusWriter, WritesWhatChangedAndNothingElse) {
  World w;
  w.want("web", {"tor"});
  run_turns(*w.loop);
  EXPECT_EQ(w.source.object_writes, 0U) << "nothing before the first sync";
  w.writer.begin();
  ASSERT_TRUE(w.settle());
  EXPECT_TRUE(w.has("web"));
  EXPECT_EQ(w.written, std::vector<std::string>{""});
  w.want("web", {"tor"});
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.source.object_writes, 1U) << "the same again";
  w.want("web", {"tor", "tor2"});
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.source.object_writes, 2U);
  w.drop("web");
  w.drop("never");
  ASSERT_TRUE(w.settle());
  EXPECT_FALSE(w.has("web"));
  EXPECT_EQ(w.source.object_writes, 3U);
}

TEST(StatusWriter, ManyChangesOfOneServiceAreOneWrite) {
  World w;
  w.writer.begin();
  for (int i = 0; i < 50; ++i) w.want("web", {"tor" + std::to_string(i)});
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.source.object_writes, 1U);
  const auto& object = w.source.status_objects.at({StatusKind::service_bgp_status, World::name_of("web")});
  EXPECT_EQ(std::get<runtime::BgpStatus>(object.status).peers, std::vector<std::string>{"tor49"}) << "the newest";
}

TEST(StatusWriter, WhatAnEarlierProcessLeftOnThisNodeIsRemoved) {
  World w;
  const auto put = [&](const std::string& service, const std::string& node) {
    const StatusObject left = *bgp_status(named(service), node, {"tor"});
    w.source.status_objects[{left.kind(), left.name}] = left;
  };
  put("gone", "n1");
  put("web", "n1");
  put("gone", "n2");
  w.want("web", {"tor"});
  w.writer.begin();
  run_turns(*w.loop);
  ASSERT_TRUE(w.settle());
  EXPECT_FALSE(w.has("gone"));
  EXPECT_TRUE(w.has("web"));
  EXPECT_TRUE(w.source.status_objects.contains({StatusKind::service_bgp_status, World::name_of("gone", "n2")})) << "another node's";
}

TEST(StatusWriter, WithoutARightToThemNobodyAsksForBgpsObjects) {
  World w(1e6, 1e6, false);
  const StatusObject left = *bgp_status(named("gone"), "n1", {"tor"});
  w.source.status_objects[{left.kind(), left.name}] = left;
  w.writer.begin();
  run_turns(*w.loop);
  ASSERT_TRUE(w.settle());
  EXPECT_TRUE(w.has("gone"));
}

TEST(StatusWriter, AThousandServicesAreNoFloodAndTheStateGoesFirst) {
  World w(1, 5);
  w.writer.begin();
  for (int i = 0; i < 1000; ++i) w.want("s" + std::to_string(i), {"tor"});
  w.writer.set_state(speaker_state("n1", true, {}, ""));
  run_turns(*w.loop, 100);
  EXPECT_GE(w.source.object_writes, 5U);
  EXPECT_LE(w.source.object_writes, 7U) << "the burst, and what fits into the time that this took";
  EXPECT_TRUE(w.source.status_objects.contains({StatusKind::configuration_state, "speaker-n1"}));
  EXPECT_GE(w.writer.queued(), 990U);
}

}  // namespace
}  // namespace fairlead::speaker
