#pragma once
/// Events on their way to an API server: first what EventLimiter lets out at once, later what it has counted. What is decided
/// goes first, and losing an Event is no error.
/// Thread: the loop's.
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "proto/runtime/api_client.h"
#include "proto/runtime/event_limiter.h"
#include "proto/runtime/kube_requests.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/quiet.h"
#include "proto/runtime/token_bucket.h"

namespace fairlead::runtime {

class KubeEvents {
 public:
  static constexpr std::size_t kInFlight = 4;  // a storm of Events is no reason to open a connection for each

  struct Shared {
    Loop& loop;
    ApiClient& client;
    Quiet& quiet;
    TokenBucket& bucket;
    std::function<bool()> must_wait;                        // something more important does
    std::function<std::string(const api::Key&)> uid_of;     // "": not known
    std::function<std::uint64_t()> random;
  };

  KubeEvents(const Reporting& by, Shared shared);

  void add(const api::Key& about, EventType type, std::string_view reason, std::string_view message);
  /// Sends what waits and may go.
  void pump();

 private:
  void arm();
  void flush();
  void send(EventWrite write);
  void answered(Duration retry_after);
  void post(const EventWrite& write);
  void create(const EventWrite& write);

  const Reporting& by_;
  Shared shared_;
  EventLimiter limiter_;
  std::deque<EventWrite> waiting_;
  std::size_t in_flight_ = 0;
  std::map<std::pair<api::Key, std::string>, std::string> names_;  // of the Events that were made
  Timer timer_;
};

}  // namespace fairlead::runtime
