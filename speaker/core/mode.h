#pragma once
/// Which part of the cluster's Services this node forwards, and what other service proxies it shows. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::speaker {

enum class Mode : std::uint8_t {
  automatic,      // by what find_mode() says at start
  full,           // everything: nothing else is a service proxy here
  load_balancer,  // VIPs out of our pools, nothing else: another proxy does the rest
  off,            // nothing; VIPs are announced only
};
/// "auto", "full", "loadbalancer", "off".
std::string_view name(Mode mode);
std::optional<Mode> parse_mode(std::string_view text);

/// What a node shows, gathered at start.
struct ProxyTraces {
  std::vector<std::string> tables;      // of nf_tables
  std::vector<std::string> chains;      // of nf_tables, iptables' among them
  std::vector<std::string> links;
  bool is_kube_proxy_listening = false;  // on its port for metrics, 10249
};

struct FoundMode {
  Mode mode = Mode::full;
  std::string because;  // "table kube-proxy is in the kernel"
  std::string remedy;   // where the traces may be those of something that is gone; else ""
};
/// kube-proxy leaves its rules behind when it ends, so rules alone count, and say so; beside an eBPF proxy, where nothing of
/// kube-proxy listens, they are leftovers.
FoundMode find_mode(const ProxyTraces& traces);

}  // namespace fairlead::speaker
