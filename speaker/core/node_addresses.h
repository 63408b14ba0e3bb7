#pragma once
/// On which addresses of this node NodePorts answer (`--nodeport-addresses`, kube-proxy's rules). Pure.
#include <vector>

#include "proto/net/prefix.h"

namespace fairlead::speaker {

/// The flag: the word `primary`, or prefixes, or both.
struct NodePortAddresses {
  bool is_primary = true;       // the Node's first address of each family
  std::vector<Prefix> within;   // this host's addresses in here
  bool operator==(const NodePortAddresses&) const = default;
};

struct AcceptedAddresses {
  std::vector<Ip> addresses;  // sorted, unique, never a loopback address
  bool everywhere4 = false;   // every address of this host in this family, loopback excepted
  bool everywhere6 = false;
  bool operator==(const AcceptedAddresses&) const = default;
};

/// Each family by itself: a zero prefix means every address; so does no prefix of the family at all, even where the other
/// family has some, unless `primary` stands for it. `primary` is the Node's addresses, best first; `own` this host's.
AcceptedAddresses accepted_addresses(const NodePortAddresses& flag, const std::vector<Ip>& primary, const std::vector<Ip>& own);

}  // namespace fairlead::speaker
