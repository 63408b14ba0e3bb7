/// The shell around FolderStore: when to look at which file, and what to do when the folder itself goes away.
///
/// One pass: drain inotify; read what was closed or moved in; drain again after each read, and drop what a writer has
/// overtaken; hand the rest to the store; deliver what changed, all at once. Removals wait 2 ms, and whatever comes after
/// them waits with them: an editor's remove-and-write is then one change, a file that is renamed is not a duplicate of
/// itself, and a folder that is removed as a whole is seen to be gone before its files are.
#include "proto/runtime/folder_source.h"

#include <malloc.h>
#include <sys/epoll.h>

#include <algorithm>
#include <unordered_map>

#include "proto/api/annotations.h"
#include "proto/base/log.h"
#include "proto/runtime/folder_files.h"
#include "proto/runtime/folder_overlay.h"
#include "proto/runtime/folder_status.h"
#include "proto/runtime/folder_store.h"
#include "proto/runtime/json.h"
#include "proto/runtime/status_text.h"
#include "proto/runtime/wall_time.h"

namespace fairlead::runtime {
namespace {

using std::chrono::milliseconds;

constexpr auto kSettle = milliseconds(2);
constexpr auto kRetry = milliseconds(200);   // a folder that is gone, a lease that somebody else holds
constexpr auto kPoll = milliseconds(1000);   // where the kernel has no more watches
constexpr auto kPruneAfter = milliseconds(1000);
const std::string kWatches = "/watches";  // a place in told_ that is no directory
constexpr std::int64_t kClockTick = 20'000'000;  // ns; file times move in steps of up to 10 ms

std::int64_t wall_clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// ".status/Service/<ns>/<name>.yaml": the name; none for a manifest.
std::optional<kube::Name> overlay_of(const std::string& path) {
  static constexpr std::string_view kPrefix = ".status/Service/";
  if (!path.starts_with(kPrefix)) return std::nullopt;
  const auto slash = path.find('/', kPrefix.size());
  const auto end = path.rfind('.');
  return kube::Name{path.substr(kPrefix.size(), slash - kPrefix.size()), path.substr(slash + 1, end - slash - 1)};
}

class FolderSource final : public Source {
 public:
  FolderSource(Loop& loop, FolderOptions options, FolderFiles files)
      : loop_(loop),
        options_(std::move(options)),
        files_(std::move(files)),
        status_(files_.full(""), options_.group),
        own_namespace_(options_.group == api::Group::metallb ? options_.metallb_namespace : options_.ns),
        settle_(loop, [this] { settle(); }),
        busy_timer_(loop, [this] { ask_busy(); }),
        poll_(loop, [this] { poll(); }),
        lease_timer_(loop, [this] { compete(); }),
        prune_(loop, [this] { prune(); }) {}

  void start(std::vector<api::Kind> kinds, Handlers handlers) override {
    handlers_ = std::move(handlers);
    store_.emplace(files_.full(""), kinds);
    later([this] { first_walk(); });
  }

  void write(const kube::Name& service, ServiceWrite what, Done done) override {
    const kube::Service* const merged = store_ ? store_->service(service) : nullptr;
    Result<void> result = Error{Errc::not_found, "write Service " + service.str() + ": the folder has no such object"};
    if (merged != nullptr) {
      const std::string annotation = api::written_key(options_.group, api::kAllocatedFromPool);
      const bool is_in_manifest =
          what.pool && what.pool->empty() && store_->manifest_has_annotation(service, annotation);
      result = status_.edit({api::Kind::service, service}, [&](Json overlay) {
        return with_write(std::move(overlay), *merged, what, annotation, is_in_manifest);
      });
    }
    later([done = std::move(done), result = std::move(result)] { done(result); });
  }

  void write(const kube::Name& pool, const PoolStatus& status, Done done) override {
    const api::Key key{api::Kind::ip_address_pool, pool};
    Result<void> result = Error{Errc::not_found, "write " + key.str() + ": the folder has no such object"};
    if (store_ && store_->has(key)) {
      result = status_.edit(key, [&](Json overlay) -> Result<Json> { return with_status(std::move(overlay), status); });
    }
    later([done = std::move(done), result = std::move(result)] { done(result); });
  }

  void write(const StatusObject& object, Done done) override {
    Json whole = status_identity(object, options_.group, own_namespace_, {});
    whole["status"] = status_of(object, wall_seconds());
    auto result = status_.put_object(name(object.kind()), own_namespace_, object.name, whole);
    if (done) later([done = std::move(done), result = std::move(result)] { done(result); });
  }

  void remove(StatusKind kind, const std::string& object, Done done) override {
    auto result = status_.remove_object(name(kind), own_namespace_, object);
    if (done) later([done = std::move(done), result = std::move(result)] { done(result); });
  }

  void list(StatusKind kind, std::string label, std::string value, Listed done) override {
    auto names = status_.objects_with(name(kind), own_namespace_, std::string(api::name(options_.group)) + "/" + label, label_value(value));
    later([done = std::move(done), names = std::move(names)] { done(names); });
  }

  void event(const api::Key& about, EventType type, std::string_view reason, std::string_view message) override {
    const auto result = status_.append_event(about, type, reason, message);
    if (!result) log::debug("event_lost", {{"reason", result.error().what}});
  }

  void lead(std::string_view lease, std::function<void(bool)> changed) override {
    lease_ = lease;
    lease_changed_ = std::move(changed);
    later([this] { compete(); });
  }

  bool allocates_cluster_ips() const override { return true; }

 private:
  struct Known {
    Fingerprint fingerprint;
    bool is_settled = false;  // read so long after the last change that the next one must show in the fingerprint
  };

  /// Posts; the task is dropped when the source ends before.
  void later(std::function<void()> task) {
    loop_.post([alive = std::weak_ptr<char>(alive_), task = std::move(task)] {
      if (!alive.expired()) task();
    });
  }

  void first_walk() {
    const TimePoint start = loop_.now();
    rescan();
    // A file that somebody is writing all the time must not keep everything else from starting.
    for (int pass = 0; pass < 10 && !hints_.look.empty(); ++pass) read_pass();
    watch_ = loop_.watch(files_.fd(), EPOLLIN, [this](std::uint32_t) { on_inotify(); });
    deliver();
    ::malloc_trim(0);
    log::info("folder_read", {{"files", store_->files()},
                              {"objects", store_->objects()},
                              {"ms", milliseconds_since(start)}});
    is_synced_ = true;
    handlers_.synced();
    if (held_) begin_to_prune();
    continue_later();
  }
  double milliseconds_since(TimePoint start) const { return fairlead::milliseconds(loop_.now() - start); }

  void on_inotify() {
    files_.drain(hints_);
    work();
  }

  void work() {
    if (hints_.is_lost) recover();
    if (is_lost_) return;
    if (hints_.rescan) rescan();
    take_gone();
    if (!gone_.empty()) {
      settle_.arm_if_idle(kSettle);
      return;
    }
    read_pass();
    deliver();
    continue_later();
  }

  /// What came in while files were read has been drained already: no descriptor will wake us for it.
  void continue_later() {
    if (hints_.is_empty() || is_posted_) return;
    is_posted_ = true;
    later([this] {
      is_posted_ = false;
      on_inotify();
    });
  }

  void take_gone() {
    gone_.merge(hints_.gone);
    hints_.gone.clear();
  }

  void settle() {
    files_.drain(hints_);
    if (hints_.is_lost) recover();
    if (is_lost_) return;
    take_gone();
    for (const std::string& path : std::exchange(gone_, {})) {
      if (hints_.look.contains(path) || hints_.writing.contains(path)) continue;  // it is back
      forget(path);
    }
    work();
  }

  /// The folder went away. Perhaps another one is there already (a swap by rename): then nobody needs to know.
  void recover() {
    hints_ = {};
    gone_.clear();
    settle_.cancel();
    is_lost_ = true;
    poll();
  }

  void poll() {
    if (is_lost_) {
      rescan();
      if (!is_lost_) {
        work();
        return;
      }
      tell_once("", "is gone: what was read stays; put the folder back");
      poll_.arm(kRetry);
      return;
    }
    hints_.rescan = true;
    on_inotify();
  }

  void rescan() {
    hints_.rescan = false;
    const auto walk = files_.walk();
    is_lost_ = !walk.has_value();
    if (is_lost_) {
      poll_.arm_if_idle(kRetry);
      return;
    }
    untell([&](const std::string& path) {
      if (path == kWatches) return !walk->is_partly_unwatched;
      return std::find(walk->unreadable.begin(), walk->unreadable.end(), path) == walk->unreadable.end();
    });
    for (const auto& [path, fingerprint] : walk->files) {
      const auto known = known_.find(path);
      const bool is_same = known != known_.end() && known->second.is_settled && known->second.fingerprint == fingerprint;
      if (!is_same && !hints_.writing.contains(path)) hints_.look.insert(path);
    }
    const auto is_hidden = [&](const std::string& path) {
      return std::any_of(walk->unreadable.begin(), walk->unreadable.end(),
                         [&](const std::string& folder) { return path.starts_with(folder + "/"); });
    };
    for (const auto& [path, known] : known_) {
      if (!walk->files.contains(path) && !is_hidden(path)) hints_.gone.insert(path);
    }
    for (const std::string& folder : walk->unreadable) tell_once(folder, "cannot be read: check its owner and mode");
    if (walk->is_partly_unwatched) {
      tell_once(kWatches, "cannot be watched whole, so changes may take a second: raise fs.inotify.max_user_watches");
      poll_.arm_if_idle(kPoll);
    }
  }

  void tell_once(const std::string& path, std::string what) {
    const auto [at, is_new] = told_.try_emplace(path, Fault{files_.full(path == kWatches ? "" : path), "", "", std::move(what)});
    if (is_new) handlers_.fault(at->second);
  }
  template <class Holds>
  void untell(Holds holds_no_more) {
    std::erase_if(told_, [&](const auto& entry) {
      if (!holds_no_more(entry.first)) return false;
      mended(entry.second);
      return true;
    });
  }

  void read_pass() {
    for (const std::string& path : std::exchange(hints_.look, {})) {
      ReadFile file = files_.read(path, options_.max_file_bytes);
      files_.drain(hints_);
      // A writer has come between: what was read may be half of it.
      if (hints_.writing.contains(path) || hints_.look.contains(path)) continue;
      accept(path, std::move(file));
    }
  }

  void accept(const std::string& path, ReadFile file) {
    if (const auto* const none = std::get_if<NoFile>(&file)) {
      if (*none == NoFile::gone && known_.contains(path)) hints_.gone.insert(path);
      if (*none == NoFile::busy) {
        busy_.insert(path);
        busy_timer_.arm_if_idle(busy_pause_);
      }
      return;
    }
    busy_pause_ = kSettle;
    if (const auto* const unusable = std::get_if<Unusable>(&file)) {
      remember(path, unusable->fingerprint);
      if (overlay_of(path)) accept_overlay(path, nullptr, unusable->what);
      else store_->refuse(path, unusable->what);
      return;
    }
    const auto& text = std::get<FileText>(file);
    remember(path, text.fingerprint);
    if (overlay_of(path)) {
      accept_overlay(path, &text.text, "");
    } else {
      store_->update(path, read_manifest(files_.full(path), text.text, *format_of(path), {options_.group, options_.metallb_namespace}));
    }
  }

  /// The longer they are busy, the less often.
  void ask_busy() {
    busy_pause_ = std::min<Duration>(2 * busy_pause_, kRetry);
    hints_.look.merge(busy_);
    busy_.clear();
    on_inotify();
  }

  void accept_overlay(const std::string& path, const std::string* text, std::string_view why_not) {
    std::optional<Json> overlay;
    Fault fault{files_.full(path), "", "", std::string(why_not)};
    if (text != nullptr) {
      const auto error = read_objects(*text, Format::yaml, [&](const Json& object, const Place&) { overlay = object; });
      if (error) {
        fault.where += ":" + std::to_string(error->line);
        fault.what = error->what;
        overlay.reset();
      } else if (overlay && !overlay->is_object()) {
        fault.what = "is not an object: remove the file, it is written again";
        overlay.reset();
      }
    }
    if (fault.what.empty()) {
      mend_overlay(path);
    } else if (const auto known = overlay_faults_.find(path); known == overlay_faults_.end() || known->second != fault) {
      mend_overlay(path);
      overlay_faults_.emplace(path, fault);
      handlers_.fault(fault);
    }
    store_->set_overlay(*overlay_of(path), overlay ? std::optional(to_text(*overlay)) : std::nullopt);
  }

  void remember(const std::string& path, const std::optional<Fingerprint>& fingerprint) {
    Known& known = known_[path];
    known.fingerprint = fingerprint.value_or(Fingerprint{});
    known.is_settled = fingerprint && wall_clock_ns() - fingerprint->changed_ns > kClockTick;
  }

  void mend_overlay(const std::string& path) {
    if (const auto found = overlay_faults_.find(path); found != overlay_faults_.end()) {
      mended(found->second);
      overlay_faults_.erase(found);
    }
  }
  void mended(const Fault& fault) const {
    if (handlers_.mended) handlers_.mended(fault);
  }

  void forget(const std::string& path) {
    known_.erase(path);
    mend_overlay(path);
    if (const auto name = overlay_of(path)) store_->set_overlay(*name, std::nullopt);
    else store_->remove(path);
    if (held_) prune_.arm_if_idle(kPruneAfter);
  }

  void deliver() {
    std::vector<Change> changes = store_->take_changes();
    for (const auto& [kind, where] : store_->take_ignored()) {
      log::info("ignored", {{"kind", kind}, {"first_in", where}});
    }
    for (const Fault& fault : store_->take_mended()) mended(fault);
    for (const Fault& fault : store_->take_faults()) handlers_.fault(fault);
    bool is_less = false;
    for (const Change& change : changes) {
      is_less |= !change.object;
      const bool is_service = change.object && change.key.kind == api::Kind::service;
      if (is_service && ((is_synced_ && !lease_.empty()) || options_.prunes_at_once)) changed_services_.insert(change.key.name);
    }
    if (held_ && (is_less || !changed_services_.empty())) prune_.arm_if_idle(kPruneAfter);
    if (!changes.empty()) handlers_.changes(std::move(changes));
  }

  /// Takes the lease, or sees whether the file that was locked is still the one that others would lock.
  void compete() {
    if (held_) {
      if (!status_.still_holds(lease_, held_)) {
        held_.reset();
        lease_changed_(false);
      }
    } else {
      auto taken = status_.acquire_lease(lease_);
      if (taken) {
        held_ = *std::move(taken);
        mend_lease();
        if (is_synced_) begin_to_prune();
        lease_changed_(true);
      } else if (taken.error().code != Errc::conflict && taken.error().what != lease_fault_) {
        mend_lease();
        lease_fault_ = taken.error().what;
        handlers_.fault(lease_fault());
      }
    }
    lease_timer_.arm(kRetry);
  }

  Fault lease_fault() const { return {files_.full(std::string(kStatusDir)), "", "", lease_fault_}; }
  void mend_lease() {
    if (lease_fault_.empty()) return;
    mended(lease_fault());
    lease_fault_.clear();
  }

  void begin_to_prune() {
    if (options_.prunes_at_once) prune();
    else prune_.arm_if_idle(kPruneAfter);
  }

  /// Overlays (and what stands in them for a port that is gone) outlive their object for a second, and for as long as
  /// anything in the folder cannot be read: an address that was given to a Service is not forgotten because of a typing
  /// mistake.
  void prune() {
    if (!held_ || is_lost_ || !is_synced_) return;
    if (store_->has_refused()) {
      prune_.arm(kPruneAfter);
      return;
    }
    status_.prune([this](const api::Key& key) { return store_->may_have(key); });
    for (const kube::Name& service : std::exchange(changed_services_, {})) tidy(service);
  }
  void tidy(const kube::Name& service) {
    const std::string* const manifest = store_->manifest(service);
    const std::string* const overlay = store_->overlay(service);
    if (manifest == nullptr || overlay == nullptr) return;
    const Json as_written = Json::parse(*manifest, nullptr, false);
    const Json before = Json::parse(*overlay, nullptr, false);
    if (tidied(before, as_written) == before) return;
    const auto done = status_.edit({api::Kind::service, service}, [&](Json now) -> Result<Json> { return tidied(std::move(now), as_written); });
    if (!done) log::warn("write_failed", {{"service", service.str()}, {"what", done.error().what}});
  }

  Loop& loop_;
  FolderOptions options_;
  FolderFiles files_;
  StatusDir status_;
  const std::string own_namespace_;
  std::optional<FolderStore> store_;
  Handlers handlers_;

  std::set<kube::Name> changed_services_;  // since the last prune(), where somebody wants to lead

  Hints hints_;
  std::set<std::string> gone_;  // removals that wait for settle_
  std::set<std::string> busy_;  // a writer had them open when they were read
  Duration busy_pause_ = kSettle;
  std::unordered_map<std::string, Known> known_;
  std::map<std::string, Fault> overlay_faults_;
  std::map<std::string, Fault> told_;  // of directories; "" is the folder itself
  bool is_lost_ = false;
  bool is_posted_ = false;
  bool is_synced_ = false;

  std::string lease_;
  std::function<void(bool)> lease_changed_;
  std::string lease_fault_;
  Fd held_;

  Loop::Watch watch_;
  Timer settle_, busy_timer_, poll_, lease_timer_, prune_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace

Result<std::unique_ptr<Source>> open_folder(Loop& loop, FolderOptions options) {
  auto files = FolderFiles::open(options.dir);
  if (!files) return files.error();
  return std::unique_ptr<Source>(std::make_unique<FolderSource>(loop, std::move(options), *std::move(files)));
}

}  // namespace fairlead::runtime
