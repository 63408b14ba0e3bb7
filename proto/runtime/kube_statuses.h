#pragma once
/// Status objects on their way to an API server. Of each object the newest wish is kept (to be so, or to be gone) until
/// the server has it; a wish is two server-side applies, metadata and then status, and the first is left out where it
/// would say the same as the last time. What else somebody wrote into the object stays.
///
/// A server that does not know the kind, or does not let us write it, is left alone for ten minutes; that is logged once.
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "proto/runtime/api_client.h"
#include "proto/runtime/backoff.h"
#include "proto/runtime/kube_requests.h"
#include "proto/runtime/quiet.h"
#include "proto/runtime/source.h"
#include "proto/runtime/status_text.h"
#include "proto/runtime/token_bucket.h"

namespace fairlead::runtime {

class KubeStatuses {
 public:
  static constexpr std::size_t kInFlight = 4;

  struct Scope {
    api::Group group = api::Group::fairlead;
    std::string ns;
    std::string manager;  // of the fields: the program's name
    OwnerPod owner = {};
    Duration pause = std::chrono::minutes(10);  // of a kind that is not installed, or not allowed
  };
  /// What all writers of a source share.
  struct Shared {
    Loop& loop;
    ApiClient& client;
    Quiet& quiet;
    TokenBucket& bucket;
    std::function<bool()> may_write;
    std::function<double()> random;  // [0, 1)
  };

  KubeStatuses(Scope scope, Shared shared);

  void write(const StatusObject& object, Done done);
  void remove(StatusKind kind, const std::string& name, Done done);
  void list(StatusKind kind, const std::string& label, const std::string& value, Listed done);
  /// Nothing of what is wanted so far is sent any more (`unavailable`): somebody else decides now.
  void abandon();
  /// Nothing that waits is sent any more; without answers.
  void clear();

 private:
  using Key = std::pair<StatusKind, std::string>;
  struct Entry {
    std::optional<StatusObject> want;  // none: to be gone
    Done done;                         // of the newest wish, until it is answered
    std::uint64_t wish = 0;            // its number
    std::uint64_t identity = 0;        // a hash of the metadata that the server has from us; 0: none
    bool is_waiting = false;           // in its kind's queue
    bool is_in_flight = false;
    bool is_fresh = false;             // the metadata was written for this wish
    bool is_abandoned = false;         // in flight, and no wish any more
  };
  /// A request that is on its way.
  struct Sent {
    Key key;
    std::uint64_t wish = 0;
    enum class Step { identity, status, removal } step = Step::removal;
    std::uint64_t identity = 0;  // of the first step
  };
  struct Kind {
    std::deque<std::string> waiting;
    std::string refusal;  // why it is paused, or was until now
    TimePoint paused_until{};
  };
  struct ListJob {
    std::string path, selector, continuation;
    std::vector<std::string> names;
    Listed done;
  };

  void wish(const Key& key, std::optional<StatusObject> want, Done done);
  void enqueue(const Key& key, bool is_first);
  void pump_later();
  void pump();
  /// The kind whose turn it is; none: nothing waits that may be sent.
  std::optional<StatusKind> next_kind() const;
  void arm_for_paused();
  void drop_waiting();
  void send(const Key& key);
  void answered(const Sent& sent, const Answer& answer);
  void succeeded(const Sent& sent, Entry& entry);
  void failed(const Sent& sent, Entry& entry, const Answer& answer);
  void pause(StatusKind kind, const Answer& answer);
  void finish(Done done, Result<void> result);
  void next_page(const std::shared_ptr<ListJob>& job);
  std::string collection(StatusKind kind) const;
  std::string object(const Key& key) const;
  Kind& kind(StatusKind which) { return kinds_[static_cast<std::size_t>(which)]; }
  void later(std::function<void()> task);

  Scope scope_;
  Shared shared_;
  std::map<Key, Entry> entries_;
  std::array<Kind, kStatusKinds> kinds_;
  std::uint64_t wishes_ = 0;
  std::size_t in_flight_ = 0;
  bool is_pump_posted_ = false;
  Backoff backoff_;
  TimePoint held_until_{};  // after a failure
  Timer timer_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace fairlead::runtime
