#include "speaker/core/owner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/support/builders.h"

namespace fairlead::speaker {
namespace {

constexpr std::size_t kVips = 3000;

std::vector<Ip> vips() {
  std::vector<Ip> out;
  for (std::uint32_t i = 0; i < kVips; ++i) out.push_back(Ip4::of(0xc0000200U + i));
  return out;
}
std::map<Ip, std::string> owners(const std::vector<std::string>& nodes) {
  std::map<Ip, std::string> out;
  for (const Ip& vip : vips()) out[vip] = owner(vip, nodes).value();
  return out;
}
std::map<std::string, std::size_t> shares(const std::map<Ip, std::string>& owners) {
  std::map<std::string, std::size_t> out;
  for (const auto& [vip, node] : owners) ++out[node];
  return out;
}

TEST(Owner, ExactlyOneNodeAnswersEachVip) {
  const std::vector<std::string> nodes{"n1", "n2", "n3"};
  for (const Ip& vip : vips()) {
    std::size_t announcers = 0;
    for (const std::string& self : nodes) announcers += owner(vip, nodes) == self;  // each asks with its own name in mind
    EXPECT_EQ(announcers, 1U) << vip.str();
  }
}

TEST(Owner, SharesStayWithinATenthOfAThird) {
  for (const std::vector<std::string>& nodes : {std::vector<std::string>{"n1", "n2", "n3"},
                                                {"worker-a.example.org", "worker-b.example.org", "worker-c.example.org"},
                                                {"ip-10-0-0-1", "ip-10-0-0-2", "ip-10-0-0-3"}}) {
    for (const auto& [node, share] : shares(owners(nodes))) {
      EXPECT_GT(share, kVips / 3 * 9 / 10) << node;
      EXPECT_LT(share, kVips / 3 * 11 / 10) << node;
    }
  }
}

TEST(Owner, SharesOfIpv6AreEvenToo) {
  const std::vector<std::string> nodes{"n1", "n2", "n3"};
  std::map<std::string, std::size_t> count;
  for (std::uint32_t i = 0; i < kVips; ++i) {
    Ip6 six = test::ip("2001:db8::").v6();
    six.octets[14] = static_cast<std::uint8_t>(i >> 8);
    six.octets[15] = static_cast<std::uint8_t>(i);
    ++count[owner(six, nodes).value()];
  }
  for (const auto& [node, share] : count) EXPECT_NEAR(static_cast<double>(share), kVips / 3.0, kVips / 30.0) << node;
}

TEST(Owner, ANodeThatLeavesMovesOnlyItsOwnVipsAndThoseToBoth) {
  const auto before = owners({"n1", "n2", "n3"});
  const auto after = owners({"n1", "n3"});
  std::map<std::string, std::size_t> heirs;
  for (const auto& [vip, node] : before) {
    if (node == "n2") {
      ++heirs[after.at(vip)];
    } else {
      EXPECT_EQ(after.at(vip), node) << vip.str();
    }
  }
  EXPECT_GT(heirs["n1"], heirs["n3"] / 2);
  EXPECT_GT(heirs["n3"], heirs["n1"] / 2);
}

TEST(Owner, TheOrderOfCandidatesDoesNotMatter) {
  std::vector<std::string> nodes{"a", "b", "c", "d", "e"};
  const auto want = owners(nodes);
  std::mt19937 random(5);
  for (int i = 0; i < 10; ++i) {
    std::shuffle(nodes.begin(), nodes.end(), random);
    EXPECT_EQ(owners(nodes), want);
  }
}

TEST(Owner, NoCandidateNoOwner) {
  EXPECT_EQ(owner(test::ip("192.0.2.1"), {}), std::nullopt);
  const std::vector<std::string> one{"only"};
  EXPECT_EQ(owner(test::ip("192.0.2.1"), one), "only");
}

/// Two versions of the speaker that differ here would both announce, or neither.
TEST(Owner, TheChoiceIsAContractBetweenVersions) {
  const std::vector<std::string> nodes{"n1", "n2", "n3"};
  std::string got;
  for (std::uint32_t i = 0; i < 16; ++i) got += owner(Ip4::of(0xc0000200U + i), nodes)->back();
  EXPECT_EQ(got, "1231231333111121");
}

}  // namespace
}  // namespace fairlead::speaker
