/// Leases as a server shows them, one a line, to an election that asks, writes and loses as it happens. Whatever is
/// shown: nobody thinks that they lead after the time of their last write.
#include <string>

#include "proto/runtime/kube_requests.h"
#include "proto/runtime/lease.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;
using runtime::LeaseElection;

namespace {

void check_record(const runtime::LeaseRecord& record) {
  FL_CHECK(record.duration >= std::chrono::seconds(1) && record.duration <= std::chrono::hours(1), "nobody waits for ever");
  const auto again = runtime::read_lease(runtime::lease_body(record, "controller", "fairlead"));
  FL_CHECK(again && *again == record, "a record reads back");
}

void answer(LeaseElection& election, LeaseElection::Step step, std::optional<runtime::LeaseRecord> shown, fuzz::Dice& dice,
            TimePoint& now, TimePoint& written) {
  const TimePoint sent = now;
  now += std::chrono::milliseconds(dice.roll(4000));
  if (dice.roll(8) == 0) {
    election.has_failed(now);
  } else if (step == LeaseElection::Step::read) {
    election.was_read(std::move(shown), now);
  } else if (dice.roll(4) == 0) {
    election.was_conflict(now);
  } else {
    runtime::LeaseRecord mine = shown.value_or(runtime::LeaseRecord{});
    mine.holder = election.identity();
    election.was_written(std::move(mine), sent, now);
    written = sent;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view in = fuzz::text(data, size);
  fuzz::Dice dice(in);
  LeaseElection election("me");
  TimePoint now{std::chrono::hours(1)};
  TimePoint written{};
  for (int steps = 0; steps < 64 && !in.empty(); ++steps) {
    const auto end = std::min(in.find('\n'), in.size());
    auto shown = runtime::read_lease(in.substr(0, end));
    in.remove_prefix(std::min(end + 1, in.size()));
    if (shown) check_record(*shown);
    const auto next = election.next(now);
    if (next.step == LeaseElection::Step::wait) {
      FL_CHECK(next.at > now, "waiting is for a time to come");
      now = next.at;
    } else {
      answer(election, next.step, std::move(shown), dice, now, written);
    }
    if (election.is_safe(now)) {
      FL_CHECK(now - written + LeaseElection::kMargin <= LeaseElection::kDuration, "the holder gives up in time");
      FL_CHECK(election.record() && election.record()->holder == "me", "who is safe holds it");
    }
    FL_CHECK(election.left(now) <= LeaseElection::kDuration, "a lease is not longer than it is");
  }
  return 0;
}
