#pragma once
/// A source of objects that a test holds in its hand: it keeps state, puts writes into its objects and shows them as
/// changes, answers from the loop and never from inside a call, and can be told to fail. Mirrors runtime/source.h.
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proto/runtime/loop.h"
#include "proto/runtime/source.h"

namespace fairlead::test {

class FakeSource final : public runtime::Source {
 public:
  explicit FakeSource(runtime::Loop& loop) : loop_(loop) {}

  struct Event {
    std::string about;
    std::string reason;
    std::string message;
    bool operator==(const Event&) const = default;
  };

  // What a test sets.
  std::deque<Errc> failures;         // of the next writes of Services, in order
  std::deque<Errc> status_failures;  // of the next writes of pools
  bool shows_writes = true;   // off: accepted and never seen again
  bool allocates = true;
  bool is_lease_free = true;

  // What a test reads.
  std::map<api::Key, api::Object> objects;
  std::vector<api::Kind> kinds;
  std::vector<std::pair<kube::Name, runtime::ServiceWrite>> writes;
  std::map<kube::Name, runtime::PoolStatus> statuses;
  std::size_t status_writes = 0;
  std::map<std::pair<runtime::StatusKind, std::string>, runtime::StatusObject> status_objects;
  std::size_t object_writes = 0;
  std::vector<Event> events;
  std::string lease;

  void put(api::Object object) {
    const api::Key key = api::key_of(object);
    objects.insert_or_assign(key, std::move(object));
    show(key);
  }
  void remove(const api::Key& key) {
    objects.erase(key);
    show(key);
  }
  void fault(runtime::Fault f) {
    loop_.post([this, f = std::move(f)] { handlers_.fault(f); });
  }
  void mend(runtime::Fault f) {
    loop_.post([this, f = std::move(f)] { handlers_.mended(f); });
  }
  /// For start(): deliver what exists, but hold synced() back.
  bool is_sync_held = false;
  void sync() {
    loop_.post([this] { handlers_.synced(); });
  }
  void set_leader(bool leads) {
    loop_.post([this, leads] { lead_(leads); });
  }

  void start(std::vector<api::Kind> which, Handlers handlers) override {
    kinds = std::move(which);
    handlers_ = std::move(handlers);
    is_started_ = true;
    for (const auto& [key, object] : objects) show(key);
    if (!is_sync_held) sync();
  }
  void write(const kube::Name& service, runtime::ServiceWrite what, runtime::Done done) override {
    writes.emplace_back(service, what);
    if (!failures.empty()) {
      const Errc code = failures.front();
      failures.pop_front();
      loop_.post([done, code] { done(Error{code, "as the test wants"}); });
      return;
    }
    const api::Key key{api::Kind::service, service};
    const auto found = objects.find(key);
    if (found == objects.end()) {
      loop_.post([done] { done(Error{Errc::not_found, "no such Service"}); });
      return;
    }
    if (shows_writes) {
      merge(std::get<kube::Service>(found->second), what);
      show(key);
    }
    loop_.post([done] { done({}); });
  }
  void write(const kube::Name& pool, const runtime::PoolStatus& status, runtime::Done done) override {
    ++status_writes;
    if (!status_failures.empty()) {
      const Errc code = status_failures.front();
      status_failures.pop_front();
      loop_.post([done, code] { done(Error{code, "as the test wants"}); });
      return;
    }
    statuses[pool] = status;
    loop_.post([done] { done({}); });
  }
  void write(const runtime::StatusObject& object, runtime::Done done) override {
    ++object_writes;
    status_objects[{object.kind(), object.name}] = object;
    if (done) loop_.post([done] { done({}); });
  }
  void remove(runtime::StatusKind kind, const std::string& name, runtime::Done done) override {
    ++object_writes;
    status_objects.erase({kind, name});
    if (done) loop_.post([done] { done({}); });
  }
  void list(runtime::StatusKind kind, std::string label, std::string value, runtime::Listed done) override {
    std::vector<std::string> names;
    for (const auto& [key, object] : status_objects) {
      const auto found = object.labels.find(label);
      if (key.first == kind && found != object.labels.end() && found->second == value) names.push_back(key.second);
    }
    loop_.post([done, names] { done(names); });
  }
  void event(const api::Key& about, runtime::EventType, std::string_view reason, std::string_view message) override {
    events.push_back({about.str(), std::string(reason), std::string(message)});
  }
  void lead(std::string_view name, std::function<void(bool)> changed) override {
    lease = name;
    lead_ = std::move(changed);
    if (is_lease_free) set_leader(true);
  }
  bool allocates_cluster_ips() const override { return allocates; }

 private:
  void show(const api::Key& key) {
    if (!is_started_) return;
    runtime::Change change{key, std::nullopt};
    if (const auto found = objects.find(key); found != objects.end()) change.object = found->second;
    loop_.post([this, change = std::move(change)] { handlers_.changes({change}); });
  }
  static void merge(kube::Service& s, const runtime::ServiceWrite& w) {
    if (w.cluster_ips) s.cluster_ips = *w.cluster_ips;
    if (w.node_ports) {
      for (std::size_t i = 0; i < s.ports.size() && i < w.node_ports->size(); ++i)
        s.ports[i].node_port = (*w.node_ports)[i];
    }
    if (w.ingress) s.ingress = *w.ingress;
    if (!w.pool) return;
    const std::string annotation = std::string(api::kGroup) + "/ip-allocated-from-pool";
    if (w.pool->empty())
      s.meta.annotations.erase(annotation);
    else
      s.meta.annotations[annotation] = *w.pool;
  }

  runtime::Loop& loop_;
  Handlers handlers_;
  std::function<void(bool)> lead_;
  bool is_started_ = false;
};

/// Runs the loop until the condition holds, looking after each turn; false when it does not within ten seconds.
template <class Condition>
bool run_until(runtime::Loop& loop, Condition condition) {
  bool is_met = false;
  const TimePoint end = loop.now() + std::chrono::seconds(10);
  std::unique_ptr<runtime::Timer> look;
  look = std::make_unique<runtime::Timer>(loop, [&] {
    is_met = condition();
    if (is_met || loop.now() > end)
      loop.stop();
    else
      look->arm(std::chrono::milliseconds(1));
  });
  look->arm({});
  loop.run();
  return is_met;
}

/// Some turns of the loop, for what must not happen.
inline void run_turns(runtime::Loop& loop, int turns = 20) {
  run_until(loop, [&] { return --turns < 0; });
}

}  // namespace fairlead::test
