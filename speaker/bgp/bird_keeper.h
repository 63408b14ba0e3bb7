#pragma once
/// What runs BIRD in its container (`fairlead-speaker --keep-bird`): starts it when its files are there, ends with it, and
/// looks after its routes when nobody else does.
///
///   SIGTERM               BIRD is asked for a graceful restart: routers that do it keep the routes until the next BIRD is up
///   the speaker is gone   (nobody holds its lock) for drain_after: GRACEFUL_SHUTDOWN and the lowest preference on every
///                         route, drain_for later no routes at all. A speaker that comes back writes the files anew.
///
/// Thread: the loop's.
#include <sys/types.h>

#include <string>

#include "proto/base/result.h"
#include "proto/runtime/loop.h"
#include "speaker/bgp/bird_files.h"
#include "speaker/bgp/bird_link.h"

namespace fairlead::speaker {

class BirdKeeper {
 public:
  struct Options {
    std::string program = "/usr/sbin/bird";
    std::string socket;
    std::string directory;
    Duration drain_after = std::chrono::minutes(5);
    Duration drain_for = std::chrono::seconds(10);
  };
  BirdKeeper(runtime::Loop& loop, Options options);

  void begin();
  /// A signal of the process: SIGTERM, SIGINT, SIGCHLD.
  void signalled(int number);

 private:
  enum class Phase { watching, draining, drained };
  void start_when_ready();
  Result<void> spawn();
  void look();
  void drain();
  void withdraw();
  void end_bird();

  runtime::Loop& loop_;
  Options options_;
  BirdFiles files_;
  BirdLink link_;
  pid_t bird_ = -1;
  bool is_ending_ = false;
  Phase phase_ = Phase::watching;
  TimePoint alone_since_{};
  runtime::Timer start_timer_;
  runtime::Timer look_timer_;
  runtime::Timer end_timer_;
};

}  // namespace fairlead::speaker
