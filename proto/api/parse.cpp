#include "proto/api/parse.h"

#include <algorithm>

#include "proto/kube/common.h"
#include "proto/kube/parse.h"

namespace fairlead::api {
namespace {

using kube::Field;
using kube::FieldError;

ServiceAllocation read_allocation(const Field& field) {
  ServiceAllocation out;
  out.priority = static_cast<int>(field["priority"].number("a priority", 0, INT32_MAX, 0));
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

IPAddressPool read_pool(const Field& object) {
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
  return out;
}

template <class T>
kube::Parsed<Object> widened(kube::Parsed<T> parsed) {
  if (auto* const error = std::get_if<FieldError>(&parsed)) return std::move(*error);
  return Object(std::get<T>(std::move(parsed)));
}

}  // namespace

kube::Parsed<IPAddressPool> parse_ip_address_pool(const kube::Json& object) {
  return kube::read_document<IPAddressPool>(object, read_pool);
}
kube::Parsed<L2Advertisement> parse_l2_advertisement(const kube::Json& object) {
  return kube::read_document<L2Advertisement>(object, read_advertisement);
}

std::optional<Kind> kind_of(std::string_view api_version, std::string_view kind) {
  struct Row {
    std::string_view api_version;
    Kind kind;
  };
  static constexpr Row kRows[] = {
      {"v1", Kind::service},
      {"v1", Kind::node},
      {"v1", Kind::namespace_},
      {"discovery.k8s.io/v1", Kind::endpoint_slice},
      {"fairlead.io/v1", Kind::ip_address_pool},
      {"fairlead.io/v1", Kind::l2_advertisement},
      // A cluster that moves from MetalLB keeps its objects; the shape is the same.
      {"metallb.io/v1beta1", Kind::ip_address_pool},
      {"metallb.io/v1beta1", Kind::l2_advertisement},
  };
  for (const Row& row : kRows) {
    if (row.api_version == api_version && name(row.kind) == kind) return row.kind;
  }
  return std::nullopt;
}

kube::Parsed<Object> parse(Kind kind, const kube::Json& object) {
  switch (kind) {
    case Kind::service: return widened(kube::parse_service(object));
    case Kind::endpoint_slice: return widened(kube::parse_endpoint_slice(object));
    case Kind::node: return widened(kube::parse_node(object));
    case Kind::namespace_: return widened(kube::parse_namespace(object));
    case Kind::ip_address_pool: return widened(parse_ip_address_pool(object));
    case Kind::l2_advertisement: return widened(parse_l2_advertisement(object));
  }
  return FieldError{"kind", "is not known"};
}

}  // namespace fairlead::api
