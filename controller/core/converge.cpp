#include "controller/core/converge.h"

#include "controller/core/cluster.h"
#include "controller/core/external.h"
#include "proto/api/annotations.h"

namespace fairlead::controller::core {
namespace {

using kube::Service;

/// A Service that is no LoadBalancer (any more) has nothing of ours left; with --lb-class only what we wrote says that
/// it was ours, because the class goes with the type.
bool may_clear(const Service& s, const Config& config) {
  return s.type != kube::ServiceType::load_balancer &&
         (config.lb_class.empty() || !pool_annotation(s, config.group).empty());
}

/// What differs between a Service and what was decided about it.
Write difference(const Task& t, const Config& config, bool is_frozen) {
  const Service& s = *t.service;
  Write w{name_of(s.meta), {}, {}, {}, {}, t.events};
  if (t.cluster_ips != s.cluster_ips) w.cluster_ips = t.cluster_ips;
  const bool has_new_ports = !std::equal(s.ports.begin(), s.ports.end(), t.node_ports.begin(),
                                         [](const auto& a, const Port& b) { return a.node_port == b; });
  if (has_new_ports) w.node_ports = t.node_ports;
  if (!is_frozen && (t.is_ours || may_clear(s, config))) {
    if (ingress_ips(s) != t.held) w.ingress = t.held;
    if (pool_annotation(s, config.group) != t.home) w.pool = t.home;
  }
  if (!t.given.empty()) {
    w.events.push_back({key_of(s), Reason::ip_allocated, object(s) + " has " + join(t.given) + " from pool " + t.home});
  }
  return w;
}

}  // namespace

Decisions converge(const Snapshot& snapshot, const Config& config, Memory& memory) {
  std::vector<const Service*> services = snapshot.services;
  std::sort(services.begin(), services.end(),
            [](const Service* a, const Service* b) { return is_before(a->meta, b->meta); });
  std::vector<Task> tasks;
  tasks.reserve(services.size());
  for (const Service* s : services) {
    Task& t = tasks.emplace_back();
    t.service = s;
    t.cluster_ips = s->cluster_ips;
    for (const kube::ServicePort& p : s->ports) t.node_ports.push_back(p.node_port);
  }
  Decisions out;
  if (config.allocates_cluster_ips) give_cluster(tasks, config, out.problems);
  External external(snapshot, config, memory, tasks);
  external.run(out.problems);
  for (const Task& t : tasks) {
    Write w = difference(t, config, external.is_frozen());
    if (w.cluster_ips || w.node_ports || w.ingress || w.pool) out.writes.push_back(std::move(w));
    if (t.pending) out.problems.push_back(problem(*t.service, t.pending->reason, t.pending->what));
  }
  external.tell_pools(out);
  external.remember(out);
  return out;
}

Decisions converge(const Snapshot& snapshot, const Config& config) {
  Memory memory;
  return converge(snapshot, config, memory);
}

const std::string& pool_annotation_key(api::Group group) {
  static const std::string kFairlead = api::written_key(api::Group::fairlead, api::kAllocatedFromPool);
  static const std::string kMetallb = api::written_key(api::Group::metallb, api::kAllocatedFromPool);
  return group == api::Group::metallb ? kMetallb : kFairlead;
}

std::string_view pool_annotation(const Service& service, api::Group group) {
  const auto found = service.meta.annotations.find(pool_annotation_key(group));
  return found == service.meta.annotations.end() ? std::string_view() : std::string_view(found->second);
}

std::vector<Ip> ingress_ips(const Service& service) {
  std::vector<Ip> out;
  for (const kube::Ingress& entry : service.ingress) {
    if (entry.ip) out.push_back(*entry.ip);
  }
  return out;
}

}  // namespace fairlead::controller::core
