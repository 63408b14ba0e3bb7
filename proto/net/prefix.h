#pragma once
/// A CIDR prefix and an inclusive range of addresses, either family. Pure.
#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/net/ip.h"

namespace fairlead {

/// Inclusive; both ends of one family and first <= last.
struct IpRange {
  Ip first;
  Ip last;
  auto operator<=>(const IpRange&) const = default;

  bool contains(const Ip& ip) const { return ip.family() == first.family() && first <= ip && ip <= last; }
  bool overlaps(const IpRange& other) const {
    return first.family() == other.first.family() && first <= other.last && other.first <= last;
  }
  std::string str() const { return first == last ? first.str() : first.str() + "-" + last.str(); }
};

/// Host bits are always zero.
struct Prefix {
  Ip base;
  std::uint8_t length = 0;
  auto operator<=>(const Prefix&) const = default;

  static Prefix of(const Ip& ip, std::uint8_t length);  // masks the host bits away
  static Prefix host(const Ip& ip) { return of(ip, ip.is4() ? 32 : 128); }
  IpRange range() const;
  bool contains(const Ip& ip) const { return range().contains(ip); }
  std::string str() const;
};

/// "10.0.0.0/8"; host bits are masked away; leading zeros in IPv4 octets are decimal. A bare address is no prefix.
std::optional<Prefix> parse_prefix(std::string_view text);

/// ::ffff:192.0.2.0/120 is 192.0.2.0/24; see unmapped(Ip). A prefix that holds other addresses too stays what it is.
Prefix unmapped(const Prefix& prefix);

/// The same addresses in as few of these prefixes as can be: sorted, none inside another.
std::vector<Prefix> without_nested(std::vector<Prefix> prefixes);

}  // namespace fairlead
