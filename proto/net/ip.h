#pragma once
/// IPv4 and IPv6 addresses. Bytes are in network order, so comparison is numeric order. Text is canonical on the way out
/// (RFC 5952); on the way in two readers exist: parse_ip is strict, parse_ip_sloppy takes what Kubernetes objects may
/// hold (leading zeros, which are decimal: CVE-2021-29923).
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "proto/base/bytes.h"

namespace fairlead {

struct Ip4 {
  std::array<std::uint8_t, 4> octets{};
  auto operator<=>(const Ip4&) const = default;

  static Ip4 of(std::uint32_t host_order);
  std::uint32_t number() const;  // host order
  bool is_unspecified() const { return number() == 0; }
  std::string str() const;
};

struct Ip6 {
  std::array<std::uint8_t, 16> octets{};
  auto operator<=>(const Ip6&) const = default;
  bool is_unspecified() const { return octets == std::array<std::uint8_t, 16>{}; }
  bool is_multicast() const { return octets[0] == 0xff; }
  std::string str() const;
};

enum class Family : std::uint8_t { v4 = 4, v6 = 6 };

/// Either family. IPv4 sorts before IPv6. An IPv4-mapped IPv6 address stays IPv6.
class Ip {
 public:
  Ip() = default;
  Ip(Ip4 a) : value_(a) {}  // NOLINT(google-explicit-constructor)
  Ip(Ip6 a) : value_(a) {}  // NOLINT(google-explicit-constructor)

  Family family() const { return value_.index() == 0 ? Family::v4 : Family::v6; }
  bool is4() const { return value_.index() == 0; }
  const Ip4& v4() const { return std::get<0>(value_); }
  const Ip6& v6() const { return std::get<1>(value_); }
  ByteView octets() const;
  std::string str() const { return is4() ? v4().str() : v6().str(); }
  bool is_unspecified() const;
  bool is_loopback() const;

  auto operator<=>(const Ip&) const = default;

 private:
  std::variant<Ip4, Ip6> value_;
};

/// The address after this one; none after the last of the family.
std::optional<Ip> next(const Ip& ip);
std::optional<Ip> previous(const Ip& ip);

/// ::ffff:192.0.2.7 is 192.0.2.7: one address in two spellings to Go and so to Kubernetes, and no packet carries the first.
Ip unmapped(const Ip& ip);

/// "10.0.0.7", "2001:db8::7". No blanks, no leading zeros, no zone, no prefix.
std::optional<Ip> parse_ip(std::string_view text);
/// As parse_ip, but IPv4 octets may have leading zeros, read as decimal.
std::optional<Ip> parse_ip_sloppy(std::string_view text);

}  // namespace fairlead

template <>
struct std::hash<fairlead::Ip> {
  std::size_t operator()(const fairlead::Ip& ip) const noexcept {
    const auto o = ip.octets();
    return std::hash<std::string_view>()({reinterpret_cast<const char*>(o.data()), o.size()});
  }
};
