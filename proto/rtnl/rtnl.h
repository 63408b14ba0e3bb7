#pragma once
/// rtnetlink (RFC 3549; Linux rtnetlink(7)): links and addresses out of dumps and notifications. Pure; any bytes are safe
/// input.
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/strong.h"
#include "proto/net/mac.h"
#include "proto/net/prefix.h"

namespace fairlead::rtnl {

struct Link {
  IfIndex index;
  std::string name;
  Mac mac;
  bool is_ethernet = false;   // hardware type 1
  bool is_up = false;         // IFF_UP: wanted
  bool has_carrier = false;   // IFF_LOWER_UP
  bool is_broadcast = false;
  bool is_loopback = false;
  bool is_noarp = false;
  IfIndex master;             // 0: not enslaved
  bool operator==(const Link&) const = default;
};

struct Address {
  IfIndex index;
  Ip ip;
  std::uint8_t prefix_length = 0;
  bool is_global = true;      // scope global; false: link, host
  auto operator<=>(const Address&) const = default;
};

struct LinkGone {
  IfIndex index;
  bool operator==(const LinkGone&) const = default;
};
struct AddressGone {
  Address address;
  bool operator==(const AddressGone&) const = default;
};
struct Done {
  bool operator==(const Done&) const = default;
};
/// The kernel refused a request.
struct Failed {
  int error = 0;  // errno
  bool operator==(const Failed&) const = default;
};
using Event = std::variant<Link, LinkGone, Address, AddressGone, Done, Failed>;

/// The events of one datagram; what is not about links or addresses is left out.
std::vector<Event> parse(ByteView datagram);

Bytes dump_links(std::uint32_t seq);
Bytes dump_addresses(std::uint32_t seq);

}  // namespace fairlead::rtnl
