#pragma once
/// What is said to an API server and what it answers: paths, queries, bodies of patches, pages of lists. Pure: text in,
/// text or values out.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/api/objects.h"
#include "proto/base/result.h"
#include "proto/kube/fields.h"
#include "proto/runtime/api_client.h"
#include "proto/runtime/event_limiter.h"
#include "proto/runtime/lease.h"
#include "proto/runtime/source.h"

namespace fairlead::runtime {

constexpr Duration kWriteTimeout = std::chrono::seconds(5);  // and of small reads
/// The server's is a second less, so that it is known what became of a write, and less than LeaseElection::kMargin.
constexpr std::string_view kServerTimeout = "timeout=4s";

/// Everything but letters, digits and "-._~" as %XX.
std::string percent_encoded(std::string_view text);

/// Whose own objects and annotations: --api-group, and where its objects are. MetalLB looks into one namespace only;
/// Fairlead's own count wherever they are.
struct Scope {
  api::Group group = api::Group::fairlead;
  std::string ns;
  std::string secrets_ns = {};  // of passwords: nobody has to let us read all Secrets
};

/// "/api/v1/services": all namespaces, but for the custom kinds of metallb.io, and Secrets.
std::string collection_path(api::Kind kind, const Scope& scope = {});
/// "/api/v1/namespaces/default/services/web"
std::string object_path(const api::Key& key, api::Group group = api::Group::fairlead);
std::string events_path(std::string_view ns);
std::string leases_path(std::string_view ns);
/// A kind that an API server may not have: its CustomResourceDefinition is not installed, or (ServiceCIDR) the API server
/// is older than Kubernetes 1.33.
bool is_custom(api::Kind kind);

/// Only what a service proxy is meant to handle (reference: Kubernetes' own proxy has the same two).
inline constexpr std::string_view kProxiedSelector = "!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless";
inline constexpr int kPageSize = 500;
std::string list_query(std::string_view selector, std::string_view continuation);
std::string watch_query(std::string_view selector, std::string_view resource_version, int seconds);

/// An object as it came: what is used of it, or why it is refused.
struct Arrival {
  kube::Name name;  // also of one that is refused, as far as it can be told
  std::string resource_version;
  std::string bytes;  // object_codec.h
  std::optional<api::Object> object;
  std::optional<Fault> fault;
  bool has_annotations = false;  // any, also those that are dropped
  bool is_gone = false;          // DELETED
};

/// Keeps what is used: annotations with a prefix of ours (fairlead.io/, metallb.io/, metallb.universe.tf/) or of
/// Services (service.kubernetes.io/), of EndpointSlices neither labels nor annotations.
Arrival read_object(api::Kind kind, const kube::Json& object, api::Group group = api::Group::fairlead);

struct Page {
  std::vector<Arrival> arrivals;
  std::string resource_version;
  std::string continuation;  // "": the last page
};
/// Malformed: no list.
Result<Page> read_page(api::Kind kind, std::string_view body, api::Group group = api::Group::fairlead);

/// What a few lines of a watch say.
struct Chunk {
  std::vector<Arrival> arrivals;
  std::string resource_version;  // the newest, of an object or a bookmark
  int error = 0;                 // code of an ERROR event; the watch is over
  std::string message;
};
void add_line(api::Kind kind, std::string_view line, Chunk& chunk, api::Group group = api::Group::fairlead);

/// What a write or a read of a single object answered, as far as anybody asks.
struct Answer {
  int status = 0;     // HTTP; 0: no answer
  std::string what;   // why not: the server's message, or what broke
  std::string resource_version;
  std::string body;  // of a success, when it is wanted
  Duration retry_after{};
  bool is_success() const { return status >= 200 && status < 300; }
};
Answer read_answer(ApiReply reply);
/// The header Retry-After: seconds, at most kMostRetryAfter; none for a date or anything else.
inline constexpr Duration kMostRetryAfter = std::chrono::seconds(60);
std::optional<Duration> read_retry_after(std::string_view header);
Errc errc_of(int status);

/// A JSON patch (RFC 6902) of exactly our part of a Service: entries of status.loadBalancer.ingress that have an
/// address, and the annotation. An entry that stays is not touched, whatever fields it has; entries without an address
/// are somebody else's. With resourceVersion: another writer in between makes it a conflict. Empty: nothing to do.
std::string service_patch(const kube::Service& now, std::string_view resource_version, bool has_annotations,
                          const ServiceWrite& what, api::Group group = api::Group::fairlead);
inline constexpr const char* kJsonPatch = "application/json-patch+json";
inline constexpr const char* kMergePatch = "application/merge-patch+json";
inline constexpr const char* kJsonBody = "application/json";
/// Server-side apply (JSON is YAML).
inline constexpr const char* kApplyPatch = "application/apply-patch+yaml";

/// The annotation alone, as a merge patch of the main resource.
std::string pool_annotation_patch(std::string_view resource_version, std::string_view pool,
                                  api::Group group = api::Group::fairlead);
/// Whether the answer's object has the annotation ("" = none).
bool shows_pool(std::string_view body, std::string_view pool, api::Group group = api::Group::fairlead);

std::string pool_status_patch(const PoolStatus& status);

struct Reporting {
  std::string component;  // "fairlead-controller"
  std::string instance;   // the Pod's or node's name
  api::Group group = api::Group::fairlead;  // of the custom objects that Events are about
};
/// A core/v1 Event, and what changes of it later. Times are seconds since 1970.
std::string event_name(const EventWrite& event, std::uint64_t token);
std::string event_body(const EventWrite& event, const std::string& name, std::string_view uid, const Reporting& by,
                       std::int64_t now_seconds);
std::string event_patch(const EventWrite& event, std::int64_t now_seconds);
/// Where Events about an object live: its namespace, or "default".
std::string event_namespace(const api::Key& about);

std::string lease_body(const LeaseRecord& record, std::string_view name, std::string_view ns);
std::optional<LeaseRecord> read_lease(std::string_view body);
/// RFC 3339 with microseconds: "2026-01-31T12:00:00.000000Z".
std::string micro_time(std::int64_t microseconds);

/// host:port of the endpoints of EndpointSlice default/kubernetes*; empty for any other.
std::vector<std::string> api_servers_in(const api::Object& object);

}  // namespace fairlead::runtime
