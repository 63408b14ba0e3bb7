#include "speaker/l2/segment.h"

#include "proto/base/log.h"

namespace fairlead::speaker {

Result<std::unique_ptr<Segment>> Segment::open(runtime::Loop& loop, Interface interface, Handlers handlers) {
  std::unique_ptr<Segment> segment(new Segment(std::move(interface)));
  Segment& self = *segment;
  for (const auto protocol : {FramePort::Protocol::arp, FramePort::Protocol::ndp}) {
    auto port = FramePort::open(
        loop, protocol, self.interface_, [received = handlers.received, &self](ByteView frame) { received(frame, self); },
        [failed = handlers.failed, &self](const std::string& why) { failed(self, why); });
    if (!port) return port.error();
    (protocol == FramePort::Protocol::arp ? self.arp_ : self.ndp_) = std::move(*port);
  }
  return segment;
}

bool Segment::become_member(const std::set<Ip6>& groups, std::size_t most_steps) {
  const auto done = memberships_.become(groups, most_steps);
  if (done) {
    if (*done) join_failure_.clear();
    return *done;
  }
  if (join_failure_ != done.error().what) {
    log::warn("join_failed", {{"interface", interface_.name}, {"what", done.error().what},
                              {"means", "neighbours that ask in this group are not heard; it is tried again"}});
    join_failure_ = done.error().what;
  }
  return true;
}

}  // namespace fairlead::speaker
