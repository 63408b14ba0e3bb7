#include "proto/net/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace fairlead {

Ip4 Ip4::of(std::uint32_t n) {
  return Ip4{{static_cast<std::uint8_t>(n >> 24), static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
              static_cast<std::uint8_t>(n)}};
}

std::uint32_t Ip4::number() const {
  return std::uint32_t{octets[0]} << 24 | std::uint32_t{octets[1]} << 16 | std::uint32_t{octets[2]} << 8 | octets[3];
}

std::string Ip4::str() const {
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, octets.data(), text, sizeof text);
  return text;
}

std::string Ip6::str() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, octets.data(), text, sizeof text);
  return text;
}

ByteView Ip::octets() const {
  return is4() ? ByteView(v4().octets) : ByteView(v6().octets);
}

bool Ip::is_unspecified() const {
  const auto o = octets();
  return std::all_of(o.begin(), o.end(), [](std::uint8_t b) { return b == 0; });
}

bool Ip::is_loopback() const {
  if (is4()) return v4().octets[0] == 127;
  const auto o = octets();
  return o[15] == 1 && std::all_of(o.begin(), o.end() - 1, [](std::uint8_t b) { return b == 0; });
}

namespace {

template <class A>
std::optional<Ip> step(A address, bool up) {
  for (std::size_t i = address.octets.size(); i-- > 0;) {
    std::uint8_t& octet = address.octets[i];
    octet = static_cast<std::uint8_t>(up ? octet + 1 : octet - 1);
    if (octet != (up ? 0 : 255)) return Ip(address);  // no carry
  }
  return std::nullopt;
}

std::optional<Ip> parse4(std::string_view text, bool leading_zeros) {
  Ip4 out;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
    unsigned value = 0;
    if (at == end || *at < '0' || *at > '9') return std::nullopt;
    const auto [stop, error] = std::from_chars(at, end, value);
    if (error != std::errc() || value > 255) return std::nullopt;
    if (!leading_zeros && stop - at > 1 && *at == '0') return std::nullopt;
    out.octets[i] = static_cast<std::uint8_t>(value);
    at = stop;
  }
  if (at != end) return std::nullopt;
  return Ip(out);
}

std::optional<Ip> parse6(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  const std::string copy(text);
  Ip6 out;
  if (copy.find('\0') != std::string::npos || inet_pton(AF_INET6, copy.c_str(), out.octets.data()) != 1) {
    return std::nullopt;
  }
  return Ip(out);
}

std::optional<Ip> parse(std::string_view text, bool leading_zeros) {
  return text.find(':') == std::string_view::npos ? parse4(text, leading_zeros) : parse6(text);
}

}  // namespace

std::optional<Ip> next(const Ip& ip) { return ip.is4() ? step(ip.v4(), true) : step(ip.v6(), true); }
std::optional<Ip> previous(const Ip& ip) { return ip.is4() ? step(ip.v4(), false) : step(ip.v6(), false); }

Ip unmapped(const Ip& ip) {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const auto octets = ip.octets();
  if (ip.is4() || !std::equal(kMapped.begin(), kMapped.end(), octets.begin())) return ip;
  return Ip4{{octets[12], octets[13], octets[14], octets[15]}};
}

std::optional<Ip> parse_ip(std::string_view text) { return parse(text, false); }
std::optional<Ip> parse_ip_sloppy(std::string_view text) { return parse(text, true); }

}  // namespace fairlead
