#include "proto/net/ethernet.h"

namespace fairlead::ethernet {

std::optional<Frame> parse(ByteView frame) {
  Reader r(frame);
  Frame out;
  out.destination = Mac{r.bytes<6>()};
  out.source = Mac{r.bytes<6>()};
  out.type = r.be16();
  if (!r.ok()) return std::nullopt;
  out.payload = r.view(r.left());
  return out;
}

Bytes build(const Mac& destination, const Mac& source, std::uint16_t type, ByteView payload) {
  Writer w;
  w.bytes(destination.octets);
  w.bytes(source.octets);
  w.be16(type);
  w.bytes(payload);
  if (payload.size() < kMinPayload) w.zeros(kMinPayload - payload.size());
  return std::move(w).take();
}

}  // namespace fairlead::ethernet
