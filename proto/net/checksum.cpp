#include "proto/net/checksum.h"

namespace fairlead {
namespace {

/// Sums 16-bit words; an odd octet at the end counts as if a zero followed. 64 bits cannot overflow here.
std::uint64_t sum(ByteView bytes) {
  std::uint64_t out = 0;
  Reader r(bytes);
  while (r.left() > 1) out += r.be16();
  if (r.left() == 1) out += static_cast<std::uint64_t>(r.u8()) << 8;
  return out;
}

}  // namespace

std::uint16_t checksum_in_ipv6(const Ip6& source, const Ip6& destination, std::uint8_t next_header, ByteView message) {
  std::uint64_t total = sum(source.octets) + sum(destination.octets) + sum(message) + next_header;
  total += (message.size() & 0xffff) + (message.size() >> 16);
  while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
  return static_cast<std::uint16_t>(~total);
}

}  // namespace fairlead
