#include "proto/nft/decode.h"

#include <gtest/gtest.h>

#include <random>

#include "proto/nft/batch.h"
#include "proto/nft/uapi.h"
#include "tests/unit/nft/samples.h"

namespace fairlead::nft {
namespace {

using test::ip;
using test::prefix;

constexpr std::string_view kTable = "fairlead-1";

template <class T>
void host(Bytes& out, T value) {
  const auto at = out.size();
  out.resize(at + sizeof value);
  std::memcpy(out.data() + at, &value, sizeof value);
}

Bytes message(std::uint16_t type, std::uint16_t flags, std::uint32_t seq, const Bytes& body) {
  Bytes out;
  host(out, static_cast<std::uint32_t>(16 + body.size()));
  host(out, type);
  host(out, flags);
  host(out, seq);
  host(out, std::uint32_t{77});
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

Bytes attribute(std::uint16_t type, std::string_view payload) {
  Bytes out;
  host(out, static_cast<std::uint16_t>(4 + payload.size()));
  host(out, type);
  out.insert(out.end(), payload.begin(), payload.end());
  out.resize((out.size() + 3) / 4 * 4);
  return out;
}

/// The elements of a datagram, as a session collects them.
std::vector<Element> collect(ByteView datagram) {
  std::map<Map, std::vector<WireElement>> wire;
  Messages messages(datagram);
  while (const auto m = messages.next()) {
    if (m->topic != Topic::element) continue;
    ElementList list = parse_elements(m->attributes);
    for (std::size_t i = 0; i < kMaps; ++i) {
      const auto map = static_cast<Map>(i);
      if (list.set != info(map).name) continue;
      EXPECT_EQ(list.table, kTable);
      auto& into = wire[map];
      into.insert(into.end(), list.elements.begin(), list.elements.end());
    }
  }
  std::vector<Element> out;
  for (auto& [map, list] : wire) {
    for (Element& e : assemble(map, std::move(list))) out.push_back(std::move(e));
  }
  return sorted(std::move(out));
}

Bytes added(const std::vector<Element>& elements) {
  Batch b(1);
  b.add(kTable, elements);
  return std::move(b).finish();
}

TEST(NftDecode, WhatABatchWroteReadsBackTheSame) {
  EXPECT_EQ(collect(added(one_of_each())), sorted(one_of_each()));
}

TEST(NftDecode, IntervalsReadBackTheSame) {
  const struct {
    const char* name;
    std::vector<Element> in;
  } cases[] = {
      {"one address", {service_cidr(prefix("10.0.0.1/32"))}},
      {"the last address", {service_cidr(prefix("255.255.255.255/32"))}},
      {"open to the end", {service_cidr(prefix("255.255.255.0/24"))}},
      {"everything", {service_cidr(prefix("0.0.0.0/0"))}},
      {"everything, IPv6", {local_pods(prefix("::/0"))}},
      {"the last IPv6 address", {local_pods(prefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"))}},
      {"adjacent", {local_pods(prefix("10.0.0.0/24")), local_pods(prefix("10.0.1.0/24")), local_pods(prefix("10.0.2.0/32"))}},
      {"adjacent up to the end", {local_pods(prefix("255.255.254.0/24")), local_pods(prefix("255.255.255.0/24"))}},
      {"with a carry", {local_pods(prefix("10.255.255.0/24")), local_pods(prefix("fd01:0:0:ffff::/64"))}},
      {"all but loopback", everywhere(Family::v4)},
      {"all but loopback, IPv6", everywhere(Family::v6)},
      {"a link by name", {pod_link("cni0", false)}},
      {"links by the beginning", {pod_link("cali", true), pod_link("cam", true)}},
      {"links by the beginning, the last letter there is", {pod_link("\xff", true)}},
      {"boxes",
       {allowed(ip("192.0.2.1"), Protocol::tcp, Port{80}, prefix("203.0.113.0/24")), allowed(ip("192.0.2.1"), Protocol::tcp, Port{80}, prefix("203.0.114.0/24")),
        allowed(ip("192.0.2.1"), Protocol::udp, Port{80}, prefix("0.0.0.0/0")), allowed(ip("2001:db8::1"), Protocol::tcp, Port{80}, prefix("2001:db8::1/128"))}},
      {"from zero", {local_pods(prefix("0.0.0.0/8")), local_pods(prefix("128.0.0.0/8"))}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(collect(added(c.in)), sorted(c.in));
  }
}

TEST(NftDecode, ElementsThatComeInAnyOrderAreTheSame) {
  std::vector<WireElement> wire;
  Messages messages{ByteView{}};
  const Bytes bytes = added({local_pods(prefix("10.0.0.0/24")), local_pods(prefix("10.0.1.0/24")), local_pods(prefix("10.9.0.0/16"))});
  messages = Messages(bytes);
  while (const auto m = messages.next()) {
    if (m->topic == Topic::element) wire = parse_elements(m->attributes).elements;
  }
  ASSERT_EQ(wire.size(), 6U);
  const auto want = assemble(Map::pods4, wire);
  std::mt19937 random(1);
  for (int i = 0; i < 50; ++i) {
    std::shuffle(wire.begin(), wire.end(), random);
    EXPECT_EQ(assemble(Map::pods4, wire), want);
  }
}

TEST(NftDecode, ElementsOfAnotherShapeAreLeftOut) {
  const WireElement good{"\x0a\x00\x00\x01", "", false};
  WireElement good_key = good;
  good_key.key = std::string("\x0a\x00\x00\x01", 4);
  EXPECT_EQ(assemble(Map::refused4, {good_key}).size(), 1U);
  EXPECT_EQ(assemble(Map::refused4, {{std::string(3, 'x'), "", false}, {std::string(5, 'x'), "", false}, {"", "", false}}).size(), 0U);
  EXPECT_EQ(assemble(Map::by_pod, {{std::string(4, 'x'), "abc", false}, {std::string(4, 'x'), "", false}}).size(), 0U);
  EXPECT_EQ(assemble(Map::pods4, {{std::string(4, 'x'), "", true}}).size(), 0U) << "an end without a start";
}

/// A message that was cut says nothing; a message before it says all of it.
TEST(NftDecode, EveryShorterDatagramIsSafeAndTellsNothingWrong) {
  const auto all = one_of_each();
  const Bytes whole = added(all);
  std::size_t most = 0;
  for (std::size_t n = 0; n <= whole.size(); ++n) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));  // its own allocation: ASan sees the end
    const auto got = collect(cut);
    for (const Element& e : got) EXPECT_NE(std::find(all.begin(), all.end(), e), all.end()) << n;
    EXPECT_GE(got.size(), most) << "a longer datagram tells no less";
    most = got.size();
  }
  EXPECT_EQ(most, all.size());
}

TEST(NftDecode, RandomDamageIsSafe) {
  const Bytes whole = added(one_of_each());
  std::mt19937 random(7);
  for (int round = 0; round < 5'000; ++round) {
    Bytes damaged = whole;
    for (int n = 0; n < 4; ++n) damaged[random() % damaged.size()] = static_cast<std::uint8_t>(random());
    damaged.resize(random() % damaged.size());
    damaged.shrink_to_fit();
    Messages messages(damaged);
    while (const auto m = messages.next()) {
      parse_table(m->attributes);
      parse_chain(m->attributes);
      parse_rule(m->attributes);
      parse_set(m->attributes);
      const auto map = static_cast<Map>(random() % kMaps);
      for (const Element& e : assemble(map, parse_elements(m->attributes).elements)) EXPECT_FALSE(describe(e.key).empty());
    }
  }
}

// --- acknowledgements --------------------------------------------------------------------------------------------------

/// An error message as the kernel builds it: the errno, the failed message's header and (unless it was cut away) body, then
/// the extended ack.
Bytes ack(int error, std::uint32_t failed_seq, bool is_capped, std::string_view text) {
  Bytes body;
  host(body, error);
  const Bytes failed = message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM, NLM_F_REQUEST, failed_seq, Bytes(12, 0xee));
  body.insert(body.end(), failed.begin(), is_capped ? failed.begin() + 16 : failed.end());
  if (!text.empty()) {
    const Bytes offset = attribute(NLMSGERR_ATTR_OFFS, std::string("\x14\x00\x00\x00", 4));
    const Bytes words = attribute(NLMSGERR_ATTR_MSG, std::string(text) + '\0');
    body.insert(body.end(), offset.begin(), offset.end());
    body.insert(body.end(), words.begin(), words.end());
  }
  const auto flags = static_cast<std::uint16_t>((is_capped ? NLM_F_CAPPED : 0) | (text.empty() ? 0 : NLM_F_ACK_TLVS));
  return message(NLMSG_ERROR, flags, failed_seq, body);
}

TEST(NftDecode, AnAcknowledgementNamesTheMessageAndTheReason) {
  for (const bool is_capped : {true, false}) {
    SCOPED_TRACE(is_capped ? "capped" : "whole");
    for (const std::string_view words : {"", "Could not process rule", "x"}) {
      const Bytes bytes = ack(-16, 4711, is_capped, words);
      Messages messages(bytes);
      const auto m = messages.next();
      ASSERT_TRUE(m.has_value());
      EXPECT_EQ(m->topic, Topic::ack);
      EXPECT_EQ(m->error, 16);
      EXPECT_EQ(m->seq, 4711U);
      EXPECT_EQ(m->text, words);
      EXPECT_FALSE(messages.next().has_value());
    }
  }
  const Bytes fine = ack(0, 12, true, "");
  const auto m = Messages(fine).next();
  ASSERT_TRUE(m.has_value());
  EXPECT_EQ(m->error, 0);
  EXPECT_EQ(m->seq, 12U);
}

TEST(NftDecode, AnyNumberIsSafeAsAnErrno) {
  for (const int error : {0, 1, -1, 4095, -4095, -4096, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()}) {
    Bytes body;
    host(body, error);
    for (const int type : {NLMSG_ERROR, NLMSG_DONE}) {
      const Bytes bytes = message(static_cast<std::uint16_t>(type), 0, 1, body);
      const auto m = Messages(bytes).next();
      ASSERT_TRUE(m.has_value());
      EXPECT_GE(m->error, 0);
      EXPECT_EQ(m->error == 0, error >= 0) << error;
    }
  }
}

TEST(NftDecode, EveryShorterAcknowledgementIsSafe) {
  const Bytes whole = ack(-2, 9, false, "No such file or directory; did you mean table 'x'?");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_FALSE(Messages(cut).next().has_value()) << n;
    // The same with a length that claims to fit.
    if (n < 16) continue;
    Bytes patched = cut;
    const auto length = static_cast<std::uint32_t>(n);
    std::memcpy(patched.data(), &length, sizeof length);
    const auto m = Messages(patched).next();
    ASSERT_TRUE(m.has_value());
    EXPECT_EQ(m->topic, Topic::ack);
    EXPECT_TRUE(m->text.empty() || n >= whole.size() - 4) << n;
  }
}

TEST(NftDecode, AnInterruptedDumpSaysSo) {
  for (const bool is_interrupted : {false, true}) {
    const auto flags = static_cast<std::uint16_t>(NLM_F_MULTI | (is_interrupted ? NLM_F_DUMP_INTR : 0));
    for (const std::uint16_t type : {static_cast<std::uint16_t>(NLMSG_DONE), static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM)}) {
      const Bytes bytes = message(type, flags, 3, Bytes(4, 0));
      const auto m = Messages(bytes).next();
      ASSERT_TRUE(m.has_value());
      EXPECT_EQ(m->is_interrupted, is_interrupted);
      EXPECT_EQ(m->port_id, 77U);
    }
  }
}

TEST(NftDecode, TopicsTable) {
  const struct {
    int command;
    Topic want;
  } cases[] = {
      {NFT_MSG_NEWTABLE, Topic::table},     {NFT_MSG_DELTABLE, Topic::removed_table},
      {NFT_MSG_NEWCHAIN, Topic::chain},     {NFT_MSG_DELCHAIN, Topic::removed_chain},
      {NFT_MSG_NEWRULE, Topic::rule},       {NFT_MSG_DELRULE, Topic::removed_rule},
      {NFT_MSG_NEWSET, Topic::set},         {NFT_MSG_DELSET, Topic::removed_set},
      {NFT_MSG_NEWSETELEM, Topic::element}, {NFT_MSG_DELSETELEM, Topic::removed_element},
      {NFT_MSG_NEWGEN, Topic::other},       {NFT_MSG_NEWOBJ, Topic::other},
  };
  for (const auto& c : cases) {
    const Bytes bytes = message(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | c.command), 0, 1, Bytes(4, 0));
    EXPECT_EQ(Messages(bytes).next()->topic, c.want) << c.command;
  }
  const Bytes foreign = message(NFNL_SUBSYS_CTNETLINK << 8, 0, 1, Bytes(4, 0));
  EXPECT_EQ(Messages(foreign).next()->topic, Topic::other);
}

TEST(NftDecode, TablesTellFlagsAndOwner) {
  Bytes attributes;
  const auto add = [&](std::uint16_t type, std::string_view payload) {
    const Bytes a = attribute(type, payload);
    attributes.insert(attributes.end(), a.begin(), a.end());
  };
  add(NFTA_TABLE_NAME, std::string_view("fairlead-anchor\0", 16));
  add(NFTA_TABLE_FLAGS, std::string_view("\0\0\0\x03", 4));
  add(NFTA_TABLE_OWNER, std::string_view("\0\0\x12\x34", 4));
  const TableInfo t = parse_table(attributes);
  EXPECT_EQ(t.name, "fairlead-anchor");
  EXPECT_TRUE(t.is_dormant());
  EXPECT_EQ(t.owner, 0x1234U);
  EXPECT_FALSE(parse_table({}).is_dormant());
  EXPECT_EQ(parse_table({}).name, "");
}

}  // namespace
}  // namespace fairlead::nft
