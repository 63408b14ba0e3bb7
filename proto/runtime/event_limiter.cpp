#include "proto/runtime/event_limiter.h"

#include <algorithm>

namespace fairlead::runtime {

std::optional<EventWrite> EventLimiter::add(const api::Key& about, EventType type, std::string_view reason,
                                            std::string_view message, TimePoint now, std::int64_t wall_seconds) {
  const std::pair key{about, std::string(reason)};
  auto found = series_.find(key);
  if (found != series_.end() && !found->second.is_pending && now - found->second.seen >= kForgetAfter) {
    series_.erase(found);
    found = series_.end();
  }
  if (found == series_.end()) {
    if (series_.size() >= kMost) forget(now);
    if (series_.size() >= kMost) return std::nullopt;
    Series series{{about, type, key.second, std::string(message), 1, wall_seconds, true}, now, now, false};
    EventWrite out = series.write;
    series.write.is_first = false;
    series_.emplace(key, std::move(series));
    return out;
  }
  Series& series = found->second;
  ++series.write.count;
  series.write.type = type;
  series.write.message = message;
  series.seen = now;
  series.is_pending = now - series.written < kEvery;
  if (series.is_pending) return std::nullopt;
  series.written = now;
  return series.write;
}

std::vector<EventWrite> EventLimiter::due(TimePoint now) {
  std::vector<EventWrite> out;
  for (auto& [key, series] : series_) {
    if (!series.is_pending || now - series.written < kEvery) continue;
    series.is_pending = false;
    series.written = now;
    out.push_back(series.write);
  }
  return out;
}

std::optional<TimePoint> EventLimiter::next() const {
  std::optional<TimePoint> out;
  for (const auto& [key, series] : series_) {
    if (!series.is_pending) continue;
    const TimePoint at = series.written + kEvery;
    out = out ? std::min(*out, at) : at;
  }
  return out;
}

/// When there is no room: at most once a second, since it looks at all of them.
void EventLimiter::forget(TimePoint now) {
  if (forgot_ && now - *forgot_ < std::chrono::seconds(1)) return;
  forgot_ = now;
  std::erase_if(series_, [&](const auto& entry) { return !entry.second.is_pending && now - entry.second.written >= kEvery; });
}

}  // namespace fairlead::runtime
