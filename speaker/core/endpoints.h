#pragma once
/// Which endpoints serve one port of a Service, seen from one node: KEP-1669 (terminating), KEP-2086 (internal traffic
/// policy), KEP-2433 and KEP-4444 (hints). Pure. The rules are those of kube-proxy, in this order:
///   cluster  the ready ones that pass the hints; if none is ready, those that still serve while terminating
///   local    the ready ones on this node; if there are none, those on this node that still serve while terminating
#include <span>
#include <vector>

#include "proto/kube/objects.h"
#include "proto/nft/element.h"
#include "speaker/core/facts.h"

namespace fairlead::speaker {

using Target = nft::EndpointTarget;

/// Ready, or serving while it terminates: somebody to send to, if nobody better is there.
inline bool can_serve(const kube::Endpoint& e) { return e.is_ready || (e.is_serving && e.is_terminating); }

struct Selection {
  std::vector<Target> cluster;  // sorted, no address twice
  std::vector<Target> local;
  std::vector<Ip> hairpin;      // endpoints that may be on this node: sorted
  bool has_any = false;         // somebody, somewhere, can serve: separates refusing from dropping
};

/// `slices` are those of the Service; ports are matched by name and protocol.
Selection select(const kube::ServicePort& port, Family family, std::span<const kube::EndpointSlice* const> slices,
                 const NodeFacts& node);

}  // namespace fairlead::speaker
