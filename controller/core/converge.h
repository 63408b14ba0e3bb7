#pragma once
/// What the controller does, as one pure function: all objects in, everything that should be written out. Level
/// triggered: on the objects that result, it decides nothing.
///
/// A pass goes in three steps, each over all Services, oldest first (creation, then namespace and name):
///  1. claim: what a status, a spec or the pool annotation shows is taken first, so a restart neither steals nor moves;
///  2. give: what is missing is handed out;
///  3. compare: what differs from the objects becomes a write, with the Events that explain it.
/// Cost: one pass over the Services and the addresses in use; some tens of milliseconds for 30,000 Services.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/core/allocator.h"
#include "controller/core/reasons.h"

namespace fairlead::controller::core {

/// The annotation that says which pool a Service's addresses are from (MetalLB: metallb.io/ip-allocated-from-pool).
inline constexpr std::string_view kPoolAnnotation = "fairlead.io/ip-allocated-from-pool";

/// Borrowed; in any order.
struct Snapshot {
  std::vector<const kube::Service*> services;
  std::vector<const api::IPAddressPool*> pools;
  std::vector<const kube::Node*> nodes;
  const match::Namespaces* namespaces = nullptr;
  /// Some input could not be read when the program started, so a pool that exists may be missing here: a Service keeps
  /// the address of a pool that is missing, unless that pool is known to be `gone`.
  bool may_miss_pools = false;
  const std::set<std::string>* gone_pools = nullptr;
};

struct Config {
  /// Folder mode: cluster addresses and node ports are ours to give. An API server gives its own.
  bool allocates_cluster_ips = false;
  std::vector<Prefix> service_cidrs;  // the first one's family is the primary one
  PortRange node_ports;
};

/// Something to tell about an object; becomes an Event and a log line.
struct Notice {
  api::Key about;
  Reason reason = Reason::ip_allocated;
  std::string message;  // one sentence
  auto operator<=>(const Notice&) const = default;
};

/// What to write about one Service; an absent member is right already.
struct Write {
  kube::Name service;
  std::optional<std::vector<Ip>> cluster_ips;
  std::optional<std::vector<Port>> node_ports;  // one for each of spec.ports
  std::optional<std::vector<Ip>> ingress;       // IPv4 before IPv6; empty: none
  std::optional<std::string> pool;              // "" removes the annotation
  std::vector<Notice> events;                   // to be told once it is written
};

struct PoolUse {
  kube::Name pool;
  std::int64_t assigned_ipv4 = 0, assigned_ipv6 = 0, available_ipv4 = 0, available_ipv6 = 0;
  bool operator==(const PoolUse&) const = default;
};

struct Decisions {
  std::vector<Write> writes;     // in the order in which they were decided
  std::vector<Notice> problems;  // what stands in the way now, on every pass until it is solved
  std::vector<PoolUse> pools;    // all pools, always; a refused one has nothing available
};

Decisions converge(const Snapshot& snapshot, const Config& config);

/// The value of the pool annotation, or "".
std::string_view pool_annotation(const kube::Service& service);
/// The addresses of status.loadBalancer.ingress, in its order; entries without one are somebody else's.
std::vector<Ip> ingress_ips(const kube::Service& service);

}  // namespace fairlead::controller::core
