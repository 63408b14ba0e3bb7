#include "proto/runtime/lease.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/manual_clock.h"

namespace fairlead::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Step = LeaseElection::Step;

/// The server's Lease: one record, changed only with its version.
struct Server {
  std::optional<LeaseRecord> record;
  int version = 0;
  bool write(LeaseRecord next) {
    if (record ? next.resource_version != record->resource_version : !next.resource_version.empty()) return false;
    next.resource_version = std::to_string(++version);
    record = next;
    return true;
  }
};

LeaseRecord claim(const LeaseElection& e, Step step, int stamp) {
  LeaseRecord out = e.record().value_or(LeaseRecord{});
  if (step != Step::renew) out.holder = e.identity();
  out.duration = LeaseElection::kDuration;
  out.renewed = std::to_string(stamp);
  return out;
}

/// Carries out what `e` asks for, at once.
void turn(LeaseElection& e, Server& server, TimePoint now, int stamp) {
  const auto next = e.next(now);
  if (next.step == Step::wait) return;
  if (next.step == Step::read) return e.was_read(server.record, now);
  if (server.write(claim(e, next.step, stamp))) e.was_written(*server.record, now, now);
  else e.was_conflict(now);
}

TEST(Lease, TheFirstTakesItAtOnceAndKeepsIt) {
  test::ManualClock clock;
  Server server;
  LeaseElection a("a");
  EXPECT_EQ(a.next(clock.now()).step, Step::read);
  turn(a, server, clock.now(), 0);
  EXPECT_EQ(a.next(clock.now()).step, Step::create);
  turn(a, server, clock.now(), 0);
  EXPECT_TRUE(a.is_safe(clock.now()));
  for (int i = 1; i < 100; ++i) {
    clock.advance(milliseconds(500));
    turn(a, server, clock.now(), i);
    EXPECT_TRUE(a.is_safe(clock.now()));
  }
  EXPECT_EQ(server.record->holder, "a");
}

TEST(Lease, AHolderWithoutAnswersIsUnsafeFiveSecondsBeforeTheEnd) {
  test::ManualClock clock;
  Server server;
  LeaseElection a("a");
  turn(a, server, clock.now(), 0);
  turn(a, server, clock.now(), 0);
  clock.advance(seconds(10));
  EXPECT_TRUE(a.is_safe(clock.now()));
  clock.advance(milliseconds(1));
  EXPECT_FALSE(a.is_safe(clock.now()));
  EXPECT_GT(a.left(clock.now()), Duration{});
  clock.advance(seconds(5));
  EXPECT_EQ(a.left(clock.now()), Duration{});
}

TEST(Lease, TheTimeCountsFromSendingNotFromTheAnswer) {
  test::ManualClock clock;
  LeaseElection a("a");
  a.was_read(std::nullopt, clock.now());
  const TimePoint sent = clock.now();
  clock.advance(seconds(4));
  a.was_written(LeaseRecord{"a", LeaseElection::kDuration, "x", "", 0, "1"}, sent, clock.now());
  EXPECT_EQ(a.left(clock.now()), LeaseElection::kDuration - seconds(4));
}

TEST(Lease, AnotherWaitsTheOldOneOutFromWhenItSawIt) {
  test::ManualClock clock;
  Server server;
  server.write(LeaseRecord{"old", seconds(15), "long ago by its clock", "", 0, ""});
  LeaseElection b("b");
  const TimePoint start = clock.now();
  while (server.record->holder == "old") {
    ASSERT_LT(clock.now() - start, seconds(60));
    turn(b, server, clock.now(), 1);
    if (server.record->holder == "old") clock.advance(milliseconds(100));
  }
  EXPECT_GE(clock.now() - start, seconds(15));
  EXPECT_LE(clock.now() - start, seconds(16));
}

TEST(Lease, AReleasedOneIsTakenWithinThreeSeconds) {
  test::ManualClock clock;
  Server server;
  server.write(LeaseRecord{"old", seconds(15), "1", "", 0, ""});
  LeaseElection b("b");
  turn(b, server, clock.now(), 1);
  LeaseRecord released = *server.record;
  released.holder.clear();
  ASSERT_TRUE(server.write(released));
  clock.advance(LeaseElection::kLookEvery);
  turn(b, server, clock.now(), 2);
  turn(b, server, clock.now(), 2);
  EXPECT_TRUE(b.is_safe(clock.now()));
}

TEST(Lease, ItsOwnNameAloneProvesNothing) {
  test::ManualClock clock;
  Server server;
  server.write(LeaseRecord{"b", seconds(15), "1", "", 0, ""});  // somebody with our name
  LeaseElection b("b");
  turn(b, server, clock.now(), 1);
  EXPECT_FALSE(b.is_safe(clock.now()));
  EXPECT_EQ(b.next(clock.now()).step, Step::wait);
}

TEST(Lease, AProcessThatAloneCanHaveItsNameWaitsForTheLastWritesOfItsPredecessorOnly) {
  test::ManualClock clock;
  Server server;
  server.write(LeaseRecord{"pod_1", seconds(15), "1", "", 0, ""});
  LeaseElection again("pod_1", true);
  LeaseElection other("pod_2", true);
  const TimePoint start = clock.now();
  while (!again.is_safe(clock.now())) {
    ASSERT_LT(clock.now() - start, seconds(60));
    turn(other, server, clock.now(), 1);
    turn(again, server, clock.now(), 2);
    if (!again.is_safe(clock.now())) clock.advance(milliseconds(100));
  }
  EXPECT_GE(clock.now() - start, LeaseElection::kMargin);
  EXPECT_LE(clock.now() - start, LeaseElection::kMargin + seconds(1));
  EXPECT_FALSE(other.is_safe(clock.now()));
}

TEST(Lease, AProcessThatAloneCanHaveItsNameNeverTakesALeaseThatIsRenewed) {
  test::ManualClock clock;
  Server server;
  LeaseElection first("pod_1", true);
  LeaseElection second("pod_1", true);  // what cannot be, is
  for (int i = 0; i < 600; ++i) {
    turn(first, server, clock.now(), i);
    turn(second, server, clock.now(), 1000 + i);
    EXPECT_FALSE(second.is_safe(clock.now())) << i;
    clock.advance(milliseconds(100));
  }
  EXPECT_TRUE(first.is_safe(clock.now()));
}

TEST(Lease, AServerThatAsksForQuietIsLeftAlone) {
  test::ManualClock clock;
  LeaseElection a("a");
  a.has_failed(clock.now(), seconds(7));
  EXPECT_EQ(a.next(clock.now()).step, Step::wait);
  EXPECT_EQ(a.next(clock.now()).at, clock.now() + seconds(7));
}

TEST(Lease, AWriteWhoseAnswerWasLostIsFoundByReading) {
  test::ManualClock clock;
  Server server;
  LeaseElection a("a");
  turn(a, server, clock.now(), 0);
  turn(a, server, clock.now(), 0);
  clock.advance(seconds(3));
  ASSERT_EQ(a.next(clock.now()).step, Step::renew);
  ASSERT_TRUE(server.write(claim(a, Step::renew, 9)));
  a.has_failed(clock.now());
  clock.advance(seconds(1));
  turn(a, server, clock.now(), 10);  // conflict
  EXPECT_EQ(a.next(clock.now()).step, Step::read);
  turn(a, server, clock.now(), 10);
  EXPECT_EQ(a.next(clock.now()).step, Step::renew);
  turn(a, server, clock.now(), 10);
  EXPECT_EQ(a.left(clock.now()), LeaseElection::kDuration);
}

TEST(Lease, NeverTwoHoldersWhateverIsLostOrLate) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    test::ManualClock clock;
    Server server;
    std::vector<LeaseElection> all;
    for (int i = 0; i < 3; ++i) all.emplace_back(std::string(1, static_cast<char>('a' + i)));
    std::vector<bool> is_cut(3);
    int stamp = 0;
    int led = 0;
    for (int step = 0; step < 1500; ++step) {
      clock.advance(milliseconds(random() % 200));
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (random() % 200 == 0) is_cut[i] = !is_cut[i];
        LeaseElection& e = all[i];
        const auto next = e.next(clock.now());
        if (next.step == Step::wait) continue;
        const TimePoint sent = clock.now();
        const bool arrives = !is_cut[i] && random() % 20 != 0;
        const bool returns = arrives && random() % 20 != 0;
        const std::optional<LeaseRecord> seen = server.record;
        const bool is_read = next.step == Step::read;
        const bool is_written = arrives && !is_read && server.write(claim(e, next.step, ++stamp));
        const std::optional<LeaseRecord> after = server.record;
        clock.advance(milliseconds(random() % 300));
        if (!returns) e.has_failed(clock.now());
        else if (is_read) e.was_read(seen, clock.now());
        else if (is_written) e.was_written(*after, sent, clock.now());
        else e.was_conflict(clock.now());
        int holders = 0;
        for (const LeaseElection& other : all) holders += other.left(clock.now()) > Duration{} ? 1 : 0;
        ASSERT_LE(holders, 1) << "seed " << seed << " step " << step;
        led += holders;
      }
    }
    EXPECT_GT(led, 100) << seed;
  }
}

}  // namespace
}  // namespace fairlead::runtime
