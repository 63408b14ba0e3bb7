/// The contract of the fake: what the kernel answers to the same batches (its other half runs against the kernel in lab/).
#include "tests/support/fake_nft.h"

#include <gtest/gtest.h>

#include "tests/unit/nft/samples.h"

namespace fairlead::test {
namespace {

using namespace nft;

const std::string kTable = "fairlead-1";

class FakeNftContract : public testing::Test {
 protected:
  FakeNftContract() { nft_.load(kTable); }

  template <class F>
  FakeNft::Answer commit(F fill, std::uint32_t port_id = 1) {
    Batch b(10);
    fill(b);
    return nft_.commit(std::move(b).finish(), port_id);
  }
  FakeNft::Answer add(std::vector<Element> e) {
    return commit([&](Batch& b) { b.add(kTable, e); });
  }
  FakeNft::Answer remove(std::vector<Element> e) {
    return commit([&](Batch& b) { b.remove(kTable, e); });
  }

  FakeNft nft_;
};

const Element kWeb = frontend(ip("10.96.0.1"), Protocol::tcp, Port{80}, Handle{16});
const Element kOther = frontend(ip("10.96.0.1"), Protocol::tcp, Port{80}, Handle{17});

TEST_F(FakeNftContract, KeepsWhatWasAdded) {
  const auto answer = add(one_of_each());
  EXPECT_EQ(answer.error, 0);
  EXPECT_EQ(answer.acks, 1U);
  std::vector<Element> got;
  for (const auto& [key, value] : nft_.elements(kTable)) got.push_back({key, value});
  EXPECT_EQ(sorted(got), sorted(one_of_each()));
  EXPECT_TRUE(remove(one_of_each()).ok());
  EXPECT_TRUE(nft_.elements(kTable).empty());
}

TEST_F(FakeNftContract, AddingTheSameIsFineAnotherValueIsBusy) {
  EXPECT_EQ(add({kWeb}).error, 0);
  EXPECT_EQ(add({kWeb}).error, 0);
  EXPECT_EQ(add({kOther}).error, EBUSY);
  EXPECT_EQ(nft_.elements(kTable).at(kWeb.key), kWeb.value);
}

TEST_F(FakeNftContract, RemovingWhatIsNotThereFails) {
  EXPECT_EQ(remove({kWeb}).error, ENOENT);
  EXPECT_EQ(add({kWeb}).error, 0);
  EXPECT_EQ(remove({kWeb, kWeb}).error, ENOENT);
  EXPECT_EQ(nft_.elements(kTable).size(), 1U) << "a batch that fails changes nothing";
}

TEST_F(FakeNftContract, ReplacingIsRemoveAndAddInOneBatch) {
  EXPECT_TRUE(add({kWeb}).ok());
  const auto answer = commit([](Batch& b) {
    b.remove(kTable, std::vector<Element>{kWeb});
    b.add(kTable, std::vector<Element>{kOther});
  });
  EXPECT_EQ(answer.error, 0);
  EXPECT_EQ(nft_.elements(kTable).at(kWeb.key), kOther.value);
}

TEST_F(FakeNftContract, TheErrorCarriesTheFailingMessageAndNothingHappened) {
  const auto answer = commit([](Batch& b) {
    b.add(kTable, std::vector<Element>{kWeb});     // 11
    b.remove(kTable, std::vector<Element>{refused(ip("192.0.2.1"))});  // 12
    b.add(kTable, std::vector<Element>{kOther});   // 13
  });
  EXPECT_EQ(answer.error, ENOENT);
  EXPECT_EQ(answer.seq, 12U);
  EXPECT_TRUE(nft_.elements(kTable).empty());
  EXPECT_EQ(nft_.commits(), 0U);
}

TEST_F(FakeNftContract, MissingTablesChainsAndSetsAreNoEntry) {
  EXPECT_EQ(commit([](Batch& b) { b.add("fairlead-9", std::vector<Element>{kWeb}); }).error, ENOENT);
  EXPECT_EQ(commit([](Batch& b) { b.remove_table("fairlead-9"); }).error, ENOENT);
  EXPECT_EQ(add({spread_class(Map::classes, ClassNo{80}, "spread-70")}).error, ENOENT) << "the chain first";
  EXPECT_EQ(commit([](Batch& b) { b.add_spread_chain("fairlead-9", "spread-70", 70); }).error, ENOENT);
  EXPECT_EQ(commit([](Batch& b) {
              b.add_spread_chain(kTable, "spread-70", 70);
              b.add(kTable, std::vector<Element>{spread_class(Map::classes, ClassNo{80}, "spread-70")});
            }).error,
            0);
  EXPECT_EQ(nft_.find(kTable)->chains.at("spread-70").spread, 70U);
}

TEST_F(FakeNftContract, OverlappingIntervalsAreRefused) {
  EXPECT_TRUE(add({local_pods(prefix("10.0.0.0/24")), local_pods(prefix("10.0.1.0/24"))}).ok()) << "adjacent ones are fine";
  EXPECT_EQ(add({local_pods(prefix("10.0.0.0/16"))}).error, ENOTEMPTY);
  EXPECT_EQ(add({local_pods(prefix("10.0.0.128/25"))}).error, ENOTEMPTY);
  EXPECT_EQ(commit([](Batch& b) {
              b.remove(kTable, std::vector<Element>{local_pods(prefix("10.0.0.0/24")), local_pods(prefix("10.0.1.0/24"))});
              b.add(kTable, std::vector<Element>{local_pods(prefix("10.0.0.0/16"))});
            }).error,
            0);
}

TEST_F(FakeNftContract, OverlappingBoxesAreRefused) {
  const auto web_from = [](const char* source, Protocol protocol = Protocol::tcp) { return allowed(ip("192.0.2.1"), protocol, Port{80}, prefix(source)); };
  EXPECT_TRUE(add({web_from("10.0.0.0/24"), web_from("10.0.1.0/24"), web_from("10.0.0.0/8", Protocol::udp)}).ok()) << "apart in one part is apart";
  EXPECT_TRUE(add({web_from("10.0.0.0/24")}).ok()) << "the same again";
  EXPECT_EQ(add({web_from("10.0.0.0/16")}).error, ENOTEMPTY);
  EXPECT_EQ(commit([&](Batch& b) {
              b.remove(kTable, std::vector<Element>{web_from("10.0.0.0/24"), web_from("10.0.1.0/24")});
              b.add(kTable, std::vector<Element>{web_from("10.0.0.0/16")});
            }).error,
            0);
  EXPECT_EQ(remove({web_from("10.0.0.0/24")}).error, ENOENT);
}

TEST_F(FakeNftContract, WakesAndRemovesTables) {
  EXPECT_EQ(nft_.find(kTable)->flags, std::uint32_t{NFT_TABLE_F_DORMANT});
  nft_.load("fairlead-1-b");
  EXPECT_TRUE(commit([](Batch& b) {
                b.add_table("fairlead-1-b");
                b.remove_table(kTable);
              }).ok());
  EXPECT_EQ(nft_.find(kTable), nullptr);
  EXPECT_EQ(nft_.find("fairlead-1-b")->flags, 0U);
}

TEST_F(FakeNftContract, TheAnchorIsItsSocketsAlone) {
  EXPECT_TRUE(commit([](Batch& b) { b.add_anchor(); }, 7).ok());
  EXPECT_EQ(nft_.find(std::string(kAnchorTable))->owner, 7U);
  EXPECT_EQ(commit([](Batch& b) { b.add_anchor(); }, 7).error, EEXIST);
  EXPECT_EQ(commit([](Batch& b) { b.remove_table(kAnchorTable); }, 8).error, EPERM);
  EXPECT_EQ(commit([](Batch& b) { b.remove_table(kAnchorTable); }, 7).error, 0);
}

TEST_F(FakeNftContract, ABatchThatWasCutIsRefused) {
  Batch b(1);
  b.add(kTable, one_of_each());
  const Bytes whole = std::move(b).finish();
  for (std::size_t n = 0; n < whole.size(); n += 7) {
    EXPECT_EQ(nft_.commit(ByteView(whole).first(n)).error, EINVAL) << n;
  }
  EXPECT_TRUE(nft_.elements(kTable).empty());
}

}  // namespace
}  // namespace fairlead::test
