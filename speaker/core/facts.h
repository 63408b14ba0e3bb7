#pragma once
/// What a plan needs to know about this node and the cluster beside the Service itself. Plain values.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/net/prefix.h"
#include "speaker/core/mode.h"

namespace fairlead::speaker {

/// Who counts as a local pod: by the source's address or by the link it came in on (kube-proxy's detectLocalMode).
struct Detector {
  enum class Mode : std::uint8_t { cluster_cidr, node_cidr, bridge_interface, interface_name_prefix };
  Mode mode = Mode::cluster_cidr;
  std::vector<Prefix> pods;  // the two CIDR modes: at most one of each family
  std::string interface;     // the two others: a link's name, or the beginning of one
  bool operator==(const Detector&) const = default;

  bool is_by_interface() const { return mode == Mode::bridge_interface || mode == Mode::interface_name_prefix; }
  /// Without one nobody is a local pod, and nobody is masqueraded for not being one.
  bool exists(Family family) const {
    if (is_by_interface()) return !interface.empty();
    return std::any_of(pods.begin(), pods.end(), [&](const Prefix& p) { return p.base.family() == family; });
  }
};

struct NodeFacts {
  std::string name;                  // the Node's name; a wrong one makes every endpoint look remote
  Mode mode = Mode::full;            // never automatic
  std::string zone;                  // label topology.kubernetes.io/zone, "" when missing
  std::vector<Ip> node_addresses;    // where NodePorts answer
  bool node_ports_everywhere4 = false;  // ... and on every other address of this host, loopback excepted
  bool node_ports_everywhere6 = false;
  std::vector<Ip> own_addresses;     // of this host's links; sorted, without loopback and link-local ones
  Detector detector;
  std::vector<Prefix> service_cidrs;    // unallocated addresses in here are dropped
  std::vector<IpRange> pools;           // where our VIPs come from
  std::vector<Ip> all_nodes;            // addresses of all Nodes: their unused ports are never refused (ssh, kubelet)
  bool masquerade_all = false;
  bool operator==(const NodeFacts&) const = default;

  bool node_ports_everywhere(Family family) const {
    return family == Family::v4 ? node_ports_everywhere4 : node_ports_everywhere6;
  }
  bool owns(const Ip& ip) const { return std::find(own_addresses.begin(), own_addresses.end(), ip) != own_addresses.end(); }
  /// Whether NodePorts answer on this address.
  bool takes_node_ports(const Ip& ip) const {
    if (ip.is_loopback()) return false;
    return std::find(node_addresses.begin(), node_addresses.end(), ip) != node_addresses.end() ||
           (node_ports_everywhere(ip.family()) && owns(ip));
  }
  /// Whether a frontend at this address (none: a NodePort) is this node's to program. Beside another service proxy only
  /// VIPs out of our pools are, so that two proxies do not do the same thing.
  bool programs(const std::optional<Ip>& ip, bool is_vip) const {
    return mode == Mode::full || (mode == Mode::load_balancer && ip && is_vip && is_ours(*ip));
  }
  /// A VIP that is ours alone: out of a pool, and no node's address.
  bool is_ours(const Ip& vip) const {
    return std::any_of(pools.begin(), pools.end(), [&](const IpRange& r) { return r.contains(vip); }) &&
           std::find(all_nodes.begin(), all_nodes.end(), vip) == all_nodes.end();
  }
};

}  // namespace fairlead::speaker
