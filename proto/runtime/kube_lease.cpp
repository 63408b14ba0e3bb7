#include "proto/runtime/kube_lease.h"

#include <memory>
#include <optional>
#include <utility>

namespace fairlead::runtime {
namespace {

constexpr Duration kReleaseWithin = std::chrono::seconds(2);

std::int64_t wall_micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

KubeLease::KubeLease(Scope scope, Shared shared)
    : scope_(std::move(scope)),
      shared_(std::move(shared)),
      election_(scope_.identity, scope_.is_sole),
      turn_(shared_.loop, [this] { compete(); }),
      safety_(shared_.loop, [this] { check(); }) {}

std::string KubeLease::path() const { return leases_path(scope_.ns) + "/" + scope_.name; }

void KubeLease::compete() {
  if (is_asking_) return;
  const TimePoint now = shared_.loop.now();
  const LeaseElection::Next next = election_.next(now);
  using Step = LeaseElection::Step;
  switch (next.step) {
    case Step::wait: return turn_.arm(next.at - now);
    case Step::read: return read();
    case Step::create:
    case Step::take:
    case Step::renew: return write(next.step);
  }
}

void KubeLease::read() {
  is_asking_ = true;
  shared_.client.send({ApiRequest::Method::get, path(), "", "", kWriteTimeout}, [this](ApiReply reply) -> Task {
    auto answer = read_answer(std::move(reply));
    auto record = answer.is_success() ? read_lease(answer.body) : std::nullopt;
    return [this, answer = std::move(answer), record = std::move(record)] {
      is_asking_ = false;
      if (answer.status == 404 || record) election_.was_read(record, shared_.loop.now());
      else failed(answer);
      check();
      compete();
    };
  });
}

void KubeLease::write(LeaseElection::Step step) {
  is_asking_ = true;
  LeaseRecord record = election_.record().value_or(LeaseRecord{});
  record.duration = LeaseElection::kDuration;
  record.renewed = micro_time(wall_micros());
  if (step != LeaseElection::Step::renew) {
    if (step == LeaseElection::Step::take && record.holder != election_.identity()) ++record.transitions;
    record.acquired = record.renewed;
    record.holder = election_.identity();
  }
  const bool is_new = step == LeaseElection::Step::create;
  const std::string target = (is_new ? leases_path(scope_.ns) : path()) + "?" + std::string(kServerTimeout);
  const TimePoint sent = shared_.loop.now();
  shared_.client.send({is_new ? ApiRequest::Method::post : ApiRequest::Method::put, target, lease_body(record, scope_.name, scope_.ns), kJsonBody, kWriteTimeout},
                      [this, sent](ApiReply reply) -> Task {
                        auto answer = read_answer(std::move(reply));
                        auto written = answer.is_success() ? read_lease(answer.body) : std::nullopt;
                        return [this, sent, answer = std::move(answer), written = std::move(written)] {
                          is_asking_ = false;
                          const TimePoint now = shared_.loop.now();
                          if (written) election_.was_written(*written, sent, now);
                          else if (answer.status == 409) election_.was_conflict(now);
                          else failed(answer);
                          if (written && !told_.empty()) shared_.fault(fault(std::exchange(told_, "")), true);
                          check();
                          compete();
                        };
                      });
}

Fault KubeLease::fault(const std::string& why) const { return {"", "Lease " + scope_.ns + "/" + scope_.name, "", "cannot be taken: " + why}; }

void KubeLease::failed(const Answer& answer) {
  shared_.quiet.keep(answer.retry_after);
  election_.has_failed(shared_.loop.now(), shared_.quiet.left());
  if (answer.status == 0 || told_ == answer.what) return;
  if (!told_.empty()) shared_.fault(fault(told_), true);
  told_ = answer.what;
  shared_.fault(fault(told_), false);
}

void KubeLease::check() {
  const TimePoint now = shared_.loop.now();
  const bool is_safe_now = election_.is_safe(now);
  if (is_safe_now) safety_.arm(election_.left(now) - LeaseElection::kMargin + std::chrono::milliseconds(1));
  if (std::exchange(was_safe_, is_safe_now) != is_safe_now) shared_.changed(is_safe_now);
}

void KubeLease::release() {
  if (election_.left(shared_.loop.now()) == Duration{}) return;
  if (!shared_.client.drain(kWriteTimeout)) return;
  // Read again: the answer to a renewal may have come that the loop will not see any more.
  const auto record = std::make_shared<std::optional<LeaseRecord>>();
  shared_.client.send({ApiRequest::Method::get, path(), "", "", kReleaseWithin}, [record](const ApiReply& reply) -> Task {
    if (reply.status == 200) *record = read_lease(reply.body);
    return nullptr;
  });
  if (!shared_.client.drain(kReleaseWithin) || !*record || (*record)->holder != election_.identity()) return;
  (*record)->holder.clear();
  (*record)->duration = std::chrono::seconds(1);
  shared_.client.send({ApiRequest::Method::put, path() + "?" + std::string(kServerTimeout), lease_body(**record, scope_.name, scope_.ns), kJsonBody, kReleaseWithin},
                      [](const ApiReply&) -> Task { return nullptr; });
  shared_.client.drain(kReleaseWithin);
}

}  // namespace fairlead::runtime
