#include "controller/core/words.h"

namespace fairlead::controller::core {

std::string Words::who_answers(const Ip& ip) const {
  const Probes::Taken& taken = probes_.taken().at(ip);
  return taken.hardware_address + " answers for it on " + taken.interface + " of Node " + taken.node;
}

std::string Words::in_the_way(const Ip& ip, const Clash& clash) const {
  if (clash.reason == Reason::address_answered) return who_answers(ip);
  if (clash.with == nullptr) return ip.str() + " was given back a moment ago and is held down";
  const std::string by = ip.str() + " is in use by " + object(*clash.with);
  switch (clash.reason) {
    case Reason::sharing_key_differs: return by + ", whose allow-shared-ip is another";
    case Reason::sharing_ports_clash: return by + ", which has port " + port_text(clash.port);
    case Reason::sharing_backends_differ: return by + ", whose externalTrafficPolicy or selector is another";
    case Reason::sharing_across_namespaces: return by + " of another namespace";
    default: return by;
  }
}

std::string Words::remedy(const Ip& ip, const Clash& clash) const {
  switch (clash.reason) {
    case Reason::address_held_down: return "wait, or ask for another";
    case Reason::address_answered: return "take it from that station, or ask for another";
    case Reason::sharing_key_differs: return "write the same value, or ask for another";
    case Reason::sharing_ports_clash: return "use other ports, or ask for another";
    case Reason::sharing_backends_differ: return "set Cluster for both, or Local with one selector";
    case Reason::sharing_across_namespaces:
      return "set allowCrossNamespaceSharing in IPAddressPool " + pools_.valid()[*pools_.at(ip)]->meta.name;
    default: return "ask for another, or give both one value of allow-shared-ip";
  }
}

Task::Pending Words::refused_request(const Ip& ip, const Clash& clash) const {
  return {clash.reason, "it asks for " + ip.str() + ": " + in_the_way(ip, clash) + ": " + remedy(ip, clash)};
}

Task::Pending Words::no_candidate(const kube::Service& s, bool has_automatic) const {
  if (pools_.valid().empty() && pools_.refused().empty()) {
    return {Reason::no_pool, "there is no IPAddressPool: create one"};
  }
  if (pools_.valid().empty()) {
    return {Reason::pools_refused,
            "every IPAddressPool is refused: correct what is reported about " + pools_.refused().front().pool->meta.name};
  }
  if (!has_automatic) {
    return {Reason::no_auto_assign_pool,
            "every valid IPAddressPool has autoAssign: false: name one with the annotation address-pool, or add one"};
  }
  const auto admits = [&](const api::IPAddressPool* p) {
    return p->auto_assign && match::pool_serves_namespace(*p, s.meta.ns, namespaces_);
  };
  if (std::none_of(pools_.valid().begin(), pools_.valid().end(), admits)) {
    return {Reason::no_pool_for_namespace,
            "no IPAddressPool serves namespace " + s.meta.ns + ": widen the spec.serviceAllocation of one, or add a pool without"};
  }
  return {Reason::no_pool_for_labels, "no IPAddressPool that serves namespace " + s.meta.ns +
                                          " selects its labels: change metadata.labels or a pool's serviceSelectors"};
}

}  // namespace fairlead::controller::core
