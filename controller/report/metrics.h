#pragma once
/// What Prometheus is told about the controller: pools, who has an address and who waits why, how long a Service waited, the
/// writes and their failures, who leads. Fed by each pass and by the reporter; shown at /metrics. Thread: the loop's.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/core/converge.h"
#include "proto/base/metrics.h"

namespace fairlead::controller::report {

class Metrics {
 public:
  void set_leading(bool leads);
  /// A pass: what was there, and what was decided of it. `queued`: Services with a write that is not shown yet.
  void passed(const core::Snapshot& snapshot, const core::Decisions& decisions, std::size_t queued, TimePoint now);
  /// A write was answered: Errc's name, or "" for success.
  void written(std::string_view failure);
  /// The webhook judged an object: "" for what is none of ours.
  void reviewed(std::string_view kind, std::string_view verdict);

  std::string text() const { return registry_.text(); }

 private:
  void watch_waiting(const core::Snapshot& snapshot, TimePoint now);

  metrics::Registry registry_;
  std::map<kube::Name, TimePoint> waiting_since_;  // Services of type LoadBalancer without an address
  std::set<std::string> reasons_;                  // ever shown: a gauge goes to 0, it does not vanish
  std::set<std::string> pools_;
};

}  // namespace fairlead::controller::report
