#pragma once
/// What is handed out: external addresses from pools, and (folder mode) cluster addresses and node ports. Built anew
/// for each pass: first everything that objects show is taken, then what is missing is given. So nothing is remembered
/// that the objects do not say, and a restart cannot move anything.
///
/// Choosing the lowest free address keeps one cursor for each range, "all below are used or not usable", so a pass
/// costs one step for each address in use and not for each address of the pool: a /8 or a /64 is as cheap as a /24.
/// Addresses that are shared are found by their key: each set of ports keeps the addresses that may still take it, and
/// looks at each of them once.
/// Pure. Pointers are borrowed from the caller's snapshot.
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include "controller/core/pools.h"
#include "controller/core/request.h"
#include "proto/match/pool.h"

namespace fairlead::controller::core {

/// An address and which range of the pool it is in: the order in which a pool is used.
struct Spot {
  std::size_t range = 0;
  Ip ip;
  auto operator<=>(const Spot&) const = default;
};

/// The lowest free address of a list of ranges, in the order of the list.
class FirstFree {
 public:
  /// `number`: of the range, growing.
  void add(std::size_t number, const IpRange& range, bool avoids_buggy = false);
  bool empty() const { return ranges_.empty(); }
  template <class Used>  // a map of addresses
  std::optional<Spot> find(const Used& used);
  /// To be told when an address is free again.
  void freed(const Ip& ip);

 private:
  struct Range {
    std::size_t number = 0;
    IpRange range;
    std::optional<Ip> at;  // none: all are used
    bool avoids_buggy = false;
  };
  std::vector<Range> ranges_;
  std::size_t first_ = 0;  // the ranges before are used up
};

template <class Used>
std::optional<Spot> FirstFree::find(const Used& used) {
  for (; first_ < ranges_.size(); ++first_) {
    Range& r = ranges_[first_];
    while (r.at && (used.contains(*r.at) || (r.avoids_buggy && is_buggy(*r.at)))) {
      r.at = *r.at == r.range.last ? std::nullopt : next(*r.at);
    }
    if (r.at) return Spot{r.number, *r.at};
  }
  return std::nullopt;
}

/// The families that a Service is to have addresses of.
struct Wanted {
  std::vector<Family> families;  // one or two; the primary one first
  bool all_or_nothing = false;   // both or none, from one pool
};

/// Who uses an address, and how.
struct User {
  const kube::Service* service = nullptr;
  const Manner* manner = nullptr;
};

/// Why an address cannot be somebody's.
struct Clash {
  Reason reason = Reason::address_in_use;
  const kube::Service* with = nullptr;  // null: held down, or answered by a station
  std::uint32_t port = 0;               // port_key of sharing_ports_clash
};

/// External addresses.
class Allocator {
 public:
  explicit Allocator(const Pools& pools);

  /// None: `user` can have it, alone or with those who have it (reference MetalLB 2.5). What pools say is not looked at,
  /// but for allowCrossNamespaceSharing.
  std::optional<Clash> clash(const Ip& ip, const User& user) const;
  /// There must be no clash.
  void take(const Ip& ip, const User& user);
  void release(const Ip& ip, const kube::Service& by);
  /// Nobody but the Service of this name gets it in this pass. Nothing happens when it is in use.
  void hold_down(const Ip& ip, const kube::Name& last);
  /// Nobody gets it in this pass: a station has it. Nothing happens when it is in use.
  void block(const Ip& ip);

  /// Where automatic choice looks: pools with a serviceAllocation that matches (priority ascending, 0 last, then name),
  /// then pools without one, by name. Only those with autoAssign.
  std::vector<std::size_t> candidates(const kube::Service& service, const match::Namespaces& namespaces) const;
  bool has_automatic() const { return !pinned_.empty() || !unpinned_.empty(); }

  struct Given {
    std::size_t pool = 0;  // index in Pools::valid()
    std::vector<Ip> ips;   // IPv4 before IPv6
  };
  using Answer = std::variant<Given, Reason>;
  /// From the first pool that has what is wanted, free or to be shared: all addresses come from one pool. When there is no
  /// pool for both families and one is enough: the first pool with the primary family, else the first with the other.
  /// Pools with a serviceAllocation are asked first and by themselves: what they give, though of one family, is taken.
  Answer assign(std::span<const std::size_t> candidates, const Wanted& wanted, const User& user);
  /// One more address from this very pool.
  std::optional<Ip> assign_from(std::size_t pool, Family family, const User& user);

  /// Addresses of a valid pool in use: [0] IPv4, [1] IPv6. One that is shared counts once.
  std::array<std::int64_t, 2> assigned(std::size_t pool) const { return state_[pool].assigned; }

 private:
  /// Kept only where the first user is ready to share.
  struct Shared {
    std::vector<User> others;
    std::unordered_map<std::uint32_t, const kube::Service*> ports;
  };
  struct Use {
    User first;                        // no service: held down, or blocked
    const kube::Name* last = nullptr;  // of one that is held down
    std::unique_ptr<Shared> shared;
  };
  /// Addresses of one pool and family that are used with one key, one kind of backends and (where it matters) one
  /// namespace.
  struct Group {
    /// What is known for one set of ports. An address that has no room for it has none until something is released.
    struct Fitting {
      std::size_t seen = 0;  // of `spots`
      std::set<Spot> spots;
    };
    std::vector<Spot> spots;  // in the order of taking
    std::map<std::vector<std::uint32_t>, Fitting> by_ports;
  };
  using GroupKey = std::tuple<std::size_t, Family, std::string_view, std::string_view, std::string_view>;
  struct PoolState {
    std::array<FirstFree, 2> free;
    std::array<std::int64_t, 2> assigned{};
  };

  FirstFree& free_of(std::size_t pool, Family family);
  GroupKey group_of(std::size_t pool, Family family, const User& user) const;
  std::optional<Given> assign_among(std::span<const std::size_t> candidates, const Wanted& wanted, const User& user);
  std::optional<Spot> find(std::size_t pool, Family family, const User& user);
  std::optional<Spot> find_shared(std::size_t pool, Family family, const User& user);

  const Pools& pools_;
  std::vector<PoolState> state_;
  std::vector<std::size_t> pinned_;    // autoAssign with a serviceAllocation, in order of choice
  std::vector<std::size_t> unpinned_;  // autoAssign without
  std::unordered_map<Ip, Use> used_;
  std::map<GroupKey, Group> groups_;
};

/// Who uses what, where nothing is shared.
using Users = std::unordered_map<Ip, const kube::Service*>;

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
