#pragma once
/// One kind of objects of an API server: listed, then watched, for ever. Told to its owner: what changed, what cannot be read
/// and what can again. Errors are waited out with a backoff; a version that is too old (410) is a list without a gap.
/// Thread: the loop's; what the client's thread parses comes to it as values.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "proto/runtime/api_client.h"
#include "proto/runtime/backoff.h"
#include "proto/runtime/kube_requests.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/quiet.h"
#include "proto/runtime/source.h"

namespace fairlead::runtime {

/// For jitter and ids.
class Random {
 public:
  double unit() { return std::uniform_real_distribution<double>(0, 1)(engine_); }
  int between(int least, int most) { return std::uniform_int_distribution<int>(least, most)(engine_); }
  std::uint64_t number() { return engine_(); }

 private:
  std::mt19937_64 engine_{(std::uint64_t{std::random_device{}()} << 32) | std::random_device{}()};
};

/// What is kept of an object.
struct Held {
  std::string resource_version;
  std::string bytes;
  bool has_annotations = false;
  bool is_ahead = false;  // from the answer to a write: the watch has yet to bring it
};
using HeldMap = std::map<kube::Name, Held>;

class Reflector {
 public:
  struct Owner {
    Loop& loop;
    ApiClient& client;
    Random& random;
    Scope scope;
    std::function<void(Change)> changed;
    std::function<void(Fault, bool is_mended)> fault;
    std::function<void()> listed;    // each time
    std::function<void()> answered;  // the server is there
    std::function<void(api::Kind)> dirty;  // what is kept has changed
    Quiet& quiet;
  };

  /// `owner` outlives this. `selector` is a label selector, "" for all.
  Reflector(api::Kind kind, std::string selector, Owner& owner);

  api::Kind kind() const { return kind_; }
  const HeldMap& held() const { return held_; }
  bool is_listed() const { return is_listed_; }
  bool has_failed() const { return !backoff_.is_fresh(); }

  void start() { list(); }
  /// Others got through: no reason to wait any longer.
  void hurry();
  /// Lists anew: a watch shows what the server had a while ago, and nobody knows how long ago. is_listed() and is_current()
  /// wait for a list that has begun after this call.
  void refresh();
  bool is_current() const { return is_listed_ && listed_ == wanted_; }
  /// What the answer to a write of ours shows. The watch brings it too, and may be seconds behind on a busy server; whoever decides
  /// in between must not decide as if it had not been written.
  void show(Arrival arrival);
  /// From the state file, before anything else is known.
  void restore(const std::vector<std::string>& objects);

 private:
  void go();
  void list();
  void expect_all();
  void next_page();
  void on_page(Result<Page>& page);
  void finish_list();
  void list_failed(const Answer& answer);
  /// Its definition is not installed: there are none.
  void absent();
  /// A refusal is the user's business: once for each text.
  void tell(const Answer& answer);
  Fault list_fault() const { return {"", std::string(name(kind_)), "", "cannot be listed: " + told_}; }
  void can_list();
  void wait(const char* what, const std::string& why, Duration duration);
  void watch();
  void on_chunk(Chunk& chunk);
  void watch_ended(int status, const std::string& why);
  void accept(Arrival arrival);
  void mend(const kube::Name& name);
  void remove(const kube::Name& name);

  const api::Kind kind_;
  const std::string selector_;
  Owner& owner_;
  HeldMap held_;
  std::map<kube::Name, Fault> refused_;  // whose newest version cannot be read
  std::string version_;                  // where the next watch begins

  bool is_listing_ = false;
  bool is_listed_ = false;
  std::uint64_t wanted_ = 0, listing_ = 0, listed_ = 0;  // calls of refresh(): so far, when the list began, and the last one
  bool is_absent_ = false;
  bool is_waiting_ = false;
  TimePoint started_{};
  std::set<kube::Name> unseen_;  // known, and not in the list so far
  std::string continuation_, list_version_;
  std::string told_;

  Backoff backoff_;
  Timer retry_;
  bool is_open_ = false;          // the watch: its headers said 200
  std::optional<Chunk> refusal_;  // an error that came before them
  std::unique_ptr<ApiStream> stream_;
};

}  // namespace fairlead::runtime
