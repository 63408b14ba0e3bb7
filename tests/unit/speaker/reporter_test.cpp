#include "speaker/report/reporter.h"

#include <gtest/gtest.h>

#include "tests/support/builders.h"
#include "tests/support/fake_source.h"

namespace fairlead::speaker {
namespace {

using namespace test;

constexpr Duration kSettle = std::chrono::milliseconds(2);

struct World {
  World() { reporter = std::make_unique<Reporter>(*loop, source, "n1", excluded, announcements, kSettle); }

  void links(bool has_address) {
    rtnl::Link eth0;
    eth0.index = IfIndex{2};
    eth0.name = "eth0";
    eth0.is_ethernet = eth0.is_up = eth0.has_carrier = eth0.is_broadcast = true;
    std::set<rtnl::Address> addresses;
    if (has_address) addresses.insert({IfIndex{2}, ip("192.0.2.1"), 24, true});
    reporter->set_links({{eth0.index, eth0}}, addresses);
  }
  void announce(std::string_view vip) {
    Announcement a;
    a.vip = ip(vip);
    a.node = "n1";
    announcements = {{named("web"), {a}}};
    reporter->announcements_changed();
  }
  /// Past the time that things may take to settle.
  void settle() {
    const TimePoint end = loop->now() + kSettle * 2;
    run_until(*loop, [&] { return loop->now() > end; });
    run_turns(*loop);
  }
  std::vector<std::string> reasons() const {
    std::vector<std::string> out;
    for (const auto& e : source.events) out.push_back(e.about + " " + e.reason);
    return out;
  }

  std::unique_ptr<runtime::Loop> loop = std::move(runtime::Loop::create().value());
  FakeSource source{*loop};
  NamePatterns excluded = std::move(NamePatterns::compile({}).value());
  Reporter::Announcements announcements;
  std::unique_ptr<Reporter> reporter;
};

TEST(SpeakerReporter, TellsOnceWhenItBeginsAndAgainWhenItComesBack) {
  World w;
  w.links(true);
  w.announce("203.0.113.1");
  w.settle();
  EXPECT_EQ(w.reasons(), std::vector<std::string>{"Service default/web VipNotOnSegment"});
  w.announce("203.0.113.1");
  w.settle();
  EXPECT_EQ(w.source.events.size(), 1U);
  w.announce("192.0.2.9");
  w.settle();
  EXPECT_EQ(w.source.events.size(), 1U);
  w.announce("203.0.113.1");
  w.settle();
  EXPECT_EQ(w.source.events.size(), 2U);
}

TEST(SpeakerReporter, WaitsUntilTheLinksAreKnownAndHaveTheirAddresses) {
  World w;
  w.announce("192.0.2.9");
  w.settle();
  EXPECT_TRUE(w.source.events.empty()) << "no link was seen yet";
  w.links(false);
  w.links(true);
  w.settle();
  EXPECT_TRUE(w.source.events.empty());
  w.links(false);
  w.settle();
  EXPECT_EQ(w.reasons(), std::vector<std::string>{"Service default/web VipNotOnSegment"});
}

TEST(SpeakerReporter, AForeignClaimIsAnEventOnEachServiceThatHasTheVipHere) {
  World w;
  w.links(true);
  Announcement mine;
  mine.vip = ip("192.0.2.9");
  mine.node = "n1";
  mine.pool = {"fairlead-system", "front"};
  Announcement others = mine;
  others.node = "n2";
  Announcement another = mine;
  another.vip = ip("192.0.2.10");
  w.announcements = {{named("other"), {another}}, {named("shares"), {mine}}, {named("there"), {others}}, {named("web"), {another, mine}}};
  w.reporter->announcements_changed();
  w.reporter->conflict({ip("192.0.2.9"), mac(66), "eth0"});
  EXPECT_EQ(w.reasons(), (std::vector<std::string>{"Service default/shares AddressConflict", "Service default/web AddressConflict"}));
  const std::string& what = w.source.events[0].message;
  for (const char* part : {"192.0.2.9", "02:00:00:00:00:42", "eth0", "n1", "IPAddressPool fairlead-system/front"}) {
    EXPECT_NE(what.find(part), std::string::npos) << part << " in " << what;
  }
}

}  // namespace
}  // namespace fairlead::speaker
