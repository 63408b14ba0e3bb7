#pragma once
/// The flags that say how Services are forwarded, as the speaker and `fairleadctl trace` both have them; their names and
/// defaults are kube-proxy's. Pure: text in, meaning or an error that names the flag and the remedy.
#include <string>
#include <vector>

#include "proto/base/result.h"
#include "speaker/core/facts.h"
#include "speaker/core/node_addresses.h"

namespace fairlead::speaker {

/// As written on the command line: --cluster-cidr, --service-cidr, --detect-local-mode, ...
struct DataPlaneTexts {
  std::string mode = "auto";
  std::vector<std::string> cluster_cidrs{};
  std::vector<std::string> service_cidrs{};
  std::string detect_local_mode = "ClusterCIDR";
  std::string pod_bridge_interface{};
  std::string pod_interface_name_prefix{};
  std::vector<std::string> nodeport_addresses{"primary"};
  bool masquerade_all = false;
};

struct DataPlaneFlags {
  Mode mode = Mode::full;
  Detector detector;  // in mode NodeCIDR its prefixes are those of the Node: see node_facts.h
  std::vector<Prefix> service_cidrs;
  NodePortAddresses node_ports;
  bool masquerade_all = false;
  bool operator==(const DataPlaneFlags&) const = default;
};

Result<DataPlaneFlags> parse_flags(const DataPlaneTexts& texts);

/// The first of each family, in that order: what kube-proxy takes of a list of CIDRs.
std::vector<Prefix> first_of_each_family(const std::vector<Prefix>& prefixes);

}  // namespace fairlead::speaker
