#include "proto/bird/report.h"

#include <gtest/gtest.h>

#include "proto/bird/command.h"
#include "proto/bird/symbol.h"
#include "tests/unit/bird/recorded.h"

namespace fairlead::bird {
namespace {

using test::recorded;
using test::reply_of;

TEST(BirdGreeting, Versions) {
  const struct {
    const char* text;
    std::optional<Version> want;
  } cases[] = {
      {"0001 BIRD 2.0.12 ready.\n", Version{2, 0, 12}}, {"0001 BIRD 2.19 ready.\n", Version{2, 19, 0}},
      {"0001 BIRD 3.0-alpha2 ready.\n", Version{3, 0, 0}}, {"0001 BIRD 1.6.8 ready.\n", Version{1, 6, 8}},
      {"0001 BIRD 2.15.1-2 ready.\n", Version{2, 15, 1}}, {"0001 BIRD next ready.\n", std::nullopt},
      {"0001 FRR 8 ready.\n", std::nullopt}, {"0000 BIRD 2.0.12 ready.\n", std::nullopt}, {"0001 \n", std::nullopt},
  };
  for (const auto& c : cases) EXPECT_EQ(parse_greeting(reply_of(c.text)), c.want) << c.text;
  EXPECT_LT((Version{2, 0, 12}), (Version{2, 13, 0}));
  EXPECT_EQ((Version{2, 0, 12}).str(), "2.0.12");
  EXPECT_EQ((Version{2, 19, 0}).str(), "2.19");
}

TEST(BirdStatus, OfARunningDaemon) {
  const auto s = parse_status(recorded("status"));
  ASSERT_TRUE(s);
  EXPECT_EQ(s->router_id, "10.1.0.1");
  EXPECT_EQ(s->booted, "2026-11-21 13:41:59.716");
  EXPECT_EQ(s->phase, Status::Phase::up);
  EXPECT_FALSE(s->is_recovering);
  const auto other = parse_status(reply_of("1000-BIRD 2.0.12\n1011-Router ID is 1.2.3.4\n0024-Graceful restart recovery in progress\n"
                                           "   Waiting for 1 channels to recover\n0013 Shutdown in progress\n"));
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->is_recovering);
  EXPECT_EQ(other->phase, Status::Phase::shutting_down);
  EXPECT_EQ(parse_status(reply_of("0013 Reconfiguration in progress\n"))->phase, Status::Phase::reconfiguring);
  EXPECT_FALSE(parse_status(reply_of("9001 syntax error\n")));
}

TEST(BirdConfigured, Table) {
  using O = Configured::Outcome;
  const struct {
    Reply in;
    O outcome;
    const char* text;
  } cases[] = {
      {recorded("check"), O::valid, "Configuration OK"},
      {recorded("conf"), O::done, "Reconfigured"},
      {recorded("cstatus"), O::done, "Daemon is up and running"},
      {recorded("undo"), O::done, "Reconfigured"},
      {recorded("timeout"), O::done, "Reconfigured"},
      {reply_of("0002-Reading configuration from f\n0004 Reconfiguration in progress\n"), O::in_progress, "Reconfiguration in progress"},
      {reply_of("0004-Reconfiguration in progress\n0000 \n"), O::in_progress, "Reconfiguration in progress"},
      {reply_of("0002-Reading\n0005 Reconfiguration already in progress, queueing new config\n"), O::queued, "Reconfiguration already in progress, queueing new config"},
      {reply_of("0002-Reading\n8002 /etc/f:5:18 Invalid IPv4 prefix\n"), O::refused, "/etc/f:5:18 Invalid IPv4 prefix"},
      {reply_of("0006 Reconfiguration ignored, shutting down\n"), O::shutting_down, "Reconfiguration ignored, shutting down"},
      {reply_of("0018 Reconfiguration confirmed\n"), O::confirmed, "Reconfiguration confirmed"},
      {reply_of("0019 Nothing to do\n"), O::nothing, "Nothing to do"},
      {reply_of("0021 Undo requested\n"), O::undoing, "Undo requested"},
      {reply_of("9001 syntax error\n"), O::unknown, "syntax error"},
      {reply_of("8007 Access denied\n"), O::unknown, "Access denied"},
      {reply_of("0000 \n"), O::unknown, ""},
  };
  for (const auto& c : cases) {
    const auto got = parse_configured(c.in);
    EXPECT_EQ(got.outcome, c.outcome) << c.text;
    EXPECT_EQ(got.text, c.text);
  }
}

TEST(BirdProtocols, All) {
  const auto all = parse_protocols(recorded("all"));
  ASSERT_EQ(all.size(), 5U);
  const Protocol& tor = all[1];
  EXPECT_EQ(tor.name, "p_tor1");
  EXPECT_EQ(tor.type, "BGP");
  EXPECT_EQ(tor.state, "up");
  EXPECT_EQ(tor.since, "2026-11-21 13:42:00.527");
  EXPECT_EQ(tor.bgp, BgpState::established);
  EXPECT_EQ(tor.neighbor, "10.1.0.2");
  EXPECT_EQ(tor.neighbor_as, 65000U);
  EXPECT_EQ(tor.local_as, 65001U);
  EXPECT_EQ(tor.last_error, "");
  ASSERT_EQ(tor.channels.size(), 2U);
  EXPECT_EQ(tor.channels[0], (Protocol::Channel{"ipv4", "UP", 0, 2, "10.1.0.1", 2}));
  EXPECT_EQ(tor.channels[1], (Protocol::Channel{"ipv6", "UP", 0, 0, "fd00::1"}));
  EXPECT_EQ(all[2].name, "p_dead");
  EXPECT_EQ(all[2].bgp, BgpState::active);
  EXPECT_EQ(all[2].info, "Active        Socket: No route to host");
  EXPECT_EQ(all[2].last_error, "Socket: No route to host");
  EXPECT_EQ(all[2].channels[0].state, "DOWN");
  EXPECT_EQ(all[4].bgp, BgpState::passive);
  EXPECT_EQ(all[4].neighbor, "fe80::/10");
}

TEST(BirdProtocols, ShortList) {
  const auto all = parse_protocols(recorded("protocols"));
  ASSERT_EQ(all.size(), 7U);
  EXPECT_EQ(all[3].name, "p_tor1");
  EXPECT_EQ(all[3].bgp, BgpState::established);
  EXPECT_EQ(all[2].bgp, BgpState::unknown) << "a static protocol has no BGP state";
}

TEST(BirdProtocols, WhatOtherVersionsWriteDifferently) {
  // 3.x: more columns, more lines; a short time format; a helper in graceful restart; an address with a note.
  const auto all = parse_protocols(reply_of(
      "2002-Name       Proto      Table      State  Since         Info\n"
      "1002-flp_a_very_long_name_of_a_peer BGP        ---        up     12:00:00.123  Established   \n"
      "1006-  BGP state:          Established\n"
      "     Neighbor address: fe80::1%eth0 onlink\n"
      "     Neighbor graceful restart active\n"
      "     Send hold timer:  170.1/180\n"
      "     Last error:       Received: Hold timer expired\n"
      "     TX pending: 0 bytes\n"
      "   Channel ipv4\n"
      "     State:          UP\n"
      "     Routes:         1 imported, 0 filtered, 7 exported, 0 preferred\n"
      "     Route change stats:     received   rejected   filtered    ignored   RX limit      limit   accepted\n"
      "       Export updates:              9          0          0        ---        ---        ---          7\n"
      "     Pending 0 attribute sets with total 0 prefixes to send\n"
      "0000 \n"));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].since, "12:00:00.123");
  EXPECT_EQ(all[0].channels.at(0).updates, 7U) << "accepted is the last column";
  EXPECT_EQ(all[0].neighbor, "fe80::1%eth0");
  EXPECT_TRUE(all[0].is_peer_restarting);
  EXPECT_EQ(all[0].last_error, "Received: Hold timer expired");
  EXPECT_EQ(all[0].channels[0].exported, 7U);
  EXPECT_EQ(all[0].channels[0].imported, 1U);
}

TEST(BirdBfd, Sessions) {
  const auto b = parse_bfd_sessions(recorded("bfd"));
  EXPECT_EQ(b.support, BfdReport::Support::present);
  ASSERT_EQ(b.sessions.size(), 1U);
  EXPECT_EQ(b.sessions[0], (BfdSession{"10.1.0.2", "e0", BfdSession::State::up, "2026-11-21 13:42:00.478"}));
  const auto multihop = parse_bfd_sessions(reply_of("1020-b:\n x\n 10.0.0.1  ---  Down  12:00:00.000  0.1 0.5\n0000 \n"));
  ASSERT_EQ(multihop.sessions.size(), 1U);
  EXPECT_EQ(multihop.sessions[0].interface, "");
  EXPECT_EQ(multihop.sessions[0].state, BfdSession::State::down);
  EXPECT_EQ(parse_bfd_sessions(reply_of("9001 There is no BFD protocol running\n")).support, BfdReport::Support::not_configured);
  EXPECT_EQ(parse_bfd_sessions(reply_of("9001 syntax error, unexpected CF_SYM_UNDEFINED\n")).support, BfdReport::Support::not_built);
}

TEST(BirdRoutes, Count) {
  EXPECT_EQ(parse_route_count(recorded("count")), 2U);
  EXPECT_EQ(parse_route_count(reply_of("1007-7 of 9 routes for 9 networks in table t\n0000 \n")), 7U);
  EXPECT_EQ(parse_route_count(recorded("count_down")), std::nullopt);
}

TEST(BirdCommand, NeverTooLongAndOneLine) {
  EXPECT_EQ(configure(true).line(), "configure soft\n");
  EXPECT_EQ(configure_check("/run/x/bird.conf.new")->text(), "configure check \"/run/x/bird.conf.new\"");
  EXPECT_EQ(configure_timeout(std::chrono::seconds(30)).text(), "configure timeout 30");
  EXPECT_EQ(disable("flp_*", "node drained")->text(), "disable \"flp_*\" \"node drained\"");
  EXPECT_EQ(reload_out({2, 0, 12}, "flp_a")->text(), "reload out \"flp_a\"");
  EXPECT_EQ(reload_out({3, 0, 1}, "flp_a")->text(), "reload filters out \"flp_a\"");
  EXPECT_EQ(count_exported("flp_a")->text(), "show route export flp_a count");
  EXPECT_FALSE(count_exported("a b"));
  EXPECT_FALSE(configure_check("a\"b"));
  EXPECT_FALSE(disable("x", "a\"b"));
  EXPECT_FALSE(Command::of(""));
  EXPECT_FALSE(Command::of("a\nb"));
  EXPECT_TRUE(Command::of(std::string(kMaxCommand - 1, 'x')));
  EXPECT_FALSE(Command::of(std::string(kMaxCommand, 'x')));
}

TEST(BirdSymbol, StableUniqueAndNeverAKeyword) {
  EXPECT_EQ(symbol("flp_", "tor-1"), "flp_tor_1");
  EXPECT_TRUE(symbol("flp_", "a.b").starts_with("flp_a_b_"));
  EXPECT_NE(symbol("flp_", "a.b"), symbol("flp_", "a-b"));
  EXPECT_NE(symbol("flp_", "A"), symbol("flp_", "a"));
  EXPECT_NE(symbol("flp_", std::string(100, 'a')), symbol("flp_", std::string(101, 'a')));
  for (const std::string& n : {std::string(300, 'a'), std::string("\"; evil"), std::string("1"), std::string("\xc3\xa4")}) {
    EXPECT_TRUE(is_symbol(symbol("flp_", n))) << n;
  }
  EXPECT_FALSE(is_symbol("1a"));
  EXPECT_FALSE(is_symbol(""));
  EXPECT_FALSE(is_string("a\"b"));
  EXPECT_FALSE(is_string("a\nb"));
  EXPECT_TRUE(is_string("a'b \\ ;#{"));
}

}  // namespace
}  // namespace fairlead::bird
