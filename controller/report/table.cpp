#include "controller/report/table.h"

#include <algorithm>
#include <array>
#include <vector>

namespace fairlead::controller::report {
namespace {

std::string type_of(const kube::Service& s) {
  switch (s.type) {
    case kube::ServiceType::cluster_ip:
      return "ClusterIP";
    case kube::ServiceType::node_port:
      return "NodePort";
    case kube::ServiceType::load_balancer:
      return "LoadBalancer";
    case kube::ServiceType::external_name:
      return "ExternalName";
  }
  return "";
}

std::string join(const std::vector<std::string>& parts, const char* when_empty) {
  std::string out;
  for (const std::string& p : parts) out += (out.empty() ? "" : ",") + p;
  return out.empty() ? when_empty : out;
}

std::string external_of(const kube::Service& s) {
  std::vector<std::string> parts;
  const bool is_balanced = s.type == kube::ServiceType::load_balancer;
  if (is_balanced) {
    for (const kube::Ingress& entry : s.ingress) parts.push_back(entry.ip ? entry.ip->str() : entry.hostname);
  }
  for (const Ip& ip : s.external_ips) parts.push_back(ip.str());
  return join(parts, is_balanced ? "<pending>" : "<none>");
}

std::string ports_of(const kube::Service& s) {
  std::vector<std::string> parts;
  for (const kube::ServicePort& p : s.ports) {
    std::string text = std::to_string(p.port.value);
    if (p.node_port.value != 0) text.append(1, ':').append(std::to_string(p.node_port.value));
    parts.push_back(text + "/" + name(p.protocol));
  }
  return join(parts, "<none>");
}

}  // namespace

std::string table(const std::map<kube::Name, kube::Service>& services) {
  using Row = std::array<std::string, 6>;
  if (services.empty()) return "";
  std::vector<Row> rows{{"NAMESPACE", "NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)"}};
  for (const auto& [name, s] : services) {
    const std::string cluster = s.is_headless ? "None" : s.cluster_ips.empty() ? "<none>" : s.cluster_ips.front().str();
    rows.push_back({name.ns, name.name, type_of(s), cluster, external_of(s), ports_of(s)});
  }
  std::array<std::size_t, 6> width{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) out += row[i] + std::string(width[i] - row[i].size() + 3, ' ');
    out += row.back() + "\n";
  }
  return out;
}

}  // namespace fairlead::controller::report
