#include "speaker/report/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "speaker/report/bgp_reporter.h"
#include "tests/support/builders.h"
#include "tests/support/fake_source.h"

namespace fairlead::speaker {
namespace {

using namespace test;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

Announcement owned(std::string_view vip, std::string node) {
  Announcement out;
  out.vip = ip(vip);
  out.node = std::move(node);
  return out;
}

TEST(SpeakerMetrics, OnlyThisNodesVipsAreAnnouncedByIt) {
  const std::map<kube::Name, std::vector<Announcement>> all{{named("web"), {owned("192.0.2.1", "n1"), owned("2001:db8::1", "n2")}},
                                                            {named("db"), {owned("192.0.2.2", "n2")}}};
  const Tally tally;
  Metrics::Bgp bgp;
  bgp.each_announced = [](const auto& visit) { visit(named("api"), ip("192.0.2.9")); };
  const std::string text = Metrics().text({.node = "n1", .announcements = all, .tally = tally, .bgp = bgp});
  EXPECT_THAT(text, HasSubstr("fairlead_speaker_announced{service=\"default/web\",protocol=\"layer2\",node=\"n1\",ip=\"192.0.2.1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_speaker_announced{service=\"default/api\",protocol=\"bgp\",node=\"n1\",ip=\"192.0.2.9\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("2001:db8::1")));
  EXPECT_THAT(text, Not(HasSubstr("default/db")));
  EXPECT_THAT(text, HasSubstr("fairlead_bird_link_state{state=\"closed\"} 1\n"));
}

TEST(SpeakerMetrics, AnswersAndTheReasonsForNone) {
  Tally tally;
  tally.answered = 5;
  tally.sent = 4;
  tally.gratuitous = 6;
  tally.ignored[static_cast<std::size_t>(Ignored::not_our_vip)] = 7;
  const std::string text = Metrics().text({.node = "n1", .announcements = {}, .tally = tally, .is_loaded = true, .is_stale = true});
  EXPECT_THAT(text, HasSubstr("fairlead_l2_requests_total 5\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_l2_responses_total 4\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_l2_gratuitous_total 6\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_l2_ignored_total{reason=\"not_our_vip\"} 7\n"));
  EXPECT_THAT(text, Not(HasSubstr("bad_checksum"))) << "a reason that there never was";
  EXPECT_THAT(text, HasSubstr("fairlead_config_loaded 1\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_config_stale 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("fairlead_bird"))) << "without BGP";
}

TEST(SpeakerMetrics, AnotherStationsClaimsBearItsHardwareAddress) {
  const TimePoint start{};
  ForeignClaims foreign;
  foreign.start(ip("192.0.2.1"), start);
  for (int i = 0; i < 3; ++i) foreign.note({ip("192.0.2.1"), mac(0x99), "eth0"}, start + 20s + i * 1s);
  const std::string text = Metrics().text({.node = "n1", .announcements = {}, .tally = {}, .foreign = &foreign});
  EXPECT_THAT(text, HasSubstr("fairlead_speaker_foreign_claims_total{ip=\"192.0.2.1\",mac=\"02:00:00:00:00:99\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_speaker_foreign_claims_uncounted_total 0\n"));
}

TEST(SpeakerMetrics, TheDataPlanesRounds) {
  Metrics m;
  m.settled(2, 300, 20ms, 1763738000);
  m.settled(1, 3, 700us, 1763738001);
  m.data_plane_failed("conflict");
  const std::string text = m.text({.node = "n1", .announcements = {}, .tally = {}, .services = 9, .elements = 303});
  EXPECT_THAT(text, HasSubstr("fairlead_dataplane_batches_total 3\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_dataplane_elements_written_total 303\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_dataplane_services 9\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_dataplane_elements 303\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_dataplane_sync_seconds_bucket{le=\"0.001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_dataplane_sync_seconds_count 2\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_dataplane_last_sync_timestamp_seconds 1763738001\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_dataplane_failures_total{reason=\"conflict\"} 1\n"));
}

bird::Protocol session(bird::BgpState state, const std::string& error = "") {
  bird::Protocol out;
  out.name = "flp_tor";
  out.type = "BGP";
  out.bgp = state;
  out.since = "2026-11-21 15:00:13.999";
  out.last_error = error;
  out.neighbor = "10.0.0.254";
  out.channels.push_back({"ipv4", "UP", 0, 3, "", 11});
  return out;
}

TEST(SpeakerMetrics, SessionsByPeer) {
  const auto loop = std::move(runtime::Loop::create().value());
  FakeSource source(*loop);
  ConfigState config("n1", [](const runtime::StatusObject&) {});
  BgpReporter reporter(source, config);
  const BgpReporter::Peers peers{{"flp_tor", {"fairlead-system", "tor"}}, {"flp_new", {"fairlead-system", "new"}}};
  const auto text = [&] { return Metrics().text({.node = "n1", .announcements = {}, .tally = {}, .bgp = reporter.figures(peers)}); };
  const auto report = [&](bird::Protocol p) {
    BirdReport r;
    r.protocols = {std::move(p)};
    r.bfd.sessions = {{"10.0.0.254", "eth0", bird::BfdSession::State::up, ""}};
    reporter.reported(r, peers);
  };
  reporter.link(LinkState::ready, "BIRD 2.0.12");
  report(session(bird::BgpState::active, "Socket: Connection refused"));
  report(session(bird::BgpState::established));
  EXPECT_THAT(text(), HasSubstr("fairlead_bgp_session_up{peer=\"tor\"} 1\n"));
  EXPECT_THAT(text(), HasSubstr("fairlead_bgp_session_up{peer=\"new\"} 0\n"));
  EXPECT_THAT(text(), HasSubstr("fairlead_bgp_announced_prefixes{peer=\"tor\"} 3\n"));
  EXPECT_THAT(text(), HasSubstr("fairlead_bgp_updates_total{peer=\"tor\"} 11\n"));
  EXPECT_THAT(text(), HasSubstr("fairlead_bgp_session_errors_total{peer=\"tor\"} 1\n"));
  EXPECT_THAT(text(), HasSubstr("fairlead_bfd_session_up{peer=\"tor\"} 1\n"));
  EXPECT_THAT(text(), testing::ContainsRegex("fairlead_bgp_session_since_timestamp_seconds.peer=\"tor\". 17[0-9]*\n"));
  EXPECT_THAT(text(), HasSubstr("fairlead_bird_link_state{state=\"ready\"} 1\n"));
  EXPECT_THAT(text(), HasSubstr("fairlead_bird_link_state{state=\"hung\"} 0\n"));
  report(session(bird::BgpState::active, "Received: Administrative shutdown"));
  EXPECT_THAT(text(), HasSubstr("fairlead_bgp_session_up{peer=\"tor\"} 0\n"));
  EXPECT_THAT(text(), HasSubstr("fairlead_bgp_session_downs_total{peer=\"tor\"} 1\n"));
  // Nobody knows what it does.
  report(session(bird::BgpState::established));
  reporter.link(LinkState::hung, "no answer");
  EXPECT_THAT(text(), HasSubstr("fairlead_bgp_session_up{peer=\"tor\"} 0\n"));
  EXPECT_THAT(text(), HasSubstr("fairlead_bird_link_state{state=\"hung\"} 1\n"));
}

}  // namespace
}  // namespace fairlead::speaker
