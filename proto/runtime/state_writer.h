#pragma once
/// Saves the state file in a thread of its own, one save at a time: a disk may take its time to sync.
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "proto/base/check.h"
#include "proto/base/log.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/state_file.h"

namespace fairlead::runtime {

class StateWriter {
 public:
  StateWriter(Loop& loop, std::string path) : loop_(loop), path_(std::move(path)) {}
  ~StateWriter() {
    if (thread_.joinable()) thread_.join();
  }
  bool is_busy() const { return is_busy_; }
  const std::string& path() const { return path_; }

  /// `done`, from the loop: what it has cost.
  void save(std::string bytes, std::function<void(Duration)> done) {
    FL_CHECK(!is_busy_, "one save at a time");
    if (thread_.joinable()) thread_.join();
    is_busy_ = true;
    thread_ = std::thread([this, bytes = std::move(bytes), done = std::move(done), alive = std::weak_ptr<char>(alive_)] {
      const TimePoint start = loop_.now();
      const auto result = save_state(path_, bytes);
      loop_.post([this, alive, result, done, cost = loop_.now() - start] {
        if (alive.expired()) return;
        is_busy_ = false;
        tell(result);
        done(cost);
      });
    });
  }
  /// At the end of the program.
  void save_now(const std::string& bytes) {
    if (thread_.joinable()) thread_.join();
    tell(save_state(path_, bytes));
  }

 private:
  void tell(const Result<void>& result) {
    const std::string what = result ? "" : result.error().what;
    if (std::exchange(told_, what) != what && !what.empty()) log::warn("state_not_saved", {{"what", what}});
  }

  Loop& loop_;
  std::string path_;
  std::thread thread_;
  bool is_busy_ = false;
  std::string told_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace fairlead::runtime
