#pragma once
/// Every "no" of the controller, and every change it makes, has a name here. The same value is the reason of an Event
/// (name(), CamelCase, several share one as users know them from MetalLB), the label of a metric and of a log line
/// (label(), snake_case, unique), and what a test asserts. The sentences, and what to do about each, are the table
/// "Reasons" of controller/README.md, which a test compares with what is really said. Pure.
#include <array>
#include <cstdint>
#include <string_view>

namespace fairlead::controller::core {

enum class Reason : std::uint8_t {
  // A Service got something.
  ip_allocated,
  // A Service loses an address that its status shows.
  address_in_no_pool,
  address_kept,         // this one keeps it, and the other one that showed it gives it up
  address_taken,        // another Service has it and does not share it with this one
  address_avoided,      // ends in .0 or .255 and the pool has avoidBuggyIPs
  pool_does_not_serve,  // serviceAllocation has changed, or the Service's labels
  family_not_wanted,    // the Service has no cluster address of this family (any more), or shows two of it
  addresses_in_two_pools,
  dual_stack_incomplete,  // one of two addresses is lost, and the other one alone is not kept
  other_address_requested,
  other_pool_requested,
  no_families,  // metallb.io mode: without cluster addresses that say the families, nothing is kept
  // A Service has to wait for an external address: nothing is there to choose from.
  no_pool,
  no_auto_assign_pool,
  pools_refused,  // all of them
  no_pool_for_namespace,
  no_pool_for_labels,
  no_pool_of_family,
  pools_exhausted,
  additional_family_missing,  // PreferDualStack: it has one family and would take the other
  no_cluster_ip,
  not_enough_cluster_ips,
  // A Service has to wait for an external address: what it asks for cannot be had.
  request_invalid,
  request_ignored,  // invalid too, and it goes on with what it has
  request_family_mismatch,
  request_outside_pools,
  request_in_two_pools,
  request_not_in_pool,  // the addresses are not in the pool that is named
  request_avoided,
  pool_named_missing,
  pool_named_refused,
  pool_not_compatible,
  address_in_use,
  address_held_down,
  address_answered,  // a station that Kubernetes does not know of has it
  sharing_key_differs,
  sharing_ports_clash,
  sharing_backends_differ,
  sharing_across_namespaces,
  address_being_probed,  // for a moment: whether somebody has the address that it is to get
  // Said, and nothing waits for it.
  address_skipped,  // it got another one, as a station has this one
  deprecated_annotation,
  class_not_ours,
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
  pool_invalid,  // by another rule of proto/api/validate.h
  // metallb.io mode: the pools as a whole are refused, and what was valid before goes on.
  community_invalid,
  configuration_invalid,
  // An advertisement, a peer, a profile, a community: speakers refuse it, nothing of ours waits for it.
  object_invalid,
};
inline constexpr std::size_t kReasons = static_cast<std::size_t>(Reason::object_invalid) + 1;

/// What a user is told: nothing (a log line for who debugs), something that works as asked, or something to act upon.
enum class Tone : std::uint8_t { quiet, normal, warning };

struct ReasonText {
  Reason reason;
  std::string_view label;  // for metrics and logs
  std::string_view name;   // for Events
  Tone tone;
};

/// Losing an address is normal, as in MetalLB: the warning comes when there is no other.
inline constexpr std::array<ReasonText, kReasons> kReasonTexts{{
    {Reason::ip_allocated, "ip_allocated", "IPAllocated", Tone::normal},
    {Reason::address_in_no_pool, "address_in_no_pool", "ClearAssignment", Tone::normal},
    {Reason::address_kept, "address_kept", "AddressConflict", Tone::normal},
    {Reason::address_taken, "address_taken", "ClearAssignment", Tone::normal},
    {Reason::address_avoided, "address_avoided", "ClearAssignment", Tone::normal},
    {Reason::pool_does_not_serve, "pool_does_not_serve", "ClearAssignment", Tone::normal},
    {Reason::family_not_wanted, "family_not_wanted", "ClearAssignment", Tone::normal},
    {Reason::addresses_in_two_pools, "addresses_in_two_pools", "ClearAssignment", Tone::normal},
    {Reason::dual_stack_incomplete, "dual_stack_incomplete", "ClearAssignment", Tone::normal},
    {Reason::other_address_requested, "other_address_requested", "ClearAssignment", Tone::normal},
    {Reason::other_pool_requested, "other_pool_requested", "ClearAssignment", Tone::normal},
    {Reason::no_families, "no_families", "ClearAssignment", Tone::normal},
    {Reason::no_pool, "no_pool", "AllocationFailed", Tone::warning},
    {Reason::no_auto_assign_pool, "no_auto_assign_pool", "AllocationFailed", Tone::warning},
    {Reason::pools_refused, "pools_refused", "AllocationFailed", Tone::warning},
    {Reason::no_pool_for_namespace, "no_pool_for_namespace", "AllocationFailed", Tone::warning},
    {Reason::no_pool_for_labels, "no_pool_for_labels", "AllocationFailed", Tone::warning},
    {Reason::no_pool_of_family, "no_pool_of_family", "AllocationFailed", Tone::warning},
    {Reason::pools_exhausted, "pools_exhausted", "AllocationFailed", Tone::warning},
    {Reason::additional_family_missing, "additional_family_missing", "AdditionalAssignFailed", Tone::normal},
    {Reason::no_cluster_ip, "no_cluster_ip", "NoClusterIP", Tone::warning},
    {Reason::not_enough_cluster_ips, "not_enough_cluster_ips", "NotEnoughClusterIPs", Tone::warning},
    {Reason::request_invalid, "request_invalid", "AllocationFailed", Tone::warning},
    {Reason::request_ignored, "request_ignored", "LoadBalancerFailed", Tone::warning},
    {Reason::request_family_mismatch, "request_family_mismatch", "AllocationFailed", Tone::warning},
    {Reason::request_outside_pools, "request_outside_pools", "AllocationFailed", Tone::warning},
    {Reason::request_in_two_pools, "request_in_two_pools", "AllocationFailed", Tone::warning},
    {Reason::request_not_in_pool, "request_not_in_pool", "AllocationFailed", Tone::warning},
    {Reason::request_avoided, "request_avoided", "AllocationFailed", Tone::warning},
    {Reason::pool_named_missing, "pool_named_missing", "AllocationFailed", Tone::warning},
    {Reason::pool_named_refused, "pool_named_refused", "AllocationFailed", Tone::warning},
    {Reason::pool_not_compatible, "pool_not_compatible", "AllocationFailed", Tone::warning},
    {Reason::address_in_use, "address_in_use", "AllocationFailed", Tone::warning},
    {Reason::address_held_down, "address_held_down", "AllocationFailed", Tone::warning},
    {Reason::address_answered, "address_answered", "AllocationFailed", Tone::warning},
    {Reason::sharing_key_differs, "sharing_key_differs", "AllocationFailed", Tone::warning},
    {Reason::sharing_ports_clash, "sharing_ports_clash", "AllocationFailed", Tone::warning},
    {Reason::sharing_backends_differ, "sharing_backends_differ", "AllocationFailed", Tone::warning},
    {Reason::sharing_across_namespaces, "sharing_across_namespaces", "AllocationFailed", Tone::warning},
    {Reason::address_being_probed, "address_being_probed", "AddressBeingProbed", Tone::quiet},
    {Reason::address_skipped, "address_skipped", "AddressInUse", Tone::warning},
    {Reason::deprecated_annotation, "deprecated_annotation", "deprecatedAnnotation", Tone::warning},
    {Reason::class_not_ours, "class_not_ours", "ClassNotOurs", Tone::quiet},
    {Reason::cluster_ip_taken, "cluster_ip_taken", "ClusterIPAllocationFailed", Tone::warning},
    {Reason::cluster_ips_exhausted, "cluster_ips_exhausted", "ClusterIPAllocationFailed", Tone::warning},
    {Reason::no_service_cidr, "no_service_cidr", "ClusterIPAllocationFailed", Tone::warning},
    {Reason::node_port_taken, "node_port_taken", "NodePortAllocationFailed", Tone::warning},
    {Reason::node_ports_exhausted, "node_ports_exhausted", "NodePortAllocationFailed", Tone::warning},
    {Reason::pool_without_addresses, "pool_without_addresses", "PoolInvalid", Tone::warning},
    {Reason::pool_duplicate_name, "pool_duplicate_name", "PoolInvalid", Tone::warning},
    {Reason::pool_duplicate_namespace, "pool_duplicate_namespace", "PoolInvalid", Tone::warning},
    {Reason::pool_duplicate_selector, "pool_duplicate_selector", "PoolInvalid", Tone::warning},
    {Reason::pool_contains_node, "pool_contains_node", "PoolInvalid", Tone::warning},
    {Reason::pool_overlaps_itself, "pool_overlaps_itself", "PoolInvalid", Tone::warning},
    {Reason::pool_overlaps_other, "pool_overlaps_other", "PoolInvalid", Tone::warning},
    {Reason::pool_invalid, "pool_invalid", "PoolInvalid", Tone::warning},
    {Reason::community_invalid, "community_invalid", "CommunityInvalid", Tone::warning},
    {Reason::configuration_invalid, "configuration_invalid", "AllocationFailed", Tone::warning},
    {Reason::object_invalid, "object_invalid", "InvalidConfiguration", Tone::warning},
}};
static_assert([] {
  for (std::size_t i = 0; i < kReasons; ++i) {
    if (kReasonTexts[i].reason != static_cast<Reason>(i)) return false;
  }
  return true;
}(), "in the order of the enum");

constexpr const ReasonText& text(Reason reason) { return kReasonTexts[static_cast<std::size_t>(reason)]; }
constexpr std::string_view name(Reason reason) { return text(reason).name; }
constexpr std::string_view label(Reason reason) { return text(reason).label; }
constexpr bool is_warning(Reason reason) { return text(reason).tone == Tone::warning; }
constexpr bool is_quiet(Reason reason) { return text(reason).tone == Tone::quiet; }

}  // namespace fairlead::controller::core
