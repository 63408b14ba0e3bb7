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
  ip_address_pool,
  l2_advertisement,
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
using Item = std::variant<ServiceText, kube::EndpointSlice, kube::Node, kube::Namespace, api::IPAddressPool,
                          api::L2Advertisement, kube::Pod, kube::Endpoints>;

struct Manifest {
  std::map<FolderKey, Item> objects;
  std::set<FolderKey> refused;     // there, but invalid: the last good version stays
  bool is_incomplete = false;      // something could not be identified: nothing that was known is gone for sure
  std::size_t advertisements = 0;  // objects that say how to announce, valid or not, of kinds we read or not
  std::set<std::string> ignored;   // "apps/v1 Deployment": kinds that mean nothing here
  std::vector<Fault> faults;
};

/// `path` is for Fault::where.
Manifest read_manifest(const std::string& path, std::string_view text, Format format);

/// By the end of the name: .yaml, .yml, .json; none for all other files.
std::optional<Format> format_of(std::string_view path);

}  // namespace fairlead::runtime
