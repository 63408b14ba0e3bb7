#include "proto/bird/reply.h"

#include <gtest/gtest.h>

#include "tests/unit/bird/recorded.h"

namespace fairlead::bird {
namespace {

using test::recorded_bytes;

/// Everything that comes out, as text: one line for each message.
std::string all(ReplyReader& reader) {
  std::string out;
  for (;;) {
    const auto next = reader.next();
    if (std::holds_alternative<std::monostate>(next)) return out;
    if (const auto* r = std::get_if<Reply>(&next)) {
      out += "reply";
      for (const Line& l : r->lines) out += " [" + std::to_string(l.code) + "|" + l.text + "]";
      out += "\n";
    }
    if (const auto* n = std::get_if<Notice>(&next)) out += "notice [" + n->text + "]\n";
    if (const auto* b = std::get_if<Broken>(&next)) return out + "broken " + std::string(name(*b)) + "\n";
  }
}
std::string read_at_once(std::string_view bytes) {
  ReplyReader reader;
  reader.feed(bytes);
  return all(reader);
}

TEST(BirdReply, Table) {
  const struct {
    const char* name;
    std::string_view in;
    const char* out;
  } cases[] = {
      {"greeting", "0001 BIRD 2.0.12 ready.\n", "reply [1|BIRD 2.0.12 ready.]\n"},
      {"end of a list, blank kept", "0000 \n", "reply [0|]\n"},
      {"codes by line", "1000-a\n1011-b\n c\n0013 d\n", "reply [1000|a] [1011|b] [1011|c] [13|d]\n"},
      {"one blank is taken off", "1006-  x\n   y\n \n0000 \n", "reply [1006|  x] [1006|  y] [1006|] [0|]\n"},
      {"notices at any place", "+one\n0002-a\n+two\n b\n0003 c\n+three\n",
       "notice [one]\nnotice [two]\nreply [2|a] [2|b] [3|c]\nnotice [three]\n"},
      {"two replies", "0000 \n8003 No\n", "reply [0|]\nreply [8003|No]\n"},
      {"unfinished", "0002-a\n0003 b", ""},
      {"continuation of nothing", " a\n", "broken no_line_before\n"},
      {"continuation over the end of a reply", "0000 \n a\n", "reply [0|]\nbroken no_line_before\n"},
      {"letters", "abcd e\n", "broken not_a_code\n"},
      {"three digits", "123 e\n", "broken not_a_code\n"},
      {"a code alone", "0000\n", "broken not_a_code\n"},
      {"another separator", "0000_a\n", "broken not_a_code\n"},
      {"an empty line", "\n", "broken not_a_code\n"},
      {"messages that BIRD lost", "<3 messages lost>\n", "broken not_a_code\n"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(read_at_once(c.in), c.out);
  }
}

TEST(BirdReply, SplitAtAnyOctet) {
  const std::string bytes = "0001 BIRD 2.0.12 ready.\n+note\n" + recorded_bytes("status") + recorded_bytes("conf") + "+x\n" + recorded_bytes("unknown");
  const std::string whole = read_at_once(bytes);
  ASSERT_NE(whole.find("reply [8003|No protocols match]"), std::string::npos) << whole;
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    ReplyReader reader;
    reader.feed(std::string_view(bytes).substr(0, cut));
    std::string out = all(reader);
    reader.feed(std::string_view(bytes).substr(cut));
    out += all(reader);
    ASSERT_EQ(out, whole) << cut;
  }
  ReplyReader reader;
  std::string out;
  for (const char c : bytes) {
    reader.feed(std::string_view(&c, 1));
    out += all(reader);
  }
  EXPECT_EQ(out, whole);
}

TEST(BirdReply, MemoryIsBounded) {
  ReplyReader lines(100, 10'000);
  lines.feed(std::string(101, '0'));
  EXPECT_EQ(all(lines), "broken line_too_long\n");
  lines.feed(std::string(1'000'000, '0'));
  EXPECT_EQ(lines.held(), 0U);
  EXPECT_EQ(all(lines), "broken line_too_long\n") << "nothing else comes out";

  ReplyReader whole(100, 10'000);
  whole.feed("1000-" + std::string(96, 'x') + "\n");
  EXPECT_EQ(all(whole), "broken line_too_long\n");

  ReplyReader replies(100, 10'000);
  std::string out;
  for (int i = 0; i < 1000 && out.empty(); ++i) {
    replies.feed("1000-\n");
    out = all(replies);
    ASSERT_LT(replies.held(), 10'200U);
  }
  EXPECT_EQ(out, "broken reply_too_large\n");
}

TEST(BirdReply, Success) {
  EXPECT_TRUE(test::reply_of("0002-x\n0003 y\n").is_ok());
  EXPECT_FALSE(test::reply_of("8006-x\n0000 \n").is_ok()) << "what failed stands before the end";
  EXPECT_EQ(test::reply_of("0002-a\n8002 f:5:18 bad\n").complaint(), "f:5:18 bad");
  EXPECT_EQ(test::reply_of("0000 \n").complaint(), "");
}

}  // namespace
}  // namespace fairlead::bird
