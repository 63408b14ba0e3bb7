#pragma once
/// The event loop: epoll for descriptors, a timer heap, an eventfd for post(), a signalfd for signals. One for each
/// process. Thread: everything on the thread that calls run(), but post(), which any thread may call.
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "proto/base/clock.h"
#include "proto/base/fd.h"
#include "proto/base/result.h"

namespace fairlead::runtime {

class Loop : public Clock {
 public:
  static Result<std::unique_ptr<Loop>> create();
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs until stop(); answers the code given there.
  int run();
  void stop(int code = 0);

  /// Runs `task` on the loop's thread, after what is running now, in the order of posting.
  void post(std::function<void()> task);

  /// A descriptor being watched; stops at destruction. The descriptor stays the caller's.
  class Watch {
   public:
    Watch() = default;
    Watch(Watch&&) noexcept;
    Watch& operator=(Watch&&) noexcept;
    ~Watch();
    explicit operator bool() const { return loop_ != nullptr; }

   private:
    friend class Loop;
    Watch(Loop* loop, int fd) : loop_(loop), fd_(fd) {}
    Loop* loop_ = nullptr;
    int fd_ = -1;
  };
  /// `ready` is called with epoll's events (level-triggered). One watch for each descriptor.
  [[nodiscard]] Watch watch(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready);

  /// Takes the signals out of their default handling and delivers them here. Call once, before any thread is started.
  Result<void> on_signals(std::vector<int> signals, std::function<void(int)> handler);

  TimePoint now() const override;

 private:
  friend class Timer;
  struct State;
  explicit Loop(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// One deadline. arm() replaces an earlier one; at destruction it is cancelled.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> fire);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void arm(Duration after);
  /// As arm(), but an earlier deadline that is already set stays.
  void arm_if_idle(Duration after);
  void cancel();
  bool is_armed() const;

 private:
  Loop& loop_;
  std::uint64_t id_;
  std::function<void()> fire_;
};

}  // namespace fairlead::runtime
