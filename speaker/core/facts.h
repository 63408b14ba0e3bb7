#pragma once
/// What a plan needs to know about this node and the cluster beside the Service itself. Plain values.
#include <string>
#include <vector>

#include "proto/net/prefix.h"

namespace fairlead::speaker {

struct NodeFacts {
  std::string name;                     // the Node's name; a wrong one makes every endpoint look remote
  std::string zone;                     // label topology.kubernetes.io/zone, "" when missing
  std::vector<Ip> node_addresses;       // where NodePorts answer
  std::vector<Prefix> local_pods;       // detector: sources that count as local pods; empty: none do
  std::vector<Prefix> service_cidrs;    // unallocated addresses in here are dropped
  std::vector<IpRange> pools;           // addresses that may be refused: nobody else's
  bool masquerade_all = false;
  bool operator==(const NodeFacts&) const = default;

  bool has_detector(Family family) const {
    for (const Prefix& p : local_pods) {
      if (p.base.family() == family) return true;
    }
    return false;
  }
  bool is_pool_address(const Ip& ip) const {
    for (const IpRange& r : pools) {
      if (r.contains(ip)) return true;
    }
    return false;
  }
};

}  // namespace fairlead::speaker
