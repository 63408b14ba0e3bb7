#pragma once
/// What is handed out: external addresses from pools, and (folder mode) cluster addresses and node ports. Built anew
/// for each pass: first everything that objects show is taken, then what is missing is given. So nothing is remembered
/// that the objects do not say, and a restart cannot move anything.
///
/// Choosing the lowest free address keeps one cursor for each range, "all below are used or not usable", so a pass
/// costs one step for each address in use and not for each address of the pool: a /8 or a /64 is as cheap as a /24.
/// Pure. Pointers are borrowed from the caller's snapshot.
#include <array>
#include <optional>
#include <span>
#include <unordered_map>
#include <variant>
#include <vector>

#include "controller/core/pools.h"
#include "proto/match/pool.h"

namespace fairlead::controller::core {

/// Who uses what. At most one user for each address.
using Users = std::unordered_map<Ip, const kube::Service*>;

/// The lowest free address of a list of ranges, in the order of the list.
class FirstFree {
 public:
  void add(const IpRange& range, bool avoids_buggy = false);
  bool empty() const { return ranges_.empty(); }
  std::optional<Ip> find(const Users& used);
  /// To be told when an address is free again.
  void freed(const Ip& ip);

 private:
  struct Range {
    IpRange range;
    std::optional<Ip> at;  // none: all are used
    bool avoids_buggy = false;
  };
  std::vector<Range> ranges_;
  std::size_t first_ = 0;  // the ranges before are used up
};

/// The families that a Service is to have addresses of.
struct Wanted {
  std::vector<Family> families;  // one or two; the primary one first
  bool all_or_nothing = false;   // RequireDualStack
};

/// External addresses.
class Allocator {
 public:
  explicit Allocator(const Pools& pools);

  /// Marks an address as used; false, and nothing happens, when it is already.
  bool take(const Ip& ip, const kube::Service& by);
  void release(const Ip& ip);
  const kube::Service* user(const Ip& ip) const;

  struct Given {
    std::size_t pool = 0;  // index in Pools::valid()
    std::vector<Ip> ips;   // IPv4 before IPv6
  };
  using Answer = std::variant<Given, Reason>;
  /// Automatic choice: pools with a serviceAllocation that matches come first (priority ascending, 0 last, then name),
  /// then pools without one, by name. All addresses come from one pool. When there is no pool for both families and one
  /// is enough: the first pool with the primary family, else the first with the other.
  Answer assign(const kube::Service& service, const Wanted& wanted, const match::Namespaces& namespaces);
  /// One more address from this very pool.
  std::optional<Ip> assign_from(std::size_t pool, Family family, const kube::Service& service);

  /// Addresses of a valid pool in use: [0] IPv4, [1] IPv6.
  std::array<std::int64_t, 2> assigned(std::size_t pool) const { return state_[pool].assigned; }

 private:
  struct PoolState {
    std::array<FirstFree, 2> free;
    std::array<std::int64_t, 2> assigned{};
  };
  FirstFree& free_of(std::size_t pool, Family family);

  const Pools& pools_;
  std::vector<PoolState> state_;
  std::vector<std::size_t> pinned_;    // autoAssign with a serviceAllocation, in order of choice
  std::vector<std::size_t> unpinned_;  // autoAssign without
  Users used_;
};

/// Cluster addresses. A dynamic one is the lowest free from base+10 on, then base+1 to base+9, so that the low ones
/// stay for people who write them down. Never the network's own address, nor the last one of an IPv4 prefix.
class ClusterIps {
 public:
  explicit ClusterIps(std::span<const Prefix> cidrs);

  bool offers(Family family) const { return !free_[family == Family::v4 ? 0 : 1].empty(); }
  /// The user there is already, or null: it is now `by`. Addresses outside the prefixes may be taken too.
  const kube::Service* take(const Ip& ip, const kube::Service& by);
  std::optional<Ip> assign(Family family, const kube::Service& by);

 private:
  std::array<FirstFree, 2> free_;
  Users used_;
};

struct PortRange {
  std::uint16_t first = api::kFirstNodePort;
  std::uint16_t last = api::kLastNodePort;
};

/// Node ports, for each protocol by itself. A dynamic one is the lowest free above a small band at the start of the
/// range, which stays for people who write ports down (KEP-3668: a 32nd of the range, 16 to 128 ports), then one of it.
class NodePorts {
 public:
  explicit NodePorts(PortRange range);

  const kube::Service* take(Protocol protocol, Port port, const kube::Service& by);
  std::optional<Port> assign(Protocol protocol, const kube::Service& by);

 private:
  PortRange range_;
  std::uint32_t band_ = 0;
  std::unordered_map<std::uint8_t, std::uint32_t> cursors_;       // protocol -> ports tried, in the order of choice
  std::unordered_map<std::uint32_t, const kube::Service*> used_;  // protocol and port
};

}  // namespace fairlead::controller::core
