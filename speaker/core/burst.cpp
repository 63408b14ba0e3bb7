#include "speaker/core/burst.h"

#include <algorithm>

namespace fairlead::speaker {

std::vector<Ip> Bursts::due(TimePoint now, std::size_t most) {
  std::vector<Ip> out;
  for (auto at = running_.begin(); at != running_.end() && out.size() < most;) {
    if (at->second.next > now) {
      ++at;
      continue;
    }
    out.push_back(at->first);
    // From now and not from the date: a loop that was late must not send the missed frames in a row.
    at->second.next = now + kBurstStep;
    at = at->second.next > at->second.end ? running_.erase(at) : std::next(at);
  }
  return out;
}

std::optional<TimePoint> Bursts::next() const {
  std::optional<TimePoint> out;
  for (const auto& [vip, burst] : running_) out = out ? std::min(*out, burst.next) : burst.next;
  return out;
}

}  // namespace fairlead::speaker
