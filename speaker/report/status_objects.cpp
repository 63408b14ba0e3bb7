#include "speaker/report/status_objects.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "proto/runtime/fnv.h"

namespace fairlead::speaker {
namespace {

using runtime::StatusKind;
using runtime::StatusObject;

constexpr std::size_t kReadable = 40;        // of the Service's name in the object's
constexpr std::size_t kMostLines = 50;       // of faults that are written out
constexpr std::size_t kLongestMessage = 32'768;  // of a condition: Kubernetes' own limit

std::map<std::string, std::string> labels(const kube::Name& service, std::string_view node) {
  return {{runtime::kNodeLabel, std::string(node)},
          {runtime::kServiceNameLabel, service.name},
          {runtime::kServiceNamespaceLabel, service.ns}};
}

}  // namespace

std::string status_name(StatusKind kind, const kube::Name& service, std::string_view node) {
  std::string out = kind == StatusKind::service_l2_status ? "l2-" : "bgp-";
  for (const char c : service.name.substr(0, kReadable)) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    out += is_plain ? c : '-';
  }
  char sum[20];
  const std::uint64_t hash = runtime::fnv1a(service.str() + "\n" + std::string(node));
  std::snprintf(sum, sizeof sum, "-%016llx", static_cast<unsigned long long>(hash));
  return out + sum;
}

std::optional<StatusObject> l2_status(const kube::Name& service, std::string_view node, std::span<const Announcement> announcements) {
  bool is_ours = false, is_limited = true;
  std::set<std::string> interfaces;
  for (const Announcement& a : announcements) {
    if (a.reason != Reason::owner || a.node != node) continue;
    is_ours = true;
    is_limited = is_limited && !a.interfaces.empty();
    interfaces.insert(a.interfaces.begin(), a.interfaces.end());
  }
  if (!is_ours) return std::nullopt;
  if (!is_limited) interfaces.clear();
  return StatusObject{status_name(StatusKind::service_l2_status, service, node), labels(service, node),
                      runtime::L2Status{std::string(node), service.name, service.ns, {interfaces.begin(), interfaces.end()}}};
}

std::optional<StatusObject> bgp_status(const kube::Name& service, std::string_view node, std::vector<std::string> peers) {
  if (peers.empty()) return std::nullopt;
  return StatusObject{status_name(StatusKind::service_bgp_status, service, node), labels(service, node),
                      runtime::BgpStatus{std::string(node), service.name, service.ns, std::move(peers)}};
}

StatusObject speaker_state(std::string_view node, bool is_loaded, const Faults& faults, std::string_view note) {
  std::string summary;
  std::size_t lines = 0;
  for (const auto& [about, what] : faults) {
    if (++lines > kMostLines) {
      summary += "\n... and " + std::to_string(faults.size() - kMostLines) + " more";
      break;
    }
    summary += (summary.empty() ? "" : "\n") + about.first + ": " + what;
  }
  summary.resize(std::min(summary.size(), kLongestMessage));
  const bool is_bad = !faults.empty();
  runtime::ConfigurationStatus status;
  status.result = is_bad ? "Invalid" : is_loaded ? "Valid" : "Unknown";
  status.error_summary = summary;
  std::string message(note);
  if (is_bad) message += (message.empty() ? "" : "\n") + summary;
  message.resize(std::min(message.size(), kLongestMessage));
  status.conditions = {{"configReconcilerValid", is_bad ? "False" : is_loaded ? "True" : "Unknown",
                        is_bad ? "ConfigurationError" : is_loaded ? "Reconciled" : "UnknownError", message}};
  return StatusObject{"speaker-" + std::string(node),
                      {{runtime::kComponentTypeLabel, "speaker"}, {runtime::kNodeNameLabel, std::string(node)}},
                      std::move(status)};
}

}  // namespace fairlead::speaker
