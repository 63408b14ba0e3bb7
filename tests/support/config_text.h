#pragma once
/// Small configurations as text, and what the rules say of them, for tests of proto/api.
#include <algorithm>
#include <string>
#include <vector>

#include "controller/ctl/config_reader.h"

namespace fairlead::test {

inline std::string document(const std::string& api_version, const std::string& kind, const std::string& name,
                            const std::string& rest, const std::string& metadata = "namespace: metallb-system") {
  return "---\napiVersion: " + api_version + "\nkind: " + kind + "\nmetadata: {name: " + name +
         (metadata.empty() ? "" : ", " + metadata) + "}\n" + rest + "\n";
}

/// `spec` is YAML on one line: "{addresses: [192.0.2.0/24]}".
inline std::string pool(const std::string& name, const std::string& spec, const std::string& labels = "{}") {
  return document("metallb.io/v1beta1", "IPAddressPool", name, "spec: " + spec, "namespace: metallb-system, labels: " + labels);
}
inline std::string l2(const std::string& name, const std::string& spec) {
  return document("metallb.io/v1beta1", "L2Advertisement", name, "spec: " + spec);
}
inline std::string bgp(const std::string& name, const std::string& spec) {
  return document("metallb.io/v1beta1", "BGPAdvertisement", name, "spec: " + spec);
}
/// A valid peer of AS 64513 at 192.0.2.1 with more fields: ", holdTime: 90s".
inline std::string peer(const std::string& name, const std::string& more, const std::string& address = "192.0.2.1") {
  return document("metallb.io/v1beta2", "BGPPeer", name, "spec: {myASN: 64512, peerASN: 64513, peerAddress: '" + address + "'" + more + "}");
}
inline std::string raw_peer(const std::string& name, const std::string& spec) {
  return document("metallb.io/v1beta2", "BGPPeer", name, "spec: " + spec);
}
inline std::string old_peer(const std::string& name, const std::string& spec) {
  return document("metallb.io/v1beta1", "BGPPeer", name, "spec: " + spec);
}
inline std::string bfd(const std::string& name, const std::string& spec) {
  return document("metallb.io/v1beta1", "BFDProfile", name, "spec: " + spec);
}
inline std::string community(const std::string& name, const std::string& list) {
  return document("metallb.io/v1beta1", "Community", name, "spec: {communities: " + list + "}");
}
inline std::string secret(const std::string& name, const std::string& rest) { return document("v1", "Secret", name, rest); }
/// `more` continues the object: "status: ...".
inline std::string node(const std::string& name, const std::string& labels = "{}", const std::string& more = "") {
  return document("v1", "Node", name, more, "labels: " + labels);
}

inline ctl::Report report(const std::string& text, api::Rules rules = api::Rules::of(api::Group::metallb), const std::string& ns = "") {
  ctl::ConfigReader reader(rules, ns);
  reader.read("test.yaml", text, runtime::Format::yaml);
  return std::move(reader).finish();
}

/// "tor spec.holdTime hold_time" each, sorted; of transient ones with "~" before, of warnings with "?".
inline std::vector<std::string> said(const ctl::Report& report) {
  std::vector<std::string> out;
  for (const ctl::Finding& f : report.findings) {
    const char* const mark = f.severity == api::Severity::warning ? "?" : f.severity == api::Severity::transient ? "~" : "";
    out.push_back(mark + f.name.name + " " + f.field + " " + std::string(api::name(f.rule)));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace fairlead::test
