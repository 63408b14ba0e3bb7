#pragma once
/// Addresses that were given back and rest for a while: whoever has cached where one of them leads should not meet another
/// Service there. The Service that had it may have it back at once. What rests is noted in the AddressRecord of the
/// controller, so that the next one goes on with it. Pure: time is an argument.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "proto/api/objects.h"
#include "proto/base/clock.h"

namespace fairlead::controller::core {

class HoldDown {
 public:
  struct Time {
    Duration length{};      // an address rests for so long
    TimePoint now{};
    std::int64_t wall = 0;  // the same, seconds since 1970
  };
  struct Released {
    kube::Name last;  // who had it
    TimePoint until{};
    std::int64_t until_wall = 0;
  };

  /// What the controller that led before had noted; counts once.
  void learn(std::span<const api::AddressRecord* const> records, const Time& time);
  /// A pass begins: `shown` are the addresses that Services keep in it.
  void begin(const std::set<Ip>& shown, const Time& time);
  /// Given back in the middle of the pass. Returns who had it first of those that have not shown it since.
  const kube::Name& release(const Ip& ip, const kube::Name& by, const Time& time);
  /// The pass is over: who has which address now.
  void end(std::map<Ip, kube::Name> holders, const Time& time);

  const std::map<Ip, Released>& released() const { return released_; }
  std::vector<api::AddressNotes::HeldDown> notes() const;
  /// When a pass is due without any change.
  std::optional<TimePoint> next() const;

 private:
  bool has_learned_ = false;
  std::map<Ip, kube::Name> holders_;
  std::map<Ip, Released> released_;
};

}  // namespace fairlead::controller::core
