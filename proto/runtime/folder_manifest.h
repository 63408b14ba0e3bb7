#pragma once
/// One manifest file: its text to the objects in it. Pure.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/api/objects.h"
#include "proto/runtime/source.h"
#include "proto/runtime/yaml.h"

namespace fairlead::runtime {

/// The kinds of a folder: those that sources deliver, and the two that slices are made of.
enum class FolderKind : std::uint8_t {
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
  address_record,
  pod,
  endpoints
};
constexpr FolderKind folder_kind(api::Kind kind) { return static_cast<FolderKind>(kind); }
std::string_view name(FolderKind kind);

struct FolderKey {
  FolderKind kind = FolderKind::service;
  kube::Name name;
  auto operator<=>(const FolderKey&) const = default;
  std::string str() const { return std::string(runtime::name(kind)) + " " + name.str(); }
};

/// A Service as compact JSON: an overlay is merged over it before it is parsed, and it takes less room than the tree.
struct ServiceText {
  std::string json;
  bool operator==(const ServiceText&) const = default;
};
using Item = std::variant<ServiceText, kube::EndpointSlice, kube::Node, kube::Namespace, kube::ServiceCIDR,
                          api::IPAddressPool, api::L2Advertisement, api::BGPAdvertisement, api::BGPPeer, api::BFDProfile, api::Community,
                          kube::Secret, api::AddressRecord, kube::Pod, kube::Endpoints>;

struct Manifest {
  std::map<FolderKey, Item> objects;
  std::set<FolderKey> refused;     // there, but invalid: the last good version stays
  bool is_incomplete = false;      // something could not be identified: nothing that was known is gone for sure
  std::size_t advertisements = 0;  // objects that say how to announce, valid or not, of kinds we read or not
  std::set<std::string> ignored;   // "apps/v1 Deployment": kinds that mean nothing here
  std::vector<Fault> faults;
};

/// Which of the custom objects count.
struct ManifestScope {
  api::Group group = api::Group::fairlead;
  std::string metallb_namespace;  // in metallb.io mode: where its objects are that name no namespace
};
/// `path` is for Fault::where.
Manifest read_manifest(const std::string& path, std::string_view text, Format format, const ManifestScope& scope = {});

/// By the end of the name: .yaml, .yml, .json; none for all other files.
std::optional<Format> format_of(std::string_view path);

}  // namespace fairlead::runtime
