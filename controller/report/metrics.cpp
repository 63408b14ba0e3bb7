#include "controller/report/metrics.h"

#include <algorithm>

namespace fairlead::controller::report {
namespace {

using metrics::Metric;
using metrics::Type;

const Metric kLeading{"fairlead_controller_leader", Type::gauge, "1 while this controller holds the lease"};
const Metric kPool{"fairlead_pool_addresses", Type::gauge, "Addresses of a pool, assigned (a shared one once) and available"};
const Metric kServices{"fairlead_services", Type::gauge, "Services of type LoadBalancer, with an address and without"};
const Metric kProblems{"fairlead_problems", Type::gauge, "Objects with something that stands in the way now, by reason"};
const Metric kWait{"fairlead_service_assign_seconds", Type::histogram,
                   "From a Service of type LoadBalancer being seen without an address to its status being shown with one",
                   {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}};
const Metric kQueue{"fairlead_write_queue", Type::gauge, "Services with a write that is not shown yet"};
const Metric kWrites{"fairlead_writes_total", Type::counter, "Writes of Services that succeeded"};
const Metric kFailures{"fairlead_write_errors_total", Type::counter, "Writes of Services that failed, by what the answer meant"};
const Metric kReviews{"fairlead_webhook_reviews_total", Type::counter, "Admission reviews, by kind of object and verdict"};

}  // namespace

void Metrics::set_leading(bool leads) { registry_.set(kLeading, {}, leads ? 1 : 0); }

void Metrics::written(std::string_view failure) {
  if (failure.empty()) return registry_.add(kWrites, {});
  registry_.add(kFailures, {{"reason", std::string(failure)}});
}

void Metrics::reviewed(std::string_view kind, std::string_view verdict) {
  registry_.add(kReviews, {{"kind", std::string(kind.empty() ? "other" : kind)}, {"verdict", std::string(verdict)}});
}

void Metrics::passed(const core::Snapshot& snapshot, const core::Decisions& decisions, std::size_t queued, TimePoint now) {
  watch_waiting(snapshot, now);
  registry_.set(kQueue, {}, static_cast<double>(queued));

  std::map<std::string, int> problems;
  for (const core::Notice& p : decisions.problems) ++problems[std::string(core::name(p.reason))];
  for (const auto& [reason, count] : problems) reasons_.insert(reason);
  for (const std::string& reason : reasons_) registry_.set(kProblems, {{"reason", reason}}, problems[reason]);

  std::set<std::string> pools;
  for (const core::PoolUse& use : decisions.pools) {
    const std::string& pool = use.pool.name;
    pools.insert(pool);
    const auto set = [&](const char* family, const char* state, std::int64_t value) {
      registry_.set(kPool, {{"pool", pool}, {"family", family}, {"state", state}}, static_cast<double>(value));
    };
    set("ipv4", "assigned", use.assigned_ipv4);
    set("ipv6", "assigned", use.assigned_ipv6);
    set("ipv4", "available", use.available_ipv4);
    set("ipv6", "available", use.available_ipv6);
  }
  for (const std::string& gone : pools_) {
    if (pools.contains(gone)) continue;
    for (const char* family : {"ipv4", "ipv6"}) {
      for (const char* state : {"assigned", "available"}) registry_.forget(kPool, {{"pool", gone}, {"family", family}, {"state", state}});
    }
  }
  pools_ = std::move(pools);
}

void Metrics::watch_waiting(const core::Snapshot& snapshot, TimePoint now) {
  int with = 0;
  std::map<kube::Name, TimePoint> waiting;
  for (const kube::Service* s : snapshot.services) {
    if (s->type != kube::ServiceType::load_balancer) continue;
    const kube::Name name{s->meta.ns, s->meta.name};
    const auto since = waiting_since_.find(name);
    if (core::ingress_ips(*s).empty()) {
      waiting.emplace(name, since == waiting_since_.end() ? now : since->second);
      continue;
    }
    ++with;
    if (since != waiting_since_.end()) registry_.observe(kWait, {}, std::chrono::duration<double>(now - since->second).count());
  }
  registry_.set(kServices, {{"state", "assigned"}}, with);
  registry_.set(kServices, {{"state", "waiting"}}, static_cast<double>(waiting.size()));
  waiting_since_ = std::move(waiting);
}

}  // namespace fairlead::controller::report
