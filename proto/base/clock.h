#pragma once
/// Time as an argument. Cores take a TimePoint; only shells ask a Clock. Monotonic.
#include <chrono>
#include <cstdint>

namespace fairlead {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  TimePoint now() const override { return std::chrono::steady_clock::now(); }
};

/// "12.3": milliseconds with one digit, for logs.
inline double milliseconds(Duration d) { return static_cast<double>(d.count() / 100'000) / 10.0; }

}  // namespace fairlead
