#include "proto/api/objects.h"

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

namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

ParsedRange parse_range(std::string_view whole) {
  const std::string quoted = "\"" + std::string(whole) + "\"";
  const std::string_view text = trim(whole);
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    const auto first = parse_ip(trim(text.substr(0, dash)));
    const auto last = parse_ip(trim(text.substr(dash + 1)));
    if (!first || !last) return quoted + " is not a range: write it as FIRST-LAST with two addresses";
    if (first->family() != last->family()) return quoted + " mixes IPv4 and IPv6: write one range for each family";
    if (*last < *first) return quoted + " ends before it starts: swap the two addresses";
    return IpRange{*first, *last};
  }
  if (const auto prefix = parse_prefix(text); prefix && parse_ip(text.substr(0, text.find('/')))) {
    if (text != whole) return quoted + " has blanks around it: remove them";
    return prefix->range();
  }
  if (const auto ip = parse_ip(text)) {
    return quoted + " is a bare address: write " + Prefix::host(*ip).str();
  }
  return quoted + " is neither a prefix like 192.0.2.0/28 nor a range like 192.0.2.5-192.0.2.9";
}

}  // namespace fairlead::api
