#include "speaker/core/interfaces.h"

#include <gtest/gtest.h>

namespace fairlead::speaker {
namespace {

rtnl::Link ethernet(std::string name) {
  rtnl::Link out;
  out.index = IfIndex{2};
  out.name = std::move(name);
  out.is_ethernet = out.is_up = out.has_carrier = out.is_broadcast = true;
  return out;
}
template <class F>
rtnl::Link with(std::string name, F change) {
  rtnl::Link out = ethernet(std::move(name));
  change(out);
  return out;
}

NamePatterns patterns(std::vector<std::string> texts) {
  auto compiled = NamePatterns::compile(texts);
  EXPECT_TRUE(compiled.has_value());
  return std::move(*compiled);
}
NamePatterns defaults() {
  std::vector<std::string> texts;
  for (const auto text : default_exclusions()) texts.emplace_back(text);
  return patterns(std::move(texts));
}

TEST(Unfit, KindsOfInterfacesTable) {
  const auto member = [](rtnl::Link& l) { l.master = IfIndex{9}; };
  const auto tunnel = [](rtnl::Link& l) { l.is_ethernet = l.is_broadcast = false, l.is_noarp = true; };
  using U = std::optional<Unfit>;
  const struct {
    rtnl::Link link;
    U want;
  } cases[] = {
      {ethernet("eth0"), {}},
      {ethernet("enp3s0f1"), {}},
      {with("eth1", [](rtnl::Link& l) { l.is_up = l.has_carrier = false; }), Unfit::not_up},
      {with("eth2", [](rtnl::Link& l) { l.has_carrier = false; }), Unfit::no_carrier},
      {with("lo", [](rtnl::Link& l) { l.is_loopback = true, l.is_ethernet = l.is_broadcast = false; }), Unfit::loopback},
      {ethernet("br0"), {}},
      {with("eth3", member), Unfit::enslaved},  // a bridge's port
      {ethernet("bond0"), {}},
      {with("eth4", member), Unfit::enslaved},  // a bond's
      {ethernet("eth0.100"), {}},
      {ethernet("macvlan0"), {}},
      {ethernet("docker0"), Unfit::excluded},
      {ethernet("cbr0"), Unfit::excluded},
      {ethernet("cni0"), Unfit::excluded},
      {ethernet("veth1a2b3c"), Unfit::excluded},
      {ethernet("cali123456789ab"), Unfit::excluded},
      {ethernet("flannel.1"), Unfit::excluded},
      {ethernet("virbr0"), Unfit::excluded},
      {ethernet("lxcbr0"), Unfit::excluded},
      {ethernet("lxc12345"), Unfit::excluded},
      {ethernet("kube-ipvs0"), Unfit::excluded},
      {ethernet("nodelocaldns"), Unfit::excluded},
      {ethernet("dummy0"), Unfit::excluded},
      {with("tun0", tunnel), Unfit::not_ethernet},
      {with("wg0", tunnel), Unfit::not_ethernet},
      {with("tunl0", tunnel), Unfit::not_ethernet},
      {with("dum0", [](rtnl::Link& l) { l.is_noarp = true; }), Unfit::no_arp},
      {with("ppp0", [](rtnl::Link& l) { l.is_broadcast = false; }), Unfit::not_broadcast},
      {ethernet("mydocker0"), {}},  // the patterns are anchored at the front
      {ethernet("low0"), {}},       // "^lo$" is loopback alone
  };
  const NamePatterns excluded = defaults();
  for (const auto& c : cases) {
    SCOPED_TRACE(c.link.name);
    const U got = unfit(c.link, excluded);
    EXPECT_EQ(got, c.want) << (got ? name(*got) : "fit");
  }
}

TEST(Unfit, AnExcludedNameIsExcludedWhateverItsState) {
  EXPECT_EQ(unfit(with("veth0", [](rtnl::Link& l) { l.is_up = false; }), defaults()), Unfit::excluded);
}

TEST(NamePatterns, CustomOnesReplaceTheDefaults) {
  const NamePatterns custom = patterns({"^eth[2-9]$", "storage"});
  EXPECT_FALSE(custom.matches("eth0"));
  EXPECT_TRUE(custom.matches("eth2"));
  EXPECT_FALSE(custom.matches("eth20"));
  EXPECT_TRUE(custom.matches("vlan-storage7")) << "unanchored unless written so";
  EXPECT_FALSE(custom.matches("docker0"));
  EXPECT_EQ(unfit(ethernet("docker0"), custom), std::nullopt);
  EXPECT_FALSE(patterns({}).matches("anything"));
}

TEST(NamePatterns, ABadOneIsNamed) {
  const std::vector<std::string> texts{"^ok$", "eth[0-"};
  const auto compiled = NamePatterns::compile(texts);
  ASSERT_FALSE(compiled.has_value());
  EXPECT_EQ(compiled.error().code, Errc::malformed);
  EXPECT_NE(compiled.error().what.find("\"eth[0-\""), std::string::npos) << compiled.error().what;
}

}  // namespace
}  // namespace fairlead::speaker
