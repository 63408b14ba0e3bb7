#pragma once
/// The elements of our table's maps and sets as plain bytes, exactly as the kernel's registers hold them: every part of a
/// key padded to four bytes, addresses and ports in network order, marks and indexes in host order.
/// An element of an interval set is one value here (first and last key); the codec splits it. Pure.
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/strong.h"
#include "proto/net/ip.h"
#include "proto/net/prefix.h"
#include "proto/nft/handle.h"

namespace fairlead::nft {

/// The maps and sets of the template, in the order in which a fill must add them: what is pointed at comes first.
enum class Map : std::uint8_t {
  pods4, pods6, pod_links,           // sources that count as local pods: addresses, or links
  hairpin4, hairpin6,                // (pod . pod) for each endpoint on this node
  endpoints4, endpoints6,            // list id . index -> address . port
  classes, resolved,                 // class -> goto chain
  by_pod, by_node, by_other,         // list id -> handle, by the source's class
  allowed4, allowed6,                // address . protocol . port . source: who may ask a guarded frontend
  guarded4, guarded6,                // address . protocol . port: frontends with source ranges
  services4, services6,              // address . protocol . port -> handle
  nodeports4, nodeports6,            // protocol . port -> handle
  node_addresses4, node_addresses6,  // where NodePorts answer
  everywhere4, everywhere6,          // ... as far as the host has them: all addresses but loopback, or none
  refused4, refused6,                // addresses whose unused ports are refused
  service_cidrs4, service_cidrs6,    // the rest of these is dropped
  answering4, answering6,            // VIPs that answer ping
};
inline constexpr std::size_t kMaps = 30;

enum class KeyKind : std::uint8_t {
  exact,
  interval,  // from one address (or name) to another
  box,       // a concatenation with an interval in each part
};
enum class ValueKind : std::uint8_t { none, bytes, goto_chain };

struct MapInfo {
  const char* name;
  std::uint8_t key_size;    // of an interval or a box: of one end
  std::uint8_t value_size;  // of ValueKind::bytes
  ValueKind value_kind;
  KeyKind key_kind;
  bool has_two_ends() const { return key_kind != KeyKind::exact; }
};
const MapInfo& info(Map map);

/// Names one element. `bytes` is the key; for intervals and boxes the first and the last one, both inclusive.
struct ElementKey {
  Map map = Map::pods4;
  std::string bytes;
  auto operator<=>(const ElementKey&) const = default;
};

struct Element {
  ElementKey key;
  std::string value;  // raw bytes, or the chain's name, or empty
  auto operator<=>(const Element&) const = default;
};

// --- builders: one for each map, so that sizes and byte order live here only ---

Element frontend(const Ip& ip, Protocol protocol, Port port, Handle handle);
Element node_port(Family family, Protocol protocol, Port port, Handle handle);
Element endpoint(ListId id, std::uint32_t index, const Ip& ip, Port port);
/// `map` is by_pod, by_node or by_other.
Element by_source(Map map, ListId id, Handle handle);
Element spread_class(Map map, ClassNo cls, std::string_view chain);
Element hairpin(const Ip& pod);
Element local_pods(const Prefix& prefix);
/// The link of this name, or all whose names begin with it.
Element pod_link(std::string_view name, bool is_beginning);
Element guarded(const Ip& ip, Protocol protocol, Port port);
Element allowed(const Ip& ip, Protocol protocol, Port port, const Prefix& source);
Element node_address(const Ip& ip);
/// All addresses of a family but its loopback ones.
std::vector<Element> everywhere(Family family);
Element refused(const Ip& ip);
Element answering(const Ip& ip);
Element service_cidr(const Prefix& prefix);

// --- readers of what a dump brought ---

struct EndpointSlot {
  ListId id;
  std::uint32_t index;
  auto operator<=>(const EndpointSlot&) const = default;
};
/// For keys of endpoints4/6.
EndpointSlot endpoint_slot(const ElementKey& key);
/// For values of endpoints4/6.
struct EndpointTarget {
  Ip ip;
  Port port;
  auto operator<=>(const EndpointTarget&) const = default;
};
EndpointTarget endpoint_target(const Element& element);
/// For keys of guarded4/6 and allowed4/6: the frontend that they are about. Of all others: none.
std::optional<ElementKey> guarded_frontend(const ElementKey& key);
/// For keys of allowed4/6: the element of guarded4/6 that makes them count.
ElementKey guard_of(const ElementKey& key);
/// For values of services, nodeports and by_*.
Handle handle_of(std::string_view value);

/// "services4 10.96.0.1 TCP 80": for logs.
std::string describe(const ElementKey& key);

}  // namespace fairlead::nft

template <>
struct std::hash<fairlead::nft::ElementKey> {
  std::size_t operator()(const fairlead::nft::ElementKey& key) const noexcept {
    return std::hash<std::string>()(key.bytes) * 31 + static_cast<std::size_t>(key.map);
  }
};
