#include "proto/runtime/loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <optional>
#include <thread>

namespace fairlead::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A loop that fails the test instead of hanging it.
struct LoopTest : testing::Test {
  std::unique_ptr<Loop> loop = Loop::create().value();
  Timer limit{*loop, [this] { loop->stop(99); }};
  void SetUp() override { limit.arm(seconds(20)); }
};

struct Pipe {
  Fd read, write;
  Pipe() {
    int fds[2];
    if (::pipe(fds) == 0) {
      read = Fd(fds[0]);
      write = Fd(fds[1]);
    }
  }
  void put() const { EXPECT_EQ(::write(write.get(), "x", 1), 1); }
};

TEST_F(LoopTest, StopGivesRunItsCode) {
  loop->post([&] { loop->stop(7); });
  EXPECT_EQ(loop->run(), 7);
  loop->post([&] { loop->stop(); });
  EXPECT_EQ(loop->run(), 0) << "and it can run again";
}

TEST_F(LoopTest, TasksRunInTheOrderOfPosting) {
  std::string order;
  loop->post([&] {
    order += 'a';
    loop->post([&] {
      order += 'c';
      loop->stop();
    });
  });
  loop->post([&] { order += 'b'; });
  EXPECT_EQ(loop->run(), 0);
  EXPECT_EQ(order, "abc");
}

TEST_F(LoopTest, WhatIsPostedBeforeAStopRunsInTheNextRun) {
  std::string order;
  loop->post([&] {
    order += 'a';
    loop->stop(1);
  });
  loop->post([&] { order += 'b'; });
  loop->post([&] { loop->stop(2); });
  EXPECT_EQ(loop->run(), 1);
  EXPECT_EQ(order, "a");
  EXPECT_EQ(loop->run(), 2);
  EXPECT_EQ(order, "ab");
}

TEST_F(LoopTest, AnyThreadMayPost) {
  int count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        loop->post([&] {
          if (++count == 4000) loop->stop();
        });
      }
    });
  }
  EXPECT_EQ(loop->run(), 0);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count, 4000);
}

TEST_F(LoopTest, TimersFireInTheOrderOfTheirDeadlines) {
  std::string order;
  Timer late(*loop, [&] {
    order += 'b';
    loop->stop();
  });
  Timer early(*loop, [&] { order += 'a'; });
  Timer never(*loop, [&] { order += 'x'; });
  late.arm(milliseconds(4));
  early.arm(milliseconds(1));
  never.arm(milliseconds(1));
  never.cancel();
  EXPECT_FALSE(never.is_armed());
  EXPECT_EQ(loop->run(), 0);
  EXPECT_EQ(order, "ab");
  EXPECT_FALSE(late.is_armed()) << "one shot";
}

TEST_F(LoopTest, ArmReplacesAndArmIfIdleDoesNot) {
  int fired = 0;
  Timer timer(*loop, [&] {
    ++fired;
    loop->stop();
  });
  timer.arm(std::chrono::hours(1));
  timer.arm(milliseconds(1));
  timer.arm_if_idle(std::chrono::hours(1));
  EXPECT_EQ(loop->run(), 0);
  EXPECT_EQ(fired, 1);
}

TEST_F(LoopTest, ATimerThatIsArmedFromItselfDoesNotStarveTheRest) {
  int spins = 0;
  Timer spinner(*loop, [&] {
    ++spins;
    spinner.arm(milliseconds(0));
  });
  spinner.arm(milliseconds(0));
  loop->post([&] { loop->post([&] { loop->stop(); }); });
  EXPECT_EQ(loop->run(), 0);
  EXPECT_GE(spins, 1);
}

TEST_F(LoopTest, ATimerCanBeDestroyedFromItsOwnCallbackOwner) {
  std::optional<Timer> other;
  other.emplace(*loop, [] { FAIL() << "it was destroyed before its time"; });
  other->arm(milliseconds(2));
  Timer first(*loop, [&] { other.reset(); });
  first.arm(milliseconds(1));
  Timer end(*loop, [&] { loop->stop(); });
  end.arm(milliseconds(5));
  EXPECT_EQ(loop->run(), 0);
}

TEST_F(LoopTest, ADescriptorIsServedWhileItIsReady) {
  const Pipe pipe;
  int served = 0;
  const auto watch = loop->watch(pipe.read.get(), EPOLLIN, [&](std::uint32_t events) {
    EXPECT_NE(events & EPOLLIN, 0U);
    if (++served == 3) {  // level-triggered: it comes back until it is read
      char byte = 0;
      EXPECT_EQ(::read(pipe.read.get(), &byte, 1), 1);
      loop->stop();
    }
  });
  pipe.put();
  EXPECT_EQ(loop->run(), 0);
  EXPECT_EQ(served, 3);
}

TEST_F(LoopTest, AWatchMayBeDestroyedWithinItsOwnCallback) {
  const Pipe pipe;
  int served = 0;
  const std::string long_enough_for_the_heap(64, 'x');
  Loop::Watch watch = loop->watch(pipe.read.get(), EPOLLIN, [&, text = long_enough_for_the_heap](std::uint32_t) {
    ++served;
    watch = Loop::Watch();
    EXPECT_EQ(text, long_enough_for_the_heap) << "what the callback holds lives until it returns";
    loop->post([&] { loop->stop(); });
  });
  pipe.put();
  EXPECT_EQ(loop->run(), 0);
  EXPECT_EQ(served, 1);
  EXPECT_FALSE(watch);
}

TEST_F(LoopTest, AWatchDestroyedByAnotherOfTheSameTurnIsNotCalled) {
  const Pipe a;
  const Pipe b;
  int served = 0;
  Loop::Watch watch_a;
  Loop::Watch watch_b;
  const auto serve = [&](std::uint32_t) {
    ++served;
    watch_a = Loop::Watch();
    watch_b = Loop::Watch();
    loop->post([&] { loop->stop(); });
  };
  watch_a = loop->watch(a.read.get(), EPOLLIN, serve);
  watch_b = loop->watch(b.read.get(), EPOLLIN, serve);
  a.put();
  b.put();
  EXPECT_EQ(loop->run(), 0);
  EXPECT_EQ(served, 1);
}

TEST_F(LoopTest, SignalsArriveAsCalls) {
  std::vector<int> got;
  ASSERT_TRUE(loop->on_signals({SIGUSR1, SIGUSR2}, [&](int number) {
    got.push_back(number);
    if (got.size() == 2) loop->stop();
  }));
  ::raise(SIGUSR1);
  ::raise(SIGUSR2);
  EXPECT_EQ(loop->run(), 0);
  EXPECT_EQ(got, (std::vector<int>{SIGUSR1, SIGUSR2}));
}

}  // namespace
}  // namespace fairlead::runtime
