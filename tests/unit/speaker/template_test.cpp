#include "speaker/nft/template.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

#include "proto/nft/element.h"

namespace fairlead::speaker {
namespace {

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++n;
  return n;
}

TEST(Template, NoPlaceholderIsLeft) {
  const std::string text = render("fairlead-1", 1);
  for (const char* left : {"@TABLE@", "@LAYOUT@", "@k@", "@for", "@end@"}) EXPECT_EQ(count(text, left), 0U) << left;
  EXPECT_EQ(count(text, "table inet fairlead-1 {"), 1U);
  EXPECT_EQ(count(text, "\tflags dormant\n"), 1U) << "loaded asleep: it is filled before a packet sees it";
}

TEST(Template, SixtyFourSpreadChainsEachWithItsOwnNumber) {
  const std::string text = render("fairlead-1", 1);
  EXPECT_EQ(count(text, "chain spread-"), 64U);
  for (int k = 1; k <= 64; ++k) {
    const std::string n = std::to_string(k);
    EXPECT_EQ(count(text, "chain spread-" + n + " {"), 1U);
    for (const char* map : {"@endpoints4", "@endpoints6"}) {
      EXPECT_EQ(count(text, "numgen random mod " + n + " map " + map), 1U) << k;
    }
  }
}

/// Every @name in a rule is a map or set of this table, and every map of the codec is in it.
TEST(Template, MapsOfTheTextAndOfTheCodecAreTheSame) {
  const std::string text = render("fairlead-1", 1);
  std::set<std::string> defined;
  const std::regex definition(R"(\n\t(?:map|set) ([a-z0-9_]+) \{)");
  for (std::sregex_iterator at(text.begin(), text.end(), definition), end; at != end; ++at) defined.insert((*at)[1]);
  std::set<std::string> known;
  for (std::size_t i = 0; i < nft::kMaps; ++i) {
    const auto& shape = nft::info(static_cast<nft::Map>(i));
    known.insert(shape.name);
    const std::size_t at = text.find(std::string(" ") + shape.name + " {");
    ASSERT_NE(at, std::string::npos) << shape.name;
    const std::string line = text.substr(at, text.find('\n', at) - at);
    EXPECT_EQ(line.find("interval") != std::string::npos, shape.has_two_ends()) << shape.name;
    EXPECT_EQ(line.find(": verdict") != std::string::npos, shape.value_kind == nft::ValueKind::goto_chain) << shape.name;
  }
  EXPECT_EQ(defined, known);
  const std::regex use(R"(@([a-z][a-z0-9_]*))");
  for (std::sregex_iterator at(text.begin(), text.end(), use), end; at != end; ++at) {
    EXPECT_TRUE(known.contains((*at)[1])) << (*at)[0];
  }
}

TEST(Template, EveryJumpHasItsChain) {
  const std::string text = render("fairlead-1", 1);
  const std::regex jump(R"((?:goto|jump) ([a-z0-9-]+))");
  for (std::sregex_iterator at(text.begin(), text.end(), jump), end; at != end; ++at) {
    const std::string line_start = text.substr(text.rfind('\n', static_cast<std::size_t>(at->position())) + 1, 3);
    if (line_start.find('#') != std::string::npos) continue;
    EXPECT_EQ(count(text, "\tchain " + (*at)[1].str() + " {"), 1U) << (*at)[1];
  }
}

TEST(Template, TableNames) {
  EXPECT_EQ(table_name(1), "fairlead-1");
  EXPECT_EQ(table_name(12, true), "fairlead-12-b");
}

TEST(Template, TablesOfOursTable) {
  for (const char* ours : {"fairlead-1", "fairlead-1-b", "fairlead-12", "fairlead-9999-b"}) EXPECT_TRUE(is_table_of_ours(ours)) << ours;
  for (const char* other : {"fairlead", "fairlead-", "fairlead--b", "fairlead-b", "fairlead-anchor", "fairlead-x", "fairlead-1x", "fairlead-1-c",
                            "fairlead-1-b-b", "fairlead--1", "fairlead-01", "fairlead-0", "fairlead-+1", "fairlead- 1", "fairlead-1 ", "xfairlead-1",
                            "kube-proxy", "", "fairlead-99999999999999999999"}) {
    EXPECT_FALSE(is_table_of_ours(other)) << other;
  }
}

TEST(Template, TheHashDoesNotDependOnNames) {
  EXPECT_EQ(template_hash(), template_hash());
  EXPECT_NE(template_hash(), 0U);
  std::string a = render("fairlead-1", 7);
  const std::string b = render("fairlead-1-b", 7);
  a.replace(a.find("table inet fairlead-1 {"), 21, "table inet fairlead-1-b");
  EXPECT_EQ(a, b) << "the name of the table stands in one place";
}

}  // namespace
}  // namespace fairlead::speaker
