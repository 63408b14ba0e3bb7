#include "speaker/core/burst.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/builders.h"
#include "tests/support/manual_clock.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;
using test::ip;

const Ip kVip = ip("192.0.2.1");

/// Milliseconds since the start at which a frame went out, with a loop that wakes when next() says so.
std::vector<long> schedule(Bursts& bursts, test::ManualClock& clock) {
  const TimePoint start = clock.now();
  std::vector<long> out;
  while (const auto next = bursts.next()) {
    if (*next > clock.now()) clock.advance(*next - clock.now());
    for (std::size_t n = bursts.due(clock.now()).size(); n > 0; --n) out.push_back((clock.now() - start) / 1ms);
  }
  return out;
}

TEST(Bursts, AtOnceThenEvery1100MillisecondsUntilFiveSecondsHavePassed) {
  test::ManualClock clock;
  Bursts bursts;
  EXPECT_FALSE(bursts.next().has_value());
  bursts.start(kVip, clock.now());
  EXPECT_EQ(schedule(bursts, clock), (std::vector<long>{0, 1100, 2200, 3300, 4400}));
  clock.advance(1h);
  EXPECT_TRUE(bursts.due(clock.now()).empty());
  EXPECT_FALSE(bursts.next().has_value());
}

TEST(Bursts, NothingIsDueBeforeItsDate) {
  test::ManualClock clock;
  Bursts bursts;
  bursts.start(kVip, clock.now());
  EXPECT_EQ(bursts.due(clock.now()), std::vector<Ip>{kVip});
  EXPECT_TRUE(bursts.due(clock.now()).empty());
  clock.advance(1100ms - 1ns);
  EXPECT_TRUE(bursts.due(clock.now()).empty());
  clock.advance(1ns);
  EXPECT_EQ(bursts.due(clock.now()), std::vector<Ip>{kVip});
}

TEST(Bursts, ALateLoopSendsOneAndNotTheMissedOnesInARow) {
  test::ManualClock clock;
  Bursts bursts;
  bursts.start(kVip, clock.now());
  EXPECT_EQ(bursts.due(clock.now()).size(), 1U);
  clock.advance(3000ms);  // due at 1100 and 2200 meanwhile
  EXPECT_EQ(bursts.due(clock.now()).size(), 1U);
  EXPECT_TRUE(bursts.due(clock.now()).empty());
  const TimePoint late = clock.now();
  EXPECT_EQ(*bursts.next() - late, 1100ms);
  clock.advance(1100ms);
  EXPECT_EQ(bursts.due(clock.now()).size(), 1U);
  EXPECT_FALSE(bursts.next().has_value()) << "the next one would come after the end";
}

TEST(Bursts, ALoopThatSleptThroughTheWholeBurstStillSendsOne) {
  test::ManualClock clock;
  Bursts bursts;
  bursts.start(kVip, clock.now());
  clock.advance(1min);
  EXPECT_EQ(bursts.due(clock.now()), std::vector<Ip>{kVip});
  EXPECT_FALSE(bursts.next().has_value());
}

TEST(Bursts, StoppingEndsAndStartingAgainStartsAfresh) {
  test::ManualClock clock;
  Bursts bursts;
  bursts.start(kVip, clock.now());
  bursts.due(clock.now());
  bursts.stop(kVip);
  EXPECT_FALSE(bursts.next().has_value());
  bursts.start(kVip, clock.now());
  bursts.due(clock.now());
  clock.advance(4s);
  bursts.start(kVip, clock.now());
  EXPECT_EQ(schedule(bursts, clock), (std::vector<long>{0, 1100, 2200, 3300, 4400}));
}

TEST(Bursts, ThousandsOfVipsGoOutInPartsAndEachOnce) {
  test::ManualClock clock;
  Bursts bursts;
  std::map<Ip, int> sent;
  for (std::uint32_t i = 0; i < 1000; ++i) bursts.start(Ip(Ip4::of(0x0a000000 + i)), clock.now());
  int turns = 0;
  while (*bursts.next() <= clock.now()) {
    const auto part = bursts.due(clock.now());
    EXPECT_LE(part.size(), kBurstVips);
    for (const Ip& vip : part) ++sent[vip];
    ++turns;
  }
  EXPECT_EQ(turns, (1000 + static_cast<int>(kBurstVips) - 1) / static_cast<int>(kBurstVips));
  EXPECT_EQ(sent.size(), 1000U);
  for (const auto& [vip, times] : sent) EXPECT_EQ(times, 1) << vip.str();
}

TEST(Bursts, VipsRunSideBySide) {
  test::ManualClock clock;
  Bursts bursts;
  const Ip other = ip("2001:db8::1");
  bursts.start(kVip, clock.now());
  bursts.due(clock.now());
  clock.advance(500ms);
  bursts.start(other, clock.now());
  EXPECT_EQ(bursts.due(clock.now()), std::vector<Ip>{other});
  EXPECT_EQ(*bursts.next() - clock.now(), 600ms);
  EXPECT_EQ(schedule(bursts, clock).size(), 8U);
}

}  // namespace
}  // namespace fairlead::speaker
