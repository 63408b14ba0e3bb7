#pragma once
/// When gratuitous frames are sent: at once on taking a VIP over, then every 1.1 s until 5 s have passed, as a first one
/// may be lost and switches may still be learning. Pure: time is an argument.
#include <map>
#include <optional>
#include <vector>

#include "proto/base/clock.h"
#include "proto/net/ip.h"

namespace fairlead::speaker {

inline constexpr Duration kBurstStep = std::chrono::milliseconds(1100);
inline constexpr Duration kBurstLength = std::chrono::seconds(5);

class Bursts {
 public:
  /// A take-over: the first frame is due at once. Starting again starts afresh.
  void start(const Ip& vip, TimePoint now) { running_[vip] = {now, now + kBurstLength}; }
  void stop(const Ip& vip) { running_.erase(vip); }

  /// VIPs whose next frame is due; each is moved on to its next date.
  std::vector<Ip> due(TimePoint now);
  /// When due() will have something to say next.
  std::optional<TimePoint> next() const;

 private:
  struct Burst {
    TimePoint next;
    TimePoint end;
  };
  std::map<Ip, Burst> running_;
};

}  // namespace fairlead::speaker
