#pragma once
/// All that is held on one interface: a port for each protocol, and the memberships. It lives as long as the interface is
/// fit; one that comes back gets a new Segment, so its groups are joined and told to the switch anew. Thread: the loop's.
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "speaker/l2/frame_port.h"
#include "speaker/l2/memberships.h"

namespace fairlead::speaker {

class Segment {
 public:
  struct Handlers {
    std::function<void(ByteView frame, Segment& on)> received;
    /// Once for a port: the interface cannot be read any more, and the segment is useless. It may be destroyed later, not
    /// from inside this call.
    std::function<void(Segment& on, const std::string& why)> failed;
  };
  static Result<std::unique_ptr<Segment>> open(runtime::Loop& loop, Interface interface, Handlers handlers);

  const Interface& interface() const { return interface_; }
  Result<void> send(ByteView frame) { return arp_->send(frame); }

  /// Memberships::become, where a failure is told by a log line when it begins. False: call again.
  bool become_member(const std::set<Ip6>& groups, std::size_t most_steps);
  bool has_failed_to_join() const { return !join_failure_.empty(); }

 private:
  explicit Segment(Interface interface) : interface_(std::move(interface)), memberships_(interface_.index) {}

  Interface interface_;
  Memberships memberships_;
  std::string join_failure_;
  std::unique_ptr<FramePort> arp_;
  std::unique_ptr<FramePort> ndp_;
};

}  // namespace fairlead::speaker
