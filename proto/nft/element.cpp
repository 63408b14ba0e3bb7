#include "proto/nft/element.h"

#include <cstring>

#include "proto/base/check.h"

namespace fairlead::nft {
namespace {

constexpr MapInfo kInfo[kMaps] = {
    {"pods4", 4, 0, ValueKind::none, true},
    {"pods6", 16, 0, ValueKind::none, true},
    {"hairpin4", 8, 0, ValueKind::none, false},
    {"hairpin6", 32, 0, ValueKind::none, false},
    {"endpoints4", 8, 8, ValueKind::bytes, false},
    {"endpoints6", 8, 20, ValueKind::bytes, false},
    {"classes", 4, 0, ValueKind::goto_chain, false},
    {"resolved", 4, 0, ValueKind::goto_chain, false},
    {"by_pod", 4, 4, ValueKind::bytes, false},
    {"by_node", 4, 4, ValueKind::bytes, false},
    {"by_other", 4, 4, ValueKind::bytes, false},
    {"services4", 12, 4, ValueKind::bytes, false},
    {"services6", 24, 4, ValueKind::bytes, false},
    {"nodeports4", 8, 4, ValueKind::bytes, false},
    {"nodeports6", 8, 4, ValueKind::bytes, false},
    {"node_addresses4", 4, 0, ValueKind::none, false},
    {"node_addresses6", 16, 0, ValueKind::none, false},
    {"refused4", 4, 0, ValueKind::none, false},
    {"refused6", 16, 0, ValueKind::none, false},
    {"service_cidrs4", 4, 0, ValueKind::none, true},
    {"service_cidrs6", 16, 0, ValueKind::none, true},
    {"answering4", 4, 0, ValueKind::none, false},
    {"answering6", 16, 0, ValueKind::none, false},
};

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

Element interval(Map v4, const Prefix& prefix) {
  const IpRange range = prefix.range();
  Element out{{of_family(prefix.base.family(), v4), key_of(range.first)}, {}};
  put(out.key.bytes, range.last);
  return out;
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
  Element out{{of_family(ip.family(), Map::services4), key_of(ip)}, {}};
  put(out.key.bytes, protocol);
  put(out.key.bytes, port);
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

Element local_pods(const Prefix& prefix) { return interval(Map::pods4, prefix); }
Element service_cidr(const Prefix& prefix) { return interval(Map::service_cidrs4, prefix); }
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
    case Map::services4: return out + ip_from<4>(b).str() + tail(4);
    case Map::services6: return out + ip_from<16>(b).str() + tail(16);
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
