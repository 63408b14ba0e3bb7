#include "speaker/core/bgp_peers.h"

#include <gtest/gtest.h>

#include "proto/bird/symbol.h"
#include "speaker/core/bfd_port.h"
#include "tests/unit/speaker/bgp_objects.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;
using test::bfd_profile;
using test::bgp_node;
using test::bgp_peer;
using test::ip;
using test::own;

BgpObjects world(std::vector<api::BGPPeer> peers) {
  BgpObjects out;
  for (auto& p : peers) out.peers.emplace(kube::Name{p.meta.ns, p.meta.name}, p);
  auto fast = bfd_profile("fast");
  fast.receive_interval = 50;
  fast.transmit_interval = 60;
  fast.detect_multiplier = 4;
  fast.passive_mode = true;
  auto echo = bfd_profile("echo");
  echo.echo_mode = true;
  auto ttl = bfd_profile("ttl");
  ttl.minimum_ttl = 250;
  for (const auto& p : {fast, echo, ttl, bfd_profile("plain")}) out.profiles.emplace(own(p.meta.name), p);
  auto opaque = test::bgp_secret("opaque", "x");
  opaque.type = "Opaque";
  auto empty = test::bgp_secret("empty", "");
  empty.password.reset();
  for (const auto& s : {test::bgp_secret("tor", "word"), opaque, empty, test::bgp_secret("quote", "a\"b")}) out.secrets.emplace(own(s.meta.name), s);
  return out;
}

/// The one peer, as it would be run.
bird::Peer good(const api::BGPPeer& peer, const BgpNode& node = bgp_node()) {
  const auto decision = decide_peers(world({peer}), node);
  EXPECT_TRUE(decision.problems.empty()) << decision.problems.front().what;
  return decision.peers.empty() ? bird::Peer() : decision.peers.begin()->second;
}
std::string fault(const api::BGPPeer& peer, const BgpNode& node = bgp_node()) {
  const auto decision = decide_peers(world({peer}), node);
  EXPECT_TRUE(decision.peers.empty() || decision.problems.empty());
  return decision.problems.empty() ? "" : std::string(name(decision.problems.front().fault));
}

TEST(BgpPeers, Defaults) {
  const auto p = good(bgp_peer("tor-1"));
  EXPECT_EQ(p.symbol, "flp_tor_1");
  EXPECT_EQ(p.number, bird::stable_number("tor-1"));
  EXPECT_EQ(p.local_as, 65001U);
  EXPECT_EQ(std::get<std::uint32_t>(p.remote_as), 65000U);
  EXPECT_EQ(p.hold, 90s);
  EXPECT_EQ(p.keepalive, 30s);
  EXPECT_EQ(p.hops, bird::Peer::Hops::direct);
  EXPECT_TRUE(p.ipv4);
  EXPECT_FALSE(p.ipv6);
  EXPECT_FALSE(p.bfd);
  EXPECT_FALSE(p.has_graceful_restart);
}

TEST(BgpPeers, Timers) {
  auto p = bgp_peer("a");
  p.hold_time = 9s;
  EXPECT_EQ(good(p).keepalive, 3s) << "a third of it";
  p.hold_time.reset();
  p.keepalive_time = 5s;
  EXPECT_EQ(good(p).hold, 15s) << "three times it";
  p.hold_time = 0s;
  p.keepalive_time = 0s;
  EXPECT_EQ(good(p).hold, 0s) << "no timers at all";
  p.hold_time = 2999ms;
  p.keepalive_time.reset();
  EXPECT_EQ(fault(p), "hold_time") << "seconds are what is on the wire";
  p.hold_time = 65536s;
  EXPECT_EQ(fault(p), "hold_time");
  p.hold_time = 10s;
  p.keepalive_time = 11s;
  EXPECT_EQ(fault(p), "keepalive_time");
  p.keepalive_time.reset();
  p.connect_time = 500ms;
  EXPECT_EQ(fault(p), "connect_time");
  p.connect_time = 7s;
  EXPECT_EQ(good(p).connect_retry, 7s);
}

TEST(BgpPeers, EveryFaultHasItsName) {
  const struct {
    const char* fault;
    void (*spoil)(api::BGPPeer&);
  } cases[] = {
      {"my_asn", [](auto& p) { p.my_asn = 0; }},
      {"remote_asn", [](auto& p) { p.peer_asn = 0; }},
      {"remote_asn", [](auto& p) { p.dynamic_asn = api::BGPPeer::DynamicAsn::external; }},
      {"remote_address", [](auto& p) { p.peer_address.reset(); }},
      {"remote_address", [](auto& p) { p.interface = "eth0"; }},
      {"remote_address", [](auto& p) { p.peer_address = ip("fe80::1"); }},
      {"interface_name", [](auto& p) { p.peer_address.reset(), p.interface = "eth0\"; }"; }},
      {"interface_name", [](auto& p) { p.peer_address.reset(), p.interface = "longer-than-a-name"; }},
      {"vrf_name", [](auto& p) { p.vrf = "a b"; }},
      {"source_address", [](auto& p) { p.source_address = ip("fd00::1"); }},
      {"router_id", [](auto& p) { p.router_id = ip("fd00::1"); }},
      {"multihop_internal", [](auto& p) { p.peer_asn = 65001, p.ebgp_multihop = true; }},
      {"multihop_unnumbered", [](auto& p) { p.peer_address.reset(), p.interface = "eth0", p.ebgp_multihop = true; }},
      {"ttl_security", [](auto& p) { p.ebgp_multihop = true, p.meta.annotations["fairlead.io/ttl-security"] = "true"; }},
      {"annotation", [](auto& p) { p.meta.annotations["fairlead.io/passive"] = "yes"; }},
      {"two_passwords", [](auto& p) { p.password = "x", p.password_secret = {"tor", ""}; }},
      {"password_text", [](auto& p) { p.password = "a\"b"; }},
      {"password_text", [](auto& p) { p.password = "a\nb"; }},
      {"password_text", [](auto& p) { p.password = std::string(81, 'x'); }},
      {"password_text", [](auto& p) { p.password_secret = {"quote", ""}; }},
      {"secret_missing", [](auto& p) { p.password_secret = {"gone", ""}; }},
      {"secret_type", [](auto& p) { p.password_secret = {"opaque", ""}; }},
      {"secret_empty", [](auto& p) { p.password_secret = {"empty", ""}; }},
      {"profile_missing", [](auto& p) { p.bfd_profile = "gone"; }},
      {"bfd_echo", [](auto& p) { p.bfd_profile = "echo"; }},
      {"bfd_minimum_ttl", [](auto& p) { p.bfd_profile = "ttl", p.ebgp_multihop = true; }},
  };
  for (const auto& c : cases) {
    auto p = bgp_peer("a");
    c.spoil(p);
    EXPECT_EQ(fault(p), c.fault);
  }
}

TEST(BgpPeers, NoSentenceHoldsAPassword) {
  auto p = bgp_peer("a");
  p.password = "s3cret\"";
  for (const auto& problem : decide_peers(world({p}), bgp_node()).problems) EXPECT_EQ(problem.what.find("s3cret"), std::string::npos);
}

TEST(BgpPeers, PasswordOutOfASecret) {
  auto p = bgp_peer("a");
  p.password_secret = {"tor", "another-namespace"};
  EXPECT_EQ(good(p).password, "word");
}

TEST(BgpPeers, BfdOfOneAndOfSeveralHops) {
  auto p = bgp_peer("a");
  p.bfd_profile = "fast";
  EXPECT_EQ(good(p).bfd, (bird::Bfd{50, 60, 4, true, false}));
  p.meta.annotations["fairlead.io/bfd-graceful"] = "true";
  EXPECT_TRUE(good(p).bfd->is_graceful);
  EXPECT_FALSE(good(p).source) << "on one link BIRD knows it";
  p.ebgp_multihop = true;
  EXPECT_EQ(good(p).source, ip("10.0.0.1"));
  auto lost = bgp_node();
  lost.addresses = test::ips({"fd00::1"});
  EXPECT_EQ(fault(p, lost), "bfd_needs_source");
  auto without = bgp_node();
  without.has_bfd_built_in = false;
  EXPECT_EQ(fault(p, without), "bfd_not_built");
}

TEST(BgpPeers, WhereAnotherProgramDoesBfdTheSessionRunsWithoutAndSaysSo) {
  auto p = bgp_peer("a");
  p.bfd_profile = "fast";
  auto shared = bgp_node();
  shared.is_bfd_port_taken = true;
  const auto decision = decide_peers(world({p, bgp_peer("b", "10.0.0.253")}), shared);
  ASSERT_EQ(decision.peers.size(), 2U);
  EXPECT_FALSE(decision.peers.at("a").bfd);
  ASSERT_EQ(decision.problems.size(), 1U) << "b wants none";
  EXPECT_EQ(name(decision.problems[0].fault), "bfd_port_taken");
  for (const char* part : {"3784", "bfdProfile", "--bird-include-only"}) EXPECT_NE(decision.problems[0].what.find(part), std::string::npos) << part;
  EXPECT_TRUE(decision.wants_bfd) << "so the port is looked at again";
  EXPECT_FALSE(decide_peers(world({bgp_peer("b")}), shared).wants_bfd);
}

TEST(BfdPort, OursIsOneOfTheSockets) {
  BfdPort port;
  EXPECT_FALSE(port.look(0, false));
  EXPECT_FALSE(port.look(1, true)) << "ours";
  EXPECT_TRUE(port.look(2, true)) << "another one came: ours has yielded";
  EXPECT_TRUE(port.look(2, false)) << "and is closing its own";
  EXPECT_TRUE(port.look(1, false));
  EXPECT_FALSE(port.look(0, false)) << "it went";
  EXPECT_FALSE(port.look(1, true));
  EXPECT_FALSE(port.look(1, false)) << "a socket may be there a moment longer than what it is for";
  EXPECT_FALSE(port.look(0, false));
  EXPECT_TRUE(BfdPort().look(1, false)) << "it was there first";
}

TEST(BgpPeers, WithinAnAs) {
  auto p = bgp_peer("a");
  p.peer_asn = 65001;
  EXPECT_EQ(good(p).hops, bird::Peer::Hops::multihop);
  p.bfd_profile = "plain";
  EXPECT_EQ(good(p).hops, bird::Peer::Hops::direct) << "on the same link BFD is of one hop";
  p.peer_address = ip("172.16.0.1");
  EXPECT_EQ(good(p).hops, bird::Peer::Hops::multihop);
  EXPECT_EQ(good(p).source, ip("10.0.0.1"));
}

TEST(BgpPeers, LocalAndDynamicAsn) {
  auto p = bgp_peer("a");
  p.local_asn = 64999;
  EXPECT_EQ(good(p).local_as, 64999U);
  p.peer_asn = 0;
  p.dynamic_asn = api::BGPPeer::DynamicAsn::internal;
  EXPECT_TRUE(good(p).is_internal());
  p.dynamic_asn = api::BGPPeer::DynamicAsn::external;
  EXPECT_FALSE(good(p).is_internal());
}

TEST(BgpPeers, Families) {
  auto v6 = bgp_peer("a", "fd00::254");
  EXPECT_TRUE(!good(v6).ipv4 && good(v6).ipv6);
  v6.dual_stack_address_family = true;
  EXPECT_TRUE(good(v6).ipv4 && good(v6).ipv6);
  auto unnumbered = bgp_peer("a", "");
  unnumbered.interface = "eth0";
  EXPECT_TRUE(good(unnumbered).ipv4 && good(unnumbered).ipv6);
}

TEST(BgpPeers, NodeSelectorsAndRoutersTwice) {
  auto here = bgp_peer("here");
  here.node_selectors = {test::label_is("rack", "1")};
  auto elsewhere = bgp_peer("elsewhere", "10.0.0.253");
  elsewhere.node_selectors = {test::label_is("rack", "2")};
  auto again = bgp_peer("there-too");
  const auto decision = decide_peers(world({here, elsewhere, again}), bgp_node());
  EXPECT_EQ(decision.peers.size(), 1U);
  EXPECT_TRUE(decision.peers.contains("here"));
  ASSERT_EQ(decision.problems.size(), 1U);
  EXPECT_EQ(decision.problems[0].fault, PeerFault::duplicate_peer);
  EXPECT_EQ(decision.problems[0].peer, own("there-too"));
  EXPECT_FALSE(decision.selected.contains("flp_elsewhere"));
  EXPECT_TRUE(decision.selected.contains("flp_there_too")) << "it may go on as it runs";
}

TEST(BgpPeers, RouterIdWithoutIpv4IsStable) {
  EXPECT_EQ(router_id(bgp_node()), test::ip4("10.0.0.1"));
  auto v6 = bgp_node();
  v6.addresses = test::ips({"fd00::1"});
  EXPECT_EQ(router_id(v6), router_id(v6));
  auto other = v6;
  other.name = "n2";
  EXPECT_NE(router_id(v6), router_id(other));
}

}  // namespace
}  // namespace fairlead::speaker
