#pragma once
/// Where objects come from and where statuses go: one interface, two sources (a folder, and the Kubernetes API server).
/// Nobody behind it asks which one it is.
/// Thread: everything on the loop's; handlers are never called from inside a call to the source, always from the loop.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/api/objects.h"
#include "proto/base/result.h"
#include "proto/runtime/status_object.h"
#include "proto/runtime/webhook_api.h"

namespace fairlead::runtime {

struct Change {
  api::Key key;
  std::optional<api::Object> object;  // none: the object is gone
};

/// Input that was refused. What ran before goes on: the last good version of the object stays.
struct Fault {
  std::string where;   // "dir/web.yaml:14", or "" for an API server
  std::string object;  // "Service default/web", or "" when it cannot be known
  std::string field;   // "spec.ports[0].port", or ""
  std::string what;    // one sentence
  /// The object, or where it is that no object is known.
  const std::string& about() const { return object.empty() ? where : object; }
  bool operator==(const Fault&) const = default;
};

/// What the controller writes about a Service; an absent member is left as it is.
struct ServiceWrite {
  std::optional<std::vector<Ip>> cluster_ips;      // folder mode only: an API server allocates its own
  std::optional<std::vector<Port>> node_ports;     // folder mode only: one for each of spec.ports, 0 for none
  std::optional<std::vector<kube::Ingress>> ingress;  // our part of status.loadBalancer.ingress; empty: none
  std::optional<std::string> pool;                 // annotation <group>/ip-allocated-from-pool; "" removes it
};

struct PoolStatus {
  std::int64_t assigned_ipv4 = 0, assigned_ipv6 = 0, available_ipv4 = 0, available_ipv6 = 0;
  bool operator==(const PoolStatus&) const = default;
};

enum class EventType { normal, warning };

using Done = std::function<void(Result<void>)>;
using Listed = std::function<void(Result<std::vector<std::string>>)>;

class Source {
 public:
  struct Handlers {
    /// Changes in the order they happened, many at a time. An object that did not change is not delivered again.
    std::function<void(std::vector<Change>)> changes;
    /// Once: everything that existed at the start has been delivered. Nothing is written to kernel or API before.
    std::function<void()> synced;
    std::function<void(const Fault&)> fault;
    /// What fault() said, word for word, holds no more: the object can be read now, or is gone. May be left out.
    std::function<void(const Fault&)> mended = {};
  };

  virtual ~Source() = default;

  /// Delivers the kinds named, from now on.
  virtual void start(std::vector<api::Kind> kinds, Handlers handlers) = 0;

  /// `done` is called later, from the loop. The written part comes back as a Change like anybody's.
  virtual void write(const kube::Name& service, ServiceWrite what, Done done) = 0;
  virtual void write(const kube::Name& pool, const PoolStatus& status, Done done) = 0;
  /// An Event about an object: reason in CamelCase, message one sentence. Losing one is no error.
  virtual void event(const api::Key& about, EventType type, std::string_view reason, std::string_view message) = 0;

  /// Makes the object or replaces it. Of one object only the newest is written, one write at a time. What can be helped by
  /// trying again (no answer, no right, the kind is not installed) is tried again by the source, at the pace the server
  /// asks for: the writer says it once. `done` (may be empty): when it is written; or why not, or not yet. A newer write or removal of
  /// the same object answers it with `conflict`. In a program that competes for a lease nothing is sent without it, and
  /// what waits then is dropped (`unavailable`).
  virtual void write(const StatusObject& object, Done done) = 0;
  /// As write(). Success where there is no such object.
  virtual void remove(StatusKind kind, const std::string& name, Done done) = 0;
  /// Names of the objects of this kind with this label (its key as in StatusObject), for tidying up what an earlier
  /// process left. One try; none where the kind is not installed.
  virtual void list(StatusKind kind, std::string label, std::string value, Listed done) = 0;

  /// Competes for the lease of this name; `changed(true)` when it is held and what the holder before wrote has been delivered,
  /// `changed(false)` when it is lost.
  virtual void lead(std::string_view lease, std::function<void(bool leads)> changed) = 0;

  /// True where cluster addresses and node ports are the controller's to allocate (folder mode).
  virtual bool allocates_cluster_ips() const = 0;

  /// What the API server answered so far: HTTP status (0: no answer) and how often. None in folder mode.
  virtual std::map<int, std::uint64_t> answers() const { return {}; }

  /// For an admission webhook; null where no API server calls one (folder mode).
  virtual WebhookApi* webhook_api() { return nullptr; }
};

}  // namespace fairlead::runtime
