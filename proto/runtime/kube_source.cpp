/// Machines side by side on the loop: one Reflector for each kind (list, watch, again), the queue of writes, status objects,
/// Events, the lease. The client's thread parses; what comes from it are values.
#include "proto/runtime/kube_source.h"

#include <malloc.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "proto/base/check.h"
#include "proto/base/log.h"
#include "proto/runtime/kube_events.h"
#include "proto/runtime/kube_lease.h"
#include "proto/runtime/kube_statuses.h"
#include "proto/runtime/kube_webhook.h"
#include "proto/runtime/object_codec.h"
#include "proto/runtime/quiet.h"
#include "proto/runtime/reflector.h"
#include "proto/runtime/state_writer.h"
#include "proto/runtime/token_bucket.h"

namespace fairlead::runtime {
namespace {

using std::chrono::seconds;

constexpr Duration kSaveAfter = seconds(1);
constexpr int kSaveShare = 20;  // a save may cost a twentieth of the time

void set_resource_version(api::Object& object, const std::string& version) {
  std::visit([&](auto& o) { o.meta.resource_version = version; }, object);
}

class KubeSource final : public Source {
 public:
  KubeSource(Loop& loop, std::unique_ptr<ApiClient> client, KubeOptions options)
      : loop_(loop),
        options_(std::move(options)),
        client_(std::move(client)),
        quiet_(loop),
        owner_{loop,
               *client_,
               random_,
               Scope{options_.group, options_.metallb_namespace, own_namespace()},
               [this](Change change) { collect(std::move(change)); },
               [this](Fault fault, bool is_mended) { collect_fault(std::move(fault), is_mended); },
               [this] { on_listed(); },
               [this] { on_answered(); },
               [this](api::Kind kind) { on_dirty(kind); },
               quiet_},
        bucket_(options_.writes_per_second, options_.write_burst),
        statuses_({.group = options_.group, .ns = own_namespace(), .manager = options_.reporting.component, .owner = options_.owner},
                  {loop, *client_, quiet_, bucket_, [this] { return may_write(); }, [this] { return random_.unit(); }}),
        webhook_({*client_, quiet_, [this] { return may_write(); }, [this](std::function<void()> task) { later(std::move(task)); }}),
        events_(options_.reporting, {loop, *client_, quiet_, bucket_, [this] { return !queue_.empty(); },
                                     [this](const api::Key& about) { return uid_of(about); }, [this] { return random_.number(); }}),
        write_timer_(loop, [this] { pump(); }),
        restore_timer_(loop, [this] { restore(); }),
        save_timer_(loop, [this] { save(); }) {
    if (!options_.state_file.empty()) {
      writer_.emplace(loop, options_.state_file);
      load();
    }
  }

  ~KubeSource() override {
    queue_.clear();
    statuses_.clear();
    if (lease_) lease_->release();
    if (writer_ && is_saved_dirty_ && is_complete()) writer_->save_now(state_bytes());
    reflectors_.clear();
    client_.reset();  // waits for what runs in its thread; nothing of us is called after that
  }

  void start(std::vector<api::Kind> kinds, Handlers handlers) override {
    handlers_ = std::move(handlers);
    const bool is_proxy = std::find(kinds.begin(), kinds.end(), api::Kind::endpoint_slice) != kinds.end();
    for (const api::Kind kind : kinds) {
      const bool is_selected = is_proxy && (kind == api::Kind::service || kind == api::Kind::endpoint_slice);
      reflectors_.push_back(std::make_unique<Reflector>(kind, is_selected ? std::string(kProxiedSelector) : "", owner_));
    }
    later([this] {
      for (const auto& reflector : reflectors_) reflector->start();
      if (writer_) restore_timer_.arm(options_.restore_after);
    });
  }

  void write(const kube::Name& service, ServiceWrite what, Done done) override {
    queue_.push_back({{api::Kind::service, service}, std::move(what), {}, std::move(done)});
    pump_later();
  }
  void write(const kube::Name& pool, const PoolStatus& status, Done done) override {
    queue_.push_back({{api::Kind::ip_address_pool, pool}, {}, status, std::move(done)});
    pump_later();
  }

  AnswerCounts answers() const override { return client_->answers(); }

  void write(const StatusObject& object, Done done) override { statuses_.write(object, std::move(done)); }
  void remove(StatusKind kind, const std::string& name, Done done) override { statuses_.remove(kind, name, std::move(done)); }
  void list(StatusKind kind, std::string label, std::string value, Listed done) override {
    statuses_.list(kind, label, value, std::move(done));
  }

  void event(const api::Key& about, EventType type, std::string_view reason, std::string_view message) override {
    events_.add(about, type, reason, message);
  }

  void lead(std::string_view lease, std::function<void(bool)> changed) override {
    lead_changed_ = std::move(changed);
    char suffix[20];
    std::snprintf(suffix, sizeof suffix, "_%08x", static_cast<unsigned>(random_.number()));
    // Where a name proves nothing, a program that was started again is somebody else: another process may bear the name.
    const bool is_sole = !options_.sole_identity.empty();
    lease_.emplace(KubeLease::Scope{options_.ns, "fairlead-" + std::string(lease),
                                    is_sole ? options_.sole_identity : options_.reporting.instance + suffix, is_sole},
                   KubeLease::Shared{loop_, *client_, quiet_, [this](bool is_safe) { on_lease(is_safe); },
                                     [this](Fault fault, bool is_mended) { collect_fault(std::move(fault), is_mended); }});
    later([this] { lease_->compete(); });
  }

  bool allocates_cluster_ips() const override { return false; }
  WebhookApi* webhook_api() override { return &webhook_; }

 private:
  struct Job {
    api::Key key;
    ServiceWrite service;
    std::optional<PoolStatus> pool;
    Done done;
  };

  /// Of the objects that are neither the cluster's nor a user's.
  const std::string& own_namespace() const { return options_.group == api::Group::metallb ? options_.metallb_namespace : options_.ns; }

  /// Posts; the task is dropped when the source ends before.
  void later(std::function<void()> task) {
    loop_.post([alive = std::weak_ptr<char>(alive_), task = std::move(task)] {
      if (!alive.expired()) task();
    });
  }

  // -- objects in

  void collect(Change change) {
    if (change.object && change.key.kind == api::Kind::endpoint_slice) learn(*change.object);
    changes_.push_back(std::move(change));
    deliver_later();
  }
  void collect_fault(Fault fault, bool is_mended) {
    faults_.emplace_back(std::move(fault), is_mended);
    deliver_later();
  }
  void deliver_later() {
    if (!std::exchange(is_delivery_posted_, true)) later([this] { deliver(); });
  }
  void deliver() {
    is_delivery_posted_ = false;
    for (const auto& [fault, is_mended] : std::exchange(faults_, {})) {
      if (!is_mended) handlers_.fault(fault);
      else if (handlers_.mended) handlers_.mended(fault);
    }
    if (!changes_.empty()) {
      // Versions are looked up now: the newest that was seen is the one to write with.
      for (Change& change : changes_) {
        if (!change.object) continue;
        if (const Held* const held = find(change.key)) set_resource_version(*change.object, held->resource_version);
      }
      handlers_.changes(std::exchange(changes_, {}));
    }
    if (is_sync_due_ && !is_synced_) {
      is_synced_ = true;
      restore_timer_.cancel();
      handlers_.synced();
    }
  }

  bool is_complete() const {
    return !reflectors_.empty() && std::all_of(reflectors_.begin(), reflectors_.end(), [](const auto& r) { return r->is_listed(); });
  }

  void on_listed() {
    if (is_complete()) {
      if (!std::exchange(is_all_listed_, true)) {
        ::malloc_trim(0);
        on_dirty(api::Kind::service);  // what was restored may have been the same, what was not is news
      }
      is_sync_due_ = true;
      deliver_later();
    }
    begin_to_lead();
  }

  void on_answered() {
    if (!is_synced_ && writer_) restore_timer_.arm(options_.restore_after);
    bool has_waiting = false;
    for (const auto& reflector : reflectors_) has_waiting |= reflector->has_failed();
    if (!has_waiting) return;
    for (const auto& reflector : reflectors_) reflector->hurry();
  }

  const Held* find(const api::Key& key) const {
    for (const auto& reflector : reflectors_) {
      if (reflector->kind() != key.kind) continue;
      const auto found = reflector->held().find(key.name);
      return found == reflector->held().end() ? nullptr : &found->second;
    }
    return nullptr;
  }

  std::string uid_of(const api::Key& key) const {
    const Held* const held = find(key);
    const auto object = held != nullptr ? decode(key.kind, held->bytes) : std::nullopt;
    return object ? api::meta_of(*object).uid : "";
  }

  // -- the state file and what it knows of API servers

  void learn(const api::Object& object) {
    std::vector<std::string> servers = api_servers_in(object);
    if (servers.empty()) return;
    std::sort(servers.begin(), servers.end());
    // One slice for each family: the addresses of the other one stay.
    const bool is_v6 = servers.front().starts_with('[');
    for (const std::string& known : learned_) {
      if (known.starts_with('[') != is_v6) servers.push_back(known);
    }
    if (servers == learned_) return;
    use(std::move(servers));
    on_dirty(api::Kind::endpoint_slice);
  }

  void use(std::vector<std::string> servers) {
    learned_ = std::move(servers);
    std::vector<ApiServer> parsed;
    for (const std::string& text : learned_) {
      if (auto server = parse_api_server(text)) parsed.push_back(*std::move(server));
    }
    client_->learn_servers(std::move(parsed));
  }

  void load() {
    const auto bytes = load_state(writer_->path());
    if (!bytes && bytes.error().code == Errc::not_found) return;
    auto state = bytes ? decode_state(*bytes) : Result<State>(bytes.error());
    if (!state) {
      log::warn("state_ignored", {{"file", writer_->path()}, {"what", state.error().what}});
      return;
    }
    use(state->api_servers);
    state_ = *std::move(state);
  }

  /// Nothing has come from an API server for a while: what there was must do.
  void restore() {
    if (is_synced_ || !state_) return;
    std::size_t objects = 0;
    for (const auto& reflector : reflectors_) {
      if (reflector->is_listed()) continue;
      for (const State::Group& group : state_->groups) {
        if (group.kind != reflector->kind()) continue;
        reflector->restore(group.objects);
        objects += group.objects.size();
      }
    }
    log::warn("state_restored", {{"objects", objects}, {"what", "no API server answers; what is in the state file goes on"}});
    state_.reset();
    is_sync_due_ = true;
    deliver_later();
  }

  void on_dirty(api::Kind) {
    is_saved_dirty_ = true;
    if (!writer_ || !is_all_listed_ || writer_->is_busy()) return;
    save_timer_.arm_if_idle(save_after_);
  }

  std::string state_bytes() const {
    State state;
    state.api_servers = learned_;
    for (const auto& reflector : reflectors_) {
      State::Group& group = state.groups.emplace_back();
      group.kind = reflector->kind();
      group.objects.reserve(reflector->held().size());
      for (const auto& [name, held] : reflector->held()) group.objects.push_back(held.bytes);
    }
    return encode(state);
  }

  void save() {
    state_.reset();
    is_saved_dirty_ = false;
    const TimePoint start = loop_.now();
    std::string bytes = state_bytes();
    const Duration cost = loop_.now() - start;
    writer_->save(std::move(bytes), [this, cost](Duration disk) {
      save_after_ = std::max(kSaveAfter, (cost + disk) * kSaveShare);
      ::malloc_trim(0);  // what it was made in, and what others made of the objects meanwhile
      if (is_saved_dirty_) on_dirty(api::Kind::service);
    });
  }

  // -- writes

  void pump_later() {
    if (!std::exchange(is_pump_posted_, true)) {
      later([this] {
        is_pump_posted_ = false;
        pump();
      });
    }
  }

  void pump() {
    while (!queue_.empty() && in_flight_ < options_.writes_in_flight) {
      if (!may_write()) {
        drop_queue();
        break;
      }
      if (quiet_.left() > Duration{} || !bucket_.take(loop_.now())) {
        write_timer_.arm_if_idle(std::max(quiet_.left(), bucket_.wait(loop_.now())));
        return;
      }
      Job job = std::move(queue_.front());
      queue_.pop_front();
      begin(std::move(job));
    }
    if (queue_.empty()) events_.pump();
  }

  /// What was decided under a lease is not written under the next one, which may be ours again.
  void drop_queue() {
    for (Job& job : std::exchange(queue_, {})) {
      finish(std::move(job.done), Error{Errc::unavailable, "write " + job.key.str() + ": the lease is not ours for long enough"});
    }
  }

  /// A write that a lease protects starts only while enough of it is left for the write to end in.
  bool may_write() const { return !lease_ || lease_->is_safe(); }

  void finish(Done done, Result<void> result) {
    later([done = std::move(done), result = std::move(result)] { done(result); });
  }

  void begin(Job job) {
    const Held* const held = find(job.key);
    if (held == nullptr) return finish(std::move(job.done), Error{Errc::not_found, "write " + job.key.str() + ": there is no such object"});
    if (held->resource_version.empty()) {  // from the state file: what the server has is not known
      return finish(std::move(job.done), Error{Errc::unavailable, "write " + job.key.str() + ": it was not listed yet"});
    }
    if (job.pool) return send_pool(std::move(job));
    const auto object = decode(job.key.kind, held->bytes);
    FL_CHECK(object.has_value(), "what was encoded can be decoded");
    std::string patch = service_patch(std::get<kube::Service>(*object), held->resource_version, held->has_annotations, job.service, options_.group);
    if (patch.empty()) return finish(std::move(job.done), {});
    const std::string path = object_path(job.key, options_.group) + "/status?" + std::string(kServerTimeout);
    const bool has_pool = job.service.pool.has_value();
    send_service_patch(path, std::move(patch), kJsonPatch, [this, job = std::move(job), has_pool](const Answer& answer) mutable {
      // The status subresource of a Service takes its annotations too. Should a server ever refuse that, the main
      // resource is patched.
      if (answer.is_success() && has_pool && !shows_pool(answer.body, *job.service.pool, options_.group)) {
        if (!may_write()) return conclude(job, {0, "the lease is not ours for long enough", "", "", {}});
        std::string second = pool_annotation_patch(answer.resource_version, *job.service.pool, options_.group);
        const std::string main = object_path(job.key, options_.group) + "?" + std::string(kServerTimeout);
        return send_service_patch(main, std::move(second), kMergePatch, [this, job = std::move(job)](const Answer& last) mutable { conclude(job, last); });
      }
      conclude(job, answer);
    });
  }

  /// Whatever version the pool has: its status is made of nothing in it, and who writes it has the lease.
  void send_pool(Job job) {
    const std::string path = object_path(job.key, options_.group) + "/status?" + std::string(kServerTimeout);
    std::string patch = pool_status_patch(*job.pool);
    send_patch(path, std::move(patch), kMergePatch, [this, job = std::move(job)](const Answer& answer) mutable { conclude(job, answer); });
  }

  void show_service(Arrival arrival) {
    for (const auto& reflector : reflectors_) {
      if (reflector->kind() == api::Kind::service) return reflector->show(std::move(arrival));
    }
  }

  void conclude(Job& job, const Answer& answer) {
    Result<void> result;
    if (!answer.is_success()) result = Error{errc_of(answer.status), "write " + job.key.str() + ": " + answer.what};
    finish(std::move(job.done), std::move(result));
  }

  using Answered = std::function<void(const Answer&)>;
  void send_patch(std::string path, std::string body, const char* type, Answered answered) {
    send_patch(std::move(path), std::move(body), type, nullptr, std::move(answered));
  }
  /// What it made is delivered like anybody's change, before `answered`.
  void send_service_patch(std::string path, std::string body, const char* type, Answered answered) {
    const auto read = [group = options_.group](const Answer& answer) { return read_object(api::Kind::service, kube::parse_json(answer.body), group); };
    send_patch(std::move(path), std::move(body), type, read, std::move(answered));
  }
  void send_patch(std::string path, std::string body, const char* type, std::function<Arrival(const Answer&)> read, Answered answered) {
    ++in_flight_;
    client_->send({ApiRequest::Method::patch, std::move(path), std::move(body), type, kWriteTimeout},
                  [this, read = std::move(read), answered = std::move(answered)](ApiReply reply) -> Task {
                    const auto answer = std::make_shared<Answer>(read_answer(std::move(reply)));
                    const auto shown = answer->is_success() && read ? std::make_shared<Arrival>(read(*answer)) : nullptr;
                    return [this, answered, answer, shown] {
                      --in_flight_;
                      if (shown) show_service(std::move(*shown));
                      quiet_.keep(answer->retry_after);
                      answered(*answer);
                      pump();
                      refresh();
                    };
                  });
  }

  // -- leading

  /// Leading is being able to write, and knowing all that was written before: what a watch shows may be seconds old, and an
  /// address that the last leader gave meanwhile would be given once more. The last leader may have been this process: what it
  /// has sent ends first.
  void on_lease(bool is_safe) {
    is_refresh_due_ = is_safe;
    if (is_safe) return refresh();
    drop_queue();
    statuses_.abandon();
    set_leads(false);
  }
  void refresh() {
    if (!is_refresh_due_ || in_flight_ > 0) return;
    is_refresh_due_ = false;
    for (const auto& reflector : reflectors_) reflector->refresh();
    begin_to_lead();
  }

  /// A kind that was never listed keeps nobody from leading: nothing is decided without it, and somebody has to say why.
  void begin_to_lead() {
    const bool is_current = std::all_of(reflectors_.begin(), reflectors_.end(), [](const auto& r) { return !r->is_listed() || r->is_current(); });
    if (lease_ && lease_->is_safe() && is_current && !is_refresh_due_) set_leads(true);
  }

  void set_leads(bool leads) {
    if (std::exchange(leads_, leads) == leads) return;
    later([this, leads] { lead_changed_(leads); });
  }

  Loop& loop_;
  const KubeOptions options_;
  Random random_;
  std::unique_ptr<ApiClient> client_;
  Quiet quiet_;
  Reflector::Owner owner_;
  Handlers handlers_;
  std::vector<std::unique_ptr<Reflector>> reflectors_;

  std::vector<Change> changes_;
  std::vector<std::pair<Fault, bool>> faults_;  // and whether it is mended
  bool is_delivery_posted_ = false;
  bool is_all_listed_ = false;
  bool is_sync_due_ = false;
  bool is_synced_ = false;

  std::optional<StateWriter> writer_;
  std::optional<State> state_;  // as loaded, until it is used or of no more use
  std::vector<std::string> learned_;
  bool is_saved_dirty_ = false;
  Duration save_after_ = kSaveAfter;

  TokenBucket bucket_;
  std::deque<Job> queue_;
  std::size_t in_flight_ = 0;
  bool is_pump_posted_ = false;
  KubeStatuses statuses_;
  KubeWebhook webhook_;

  KubeEvents events_;

  std::optional<KubeLease> lease_;
  std::function<void(bool)> lead_changed_;
  bool is_refresh_due_ = false;  // everything has to be listed before we lead
  bool leads_ = false;

  Timer write_timer_, restore_timer_, save_timer_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace

std::unique_ptr<Source> make_kube_source(Loop& loop, std::unique_ptr<ApiClient> client, KubeOptions options) {
  return std::make_unique<KubeSource>(loop, std::move(client), std::move(options));
}

}  // namespace fairlead::runtime
