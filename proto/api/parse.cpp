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

template <class T>
kube::Parsed<Object> widened(kube::Parsed<T> parsed) {
  if (auto* const error = std::get_if<FieldError>(&parsed)) return std::move(*error);
  return Object(std::get<T>(std::move(parsed)));
}

}  // namespace

kube::Parsed<IPAddressPool> parse_ip_address_pool(const kube::Json& object, Group group) {
  const Group its = group_of_document(object, group);
  return kube::read_document<IPAddressPool>(object, [its](const Field& o) { return read_pool(o, its); });
}
kube::Parsed<L2Advertisement> parse_l2_advertisement(const kube::Json& object) {
  return kube::read_document<L2Advertisement>(object, read_advertisement);
}

std::optional<Kind> kind_of(std::string_view api_version, std::string_view kind, Group group) {
  struct Row {
    std::string_view api_version;
    Kind kind;
  };
  static constexpr Row kKubernetes[] = {
      {"v1", Kind::service},    {"v1", Kind::node},
      {"v1", Kind::namespace_}, {"v1", Kind::secret},
      {"discovery.k8s.io/v1", Kind::endpoint_slice},
      {"networking.k8s.io/v1", Kind::service_cidr},
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
  if (const auto found = find(kKubernetes)) return found;
  if (const auto found = find(kMetallb)) return found;
  return group == Group::fairlead ? find(kFairlead) : std::nullopt;
}

kube::Parsed<Object> parse(Kind kind, const kube::Json& object, Group group) {
  switch (kind) {
    case Kind::service: return widened(kube::parse_service(object));
    case Kind::endpoint_slice: return widened(kube::parse_endpoint_slice(object));
    case Kind::node: return widened(kube::parse_node(object));
    case Kind::namespace_: return widened(kube::parse_namespace(object));
    case Kind::service_cidr: return widened(kube::parse_service_cidr(object));
    case Kind::ip_address_pool: return widened(parse_ip_address_pool(object, group));
    case Kind::l2_advertisement: return widened(parse_l2_advertisement(object));
    case Kind::bgp_advertisement: return widened(parse_bgp_advertisement(object, group));
    case Kind::bgp_peer: return widened(parse_bgp_peer(object));
    case Kind::bfd_profile: return widened(parse_bfd_profile(object));
    case Kind::community: return widened(parse_community_object(object));
    case Kind::secret: return widened(kube::parse_secret(object));
  }
  return FieldError{"kind", "is not known"};
}

}  // namespace fairlead::api
