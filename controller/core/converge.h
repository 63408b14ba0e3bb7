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
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/core/allocator.h"
#include "controller/core/hold_down.h"
#include "controller/core/probes.h"
#include "controller/core/reasons.h"
#include "proto/base/clock.h"

namespace fairlead::controller::core {

/// Borrowed; in any order.
struct Snapshot {
  std::vector<const kube::Service*> services;
  std::vector<const api::IPAddressPool*> pools;
  std::vector<const kube::Node*> nodes;
  std::vector<const api::Community*> communities;  // metallb.io mode: judged together with the pools, as MetalLB does
  const match::Namespaces* namespaces = nullptr;
  /// Some input could not be read when the program started, so a pool that exists may be missing here: a Service keeps
  /// the address of a pool that is missing, unless that pool is known to be `gone`.
  bool may_miss_pools = false;
  const std::set<std::string>* gone_pools = nullptr;
  /// A pool (or Community) is there and cannot be read, now. In metallb.io mode that refuses all pools.
  bool has_unreadable_pool = false;
  std::vector<const api::AddressRecord*> records;  // what speakers have heard, and what the last controller noted
  TimePoint now{};             // of hold-down and of probing
  std::int64_t wall_now = 0;   // the same in seconds since 1970: what is noted outlives the process
};

struct Config {
  /// Folder mode: cluster addresses and node ports are ours to give. An API server gives its own.
  bool allocates_cluster_ips = false;
  std::vector<Prefix> service_cidrs;  // the first one's family is the primary one
  PortRange node_ports;
  /// metallb.io: an address is kept together with its Service's other one or not at all, a Service that has to wait for
  /// its families keeps nothing, one wrong pool refuses all of them, a pool may contain a Node's address, and what is
  /// written down of cluster addresses may clash. All as MetalLB does.
  api::Group group = api::Group::fairlead;
  std::string lb_class;  // "": Services without a loadBalancerClass; else those of this one
  Duration hold_down{};  // an address that was given back goes to nobody else for this long
  /// An address that no status shows is given once the speakers have heard nobody answer for it.
  bool probes_addresses = false;
};

/// What a pass tells the next one; empty at the start and for a new leader, who finds what is held down in the notes of
/// the last one. Nothing here decides who has which address that a status shows, except where a Service changes how it
/// shares one: then that one moves and not the others.
struct Memory {
  std::map<kube::Name, std::string> manners;  // of Services that share, in one text
  HoldDown hold_down;
  Probes probes;
  std::optional<std::vector<api::IPAddressPool>> good_pools;  // metallb.io: the last that were valid as a whole
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
  api::AddressNotes notes;       // what the speakers are asked, and what is held down
  std::optional<TimePoint> wake_at;  // when a pass is due without any change
};

/// `memory` is read and left as the next pass wants it.
Decisions converge(const Snapshot& snapshot, const Config& config, Memory& memory);
/// As at a start.
Decisions converge(const Snapshot& snapshot, const Config& config);

/// The annotation that says which pool a Service's addresses are from: <group>/ip-allocated-from-pool.
const std::string& pool_annotation_key(api::Group group);
/// Its value, or "".
std::string_view pool_annotation(const kube::Service& service, api::Group group = api::Group::fairlead);
/// The addresses of status.loadBalancer.ingress, in its order; entries without one are somebody else's.
std::vector<Ip> ingress_ips(const kube::Service& service);

}  // namespace fairlead::controller::core
