#include "controller/report/reporter.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "proto/base/log.h"

namespace fairlead::controller::report {
namespace {

constexpr std::size_t kMaxInFlight = 256;  // writes at a time; the rest waits its turn
constexpr unsigned kStuckAfter = 3;
constexpr Duration kFirstRetry = std::chrono::milliseconds(100);
constexpr Duration kLastRetry = std::chrono::seconds(30);
constexpr Duration kShownWithin = std::chrono::seconds(2);
constexpr Duration kStatusEvery = std::chrono::milliseconds(500);

bool is_refusal(Errc code) { return code == Errc::denied || code == Errc::malformed || code == Errc::exhausted; }

Duration backoff(Errc code, unsigned attempts) {
  // Trying again soon helps against a busy or changing server, not against a refusal.
  if (is_refusal(code)) return kLastRetry;
  return std::min(kLastRetry, kFirstRetry * (1U << std::min(attempts - 1, 10U)));
}

/// The Service as it will be shown.
kube::Service overlay(kube::Service s, const core::Write& w, api::Group group) {
  if (w.cluster_ips) s.cluster_ips = *w.cluster_ips;
  if (w.node_ports) {
    for (std::size_t i = 0; i < s.ports.size() && i < w.node_ports->size(); ++i)
      s.ports[i].node_port = (*w.node_ports)[i];
  }
  if (w.ingress) {
    std::erase_if(s.ingress, [](const kube::Ingress& entry) { return entry.ip.has_value(); });
    for (const Ip& ip : *w.ingress) s.ingress.push_back({ip, "", true});
  }
  if (w.pool) {
    if (w.pool->empty())
      s.meta.annotations.erase(core::pool_annotation_key(group));
    else
      s.meta.annotations.insert_or_assign(core::pool_annotation_key(group), *w.pool);
  }
  return s;
}

bool shows(const kube::Service& s, const core::Write& w, api::Group group) {
  if (w.cluster_ips && s.cluster_ips != *w.cluster_ips) return false;
  if (w.node_ports && !std::equal(s.ports.begin(), s.ports.end(), w.node_ports->begin(), w.node_ports->end(),
                                  [](const kube::ServicePort& p, const Port& n) { return p.node_port == n; })) {
    return false;
  }
  if (w.ingress && core::ingress_ips(s) != *w.ingress) return false;
  return !w.pool || core::pool_annotation(s, group) == *w.pool;
}

runtime::ServiceWrite to_wire(const core::Write& w) {
  runtime::ServiceWrite out;
  out.cluster_ips = w.cluster_ips;
  out.node_ports = w.node_ports;
  out.pool = w.pool;
  if (w.ingress) {
    out.ingress.emplace();
    for (const Ip& ip : *w.ingress) out.ingress->push_back({ip, "", true});
  }
  return out;
}

void merge(core::Write& into, const core::Write& later) {
  if (later.cluster_ips) into.cluster_ips = later.cluster_ips;
  if (later.node_ports) into.node_ports = later.node_ports;
  if (later.ingress) into.ingress = later.ingress;
  if (later.pool) into.pool = later.pool;
  into.events.insert(into.events.end(), later.events.begin(), later.events.end());
}

runtime::StatusObject to_object(const core::Configuration& c) {
  using core::Verdict;
  const auto pick = [&](const char* valid, const char* invalid, const char* unknown) {
    return c.verdict == Verdict::valid ? valid : c.verdict == Verdict::invalid ? invalid : unknown;
  };
  runtime::StatusCondition condition{"poolReconcilerValid", pick("True", "False", "Unknown"),
                                     pick("Reconciled", "ConfigurationError", "UnknownError"), c.summary};
  return {"controller",
          {{runtime::kComponentTypeLabel, "controller"}},
          runtime::ConfigurationStatus{pick("Valid", "Invalid", "Unknown"), c.summary, {std::move(condition)}}};
}

}  // namespace

Reporter::Reporter(runtime::Loop& loop, runtime::Source& source, std::function<void()> changed, api::Group group)
    : loop_(loop), source_(source), changed_(std::move(changed)), group_(group), timer_(loop, [this] { on_timer(); }) {}

const kube::Service& Reporter::expected(const kube::Service& delivered) {
  const auto found = pending_.find({delivered.meta.ns, delivered.meta.name});
  if (found == pending_.end()) return delivered;
  Pending& p = found->second;
  if (p.phase == Phase::written && shows(delivered, p.write, group_)) {
    pending_.erase(found);
    return delivered;
  }
  if (p.phase == Phase::written && p.due <= loop_.now()) {
    log::warn("write_not_shown", {{"service", found->first.str()}});
    stuck_ = "Service " + found->first.str() + " does not show what was written to it";
    pending_.erase(found);
    return delivered;
  }
  // What was refused may be allowed on the object as it is now: it was no LoadBalancer for a moment.
  p.version = delivered.meta.resource_version;
  if (p.phase == Phase::failed && p.is_refused && p.version != p.sent_version) {
    p.phase = Phase::queued;
    queue_.push_back(found->first);
  }
  p.overlaid = overlay(delivered, p.write, group_);
  return p.overlaid;
}

void Reporter::apply(const core::Decisions& decisions) {
  for (const core::Write& write : decisions.writes) queue(write);
  send_queued();

  for (const core::PoolUse& use : decisions.pools) set_status(use);

  std::vector<core::Notice> problems = decisions.problems;
  std::sort(problems.begin(), problems.end());
  std::vector<core::Notice> added;
  std::set_difference(problems.begin(), problems.end(), problems_.begin(), problems_.end(), std::back_inserter(added));
  std::vector<core::Notice> solved;
  std::set_difference(problems_.begin(), problems_.end(), problems.begin(), problems.end(), std::back_inserter(solved));
  for (const core::Notice& notice : solved) told_[notice.about].erase(notice.reason);  // news, should it come back
  problems_ = std::move(problems);
  for (const core::Notice& notice : added) tell(notice);
}

void Reporter::queue(const core::Write& write) {
  const auto [at, is_new] = pending_.try_emplace(write.service);
  Pending& p = at->second;
  if (is_new) {
    p.id = next_id_++;
    p.write = write;
    queue_.push_back(write.service);
    return;
  }
  merge(p.write, write);
  switch (p.phase) {
    case Phase::queued:
    case Phase::failed:
      break;  // goes with the next attempt
    case Phase::in_flight:
      p.is_amended = true;
      break;
    case Phase::written:
      p.phase = Phase::queued;
      queue_.push_back(write.service);
      break;
  }
}

void Reporter::send_queued() {
  while (in_flight_ < kMaxInFlight && !queue_.empty()) {
    const kube::Name name = std::move(queue_.front());
    queue_.pop_front();
    const auto found = pending_.find(name);
    if (found == pending_.end() || found->second.phase != Phase::queued) continue;  // forgotten since
    Pending& p = found->second;
    p.phase = Phase::in_flight;
    p.is_amended = false;
    p.sent_version = p.version;
    ++in_flight_;
    source_.write(name, to_wire(p.write),
                  [this, alive = std::weak_ptr<char>(alive_), name, id = p.id](const Result<void>& r) {
                    if (!alive.expired()) on_written(name, id, r);
                  });
  }
}

void Reporter::on_written(const kube::Name& service, std::uint64_t id, const Result<void>& result) {
  --in_flight_;
  if (watcher_) watcher_(result ? std::string_view() : name(result.error().code));
  const auto found = pending_.find(service);
  if (found != pending_.end() && found->second.id == id) {
    Pending& p = found->second;
    if (result) {
      p.attempts = 0;
      log::info("service",
                {{"service", service.str()},
                 {"pool", p.write.pool.value_or("")},
                 {"ingress", p.write.ingress && !p.write.ingress->empty() ? p.write.ingress->front().str() : ""}});
      if (p.write.ingress && p.write.ingress->empty()) {
        told_[{api::Kind::service, service}].erase(core::Reason::ip_allocated);  // the same address would be news again
      }
      for (const core::Notice& notice : std::exchange(p.write.events, {})) tell(notice);
      if (p.is_amended) {
        p.phase = Phase::queued;
        queue_.push_back(service);
      } else {
        p.phase = Phase::written;
        p.due = loop_.now() + kShownWithin;
        wake_by(p.due);
      }
    } else {
      const Duration wait = backoff(result.error().code, ++p.attempts);
      p.is_refused = is_refusal(result.error().code);
      log::warn("write_failed", {{"service", service.str()},
                                 {"reason", name(result.error().code)},
                                 {"what", result.error().what},
                                 {"retry_ms", milliseconds(wait)}});
      if (p.attempts >= kStuckAfter) stuck_ = "write Service " + service.str() + ": " + result.error().what;
      p.phase = Phase::failed;
      p.due = loop_.now() + wait;
      wake_by(p.due);
    }
  }
  send_queued();
  changed_();
}

/// Without an answer: the source goes on until it is written, and a newer one takes its place.
void Reporter::note(const api::AddressNotes& notes, const api::AddressRecord* shown) {
  const api::AddressNotes none;
  const api::AddressNotes& before = noted_ ? *noted_ : shown != nullptr ? shown->notes : none;
  const bool is_known = before == notes;
  noted_ = notes;
  if (is_known) return;
  const std::string name(api::kControllerRecord);
  if (notes == none) return source_.remove(runtime::StatusKind::address_record, name, nullptr);
  source_.write({name, {{runtime::kComponentTypeLabel, "controller"}}, notes, true}, nullptr);
}

void Reporter::state(const core::Configuration& configuration) {
  if (stated_ == configuration) return;
  stated_ = configuration;
  ++states_in_flight_;
  source_.write(to_object(configuration), [this, alive = std::weak_ptr<char>(alive_)](const Result<void>& result) {
    if (alive.expired()) return;
    --states_in_flight_;
    if (!result) log::debug("state_not_written", {{"what", result.error().what}});  // the source says it, and goes on trying
    changed_();
  });
}

void Reporter::set_status(const core::PoolUse& use) {
  const auto [at, is_new] = statuses_.try_emplace(use.pool);
  Status& status = at->second;
  if (!is_new && status.use == use) return;
  status.use = use;
  status.is_due = true;
  send_status(use.pool, status);
}

void Reporter::send_status(const kube::Name& pool, Status& status) {
  count(status, status.is_busy());
  if (!status.is_due || status.is_in_flight) return;
  if (status.not_before > loop_.now()) return wake_by(status.not_before);
  status.is_due = false;
  status.is_in_flight = true;
  status.not_before = loop_.now() + kStatusEvery;
  const core::PoolUse& use = status.use;
  const runtime::PoolStatus wire{use.assigned_ipv4, use.assigned_ipv6, use.available_ipv4, use.available_ipv6};
  source_.write(pool, wire, [this, alive = std::weak_ptr<char>(alive_), pool](const Result<void>& result) {
    if (alive.expired()) return;
    if (const auto found = statuses_.find(pool); found != statuses_.end()) {
      Status& sent = found->second;
      sent.is_in_flight = false;
      if (result) {
        sent.attempts = 0;
      } else {
        const Duration wait = backoff(result.error().code, ++sent.attempts);
        log::warn("write_failed", {{"pool", pool.str()}, {"what", result.error().what}, {"retry_ms", milliseconds(wait)}});
        if (sent.attempts >= kStuckAfter || is_refusal(result.error().code)) {
          stuck_ = "write IPAddressPool " + pool.str() + ": " + result.error().what;
        }
        sent.is_due = true;
        sent.not_before = loop_.now() + wait;
      }
      send_status(pool, sent);
    }
    changed_();
  });
}

void Reporter::count(Status& status, bool is_busy) {
  if (std::exchange(status.is_counted, is_busy) == is_busy) return;
  if (is_busy) ++busy_statuses_;
  else --busy_statuses_;
}

void Reporter::on_timer() {
  const TimePoint now = loop_.now();
  bool has_overdue = false;
  for (auto& [name, p] : pending_) {
    const bool is_due = (p.phase == Phase::failed || p.phase == Phase::written) && p.due <= now;
    if (is_due && p.phase == Phase::written) {
      has_overdue = true;  // a pass looks at what is there, which may be what was written
    } else if (is_due) {
      p.phase = Phase::queued;
      queue_.push_back(name);
    }
  }
  for (auto& [pool, status] : statuses_) send_status(pool, status);
  send_queued();
  for (const auto& [name, p] : pending_) {
    if ((p.phase == Phase::failed || p.phase == Phase::written) && p.due > now) wake_by(p.due);
  }
  if (has_overdue) changed_();
}

void Reporter::wake_by(TimePoint at) {
  if (timer_.is_armed() && wake_at_ <= at) return;
  wake_at_ = at;
  timer_.arm(std::max(Duration{}, at - loop_.now()));
}

void Reporter::forget(const api::Key& key) {
  told_.erase(key);
  if (key.kind == api::Kind::service) pending_.erase(key.name);
  if (key.kind == api::Kind::ip_address_pool) {
    if (const auto found = statuses_.find(key.name); found != statuses_.end()) {
      count(found->second, false);
      statuses_.erase(found);
    }
  }
}

void Reporter::stop() {
  pending_.clear();
  queue_.clear();
  statuses_.clear();
  busy_statuses_ = 0;
  problems_.clear();
  stated_.reset();
  noted_.reset();
  timer_.cancel();
}

void Reporter::tell(const core::Notice& notice) {
  const std::size_t hash = std::hash<std::string>()(notice.message);
  auto& about = told_[notice.about];
  const auto [at, is_new] = about.try_emplace(notice.reason, hash);
  if (!is_new && at->second == hash) return;
  at->second = hash;
  const bool is_warning = core::is_warning(notice.reason);
  const log::Fields fields = {
      {"object", notice.about.str()}, {"reason", core::label(notice.reason)}, {"what", notice.message}};
  if (core::is_quiet(notice.reason)) return log::write(log::Level::debug, "decision", fields);
  // A refused pool is a fault of the input, as one that cannot be parsed.
  if (notice.reason == core::Reason::object_invalid)
    log::write(log::Level::error, "object_invalid", fields);
  else if (notice.about.kind != api::Kind::service)
    log::write(log::Level::error, "pool_refused", fields);
  else
    log::write(is_warning ? log::Level::warn : log::Level::info, "decision", fields);
  source_.event(notice.about, is_warning ? runtime::EventType::warning : runtime::EventType::normal,
                core::name(notice.reason), notice.message);
}

}  // namespace fairlead::controller::report
