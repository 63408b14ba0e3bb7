#include "controller/ctl/config_reader.h"

#include <algorithm>
#include <tuple>

#include "proto/api/known_fields.h"
#include "proto/api/parse.h"
#include "proto/runtime/json.h"

namespace fairlead::ctl {
namespace {

using api::Group;
using api::Kind;
using api::Rule;
using api::Severity;
using runtime::Json;

constexpr std::string_view kMetallbNamespace = "metallb-system";

kube::Name name_of(const Json& object) {
  const Json& metadata = runtime::at(object, "metadata");
  return {runtime::text_at(metadata, "namespace"), runtime::text_at(metadata, "name")};
}

std::string_view group_in(std::string_view api_version) { return api_version.substr(0, api_version.find('/')); }

/// Statuses are written by programs; that they are among the manifests means nothing.
bool is_status(std::string_view kind) {
  return kind == "ServiceL2Status" || kind == "ServiceBGPStatus" || kind == "ConfigurationState";
}

bool is_cluster_scoped(Kind kind) { return kind == Kind::node || kind == Kind::namespace_ || kind == Kind::service_cidr; }
bool is_used(Kind kind) { return kind != Kind::endpoint_slice && kind != Kind::service_cidr; }
bool is_custom(Kind kind) {
  switch (kind) {
    case Kind::ip_address_pool:
    case Kind::l2_advertisement:
    case Kind::bgp_advertisement:
    case Kind::bgp_peer:
    case Kind::bfd_profile:
    case Kind::community: return true;
    default: return false;
  }
}

/// What an API server takes as the name of an object (RFC 1123 subdomain).
bool is_object_name(std::string_view name) {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (name.empty() || name.size() > 253) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (is_plain(name[i])) continue;
    const bool is_inside = i > 0 && i + 1 < name.size();
    if (name[i] == '-' && is_inside && name[i - 1] != '.' && name[i + 1] != '.') continue;
    if (name[i] == '.' && is_inside && is_plain(name[i - 1]) && is_plain(name[i + 1])) continue;
    return false;
  }
  return true;
}

/// Whether an object of this kind that names no namespace is in that of the configuration.
bool has_home(Kind kind) { return is_custom(kind) || kind == Kind::secret; }

kube::Meta& meta_of(api::Object& object) {
  return std::visit([](auto& o) -> kube::Meta& { return o.meta; }, object);
}

}  // namespace

std::string Finding::object() const {
  if (kind.empty()) return file + ":" + std::to_string(line);
  return name.name.empty() ? kind : kind + " " + name.str();
}

std::string Finding::str() const {
  std::string out = severity == Severity::warning ? "warning: " : "";
  out += object() + ": ";
  if (!field.empty()) out += field + ": ";
  out += std::string(api::name(rule)) + ": " + reason;
  if (!kind.empty()) out += " [" + file + ":" + std::to_string(line) + "]";
  return out;
}

void ConfigReader::read(const std::string& file, std::string text, runtime::Format format) {
  files_.emplace_back(file, std::move(text));
  const std::size_t index = files_.size() - 1;
  const auto error = runtime::read_objects(
      files_[index].second, format,
      [&](const Json& object, const runtime::Place& place) { read_object(object, Spot{index, place}); });
  if (!error) return;
  Finding finding;
  finding.file = file;
  finding.line = error->line;
  finding.reason = error->what;
  found_.emplace_back(Spot{index, {}}, std::move(finding));
}

void ConfigReader::read_object(const Json& object, const Spot& spot) {
  const std::string api_version = runtime::text_at(object, "apiVersion");
  const std::string kind_name = runtime::text_at(object, "kind");
  if (api_version.empty() || kind_name.empty()) {
    add(spot, kind_name, name_of(object), kind_name.empty() ? "kind" : "apiVersion", Rule::invalid_field,
        Severity::error, "is missing: every document needs apiVersion and kind");
    return;
  }
  const auto kind = api::kind_of(api_version, kind_name, rules_.group);
  if (!kind) judge_unknown(api_version, kind_name, object, spot);
  else if (is_used(*kind)) read_known(*kind, object, spot);
}

void ConfigReader::judge_unknown(const std::string& api_version, const std::string& kind, const Json& object,
                                 const Spot& spot) {
  const auto group = api::group_of(group_in(api_version));
  if (!group || is_status(kind)) return;
  const kube::Name name = name_of(object);
  if (rules_.group == Group::metallb && *group == Group::fairlead) {
    add(spot, kind, name, "apiVersion", Rule::other_group, Severity::warning,
        "is of " + api_version + ", which is not read with --api-group metallb.io");
    return;
  }
  std::string what = "there is no " + kind + " in " + api_version + ": look at both";
  if (kind == "AddressPool") what = "AddressPool is gone: write an IPAddressPool, and an L2Advertisement or BGPAdvertisement for it";
  add(spot, kind, name, "kind", Rule::unknown_kind, Severity::error, what);
}

void ConfigReader::read_known(Kind kind, const Json& object, const Spot& spot) {
  kube::Name name = name_of(object);
  Entry entry;
  entry.has_namespace = !name.ns.empty();
  entry.is_ours = is_custom(kind);
  entry.spot = spot;
  const std::string kind_name(api::name(kind));
  const auto at = [&](std::string field, Rule rule, Severity severity, std::string what) {
    add(spot, kind_name, name, std::move(field), rule, severity, std::move(what));
  };
  auto parsed = api::parse(kind, object, rules_.group);
  if (auto* const error = std::get_if<kube::FieldError>(&parsed)) {
    at(error->field, Rule::invalid_field, Severity::error, std::move(error->what));
    if (is_cluster_scoped(kind)) name.ns.clear();
    entry.key = {kind, name};
  } else {
    entry.object = std::get<api::Object>(std::move(parsed));
    entry.key = api::key_of(*entry.object);
  }
  if (entry.is_ours) {
    for (const api::UnknownField& field : api::unknown_fields(kind, object, rules_.group)) {
      at(field.field, Rule::unknown_field, Severity::warning,
         field.similar.empty() ? "means nothing here and is ignored" : "means nothing: " + field.similar + " does");
    }
    if (kind == Kind::bgp_peer && runtime::text_at(object, "apiVersion") == "metallb.io/v1beta1") {
      at("apiVersion", Rule::deprecated, Severity::warning, "v1beta1 of BGPPeer is old: v1beta2 has more fields");
    }
    if (rules_.group == Group::metallb && entry.object && !is_object_name(name.name)) {
      at("metadata.name", Rule::invalid_field, Severity::error,
         "\"" + name.name + "\" is no name that an API server takes: use lower-case letters, digits, '-' and '.'");
    }
  }
  entries_.push_back(std::move(entry));
}

std::string ConfigReader::home() const {
  if (!ns_.empty() || rules_.group == Group::fairlead) return ns_;
  std::map<std::string, std::size_t> counts;
  for (const Entry& entry : entries_) {
    if (entry.is_ours && entry.has_namespace) ++counts[entry.key.name.ns];
  }
  if (counts.empty() || counts.contains(std::string(kMetallbNamespace))) return std::string(kMetallbNamespace);
  return std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

void ConfigReader::settle_namespaces() {
  const std::string home_ns = home();
  for (auto& [spot, finding] : found_) {
    const auto kind = api::kind_of_name(finding.kind);
    if (finding.name.ns.empty() && kind && has_home(*kind)) finding.name.ns = home_ns.empty() ? "default" : home_ns;
  }
  if (home_ns.empty()) return;
  for (Entry& entry : entries_) {
    if (!has_home(entry.key.kind)) continue;
    if (!entry.has_namespace) {
      entry.key.name.ns = home_ns;
      if (entry.object) meta_of(*entry.object).ns = home_ns;
    } else if (entry.is_ours && entry.key.name.ns != home_ns) {
      add(entry.spot, std::string(api::name(entry.key.kind)), entry.key.name, "metadata.namespace", Rule::wrong_namespace,
          Severity::error, "only objects in namespace " + home_ns + " are read: move it there, or say --namespace");
      entry.object.reset();
    }
  }
}

Report ConfigReader::finish() && {
  settle_namespaces();
  api::ConfigSet set;
  Report report;
  std::map<api::Key, const Spot*> spots;  // of two with one key the later, which is the one to remove
  for (Entry& entry : entries_) {
    ++report.objects;
    spots[entry.key] = &entry.spot;
    if (entry.object) set.add(*std::move(entry.object));
    else set.refused.insert(entry.key);
  }
  for (const api::Violation& v : api::validate(set, rules_)) {
    add(*spots.at(v.object), std::string(api::name(v.object.kind)), v.object.name, v.field, v.rule, v.severity, v.reason);
    for (const api::Key& key : v.related) found_.back().second.related.push_back(key.str());
  }
  std::vector<std::tuple<std::size_t, int, std::size_t>> order;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    auto& [spot, finding] = found_[i];
    if (finding.line == 0) finding.line = runtime::line_of(files_[spot.file].second, spot.place, finding.field);
    order.emplace_back(spot.file, finding.line, i);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [file, line, i] : order) report.findings.push_back(std::move(found_[i].second));
  return report;
}

void ConfigReader::add(const Spot& spot, std::string kind, kube::Name name, std::string field, Rule rule,
                       Severity severity, std::string reason) {
  found_.emplace_back(spot, Finding{files_[spot.file].first, 0, std::move(kind), std::move(name), std::move(field), rule,
                                    severity, std::move(reason), {}});
}

}  // namespace fairlead::ctl
