#include <gtest/gtest.h>

#include "proto/runtime/backoff.h"
#include "proto/runtime/event_limiter.h"
#include "proto/runtime/token_bucket.h"
#include "tests/support/manual_clock.h"

namespace fairlead::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Backoff, DoublesToItsLimitWithinItsJitter) {
  for (const double random : {0.0, 0.5, 0.999}) {
    Backoff backoff(milliseconds(200), seconds(5));
    for (int want = 200; want < 20'000; want *= 2) {
      const Duration whole = std::min<Duration>(milliseconds(want), seconds(5));
      const Duration got = backoff.next(random);
      EXPECT_GE(got, whole / 2);
      EXPECT_LE(got, whole);
    }
    backoff.reset();
    EXPECT_LE(backoff.next(random), milliseconds(200));
  }
}

TEST(TokenBucket, BurstThenRate) {
  test::ManualClock clock;
  TokenBucket bucket(400, 800);
  int taken = 0;
  while (bucket.take(clock.now())) ++taken;
  EXPECT_EQ(taken, 800);
  for (int ms = 0; ms < 10'000; ++ms) {
    clock.advance(milliseconds(1));
    while (bucket.take(clock.now())) ++taken;
  }
  EXPECT_NEAR(taken, 800 + 4000, 1);
}

TEST(TokenBucket, WaitIsExactlyLongEnough) {
  test::ManualClock clock;
  TokenBucket bucket(20, 1);
  EXPECT_EQ(bucket.wait(clock.now()), Duration{});
  EXPECT_TRUE(bucket.take(clock.now()));
  const Duration wait = bucket.wait(clock.now());
  EXPECT_NEAR(static_cast<double>(wait.count()), 5e7, 1e3);
  clock.advance(wait - milliseconds(1));
  EXPECT_FALSE(bucket.take(clock.now()));
  clock.advance(milliseconds(1));
  EXPECT_TRUE(bucket.take(clock.now()));
}

TEST(TokenBucket, RestDoesNotSaveMoreThanTheBurst) {
  test::ManualClock clock;
  TokenBucket bucket(10, 3);
  EXPECT_TRUE(bucket.take(clock.now()));
  clock.advance(std::chrono::hours(5));
  int taken = 0;
  while (bucket.take(clock.now())) ++taken;
  EXPECT_EQ(taken, 3);
}

const api::Key kWeb{api::Kind::service, {"default", "web"}};

TEST(EventLimiter, AThousandFlapsInAnHourAreAtMostTenWrites) {
  test::ManualClock clock;
  EventLimiter events;
  std::vector<EventWrite> writes;
  for (int i = 1; i <= 1000; ++i) {
    if (auto w = events.add(kWeb, EventType::warning, "Flap", "turn " + std::to_string(i), clock.now(), 7)) writes.push_back(*w);
    clock.advance(seconds(3));
    for (EventWrite& w : events.due(clock.now())) writes.push_back(std::move(w));
  }
  clock.advance(minutes(10));
  for (EventWrite& w : events.due(clock.now())) writes.push_back(std::move(w));
  EXPECT_LE(writes.size(), 10U);
  EXPECT_GE(writes.size(), 5U);
  ASSERT_FALSE(writes.empty());
  EXPECT_TRUE(writes.front().is_first);
  for (std::size_t i = 1; i < writes.size(); ++i) EXPECT_FALSE(writes[i].is_first);
  EXPECT_EQ(writes.back().count, 1000U);
  EXPECT_EQ(writes.back().message, "turn 1000");
  EXPECT_EQ(writes.back().first_seconds, 7);
  EXPECT_FALSE(events.next());
}

TEST(EventLimiter, OtherReasonsAndObjectsAreOtherSeries) {
  test::ManualClock clock;
  EventLimiter events;
  const api::Key other{api::Kind::service, {"default", "db"}};
  EXPECT_TRUE(events.add(kWeb, EventType::normal, "A", "m", clock.now(), 0));
  EXPECT_TRUE(events.add(kWeb, EventType::normal, "B", "m", clock.now(), 0));
  EXPECT_TRUE(events.add(other, EventType::normal, "A", "m", clock.now(), 0));
  EXPECT_FALSE(events.add(kWeb, EventType::normal, "A", "m", clock.now(), 0));
  ASSERT_TRUE(events.next());
  EXPECT_EQ(*events.next(), clock.now() + EventLimiter::kEvery);
}

TEST(EventLimiter, AfterSilenceANewSeriesBegins) {
  test::ManualClock clock;
  EventLimiter events;
  EXPECT_TRUE(events.add(kWeb, EventType::normal, "A", "m", clock.now(), 1));
  clock.advance(minutes(11));
  const auto second = events.add(kWeb, EventType::normal, "A", "m", clock.now(), 2);
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->is_first);
  EXPECT_EQ(second->count, 2U);
  clock.advance(minutes(31));
  const auto third = events.add(kWeb, EventType::normal, "A", "m", clock.now(), 3);
  ASSERT_TRUE(third);
  EXPECT_TRUE(third->is_first);
  EXPECT_EQ(third->count, 1U);
  EXPECT_EQ(third->first_seconds, 3);
}

api::Key numbered(int i) { return {api::Kind::service, {"default", "s" + std::to_string(i)}}; }

TEST(EventLimiter, SeriesAreBounded) {
  test::ManualClock clock;
  EventLimiter events;
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_EQ(events.add(numbered(i), EventType::warning, "A", "m", clock.now(), 0).has_value(), i < 4096) << i;
  }
  clock.advance(minutes(10));
  EXPECT_TRUE(events.add({api::Kind::service, {"default", "late"}}, EventType::normal, "A", "m", clock.now(), 0));
  EXPECT_LE(events.size(), EventLimiter::kMost);
}

TEST(EventLimiter, AFloodOfNewsLeavesRoomForAWarning) {
  test::ManualClock clock;
  EventLimiter events;
  EXPECT_TRUE(events.add(kWeb, EventType::warning, "A", "m", clock.now(), 0));
  EXPECT_TRUE(events.add(numbered(0), EventType::normal, "A", "m", clock.now(), 0));
  EXPECT_FALSE(events.add(numbered(0), EventType::normal, "A", "again", clock.now(), 0));
  for (int i = 1; static_cast<std::size_t>(i) < EventLimiter::kMost - 1; ++i) {
    EXPECT_TRUE(events.add(numbered(i), EventType::normal, "A", "m", clock.now(), 0));
  }
  ASSERT_EQ(events.size(), EventLimiter::kMost);
  EXPECT_TRUE(events.add(numbered(1), EventType::warning, "B", "m", clock.now(), 0));
  EXPECT_LE(events.size(), EventLimiter::kMost);
  // What warned, and what waits to be told, is still known.
  EXPECT_FALSE(events.add(kWeb, EventType::warning, "A", "m", clock.now(), 0));
  clock.advance(minutes(10));
  EXPECT_EQ(events.due(clock.now()).size(), 2U);
  EXPECT_FALSE(events.next());
}

}  // namespace
}  // namespace fairlead::runtime
