#pragma once
/// Objects that only tell: who announces a Service, whether the configuration is understood, what is known of addresses. Their
/// writer makes, changes and removes them (source.h). AddressRecords are Fairlead's, in both groups, and read by its programs;
/// the others are MetalLB's kinds, with MetalLB's fields (an API server refuses any other), and nobody of ours reads them back.
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/api/objects.h"

namespace fairlead::runtime {

/// In the order of StatusObject::status, and of urgency: somebody waits for an AddressRecord.
enum class StatusKind { address_record, service_l2_status, service_bgp_status, configuration_state };
inline constexpr std::size_t kStatusKinds = 4;

inline constexpr std::string_view name(StatusKind kind) {
  constexpr std::string_view kNames[kStatusKinds] = {"AddressRecord", "ServiceL2Status", "ServiceBGPStatus", "ConfigurationState"};
  return kNames[static_cast<std::size_t>(kind)];
}

/// Keys of labels, without the group in front.
inline constexpr const char* kNodeLabel = "node";                            // of the two ServiceStatuses
inline constexpr const char* kServiceNameLabel = "service-name";
inline constexpr const char* kServiceNamespaceLabel = "service-namespace";
inline constexpr const char* kComponentTypeLabel = "component-type";         // of ConfigurationState, AddressRecord
inline constexpr const char* kNodeNameLabel = "node-name";

/// Who answers for a Service's addresses by ARP and NDP. The first three never change under one name: the API server
/// refuses that, so the name is made of them.
struct L2Status {
  std::string node, service_name, service_namespace;
  std::vector<std::string> interfaces;  // empty: the advertisement does not limit them
  bool operator==(const L2Status&) const = default;
};

/// To which peers a node wants to announce a Service, whatever their sessions do. The first three as above.
struct BgpStatus {
  std::string node, service_name, service_namespace;
  std::vector<std::string> peers;  // names of BGPPeers, sorted
  bool operator==(const BgpStatus&) const = default;
};

/// The API server asks for a reason in CamelCase; when it became so is the time at which it is written.
struct StatusCondition {
  std::string type;    // "poolReconcilerValid"
  std::string status;  // "True", "False", "Unknown"
  std::string reason;  // "Reconciled", "ConfigurationError", "UnknownError"
  std::string message;
  bool operator==(const StatusCondition&) const = default;
};

/// What a program says of the whole configuration. Which program and which node is in the labels.
struct ConfigurationStatus {
  std::string result;         // "Valid", "Invalid", "Unknown"
  std::string error_summary;  // a line for each fault
  std::vector<StatusCondition> conditions;
  bool operator==(const ConfigurationStatus&) const = default;
};

struct StatusObject {
  std::string name;  // in the namespace of Fairlead's own objects; a DNS subdomain
  /// The group is put in front of the keys ("node" becomes "fairlead.io/node"), and what a label may not hold is
  /// written as label_value() says.
  std::map<std::string, std::string> labels;
  std::variant<api::AddressNotes, L2Status, BgpStatus, ConfigurationStatus> status;
  bool outlives_writer = false;  // else an API server removes it with the writer's Pod

  StatusKind kind() const { return static_cast<StatusKind>(status.index()); }
  bool operator==(const StatusObject&) const = default;
};

}  // namespace fairlead::runtime
