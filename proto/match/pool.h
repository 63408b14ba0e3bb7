#pragma once
/// Which Services a pool is for, which pools and nodes an advertisement selects, which nodes a peer is for. Pure; used by both sides.
#include <map>
#include <string>

#include "proto/api/objects.h"

namespace fairlead::match {

/// Namespace name -> its labels.
using Namespaces = std::map<std::string, kube::Labels, std::less<>>;

/// serviceAllocation against a Service (reference MetalLB 2.4): `namespaces` and `namespaceSelectors` are a union;
/// namespaces and service selectors, where both are given, must both match. No serviceAllocation: true.
bool pool_serves(const api::IPAddressPool& pool, const kube::Service& service, const Namespaces& namespaces);
/// The namespace's part of it alone.
bool pool_serves_namespace(const api::IPAddressPool& pool, const std::string& ns, const Namespaces& namespaces);

bool advertises_pool(const api::L2Advertisement& ad, const api::IPAddressPool& pool);
bool advertises_pool(const api::BGPAdvertisement& ad, const api::IPAddressPool& pool);
bool advertises_service(const api::L2Advertisement& ad, const kube::Service& service);
bool advertises_service(const api::BGPAdvertisement& ad, const kube::Service& service);
bool advertises_from(const api::L2Advertisement& ad, const kube::Node& node);
bool advertises_from(const api::BGPAdvertisement& ad, const kube::Node& node);
/// Whether the session is one of the node's.
bool peers_with(const kube::Node& node, const api::BGPPeer& peer);

}  // namespace fairlead::match
