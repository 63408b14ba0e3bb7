#pragma once
/// Fairlead's own objects, group fairlead.io/v1, shaped like MetalLB's (fields: README "Objects"), and the union of all
/// kinds that a source delivers. Plain values.
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/api/bgp.h"
#include "proto/kube/objects.h"

namespace fairlead::api {

inline constexpr std::string_view kGroup = "fairlead.io";
/// Whose objects are read (--api-group): our own, or those that a cluster already has for MetalLB.
enum class Group { fairlead, metallb };
std::string_view name(Group group);  // "fairlead.io", "metallb.io"
std::optional<Group> group_of(std::string_view name);
/// Where folder mode allocates cluster addresses and node ports when nothing else is said.
inline constexpr std::string_view kDefaultServiceCidr = "10.96.0.0/16";
inline constexpr std::uint16_t kFirstNodePort = 30000;
inline constexpr std::uint16_t kLastNodePort = 32767;

struct ServiceAllocation {
  int priority = 0;  // lower wins; 0 is last
  std::vector<std::string> namespaces;
  std::vector<kube::LabelSelector> namespace_selectors;
  std::vector<kube::LabelSelector> service_selectors;
  bool operator==(const ServiceAllocation&) const = default;
};

struct IPAddressPool {
  kube::Meta meta;
  std::vector<IpRange> addresses;  // one for each entry of spec.addresses, in order
  bool auto_assign = true;
  bool avoid_buggy_ips = false;  // never an IPv4 address that ends in .0 or .255
  std::optional<ServiceAllocation> service_allocation;
  bool allow_cross_namespace_sharing = false;  // Fairlead's own; always true of a metallb.io pool
  bool operator==(const IPAddressPool&) const = default;
};

struct L2Advertisement {
  kube::Meta meta;
  std::vector<std::string> pools;  // with pool_selectors both empty: all pools
  std::vector<kube::LabelSelector> pool_selectors;
  std::vector<kube::LabelSelector> node_selectors;     // empty: all nodes
  std::vector<kube::LabelSelector> service_selectors;  // empty: all Services of the pools
  std::vector<std::string> interfaces;                 // exact names; empty: all
  struct Preference {
    int weight = 1;  // 1 to 100
    kube::LabelSelector nodes;
    bool operator==(const Preference&) const = default;
  };
  std::vector<Preference> preferred_nodes;
  bool operator==(const L2Advertisement&) const = default;
};

/// Fairlead's own, in both groups: what its programs know of addresses that no Service's status shows, written for each
/// other and for whoever wants to see. One object for each program, which alone writes it; all of it is in `status`.
struct AddressNotes {
  /// The controller wants to give this address, and asks the speakers whether somebody on the segment has it already.
  struct Question {
    Ip address;
    std::int64_t id = 0;  // another one for each time that it is asked
    bool operator==(const Question&) const = default;
  };
  struct Hearing {
    Ip address;
    std::int64_t id = 0;           // of the question
    std::string hardware_address;  // who answered; "": nobody did
    std::string interface;         // where; "": asked nowhere
    bool operator==(const Hearing&) const = default;
  };
  /// Given back, and nobody's but this Service's for a while.
  struct HeldDown {
    Ip address;
    std::string service_namespace, service_name;
    std::int64_t until = 0;  // seconds since 1970
    bool operator==(const HeldDown&) const = default;
  };
  std::vector<Question> asked;
  std::vector<Hearing> heard;
  std::vector<HeldDown> held_down;
  bool operator==(const AddressNotes&) const = default;
};
struct AddressRecord {
  kube::Meta meta;
  AddressNotes notes;
  bool operator==(const AddressRecord&) const = default;
};
/// Names: the controller's, and with the node's name behind it a speaker's.
inline constexpr std::string_view kControllerRecord = "controller";
inline constexpr std::string_view kSpeakerRecordPrefix = "speaker-";

/// The kinds that sources deliver, in the order of the alternatives of Object.
enum class Kind : std::uint8_t {
  service,
  endpoint_slice,
  node,
  namespace_,
  service_cidr,
  ip_address_pool,
  l2_advertisement,
  bgp_advertisement,
  bgp_peer,
  bfd_profile,
  community,
  secret,
  address_record
};
inline constexpr std::size_t kKinds = 13;
using Object = std::variant<kube::Service, kube::EndpointSlice, kube::Node, kube::Namespace, kube::ServiceCIDR, IPAddressPool,
                            L2Advertisement, BGPAdvertisement, BGPPeer, BFDProfile, Community, kube::Secret, AddressRecord>;
static_assert(std::variant_size_v<Object> == kKinds);

/// "Service", "EndpointSlice", ...: the kind as Kubernetes writes it.
std::string_view name(Kind kind);
std::optional<Kind> kind_of_name(std::string_view name);
inline Kind kind_of(const Object& object) { return static_cast<Kind>(object.index()); }
const kube::Meta& meta_of(const Object& object);

struct Key {
  Kind kind = Kind::service;
  kube::Name name;
  auto operator<=>(const Key&) const = default;
  std::string str() const { return std::string(api::name(kind)) + " " + name.str(); }
};
Key key_of(const Object& object);

/// One address or range of spec.addresses (reference MetalLB 1.1): "10.0.0.0/24" (host bits masked away) or
/// "10.0.0.5-10.0.0.9" with optional blanks around the dash. The sentence of the error names the remedy.
using ParsedRange = std::variant<IpRange, std::string>;
ParsedRange parse_range(std::string_view text);

}  // namespace fairlead::api
