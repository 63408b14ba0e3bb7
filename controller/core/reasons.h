#pragma once
/// Every "no" of the controller, and every change it makes, has a name here. The same value is the reason of an Event
/// (name(), CamelCase, several share one as users know them from MetalLB), the label of a metric and of a log line
/// (label(), snake_case, unique), and what a test asserts. Pure.
#include <cstdint>
#include <string_view>

namespace fairlead::controller::core {

enum class Reason : std::uint8_t {
  // A Service got something.
  ip_allocated,
  // A Service loses an address that its status shows.
  address_in_no_pool,
  address_kept,         // this one keeps it, and the other one that showed it gives it up
  address_taken,        // another Service, older or named first, shows it too
  address_avoided,      // ends in .0 or .255 and the pool has avoidBuggyIPs
  pool_does_not_serve,  // serviceAllocation has changed, or the Service's labels
  family_not_wanted,    // the Service has no cluster address of this family (any more), or shows two of it
  addresses_in_two_pools,
  dual_stack_incomplete,  // RequireDualStack: one family alone is not kept
  // A Service has to wait for an external address.
  no_pool,
  no_pool_serves,
  no_pool_of_family,
  pools_exhausted,
  additional_family_missing,  // PreferDualStack: it has one family and would take the other
  no_cluster_ip,
  not_enough_cluster_ips,
  // A Service has to wait for a cluster address or a node port (folder mode).
  cluster_ip_taken,
  cluster_ips_exhausted,
  no_service_cidr,
  node_port_taken,
  node_ports_exhausted,
  // A pool is refused.
  pool_without_addresses,
  pool_duplicate_name,
  pool_duplicate_namespace,
  pool_duplicate_selector,
  pool_contains_node,
  pool_overlaps_itself,
  pool_overlaps_other,
};

/// For Events.
constexpr std::string_view name(Reason reason) {
  switch (reason) {
    case Reason::ip_allocated:
      return "IPAllocated";
    case Reason::address_kept:
      return "AddressConflict";
    case Reason::address_in_no_pool:
    case Reason::address_taken:
    case Reason::address_avoided:
    case Reason::pool_does_not_serve:
    case Reason::family_not_wanted:
    case Reason::addresses_in_two_pools:
    case Reason::dual_stack_incomplete:
      return "ClearAssignment";
    case Reason::no_pool:
    case Reason::no_pool_serves:
    case Reason::no_pool_of_family:
    case Reason::pools_exhausted:
      return "AllocationFailed";
    case Reason::additional_family_missing:
      return "AdditionalAssignFailed";
    case Reason::no_cluster_ip:
      return "NoClusterIP";
    case Reason::not_enough_cluster_ips:
      return "NotEnoughClusterIPs";
    case Reason::cluster_ip_taken:
    case Reason::cluster_ips_exhausted:
    case Reason::no_service_cidr:
      return "ClusterIPAllocationFailed";
    case Reason::node_port_taken:
    case Reason::node_ports_exhausted:
      return "NodePortAllocationFailed";
    case Reason::pool_without_addresses:
    case Reason::pool_duplicate_name:
    case Reason::pool_duplicate_namespace:
    case Reason::pool_duplicate_selector:
    case Reason::pool_contains_node:
    case Reason::pool_overlaps_itself:
    case Reason::pool_overlaps_other:
      return "PoolInvalid";
  }
  return "Unknown";
}

/// For metrics and logs.
constexpr std::string_view label(Reason reason) {
  switch (reason) {
    case Reason::ip_allocated:
      return "ip_allocated";
    case Reason::address_in_no_pool:
      return "address_in_no_pool";
    case Reason::address_kept:
      return "address_kept";
    case Reason::address_taken:
      return "address_taken";
    case Reason::address_avoided:
      return "address_avoided";
    case Reason::pool_does_not_serve:
      return "pool_does_not_serve";
    case Reason::family_not_wanted:
      return "family_not_wanted";
    case Reason::addresses_in_two_pools:
      return "addresses_in_two_pools";
    case Reason::dual_stack_incomplete:
      return "dual_stack_incomplete";
    case Reason::no_pool:
      return "no_pool";
    case Reason::no_pool_serves:
      return "no_pool_serves";
    case Reason::no_pool_of_family:
      return "no_pool_of_family";
    case Reason::pools_exhausted:
      return "pools_exhausted";
    case Reason::additional_family_missing:
      return "additional_family_missing";
    case Reason::no_cluster_ip:
      return "no_cluster_ip";
    case Reason::not_enough_cluster_ips:
      return "not_enough_cluster_ips";
    case Reason::cluster_ip_taken:
      return "cluster_ip_taken";
    case Reason::cluster_ips_exhausted:
      return "cluster_ips_exhausted";
    case Reason::no_service_cidr:
      return "no_service_cidr";
    case Reason::node_port_taken:
      return "node_port_taken";
    case Reason::node_ports_exhausted:
      return "node_ports_exhausted";
    case Reason::pool_without_addresses:
      return "pool_without_addresses";
    case Reason::pool_duplicate_name:
      return "pool_duplicate_name";
    case Reason::pool_duplicate_namespace:
      return "pool_duplicate_namespace";
    case Reason::pool_duplicate_selector:
      return "pool_duplicate_selector";
    case Reason::pool_contains_node:
      return "pool_contains_node";
    case Reason::pool_overlaps_itself:
      return "pool_overlaps_itself";
    case Reason::pool_overlaps_other:
      return "pool_overlaps_other";
  }
  return "unknown";
}

/// What works as asked is Normal, what a user has to act upon is a Warning. Losing an address is Normal, as in MetalLB:
/// the Warning comes when there is no other.
constexpr bool is_warning(Reason reason) {
  return reason > Reason::dual_stack_incomplete && reason != Reason::additional_family_missing;
}

}  // namespace fairlead::controller::core
