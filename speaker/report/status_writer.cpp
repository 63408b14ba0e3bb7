#include "speaker/report/status_writer.h"

#include "proto/base/log.h"
#include "proto/runtime/fnv.h"
#include "speaker/report/status_objects.h"

namespace fairlead::speaker {
namespace {

/// Of what may change in an object of this name.
std::uint64_t hash_of(const runtime::StatusObject& object) {
  std::string all;
  if (const auto* l2 = std::get_if<runtime::L2Status>(&object.status)) {
    for (const std::string& i : l2->interfaces) all += i + "\n";
  } else if (const auto* bgp = std::get_if<runtime::BgpStatus>(&object.status)) {
    for (const std::string& p : bgp->peers) all += p + "\n";
  }
  return runtime::fnv1a(all);
}

}  // namespace

StatusWriter::StatusWriter(runtime::Loop& loop, runtime::Source& source, Options options, Handlers handlers)
    : loop_(loop),
      source_(source),
      options_(std::move(options)),
      handlers_(std::move(handlers)),
      bucket_(options_.writes_per_second, options_.burst),
      timer_(loop, [this] { pump(); }) {}

void StatusWriter::changed(Kind kind, const kube::Name& service) {
  dirty_.emplace(kind, service);
  if (has_begun_) timer_.arm_if_idle({});
}

void StatusWriter::set_state(runtime::StatusObject state) {
  if (told_state_ == state) {
    state_.reset();
    return;
  }
  state_ = std::move(state);
  timer_.arm_if_idle({});
}

void StatusWriter::begin() {
  if (has_begun_) return;
  has_begun_ = true;
  for (const Kind kind : {Kind::service_l2_status, Kind::service_bgp_status}) {
    if (kind == Kind::service_bgp_status && !options_.tidies_bgp) continue;
    source_.list(kind, runtime::kNodeLabel, options_.node, [this, kind, alive = std::weak_ptr<char>(alive_)](Result<std::vector<std::string>> found) {
      if (alive.expired()) return;
      if (!found) return log::warn("statuses_not_listed", {{"kind", name(kind)}, {"what", found.error().what}, {"means", "what an earlier speaker left stays"}});
      tidy(kind, *found);
    });
  }
  timer_.arm_if_idle({});
}

void StatusWriter::tidy(Kind kind, const std::vector<std::string>& found) {
  std::set<std::string> ours;
  for (const auto& [key, hash] : have_) {
    if (key.first == kind) ours.insert(status_name(kind, key.second, options_.node));
  }
  for (const auto& [of, service] : dirty_) {
    if (of == kind && handlers_.wanted(kind, service)) ours.insert(status_name(kind, service, options_.node));
  }
  for (const std::string& name : found) {
    if (!ours.contains(name)) leftovers_.emplace(kind, name);
  }
  timer_.arm_if_idle({});
}

runtime::Done StatusWriter::answered() {
  return [this, alive = std::weak_ptr<char>(alive_)](const Result<void>& result) {
    if (alive.expired()) return;
    if (!result && result.error().code == Errc::conflict) return;  // a newer one is on its way
    if (handlers_.written) handlers_.written(result ? std::string_view() : name(result.error().code));
  };
}

/// Answers whether a write was sent; false: this one needed none.
bool StatusWriter::write_one() {
  if (state_) {
    told_state_ = std::move(state_);
    state_.reset();
    source_.write(*told_state_, answered());
    return true;
  }
  if (!dirty_.empty()) {
    const Key key = *dirty_.begin();
    dirty_.erase(dirty_.begin());
    const auto object = handlers_.wanted(key.first, key.second);
    const auto have = have_.find(key);
    if (!object) {
      if (have == have_.end()) return false;
      have_.erase(have);
      source_.remove(key.first, status_name(key.first, key.second, options_.node), answered());
      return true;
    }
    const std::uint64_t hash = hash_of(*object);
    if (have != have_.end() && have->second == hash) return false;
    have_.insert_or_assign(key, hash);
    leftovers_.erase({key.first, object->name});
    source_.write(*object, answered());
    return true;
  }
  const auto [kind, name] = *leftovers_.begin();
  leftovers_.erase(leftovers_.begin());
  source_.remove(kind, name, answered());
  return true;
}

void StatusWriter::pump() {
  const auto has_work = [&] { return state_ || (has_begun_ && (!dirty_.empty() || !leftovers_.empty())); };
  // What needs no write costs nothing, but a thousand of those are still work for several turns.
  constexpr int kMostLooks = 64;
  for (int looks = 0; has_work(); ++looks) {
    if (looks == kMostLooks) return timer_.arm({});
    if (const Duration wait = bucket_.wait(loop_.now()); wait > Duration{}) return timer_.arm(wait);
    if (write_one()) bucket_.take(loop_.now());
  }
}

}  // namespace fairlead::speaker
