#include "proto/runtime/status_text.h"

#include <cstdio>

#include "proto/runtime/fnv.h"
#include "proto/runtime/wall_time.h"

namespace fairlead::runtime {
namespace {

constexpr std::size_t kLongestLabel = 63;

template <class Status>
Json of_service(const Status& status) {
  return {{"node", status.node}, {"serviceName", status.service_name}, {"serviceNamespace", status.service_namespace}};
}

Json to_json(const api::AddressNotes& notes, std::int64_t) {
  Json out = Json::object();
  for (const auto& q : notes.asked) out["asked"].push_back({{"address", q.address.str()}, {"id", q.id}});
  for (const auto& h : notes.heard) {
    Json entry = {{"address", h.address.str()}, {"id", h.id}};
    if (!h.hardware_address.empty()) entry["hardwareAddress"] = h.hardware_address;
    if (!h.interface.empty()) entry["interface"] = h.interface;
    out["heard"].push_back(std::move(entry));
  }
  for (const auto& h : notes.held_down) {
    out["heldDown"].push_back({{"address", h.address.str()},
                               {"serviceNamespace", h.service_namespace},
                               {"serviceName", h.service_name},
                               {"until", rfc3339(h.until)}});
  }
  return out;
}

Json to_json(const L2Status& status, std::int64_t) {
  Json out = of_service(status);
  Json interfaces = Json::array();
  for (const std::string& interface : status.interfaces) interfaces.push_back({{"name", interface}});
  if (!interfaces.empty()) out["interfaces"] = std::move(interfaces);
  return out;
}

Json to_json(const BgpStatus& status, std::int64_t) {
  Json out = of_service(status);
  out["peers"] = status.peers;
  return out;
}

Json to_json(const ConfigurationStatus& status, std::int64_t now_seconds) {
  Json out = {{"result", status.result}};
  if (!status.error_summary.empty()) out["errorSummary"] = status.error_summary;
  for (const StatusCondition& condition : status.conditions) {
    out["conditions"].push_back({{"type", condition.type},
                                 {"status", condition.status},
                                 {"reason", condition.reason},
                                 {"message", condition.message},
                                 {"lastTransitionTime", rfc3339(now_seconds)}});
  }
  return out;
}

}  // namespace

std::string_view plural(StatusKind kind) {
  constexpr std::string_view kPlurals[kStatusKinds] = {"addressrecords", "servicel2statuses", "servicebgpstatuses", "configurationstates"};
  return kPlurals[static_cast<std::size_t>(kind)];
}

std::string_view status_api_version(StatusKind kind, api::Group group) {
  return group == api::Group::metallb && kind != StatusKind::address_record ? "metallb.io/v1beta1" : "fairlead.io/v1";
}

std::string label_value(std::string_view text) {
  if (text.size() <= kLongestLabel) return std::string(text);
  char hash[20];
  std::snprintf(hash, sizeof hash, "-%016llx", static_cast<unsigned long long>(fnv1a(text)));
  return std::string(text.substr(0, 46)) + hash;
}

Json status_identity(const StatusObject& object, api::Group group, std::string_view ns, const OwnerPod& owner) {
  Json metadata = {{"name", object.name}, {"namespace", std::string(ns)}};
  for (const auto& [key, value] : object.labels) metadata["labels"][std::string(name(group)) + "/" + key] = label_value(value);
  if (!owner.uid.empty() && !object.outlives_writer) {
    metadata["ownerReferences"] = {{{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", owner.name}, {"uid", owner.uid}}};
  }
  return {{"apiVersion", std::string(status_api_version(object.kind(), group))}, {"kind", std::string(name(object.kind()))}, {"metadata", std::move(metadata)}};
}

Json status_of(const StatusObject& object, std::int64_t now_seconds) {
  return std::visit([&](const auto& status) { return to_json(status, now_seconds); }, object.status);
}

}  // namespace fairlead::runtime
