#include "proto/runtime/kube_requests.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "proto/api/annotations.h"
#include "proto/api/parse.h"
#include "proto/kube/watch.h"
#include "proto/runtime/json.h"
#include "proto/runtime/object_codec.h"
#include "proto/runtime/wall_time.h"
#include "proto/runtime/written_json.h"

namespace fairlead::runtime {
namespace {

struct Resource {
  std::string_view prefix;  // "/api/v1"
  std::string_view plural;
};
// In the order of api::Kind.
constexpr std::array<Resource, api::kKinds> kResources{{
    {"/api/v1", "services"},
    {"/apis/discovery.k8s.io/v1", "endpointslices"},
    {"/api/v1", "nodes"},
    {"/api/v1", "namespaces"},
    {"/apis/networking.k8s.io/v1", "servicecidrs"},
    {"/apis/fairlead.io/v1", "ipaddresspools"},
    {"/apis/fairlead.io/v1", "l2advertisements"},
    {"/apis/fairlead.io/v1", "bgpadvertisements"},
    {"/apis/fairlead.io/v1", "bgppeers"},
    {"/apis/fairlead.io/v1", "bfdprofiles"},
    {"/apis/fairlead.io/v1", "communities"},
    {"/api/v1", "secrets"},
    {"/apis/fairlead.io/v1", "addressrecords"},
}};
const Resource& resource(api::Kind kind) { return kResources[static_cast<std::size_t>(kind)]; }

/// One that MetalLB has, too.
bool is_of_either_group(api::Kind kind) { return kind != api::Kind::address_record && resource(kind).prefix.starts_with("/apis/fairlead.io/"); }

std::string_view prefix_of(api::Kind kind, api::Group group) {
  if (group == api::Group::fairlead || !is_of_either_group(kind)) return resource(kind).prefix;
  return kind == api::Kind::bgp_peer ? "/apis/metallb.io/v1beta2" : "/apis/metallb.io/v1beta1";
}

std::string annotation(api::Group group) { return api::written_key(group, api::kAllocatedFromPool); }

kube::Meta& meta_of(api::Object& object) {
  return std::visit([](auto& o) -> kube::Meta& { return o.meta; }, object);
}

bool is_kept(std::string_view annotation_key) {
  for (const std::string_view prefix : {"fairlead.io/", "metallb.io/", "metallb.universe.tf/", "service.kubernetes.io/"}) {
    if (annotation_key.starts_with(prefix)) return true;
  }
  return false;
}

void trim(api::Object& object) {
  kube::Meta& meta = meta_of(object);
  if (std::holds_alternative<kube::EndpointSlice>(object)) {
    meta.labels.clear();
    meta.annotations.clear();
    return;
  }
  std::erase_if(meta.annotations, [](const auto& entry) { return !is_kept(entry.first); });
}

Json op(const char* what, std::string path, Json value) {
  return {{"op", what}, {"path", std::move(path)}, {"value", std::move(value)}};
}

std::vector<Ip> addresses(const std::vector<kube::Ingress>& ingress) {
  std::vector<Ip> out;
  for (const kube::Ingress& entry : ingress) {
    if (entry.ip) out.push_back(*entry.ip);
  }
  return out;
}

/// Steps from the list as it is to one whose addresses are `want`, in this order.
void add_ingress_ops(const std::vector<kube::Ingress>& now, const std::vector<kube::Ingress>& want, Json& ops) {
  const std::vector<Ip> wanted = addresses(want);
  if (addresses(now) == wanted) return;
  if (now.empty()) {
    Json list = Json::array();
    for (const kube::Ingress& entry : want) list.push_back(to_json(entry));
    ops.push_back(op("add", "/status/loadBalancer", {{"ingress", list}}));
    return;
  }
  // What stays must be a beginning of what is wanted, since new entries go to the end.
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (now[i].ip && kept.size() < wanted.size() && *now[i].ip == wanted[kept.size()]) kept.push_back(i);
  }
  for (std::size_t i = now.size(); i-- > 0;) {
    if (!now[i].ip || std::find(kept.begin(), kept.end(), i) != kept.end()) continue;
    ops.push_back({{"op", "remove"}, {"path", "/status/loadBalancer/ingress/" + std::to_string(i)}});
  }
  std::size_t had = kept.size();
  for (const kube::Ingress& entry : want) {
    if (!entry.ip) continue;
    if (had > 0) {
      --had;
      continue;
    }
    ops.push_back(op("add", "/status/loadBalancer/ingress/-", to_json(entry)));
  }
}

void add_annotation_ops(const kube::Service& now, bool has_annotations, const std::string& pool, api::Group group,
                        Json& ops) {
  const auto found = now.meta.annotations.find(annotation(group));
  if ((found == now.meta.annotations.end() ? "" : found->second) == pool) return;
  const std::string path = "/metadata/annotations/" + std::string(name(group)) + "~1ip-allocated-from-pool";
  if (pool.empty()) {
    ops.push_back({{"op", "remove"}, {"path", path}});
    return;
  }
  if (!has_annotations) ops.push_back(op("add", "/metadata/annotations", Json::object()));
  ops.push_back(op("add", path, pool));
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                          c == '.' || c == '_' || c == '~';
    if (is_plain) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

std::string collection_path(api::Kind kind, const Scope& scope) {
  std::string out(prefix_of(kind, scope.group));
  const bool is_in_one = scope.group == api::Group::metallb && is_of_either_group(kind) && !scope.ns.empty();
  if (is_in_one) out += "/namespaces/" + percent_encoded(scope.ns);
  if (kind == api::Kind::secret) out += "/namespaces/" + percent_encoded(scope.secrets_ns);
  return out + "/" + std::string(resource(kind).plural);
}

std::string object_path(const api::Key& key, api::Group group) {
  std::string out(prefix_of(key.kind, group));
  if (!key.name.ns.empty()) out += "/namespaces/" + percent_encoded(key.name.ns);
  return out + "/" + std::string(resource(key.kind).plural) + "/" + percent_encoded(key.name.name);
}

std::string events_path(std::string_view ns) { return "/api/v1/namespaces/" + percent_encoded(ns) + "/events"; }
std::string leases_path(std::string_view ns) {
  return "/apis/coordination.k8s.io/v1/namespaces/" + percent_encoded(ns) + "/leases";
}

bool is_custom(api::Kind kind) {
  return kind == api::Kind::service_cidr || kind == api::Kind::address_record || is_of_either_group(kind);
}

std::string list_query(std::string_view selector, std::string_view continuation) {
  std::string out = "?limit=" + std::to_string(kPageSize);
  if (!selector.empty()) out += "&labelSelector=" + percent_encoded(selector);
  if (!continuation.empty()) out += "&continue=" + percent_encoded(continuation);
  return out;
}

std::string watch_query(std::string_view selector, std::string_view resource_version, int seconds) {
  std::string out = "?watch=true&allowWatchBookmarks=true&resourceVersion=" + percent_encoded(resource_version) +
                    "&timeoutSeconds=" + std::to_string(seconds);
  if (!selector.empty()) out += "&labelSelector=" + percent_encoded(selector);
  return out;
}

Arrival read_object(api::Kind kind, const Json& object, api::Group group) {
  Arrival out;
  const Json& metadata = at(object, "metadata");
  out.name = {text_at(metadata, "namespace"), text_at(metadata, "name")};
  out.resource_version = text_at(metadata, "resourceVersion");
  out.has_annotations = at(metadata, "annotations").is_object();
  auto parsed = api::parse(kind, object, group);
  if (const auto* const error = std::get_if<kube::FieldError>(&parsed)) {
    out.fault = Fault{"", std::string(name(kind)) + " " + out.name.str(), error->field, error->what};
    return out;
  }
  out.object = std::get<api::Object>(std::move(parsed));
  trim(*out.object);
  out.bytes = encode(*out.object);
  return out;
}

Result<Page> read_page(api::Kind kind, std::string_view body, api::Group group) {
  const Json list = kube::parse_json(body);
  const Json& metadata = at(list, "metadata");
  Page out;
  out.resource_version = text_at(metadata, "resourceVersion");
  out.continuation = text_at(metadata, "continue");
  const Json& items = at(list, "items");
  // An empty list is null where the server is written in Go.
  if (out.resource_version.empty() || !(items.is_array() || items.is_null())) {
    return Error{Errc::malformed, "list " + std::string(name(kind)) + ": the answer is no list"};
  }
  for (const Json& item : items) out.arrivals.push_back(read_object(kind, item, group));
  return out;
}

void add_line(api::Kind kind, std::string_view line, Chunk& chunk, api::Group group) {
  using Type = kube::WatchEvent::Type;
  auto parsed = kube::parse_watch_event(line);
  if (const auto* const error = std::get_if<kube::FieldError>(&parsed)) {
    // The answer to a watch that is refused is a Status and no event; its body may come before its HTTP status is known.
    const Json document = kube::parse_json(line);
    const bool is_status = text_at(document, "kind") == "Status" && at(document, "code").is_number_integer();
    chunk.error = is_status ? at(document, "code").get<int>() : -1;
    chunk.message = is_status ? text_at(document, "message") : error->what;
    return;
  }
  const auto& event = std::get<kube::WatchEvent>(parsed);
  if (event.type == Type::error) {
    const Json& code = at(event.object, "code");
    chunk.error = code.is_number_integer() ? code.get<int>() : -1;
    chunk.message = text_at(event.object, "message");
    return;
  }
  if (event.type == Type::bookmark) {
    chunk.resource_version = text_at(at(event.object, "metadata"), "resourceVersion");
    return;
  }
  Arrival arrival = read_object(kind, event.object, group);
  arrival.is_gone = event.type == Type::deleted;
  if (!arrival.resource_version.empty()) chunk.resource_version = arrival.resource_version;
  chunk.arrivals.push_back(std::move(arrival));
}

Answer read_answer(ApiReply reply) {
  Answer out;
  out.status = reply.status;
  out.retry_after = reply.retry_after;
  if (out.status == 0) {
    out.what = std::move(reply.fault);
    return out;
  }
  const Json document = kube::parse_json(reply.body);
  if (out.is_success()) {
    out.resource_version = text_at(at(document, "metadata"), "resourceVersion");
    out.body = std::move(reply.body);
  } else {
    out.what = text_at(document, "message");
    if (out.what.empty()) out.what = "HTTP status " + std::to_string(out.status);
  }
  return out;
}

std::optional<Duration> read_retry_after(std::string_view header) {
  int seconds = 0;
  const char* const end = header.data() + header.size();
  const auto [last, error] = std::from_chars(header.data(), end, seconds);
  if (error != std::errc() || last != end || seconds <= 0) return std::nullopt;
  return std::min<Duration>(std::chrono::seconds(seconds), kMostRetryAfter);
}

Errc errc_of(int status) {
  switch (status) {
    case 401:
    case 403: return Errc::denied;
    case 404: return Errc::not_found;
    case 409:
    case 410: return Errc::conflict;
    case 400:
    case 405:
    case 413:
    case 415:
    case 422: return Errc::malformed;
    default: return Errc::unavailable;
  }
}

std::string service_patch(const kube::Service& now, std::string_view resource_version, bool has_annotations,
                          const ServiceWrite& what, api::Group group) {
  Json ops = Json::array();
  ops.push_back(op("replace", "/metadata/resourceVersion", std::string(resource_version)));
  if (what.ingress) add_ingress_ops(now.ingress, *what.ingress, ops);
  if (what.pool) add_annotation_ops(now, has_annotations, *what.pool, group, ops);
  return ops.size() == 1 ? "" : to_text(ops);
}

std::string pool_annotation_patch(std::string_view resource_version, std::string_view pool, api::Group group) {
  Json value = pool.empty() ? Json() : Json(std::string(pool));
  return to_text({{"metadata",
                {{"resourceVersion", std::string(resource_version)}, {"annotations", {{annotation(group), std::move(value)}}}}}});
}

bool shows_pool(std::string_view body, std::string_view pool, api::Group group) {
  const Json document = kube::parse_json(body);
  return text_at(at(at(document, "metadata"), "annotations"), annotation(group).c_str()) == pool;
}

std::string pool_status_patch(const PoolStatus& status) { return to_text({{"status", to_json(status)}}); }

std::string event_namespace(const api::Key& about) { return about.name.ns.empty() ? "default" : about.name.ns; }

std::string event_name(const EventWrite& event, std::uint64_t token) {
  char hex[20];
  std::snprintf(hex, sizeof hex, ".%016llx", static_cast<unsigned long long>(token));
  return event.about.name.name.substr(0, 200) + hex;
}

std::string event_body(const EventWrite& event, const std::string& event_name, std::string_view uid, const Reporting& by,
                       std::int64_t now_seconds) {
  const api::Key& about = event.about;
  const std::string_view prefix = prefix_of(about.kind, by.group);
  const bool is_core = prefix == "/api/v1";
  Json object = {{"kind", std::string(name(about.kind))},
                 {"apiVersion", is_core ? "v1" : std::string(prefix.substr(std::string_view("/apis/").size()))},
                 {"name", about.name.name}};
  if (!about.name.ns.empty()) object["namespace"] = about.name.ns;
  if (!uid.empty()) object["uid"] = std::string(uid);
  return to_text({{"apiVersion", "v1"},
               {"kind", "Event"},
               {"metadata", {{"name", event_name}, {"namespace", event_namespace(about)}}},
               {"involvedObject", object},
               {"reason", event.reason},
               {"message", event.message.substr(0, 1024)},
               {"type", event.type == EventType::normal ? "Normal" : "Warning"},
               {"source", {{"component", by.component}, {"host", by.instance}}},
               {"reportingComponent", by.component},
               {"reportingInstance", by.instance.substr(0, 128)},
               {"firstTimestamp", rfc3339(event.first_seconds)},
               {"lastTimestamp", rfc3339(now_seconds)},
               {"count", event.count}});
}

std::string event_patch(const EventWrite& event, std::int64_t now_seconds) {
  return to_text({{"message", event.message.substr(0, 1024)},
               {"type", event.type == EventType::normal ? "Normal" : "Warning"},
               {"lastTimestamp", rfc3339(now_seconds)},
               {"count", event.count}});
}

std::string lease_body(const LeaseRecord& record, std::string_view lease, std::string_view ns) {
  Json metadata = {{"name", std::string(lease)}, {"namespace", std::string(ns)}};
  if (!record.resource_version.empty()) metadata["resourceVersion"] = record.resource_version;
  Json spec = {{"holderIdentity", record.holder},
               {"leaseDurationSeconds", std::chrono::duration_cast<std::chrono::seconds>(record.duration).count()},
               {"renewTime", record.renewed},
               {"leaseTransitions", record.transitions}};
  if (!record.acquired.empty()) spec["acquireTime"] = record.acquired;
  return to_text({{"apiVersion", "coordination.k8s.io/v1"}, {"kind", "Lease"}, {"metadata", metadata}, {"spec", spec}});
}

std::optional<LeaseRecord> read_lease(std::string_view body) {
  const Json document = kube::parse_json(body);
  const Json& spec = at(document, "spec");
  LeaseRecord out;
  out.resource_version = text_at(at(document, "metadata"), "resourceVersion");
  if (out.resource_version.empty()) return std::nullopt;
  out.holder = text_at(spec, "holderIdentity");
  out.renewed = text_at(spec, "renewTime");
  out.acquired = text_at(spec, "acquireTime");
  const Json& seconds = at(spec, "leaseDurationSeconds");
  const std::int64_t given = seconds.is_number_integer() ? seconds.get<std::int64_t>() : 0;
  // Whatever somebody wrote there, a holder of ours is given its time and nobody waits for ever.
  out.duration = std::chrono::seconds(std::clamp<std::int64_t>(given, 1, 3600));
  const Json& transitions = at(spec, "leaseTransitions");
  out.transitions = transitions.is_number_integer() ? transitions.get<std::int64_t>() : 0;
  return out;
}

std::string micro_time(std::int64_t microseconds) {
  std::string out = rfc3339(microseconds / 1'000'000);
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%06dZ", static_cast<int>(microseconds % 1'000'000));
  out.pop_back();
  return out + fraction;
}

std::vector<std::string> api_servers_in(const api::Object& object) {
  std::vector<std::string> out;
  const auto* const slice = std::get_if<kube::EndpointSlice>(&object);
  if (slice == nullptr || slice->meta.ns != "default" || slice->service != "kubernetes") return out;
  for (const kube::EndpointPort& port : slice->ports) {
    if (port.name != "https" || port.protocol != Protocol::tcp) continue;
    for (const kube::Endpoint& endpoint : slice->endpoints) {
      if (!endpoint.is_ready) continue;
      const std::string ip = endpoint.address.str();
      out.push_back((endpoint.address.is4() ? ip : "[" + ip + "]") + ":" + std::to_string(port.port.value));
    }
  }
  return out;
}

}  // namespace fairlead::runtime
