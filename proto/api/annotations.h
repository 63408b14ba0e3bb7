#pragma once
/// The annotations of a Service (reference MetalLB 2.1): their names, and the prefixes under which each is read; and the one
/// label of a Node that is Kubernetes' own word for "no traffic here". Pure.
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "proto/api/objects.h"

namespace fairlead::api {

/// In the order they are asked. The first that is there decides, even when its value is empty.
inline constexpr std::array<std::string_view, 3> kAnnotationPrefixes{"fairlead.io/", "metallb.io/",
                                                                     "metallb.universe.tf/"};
inline constexpr std::string_view kDeprecatedPrefix = kAnnotationPrefixes.back();

inline constexpr std::string_view kAddressPool = "address-pool";
inline constexpr std::string_view kLoadBalancerIps = "loadBalancerIPs";
inline constexpr std::string_view kAllowSharedIp = "allow-shared-ip";
inline constexpr std::string_view kAllocatedFromPool = "ip-allocated-from-pool";  // written by the controller

/// On a Node, with any value: it announces nothing.
inline constexpr std::string_view kExcludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers";

struct Annotation {
  std::string_view value;   // lives as long as the object
  std::string_view prefix;  // which of kAnnotationPrefixes it was found under
};
/// `name` without prefix; none when it is there under no prefix.
inline std::optional<Annotation> annotation(const kube::Meta& meta, std::string_view name) {
  for (const std::string_view prefix : kAnnotationPrefixes) {
    const auto found = meta.annotations.find(std::string(prefix) + std::string(name));
    if (found != meta.annotations.end()) return Annotation{found->second, prefix};
  }
  return std::nullopt;
}

/// The full key under which the controller writes: that of the group whose objects it reads.
inline std::string written_key(Group group, std::string_view name) {
  return std::string(api::name(group)) + "/" + std::string(name);
}

}  // namespace fairlead::api
