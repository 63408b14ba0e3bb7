#pragma once
/// Which node announces which VIP of a Service, over which interfaces, and why not. Pure: every speaker computes the same
/// answer from the same objects and looks for its own name in it.
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/api/objects.h"
#include "speaker/core/liveness.h"

namespace fairlead::speaker {

/// What the decision is made of, beside the Service.
struct Cluster {
  std::map<kube::Name, api::IPAddressPool> pools;
  std::map<kube::Name, api::L2Advertisement> advertisements;
  std::map<std::string, kube::Node> nodes;
  std::map<std::string, kube::ServiceCIDR> service_cidrs;
};

enum class Reason {
  owner,              // announced by `node`
  not_in_a_pool,      // the address is in no pool of ours: somebody else's
  is_node_address,    // a Node has it: its kernel answers, and anybody else's answer would take the Node off the network
  no_advertisement,   // no L2Advertisement selects the pool and the Service
  no_eligible_node,   // advertised, but no node is alive, allowed, and (externalTrafficPolicy Local) has an endpoint
};
std::string_view name(Reason reason);

struct Announcement {
  Ip vip;
  Reason reason = Reason::owner;
  std::string node;                     // "" unless reason is owner
  std::vector<std::string> interfaces;  // sorted; empty: all
  kube::Name pool;                      // that the VIP is out of
  std::vector<kube::Name> advertisements;  // that select pool, Service and node
  // Of no_eligible_node: which Node has what against it, and what to do about it; and the Node whose speaker says so, as
  // one Event is enough.
  std::string what, teller;
  bool operator==(const Announcement&) const = default;
};

/// One answer for each address of status.loadBalancer.ingress; nothing for Services that are no LoadBalancer. The two
/// families of a Service have an owner each: an address is all that neighbours and Services that share one have in common.
std::vector<Announcement> announcements(const kube::Service& service, std::span<const kube::EndpointSlice* const> slices,
                                        const Cluster& cluster, const Liveness& liveness);

}  // namespace fairlead::speaker
