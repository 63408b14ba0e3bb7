#include "proto/runtime/lease.h"

namespace fairlead::runtime {

LeaseElection::Next LeaseElection::next(TimePoint now) const {
  if (now < due_) return {Step::wait, due_};
  if (!is_known_) return {Step::read, now};
  if (!record_) return {Step::create, now};
  // Ours by name but not by a write of this process that is still good: wait it out like anybody's.
  if (is_ours() && valid_until_ > now) return {Step::renew, now};
  if (record_->holder.empty()) return {Step::take, now};
  if (now - seen_ >= wait()) return {Step::take, now};
  return {Step::read, now};
}

void LeaseElection::was_read(std::optional<LeaseRecord> record, TimePoint now) {
  if (!is_known_ || record != record_) {
    if (record != record_ || seen_ == TimePoint{}) seen_ = now;
    record_ = std::move(record);
    is_known_ = true;
  }
  if (!is_ours()) valid_until_ = {};
  due_ = now;
  if (!record_ || record_->holder.empty() || (is_ours() && valid_until_ > now)) return;
  due_ = std::min(now + kLookEvery, std::max(now, seen_ + wait()));
}

void LeaseElection::was_written(LeaseRecord record, TimePoint sent, TimePoint now) {
  record_ = std::move(record);
  is_known_ = true;
  seen_ = now;
  valid_until_ = is_ours() ? sent + kDuration : TimePoint{};
  due_ = now + kRenewEvery;
}

void LeaseElection::was_conflict(TimePoint now) {
  is_known_ = false;  // whether our own lease is still good, the next read says
  due_ = now;
}

void LeaseElection::has_failed(TimePoint now, Duration quiet) { due_ = now + std::max(kRetryEvery, quiet); }

Duration LeaseElection::left(TimePoint now) const {
  return is_ours() ? std::max(Duration{}, valid_until_ - now) : Duration{};
}

}  // namespace fairlead::runtime
