#include "proto/rtnl/rtnl.h"

#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <random>

#include "tests/support/builders.h"

namespace fairlead::rtnl {
namespace {

using test::ip;

template <class T>
void host(Bytes& out, const T& value) {
  const auto at = out.size();
  out.resize((at + sizeof value + 3) / 4 * 4);
  std::memcpy(out.data() + at, &value, sizeof value);
}

void attribute(Bytes& out, std::uint16_t type, ByteView payload) {
  host(out, rtattr{static_cast<unsigned short>(4 + payload.size()), type});
  out.insert(out.end(), payload.begin(), payload.end());
  out.resize((out.size() + 3) / 4 * 4);
}
void text(Bytes& out, std::uint16_t type, std::string s) {
  s.push_back('\0');
  attribute(out, type, as_bytes(s));
}

Bytes message(std::uint16_t type, const Bytes& body) {
  Bytes out;
  host(out, nlmsghdr{static_cast<std::uint32_t>(sizeof(nlmsghdr) + body.size()), type, NLM_F_MULTI, 1, 0});
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

constexpr unsigned kUsual = IFF_UP | IFF_BROADCAST | IFF_MULTICAST | (1U << 16);  // and IFF_LOWER_UP

Bytes link_body(int index, unsigned flags = kUsual, std::uint16_t type = ARPHRD_ETHER, std::uint8_t family = AF_UNSPEC) {
  ifinfomsg head{};
  head.ifi_family = family;
  head.ifi_type = type;
  head.ifi_index = index;
  head.ifi_flags = flags;
  Bytes out;
  host(out, head);
  text(out, IFLA_IFNAME, "eth0");
  attribute(out, IFLA_MTU, Bytes{0, 0, 5, 220});
  attribute(out, IFLA_ADDRESS, test::mac(7).octets);
  return out;
}

Bytes address_body(std::uint8_t family, std::initializer_list<std::pair<std::uint16_t, std::string_view>> ips, std::uint8_t scope = RT_SCOPE_UNIVERSE) {
  ifaddrmsg head{};
  head.ifa_family = family;
  head.ifa_prefixlen = 24;
  head.ifa_scope = scope;
  head.ifa_index = 3;
  Bytes out;
  host(out, head);
  for (const auto& [type, address] : ips) {
    const Ip parsed = ip(address);
    attribute(out, type, parsed.octets());
  }
  return out;
}

std::vector<Event> one(std::uint16_t type, const Bytes& body) { return parse(message(type, body)); }

TEST(Rtnl, ReadsALink) {
  Link want;
  want.index = IfIndex{3};
  want.name = "eth0";
  want.mac = test::mac(7);
  want.is_ethernet = want.is_up = want.has_carrier = want.is_broadcast = true;
  EXPECT_EQ(one(RTM_NEWLINK, link_body(3)), std::vector<Event>{want});

  Bytes enslaved = link_body(3);
  attribute(enslaved, IFLA_MASTER, Bytes{9, 0, 0, 0});
  want.master = IfIndex{9};
  EXPECT_EQ(one(RTM_NEWLINK, enslaved), std::vector<Event>{want});
}

TEST(Rtnl, FlagsOfALinkTable) {
  const struct {
    const char* name;
    unsigned flags;
    std::uint16_t type;
    void (*expect)(const Link&);
  } cases[] = {
      {"down", IFF_BROADCAST, ARPHRD_ETHER, [](const Link& l) { EXPECT_TRUE(!l.is_up && !l.has_carrier && l.is_broadcast); }},
      {"no carrier", IFF_UP | IFF_BROADCAST, ARPHRD_ETHER, [](const Link& l) { EXPECT_TRUE(l.is_up && !l.has_carrier); }},
      {"loopback", kUsual | IFF_LOOPBACK, ARPHRD_LOOPBACK, [](const Link& l) { EXPECT_TRUE(l.is_loopback && !l.is_ethernet); }},
      {"wireguard", IFF_UP | IFF_NOARP | IFF_POINTOPOINT, ARPHRD_NONE, [](const Link& l) { EXPECT_TRUE(l.is_noarp && !l.is_ethernet && !l.is_broadcast); }},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto events = one(RTM_NEWLINK, link_body(1, c.flags, c.type));
    ASSERT_EQ(events.size(), 1U);
    c.expect(std::get<Link>(events[0]));
  }
}

TEST(Rtnl, ABridgesReportsAboutItsPortsAreNoLinks) {
  EXPECT_TRUE(one(RTM_NEWLINK, link_body(3, kUsual, ARPHRD_ETHER, AF_BRIDGE)).empty());
  EXPECT_TRUE(one(RTM_DELLINK, link_body(3, kUsual, ARPHRD_ETHER, AF_BRIDGE)).empty()) << "a port that leaves is not gone";
  EXPECT_EQ(one(RTM_DELLINK, link_body(3)), std::vector<Event>{LinkGone{IfIndex{3}}});
}

TEST(Rtnl, ReadsAddresses) {
  const auto address = [](std::string_view text, bool is_global = true) { return Address{IfIndex{3}, ip(text), 24, is_global}; };
  EXPECT_EQ(one(RTM_NEWADDR, address_body(AF_INET, {{IFA_ADDRESS, "10.0.0.1"}, {IFA_LOCAL, "10.0.0.1"}})), std::vector<Event>{address("10.0.0.1")});
  EXPECT_EQ(one(RTM_NEWADDR, address_body(AF_INET, {{IFA_ADDRESS, "10.0.0.9"}, {IFA_LOCAL, "10.0.0.1"}})), std::vector<Event>{address("10.0.0.1")})
      << "on a point-to-point link IFA_ADDRESS is the peer's";
  EXPECT_EQ(one(RTM_NEWADDR, address_body(AF_INET6, {{IFA_ADDRESS, "fd00::1"}})), std::vector<Event>{address("fd00::1")});
  EXPECT_EQ(one(RTM_NEWADDR, address_body(AF_INET6, {{IFA_ADDRESS, "fe80::1"}}, RT_SCOPE_LINK)), std::vector<Event>{address("fe80::1", false)});
  EXPECT_EQ(one(RTM_DELADDR, address_body(AF_INET, {{IFA_LOCAL, "10.0.0.1"}})), std::vector<Event>{AddressGone{address("10.0.0.1")}});
  EXPECT_TRUE(one(RTM_NEWADDR, address_body(AF_INET, {})).empty());
  EXPECT_TRUE(one(RTM_NEWADDR, address_body(AF_INET, {{IFA_LOCAL, "fd00::1"}})).empty()) << "an address of another family's size";
}

Bytes whole_datagram() {
  Bytes out;
  for (const Bytes& m : {message(RTM_NEWLINK, link_body(3)), message(RTM_NEWROUTE, Bytes(12, 0)), message(RTM_DELLINK, link_body(4)),
                         message(RTM_NEWADDR, address_body(AF_INET6, {{IFA_ADDRESS, "fd00::1"}})), message(NLMSG_DONE, Bytes(4, 0))}) {
    out.insert(out.end(), m.begin(), m.end());
  }
  return out;
}

/// Found by the rtnl fuzzer: a prefix of 200 bits was handed on.
TEST(Rtnl, APrefixLongerThanItsAddressIsNone) {
  const auto with_length = [](std::uint8_t family, std::string_view address, std::uint8_t length) {
    Bytes body = address_body(family, {{IFA_LOCAL, address}});
    body[1] = length;  // ifa_prefixlen
    return one(RTM_NEWADDR, body).size();
  };
  EXPECT_EQ(with_length(AF_INET, "192.0.2.7", 32), 1U);
  EXPECT_EQ(with_length(AF_INET, "192.0.2.7", 33), 0U);
  EXPECT_EQ(with_length(AF_INET6, "2001:db8::7", 128), 1U);
  EXPECT_EQ(with_length(AF_INET6, "2001:db8::7", 129), 0U);
}

TEST(Rtnl, ADatagramHoldsSeveralMessagesAndForeignOnesAreSkipped) {
  const auto events = parse(whole_datagram());
  ASSERT_EQ(events.size(), 4U);
  EXPECT_TRUE(std::holds_alternative<Link>(events[0]));
  EXPECT_TRUE(std::holds_alternative<LinkGone>(events[1]));
  EXPECT_TRUE(std::holds_alternative<Address>(events[2]));
  EXPECT_TRUE(std::holds_alternative<Done>(events[3]));
}

TEST(Rtnl, EveryShorterDatagramTellsABeginningOfTheTruth) {
  const Bytes whole = whole_datagram();
  const auto all = parse(whole);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    const auto some = parse(cut);
    ASSERT_LE(some.size(), all.size());
    EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin())) << n;
  }
}

TEST(Rtnl, EveryShorterMessageThatClaimsToFitIsSafe) {
  for (const auto& [type, body] : {std::pair<int, Bytes>{RTM_NEWLINK, link_body(3)}, {RTM_NEWADDR, address_body(AF_INET, {{IFA_LOCAL, "10.0.0.1"}})}}) {
    for (std::size_t n = 0; n < body.size(); ++n) {
      const Bytes cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(n));
      for (const Event& e : one(static_cast<std::uint16_t>(type), cut)) {
        if (const auto* link = std::get_if<Link>(&e)) {
          EXPECT_TRUE(link->name.empty() || link->name == "eth0");
        }
      }
    }
  }
}

TEST(Rtnl, RandomDamageIsSafe) {
  const Bytes whole = whole_datagram();
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    Bytes damaged = whole;
    for (int n = 0; n < 4; ++n) damaged[random() % damaged.size()] = static_cast<std::uint8_t>(random());
    damaged.resize(random() % damaged.size());
    damaged.shrink_to_fit();
    parse(damaged);
  }
}

TEST(Rtnl, RequestsAreDumps) {
  for (const auto& [bytes, type, size] : {std::tuple{dump_links(5), RTM_GETLINK, sizeof(ifinfomsg)}, {dump_addresses(5), RTM_GETADDR, sizeof(ifaddrmsg)}}) {
    nlmsghdr head{};
    ASSERT_EQ(bytes.size(), sizeof head + size);
    std::memcpy(&head, bytes.data(), sizeof head);
    EXPECT_EQ(head.nlmsg_len, bytes.size());
    EXPECT_EQ(head.nlmsg_type, type);
    EXPECT_EQ(head.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
    EXPECT_EQ(head.nlmsg_seq, 5U);
  }
}

}  // namespace
}  // namespace fairlead::rtnl
