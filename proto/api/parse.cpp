#include "proto/api/parse.h"

#include <algorithm>
#include <span>

#include "proto/api/documents.h"
#include "proto/kube/common.h"
#include "proto/kube/parse.h"

namespace fairlead::api {
namespace {

using kube::Field;
using kube::FieldError;

ServiceAllocation read_allocation(const Field& field) {
  ServiceAllocation out;
  out.priority = static_cast<int>(field["priority"].number("a priority", INT32_MIN, INT32_MAX, 0));
  const Field namespaces = field["namespaces"];
  namespaces.each([&](const Field& item) {
    std::string ns = item.text();
    if (std::find(out.namespaces.begin(), out.namespaces.end(), ns) != out.namespaces.end()) {
      item.refuse(item.shown() + " is there twice: remove one of the two");
    }
    out.namespaces.push_back(std::move(ns));
  });
  out.namespace_selectors = kube::read_selectors(field["namespaceSelectors"]);
  out.service_selectors = kube::read_selectors(field["serviceSelectors"]);
  return out;
}

IPAddressPool read_pool(const Field& object, Group group) {
  IPAddressPool out;
  out.meta = kube::read_meta(object, kube::Scope::namespaced);
  const Field spec = object["spec"];
  const Field addresses = spec["addresses"];
  addresses.each([&](const Field& item) {
    const std::string text = item.text();
    if (!item.is_text()) {
      item.refuse("is empty: write a prefix or a range");
      return;
    }
    const ParsedRange range = parse_range(text);
    if (const auto* const sentence = std::get_if<std::string>(&range)) item.refuse(*sentence);
    else out.addresses.push_back(std::get<IpRange>(range));
  });
  if (out.addresses.empty()) addresses.refuse("is missing or empty: list at least one prefix or range");
  out.auto_assign = spec["autoAssign"].boolean(true);
  out.avoid_buggy_ips = spec["avoidBuggyIPs"].boolean(false);
  const Field allocation = spec["serviceAllocation"];
  if (allocation.is_present()) out.service_allocation = read_allocation(allocation);
  out.allow_cross_namespace_sharing =
      group == Group::metallb || spec["allowCrossNamespaceSharing"].boolean(false);
  return out;
}

L2Advertisement read_advertisement(const Field& object) {
  L2Advertisement out;
  out.meta = kube::read_meta(object, kube::Scope::namespaced);
  const Field spec = object["spec"];
  out.pools = kube::read_texts(spec["ipAddressPools"]);
  out.pool_selectors = kube::read_selectors(spec["ipAddressPoolSelectors"]);
  out.node_selectors = kube::read_selectors(spec["nodeSelectors"]);
  out.service_selectors = kube::read_selectors(spec["serviceSelectors"]);
  out.interfaces = kube::read_texts(spec["interfaces"]);
  const Field preferred = spec["preferredNodeSelectors"];
  preferred.each([&](const Field& item) {
    const Field weight = item["weight"];
    const Field nodes = item["preference"];
    if (!weight.is_present()) weight.refuse("is missing: write a number from 1 to 100");
    if (!nodes.is_present()) nodes.refuse("is missing: write a selector, or {} for every node");
    out.preferred_nodes.push_back(
        {static_cast<int>(weight.number("a weight", 1, 100, 1)), kube::read_selector(nodes)});
  });
  return out;
}

/// An entry that lacks its address says nothing.
AddressRecord read_address_record(const Field& object) {
  constexpr std::int64_t kMost = INT64_MAX;
  AddressRecord out;
  out.meta = kube::read_meta(object, kube::Scope::namespaced);
  const Field status = object["status"];
  const Field asked = status["asked"];
  asked.each([&](const Field& item) {
    if (const auto address = item["address"].ip()) out.notes.asked.push_back({*address, item["id"].number("an id", 0, kMost, 0)});
  });
  const Field heard = status["heard"];
  heard.each([&](const Field& item) {
    const auto address = item["address"].ip();
    if (!address) return;
    out.notes.heard.push_back({*address, item["id"].number("an id", 0, kMost, 0), item["hardwareAddress"].text(), item["interface"].text()});
  });
  const Field held_down = status["heldDown"];
  held_down.each([&](const Field& item) {
    const auto address = item["address"].ip();
    const auto until = kube::parse_time(item["until"].text());
    if (!address || !until) return;
    out.notes.held_down.push_back({*address, item["serviceNamespace"].text(), item["serviceName"].text(), *until});
  });
  return out;
}

template <class T>
kube::Parsed<Object> widened(kube::Parsed<T> parsed) {
  if (auto* const error = std::get_if<FieldError>(&parsed)) return std::move(*error);
  return Object(std::get<T>(std::move(parsed)));
}

}  // namespace

kube::Parsed<IPAddressPool> parse_ip_address_pool(const kube::Json& object, Group group, IPAddressPool* partly) {
  const Group its = group_of_document(object, group);
  return kube::read_document<IPAddressPool>(object, [its](const Field& o) { return read_pool(o, its); }, partly);
}
kube::Parsed<L2Advertisement> parse_l2_advertisement(const kube::Json& object, L2Advertisement* partly) {
  return kube::read_document<L2Advertisement>(object, read_advertisement, partly);
}

kube::Parsed<AddressRecord> parse_address_record(const kube::Json& object) {
  return kube::read_document<AddressRecord>(object, read_address_record);
}

std::optional<Kind> kind_of(std::string_view api_version, std::string_view kind, Group group) {
  struct Row {
    std::string_view api_version;
    Kind kind;
  };
  static constexpr Row kAlways[] = {
      {"v1", Kind::service},    {"v1", Kind::node},
      {"v1", Kind::namespace_}, {"v1", Kind::secret},
      {"discovery.k8s.io/v1", Kind::endpoint_slice},
      {"networking.k8s.io/v1", Kind::service_cidr},
      {"fairlead.io/v1", Kind::address_record},
  };
  static constexpr Row kFairlead[] = {
      {"fairlead.io/v1", Kind::ip_address_pool},   {"fairlead.io/v1", Kind::l2_advertisement},
      {"fairlead.io/v1", Kind::bgp_advertisement}, {"fairlead.io/v1", Kind::bgp_peer},
      {"fairlead.io/v1", Kind::bfd_profile},       {"fairlead.io/v1", Kind::community},
  };
  // A cluster that moves from MetalLB keeps its objects; the shape is the same.
  static constexpr Row kMetallb[] = {
      {"metallb.io/v1beta1", Kind::ip_address_pool},   {"metallb.io/v1beta1", Kind::l2_advertisement},
      {"metallb.io/v1beta1", Kind::bgp_advertisement}, {"metallb.io/v1beta2", Kind::bgp_peer},
      {"metallb.io/v1beta1", Kind::bgp_peer},          {"metallb.io/v1beta1", Kind::bfd_profile},
      {"metallb.io/v1beta1", Kind::community},
  };
  const auto find = [&](std::span<const Row> rows) -> std::optional<Kind> {
    for (const Row& row : rows) {
      if (row.api_version == api_version && name(row.kind) == kind) return row.kind;
    }
    return std::nullopt;
  };
  if (const auto found = find(kAlways)) return found;
  if (const auto found = find(kMetallb)) return found;
  return group == Group::fairlead ? find(kFairlead) : std::nullopt;
}

kube::Parsed<Object> parse(Kind kind, const kube::Json& object, Group group, std::optional<Object>& partly) {
  const auto configured = [&]<class T>(T read, auto parse_it) {
    auto out = widened(parse_it(&read));
    if (std::holds_alternative<FieldError>(out)) partly = Object(std::move(read));
    return out;
  };
  switch (kind) {
    case Kind::service: return widened(kube::parse_service(object));
    case Kind::endpoint_slice: return widened(kube::parse_endpoint_slice(object));
    case Kind::node: return widened(kube::parse_node(object));
    case Kind::namespace_: return widened(kube::parse_namespace(object));
    case Kind::service_cidr: return widened(kube::parse_service_cidr(object));
    case Kind::ip_address_pool:
      return configured(IPAddressPool{}, [&](IPAddressPool* read) { return parse_ip_address_pool(object, group, read); });
    case Kind::l2_advertisement:
      return configured(L2Advertisement{}, [&](L2Advertisement* read) { return parse_l2_advertisement(object, read); });
    case Kind::bgp_advertisement:
      return configured(BGPAdvertisement{}, [&](BGPAdvertisement* read) { return parse_bgp_advertisement(object, group, read); });
    case Kind::bgp_peer: return configured(BGPPeer{}, [&](BGPPeer* read) { return parse_bgp_peer(object, read); });
    case Kind::bfd_profile: return configured(BFDProfile{}, [&](BFDProfile* read) { return parse_bfd_profile(object, read); });
    case Kind::community: return configured(Community{}, [&](Community* read) { return parse_community_object(object, read); });
    case Kind::secret: return widened(kube::parse_secret(object));
    case Kind::address_record: return widened(parse_address_record(object));
  }
  return FieldError{"kind", "is not known"};
}

kube::Parsed<Object> parse(Kind kind, const kube::Json& object, Group group) {
  std::optional<Object> partly;
  return parse(kind, object, group, partly);
}

}  // namespace fairlead::api
