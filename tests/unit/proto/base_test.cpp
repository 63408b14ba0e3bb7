#include <gtest/gtest.h>

#include <cerrno>
#include <fcntl.h>

#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/result.h"

namespace fairlead {
namespace {

TEST(Reader, NumbersAreBigEndian) {
  const Bytes in = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07};
  Reader r(in);
  EXPECT_EQ(r.u8(), 0x01);
  EXPECT_EQ(r.be16(), 0x0203);
  EXPECT_EQ(r.be32(), 0x04050607U);
  EXPECT_TRUE(r.ok());
  EXPECT_EQ(r.left(), 0U);
}

TEST(Reader, AReadPastTheEndGivesZerosAndStaysNotOk) {
  const Bytes in = {0xff};
  Reader r(in);
  EXPECT_EQ(r.be16(), 0);
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(r.u8(), 0) << "nothing is left after a failed read";
  EXPECT_FALSE(r.ok());
}

TEST(Writer, WritesWhatReaderReads) {
  Writer w;
  w.u8(1);
  w.be16(0x0203);
  w.be32(0x04050607);
  w.zeros(2);
  EXPECT_EQ(std::move(w).take(), (Bytes{1, 2, 3, 4, 5, 6, 7, 0, 0}));
}

TEST(Log, AForeignStringCannotForgeALine) {
  const struct {
    const char* name;
    log::Field field;
    const char* want;
  } cases[] = {
      {"plain", {"vip", "10.0.0.7"}, "vip=10.0.0.7"},
      {"blank", {"why", "no route"}, "why=\"no route\""},
      {"empty", {"why", ""}, "why=\"\""},
      {"quote", {"why", "a\"b"}, "why=\"a\\\"b\""},
      {"newline", {"why", "a\nevent=b"}, "why=\"a\\nevent=b\""},
      {"escape", {"why", "a\x1b[0m"}, "why=\"a\\x1b[0m\""},
      {"number", {"n", 7}, "n=7"},
      {"double", {"ms", 1.26}, "ms=1.3"},
      {"bool", {"is", true}, "is=true"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(log::format(c.field), c.want);
  }
}

TEST(Log, AnUnknownLevelIsRefused) {
  EXPECT_FALSE(log::set_level("loud"));
  EXPECT_TRUE(log::set_level("info"));
}

TEST(SystemError, TheCodeSaysWhatToDoNext) {
  const struct {
    int number;
    Errc want;
  } cases[] = {{ENOENT, Errc::not_found}, {EEXIST, Errc::exists},    {EPERM, Errc::denied},
               {EACCES, Errc::denied},    {ENOSPC, Errc::exhausted}, {EINVAL, Errc::malformed},
               {EBUSY, Errc::conflict},   {EIO, Errc::unavailable}};
  for (const auto& c : cases) {
    const Error error = system_error("do it", c.number);
    EXPECT_EQ(error.code, c.want) << error.what;
    EXPECT_EQ(error.sys_errno, c.number);
    EXPECT_TRUE(error.what.starts_with("do it: ")) << error.what;
  }
}

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> good = 7;
  const Result<int> bad = Error{Errc::malformed, "no number"};
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 7);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().what, "no number");
  EXPECT_TRUE(Result<void>());
  EXPECT_FALSE(Result<void>(Error{Errc::denied, "no"}));
  EXPECT_EQ(name(Errc::exhausted), "exhausted");
}

TEST(Fd, ClosesOnceAndMovesAway) {
  int raw = -1;
  {
    Fd a(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(a);
    raw = a.get();
    Fd b(std::move(a));
    EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): that it is empty is the claim
    EXPECT_EQ(b.get(), raw);
    EXPECT_EQ(::fcntl(raw, F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(::fcntl(raw, F_GETFD), -1);
}

TEST(Clock, MillisecondsHaveOneDigit) { EXPECT_DOUBLE_EQ(milliseconds(std::chrono::microseconds(12'345)), 12.3); }

}  // namespace
}  // namespace fairlead
