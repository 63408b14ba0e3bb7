#pragma once
/// What programs write into objects, as JSON: the same in an API server's objects and in a folder's overlays.
#include "proto/runtime/json.h"
#include "proto/runtime/source.h"

namespace fairlead::runtime {

/// An entry of status.loadBalancer.ingress.
inline Json to_json(const kube::Ingress& entry) {
  Json out = Json::object();
  if (entry.ip) {
    out["ip"] = entry.ip->str();
    out["ipMode"] = entry.is_vip ? "VIP" : "Proxy";
  }
  if (!entry.hostname.empty()) out["hostname"] = entry.hostname;
  return out;
}

/// The status of an IPAddressPool.
inline Json to_json(const PoolStatus& status) {
  return {{"assignedIPv4", status.assigned_ipv4},
          {"assignedIPv6", status.assigned_ipv6},
          {"availableIPv4", status.available_ipv4},
          {"availableIPv6", status.available_ipv6}};
}

}  // namespace fairlead::runtime
