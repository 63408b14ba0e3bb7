#pragma once
/// Time that a test moves by hand.
#include "proto/base/clock.h"

namespace fairlead::test {

class ManualClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  void advance(Duration by) { now_ += by; }

 private:
  TimePoint now_{std::chrono::hours(1)};
};

}  // namespace fairlead::test
