#include "proto/net/prefix.h"

#include <algorithm>
#include <charconv>

namespace fairlead {
namespace {

/// Sets the host bits to all ones (or all zeros).
template <class A>
A with_host_bits(A address, unsigned length, bool ones) {
  for (std::size_t i = 0; i < address.octets.size(); ++i) {
    const unsigned from = static_cast<unsigned>(i) * 8;
    const unsigned network_bits = length <= from ? 0 : length - from >= 8 ? 8 : length - from;
    const auto host_mask = static_cast<std::uint8_t>(0xff >> network_bits);
    address.octets[i] = static_cast<std::uint8_t>(ones ? address.octets[i] | host_mask : address.octets[i] & ~host_mask);
  }
  return address;
}

Ip with_host_bits(const Ip& ip, unsigned length, bool ones) {
  return ip.is4() ? Ip(with_host_bits(ip.v4(), length, ones)) : Ip(with_host_bits(ip.v6(), length, ones));
}

}  // namespace

Prefix Prefix::of(const Ip& ip, std::uint8_t length) { return Prefix{with_host_bits(ip, length, false), length}; }

IpRange Prefix::range() const { return {base, with_host_bits(base, length, true)}; }

std::string Prefix::str() const { return base.str() + "/" + std::to_string(length); }

std::optional<Prefix> parse_prefix(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto ip = parse_ip_sloppy(text.substr(0, slash));
  const auto digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (!ip || digits.empty() || error != std::errc() || stop != digits.data() + digits.size()) return std::nullopt;
  if (length > (ip->is4() ? 32U : 128U)) return std::nullopt;
  return Prefix::of(*ip, static_cast<std::uint8_t>(length));
}

Prefix unmapped(const Prefix& prefix) {
  const Ip base = unmapped(prefix.base);
  if (base.family() == prefix.base.family() || prefix.length < 96) return prefix;
  return Prefix::of(base, static_cast<std::uint8_t>(prefix.length - 96));
}

std::vector<Prefix> without_nested(std::vector<Prefix> prefixes) {
  // Two prefixes are apart or one holds the other; in order of base and length the wider one stands first.
  std::sort(prefixes.begin(), prefixes.end());
  std::vector<Prefix> out;
  for (const Prefix& p : prefixes) {
    if (out.empty() || !out.back().contains(p.base)) out.push_back(p);
  }
  return out;
}

}  // namespace fairlead
