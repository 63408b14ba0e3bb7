#pragma once
/// Who leads, by a coordination.k8s.io/v1 Lease. Pure: told what the server answered and when, it says what to ask next.
///
/// Nobody's wall clock is believed. A lease that somebody else holds ends when its record has not changed for the
/// record's own duration *as seen here*, by the monotonic clock; ours ends when that time has passed since the last
/// write that succeeded *was sent*. So the holder always gives up before anybody else may take it. A write that the
/// lease protects starts only while is_safe() (five seconds left) and carries a server-side timeout below that, so that
/// none of an old holder's writes is carried out under the next one.
///
/// A holder whose name nobody else can bear (a container that was started again in the same Pod) has outlived the process
/// that wrote that name: it waits for the last writes of that one only, kMargin from when it first saw the record.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "proto/base/clock.h"

namespace fairlead::runtime {

struct LeaseRecord {
  std::string holder;  // "": released
  Duration duration{};
  std::string renewed;   // spec.renewTime as written: an opaque text, only compared
  std::string acquired;  // spec.acquireTime
  std::int64_t transitions = 0;
  std::string resource_version;
  bool operator==(const LeaseRecord&) const = default;
};

class LeaseElection {
 public:
  static constexpr Duration kDuration = std::chrono::seconds(15);
  static constexpr Duration kRenewEvery = std::chrono::seconds(3);
  static constexpr Duration kLookEvery = std::chrono::seconds(3);
  static constexpr Duration kRetryEvery = std::chrono::seconds(1);
  static constexpr Duration kMargin = std::chrono::seconds(5);

  enum class Step { wait, read, create, take, renew };
  struct Next {
    Step step = Step::wait;
    TimePoint at{};  // of wait: when to ask again
  };

  /// `is_sole`: whoever had this identity before has ended when this process starts.
  explicit LeaseElection(std::string identity, bool is_sole = false) : identity_(std::move(identity)), is_sole_(is_sole) {}

  /// What to do now. A step that is asked for must be answered (by one of the following) before the next is.
  Next next(TimePoint now) const;

  /// A read answered: the record, or none when there is no such Lease.
  void was_read(std::optional<LeaseRecord> record, TimePoint now);
  /// create, take or renew succeeded; it was sent at `sent`, and the server answered with `record`.
  void was_written(LeaseRecord record, TimePoint sent, TimePoint now);
  /// create, take or renew was refused because somebody was there before.
  void was_conflict(TimePoint now);
  /// No answer, or one that says nothing. The server wants nothing before `quiet` has passed.
  void has_failed(TimePoint now, Duration quiet = {});

  /// At least kMargin of the lease is left.
  bool is_safe(TimePoint now) const { return left(now) >= kMargin; }
  /// Of our lease; zero when it is not ours.
  Duration left(TimePoint now) const;
  const std::optional<LeaseRecord>& record() const { return record_; }
  const std::string& identity() const { return identity_; }

 private:
  bool is_ours() const { return record_ && record_->holder == identity_; }
  /// How long a record has to stay as it is before it is nobody's any more.
  Duration wait() const { return is_sole_ && is_ours() ? std::min(kMargin, record_->duration) : record_->duration; }

  std::string identity_;
  bool is_sole_;
  std::optional<LeaseRecord> record_;
  bool is_known_ = false;    // record_ is what the server said, and nothing has contradicted it since
  TimePoint seen_{};         // when record_ was first seen as it is
  TimePoint valid_until_{};  // ours
  TimePoint due_{};          // not before
};

}  // namespace fairlead::runtime
