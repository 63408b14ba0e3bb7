#include "proto/nft/batch.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/golden.h"
#include "tests/support/netlink_walk.h"
#include "tests/unit/nft/samples.h"

namespace fairlead::nft {
namespace {

using test::expect_golden;
using test::ip;
using test::Walked;

constexpr std::string_view kTable = "fairlead-1";

/// Walks it, and says what is wrong with the frame of a batch.
Walked walked(const Bytes& bytes, std::uint32_t first_seq) {
  Walked out = test::walk(bytes);
  EXPECT_EQ(out.fault, "");
  if (!out.fault.empty() || out.messages.size() < 3) {
    ADD_FAILURE() << "no batch: " << out.messages.size() << " messages";
    return out;
  }
  EXPECT_EQ(out.messages.front().type, NFNL_MSG_BATCH_BEGIN);
  EXPECT_EQ(out.messages.back().type, NFNL_MSG_BATCH_END);
  for (const auto* boundary : {&out.messages.front(), &out.messages.back()}) {
    EXPECT_EQ(boundary->resource, NFNL_SUBSYS_NFTABLES);
    EXPECT_EQ(boundary->size, 20U);
  }
  for (std::size_t i = 0; i < out.messages.size(); ++i) {
    const auto& m = out.messages[i];
    EXPECT_EQ(m.seq, first_seq + i);
    EXPECT_EQ(m.port_id, 0U);
    EXPECT_NE(m.flags & NLM_F_REQUEST, 0);
    EXPECT_EQ((m.flags & NLM_F_ACK) != 0, i + 2 == out.messages.size()) << "only the last message asks for an answer: " << i;
  }
  return out;
}

template <class F>
Bytes batch_of(F fill, std::uint32_t first_seq = 100) {
  Batch b(first_seq);
  fill(b);
  return std::move(b).finish();
}

TEST(NftBatchGolden, AddAndRemoveOfOneFrontend) {
  const std::vector<Element> one{frontend(ip("10.96.0.1"), Protocol::tcp, Port{80}, kHandle)};
  expect_golden("nft/golden/add_frontend.hex", "add services4 10.96.0.1 tcp 80 : 0x5810", batch_of([&](Batch& b) { b.add(kTable, one); }));
  expect_golden("nft/golden/remove_frontend.hex", "remove services4 10.96.0.1 tcp 80",
                batch_of([&](Batch& b) { b.remove(kTable, std::vector<Element>{{one[0].key, {}}}); }));
}

TEST(NftBatchGolden, IntervalIsAStartAndAnEnd) {
  const std::vector<Element> one{local_pods(test::prefix("10.244.0.0/16"))};
  expect_golden("nft/golden/add_interval.hex", "add pods4 10.244.0.0/16", batch_of([&](Batch& b) { b.add(kTable, one); }));
}

TEST(NftBatchGolden, BoxIsOneElementWithTwoKeys) {
  const std::vector<Element> one{allowed(ip("192.0.2.1"), Protocol::tcp, Port{80}, test::prefix("203.0.113.0/24"))};
  expect_golden("nft/golden/add_box.hex", "add allowed4 192.0.2.1 tcp 80 203.0.113.0/24", batch_of([&](Batch& b) { b.add(kTable, one); }));
}

TEST(NftBatchGolden, ClassElementIsAVerdict) {
  const std::vector<Element> one{spread_class(Map::classes, ClassNo{80}, "spread-70")};
  expect_golden("nft/golden/add_class.hex", "add classes 80 : goto spread-70", batch_of([&](Batch& b) { b.add(kTable, one); }));
}

TEST(NftBatchGolden, Anchor) {
  expect_golden("nft/golden/anchor.hex", "the anchor table, its chain and its rule", batch_of([](Batch& b) { b.add_anchor(); }));
}

TEST(NftBatchGolden, ChainOfSeventyEndpoints) {
  expect_golden("nft/golden/spread_70.hex", "chain spread-70 with its three rules",
                batch_of([](Batch& b) { b.add_spread_chain(kTable, "spread-70", 70); }));
}

TEST(NftBatchGolden, TablesChainsAndDumps) {
  expect_golden("nft/golden/tables.hex", "wake fairlead-1, make a marker chain, remove fairlead-1-b", batch_of([](Batch& b) {
                  b.add_table(kTable);
                  b.add_chain(kTable, "skeleton-0");
                  b.remove_table("fairlead-1-b");
                }));
  Bytes all = dump_tables(1);
  for (const Bytes& b : {dump_chains(2), dump_rules(kTable, 3), dump_sets(kTable, 4), dump_elements(kTable, Map::services6, 5)}) {
    all.insert(all.end(), b.begin(), b.end());
  }
  expect_golden("nft/golden/dumps.hex", "dumps of tables, chains, rules, sets, elements of services6", all);
  const Walked w = test::walk(all);
  EXPECT_EQ(w.fault, "");
  ASSERT_EQ(w.messages.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(w.messages[i].seq, i + 1);
    EXPECT_EQ(w.messages[i].flags, NLM_F_REQUEST | NLM_F_DUMP);
  }
}

TEST(NftBatch, ADumpOfAllFamiliesAsksForNone) {
  for (const Bytes& one : {dump_tables(1), dump_chains(1)}) EXPECT_EQ(one[16], NFPROTO_INET);
  for (const Bytes& all : {dump_tables(1, Families::all), dump_chains(1, Families::all)}) {
    EXPECT_EQ(all[16], NFPROTO_UNSPEC);
    EXPECT_EQ(all.size(), dump_tables(1).size());
  }
}

TEST(NftBatch, EveryElementIsWellFormedOnTheWire) {
  const auto all = one_of_each();
  const Walked w = walked(batch_of([&](Batch& b) {
                            b.add(kTable, all);
                            b.remove(kTable, all);
                            b.add_spread_chain(kTable, "spread-1000", 1000);
                            b.add_anchor();
                            b.add_table(kTable);
                            b.remove_table(kTable);
                          }),
                          100);
  // A message for each map, twice; a chain, emptied, and its three rules; table, chain and rule of the anchor; wake;
  // removal.
  EXPECT_EQ(w.messages.size(), 2 + 2 * kMaps + 5 + 3 + 2);
}

TEST(NftBatch, PacksUpToSixtyKilobytesAndStartsAMessageForEachMap) {
  std::vector<Element> all;
  for (std::uint32_t i = 0; i < 6000; ++i) all.push_back(endpoint(ListId{1}, i, Ip4::of(i), Port{80}));
  for (std::uint32_t i = 0; i < 3000; ++i) {
    Ip6 six{};
    six.octets[14] = static_cast<std::uint8_t>(i >> 8);
    six.octets[15] = static_cast<std::uint8_t>(i);
    all.push_back(frontend(six, Protocol::tcp, Port{80}, kHandle));
  }
  for (std::uint32_t i = 0; i < 3000; ++i) all.push_back(service_cidr(Prefix::host(Ip4::of(i * 2))));
  const Walked w = walked(batch_of([&](Batch& b) { b.add(kTable, all); }), 100);
  std::size_t elements = 0;
  std::map<std::string, std::vector<std::size_t>> sizes;
  for (std::size_t i = 1; i + 1 < w.messages.size(); ++i) {
    const auto& m = w.messages[i];
    EXPECT_LE(m.size, 60'000U + 200U);
    EXPECT_EQ(m.text(NFTA_SET_ELEM_LIST_TABLE), kTable);
    sizes[m.text(NFTA_SET_ELEM_LIST_SET)].push_back(m.size);
    elements += m.attributes.find(NFTA_SET_ELEM_LIST_ELEMENTS)->children.size();
  }
  EXPECT_EQ(elements, 6000U + 3000U + 2U * 3000U);
  EXPECT_EQ(sizes.size(), 3U);
  for (const auto& [set, of] : sizes) {
    SCOPED_TRACE(set);
    for (std::size_t i = 0; i + 1 < of.size(); ++i) EXPECT_GE(of[i], 60'000U) << "a message that could have held more";
  }
  EXPECT_GT(sizes["endpoints4"].size(), 1U);
}

TEST(NftBatch, NumbersGoOnAcrossTheBoundaries) {
  Batch b(7);
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(b.first_seq(), 7U);
  b.add(kTable, {});
  EXPECT_TRUE(b.empty()) << "nothing to add is no message";
  b.add_table(kTable);
  EXPECT_FALSE(b.empty());
  EXPECT_EQ(b.next_seq(), 9U);
  const Walked w = walked(std::move(b).finish(), 7);
  EXPECT_EQ(w.messages.back().seq, 9U);
}

TEST(NftBatch, IntervalToTheFamilysEndStaysOpen) {
  const Walked w = walked(batch_of([](Batch& b) {
                            b.add(kTable, std::vector<Element>{service_cidr(test::prefix("255.255.255.0/24"))});
                            b.add(kTable, std::vector<Element>{service_cidr(test::prefix("ff00::/8"))});
                            b.add(kTable, std::vector<Element>{service_cidr(test::prefix("0.0.0.0/0"))});
                          }),
                          100);
  for (const std::size_t i : {1U, 2U, 3U}) {
    EXPECT_EQ(w.messages[i].attributes.find(NFTA_SET_ELEM_LIST_ELEMENTS)->children.size(), 1U) << i;
  }
}

TEST(NftBatch, SpreadChainChoosesAmongAllOfItsEndpoints) {
  const Walked w = walked(batch_of([](Batch& b) { b.add_spread_chain(kTable, "spread-70", 70); }), 100);
  std::vector<std::string> lookups;
  for (const auto& m : w.messages) {
    const auto* list = m.attributes.find(NFTA_RULE_EXPRESSIONS);
    if (m.command() != NFT_MSG_NEWRULE || list == nullptr) continue;
    EXPECT_NE(m.flags & NLM_F_APPEND, 0) << "rules stand in the order of the template";
    for (const auto& e : list->children) {
      const auto* data = e.find(NFTA_EXPR_DATA);
      const std::string name = e.find(NFTA_EXPR_NAME)->text();
      if (name == "numgen") {
        EXPECT_EQ(data->find(NFTA_NG_MODULUS)->be32(), 70U);
        EXPECT_EQ(data->find(NFTA_NG_TYPE)->be32(), std::uint32_t{NFT_NG_RANDOM});
      }
      if (name == "lookup") lookups.push_back(data->find(NFTA_LOOKUP_SET)->text());
    }
  }
  EXPECT_EQ(lookups, (std::vector<std::string>{"endpoints4", "endpoints6"}));
}

}  // namespace
}  // namespace fairlead::nft
