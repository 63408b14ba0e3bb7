#include "proto/runtime/kube_statuses.h"

#include "proto/base/log.h"
#include "proto/kube/fields.h"
#include "proto/runtime/fnv.h"
#include "proto/runtime/json.h"
#include "proto/runtime/wall_time.h"

namespace fairlead::runtime {
namespace {

constexpr Duration kFirstBackoff = std::chrono::milliseconds(200);
constexpr Duration kMostBackoff = std::chrono::seconds(20);

Error error_of(const std::string& what, const Answer& answer) { return {errc_of(answer.status), "write " + what + ": " + answer.what}; }

}  // namespace

KubeStatuses::KubeStatuses(Scope scope, Shared shared)
    : scope_(std::move(scope)),
      shared_(std::move(shared)),
      backoff_(kFirstBackoff, kMostBackoff),
      timer_(shared_.loop, [this] { pump(); }) {}

void KubeStatuses::write(const StatusObject& object, Done done) { wish({object.kind(), object.name}, object, std::move(done)); }

void KubeStatuses::remove(StatusKind kind, const std::string& name, Done done) { wish({kind, name}, std::nullopt, std::move(done)); }

void KubeStatuses::wish(const Key& key, std::optional<StatusObject> want, Done done) {
  if (key.second.empty()) return finish(std::move(done), Error{Errc::malformed, "write: an object without a name"});
  Entry& entry = entries_[key];
  finish(std::exchange(entry.done, std::move(done)), Error{Errc::conflict, "write " + key.second + ": a newer one took its place"});
  entry.want = std::move(want);
  entry.wish = ++wishes_;
  entry.is_fresh = false;
  entry.is_abandoned = false;
  if (const Kind& at = kind(key.first); at.paused_until > shared_.loop.now()) {
    finish(std::exchange(entry.done, nullptr), Error{Errc::denied, "write " + key.second + ": later: " + at.refusal});
  }
  if (!entry.is_in_flight) enqueue(key, false);
  pump_later();
}

void KubeStatuses::enqueue(const Key& key, bool is_first) {
  Entry& entry = entries_[key];
  if (std::exchange(entry.is_waiting, true)) return;
  std::deque<std::string>& waiting = kind(key.first).waiting;
  if (is_first) waiting.push_front(key.second);
  else waiting.push_back(key.second);
}

void KubeStatuses::pump_later() {
  if (std::exchange(is_pump_posted_, true)) return;
  later([this] {
    is_pump_posted_ = false;
    pump();
  });
}

void KubeStatuses::pump() {
  if (!shared_.may_write()) return drop_waiting();
  while (in_flight_ < kInFlight) {
    const auto which = next_kind();
    if (!which) return arm_for_paused();
    const TimePoint now = shared_.loop.now();
    Duration wait = std::max(shared_.quiet.left(), held_until_ - now);
    if (wait <= Duration{} && !shared_.bucket.take(now)) wait = shared_.bucket.wait(now);
    if (wait > Duration{}) return timer_.arm(wait);
    std::deque<std::string>& waiting = kind(*which).waiting;
    const Key key{*which, std::move(waiting.front())};
    waiting.pop_front();
    send(key);
  }
}

std::optional<StatusKind> KubeStatuses::next_kind() const {
  for (std::size_t i = 0; i < kStatusKinds; ++i) {
    if (!kinds_[i].waiting.empty() && kinds_[i].paused_until <= shared_.loop.now()) return static_cast<StatusKind>(i);
  }
  return std::nullopt;
}

void KubeStatuses::arm_for_paused() {
  std::optional<TimePoint> first;
  for (const Kind& at : kinds_) {
    if (!at.waiting.empty() && (!first || at.paused_until < *first)) first = at.paused_until;
  }
  if (first) timer_.arm(std::max(Duration{}, *first - shared_.loop.now()));
}

void KubeStatuses::drop_waiting() {
  for (std::size_t i = 0; i < kStatusKinds; ++i) {
    for (const std::string& name : std::exchange(kinds_[i].waiting, {})) {
      const auto at = entries_.find({static_cast<StatusKind>(i), name});
      finish(std::move(at->second.done), Error{Errc::unavailable, "write " + name + ": the lease is not ours for long enough"});
      entries_.erase(at);
    }
  }
}

void KubeStatuses::abandon() {
  drop_waiting();
  for (auto& [key, entry] : entries_) {
    if (!entry.is_in_flight) continue;
    entry.is_abandoned = true;
    finish(std::exchange(entry.done, nullptr), Error{Errc::unavailable, "write " + key.second + ": the lease is not ours any more"});
  }
}

void KubeStatuses::clear() {
  entries_.clear();
  for (Kind& at : kinds_) at.waiting.clear();
}

std::string KubeStatuses::collection(StatusKind which) const {
  return "/apis/" + std::string(status_api_version(which, scope_.group)) + "/namespaces/" + percent_encoded(scope_.ns) + "/" + std::string(plural(which));
}

std::string KubeStatuses::object(const Key& key) const { return collection(key.first) + "/" + percent_encoded(key.second); }

void KubeStatuses::send(const Key& key) {
  Entry& entry = entries_[key];
  entry.is_waiting = false;
  entry.is_in_flight = true;
  ++in_flight_;
  ApiRequest request{ApiRequest::Method::remove, object(key) + "?" + std::string(kServerTimeout), "", "", kWriteTimeout};
  Sent sent{key, entry.wish};
  if (entry.want) {
    Json body = status_identity(*entry.want, scope_.group, scope_.ns, scope_.owner);
    sent.identity = fnv1a(to_text(body)) | 1;
    sent.step = entry.identity != sent.identity ? Sent::Step::identity : Sent::Step::status;
    std::string path = object(key);
    if (sent.step == Sent::Step::status) {
      path += "/status";
      body["metadata"] = {{"name", key.second}, {"namespace", scope_.ns}};
      body["status"] = status_of(*entry.want, wall_seconds());
    }
    // Ours alone, so whoever else claims a field of them has lost it.
    path += "?fieldManager=" + percent_encoded(scope_.manager) + "&force=true&" + std::string(kServerTimeout);
    request = {ApiRequest::Method::patch, std::move(path), to_text(body), kApplyPatch, kWriteTimeout};
  }
  shared_.client.send(std::move(request), [this, sent = std::move(sent)](ApiReply reply) -> Task {
    const auto answer = std::make_shared<Answer>(read_answer(std::move(reply)));
    return [this, sent, answer] { answered(sent, *answer); };
  });
}

void KubeStatuses::answered(const Sent& sent, const Answer& answer) {
  --in_flight_;
  shared_.quiet.keep(answer.retry_after);
  const auto at = entries_.find(sent.key);
  if (at == entries_.end()) return;
  at->second.is_in_flight = false;
  if (at->second.is_abandoned) {
    entries_.erase(at);
    return pump();
  }
  const bool is_gone = sent.step == Sent::Step::removal && answer.status == 404;
  if (answer.is_success() || is_gone) succeeded(sent, at->second);
  else failed(sent, at->second, answer);
  pump();
}

void KubeStatuses::succeeded(const Sent& sent, Entry& entry) {
  backoff_.reset();
  held_until_ = {};
  kind(sent.key.first).refusal.clear();
  if (sent.step != Sent::Step::status) entry.identity = sent.identity;
  if (entry.wish != sent.wish) return enqueue(sent.key, false);
  if (sent.step == Sent::Step::identity) {
    entry.is_fresh = true;
    return enqueue(sent.key, true);
  }
  finish(std::exchange(entry.done, nullptr), {});
  if (sent.step == Sent::Step::removal) entries_.erase(sent.key);
  else entry.want.reset();
}

void KubeStatuses::failed(const Sent& sent, Entry& entry, const Answer& answer) {
  const Key& key = sent.key;
  const bool may_be_gone = answer.status == 404 && entry.identity != 0 && !entry.is_fresh;
  if (answer.status == 404) entry.identity = 0;
  if (entry.wish != sent.wish) return enqueue(key, false);
  if (may_be_gone) return enqueue(key, true);  // somebody removed it: from the beginning
  if (answer.status == 403 || answer.status == 404) {
    pause(key.first, answer);
    enqueue(key, true);
    return finish(std::exchange(entry.done, nullptr), error_of(key.second, answer));
  }
  if (errc_of(answer.status) == Errc::malformed) {
    log::warn("status_refused", {{"kind", name(key.first)}, {"name", key.second}, {"what", answer.what}});
    finish(std::exchange(entry.done, nullptr), error_of(key.second, answer));
    entries_.erase(key);
    return;
  }
  log::debug("status_retry", {{"kind", name(key.first)}, {"name", key.second}, {"what", answer.what}});
  held_until_ = shared_.loop.now() + backoff_.next(shared_.random());
  enqueue(key, true);
}

void KubeStatuses::pause(StatusKind which, const Answer& answer) {
  Kind& at = kind(which);
  at.paused_until = shared_.loop.now() + scope_.pause;
  if (std::exchange(at.refusal, answer.what) == answer.what) return;
  const char* const remedy = answer.status == 404 ? "install its CustomResourceDefinition" : "let the service account create, patch and delete it";
  log::warn("status_not_written", {{"kind", name(which)}, {"what", answer.what}, {"remedy", remedy}, {"again_in_s", static_cast<long>(std::chrono::duration_cast<std::chrono::seconds>(scope_.pause).count())}});
}

void KubeStatuses::finish(Done done, Result<void> result) {
  if (!done) return;
  later([done = std::move(done), result = std::move(result)] { done(result); });
}

void KubeStatuses::list(StatusKind which, const std::string& label, const std::string& value, Listed done) {
  const auto job = std::make_shared<ListJob>();
  job->path = collection(which);
  job->selector = std::string(api::name(scope_.group)) + "/" + label + "=" + label_value(value);
  job->done = std::move(done);
  if (const Duration left = shared_.quiet.left(); left > Duration{}) {
    return later([job] { job->done(Error{Errc::unavailable, "list: the API server asks to be left alone"}); });
  }
  next_page(job);
}

void KubeStatuses::next_page(const std::shared_ptr<ListJob>& job) {
  shared_.client.send({ApiRequest::Method::get, job->path + list_query(job->selector, job->continuation), "", "", kWriteTimeout},
                      [this, job](ApiReply reply) -> Task {
                        const auto answer = std::make_shared<Answer>(read_answer(std::move(reply)));
                        const Json list = kube::parse_json(answer->body);
                        job->continuation = text_at(at(list, "metadata"), "continue");
                        for (const Json& item : at(list, "items")) {
                          if (std::string name = text_at(at(item, "metadata"), "name"); !name.empty()) job->names.push_back(std::move(name));
                        }
                        return [this, job, answer] {
                          shared_.quiet.keep(answer->retry_after);
                          if (answer->status == 404) return job->done(std::vector<std::string>());
                          if (!answer->is_success()) return job->done(Error{errc_of(answer->status), "list " + job->path + ": " + answer->what});
                          if (!job->continuation.empty()) return next_page(job);
                          job->done(std::move(job->names));
                        };
                      });
}

void KubeStatuses::later(std::function<void()> task) {
  shared_.loop.post([alive = std::weak_ptr<char>(alive_), task = std::move(task)] {
    if (!alive.expired()) task();
  });
}

}  // namespace fairlead::runtime
