#include "speaker/core/mode.h"

#include <algorithm>
#include <array>
#include <utility>

namespace fairlead::speaker {
namespace {

constexpr std::array<std::pair<Mode, std::string_view>, 4> kNames{{
    {Mode::automatic, "auto"}, {Mode::full, "full"}, {Mode::load_balancer, "loadbalancer"}, {Mode::off, "off"}}};

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// What kube-proxy's rules are known by; "": there are none.
std::string rules_of_kube_proxy(const ProxyTraces& traces) {
  if (has(traces.tables, "kube-proxy")) return "its table kube-proxy is in the kernel";       // mode nftables
  if (has(traces.chains, "KUBE-SERVICES")) return "its chain KUBE-SERVICES is in the kernel";  // mode iptables, by nft
  if (has(traces.links, "kube-ipvs0")) return "its link kube-ipvs0 is there";                 // mode ipvs
  return "";
}

/// Calico has this one only while its eBPF data plane runs; Cilium has its own always, and a kube-proxy beside it when it
/// does not forward Services itself.
std::string link_of_ebpf_proxy(const ProxyTraces& traces) {
  for (const char* link : {"cilium_host", "bpfin.cali"}) {
    if (has(traces.links, link)) return link;
  }
  return "";
}

}  // namespace

std::string_view name(Mode mode) {
  return std::find_if(kNames.begin(), kNames.end(), [&](const auto& row) { return row.first == mode; })->second;
}

std::optional<Mode> parse_mode(std::string_view text) {
  const auto found = std::find_if(kNames.begin(), kNames.end(), [&](const auto& row) { return row.second == text; });
  if (found == kNames.end()) return std::nullopt;
  return found->first;
}

FoundMode find_mode(const ProxyTraces& traces) {
  const std::string rules = rules_of_kube_proxy(traces);
  const std::string ebpf = link_of_ebpf_proxy(traces);
  if (traces.is_kube_proxy_listening) {
    return {Mode::load_balancer, "kube-proxy listens on port 10249" + (rules.empty() ? "" : ", and " + rules), ""};
  }
  if (!ebpf.empty()) return {Mode::off, "link " + ebpf + " is there and no kube-proxy listens: an eBPF proxy forwards Services", ""};
  if (!rules.empty()) {
    return {Mode::load_balancer, "kube-proxy: " + rules,
            "nothing listens on kube-proxy's port 10249: if it is gone for good, run kube-proxy --cleanup and start this again, or say --mode full"};
  }
  return {Mode::full, "no other service proxy was found", ""};
}

}  // namespace fairlead::speaker
