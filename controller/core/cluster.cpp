#include "controller/core/cluster.h"

namespace fairlead::controller::core {
namespace {

using kube::IpFamilyPolicy;
using kube::Service;
using kube::ServiceType;

/// By the type, not by the class: a cluster address and node ports are due to every Service of the kind.
bool has_cluster_ip(const Service& s) { return s.type != ServiceType::external_name && !s.is_headless; }
bool has_node_ports(const Service& s) {
  return s.type == ServiceType::node_port ||
         (s.type == ServiceType::load_balancer && s.allocate_load_balancer_node_ports);
}

/// The API server's inference: two families or addresses written down, and no policy, mean that both are required.
IpFamilyPolicy policy_of(const Service& s) {
  if (s.ip_family_policy) return *s.ip_family_policy;
  return s.ip_families.size() > 1 || s.cluster_ips.size() > 1 ? IpFamilyPolicy::require_dual_stack
                                                              : IpFamilyPolicy::single_stack;
}

class Cluster {
 public:
  Cluster(const Config& config, std::vector<Notice>& problems)
      : config_(config), problems_(problems), ips_(config.service_cidrs), ports_(config.node_ports) {}

  void claim(Task& t);
  void give(Task& t);

 private:
  void give_ips(Task& t);
  bool is_elsewhere(const Service& s) const;
  void wait(Task& t, Reason reason, const std::string& what) {
    t.waits = true;
    problems_.push_back(problem(*t.service, reason, what));
  }
  /// MetalLB does not look at these.
  void clash(Task& t, Reason reason, const std::string& what) {
    const bool waited = t.waits;
    wait(t, reason, what);
    if (config_.group == api::Group::metallb) t.waits = waited;
  }

  const Config& config_;
  std::vector<Notice>& problems_;
  ClusterIps ips_;
  NodePorts ports_;
};

void Cluster::claim(Task& t) {
  const Service& s = *t.service;
  if (has_cluster_ip(s)) {
    for (const Ip& ip : s.cluster_ips) {
      const Service* const user = ips_.take(ip, s);
      if (user == nullptr || user == &s) continue;
      clash(t, Reason::cluster_ip_taken,
            "spec.clusterIPs names " + ip.str() + ", which " + object(*user) + " has: take another or none");
    }
  }
  if (!has_node_ports(s)) return;
  for (std::size_t i = 0; i < s.ports.size(); ++i) {
    const kube::ServicePort& p = s.ports[i];
    if (p.node_port.value == 0) continue;
    const Service* const user = ports_.take(p.protocol, p.node_port, s);
    if (user == nullptr) continue;
    clash(t, Reason::node_port_taken,
          "spec.ports[" + std::to_string(i) + "].nodePort " + std::to_string(p.node_port.value) + "/" +
              fairlead::name(p.protocol) + " is in use by " + object(*user) + ": take another or none");
  }
}

void Cluster::give(Task& t) {
  const Service& s = *t.service;
  if (has_cluster_ip(s)) give_ips(t);
  if (!has_node_ports(s)) return;
  for (std::size_t i = 0; i < s.ports.size(); ++i) {
    if (t.node_ports[i].value != 0) continue;
    const auto port = ports_.assign(s.ports[i].protocol, s);
    if (port) {
      t.node_ports[i] = *port;
      continue;
    }
    return wait(t, Reason::node_ports_exhausted,
                "no node port is free for spec.ports[" + std::to_string(i) +
                    "]: widen --node-port-range, or set allocateLoadBalancerNodePorts: false");
  }
}

/// Its address is of a cluster whose prefixes were not given: nothing is known about a second one.
bool Cluster::is_elsewhere(const Service& s) const {
  return std::any_of(s.cluster_ips.begin(), s.cluster_ips.end(), [&](const Ip& ip) {
    return std::none_of(config_.service_cidrs.begin(), config_.service_cidrs.end(),
                        [&](const Prefix& cidr) { return cidr.contains(ip); });
  });
}

void Cluster::give_ips(Task& t) {
  const Service& s = *t.service;
  if (is_elsewhere(s)) return;
  const IpFamilyPolicy policy = policy_of(s);
  const Family primary = !t.cluster_ips.empty()          ? t.cluster_ips.front().family()
                         : !s.ip_families.empty()        ? s.ip_families.front()
                         : config_.service_cidrs.empty() ? Family::v4
                                                         : config_.service_cidrs.front().base.family();
  const Family second = other(primary);
  const auto can = [&](Family f) { return contains(t.cluster_ips, f) || ips_.offers(f); };
  // One that was written down, and no prefix for the other: task.cpp says what RequireDualStack makes of it.
  if (!t.cluster_ips.empty() && !can(second)) return;
  std::vector<Family> families{primary};
  if (policy == IpFamilyPolicy::require_dual_stack || (policy == IpFamilyPolicy::prefer_dual_stack && can(second))) {
    families.push_back(second);
  }
  for (const Family f : families) {
    if (can(f)) continue;
    // All or nothing.
    return wait(t, Reason::no_service_cidr,
                std::string(families.size() > 1 ? "spec.ipFamilyPolicy" : "spec.ipFamilies") + " asks for " + str(f) +
                    " and there is no such service prefix: add one to --service-cidr, or change the field");
  }
  for (const Family f : families) {
    if (contains(t.cluster_ips, f)) continue;
    if (const auto ip = ips_.assign(f, s)) {
      t.cluster_ips.push_back(*ip);
      continue;
    }
    if (f != primary && policy == IpFamilyPolicy::prefer_dual_stack) continue;
    t.cluster_ips = s.cluster_ips;
    return wait(t, Reason::cluster_ips_exhausted,
                "no " + str(f) + " cluster address is free: add a prefix to --service-cidr");
  }
}

}  // namespace

void give_cluster(std::vector<Task>& tasks, const Config& config, std::vector<Notice>& problems) {
  Cluster cluster(config, problems);
  for (Task& t : tasks) cluster.claim(t);
  for (Task& t : tasks) cluster.give(t);
}

}  // namespace fairlead::controller::core
