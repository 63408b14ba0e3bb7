#include "proto/runtime/reflector.h"

#include <algorithm>
#include <utility>

#include "proto/base/log.h"
#include "proto/kube/watch.h"
#include "proto/runtime/object_codec.h"

namespace fairlead::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFirstBackoff = milliseconds(200);
constexpr Duration kMostBackoff = seconds(20);
constexpr Duration kNoCrdRetry = seconds(30);
constexpr int kLeastWatch = 240;  // seconds
constexpr int kMostWatch = 480;

/// Versions are opaque; that a longer or larger number is the newer one is a guess, made only about versions of our own writes.
bool is_newer(std::string_view version, std::string_view than) { return std::pair(version.size(), version) > std::pair(than.size(), than); }

}  // namespace

Reflector::Reflector(api::Kind kind, std::string selector, Owner& owner)
    : kind_(kind), selector_(std::move(selector)), owner_(owner), backoff_(kFirstBackoff, kMostBackoff), retry_(owner.loop, [this] { go(); }) {}

void Reflector::go() {
  is_waiting_ = false;
  if (is_current() && !version_.empty()) watch();
  else list();
}

void Reflector::refresh() {
  ++wanted_;
  if (is_listing_) return;  // it lists again when that one has ended
  stream_.reset();
  is_waiting_ = false;
  retry_.cancel();
  if (owner_.quiet.left() > Duration{}) wait("list", "the API server asks to be left alone", {});
  else list();
}

void Reflector::list() {
  is_listing_ = true;
  listing_ = wanted_;
  started_ = owner_.loop.now();
  continuation_.clear();
  list_version_.clear();
  expect_all();
  next_page();
}

void Reflector::expect_all() {
  unseen_.clear();
  for (const auto& [name, held] : held_) unseen_.insert(name);
  for (const auto& [name, fault] : refused_) unseen_.insert(name);
}

void Reflector::next_page() {
  owner_.client.send(
      {ApiRequest::Method::get, collection_path(kind_, owner_.scope) + list_query(selector_, continuation_), "", "", seconds(15)},
      [this, kind = kind_, group = owner_.scope.group](ApiReply reply) -> Task {
        if (reply.status != 200) {
          return [this, answer = read_answer(std::move(reply))] { list_failed(answer); };
        }
        auto page = std::make_shared<Result<Page>>(read_page(kind, reply.body, group));
        return [this, page] { on_page(*page); };
      });
}

void Reflector::on_page(Result<Page>& page) {
  if (!page) return list_failed({0, page.error().what, "", "", {}});
  owner_.answered();
  is_absent_ = false;
  can_list();
  for (Arrival& arrival : page->arrivals) {
    unseen_.erase(arrival.name);
    accept(std::move(arrival));
  }
  if (list_version_.empty()) list_version_ = page->resource_version;
  continuation_ = page->continuation;
  if (!continuation_.empty()) return next_page();
  finish_list();
}

void Reflector::finish_list() {
  is_listing_ = false;
  for (const kube::Name& name : std::exchange(unseen_, {})) remove(name);
  version_ = list_version_;
  if (!is_absent_) backoff_.reset();
  listed_ = listing_;
  if (listed_ != wanted_) return list();
  is_listed_ = true;
  log::debug("listed", {{"kind", name(kind_)},
                        {"objects", held_.size()},
                        {"ms", fairlead::milliseconds(owner_.loop.now() - started_)}});
  owner_.listed();
  if (is_absent_) return;
  if (owner_.quiet.left() > Duration{}) wait("watch", "the API server asks to be left alone", {});
  else watch();
}

void Reflector::list_failed(const Answer& answer) {
  is_listing_ = false;
  owner_.quiet.keep(answer.retry_after);
  if (answer.status == 404 && is_custom(kind_)) return absent();
  if (answer.status == 410) {  // the continuation is too old
    continuation_.clear();
    return wait("list", answer.what, backoff_.next(owner_.random.unit()));
  }
  tell(answer);
  wait("list", answer.what, backoff_.next(owner_.random.unit()));
}

void Reflector::absent() {
  owner_.answered();
  if (!std::exchange(is_absent_, true)) {
    const bool is_builtin = kind_ == api::Kind::service_cidr;
    log::info("no_such_kind", {{"kind", name(kind_)},
                               {"what", is_builtin ? "this API server is older than Kubernetes 1.33; what the flags say holds"
                                                   : "its CustomResourceDefinition is not installed"}});
  }
  list_version_.clear();
  continuation_.clear();
  expect_all();
  finish_list();
  if (is_listing_) return;
  is_waiting_ = true;
  retry_.arm(kNoCrdRetry);
}

void Reflector::tell(const Answer& answer) {
  if (answer.status == 0 || answer.status >= 500 || answer.status == 429) return;
  if (told_ == answer.what) return;
  can_list();
  told_ = answer.what;
  owner_.fault(list_fault(), false);
}

void Reflector::can_list() {
  if (told_.empty()) return;
  owner_.fault(list_fault(), true);
  told_.clear();
}

void Reflector::wait(const char* what, const std::string& why, Duration duration) {
  log::debug("retry", {{"kind", name(kind_)}, {"of", what}, {"what", why}, {"ms", fairlead::milliseconds(duration)}});
  is_waiting_ = true;
  retry_.arm(std::max(duration, owner_.quiet.left()));
}

void Reflector::watch() {
  refusal_.reset();
  is_open_ = false;
  // The decoder lives in the client's thread, the chunk goes to the loop.
  const auto lines = std::make_shared<kube::WatchLines>();
  ApiClient::StreamHandlers handlers;
  handlers.opened = [this] {
    is_open_ = true;
    can_list();
    owner_.answered();
    if (refusal_) watch_ended(refusal_->error, std::string(refusal_->message));
  };
  handlers.on_bytes = [this, lines, kind = kind_, group = owner_.scope.group](std::string_view bytes) -> Task {
    lines->feed(bytes);
    const auto chunk = std::make_shared<Chunk>();
    bool is_empty = true;
    while (const auto line = lines->next()) {
      add_line(kind, *line, *chunk, group);
      is_empty = false;
    }
    if (lines->is_too_long()) {
      chunk->error = -1;
      chunk->message = "a line is longer than any object may be";
      is_empty = false;
    }
    if (is_empty) return nullptr;
    return [this, chunk] { on_chunk(*chunk); };
  };
  handlers.ended = [this](const ApiReply& reply) {
    owner_.quiet.keep(reply.retry_after);
    watch_ended(reply.status == 200 ? 0 : reply.status, refusal_ ? std::string(refusal_->message) : reply.fault);
  };
  stream_ = owner_.client.open(
      collection_path(kind_, owner_.scope) + watch_query(selector_, version_, owner_.random.between(kLeastWatch, kMostWatch)), std::move(handlers));
  log::debug("watch", {{"kind", name(kind_)}, {"from", version_}});
}

void Reflector::on_chunk(Chunk& chunk) {
  if (chunk.error != 0 && !is_open_) {  // the body of a refusal: its status, and how long to wait, are yet to come
    refusal_.emplace(std::move(chunk));
    return;
  }
  backoff_.reset();
  if (!chunk.resource_version.empty()) version_ = chunk.resource_version;
  for (Arrival& arrival : chunk.arrivals) accept(std::move(arrival));
  if (chunk.error != 0) watch_ended(chunk.error, chunk.message);
}

void Reflector::watch_ended(int status, const std::string& why) {
  stream_.reset();
  if (status == 410 || (status == 404 && is_custom(kind_))) {
    log::info("relist", {{"kind", name(kind_)}, {"what", why}});
    version_.clear();
    return wait("list", why, Duration(static_cast<Duration::rep>(owner_.random.unit() * 2e8)));
  }
  if (status == 0 && why.empty()) return wait("watch", "its time is over", Duration(static_cast<Duration::rep>(owner_.random.unit() * 1e8)));
  if (status > 0) tell({status, why, "", "", {}});
  wait("watch", why, backoff_.next(owner_.random.unit()));
}

void Reflector::accept(Arrival arrival) {
  if (arrival.is_gone) return remove(arrival.name);
  const auto refused = refused_.find(arrival.name);
  if (arrival.fault && refused != refused_.end() && refused->second == *arrival.fault) return;  // a list says it again
  mend(arrival.name);
  if (arrival.fault) {
    owner_.fault(*arrival.fault, false);
    refused_.emplace(std::move(arrival.name), *std::move(arrival.fault));
    return;
  }
  const auto [at, is_new] = held_.try_emplace(arrival.name);
  Held& held = at->second;
  if (held.is_ahead && is_newer(held.resource_version, arrival.resource_version)) return;  // from before our write
  held.is_ahead = false;
  const bool is_same = !is_new && held.bytes == arrival.bytes;
  held.resource_version = arrival.resource_version;
  held.has_annotations = arrival.has_annotations;
  if (is_same) return;
  held.bytes = std::move(arrival.bytes);
  owner_.changed(Change{{kind_, arrival.name}, std::move(arrival.object)});
  owner_.dirty(kind_);
}

void Reflector::mend(const kube::Name& name) {
  const auto refused = refused_.find(name);
  if (refused == refused_.end()) return;
  owner_.fault(std::move(refused->second), true);
  refused_.erase(refused);
}

void Reflector::remove(const kube::Name& name) {
  mend(name);
  if (held_.erase(name) == 0) return;
  owner_.changed(Change{{kind_, name}, std::nullopt});
  owner_.dirty(kind_);
}

void Reflector::hurry() {
  if (is_waiting_ && !is_absent_) {
    backoff_.reset();
    retry_.arm(owner_.quiet.left() + Duration(static_cast<Duration::rep>(owner_.random.unit() * 2e8)));
  }
}

void Reflector::show(Arrival arrival) {
  const auto found = held_.find(arrival.name);
  if (arrival.fault || found == held_.end() || !is_newer(arrival.resource_version, found->second.resource_version)) return;
  accept(std::move(arrival));
  found->second.is_ahead = true;
}

void Reflector::restore(const std::vector<std::string>& objects) {
  for (const std::string& bytes : objects) {
    auto object = decode(kind_, bytes);
    if (!object) continue;
    const kube::Name name = api::key_of(*object).name;
    held_[name] = Held{"", bytes, false, false};
    if (is_listing_) unseen_.insert(name);
    owner_.changed(Change{{kind_, name}, std::move(object)});
  }
}

}  // namespace fairlead::runtime
