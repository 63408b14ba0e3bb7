#pragma once
/// What a server said with Retry-After holds for everything that is asked of it.
#include <algorithm>

#include "proto/base/log.h"
#include "proto/runtime/loop.h"

namespace fairlead::runtime {

class Quiet {
 public:
  explicit Quiet(Loop& loop) : loop_(loop) {}
  void keep(Duration most) {
    if (most <= Duration{}) return;
    log::debug("api_asks_for_quiet", {{"ms", milliseconds(most)}});
    until_ = std::max(until_, loop_.now() + most);
  }
  Duration left() const { return std::max(Duration{}, until_ - loop_.now()); }

 private:
  Loop& loop_;
  TimePoint until_{};
};

}  // namespace fairlead::runtime
