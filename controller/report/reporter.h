#pragma once
/// Decisions out: writes Services and pool statuses to the source, and tells Events.
///
/// Between a decision and the moment when the source shows it, a pass must not decide again as if nothing had happened:
/// it could hand the same address out twice. expected() answers a Service as it will be once our writes have landed,
/// and passes are made over that. A write that fails is tried again (100 ms, doubling to 30 s; 30 s at once where
/// trying soon cannot help); one that was accepted and is not shown to a pass two seconds later is forgotten, and that pass
/// decides anew.
///
/// The same Event (object, reason, message) is not told twice in a row, and a problem that stands is told once. A pool's
/// status is written twice a second at most, and never while the one before is on its way: the last one counts.
///
/// ConfigurationState "controller" is written when it would say something else.
/// Thread: the loop's.
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/core/converge.h"
#include "controller/core/judge.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/source.h"

namespace fairlead::controller::report {

class Reporter {
 public:
  /// `changed`: something that a pass should look at (a write was confirmed, given up, or forgotten). `group`: whose
  /// annotation names the pool.
  Reporter(runtime::Loop& loop, runtime::Source& source, std::function<void()> changed,
           api::Group group = api::Group::fairlead);

  /// The Service as the next pass should see it. The reference is good until the next call about the same Service.
  const kube::Service& expected(const kube::Service& delivered);
  void apply(const core::Decisions& decisions);
  /// AddressRecord "controller". `shown`: as the source has it; null: it has none.
  void note(const api::AddressNotes& notes, const api::AddressRecord* shown);
  /// What the whole configuration is like.
  void state(const core::Configuration& configuration);
  /// The object was deleted: nothing is written to it, and what was told about it is forgotten.
  void forget(const api::Key& key);
  /// Drops what is not written yet: somebody else leads now.
  void stop();

  /// Told of each answer to a write: Errc's name, or "" for success.
  void watch_writes(std::function<void(std::string_view failure)> watcher) { watcher_ = std::move(watcher); }
  /// Services with a write that is not shown yet.
  std::size_t queued() const { return pending_.size(); }

  /// Everything that was decided is written and shown.
  bool is_idle() const { return pending_.empty() && busy_statuses_ == 0 && states_in_flight_ == 0; }
  /// Why nothing more is to be expected: a write that failed three times, or was accepted and never shown.
  const std::optional<std::string>& stuck() const { return stuck_; }

 private:
  enum class Phase { queued, in_flight, failed, written };
  struct Pending {
    std::uint64_t id = 0;
    core::Write write;  // everything not yet known to be in place; later decisions are merged in
    Phase phase = Phase::queued;
    bool is_amended = false;  // changed while in flight: goes out once more
    unsigned attempts = 0;
    bool is_refused = false;             // the last attempt
    std::string version, sent_version;  // resourceVersion as delivered last, and when the last attempt was made
    TimePoint due{};         // of phases failed and written
    kube::Service overlaid;  // what expected() refers to
  };
  using Pendings = std::map<kube::Name, Pending>;

  void queue(const core::Write& write);
  void send_queued();
  void on_written(const kube::Name& service, std::uint64_t id, const Result<void>& result);
  struct Status {
    core::PoolUse use;      // as decided
    bool is_due = false;    // and not written like this yet
    bool is_in_flight = false;
    unsigned attempts = 0;  // that failed, since the last that did not
    TimePoint not_before{};
    bool is_counted = false;  // in busy_statuses_
    bool is_busy() const { return is_due || is_in_flight; }
  };
  void set_status(const core::PoolUse& use);
  /// Sends what is due and may go now; else sees to it that it is looked at again.
  void send_status(const kube::Name& pool, Status& status);
  void count(Status& status, bool is_busy);
  void on_timer();
  void wake_by(TimePoint at);
  void tell(const core::Notice& notice);

  runtime::Loop& loop_;
  runtime::Source& source_;
  std::function<void()> changed_;
  std::function<void(std::string_view)> watcher_;
  const api::Group group_;
  Pendings pending_;
  std::deque<kube::Name> queue_;
  std::size_t in_flight_ = 0;
  std::uint64_t next_id_ = 1;

  std::map<kube::Name, Status> statuses_;
  std::size_t busy_statuses_ = 0;

  std::optional<api::AddressNotes> noted_;
  std::optional<core::Configuration> stated_;
  std::size_t states_in_flight_ = 0;

  std::vector<core::Notice> problems_;                            // sorted: the ones that stand
  std::map<api::Key, std::map<core::Reason, std::size_t>> told_;  // hash of the last message of each reason
  std::optional<std::string> stuck_;
  TimePoint wake_at_{};  // of timer_, while it is armed
  runtime::Timer timer_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace fairlead::controller::report
