/// Golden files, which tests/lab/test_bgp.py gives to `bird -p` as well.
#include "proto/bird/config_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "proto/bird/symbol.h"
#include "tests/support/golden_text.h"

namespace fairlead::bird {
namespace {

using test::expect_golden_text;

Ip ip(std::string_view text) { return parse_ip(text).value(); }

Peer peer(const std::string& name, std::string_view address) {
  Peer out;
  out.symbol = symbol(kPeerPrefix, name);
  out.number = stable_number(name);
  out.description = name;
  out.local_as = 65001;
  out.remote_as = 65000U;
  out.address = ip(address);
  return out;
}

Config config(std::vector<Peer> peers) {
  Config out;
  out.router_id = ip("198.51.100.11").v4();
  out.routes4 = "/run/fairlead-bird/routes4.conf";
  out.routes6 = "/run/fairlead-bird/routes6.conf";
  for (const Peer& p : peers) out.peers.push_back(block(p));
  return out;
}

Attributes rich() {
  Attributes out;
  out.local_pref = 150;
  out.med = 50;
  out.prepend = 2;
  out.communities = {{65001, 100}, {65535, 65281}};
  out.large = {{65001, 1, 2}};
  return out;
}

Telling to_all(Attributes attributes) { return {{{0, std::move(attributes)}}}; }

TEST(BirdConfigText, WithoutPeers) { expect_golden_text("bird/golden/empty.conf", config_text(config({}))); }

TEST(BirdConfigText, EveryAttribute) {
  Config c = config({peer("tor-1", "198.51.100.1")});
  c.tellings = {to_all({}), to_all(rich()), {{{stable_number("tor-1"), rich()}, {1, {}}}}, {{{1, rich()}}}};
  expect_golden_text("bird/golden/attributes.conf", config_text(c));
  const std::string text = config_text(c);
  c.is_draining = true;
  expect_golden_text("bird/golden/draining.conf", config_text(c));
  EXPECT_EQ(drained(text), config_text(c)) << "by whoever";
  EXPECT_EQ(drained(drained(text)), config_text(c));
}

TEST(BirdConfigText, EveryOptionOfASession) {
  Peer ebgp = peer("ebgp", "198.51.100.1");
  ebgp.password = "it's \\ a #secret;";
  ebgp.is_ttl_checked = true;
  ebgp.bfd = Bfd{50, 60, 5, true, false};
  ebgp.hold = std::chrono::seconds(9);
  ebgp.keepalive = std::chrono::seconds(3);
  ebgp.connect_retry = std::chrono::seconds(7);
  ebgp.router_id = ip("10.9.9.9").v4();
  ebgp.has_graceful_restart = true;
  ebgp.ipv6 = true;

  Peer ibgp = peer("ibgp", "198.51.100.2");
  ibgp.remote_as = 65001U;
  ibgp.bfd = Bfd{300, 300, 3, false, true};
  ibgp.has_graceful_restart = true;

  Peer multihop = peer("multihop", "203.0.113.1");
  multihop.hops = Peer::Hops::multihop;
  multihop.source = ip("198.51.100.11");
  multihop.bfd = Bfd();
  multihop.port = 1790;
  multihop.listen_port = 1791;
  multihop.hold = std::chrono::seconds(0);
  multihop.is_passive = true;

  Peer v6 = peer("v6", "2001:db8::1");
  v6.remote_as = Peer::Remote::external;
  v6.ipv6 = true;

  Peer vrf = peer("vrf", "198.51.100.3");
  vrf.vrf = "red";
  vrf.remote_as = Peer::Remote::internal;
  vrf.bfd = Bfd();

  Peer unnumbered = peer("unnumbered", "198.51.100.4");
  unnumbered.address.reset();
  unnumbered.interface = "eth1";
  unnumbered.remote_as = Peer::Remote::external;
  unnumbered.ipv6 = true;

  Config c = config({ebgp, ibgp, multihop, v6, vrf, unnumbered});
  c.tellings = {to_all(rich())};
  expect_golden_text("bird/golden/sessions.conf", config_text(c));
  c.is_whole = false;
  expect_golden_text("bird/golden/included.conf", config_text(c));
}

TEST(BirdConfigText, OurOwnAsIsNotPrependedTowardsOurselves) {
  Peer internal = peer("a", "198.51.100.1");
  internal.remote_as = 65001U;
  Config c = config({internal});
  c.tellings = {to_all(rich())};
  EXPECT_EQ(config_text(c).find("bgp_path.prepend"), std::string::npos);
  Peer external = peer("a", "198.51.100.1");
  external.remote_as = Peer::Remote::external;
  c.peers = {block(external)};
  EXPECT_NE(config_text(c).find("bgp_path.prepend(65001)"), std::string::npos);
}

TEST(BirdConfigText, WithoutBfdBuiltInNothingNamesIt) {
  Config c = config({peer("a", "198.51.100.1")});
  c.has_bfd_built_in = false;
  EXPECT_EQ(config_text(c).find("bfd {"), std::string::npos);
}

TEST(BirdConfigText, BlocksAreReadBack) {
  Peer a = peer("a", "198.51.100.1");
  a.bfd = Bfd();
  a.vrf = "red";
  Peer b = peer("b", "198.51.100.2");
  b.address.reset();
  b.interface = "eth1.100";
  Config c = config({a, b});
  c.tellings = {to_all(rich())};
  const std::string text = config_text(c);
  const auto blocks = blocks_of(text);
  ASSERT_EQ(blocks.size(), 2U);
  EXPECT_EQ(blocks.at("flp_a"), block(a));
  EXPECT_EQ(blocks.at("flp_b"), block(b));
  EXPECT_EQ(router_id_of(text), ip("198.51.100.11").v4());
  EXPECT_EQ(router_id_of("router id 1.2.3;"), std::nullopt);
  // Damaged: left out, the others stay.
  EXPECT_EQ(blocks_of(text.substr(0, text.rfind("# end"))).size(), 1U);
  EXPECT_TRUE(blocks_of("# peer a number=0 prepend=0 bfd=0\nprotocol bgp a {\n}\n# end of peer\n").empty());
  EXPECT_TRUE(blocks_of("# peer a number=1\nprotocol bgp other {\n}\n# end of peer\n").empty());
}

TEST(BirdConfigText, ALineBelongsToItsPeer) {
  const std::string text = config_text(config({peer("a", "198.51.100.1"), peer("b", "198.51.100.2")}));
  const auto line_of = [&](const std::string& what) {
    return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(text.find(what)), '\n'));
  };
  EXPECT_EQ(peer_at_line(text, line_of("neighbor 198.51.100.1")), "flp_a");
  EXPECT_EQ(peer_at_line(text, line_of("neighbor 198.51.100.2")), "flp_b");
  EXPECT_EQ(peer_at_line(text, line_of("function fl_out_flp_b")), "") << "the block of a has ended";
  EXPECT_EQ(peer_at_line(text, 1), "");
  EXPECT_EQ(peer_at_line(text, 100'000), "");
}

TEST(BirdConfigText, ARouteIsToldToThosePeersThatItsNumberMeans) {
  const Telling one{{{stable_number("a"), rich()}}};
  Config c = config({peer("a", "198.51.100.1"), peer("b", "198.51.100.2")});
  c.tellings = {to_all({}), one};
  const std::string text = config_text(c);
  const auto function_of = [&](const std::string& name) {
    const auto at = text.find("function fl_out_flp_" + name);
    return text.substr(at, text.find("\n}\n", at) - at);
  };
  EXPECT_NE(function_of("a").find("fl_tell ~ [" + std::to_string(one.number()) + "]"), std::string::npos);
  EXPECT_EQ(function_of("b").find(std::to_string(one.number())), std::string::npos);
  EXPECT_NE(function_of("b").find("fl_tell ~ [" + std::to_string(to_all({}).number()) + "]"), std::string::npos);
}

TEST(BirdConfigText, Routes) {
  EXPECT_EQ(route_line(Prefix::host(ip("192.0.2.10")), to_all({})), "route 192.0.2.10/32 blackhole { fl_tell = 3450519892; };\n");
  EXPECT_EQ(route_line(Prefix::of(ip("2001:db8::5"), 64), to_all({})), "route 2001:db8::/64 blackhole { fl_tell = 3450519892; };\n");
}

TEST(BirdTelling, NumbersAreStableAndTellApart) {
  EXPECT_EQ(to_all(rich()).number(), to_all(rich()).number());
  EXPECT_EQ(rich().str(), "localPref=150 med=50 prepend=2 65001:100 65535:65281 large:65001:1:2");
  Attributes zero;
  zero.med = 0;
  const std::vector<Telling> others = {to_all({}), to_all(rich()), to_all(zero), {{{1, {}}}}, {{{1, {}}, {2, {}}}}, {{{1, {}}, {2, zero}}}, {{{1, zero}, {2, {}}}}};
  std::set<std::uint32_t> numbers;
  for (const Telling& t : others) EXPECT_TRUE(numbers.insert(t.number()).second) << "a MED of 0 is said, too";
}

}  // namespace
}  // namespace fairlead::bird
