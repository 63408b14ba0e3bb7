#pragma once
/// How long to wait before trying again: doubling, and jittered so that a thousand nodes do not come back at once. Pure;
/// randomness is an argument.
#include <algorithm>

#include "proto/base/clock.h"

namespace fairlead::runtime {

class Backoff {
 public:
  Backoff(Duration first, Duration most) : first_(first), most_(most), next_(first) {}

  /// `random` in [0, 1). Half of the wait is fixed, half is random: never at once, never more than `most`.
  Duration next(double random) {
    const Duration whole = next_;
    next_ = std::min(most_, next_ * 2);
    const auto half = static_cast<double>(whole.count()) / 2;
    return Duration(static_cast<Duration::rep>(half + half * random));
  }
  void reset() { next_ = first_; }
  bool is_fresh() const { return next_ == first_; }

 private:
  Duration first_, most_, next_;
};

}  // namespace fairlead::runtime
