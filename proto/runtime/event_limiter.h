#pragma once
/// Events without a flood: one (object, reason) is written at most once in ten minutes. What comes between is counted,
/// and the last message and the count go out with the next write, so that a thousand flaps are a few writes and nothing
/// is hidden. Pure; time is an argument.
///
/// What can be held is bounded. Thousands of Services that get their addresses at once must not take the room of a warning:
/// where it is full, the series of normal Events of which nothing waits are forgotten (the next of them is told anew).
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/api/objects.h"
#include "proto/base/clock.h"
#include "proto/runtime/source.h"

namespace fairlead::runtime {

struct EventWrite {
  api::Key about;
  EventType type = EventType::normal;
  std::string reason;
  std::string message;
  std::uint64_t count = 1;
  std::int64_t first_seconds = 0;  // wall clock, of the first of this series
  bool is_first = true;            // create; else it was written before
};

class EventLimiter {
 public:
  static constexpr Duration kEvery = std::chrono::minutes(10);
  static constexpr Duration kForgetAfter = std::chrono::minutes(30);  // of silence: the next is a new series
  static constexpr std::size_t kMost = 4096;                          // series held; where all of them warn or wait, new ones are dropped

  /// What to write now; none: counted, it comes out of due().
  std::optional<EventWrite> add(const api::Key& about, EventType type, std::string_view reason, std::string_view message,
                                TimePoint now, std::int64_t wall_seconds);
  /// What was counted and has waited long enough.
  std::vector<EventWrite> due(TimePoint now);
  /// When due() has something; none: never.
  std::optional<TimePoint> next() const;
  std::size_t size() const { return series_.size(); }

 private:
  struct Series {
    EventWrite write;
    TimePoint written{};
    TimePoint seen{};
    bool is_pending = false;
  };
  void forget(TimePoint now);
  std::map<std::pair<api::Key, std::string>, Series> series_;
  std::size_t pending_ = 0;  // of series_
  std::optional<TimePoint> forgot_;
};

}  // namespace fairlead::runtime
