#pragma once
/// When a VIP's owner is told to everybody, by ARP and NDP alike: at once on taking a VIP over, then every 1.1 s until 5 s have passed, as a first one
/// may be lost and switches may still be learning. Pure: time is an argument.
#include <map>
#include <optional>
#include <vector>

#include "proto/base/clock.h"
#include "proto/net/ip.h"

namespace fairlead::speaker {

inline constexpr Duration kBurstStep = std::chrono::milliseconds(1100);
inline constexpr Duration kBurstLength = std::chrono::seconds(5);
inline constexpr std::size_t kBurstVips = 64;

class Bursts {
 public:
  /// A take-over: the first frame is due at once. Starting again starts afresh.
  void start(const Ip& vip, TimePoint now) { running_[vip] = {now, now + kBurstLength}; }
  void stop(const Ip& vip) { running_.erase(vip); }

  /// VIPs whose next frame is due, at most so many at a time; each is moved on to its next date. next() is in the past
  /// while there are more: a node that takes thousands of VIPs over must answer for them meanwhile.
  std::vector<Ip> due(TimePoint now, std::size_t most = kBurstVips);
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
