#pragma once
/// One Service on its way through a pass, and the words that all parts of the pass use about it. Pure.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "controller/core/converge.h"

namespace fairlead::controller::core {

struct Task {
  const kube::Service* service = nullptr;
  std::vector<Ip> cluster_ips;
  std::vector<Port> node_ports;
  bool is_ours = false;
  bool waits = false;  // gets no external address now
  Request request;
  Manner manner;
  Wanted wanted;  // families of external addresses; empty while they are not known
  std::vector<Ip> held;
  std::string home;                      // the name of the pool of `held`
  std::optional<std::size_t> home_pool;  // its index, if it is valid
  std::vector<Ip> given;                 // the part of `held` that is new
  std::vector<Ip> reserved;              // nobody else's in this pass: being asked about before they are given
  std::vector<Notice> events;
  struct Pending {
    Reason reason;
    std::string what;
  };
  std::optional<Pending> pending;

  User user() const { return {service, &manner}; }
};

/// Sets is_ours, request, manner and wanted, by the Service and its cluster addresses; waits, with a problem, where they
/// do not say which families it wants.
void prepare(Task& t, const Config& config, std::vector<Notice>& problems);

inline kube::Name name_of(const kube::Meta& meta) { return {meta.ns, meta.name}; }
inline api::Key key_of(const kube::Service& s) { return {api::Kind::service, name_of(s.meta)}; }
inline std::string object(const kube::Service& s) { return "Service " + name_of(s.meta).str(); }
inline std::string str(Family f) { return f == Family::v4 ? "IPv4" : "IPv6"; }
inline Family other(Family f) { return f == Family::v4 ? Family::v6 : Family::v4; }

inline bool contains(const std::vector<Ip>& ips, Family f) {
  return std::any_of(ips.begin(), ips.end(), [f](const Ip& ip) { return ip.family() == f; });
}
inline std::string join(const std::vector<Ip>& ips) {
  std::string out;
  for (const Ip& ip : ips) out += (out.empty() ? "" : " and ") + ip.str();
  return out;
}

inline Notice problem(const kube::Service& s, Reason reason, const std::string& what) {
  return {key_of(s), reason, object(s) + ": " + what};
}

}  // namespace fairlead::controller::core
