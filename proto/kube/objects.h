#pragma once
/// The Kubernetes objects that Fairlead reads, cut down to the fields it uses. Names are Kubernetes' own in snake_case.
/// Plain values; addresses are parsed (canonical), strings are as written. Core/v1, discovery.k8s.io/v1.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/base/strong.h"
#include "proto/net/ip.h"
#include "proto/net/prefix.h"

namespace fairlead::kube {

using Labels = std::map<std::string, std::string, std::less<>>;

struct Meta {
  std::string ns;  // empty for cluster-scoped kinds
  std::string name;
  std::string uid;
  std::string resource_version;
  std::int64_t created = 0;  // creationTimestamp, seconds since 1970; 0 when absent
  Labels labels;
  Labels annotations;
  bool operator==(const Meta&) const = default;
};

/// "default/web": how objects are named in logs, events and errors.
struct Name {
  std::string ns;
  std::string name;
  auto operator<=>(const Name&) const = default;
  std::string str() const { return ns.empty() ? name : ns + "/" + name; }
};

enum class ServiceType { cluster_ip, node_port, load_balancer, external_name };
enum class TrafficPolicy { cluster, local };
enum class IpFamilyPolicy { single_stack, prefer_dual_stack, require_dual_stack };

/// An int or the name of a container port. Read only where slices are made (folder mode); the data plane never looks.
using TargetPort = std::variant<std::uint16_t, std::string>;

struct ServicePort {
  std::string name;  // "" for the one unnamed port
  Protocol protocol = Protocol::tcp;
  Port port;
  TargetPort target_port = std::uint16_t{0};  // absent: equal to port
  Port node_port;                             // 0: none
  bool operator==(const ServicePort&) const = default;
};

/// One entry of status.loadBalancer.ingress. Entries without an address (hostname only) are kept, for others' sake.
struct Ingress {
  std::optional<Ip> ip;
  std::string hostname;
  bool is_vip = true;  // ipMode absent or VIP; false: Proxy (KEP-1860)
  bool operator==(const Ingress&) const = default;
};

struct Service {
  Meta meta;
  ServiceType type = ServiceType::cluster_ip;
  bool is_headless = false;       // clusterIP: None
  std::vector<Ip> cluster_ips;    // at most one of each family; empty: none, or not allocated yet
  std::vector<Family> ip_families;
  std::optional<IpFamilyPolicy> ip_family_policy;
  std::vector<ServicePort> ports;
  Labels selector;
  std::vector<Ip> external_ips;
  TrafficPolicy external_traffic_policy = TrafficPolicy::cluster;
  TrafficPolicy internal_traffic_policy = TrafficPolicy::cluster;
  bool publish_not_ready_addresses = false;
  bool allocate_load_balancer_node_ports = true;
  std::string load_balancer_class;  // "" when absent
  std::string load_balancer_ip;     // spec.loadBalancerIP as it is written; "" when absent
  std::optional<std::uint32_t> affinity_seconds;  // sessionAffinity: ClientIP
  std::vector<Prefix> source_ranges;              // spec.loadBalancerSourceRanges
  std::vector<Ingress> ingress;                   // status.loadBalancer.ingress
  bool operator==(const Service&) const = default;
};

struct Endpoint {
  Ip address;  // addresses[0]; the others are never used
  bool is_ready = true;
  bool is_serving = true;
  bool is_terminating = false;
  std::string node_name;  // "" when absent: counts as remote
  std::vector<std::string> zone_hints;
  std::vector<std::string> node_hints;
  bool operator==(const Endpoint&) const = default;
};

struct EndpointPort {
  std::string name;
  Protocol protocol = Protocol::tcp;
  Port port;
  bool operator==(const EndpointPort&) const = default;
};

/// Only IPv4 and IPv6 slices exist here; FQDN slices are dropped where they are read.
struct EndpointSlice {
  Meta meta;
  std::string service;  // label kubernetes.io/service-name; "" when missing: the slice is ignored
  Family family = Family::v4;
  std::vector<EndpointPort> ports;
  std::vector<Endpoint> endpoints;
  bool operator==(const EndpointSlice&) const = default;
};

struct Node {
  Meta meta;  // zone: label topology.kubernetes.io/zone
  std::vector<Ip> internal_ips;  // status.addresses of type InternalIP, in order
  std::vector<Ip> external_ips;  // ... and ExternalIP
  std::vector<Prefix> pod_cidrs;
  bool is_ready = true;  // condition Ready is True; absent counts as ready (folder mode has no kubelet)
  bool network_unavailable = false;  // condition NetworkUnavailable is True
  bool operator==(const Node&) const = default;
};

struct Namespace {
  Meta meta;
  bool operator==(const Namespace&) const = default;
};

/// Of a Secret nothing is kept but what a BGP session needs. Its values are never logged, and neither are its annotations
/// (kubectl leaves the whole object there), which are dropped.
struct Secret {
  Meta meta;
  std::string type;
  std::optional<std::string> password;  // data.password of a kubernetes.io/basic-auth Secret, decoded
  bool operator==(const Secret&) const = default;
};
inline constexpr std::string_view kBasicAuth = "kubernetes.io/basic-auth";

/// networking.k8s.io/v1: where the API server takes ClusterIPs from.
struct ServiceCIDR {
  Meta meta;
  std::vector<Prefix> cidrs;  // one, or one of each family
  bool operator==(const ServiceCIDR&) const = default;
};

/// Read in folder mode only, where slices are made of it.
struct Pod {
  Meta meta;
  std::string node_name;
  std::vector<Ip> ips;   // status.podIPs, or status.podIP, or (hostNetwork) status.hostIP
  bool is_ready = true;  // condition Ready; absent: true while the phase is absent or Running
  bool is_terminating = false;  // has a deletionTimestamp
  struct ContainerPort {
    std::string name;
    Protocol protocol = Protocol::tcp;
    Port port;
    bool operator==(const ContainerPort&) const = default;
  };
  std::vector<ContainerPort> ports;
  bool operator==(const Pod&) const = default;
};

/// core/v1 Endpoints: read in folder mode only, where slices are made of it.
struct Endpoints {
  Meta meta;
  struct Address {
    Ip ip;
    std::string node_name;
    bool operator==(const Address&) const = default;
  };
  struct Subset {
    std::vector<Address> addresses;
    std::vector<Address> not_ready;
    std::vector<EndpointPort> ports;
    bool operator==(const Subset&) const = default;
  };
  std::vector<Subset> subsets;
  bool operator==(const Endpoints&) const = default;
};

/// A metav1.LabelSelector; matching is proto/match/selector.h's.
struct LabelSelector {
  enum class Operator { in, not_in, exists, does_not_exist };
  struct Expression {
    std::string key;
    Operator op = Operator::exists;
    std::vector<std::string> values;
    bool operator==(const Expression&) const = default;
  };
  Labels match_labels;
  std::vector<Expression> match_expressions;
  bool operator==(const LabelSelector&) const = default;
};

}  // namespace fairlead::kube
