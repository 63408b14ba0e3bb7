#include "speaker/core/trace.h"

#include <algorithm>

namespace fairlead::speaker {
namespace {

bool contains(const std::vector<Ip>& ips, const Ip& ip) { return std::find(ips.begin(), ips.end(), ip) != ips.end(); }
bool contains(const std::vector<Prefix>& prefixes, const Ip& ip) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const Prefix& p) { return p.contains(ip); });
}

/// The planned Services, those first that win where two want the same frontend.
std::vector<const kube::Service*> by_precedence(const Planner& planner) {
  std::vector<const kube::Service*> out;
  for (const auto& [name, service] : planner.services()) {
    if (planner.plan_of(name) != nullptr) out.push_back(&service);
  }
  std::stable_sort(out.begin(), out.end(), [](const auto* a, const auto* b) { return a->meta.created < b->meta.created; });
  return out;
}

struct Match {
  const kube::Service* service = nullptr;
  const ServicePlan* plan = nullptr;
  const Frontend* frontend = nullptr;
};

class Tracer {
 public:
  Tracer(const Planner& planner, const Question& q)
      : facts_(planner.facts()), planner_(planner), q_(q), services_(by_precedence(planner)) {
    is_own_ = facts_.owns(q.destination) || q.destination.is_loopback();
    is_pod_ = is_pod();
    is_node_ = !is_pod_ && (q.from ? *q.from == From::node : facts_.owns(q.source) || q.source.is_loopback());
  }

  Answer answer() const {
    const Match vip = find([&](const Frontend& f) { return f.ip == q_.destination && f.port == q_.port; });
    if (vip.frontend != nullptr) {
      if (vip.frontend->is_guarded && !contains(vip.frontend->sources, q_.source)) {
        return {Verdict::drop, {}, false, "source-ranges", name_of(vip), q_.source.str() + " is outside spec.loadBalancerSourceRanges"};
      }
      return decide(vip);
    }
    if (facts_.takes_node_ports(q_.destination)) {
      const Match port = find([&](const Frontend& f) { return !f.ip && f.port == q_.port; });
      if (port.frontend != nullptr) return decide(port);
    }
    if (is_own_) return {Verdict::pass, {}, false, "none", {}, q_.destination.str() + " is this host's own address, and no Service's frontend"};
    for (const kube::Service* s : services_) {
      const ServicePlan& plan = *planner_.plan_of(name_of(*s));
      if (!contains(plan.refused, q_.destination)) continue;
      return {Verdict::reject, {}, false, "unused-port", name_of(*s), "no Service serves this port of " + q_.destination.str()};
    }
    if (contains(facts_.service_cidrs, q_.destination)) {
      return {Verdict::drop, {}, false, "unallocated", {}, q_.destination.str() + " is a cluster address that no Service has"};
    }
    return {Verdict::pass, {}, false, "none", {}, "no Service has " + q_.destination.str() + " on this port"};
  }

 private:
  static kube::Name name_of(const kube::Service& s) { return {s.meta.ns, s.meta.name}; }
  static kube::Name name_of(const Match& m) { return name_of(*m.service); }

  bool is_pod() const {
    const Detector& d = facts_.detector;
    if (!d.is_by_interface()) return contains(d.pods, q_.source);
    if (q_.from) return *q_.from == From::pod;
    // Which link a packet comes from cannot be told by its address, except that endpoints of this node are behind theirs.
    return std::any_of(services_.begin(), services_.end(),
                       [&](const kube::Service* s) { return contains(planner_.plan_of(name_of(*s))->hairpin, q_.source); });
  }

  template <class F>
  Match find(F is_it) const {
    for (const kube::Service* s : services_) {
      const ServicePlan* plan = planner_.plan_of(name_of(*s));
      for (const Frontend& f : plan->frontends) {
        if (f.family == q_.destination.family() && f.protocol == q_.protocol && is_it(f)) return {s, plan, &f};
      }
    }
    return {};
  }

  const Choice& choice(const Action& action) const {
    if (!action.by_source) return action.everybody;
    return is_pod_ ? action.by_source->pod : is_node_ ? action.by_source->node : action.by_source->other;
  }

  /// The row of the truth table (README.md beside this file).
  std::string row(const Match& m, Choice::Kind kind) const {
    const auto& own = m.service->cluster_ips;
    const bool is_refused = kind == Choice::Kind::refuse;
    const bool is_dropped = kind == Choice::Kind::ignore;
    if (m.frontend->ip && contains(own, *m.frontend->ip)) {
      if (m.service->internal_traffic_policy == kube::TrafficPolicy::cluster) return is_refused ? "2" : "1";
      return is_refused ? "5" : is_dropped ? "4" : "3";
    }
    if (m.service->external_traffic_policy == kube::TrafficPolicy::cluster) return is_refused ? "7" : "6";
    if (is_refused) return "12";
    return is_pod_ ? "8" : is_node_ ? "9" : is_dropped ? "11" : "10";
  }

  Answer decide(const Match& m) const {
    const Choice& c = choice(m.frontend->action);
    Answer out;
    out.service = name_of(m);
    out.row = row(m, c.kind);
    if (c.kind == Choice::Kind::refuse) {
      out.verdict = Verdict::reject;
      out.why = "no endpoint of this port can serve, on any node";
      return out;
    }
    if (c.kind == Choice::Kind::ignore) {
      out.verdict = Verdict::drop;
      out.why = "the traffic policy is Local and no endpoint is on this node";
      return out;
    }
    out.verdict = Verdict::endpoints;
    const ListKey key{m.frontend->port_name, m.frontend->protocol, m.frontend->family, c.list};
    for (const EndpointList& l : m.plan->lists) {
      if (l.key == key) out.endpoints = l.targets;
    }
    out.masquerade = c.masquerade == nft::Masquerade::always || (c.masquerade == nft::Masquerade::unless_pod && !is_pod_);
    const auto is_source = [&](const Target& t) { return t.ip == q_.source; };
    if (std::all_of(out.endpoints.begin(), out.endpoints.end(), is_source)) {
      out.row = "13";
      out.masquerade = true;
      out.why = "the only endpoint is the asking pod itself";
      return out;
    }
    out.why = c.list == Scope::local ? "one of the endpoints on this node" : "one of the cluster's endpoints";
    if (std::any_of(out.endpoints.begin(), out.endpoints.end(), is_source)) {
      out.why += "; masqueraded where the asking pod itself is chosen";
    }
    return out;
  }

  const NodeFacts& facts_;
  const Planner& planner_;
  const Question& q_;
  std::vector<const kube::Service*> services_;
  bool is_own_ = false;
  bool is_pod_ = false;
  bool is_node_ = false;
};

}  // namespace

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::endpoints: return "endpoints";
    case Verdict::reject: return "reject";
    case Verdict::drop: return "drop";
    case Verdict::pass: return "pass";
  }
  return "";
}

Answer trace(const Planner& planner, const Question& question) { return Tracer(planner, question).answer(); }

}  // namespace fairlead::speaker
