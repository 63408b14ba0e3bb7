#include "proto/runtime/folder_manifest.h"

#include "proto/api/parse.h"
#include "proto/kube/parse.h"
#include "proto/runtime/json.h"

namespace fairlead::runtime {
namespace {

using kube::FieldError;

std::optional<FolderKind> kind_of(const std::string& api_version, const std::string& kind, api::Group group) {
  if (const auto known = api::kind_of(api_version, kind, group)) return folder_kind(*known);
  if (api_version == "v1" && kind == "Pod") return FolderKind::pod;
  if (api_version == "v1" && kind == "Endpoints") return FolderKind::endpoints;
  return std::nullopt;
}

bool is_our_group(std::string_view api_version) {
  return api_version.starts_with("fairlead.io/") || api_version.starts_with("metallb.io/");
}

bool is_cluster_scoped(FolderKind kind) {
  return kind == FolderKind::node || kind == FolderKind::namespace_ || kind == FolderKind::service_cidr;
}

/// What the object is called as far as that can be read at all.
kube::Name name_of(const Json& object, FolderKind kind) {
  const auto metadata = object.find("metadata");
  if (metadata == object.end()) return {};
  kube::Name out{text_at(*metadata, "namespace"), text_at(*metadata, "name")};
  if (out.ns.empty()) out.ns = "default";
  if (is_cluster_scoped(kind)) out.ns.clear();
  return out;
}

using ParsedItem = std::variant<Item, FieldError>;

template <class T>
ParsedItem widened(kube::Parsed<T> parsed) {
  if (auto* const error = std::get_if<FieldError>(&parsed)) return std::move(*error);
  return Item(std::get<T>(std::move(parsed)));
}

ParsedItem parse_service(const Json& object) {
  auto parsed = kube::parse_service(object);
  if (auto* const error = std::get_if<FieldError>(&parsed)) return std::move(*error);
  Json kept = object;
  // Bookkeeping of others that can be larger than the object itself.
  kept["metadata"].erase("managedFields");
  if (const auto annotations = kept["metadata"].find("annotations");
      annotations != kept["metadata"].end() && annotations->is_object()) {
    annotations->erase("kubectl.kubernetes.io/last-applied-configuration");
  }
  return Item(ServiceText{to_text(kept)});
}

ParsedItem parse(FolderKind kind, const Json& object, api::Group group) {
  switch (kind) {
    case FolderKind::service: return parse_service(object);
    case FolderKind::endpoint_slice: return widened(kube::parse_endpoint_slice(object));
    case FolderKind::node: return widened(kube::parse_node(object));
    case FolderKind::namespace_: return widened(kube::parse_namespace(object));
    case FolderKind::service_cidr: return widened(kube::parse_service_cidr(object));
    case FolderKind::ip_address_pool: return widened(api::parse_ip_address_pool(object, group));
    case FolderKind::l2_advertisement: return widened(api::parse_l2_advertisement(object));
    case FolderKind::bgp_advertisement: return widened(api::parse_bgp_advertisement(object, group));
    case FolderKind::bgp_peer: return widened(api::parse_bgp_peer(object));
    case FolderKind::bfd_profile: return widened(api::parse_bfd_profile(object));
    case FolderKind::community: return widened(api::parse_community_object(object));
    case FolderKind::secret: return widened(kube::parse_secret(object));
    case FolderKind::address_record: return widened(api::parse_address_record(object));
    case FolderKind::pod: return widened(kube::parse_pod(object));
    case FolderKind::endpoints: return widened(kube::parse_endpoints(object));
  }
  return FieldError{"kind", "is not known"};
}

class ManifestReader {
 public:
  ManifestReader(const std::string& path, std::string_view text, const ManifestScope& scope)
      : path_(path), text_(text), scope_(scope) {}

  void read(const Json& as_written, const Place& place) {
    Json placed;
    const Json& object = in_namespace(as_written, placed);
    const std::string api_version = text_at(object, "apiVersion");
    const std::string kind_name = text_at(object, "kind");
    if (api_version.empty() || kind_name.empty()) {
      out_.is_incomplete = true;
      const char* const missing = kind_name.empty() ? "kind" : "apiVersion";
      fault(place, "", {missing, "is missing: every document needs apiVersion and kind"});
      return;
    }
    const auto kind = kind_of(api_version, kind_name, scope_.group);
    if (is_our_group(api_version) &&
        (kind_name == "L2Advertisement" || kind_name == "BGPAdvertisement" || kind_name == "BGPPeer")) {
      ++out_.advertisements;
    }
    if (!kind) {
      out_.ignored.insert(api_version + " " + kind_name);
      return;
    }
    const FolderKey key{*kind, name_of(object, *kind)};
    ParsedItem parsed = parse(*kind, object, scope_.group);
    if (const auto* const error = std::get_if<FieldError>(&parsed)) {
      if (key.name.name.empty()) out_.is_incomplete = true;
      else out_.refused.insert(key);
      fault(place, key.name.name.empty() ? kind_name : key.str(), *error);
      return;
    }
    if (out_.objects.contains(key)) {
      fault(place, key.str(), {"metadata.name", "is there twice in this file: the first counts; remove one of the two"});
      return;
    }
    out_.objects.emplace(key, std::get<Item>(std::move(parsed)));
  }
  void syntax_error(const SyntaxError& error) {
    out_.is_incomplete = true;
    out_.faults.push_back({path_ + ":" + std::to_string(error.line), "", "", error.what});
  }
  Manifest take() && {
    const std::vector<int> lines = lines_of(text_, spots_);
    for (std::size_t i = 0; i < lines.size(); ++i) out_.faults[i].where = path_ + ":" + std::to_string(lines[i]);
    return std::move(out_);
  }

 private:
  /// kubectl would put an object without a namespace where its context points; MetalLB's are of use in one place only.
  const Json& in_namespace(const Json& object, Json& copy) const {
    if (scope_.group != api::Group::metallb || !text_at(object, "apiVersion").starts_with("metallb.io/")) return object;
    const auto metadata = object.find("metadata");
    if (metadata == object.end() || !metadata->is_object() || metadata->contains("namespace")) return object;
    copy = object;
    copy["metadata"]["namespace"] = scope_.metallb_namespace;
    return copy;
  }
  void fault(const Place& place, std::string object, const FieldError& error) {
    out_.faults.push_back({"", std::move(object), error.field, error.what});
    spots_.push_back({place, error.field});
  }

  const std::string& path_;
  std::string_view text_;
  const ManifestScope& scope_;
  Manifest out_;
  std::vector<Spot> spots_;  // of the first faults of out_; a syntax error comes last and knows its line
};

}  // namespace

std::string_view name(FolderKind kind) {
  if (kind == FolderKind::pod) return "Pod";
  if (kind == FolderKind::endpoints) return "Endpoints";
  return api::name(static_cast<api::Kind>(kind));
}

Manifest read_manifest(const std::string& path, std::string_view text, Format format, const ManifestScope& scope) {
  ManifestReader reader(path, text, scope);
  const auto error =
      read_objects(text, format, [&](const Json& object, const Place& place) { reader.read(object, place); });
  if (error) reader.syntax_error(*error);
  return std::move(reader).take();
}

std::optional<Format> format_of(std::string_view path) {
  const std::string_view file = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  if (file.empty() || file[0] == '.') return std::nullopt;
  if (file.ends_with(".yaml") || file.ends_with(".yml")) return Format::yaml;
  if (file.ends_with(".json")) return Format::json;
  return std::nullopt;
}

}  // namespace fairlead::runtime
