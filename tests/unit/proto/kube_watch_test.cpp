#include <gtest/gtest.h>

#include "proto/kube/watch.h"

namespace fairlead::kube {
namespace {

std::vector<std::string> take_all(WatchLines& lines) {
  std::vector<std::string> out;
  while (const auto line = lines.next()) out.emplace_back(*line);
  return out;
}

constexpr std::string_view kStream =
    "{\"type\":\"ADDED\",\"object\":{}}\n\r\n\n{\"type\":\"BOOKMARK\",\"object\":{\"a\":\"\xc3\xa9\"}}\r\n{\"type\":\"DELETED\"";
const std::vector<std::string> kWhole = {"{\"type\":\"ADDED\",\"object\":{}}", "{\"type\":\"BOOKMARK\",\"object\":{\"a\":\"\xc3\xa9\"}}"};

TEST(WatchLines, AnySplitInThreeGivesTheSameLines) {
  for (std::size_t a = 0; a <= kStream.size(); ++a) {
    for (std::size_t b = a; b <= kStream.size(); ++b) {
      WatchLines lines;
      std::vector<std::string> got;
      for (const std::string_view part : {kStream.substr(0, a), kStream.substr(a, b - a), kStream.substr(b)}) {
        lines.feed(part);
        for (std::string& line : take_all(lines)) got.push_back(std::move(line));
      }
      ASSERT_EQ(got, kWhole) << a << " " << b;
      ASSERT_EQ(lines.held(), std::string_view("{\"type\":\"DELETED\"").size());
    }
  }
}

TEST(WatchLines, ByteByByteGivesTheSameLines) {
  WatchLines lines;
  std::vector<std::string> got;
  for (const char c : kStream) {
    lines.feed({&c, 1});
    for (std::string& line : take_all(lines)) got.push_back(std::move(line));
  }
  EXPECT_EQ(got, kWhole);
}

TEST(WatchLines, LinesThatAreNotTakenAreKept) {
  WatchLines lines;
  lines.feed("a\nb");
  lines.feed("c\nd\n");
  EXPECT_EQ(take_all(lines), (std::vector<std::string>{"a", "bc", "d"}));
  EXPECT_EQ(lines.held(), 0U);
}

TEST(WatchLines, AnEndlessLineEndsTheStreamAndItsMemory) {
  WatchLines lines(100);
  const std::string part(40, 'x');
  for (int i = 0; i < 1000; ++i) {
    lines.feed(part);
    EXPECT_FALSE(lines.next());
    EXPECT_LE(lines.held(), 140U);
  }
  EXPECT_TRUE(lines.is_too_long());
  lines.feed("\nmore\n");
  EXPECT_FALSE(lines.next());
}

TEST(WatchLines, ALineOfExactlyTheLimitPasses) {
  WatchLines lines(5);
  lines.feed("12345\n123456\n");
  EXPECT_EQ(lines.next(), "12345");
  EXPECT_FALSE(lines.next());
  EXPECT_TRUE(lines.is_too_long());
}

TEST(WatchEvent, Table) {
  const struct {
    const char* line;
    std::optional<WatchEvent::Type> want;
  } cases[] = {
      {R"({"type":"ADDED","object":{"a":1}})", WatchEvent::Type::added},
      {R"({"type":"MODIFIED","object":{}})", WatchEvent::Type::modified},
      {R"({"type":"DELETED","object":{}})", WatchEvent::Type::deleted},
      {R"({"type":"BOOKMARK","object":{}})", WatchEvent::Type::bookmark},
      {R"({"type":"ERROR","object":{"code":410}})", WatchEvent::Type::error},
      {R"({"type":"NEWS","object":{}})", std::nullopt},
      {R"({"object":{}})", std::nullopt},
      {R"({"type":"ADDED"})", std::nullopt},
      {R"({"type":"ADDED","object":[]})", std::nullopt},
      {R"({"kind":"Status","code":410})", std::nullopt},
      {R"([1])", std::nullopt},
      {R"({"type":)", std::nullopt},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.line);
    const auto parsed = parse_watch_event(c.line);
    EXPECT_EQ(std::holds_alternative<WatchEvent>(parsed), c.want.has_value());
    if (c.want && std::holds_alternative<WatchEvent>(parsed)) {
      EXPECT_EQ(std::get<WatchEvent>(parsed).type, *c.want);
    }
  }
}

/// The sentence about a wrong type writes the value, and writing goes as deep as it is.
TEST(WatchEvent, ALineThatNestsTooDeepIsRefused) {
  const auto nested = [](std::size_t depth) {
    return R"({"type":"ADDED","object":{"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}}";
  };
  EXPECT_TRUE(std::holds_alternative<WatchEvent>(parse_watch_event(nested(kMaxJsonDepth - 2))));
  EXPECT_TRUE(std::holds_alternative<FieldError>(parse_watch_event(nested(kMaxJsonDepth - 1))));
  EXPECT_TRUE(std::holds_alternative<FieldError>(parse_watch_event(nested(1'000'000))));
}

TEST(ParseJson, BracketsInTextsAreNoDepth) {
  const std::string brackets(1000, '[');
  EXPECT_EQ(parse_json(R"({"a":")" + brackets + R"("})"), Json({{"a", brackets}}));
  EXPECT_EQ(parse_json(R"({"a":"\\\"[","b":["\\"]})"), Json({{"a", "\\\"["}, {"b", {"\\"}}}));
  EXPECT_TRUE(parse_json("[1").is_discarded());
  const std::string wide = "[" + std::string(200, ' ') + "[],[],[]]";
  EXPECT_FALSE(parse_json(wide).is_discarded());
}

}  // namespace
}  // namespace fairlead::kube
