#include "proto/nft/element.h"

#include <cstring>

#include "proto/base/check.h"

namespace fairlead::nft {
namespace {

constexpr MapInfo kInfo[kMaps] = {
    {"pods4", 4, 0, ValueKind::none, KeyKind::interval},
    {"pods6", 16, 0, ValueKind::none, KeyKind::interval},
    {"pod_links", 16, 0, ValueKind::none, KeyKind::interval},
    {"hairpin4", 8, 0, ValueKind::none, KeyKind::exact},
    {"hairpin6", 32, 0, ValueKind::none, KeyKind::exact},
    {"endpoints4", 8, 8, ValueKind::bytes, KeyKind::exact},
    {"endpoints6", 8, 20, ValueKind::bytes, KeyKind::exact},
    {"classes", 4, 0, ValueKind::goto_chain, KeyKind::exact},
    {"resolved", 4, 0, ValueKind::goto_chain, KeyKind::exact},
    {"by_pod", 4, 4, ValueKind::bytes, KeyKind::exact},
    {"by_node", 4, 4, ValueKind::bytes, KeyKind::exact},
    {"by_other", 4, 4, ValueKind::bytes, KeyKind::exact},
    {"allowed4", 16, 0, ValueKind::none, KeyKind::box},
    {"allowed6", 40, 0, ValueKind::none, KeyKind::box},
    {"guarded4", 12, 0, ValueKind::none, KeyKind::exact},
    {"guarded6", 24, 0, ValueKind::none, KeyKind::exact},
    {"services4", 12, 4, ValueKind::bytes, KeyKind::exact},
    {"services6", 24, 4, ValueKind::bytes, KeyKind::exact},
    {"nodeports4", 8, 4, ValueKind::bytes, KeyKind::exact},
    {"nodeports6", 8, 4, ValueKind::bytes, KeyKind::exact},
    {"node_addresses4", 4, 0, ValueKind::none, KeyKind::exact},
    {"node_addresses6", 16, 0, ValueKind::none, KeyKind::exact},
    {"everywhere4", 4, 0, ValueKind::none, KeyKind::interval},
    {"everywhere6", 16, 0, ValueKind::none, KeyKind::interval},
    {"refused4", 4, 0, ValueKind::none, KeyKind::exact},
    {"refused6", 16, 0, ValueKind::none, KeyKind::exact},
    {"service_cidrs4", 4, 0, ValueKind::none, KeyKind::interval},
    {"service_cidrs6", 16, 0, ValueKind::none, KeyKind::interval},
    {"answering4", 4, 0, ValueKind::none, KeyKind::exact},
    {"answering6", 16, 0, ValueKind::none, KeyKind::exact},
};
constexpr std::size_t kLinkName = 16;  // IFNAMSIZ, padded with zeros

void put(std::string& out, const Ip& ip) {
  const auto o = ip.octets();
  out.append(reinterpret_cast<const char*>(o.data()), o.size());
}

void put(std::string& out, Port port) {
  out.push_back(static_cast<char>(port.value >> 8));
  out.push_back(static_cast<char>(port.value & 0xff));
  out.append(2, '\0');
}

void put(std::string& out, Protocol protocol) {
  out.push_back(static_cast<char>(protocol));
  out.append(3, '\0');
}

void put(std::string& out, std::uint32_t host_order) {
  char bytes[4];
  std::memcpy(bytes, &host_order, sizeof bytes);
  out.append(bytes, sizeof bytes);
}

std::uint32_t number(std::string_view bytes) {
  FL_CHECK(bytes.size() >= 4, "a mark has four bytes");
  std::uint32_t out = 0;
  std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

Map of_family(Family family, Map v4) {  // the IPv6 twin stands right behind
  return family == Family::v4 ? v4 : static_cast<Map>(static_cast<std::uint8_t>(v4) + 1);
}

std::string key_of(const Ip& ip) {
  std::string key;
  put(key, ip);
  return key;
}

Element interval(Map v4, const IpRange& range) {
  Element out{{of_family(range.first.family(), v4), key_of(range.first)}, {}};
  put(out.key.bytes, range.last);
  return out;
}

std::string key_of(const Ip& ip, Protocol protocol, Port port) {
  std::string key = key_of(ip);
  put(key, protocol);
  put(key, port);
  return key;
}

template <std::size_t N>
Ip ip_from(std::string_view bytes) {
  using A = std::conditional_t<N == 4, Ip4, Ip6>;
  A address;
  std::memcpy(address.octets.data(), bytes.data(), N);
  return address;
}

}  // namespace

const MapInfo& info(Map map) { return kInfo[static_cast<std::size_t>(map)]; }

Element frontend(const Ip& ip, Protocol protocol, Port port, Handle handle) {
  Element out{{of_family(ip.family(), Map::services4), key_of(ip, protocol, port)}, {}};
  put(out.value, handle.raw);
  return out;
}

Element node_port(Family family, Protocol protocol, Port port, Handle handle) {
  Element out{{of_family(family, Map::nodeports4), {}}, {}};
  put(out.key.bytes, protocol);
  put(out.key.bytes, port);
  put(out.value, handle.raw);
  return out;
}

Element endpoint(ListId id, std::uint32_t index, const Ip& ip, Port port) {
  Element out{{of_family(ip.family(), Map::endpoints4), {}}, {}};
  put(out.key.bytes, id.bits());
  put(out.key.bytes, index);
  put(out.value, ip);
  put(out.value, port);
  return out;
}

Element by_source(Map map, ListId id, Handle handle) {
  Element out{{map, {}}, {}};
  put(out.key.bytes, id.bits());
  put(out.value, handle.raw);
  return out;
}

Element spread_class(Map map, ClassNo cls, std::string_view chain) {
  Element out{{map, {}}, std::string(chain)};
  put(out.key.bytes, std::uint32_t{cls.value});
  return out;
}

Element hairpin(const Ip& pod) {
  Element out{{of_family(pod.family(), Map::hairpin4), key_of(pod)}, {}};
  put(out.key.bytes, pod);
  return out;
}

Element pod_link(std::string_view name, bool is_beginning) {
  FL_CHECK(name.size() < kLinkName, "a link's name has at most 15 characters");
  std::string first(name);
  std::string last = first;
  first.resize(kLinkName, '\0');
  last.resize(kLinkName, is_beginning ? '\xff' : '\0');
  return {{Map::pod_links, first + last}, {}};
}

Element guarded(const Ip& ip, Protocol protocol, Port port) {
  return {{of_family(ip.family(), Map::guarded4), key_of(ip, protocol, port)}, {}};
}

Element allowed(const Ip& ip, Protocol protocol, Port port, const Prefix& source) {
  FL_CHECK(ip.family() == source.base.family(), "a source is of its frontend's family");
  const std::string frontend = key_of(ip, protocol, port);
  const IpRange range = source.range();
  return {{of_family(ip.family(), Map::allowed4), frontend + key_of(range.first) + frontend + key_of(range.last)}, {}};
}

std::vector<Element> everywhere(Family family) {
  const auto range = [](const Ip& first, const Ip& last) { return interval(Map::everywhere4, {first, last}); };
  if (family == Family::v4) return {range(Ip4::of(0), Ip4::of(0x7effffff)), range(Ip4::of(0x80000000), Ip4::of(0xffffffff))};
  Ip6 two;
  two.octets.back() = 2;
  return {range(Ip6{}, Ip6{}), range(two, Prefix{Ip6{}, 0}.range().last)};  // all but ::1
}

std::optional<ElementKey> guarded_frontend(const ElementKey& key) {
  switch (key.map) {
    case Map::guarded4:
    case Map::allowed4: return ElementKey{Map::services4, key.bytes.substr(0, info(Map::services4).key_size)};
    case Map::guarded6:
    case Map::allowed6: return ElementKey{Map::services6, key.bytes.substr(0, info(Map::services6).key_size)};
    default: return std::nullopt;
  }
}

ElementKey guard_of(const ElementKey& key) {
  const Map map = key.map == Map::allowed4 ? Map::guarded4 : Map::guarded6;
  return {map, key.bytes.substr(0, info(map).key_size)};
}

Element local_pods(const Prefix& prefix) { return interval(Map::pods4, prefix.range()); }
Element service_cidr(const Prefix& prefix) { return interval(Map::service_cidrs4, prefix.range()); }
Element node_address(const Ip& ip) { return {{of_family(ip.family(), Map::node_addresses4), key_of(ip)}, {}}; }
Element refused(const Ip& ip) { return {{of_family(ip.family(), Map::refused4), key_of(ip)}, {}}; }
Element answering(const Ip& ip) { return {{of_family(ip.family(), Map::answering4), key_of(ip)}, {}}; }

EndpointSlot endpoint_slot(const ElementKey& key) {
  FL_CHECK(key.bytes.size() == 8, "a key of endpoints4/6 has eight bytes");
  return {ListId{number(key.bytes) >> 12}, number(std::string_view(key.bytes).substr(4))};
}

EndpointTarget endpoint_target(const Element& element) {
  const std::string_view v = element.value;
  FL_CHECK(v.size() == info(element.key.map).value_size, "an endpoint's value has the size of its map");
  const std::size_t at = v.size() - 4;
  const auto port = static_cast<std::uint16_t>(static_cast<unsigned char>(v[at]) << 8 | static_cast<unsigned char>(v[at + 1]));
  return {at == 4 ? ip_from<4>(v) : ip_from<16>(v), Port{port}};
}

Handle handle_of(std::string_view value) { return Handle{number(value)}; }

std::string describe(const ElementKey& key) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = info(key.map).name;
  out += ' ';
  const std::string_view b = key.bytes;
  const auto tail = [&](std::size_t at) {
    const auto port = static_cast<unsigned char>(b[at + 4]) << 8 | static_cast<unsigned char>(b[at + 5]);
    return " " + std::string(name(static_cast<Protocol>(b[at]))) + " " + std::to_string(port);
  };
  switch (key.map) {
    case Map::services4:
    case Map::guarded4: return out + ip_from<4>(b).str() + tail(4);
    case Map::services6:
    case Map::guarded6: return out + ip_from<16>(b).str() + tail(16);
    case Map::allowed4: return out + ip_from<4>(b).str() + tail(4) + " from " + ip_from<4>(b.substr(12)).str();
    case Map::allowed6: return out + ip_from<16>(b).str() + tail(16) + " from " + ip_from<16>(b.substr(24)).str();
    case Map::pod_links: return out + std::string(b.substr(0, b.find('\0')));
    case Map::nodeports4:
    case Map::nodeports6: return out + tail(0).substr(1);
    case Map::endpoints4:
    case Map::endpoints6: {
      const EndpointSlot slot = endpoint_slot(key);
      return out + std::to_string(slot.id.value) + "." + std::to_string(slot.index);
    }
    default: break;
  }
  if (b.size() % 4 == 0 && info(key.map).key_size % 16 == 0) return out + ip_from<16>(b).str();
  const bool is_number = key.map >= Map::classes && key.map <= Map::by_other;
  if (!is_number) return out + ip_from<4>(b).str();
  for (const char c : b) {
    out += kHex[static_cast<unsigned char>(c) >> 4];
    out += kHex[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

}  // namespace fairlead::nft
