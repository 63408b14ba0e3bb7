#pragma once
/// What a plan needs to know about this node and the cluster beside the Service itself. Plain values.
#include <algorithm>
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
  std::vector<IpRange> pools;           // where our VIPs come from
  std::vector<Ip> all_nodes;            // addresses of all Nodes: their unused ports are never refused (ssh, kubelet)
  bool masquerade_all = false;
  bool operator==(const NodeFacts&) const = default;

  bool has_detector(Family family) const {
    for (const Prefix& p : local_pods) {
      if (p.base.family() == family) return true;
    }
    return false;
  }
  /// A VIP that is ours alone: out of a pool, and no node's address.
  bool is_ours(const Ip& vip) const {
    return std::any_of(pools.begin(), pools.end(), [&](const IpRange& r) { return r.contains(vip); }) &&
           std::find(all_nodes.begin(), all_nodes.end(), vip) == all_nodes.end();
  }
};

}  // namespace fairlead::speaker
