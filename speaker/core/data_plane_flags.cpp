#include "speaker/core/data_plane_flags.h"

#include <utility>

namespace fairlead::speaker {
namespace {

constexpr std::size_t kLongestLinkName = 15;  // IFNAMSIZ without the final zero

Error bad(const std::string& flag, const std::string& what) { return {Errc::malformed, flag + ": " + what}; }

Result<std::vector<Prefix>> prefixes(const std::string& flag, const std::vector<std::string>& texts, const std::string& example) {
  std::vector<Prefix> out;
  for (const std::string& t : texts) {
    const auto p = parse_prefix(t);
    if (!p) return bad(flag, "\"" + t + "\" is no prefix: write one like " + example);
    out.push_back(*p);
  }
  return out;
}

/// The name that a mode by interface needs.
Result<std::string> link_name(const std::string& flag, const std::string& name, const std::string& mode) {
  if (name.empty()) return bad(flag, "is missing: --detect-local-mode " + mode + " needs it");
  if (name.size() > kLongestLinkName || name.find_first_of("/ \t") != std::string::npos) {
    return bad(flag, "\"" + name + "\" cannot be the name of a link: write at most 15 characters, no blank, no '/'");
  }
  return name;
}

Result<Detector> detector(const DataPlaneTexts& texts) {
  using Mode = Detector::Mode;
  Detector out;
  auto cidrs = prefixes("--cluster-cidr", texts.cluster_cidrs, "10.244.0.0/16");
  if (!cidrs) return cidrs.error();
  if (texts.detect_local_mode == "ClusterCIDR") {
    out.mode = Mode::cluster_cidr;
    out.pods = first_of_each_family(*cidrs);
  } else if (texts.detect_local_mode == "NodeCIDR") {
    out.mode = Mode::node_cidr;
  } else if (texts.detect_local_mode == "BridgeInterface" || texts.detect_local_mode == "InterfaceNamePrefix") {
    const bool is_bridge = texts.detect_local_mode == "BridgeInterface";
    out.mode = is_bridge ? Mode::bridge_interface : Mode::interface_name_prefix;
    auto name = is_bridge ? link_name("--pod-bridge-interface", texts.pod_bridge_interface, texts.detect_local_mode)
                          : link_name("--pod-interface-name-prefix", texts.pod_interface_name_prefix, texts.detect_local_mode);
    if (!name) return name.error();
    out.interface = *std::move(name);
  } else {
    return bad("--detect-local-mode", "\"" + texts.detect_local_mode +
                                          "\" is not known: write one of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix");
  }
  return out;
}

Result<NodePortAddresses> node_ports(const std::vector<std::string>& texts) {
  NodePortAddresses out{false, {}};
  for (const std::string& t : texts) {
    if (t == "primary") {
      out.is_primary = true;
      continue;
    }
    const auto p = parse_prefix(t);
    if (!p) return bad("--nodeport-addresses", "\"" + t + "\" is no prefix: write primary, or prefixes like 192.0.2.0/24");
    out.within.push_back(*p);
  }
  return out;
}

}  // namespace

std::vector<Prefix> first_of_each_family(const std::vector<Prefix>& prefixes) {
  std::vector<Prefix> out;
  for (const Prefix& p : prefixes) {
    if (out.empty() || (out.size() == 1 && out.front().base.family() != p.base.family())) out.push_back(p);
  }
  return out;
}

Result<DataPlaneFlags> parse_flags(const DataPlaneTexts& texts) {
  DataPlaneFlags out;
  const auto mode = parse_mode(texts.mode);
  if (!mode) return bad("--mode", "\"" + texts.mode + "\" is not known: write one of auto, full, loadbalancer, off");
  out.mode = *mode;
  auto pods = detector(texts);
  if (!pods) return pods.error();
  out.detector = *std::move(pods);
  auto services = prefixes("--service-cidr", texts.service_cidrs, "10.96.0.0/16");
  if (!services) return services.error();
  out.service_cidrs = *std::move(services);
  auto ports = node_ports(texts.nodeport_addresses);
  if (!ports) return ports.error();
  out.node_ports = *std::move(ports);
  out.masquerade_all = texts.masquerade_all;
  return out;
}

}  // namespace fairlead::speaker
