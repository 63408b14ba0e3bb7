/// A frame as a packet socket hands it over: Ethernet, then ARP.
#include <algorithm>

#include "proto/arp/arp.h"
#include "proto/net/ethernet.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;

namespace {

void check_payload(ByteView payload) {
  const arp::Parsed parsed = arp::parse(payload);
  if (const auto* const drop = std::get_if<arp::Drop>(&parsed)) {
    FL_CHECK(arp::name(*drop) != "unknown", "a refusal has a name");
    return;
  }
  const Bytes again = arp::build(std::get<arp::Packet>(parsed));
  FL_CHECK(again.size() <= payload.size() && std::equal(again.begin(), again.end(), payload.begin()),
           "what was read is what is written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView frame(data, size);
  check_payload(frame);
  const auto parsed = ethernet::parse(frame);
  if (!parsed) return 0;
  check_payload(parsed->payload);
  const Bytes again = ethernet::build(parsed->destination, parsed->source, parsed->type, parsed->payload);
  FL_CHECK(again.size() >= size && std::equal(frame.begin(), frame.end(), again.begin()), "what was read is what is written");
  return 0;
}
