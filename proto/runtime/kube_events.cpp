#include "proto/runtime/kube_events.h"

#include <algorithm>

#include "proto/base/log.h"
#include "proto/runtime/wall_time.h"

namespace fairlead::runtime {

KubeEvents::KubeEvents(const Reporting& by, Shared shared)
    : by_(by), shared_(std::move(shared)), timer_(shared_.loop, [this] { flush(); }) {}

void KubeEvents::add(const api::Key& about, EventType type, std::string_view reason, std::string_view message) {
  if (auto write = limiter_.add(about, type, reason, message, shared_.loop.now(), wall_seconds())) send(*std::move(write));
  arm();
}

void KubeEvents::arm() {
  const auto next = limiter_.next();
  if (next && !timer_.is_armed()) timer_.arm(std::max(Duration{}, *next - shared_.loop.now()));
}

void KubeEvents::flush() {
  for (EventWrite& write : limiter_.due(shared_.loop.now())) send(std::move(write));
  pump();
  arm();
}

void KubeEvents::send(EventWrite write) {
  if (waiting_.size() < EventLimiter::kMost) waiting_.push_back(std::move(write));
  pump();
}

void KubeEvents::pump() {
  if (shared_.must_wait()) return;
  while (!waiting_.empty() && in_flight_ < kInFlight && shared_.quiet.left() == Duration{} && shared_.bucket.take(shared_.loop.now())) {
    const EventWrite write = std::move(waiting_.front());
    waiting_.pop_front();
    ++in_flight_;
    post(write);
  }
  if (!waiting_.empty() && in_flight_ == 0) {
    timer_.arm(std::max(shared_.quiet.left(), shared_.bucket.wait(shared_.loop.now())) + std::chrono::milliseconds(1));
  }
}

void KubeEvents::answered(Duration retry_after) {
  shared_.quiet.keep(retry_after);
  --in_flight_;
  pump();
}

void KubeEvents::post(const EventWrite& write) {
  const auto named = names_.find({write.about, write.reason});
  if (write.is_first || named == names_.end()) return create(write);
  const std::string path = events_path(event_namespace(write.about)) + "/" + percent_encoded(named->second);
  shared_.client.send({ApiRequest::Method::patch, path, event_patch(write, wall_seconds()), kMergePatch, kWriteTimeout},
                      [this, write](const ApiReply& reply) -> Task {
                        if (reply.status != 404) return [this, quiet = reply.retry_after] { answered(quiet); };
                        return [this, write] { create(write); };  // Events end after an hour
                      });
}

void KubeEvents::create(const EventWrite& write) {
  const std::string name = event_name(write, shared_.random());
  if (names_.size() >= 2 * EventLimiter::kMost) names_.clear();
  names_[{write.about, write.reason}] = name;
  std::string body = event_body(write, name, shared_.uid_of(write.about), by_, wall_seconds());
  shared_.client.send({ApiRequest::Method::post, events_path(event_namespace(write.about)), std::move(body), kJsonBody, kWriteTimeout},
                      [this](const ApiReply& reply) -> Task {
                        return [this, status = reply.status, fault = reply.fault, quiet = reply.retry_after] {
                          if (status < 200 || status >= 300) log::debug("event_lost", {{"status", status}, {"what", fault}});
                          answered(quiet);
                        };
                      });
}

}  // namespace fairlead::runtime
