#include "controller/core/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller/world.h"

namespace fairlead::controller::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <class T>
T named(std::string name) {
  T out;
  out.meta.ns = "lb";
  out.meta.name = std::move(name);
  return out;
}
api::BGPPeer peer(std::string name, std::string address) {
  auto out = named<api::BGPPeer>(std::move(name));
  out.my_asn = 64512;
  out.peer_asn = 64513;
  out.peer_address = parse_ip(address);
  return out;
}
/// What is said, "object: rest" cut to the object and the field.
std::vector<std::string> heads(const std::vector<Notice>& notices) {
  std::vector<std::string> out;
  for (const Notice& n : notices) out.push_back(n.message.substr(0, n.message.find(' ', n.about.str().size() + 2)));
  return out;
}

TEST(Judge, NothingIsWrongWithWhatIsRight) {
  api::ConfigSet set;
  set.pools = {pool("lan", {"192.0.2.0/28"})};
  set.l2_advertisements = {named<api::L2Advertisement>("all")};
  set.bgp_advertisements = {named<api::BGPAdvertisement>("all")};
  set.peers = {peer("tor", "192.0.2.100")};
  EXPECT_THAT(judge(set, api::Group::fairlead), IsEmpty());
  EXPECT_THAT(judge({}, api::Group::metallb), IsEmpty());
}

TEST(Judge, EachKindIsNamedWithFieldAndReason) {
  api::ConfigSet set;
  auto ad = named<api::L2Advertisement>("twice");
  ad.pools = {"lan", "lan"};
  set.pools = {pool("lan", {"192.0.2.0/28"})};
  set.l2_advertisements = {ad};
  auto bgp = named<api::BGPAdvertisement>("short");
  bgp.communities = {"no-such-alias"};
  set.bgp_advertisements = {bgp};
  auto tor = peer("tor", "192.0.2.100");
  tor.bfd_profile = "none";
  set.peers = {tor, peer("tor2", "192.0.2.100")};
  auto names = named<api::Community>("names");
  names.communities = {{"a", "1:2"}, {"a", "1:3"}};
  set.communities = {names};
  const auto said = judge(set, api::Group::fairlead);
  EXPECT_THAT(heads(said), testing::UnorderedElementsAre(
                               "L2Advertisement lb/twice: spec.ipAddressPools[1]", "BGPAdvertisement lb/short: spec.communities[0]",
                               "BGPPeer lb/tor: spec.bfdProfile", "BGPPeer lb/tor: spec.peerAddress", "BGPPeer lb/tor2: spec.peerAddress",
                               "Community lb/names: spec.communities[1].name"));
  for (const Notice& n : said) EXPECT_EQ(n.reason, Reason::object_invalid);
}

TEST(Judge, WhatConvergeJudgesIsNotSaidTwice) {
  api::ConfigSet set;
  set.pools = {pool("a", {"192.0.2.0/28"}), pool("b", {"192.0.2.0/28"})};
  auto names = named<api::Community>("names");
  names.communities = {{"a", "1:2"}, {"a", "1:3"}};
  set.communities = {names};
  EXPECT_EQ(judge(set, api::Group::fairlead).size(), 1U) << "pools are converge()'s";
  EXPECT_THAT(judge(set, api::Group::metallb), IsEmpty()) << "and Communities too";
}

TEST(Judge, SecretsAreNotTheControllersToRead) {
  api::ConfigSet set;
  auto tor = peer("tor", "192.0.2.100");
  tor.password_secret = {"tor", ""};
  set.peers = {tor};
  EXPECT_THAT(judge(set, api::Group::fairlead), IsEmpty());
}

TEST(Judge, WhatCannotBeReadIsNotMissing) {
  api::ConfigSet set;
  auto tor = peer("tor", "192.0.2.100");
  tor.bfd_profile = "fast";
  set.peers = {tor};
  EXPECT_EQ(judge(set, api::Group::fairlead).size(), 1U);
  set.refused.insert({api::Kind::bfd_profile, {"lb", "fast"}});
  EXPECT_THAT(judge(set, api::Group::fairlead), IsEmpty()) << "the profile itself is reported";
}

Notice notice(api::Kind kind, std::string name, std::string what) {
  const api::Key key{kind, {"lb", std::move(name)}};
  return {key, Reason::object_invalid, key.str() + ": " + std::move(what)};
}

TEST(Summary, Table) {
  const Notice bad_pool = notice(api::Kind::ip_address_pool, "lan", "spec.addresses is empty: add one");
  const Notice waiting = notice(api::Kind::service, "web", "there is no IPAddressPool: create one");
  const std::string line = "IPAddressPool lb/lan: spec.addresses is empty: add one";
  const struct {
    const char* name;
    std::vector<Notice> problems;
    std::vector<std::string> unreadable;
    bool has_passed;
    Configuration want;
  } cases[] = {
      {"all is well", {}, {}, true, {Verdict::valid, ""}},
      {"a Service that waits is no fault of the configuration", {waiting}, {}, true, {Verdict::valid, ""}},
      {"a refused pool", {waiting, bad_pool}, {}, true, {Verdict::invalid, line}},
      {"once, in order", {bad_pool, bad_pool}, {"a.yaml:3: x"}, true, {Verdict::invalid, line + "\na.yaml:3: x"}},
      {"nothing is known yet", {}, {"IPAddressPool: cannot be listed"}, false, {Verdict::unknown, "IPAddressPool: cannot be listed"}},
  };
  for (const auto& c : cases) EXPECT_EQ(summarize(c.problems, c.unreadable, c.has_passed), c.want) << c.name;
}

TEST(Summary, FitsIntoACondition) {
  std::vector<std::string> lines;
  for (int i = 0; i < 1000; ++i) lines.push_back("IPAddressPool lb/p" + std::to_string(1000 + i) + ": " + std::string(80, 'x'));
  const Configuration all = summarize({}, lines, true);
  EXPECT_LE(all.summary.size(), kMostSummary);
  const auto shown = static_cast<std::size_t>(std::count(all.summary.begin(), all.summary.end(), '\n'));
  EXPECT_THAT(all.summary, testing::EndsWith("\nand " + std::to_string(1000 - shown) + " more"));
  EXPECT_EQ(summarize({}, {std::string(40'000, 'x')}, true).summary, "and 1 more");
}

}  // namespace
}  // namespace fairlead::controller::core
