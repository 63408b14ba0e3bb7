#include "proto/api/objects.h"

#include "proto/base/text.h"

namespace fairlead::api {

std::string_view name(Group group) { return group == Group::metallb ? "metallb.io" : kGroup; }

std::optional<Group> group_of(std::string_view text) {
  for (const Group group : {Group::fairlead, Group::metallb}) {
    if (name(group) == text) return group;
  }
  return std::nullopt;
}

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::service: return "Service";
    case Kind::endpoint_slice: return "EndpointSlice";
    case Kind::node: return "Node";
    case Kind::namespace_: return "Namespace";
    case Kind::service_cidr: return "ServiceCIDR";
    case Kind::ip_address_pool: return "IPAddressPool";
    case Kind::l2_advertisement: return "L2Advertisement";
    case Kind::bgp_advertisement: return "BGPAdvertisement";
    case Kind::bgp_peer: return "BGPPeer";
    case Kind::bfd_profile: return "BFDProfile";
    case Kind::community: return "Community";
    case Kind::secret: return "Secret";
    case Kind::address_record: return "AddressRecord";
  }
  return "unknown";
}

std::optional<Kind> kind_of_name(std::string_view text) {
  for (std::size_t i = 0; i < kKinds; ++i) {
    if (name(static_cast<Kind>(i)) == text) return static_cast<Kind>(i);
  }
  return std::nullopt;
}

const kube::Meta& meta_of(const Object& object) {
  return std::visit([](const auto& o) -> const kube::Meta& { return o.meta; }, object);
}

Key key_of(const Object& object) {
  const kube::Meta& meta = meta_of(object);
  return Key{kind_of(object), kube::Name{meta.ns, meta.name}};
}

ParsedRange parse_range(std::string_view whole) {
  const std::string quoted = "\"" + std::string(whole) + "\"";
  const std::string_view text = trim(whole);
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    const auto from = parse_ip(trim(text.substr(0, dash)));
    const auto to = parse_ip(trim(text.substr(dash + 1)));
    if (!from || !to) return quoted + " is not a range: write it as FIRST-LAST with two addresses";
    const Ip first = unmapped(*from);
    const Ip last = unmapped(*to);
    if (first.family() != last.family()) return quoted + " mixes IPv4 and IPv6: write one range for each family";
    if (last < first) return quoted + " ends before it starts: swap the two addresses";
    return IpRange{first, last};
  }
  if (const auto prefix = parse_prefix(text); prefix && parse_ip(text.substr(0, text.find('/')))) {
    if (text != whole) return quoted + " has blanks around it: remove them";
    return unmapped(*prefix).range();
  }
  if (const auto ip = parse_ip(text)) {
    return quoted + " is a bare address: write " + Prefix::host(*ip).str();
  }
  return quoted + " is neither a prefix like 192.0.2.0/28 nor a range like 192.0.2.5-192.0.2.9";
}

}  // namespace fairlead::api
