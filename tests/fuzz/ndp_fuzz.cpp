/// An IPv6 packet as an Ethernet frame carries it: header, ICMPv6, options.
#include "proto/ndp/ndp.h"
#include "proto/net/checksum.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;

namespace {

void check(ByteView payload) {
  const ndp::Parsed parsed = ndp::parse(payload);
  if (const auto* const drop = std::get_if<ndp::Drop>(&parsed)) {
    FL_CHECK(ndp::name(*drop) != "unknown", "a refusal has a name");
    return;
  }
  const auto& packet = std::get<ndp::Packet>(parsed);
  FL_CHECK(!packet.target.is_multicast() && !packet.source.is_multicast(), "no group is asked for, and none asks");
  FL_CHECK(ndp::parse(ndp::build(packet)) == parsed, "what was read can be written and read again");
}

/// A length and checksum that are right: nobody guesses them, and most rules come after these.
Bytes sealed(ByteView payload) {
  Bytes out(payload.begin(), payload.end());
  if (out.size() < 44 || out.size() > 0xffff) return out;
  const std::size_t length = out.size() - 40;
  out[4] = static_cast<std::uint8_t>(length >> 8);
  out[5] = static_cast<std::uint8_t>(length);
  out[42] = out[43] = 0;
  Reader r(ByteView(out).subspan(8));
  const Ip6 source{r.bytes<16>()};
  const Ip6 destination{r.bytes<16>()};
  const auto sum = checksum_in_ipv6(source, destination, 58, ByteView(out).subspan(40));
  out[42] = static_cast<std::uint8_t>(sum >> 8);
  out[43] = static_cast<std::uint8_t>(sum);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView payload(data, size);
  check(payload);
  check(sealed(payload));
  return 0;
}
