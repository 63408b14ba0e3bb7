#include "controller/core/task.h"

namespace fairlead::controller::core {
namespace {

using kube::IpFamilyPolicy;
using kube::Service;

/// The families of the external addresses, by those of the cluster addresses.
void set_wanted(Task& t, bool is_metallb, std::vector<Notice>& problems) {
  const Service& s = *t.service;
  const auto wait = [&](Reason reason, const char* what) {
    if (!t.waits) problems.push_back(problem(s, reason, what));  // else it is said already why
    t.waits = true;
  };
  if (t.cluster_ips.empty()) {
    if (s.is_headless) {
      return wait(Reason::no_cluster_ip,
                  "spec.clusterIP is None, and a headless Service gets no external address: remove it");
    }
    return wait(Reason::no_cluster_ip, "it has no cluster address yet, which says the families: wait for one");
  }
  const bool is_dual = contains(t.cluster_ips, Family::v4) && contains(t.cluster_ips, Family::v6);
  IpFamilyPolicy policy =
      s.ip_family_policy.value_or(is_dual ? IpFamilyPolicy::require_dual_stack : IpFamilyPolicy::single_stack);
  // An API server never leaves two cluster addresses to SingleStack; MetalLB asks the addresses.
  if (is_metallb && is_dual && policy == IpFamilyPolicy::single_stack) policy = IpFamilyPolicy::require_dual_stack;
  if (policy == IpFamilyPolicy::require_dual_stack && !is_dual) {
    return wait(Reason::not_enough_cluster_ips,
                "spec.ipFamilyPolicy is RequireDualStack and it has one cluster address: both families are needed");
  }
  if (!is_dual || policy == IpFamilyPolicy::single_stack) {
    t.wanted.families = {t.cluster_ips.front().family()};
    return;
  }
  const bool is_v6_first = !s.ip_families.empty() && s.ip_families.front() == Family::v6;
  t.wanted.families = {is_v6_first ? Family::v6 : Family::v4, is_v6_first ? Family::v4 : Family::v6};
  t.wanted.all_or_nothing = policy == IpFamilyPolicy::require_dual_stack;
}

}  // namespace

void prepare(Task& t, const Config& config, std::vector<Notice>& problems) {
  const Service& s = *t.service;
  if (s.type != kube::ServiceType::load_balancer) return;
  if (s.load_balancer_class != config.lb_class) {
    problems.push_back(problem(s, Reason::class_not_ours,
                               "spec.loadBalancerClass is \"" + s.load_balancer_class + "\" and this controller serves \"" +
                                   config.lb_class + "\": see --lb-class"));
    return;
  }
  t.is_ours = true;
  t.request = read_request(s);
  t.manner = manner_of(s, t.request.sharing_key);
  if (!t.request.deprecated.empty()) {
    problems.push_back(problem(s, Reason::deprecated_annotation,
                               t.request.deprecated + " has an old prefix: write metallb.io/ or fairlead.io/ instead"));
  }
  set_wanted(t, config.group == api::Group::metallb, problems);
}

}  // namespace fairlead::controller::core
