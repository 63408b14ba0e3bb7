#pragma once
/// Builders for BGP's objects.
#include "speaker/core/bgp_peers.h"
#include "tests/support/builders.h"

namespace fairlead::test {

inline kube::Name own(std::string name) { return {"fairlead-system", std::move(name)}; }

inline api::BGPPeer bgp_peer(std::string name, std::string_view address = "10.0.0.254") {
  api::BGPPeer out;
  out.meta.ns = "fairlead-system";
  out.meta.name = std::move(name);
  out.my_asn = 65001;
  out.peer_asn = 65000;
  if (!address.empty()) out.peer_address = ip(address);
  return out;
}
inline api::BGPAdvertisement bgp_ad(std::string name) {
  api::BGPAdvertisement out;
  out.meta.ns = "fairlead-system";
  out.meta.name = std::move(name);
  return out;
}
inline api::BFDProfile bfd_profile(std::string name) {
  api::BFDProfile out;
  out.meta.ns = "fairlead-system";
  out.meta.name = std::move(name);
  return out;
}
inline kube::Secret bgp_secret(std::string name, std::string password) {
  kube::Secret out;
  out.meta.ns = "fairlead-system";
  out.meta.name = std::move(name);
  out.type = std::string(kube::kBasicAuth);
  out.password = std::move(password);
  return out;
}
inline api::Community alias(std::string name, std::string value) {
  api::Community out;
  out.meta.ns = "fairlead-system";
  out.meta.name = "community-" + name;
  out.communities = {{std::move(name), std::move(value)}};
  return out;
}

inline speaker::BgpNode bgp_node() {
  speaker::BgpNode out;
  out.name = "n1";
  out.labels = {{"rack", "1"}};
  out.addresses = ips({"10.0.0.1", "fd00::1"});
  out.connected = {prefix("10.0.0.0/24"), prefix("fd00::/64")};
  return out;
}

}  // namespace fairlead::test
