#pragma once
/// The rules that hold between the fields of an object and between objects (reference MetalLB 1.9, design 4). What one
/// field may hold is judged where it is read, in parse.h. Pure; cheap enough to run on every change of a configuration.
///
/// Nothing is thrown away here: the caller decides what a violation stops. An object that could not be read is not in
/// the set but may be named in `refused`, so that whoever refers to it is not told that it does not exist.
#include <set>
#include <span>
#include <vector>

#include "proto/api/objects.h"
#include "proto/api/violation.h"

namespace fairlead::api {

/// The kinds of our group, and of MetalLB's: the configuration, which the rules are about.
bool is_configuration(Kind kind);

/// What speaks BGP, and so what a session can be asked for. The last three are MetalLB's.
enum class BgpType : std::uint8_t { bird, native, frr, frr_k8s };
std::string_view name(BgpType type);  // "bird", "native", "frr", "frr-k8s"
std::optional<BgpType> bgp_type_of(std::string_view name);
/// bird with our own group; frr-k8s, MetalLB's default, with its group.
inline BgpType default_bgp_type(Group group) { return group == Group::fairlead ? BgpType::bird : BgpType::frr_k8s; }

struct Rules {
  Group group = Group::fairlead;
  BgpType bgp = BgpType::bird;
  static Rules of(Group group) { return {group, default_bgp_type(group)}; }
};

/// All objects that are judged together.
struct ConfigSet {
  std::vector<IPAddressPool> pools;
  std::vector<L2Advertisement> l2_advertisements;
  std::vector<BGPAdvertisement> bgp_advertisements;
  std::vector<BGPPeer> peers;
  std::vector<BFDProfile> profiles;
  std::vector<Community> communities;
  std::vector<kube::Secret> secrets;
  std::vector<kube::Node> nodes;
  std::vector<kube::Namespace> namespaces;
  std::set<Key> refused;

  /// Kinds that no rule asks for are passed over.
  void add(Object object);
};

/// What decides about addresses: the controller's part. Pools, and the aliases of communities.
std::vector<Violation> validate_pools(const ConfigSet& set, const Rules& rules);
/// What decides about announcing on a segment.
std::vector<Violation> validate_l2(const ConfigSet& set, const Rules& rules);
/// Advertisements, peers, profiles, and the Secrets they name.
std::vector<Violation> validate_bgp(const ConfigSet& set, const Rules& rules);
/// All three, in this order.
std::vector<Violation> validate(const ConfigSet& set, const Rules& rules);

}  // namespace fairlead::api
