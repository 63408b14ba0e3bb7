/// A frame as the announcer gets it, by a node that announces every address there is: what it answers is valid, leaves
/// from its own station, and goes to one station or, to a probe, to all nodes.
#include "proto/arp/arp.h"
#include "proto/ndp/ndp.h"
#include "proto/net/ethernet.h"
#include "speaker/core/foreign_claims.h"
#include "speaker/core/reply.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const speaker::Interface on{IfIndex{2}, "eth0", Mac{{2, 0, 0, 0, 0, 1}}, false};
  if (const auto claim = speaker::foreign_claim(ByteView(data, size), on, [](const Ip&, const speaker::Interface&) { return true; }, {})) {
    FL_CHECK(claim->mac != on.mac && !claim->mac.is_multicast() && !claim->mac.is_zero(), "another station claims it");
  }
  Ip asked;
  const auto outcome = speaker::answer(ByteView(data, size), on, [&](const Ip& vip, const speaker::Interface&) {
    asked = vip;
    return true;
  });
  if (const auto* const reason = std::get_if<speaker::Ignored>(&outcome)) {
    FL_CHECK(speaker::name(*reason) != "unknown", "a reason has a name");
    return 0;
  }
  const auto frame = ethernet::parse(std::get<Bytes>(outcome));
  FL_CHECK(frame && frame->source == on.mac, "it leaves from us");
  if (frame->type == ethernet::kArp) {
    const auto parsed = arp::parse(frame->payload);
    FL_CHECK(std::holds_alternative<arp::Packet>(parsed), "what is sent is valid");
    const auto& reply = std::get<arp::Packet>(parsed);
    FL_CHECK(reply.op == arp::Op::reply && Ip(reply.sender_ip) == asked && reply.sender_mac == on.mac, "it says who has what was asked for");
    FL_CHECK(!frame->destination.is_multicast() && frame->destination == reply.target_mac, "to who asked, alone");
    return 0;
  }
  const auto parsed = ndp::parse(frame->payload);
  FL_CHECK(std::holds_alternative<ndp::Packet>(parsed), "what is sent is valid");
  const auto& reply = std::get<ndp::Packet>(parsed);
  FL_CHECK(reply.type == ndp::Type::advertisement && Ip(reply.target) == asked && reply.link_address == on.mac, "it says who has what was asked for");
  FL_CHECK(reply.is_solicited != frame->destination.is_multicast(), "to who asked, alone, or to all that nobody asked for");
  FL_CHECK(reply.is_solicited || reply.destination == ndp::kAllNodes, "the only group is all nodes");
  return 0;
}
