#include "controller/core/converge.h"

#include <algorithm>

#include "proto/base/check.h"

namespace fairlead::controller::core {
namespace {

using kube::IpFamilyPolicy;
using kube::Service;
using kube::ServiceType;

kube::Name name_of(const kube::Meta& meta) { return {meta.ns, meta.name}; }
api::Key key_of(const Service& s) { return {api::Kind::service, name_of(s.meta)}; }
std::string object(const Service& s) { return "Service " + name_of(s.meta).str(); }
std::string str(Family f) { return f == Family::v4 ? "IPv4" : "IPv6"; }
Family other(Family f) { return f == Family::v4 ? Family::v6 : Family::v4; }

/// By the type, not by the class: a cluster address and node ports are due to every Service of the kind.
bool has_cluster_ip(const Service& s) { return s.type != ServiceType::external_name && !s.is_headless; }
bool has_node_ports(const Service& s) {
  return s.type == ServiceType::node_port ||
         (s.type == ServiceType::load_balancer && s.allocate_load_balancer_node_ports);
}
/// Services with a class belong to somebody else and are not touched.
bool is_ours(const Service& s) { return s.type == ServiceType::load_balancer && s.load_balancer_class.empty(); }

bool contains(const std::vector<Ip>& ips, Family f) {
  return std::any_of(ips.begin(), ips.end(), [f](const Ip& ip) { return ip.family() == f; });
}

std::string join(const std::vector<Ip>& ips) {
  std::string out;
  for (const Ip& ip : ips) out += (out.empty() ? "" : " and ") + ip.str();
  return out;
}

/// The API server's inference: two families or addresses written down, and no policy, mean that both are required.
IpFamilyPolicy policy_of(const Service& s) {
  if (s.ip_family_policy) return *s.ip_family_policy;
  return s.ip_families.size() > 1 || s.cluster_ips.size() > 1 ? IpFamilyPolicy::require_dual_stack
                                                              : IpFamilyPolicy::single_stack;
}

/// One Service on its way through the pass.
struct Task {
  const Service* service = nullptr;
  std::vector<Ip> cluster_ips;
  std::vector<Port> node_ports;
  bool waits = false;  // gets no external address now, and keeps what it has
  Wanted wanted;       // families of external addresses; empty while they are not known
  std::vector<Ip> held;
  std::string home;                      // the name of the pool of `held`
  std::optional<std::size_t> home_pool;  // its index, if it is valid
  std::vector<Ip> given;                 // the part of `held` that is new
  std::vector<Notice> events;
  std::optional<Reason> pending;

  void drop(const Ip& ip, Reason reason, const std::string& why) {
    events.push_back({key_of(*service), reason, object(*service) + " gives up " + ip.str() + ": " + why});
  }
};

class Pass {
 public:
  Pass(const Snapshot& snapshot, const Config& config)
      : snapshot_(snapshot),
        config_(config),
        pools_(snapshot.pools, snapshot.nodes),
        addresses_(pools_),
        cluster_ips_(config.service_cidrs),
        node_ports_(config.node_ports) {}

  Decisions run();

 private:
  void claim_cluster(Task& t);
  void give_cluster(Task& t);
  void give_cluster_ips(Task& t);
  void set_wanted(Task& t);
  void claim_addresses(Task& t);
  bool may_keep(Task& t, const Ip& ip);
  void give_addresses();
  bool give(Task& t);
  void compare(const Task& t);
  void tell_pending(const Task& t);
  void tell_pools();
  void problem(const Service& s, Reason reason, const std::string& what) {
    out_.problems.push_back({key_of(s), reason, object(s) + ": " + what});
  }

  const Snapshot& snapshot_;
  const Config& config_;
  Pools pools_;
  Allocator addresses_;
  ClusterIps cluster_ips_;
  NodePorts node_ports_;
  match::Namespaces no_namespaces_;
  std::vector<Task> tasks_;
  Decisions out_;
};

Decisions Pass::run() {
  std::vector<const Service*> services = snapshot_.services;
  std::sort(services.begin(), services.end(),
            [](const Service* a, const Service* b) { return is_before(a->meta, b->meta); });
  tasks_.reserve(services.size());
  for (const Service* s : services) {
    Task& t = tasks_.emplace_back();
    t.service = s;
    t.cluster_ips = s->cluster_ips;
    for (const kube::ServicePort& p : s->ports) t.node_ports.push_back(p.node_port);
  }
  if (config_.allocates_cluster_ips) {
    for (Task& t : tasks_) claim_cluster(t);
    for (Task& t : tasks_) give_cluster(t);
  }
  for (Task& t : tasks_) {
    if (!is_ours(*t.service)) continue;
    set_wanted(t);
    claim_addresses(t);
  }
  give_addresses();
  for (const Task& t : tasks_) {
    compare(t);
    if (t.pending) tell_pending(t);
  }
  tell_pools();
  return std::move(out_);
}

// --- cluster addresses and node ports: what an API server does, for folder mode ---

void Pass::claim_cluster(Task& t) {
  const Service& s = *t.service;
  if (has_cluster_ip(s)) {
    for (const Ip& ip : s.cluster_ips) {
      const Service* const user = cluster_ips_.take(ip, s);
      if (user == nullptr || user == &s) continue;
      t.waits = true;
      problem(s, Reason::cluster_ip_taken,
              "spec.clusterIPs names " + ip.str() + ", which " + object(*user) + " has: take another or none");
    }
  }
  if (!has_node_ports(s)) return;
  for (std::size_t i = 0; i < s.ports.size(); ++i) {
    const kube::ServicePort& p = s.ports[i];
    if (p.node_port.value == 0) continue;
    const Service* const user = node_ports_.take(p.protocol, p.node_port, s);
    if (user == nullptr) continue;
    t.waits = true;
    problem(s, Reason::node_port_taken,
            "spec.ports[" + std::to_string(i) + "].nodePort " + std::to_string(p.node_port.value) + "/" +
                fairlead::name(p.protocol) + " is in use by " + object(*user) + ": take another or none");
  }
}

void Pass::give_cluster(Task& t) {
  const Service& s = *t.service;
  if (has_cluster_ip(s)) give_cluster_ips(t);
  if (!has_node_ports(s)) return;
  for (std::size_t i = 0; i < s.ports.size(); ++i) {
    if (t.node_ports[i].value != 0) continue;
    const auto port = node_ports_.assign(s.ports[i].protocol, s);
    if (port) {
      t.node_ports[i] = *port;
      continue;
    }
    t.waits = true;
    problem(s, Reason::node_ports_exhausted,
            "no node port is free for spec.ports[" + std::to_string(i) +
                "]: widen --node-port-range, or set allocateLoadBalancerNodePorts: false");
    return;
  }
}

void Pass::give_cluster_ips(Task& t) {
  const Service& s = *t.service;
  const IpFamilyPolicy policy = policy_of(s);
  const Family primary = !t.cluster_ips.empty()          ? t.cluster_ips.front().family()
                         : !s.ip_families.empty()        ? s.ip_families.front()
                         : config_.service_cidrs.empty() ? Family::v4
                                                         : config_.service_cidrs.front().base.family();
  const Family second = other(primary);
  const auto can = [&](Family f) { return contains(t.cluster_ips, f) || cluster_ips_.offers(f); };
  std::vector<Family> families{primary};
  if (policy == IpFamilyPolicy::require_dual_stack || (policy == IpFamilyPolicy::prefer_dual_stack && can(second))) {
    families.push_back(second);
  }
  for (const Family f : families) {
    if (can(f)) continue;
    t.waits = true;
    problem(s, Reason::no_service_cidr,
            std::string(families.size() > 1 ? "spec.ipFamilyPolicy" : "spec.ipFamilies") + " asks for " + str(f) +
                " and there is no such service prefix: add one to --service-cidr, or change the field");
    return;  // all or nothing
  }
  for (const Family f : families) {
    if (contains(t.cluster_ips, f)) continue;
    if (const auto ip = cluster_ips_.assign(f, s)) {
      t.cluster_ips.push_back(*ip);
      continue;
    }
    if (f != primary && policy == IpFamilyPolicy::prefer_dual_stack) continue;
    t.waits = true;
    problem(s, Reason::cluster_ips_exhausted,
            "no " + str(f) + " cluster address is free: add a prefix to --service-cidr");
    t.cluster_ips = s.cluster_ips;
    return;
  }
}

// --- external addresses ---

void Pass::set_wanted(Task& t) {
  const Service& s = *t.service;
  if (t.cluster_ips.empty()) {
    if (!t.waits) {
      problem(s, Reason::no_cluster_ip,
              s.is_headless ? "spec.clusterIP is None, and a headless Service gets no external address: remove it"
                            : "it has no cluster address yet");
    }
    t.waits = true;
    return;
  }
  const bool is_dual = contains(t.cluster_ips, Family::v4) && contains(t.cluster_ips, Family::v6);
  const IpFamilyPolicy policy =
      s.ip_family_policy.value_or(is_dual ? IpFamilyPolicy::require_dual_stack : IpFamilyPolicy::single_stack);
  if (policy == IpFamilyPolicy::require_dual_stack && !is_dual) {
    if (!t.waits) {
      problem(s, Reason::not_enough_cluster_ips,
              "spec.ipFamilyPolicy is RequireDualStack and it has one cluster address: both families are needed");
    }
    t.waits = true;
    return;
  }
  if (!is_dual || policy == IpFamilyPolicy::single_stack) {
    t.wanted.families = {t.cluster_ips.front().family()};
    return;
  }
  const bool is_v6_first = !s.ip_families.empty() && s.ip_families.front() == Family::v6;
  t.wanted.families = {is_v6_first ? Family::v6 : Family::v4, is_v6_first ? Family::v4 : Family::v6};
  t.wanted.all_or_nothing = policy == IpFamilyPolicy::require_dual_stack;
}

/// One address that the status shows. Says no with an event.
bool Pass::may_keep(Task& t, const Ip& ip) {
  const Service& s = *t.service;
  const auto& families = t.wanted.families;
  if (contains(t.held, ip.family()) ||
      (!families.empty() && std::find(families.begin(), families.end(), ip.family()) == families.end())) {
    t.drop(ip, Reason::family_not_wanted, "it gets one address of each family of its cluster addresses");
    return false;
  }
  if (const Service* const user = addresses_.user(ip)) {
    t.drop(ip, Reason::address_taken, object(*user) + " has it");
    // Its clients may have been answered by the other one meanwhile: the one that keeps it is told as well.
    t.events.push_back({key_of(*user), Reason::address_kept, object(*user) + " keeps " + ip.str() + ": " + object(s) + " showed it too"});
    return false;
  }
  std::string home;
  const auto index = pools_.at(ip);
  if (index) {
    const api::IPAddressPool& pool = *pools_.valid()[*index];
    if (pool.avoid_buggy_ips && is_buggy(ip)) {
      t.drop(ip, Reason::address_avoided, "pool " + pool.meta.name + " avoids addresses that end in .0 or .255");
      return false;
    }
    const auto& namespaces = snapshot_.namespaces != nullptr ? *snapshot_.namespaces : no_namespaces_;
    if (!match::pool_serves(pool, s, namespaces)) {
      t.drop(ip, Reason::pool_does_not_serve, "the serviceAllocation of pool " + pool.meta.name + " excludes it");
      return false;
    }
    home = pool.meta.name;
  } else if (const auto* refused = pools_.holder_of(ip, pool_annotation(s))) {
    home = refused->meta.name;
  } else {
    const std::string named(pool_annotation(s));
    const auto is_named = [&](const auto* p) { return p->meta.name == named; };
    const bool is_missing = snapshot_.may_miss_pools && !named.empty() &&
                            (snapshot_.gone_pools == nullptr || !snapshot_.gone_pools->contains(named)) &&
                            std::none_of(snapshot_.pools.begin(), snapshot_.pools.end(), is_named);
    if (!is_missing) {
      t.drop(ip, Reason::address_in_no_pool, "it is in no pool any more");
      return false;
    }
    home = named;
  }
  if (t.held.empty()) {
    t.home = home;
    t.home_pool = index;
    return true;
  }
  if (home == t.home) return true;
  // Two valid pools are never combined. But where the pool that gave both is refused now, and another one has got one
  // of the two addresses, both stay; the refused pool's name stays too, because it is what holds the other.
  const bool is_held = !index.has_value();
  const bool other_is_held = !t.home_pool.has_value();
  if (is_held == other_is_held) {
    t.drop(ip, Reason::addresses_in_two_pools, "its other address is in pool " + t.home);
    return false;
  }
  if (is_held) t.home = home;
  t.home_pool.reset();
  return true;
}

void Pass::claim_addresses(Task& t) {
  const std::vector<Ip> shown = ingress_ips(*t.service);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (std::find(shown.begin(), shown.begin() + static_cast<std::ptrdiff_t>(i), shown[i]) !=
        shown.begin() + static_cast<std::ptrdiff_t>(i)) {
      continue;  // written twice
    }
    if (!may_keep(t, shown[i])) continue;
    FL_CHECK(addresses_.take(shown[i], *t.service), "an address without a user can be taken");
    t.held.push_back(shown[i]);
  }
}

/// True when an address was given back, which may help a Service that came earlier.
bool Pass::give(Task& t) {
  t.pending.reset();
  const Service& s = *t.service;
  const auto& namespaces = snapshot_.namespaces != nullptr ? *snapshot_.namespaces : no_namespaces_;
  bool has_released = false;
  if (!t.held.empty()) {
    // One of two: the other has to come from the same pool.
    const Family missing = other(t.held.front().family());
    if (const auto ip = t.home_pool ? addresses_.assign_from(*t.home_pool, missing, s) : std::nullopt) {
      t.held.push_back(*ip);
      t.given.push_back(*ip);
      return false;
    }
    if (!t.wanted.all_or_nothing) {
      t.pending = Reason::additional_family_missing;
      return false;
    }
    t.drop(t.held.front(), Reason::dual_stack_incomplete,
           "pool " + t.home + " has no " + str(missing) + " address for it, and RequireDualStack needs both from one");
    addresses_.release(t.held.front());
    t.held.clear();
    t.home.clear();
    t.home_pool.reset();
    has_released = true;
  }
  const Allocator::Answer answer = addresses_.assign(s, t.wanted, namespaces);
  if (const auto* reason = std::get_if<Reason>(&answer)) {
    t.pending = *reason;
    return has_released;
  }
  const auto& given = std::get<Allocator::Given>(answer);
  t.held = t.given = given.ips;
  t.home = pools_.valid()[given.pool]->meta.name;
  t.home_pool = given.pool;
  if (t.held.size() < t.wanted.families.size()) t.pending = Reason::additional_family_missing;
  return has_released;
}

void Pass::give_addresses() {
  // Again when something was given back: an older Service that found the pools full would otherwise get it in the next
  // pass only. Ends, because a Service gives back once at most.
  for (bool again = true; again;) {
    again = false;
    for (Task& t : tasks_) {
      if (is_ours(*t.service) && !t.waits && t.held.size() < t.wanted.families.size()) again |= give(t);
    }
  }
  for (Task& t : tasks_) std::sort(t.held.begin(), t.held.end());
}

// --- what comes out ---

void Pass::compare(const Task& t) {
  const Service& s = *t.service;
  Write w{name_of(s.meta), {}, {}, {}, {}, t.events};
  if (t.cluster_ips != s.cluster_ips) w.cluster_ips = t.cluster_ips;
  const bool has_new_ports = !std::equal(s.ports.begin(), s.ports.end(), t.node_ports.begin(),
                                         [](const auto& a, const Port& b) { return a.node_port == b; });
  if (has_new_ports) w.node_ports = t.node_ports;
  // A Service that is no LoadBalancer (any more) has nothing held; one with a class is left alone.
  if (is_ours(s) || s.type != ServiceType::load_balancer) {
    if (ingress_ips(s) != t.held) w.ingress = t.held;
    if (pool_annotation(s) != t.home) w.pool = t.home;
  }
  if (!t.given.empty()) {
    w.events.push_back({key_of(s), Reason::ip_allocated, object(s) + " has " + join(t.given) + " from pool " + t.home});
  }
  if (w.cluster_ips || w.node_ports || w.ingress || w.pool) out_.writes.push_back(std::move(w));
}

void Pass::tell_pending(const Task& t) {
  const Service& s = *t.service;
  const auto& f = t.wanted.families;
  const std::string families = f.size() > 1 ? (t.wanted.all_or_nothing ? "IPv4 and IPv6" : "IPv4 or IPv6") : str(f[0]);
  switch (*t.pending) {
    case Reason::no_pool:
      return problem(s, *t.pending, "there is no valid IPAddressPool with autoAssign: create one");
    case Reason::no_pool_serves:
      return problem(s, *t.pending,
                     "no IPAddressPool serves it: widen the serviceAllocation of one, or add a pool without");
    case Reason::no_pool_of_family:
      return problem(s, *t.pending, "no IPAddressPool that serves it has " + families + " addresses: add a range");
    case Reason::additional_family_missing:
      return problem(s, *t.pending,
                     "pool " + t.home + " has no " + str(other(t.held.front().family())) +
                         " address free for it, so it has one family only");
    default:
      return problem(s, *t.pending,
                     "no " + families + " address is free in the pools that serve it: enlarge one or delete a Service");
  }
}

void Pass::tell_pools() {
  for (const Refusal& r : pools_.refused()) {
    out_.problems.push_back({{api::Kind::ip_address_pool, name_of(r.pool->meta)}, r.reason, r.what});
  }
  std::map<std::string_view, std::array<std::int64_t, 2>> kept;  // by pools that are not valid
  for (const Task& t : tasks_) {
    if (t.home_pool || t.held.empty()) continue;
    for (const Ip& ip : t.held) {
      if (!pools_.at(ip)) ++kept[t.home][ip.is4() ? 0 : 1];
    }
  }
  for (std::size_t i = 0; i < pools_.valid().size(); ++i) {
    const auto used = addresses_.assigned(i);
    const auto all = capacity(*pools_.valid()[i]);
    out_.pools.push_back({name_of(pools_.valid()[i]->meta), used[0], used[1], all[0] - used[0], all[1] - used[1]});
  }
  for (const Refusal& r : pools_.refused()) {
    const auto used = kept[r.pool->meta.name];
    out_.pools.push_back({name_of(r.pool->meta), used[0], used[1], 0, 0});
  }
}

}  // namespace

Decisions converge(const Snapshot& snapshot, const Config& config) { return Pass(snapshot, config).run(); }

std::string_view pool_annotation(const Service& service) {
  const auto found = service.meta.annotations.find(kPoolAnnotation);
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
