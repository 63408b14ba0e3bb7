#include "proto/rtnl/rtnl.h"

#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace fairlead::rtnl {
namespace {

template <class T>
std::optional<T> load(ByteView bytes) {
  T out;
  if (bytes.size() < sizeof out) return std::nullopt;
  std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

template <class F>
void each_attribute(ByteView in, F fn) {
  while (const auto head = load<rtattr>(in)) {
    if (head->rta_len < sizeof(rtattr) || head->rta_len > in.size()) return;
    fn(static_cast<std::uint16_t>(head->rta_type & NLA_TYPE_MASK), in.subspan(sizeof(rtattr), head->rta_len - sizeof(rtattr)));
    in = in.subspan(std::min<std::size_t>(RTA_ALIGN(head->rta_len), in.size()));
  }
}

std::optional<Event> parse_link(ByteView body, bool is_gone) {
  const auto head = load<ifinfomsg>(body);
  // Family bridge messages tell of a bridge's ports, not of the links themselves.
  if (!head || head->ifi_family != AF_UNSPEC) return std::nullopt;
  const IfIndex index{head->ifi_index};
  if (is_gone) return LinkGone{index};
  Link out;
  out.index = index;
  out.is_ethernet = head->ifi_type == ARPHRD_ETHER;
  out.is_up = (head->ifi_flags & IFF_UP) != 0;
  out.has_carrier = (head->ifi_flags & IFF_LOWER_UP) != 0;
  out.is_broadcast = (head->ifi_flags & IFF_BROADCAST) != 0;
  out.is_loopback = (head->ifi_flags & IFF_LOOPBACK) != 0;
  out.is_noarp = (head->ifi_flags & IFF_NOARP) != 0;
  each_attribute(body.subspan(std::min<std::size_t>(NLMSG_ALIGN(sizeof *head), body.size())),
                 [&](std::uint16_t type, ByteView value) {
                   if (type == IFLA_IFNAME) {
                     const std::string_view text(reinterpret_cast<const char*>(value.data()), value.size());
                     out.name = text.substr(0, text.find('\0'));
                   } else if (type == IFLA_ADDRESS && value.size() == out.mac.octets.size()) {
                     std::copy(value.begin(), value.end(), out.mac.octets.begin());
                   } else if (type == IFLA_MASTER) {
                     out.master = IfIndex{load<int>(value).value_or(0)};
                   }
                 });
  return out;
}

std::optional<Ip> ip_of(int family, ByteView value) {
  if (family == AF_INET && value.size() == 4) {
    Ip4 ip;
    std::copy(value.begin(), value.end(), ip.octets.begin());
    return Ip(ip);
  }
  if (family == AF_INET6 && value.size() == 16) {
    Ip6 ip;
    std::copy(value.begin(), value.end(), ip.octets.begin());
    return Ip(ip);
  }
  return std::nullopt;
}

std::optional<Event> parse_address(ByteView body, bool is_gone) {
  const auto head = load<ifaddrmsg>(body);
  if (!head) return std::nullopt;
  std::optional<Ip> local;
  std::optional<Ip> address;  // the peer's on a point-to-point link, else the same
  each_attribute(body.subspan(std::min<std::size_t>(NLMSG_ALIGN(sizeof *head), body.size())),
                 [&](std::uint16_t type, ByteView value) {
                   if (type == IFA_LOCAL) local = ip_of(head->ifa_family, value);
                   if (type == IFA_ADDRESS) address = ip_of(head->ifa_family, value);
                 });
  if (!local) local = address;
  if (!local || head->ifa_prefixlen > 8 * local->octets().size()) return std::nullopt;
  const Address out{IfIndex{static_cast<int>(head->ifa_index)}, *local, head->ifa_prefixlen, head->ifa_scope == RT_SCOPE_UNIVERSE};
  if (is_gone) return AddressGone{out};
  return out;
}

template <class Body>
Bytes request(std::uint16_t type, std::uint32_t seq) {
  nlmsghdr head{};
  head.nlmsg_len = NLMSG_LENGTH(sizeof(Body));
  head.nlmsg_type = type;
  head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  head.nlmsg_seq = seq;
  Bytes out(NLMSG_ALIGN(head.nlmsg_len), 0);
  std::memcpy(out.data(), &head, sizeof head);
  return out;
}

}  // namespace

std::vector<Event> parse(ByteView in) {
  std::vector<Event> out;
  while (const auto head = load<nlmsghdr>(in)) {
    if (head->nlmsg_len < sizeof(nlmsghdr) || head->nlmsg_len > in.size()) break;
    const ByteView body = in.subspan(sizeof(nlmsghdr), head->nlmsg_len - sizeof(nlmsghdr));
    std::optional<Event> event;
    switch (head->nlmsg_type) {
      case RTM_NEWLINK: event = parse_link(body, false); break;
      case RTM_DELLINK: event = parse_link(body, true); break;
      case RTM_NEWADDR: event = parse_address(body, false); break;
      case RTM_DELADDR: event = parse_address(body, true); break;
      case NLMSG_DONE: event = Done{}; break;
      case NLMSG_ERROR:
        if (const int error = load<int>(body).value_or(-EIO); error < 0 && error > -4096) event = Failed{-error};
        break;
      default: break;
    }
    if (event) out.push_back(std::move(*event));
    in = in.subspan(std::min<std::size_t>(NLMSG_ALIGN(head->nlmsg_len), in.size()));
  }
  return out;
}

Bytes dump_links(std::uint32_t seq) { return request<ifinfomsg>(RTM_GETLINK, seq); }
Bytes dump_addresses(std::uint32_t seq) { return request<ifaddrmsg>(RTM_GETADDR, seq); }

}  // namespace fairlead::rtnl
