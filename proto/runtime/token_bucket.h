#pragma once
/// A rate limit: `rate` a second on average, `burst` at once. Pure; time is an argument.
#include <algorithm>
#include <cmath>

#include "proto/base/clock.h"

namespace fairlead::runtime {

class TokenBucket {
 public:
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), level_(burst) {}

  bool take(TimePoint now) {
    refill(now);
    if (level_ < 1) return false;
    level_ -= 1;
    return true;
  }
  /// How long until take() succeeds; zero: now.
  Duration wait(TimePoint now) {
    refill(now);
    if (level_ >= 1) return Duration{};
    return Duration(static_cast<Duration::rep>(std::ceil((1 - level_) / rate_ * 1e9)));
  }

 private:
  void refill(TimePoint now) {
    if (now > at_) {
      if (at_ != TimePoint{}) level_ = std::min(burst_, level_ + std::chrono::duration<double>(now - at_).count() * rate_);
      at_ = now;
    }
  }

  double rate_, burst_, level_;
  TimePoint at_{};
};

}  // namespace fairlead::runtime
