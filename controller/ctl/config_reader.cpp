#include "controller/ctl/config_reader.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "proto/api/known_fields.h"
#include "proto/api/parse.h"
#include "proto/base/text.h"
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
bool has_home(Kind kind) { return api::is_configuration(kind) || kind == Kind::secret; }

kube::Meta& meta_of(api::Object& object) {
  return std::visit([](auto& o) -> kube::Meta& { return o.meta; }, object);
}

}  // namespace

std::string Finding::object() const {
  if (kind.empty()) return file + ":" + std::to_string(line);
  return name.name.empty() ? kind : kind + " " + name.str();
}

namespace {

/// What came from a file may hold line breaks, and what a terminal takes for commands.
std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\t') out += "\\t";
    else append_visible(out, c);
  }
  return out;
}

}  // namespace

std::string Finding::str() const {
  std::string out = severity == Severity::warning ? "warning: " : "";
  out += object() + ": ";
  if (!field.empty()) out += field + ": ";
  out += std::string(api::name(rule)) + ": " + reason;
  if (!kind.empty()) out += " [" + file + ":" + std::to_string(line) + "]";
  return printable(out);
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
  if (kind == "MetalLB") {
    add(spot, kind, name, "kind", Rule::unknown_kind, Severity::warning, "is for MetalLB's operator and means nothing here: leave it out");
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
  entry.is_ours = api::is_configuration(kind);
  entry.spot = spot;
  const std::string kind_name(api::name(kind));
  const auto at = [&](std::string field, Rule rule, Severity severity, std::string what) {
    add(spot, kind_name, name, std::move(field), rule, severity, std::move(what));
  };
  auto parsed = api::parse(kind, object, rules_.group, entry.partly);
  if (auto* const error = std::get_if<kube::FieldError>(&parsed)) {
    const auto refuse = [&](kube::FieldError& fault) {
      entry.refused.push_back(fault.field);
      at(fault.field, Rule::invalid_field, Severity::error, std::move(fault.what));
    };
    refuse(*error);
    for (kube::FieldError& other : error->others) refuse(other);
    if (is_cluster_scoped(kind)) name.ns.clear();
    entry.key = entry.partly ? api::key_of(*entry.partly) : api::Key{kind, name};
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
  return std::string(kMetallbNamespace);
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
      for (auto* const object : {&entry.object, &entry.partly}) {
        if (*object) meta_of(**object).ns = home_ns;
      }
    } else if (entry.is_ours && entry.key.name.ns != home_ns) {
      add(entry.spot, std::string(api::name(entry.key.kind)), entry.key.name, "metadata.namespace", Rule::wrong_namespace,
          Severity::error, "only objects in namespace " + home_ns + " are read: move it there, or say --namespace");
      entry.object.reset();
      entry.partly.reset();
    }
  }
}

void ConfigReader::find_lines() {
  std::map<std::size_t, std::vector<Finding*>> by_file;
  std::map<std::size_t, std::vector<runtime::Spot>> fields;
  for (auto& [spot, finding] : found_) {
    if (finding.line != 0) continue;
    by_file[spot.file].push_back(&finding);
    fields[spot.file].push_back({spot.place, finding.field});
  }
  for (const auto& [file, findings] : by_file) {
    const std::vector<int> lines = runtime::lines_of(files_[file].second, fields[file]);
    for (std::size_t i = 0; i < lines.size(); ++i) findings[i]->line = lines[i];
  }
}

/// What the rules say, also of what could be read of objects that are refused: whoever corrects a file wants to know all
/// of it at once. There nothing is said that may come of a field that could not be read.
std::vector<api::Violation> ConfigReader::judge() const {
  const auto violations = [&](bool has_partly) {
    api::ConfigSet set;
    for (const Entry& entry : entries_) {
      if (entry.object) set.add(*entry.object);
      else set.refused.insert(entry.key);
      if (has_partly && entry.partly) set.add(*entry.partly);
    }
    return api::validate(set, rules_);
  };
  std::vector<api::Violation> out = violations(false);
  std::map<api::Key, const std::vector<std::string>*> refused;
  for (const Entry& entry : entries_) {
    if (!entry.object) refused[entry.key] = &entry.refused;
  }
  if (refused.empty()) return out;
  const auto is_sure = [&](const api::Key& object, const api::Violation& v) {
    const auto found = refused.find(object);
    return found == refused.end() || std::none_of(found->second->begin(), found->second->end(), [&](const std::string& field) {
             return api::depends_on(v.rule, v.field, field);
           });
  };
  std::set<std::tuple<api::Key, std::string, Rule>> told;
  for (const api::Violation& v : out) told.emplace(v.object, v.field, v.rule);
  for (api::Violation& v : violations(true)) {
    if (told.contains({v.object, v.field, v.rule}) || !is_sure(v.object, v)) continue;
    if (std::all_of(v.related.begin(), v.related.end(), [&](const api::Key& key) { return is_sure(key, v); })) out.push_back(std::move(v));
  }
  return out;
}

Report ConfigReader::finish() && {
  settle_namespaces();
  Report report;
  std::map<api::Key, std::vector<const Spot*>> spots;
  for (const Entry& entry : entries_) {
    ++report.objects;
    spots[entry.key].push_back(&entry.spot);
  }
  std::map<std::tuple<api::Key, std::string, Rule>, std::size_t> times;
  for (const api::Violation& v : judge()) {
    // Of two with one key the later is the one to remove; anything else is said of the first, and said again of the next.
    const std::vector<const Spot*>& here = spots.at(v.object);
    const std::size_t n = times[{v.object, v.field, v.rule}]++ + (v.rule == Rule::duplicate_name ? 1 : 0);
    add(*here[std::min(n, here.size() - 1)], std::string(api::name(v.object.kind)), v.object.name, v.field, v.rule, v.severity, v.reason);
    for (const api::Key& key : v.related) found_.back().second.related.push_back(key.str());
  }
  find_lines();
  std::vector<std::tuple<std::size_t, int, std::size_t>> order;
  for (std::size_t i = 0; i < found_.size(); ++i) order.emplace_back(found_[i].first.file, found_[i].second.line, i);
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
