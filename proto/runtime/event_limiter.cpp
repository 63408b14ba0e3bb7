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
  const bool is_early = now - series.written < kEvery;
  pending_ += static_cast<std::size_t>(is_early) - static_cast<std::size_t>(series.is_pending);
  series.is_pending = is_early;
  if (is_early) return std::nullopt;
  series.written = now;
  return series.write;
}

std::vector<EventWrite> EventLimiter::due(TimePoint now) {
  std::vector<EventWrite> out;
  if (pending_ == 0) return out;
  for (auto& [key, series] : series_) {
    if (!series.is_pending || now - series.written < kEvery) continue;
    series.is_pending = false;
    --pending_;
    series.written = now;
    out.push_back(series.write);
  }
  return out;
}

std::optional<TimePoint> EventLimiter::next() const {
  std::optional<TimePoint> out;
  if (pending_ == 0) return out;
  for (const auto& [key, series] : series_) {
    if (!series.is_pending) continue;
    const TimePoint at = series.written + kEvery;
    out = out ? std::min(*out, at) : at;
  }
  return out;
}

/// When there is no room: what is old; at most once a second, since it looks at all of them. Then what is not worth a warning.
void EventLimiter::forget(TimePoint now) {
  if (forgot_ && now - *forgot_ < std::chrono::seconds(1)) return;
  forgot_ = now;
  std::erase_if(series_, [&](const auto& entry) { return !entry.second.is_pending && now - entry.second.written >= kEvery; });
  if (series_.size() < kMost) return;
  std::erase_if(series_, [](const auto& entry) { return !entry.second.is_pending && entry.second.write.type == EventType::normal; });
}

}  // namespace fairlead::runtime
