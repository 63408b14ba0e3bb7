#include "proto/runtime/yaml.h"

#include <gtest/gtest.h>

namespace fairlead::runtime {
namespace {

struct Read {
  std::vector<Json> objects;
  std::vector<Place> places;
  std::optional<SyntaxError> error;
};
Read read(std::string_view text, Format format = Format::yaml) {
  Read out;
  out.error = read_objects(text, format, [&](const Json& object, const Place& place) {
    out.objects.push_back(object);
    out.places.push_back(place);
  });
  return out;
}
Json one(std::string_view text) {
  const Read r = read(text);
  EXPECT_FALSE(r.error) << r.error->what;
  return r.objects.size() == 1 ? r.objects[0] : Json("not one object");
}

TEST(Yaml, ScalarsAreTypedByTheCoreSchema) {
  const struct {
    const char* text;
    Json want;
  } cases[] = {
      {"null", nullptr}, {"~", nullptr}, {"", nullptr}, {"Null", nullptr},
      {"true", true}, {"False", false}, {"TRUE", true},
      {"yes", true}, {"no", false}, {"on", true}, {"Off", false}, {"y", "y"}, {"yeS", "yeS"}, {"\"no\"", "no"},
      {"0", 0}, {"80", 80}, {"-7", -7}, {"+7", 7}, {"0x1F", 31}, {"0o17", 15}, {"0755", 755},
      {"18446744073709551615", 18446744073709551615U}, {"1.5", 1.5}, {"1e3", 1000.0}, {".5", 0.5}, {"-1.", -1.0},
      {"1e999", "1e999"}, {"0x", "0x"}, {"-", nullptr}, {"1.2.3", "1.2.3"}, {"10.0.0.7", "10.0.0.7"},
      {"2001:db8::7", "2001:db8::7"}, {"2026-01-31", "2026-01-31"}, {"80:80", "80:80"}, {"1_000", "1_000"},
      {"\"80\"", "80"}, {"'true'", "true"}, {"\"\"", ""}, {"'~'", "~"}, {"!!str 80", "80"},
      {"\"a\\nb\\u00e9\"", "a\nb\u00e9"}, {"plain text", "plain text"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    if (std::string_view(c.text) == "-") continue;  // a list with one empty item: not a scalar
    EXPECT_EQ(one(std::string("a: ") + c.text), (Json{{"a", c.want}}));
  }
}

TEST(Yaml, DocumentsComeOneByOneAndEmptyOnesNotAtAll) {
  const Read r = read("# nothing\n---\na: 1\n---\n---\n# only a comment\n---\nb: [1, {c: d}]\n...\n");
  EXPECT_FALSE(r.error);
  ASSERT_EQ(r.objects.size(), 2U);
  EXPECT_EQ(r.objects[0], Json::parse(R"({"a": 1})"));
  EXPECT_EQ(r.objects[1], Json::parse(R"({"b": [1, {"c": "d"}]})"));
  EXPECT_TRUE(read("").objects.empty());
}

TEST(Yaml, BlocksListsAndTextAreRead) {
  EXPECT_EQ(one("a:\n- b: 1\n  c: 2\n-  - x\n   - y\nd: |\n  one\n  two\ne: >-\n  one\n  two\n80: key\n"),
            Json::parse(R"({"a": [{"b": 1, "c": 2}, ["x", "y"]], "d": "one\ntwo\n", "e": "one two", "80": "key"})"));
}

TEST(Yaml, AnchorsAndMergesAreFollowed) {
  EXPECT_EQ(one("a: &x {p: 1, q: 2}\nb: *x\nc:\n  <<: *x\n  q: 3\n"),
            Json::parse(R"({"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 2}, "c": {"p": 1, "q": 3}})"));
}

TEST(Yaml, WhatCannotBeReadIsNamedWithItsLine) {
  const struct {
    const char* name;
    std::string text;
    int line;
    const char* part;
  } cases[] = {
      {"tab", "a:\n\tb: 1\n", 2, ""},
      {"bracket", "a: 1\nb: [1, 2\nc: 3\n", 3, ""},
      {"twice", "a: 1\nb: 2\na: 3\n", 3, "twice"},
      {"twice, first empty", "a:\na: 3\n", 2, "twice"},
      {"own alias", "a: &x [1, *x]\n", 1, "inside"},
      {"unknown alias", "a: 1\nb: *x\n", 2, ""},
      {"list as key", "? [1]\n: 2\n", 1, "key"},
      {"merge of a number", "a: 1\n<<: 7\n", 2, "merge"},
      {"not UTF-8", "a: 1\nb: \xff\n", 2, "UTF-8"},
      {"overlong UTF-8", "a: \xc0\xaf\n", 1, "UTF-8"},
      {"a surrogate", "a: \xed\xa0\x80\n", 1, "UTF-8"},
      {"cut UTF-8", "a: 1\n\xe2\x82", 2, "UTF-8"},
      {"end of file in the middle", std::string("a: 1\nb: \x04\nc: 3\n"), 2, "control character 0x04"},
      {"NUL", std::string("a: 1\nb: \0\n", 10), 2, "control character 0x00"},
      {"depth", std::string(100, '[') + std::string(100, ']'), 1, "deep"},
      {"great depth", std::string(100'000, '['), 1, ""},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const Read r = read(c.text);
    ASSERT_TRUE(r.error);
    EXPECT_EQ(r.error->line, c.line) << r.error->what;
    EXPECT_NE(r.error->what.find(c.part), std::string::npos) << r.error->what;
  }
}

/// Found by the kubeconfig fuzzer: yaml-cpp stays at such a ',' for ever, and each time an empty document was counted.
TEST(Yaml, ACommaOutsideOfBracketsIsNamedAndNotReadAMillionTimes) {
  for (const char* text : {",", ",..", ",pp a|*", "a: 1\n---\n, b"}) {
    SCOPED_TRACE(text);
    const Read r = read(text);
    ASSERT_TRUE(r.error);
    EXPECT_NE(r.error->what.find("','"), std::string::npos) << r.error->what;
  }
  EXPECT_EQ(read("a: 1\n---\n, b").error->line, 3);
  EXPECT_FALSE(read("---\n---\n---\n").error) << "empty documents, one after the other";
}

TEST(Yaml, DocumentsBeforeTheErrorAreHandedOver) {
  const Read r = read("a: 1\n---\nb: 2\n---\nc: [\n");
  EXPECT_EQ(r.objects.size(), 2U);
  EXPECT_TRUE(r.error);
}

TEST(Yaml, ABillionLaughsAreRefused) {
  std::string text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'j'; ++c) {
    text += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) text += std::string(i > 0 ? ", *" : "*") + static_cast<char>(c - 1);
    text += "]\n";
  }
  const Read laughs = read(text);
  ASSERT_TRUE(laughs.error);
  EXPECT_NE(laughs.error->what.find("aliases"), std::string::npos) << laughs.error->what;
  std::string large = "a: &a \"" + std::string(1 << 20, 'x') + "\"\nb: [";
  for (int i = 0; i < 10'000; ++i) large += "*a, ";
  EXPECT_TRUE(read(large + "*a]\n").error) << "long strings count for more than short ones";
}

TEST(Json, ObjectsArraysAndListsAreRead) {
  EXPECT_EQ(read(R"({"a": 1})", Format::json).objects.size(), 1U);
  const Read array = read(R"([{"a": 1}, {"b": 2}])", Format::json);
  ASSERT_EQ(array.objects.size(), 2U);
  EXPECT_EQ(array.places[1].prefix, "[1]");
  for (const Format format : {Format::json, Format::yaml}) {
    const Read list = read(R"({"kind": "List", "apiVersion": "v1", "items": [{"a": 1}, {"b": 2}]})", format);
    ASSERT_EQ(list.objects.size(), 2U);
    EXPECT_EQ(list.objects[1], Json::parse(R"({"b": 2})"));
    EXPECT_EQ(list.places[1].prefix, "items[1]");
    const Read nested = read(R"({"kind": "List", "items": [{"a": 1}, {"kind": "List", "items": [{"b": 2}, [{"c": 3}]]}]})", format);
    ASSERT_EQ(nested.objects.size(), 3U);
    EXPECT_EQ(nested.places[1].prefix, "items[1].items[0]");
    EXPECT_EQ(nested.places[2].prefix, "items[1].items[1][0]");
    EXPECT_EQ(nested.objects[2], Json::parse(R"({"c": 3})"));
  }
}

TEST(Json, ErrorsHaveALine) {
  const struct {
    const char* name;
    std::string text;
    int line;
  } cases[] = {
      {"comma", "{\n\"a\": 1,\n}\n", 3},
      {"cut", "{\n\"a\": [1,\n", 3},
      {"more", "{}\n{}\n", 2},
      {"twice", R"({"a": 1, "a": 2})", 1},
      {"depth", std::string(100'000, '['), 1},
      {"number", R"({"a": 1)" + std::string(400, '7') + "}", 1},
      {"empty", "", 1},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const Read r = read(c.text, Format::json);
    ASSERT_TRUE(r.error);
    EXPECT_EQ(r.error->line, c.line) << r.error->what;
  }
}

TEST(LineOf, FindsTheFieldOrItsNearestParent) {
  const char* const text =
      "# comment\n"                    // 1
      "apiVersion: v1\n"               // 2
      "metadata:\n"                    // 3
      "  name: web\n"                  // 4
      "  annotations:\n"               // 5
      "    a.b/c: 7\n"                 // 6
      "spec:\n"                        // 7
      "  ports:\n"                     // 8
      "  - name: http\n"               // 9
      "    port: 99999\n"              // 10
      "  - port: 1\n"                  // 11
      "---\n"                          // 12
      "kind: List\n"                   // 13
      "items:\n"                       // 14
      "- spec: {ports: [{port: 1},\n"  // 15
      "                 {port: 2}]}\n"  // 16
      "---\n"                          // 17
      "a: 1\n";                        // 18
  const struct {
    Place place;
    const char* field;
    int want;
  } cases[] = {
      {{0, ""}, "apiVersion", 2},
      {{0, ""}, "metadata.name", 4},
      {{0, ""}, "metadata.annotations.a.b/c", 6},
      {{0, ""}, "metadata.nam", 3},
      {{0, ""}, "spec.ports[0].port", 10},
      {{0, ""}, "spec.ports[1].port", 11},
      {{0, ""}, "spec.ports[1].name", 11},
      {{0, ""}, "spec.ports[0]", 9},
      {{0, ""}, "spec.ports", 8},
      {{0, ""}, "", 2},
      {{0, ""}, "kind", 2},
      {{1, "items[0]"}, "spec.ports[1].port", 16},
      {{1, "items[0]"}, "spec.ports[0].port", 15},
      {{1, "items[0]"}, "", 15},
      {{2, ""}, "kind", 18},
  };
  for (const auto& c : cases) EXPECT_EQ(line_of(text, c.place, c.field), c.want) << c.place.document << " " << c.field;
  EXPECT_EQ(line_of("[\n {\"a\": 1},\n {\"b\":\n  2}]", {0, "[1]"}, "b"), 3) << "JSON";
  EXPECT_GE(line_of("a: [\n", {0, ""}, "b"), 1) << "broken text is no reason to crash";
}

/// Reads the text once, however many lines are asked for: a time for each would be minutes here.
TEST(LinesOf, AsManyAsThereAre) {
  std::string documents;
  std::string list = "kind: List\nitems:\n";
  std::vector<Spot> in_documents;
  std::vector<Spot> in_list;
  std::vector<int> want_documents;
  std::vector<int> want_list;
  for (std::size_t i = 0; i < 5000; ++i) {
    documents += "---\na: 1\nb:\n  c:\n  - 2\n";
    list += "- a: 1\n  b:\n    c: 2\n";
    in_documents.push_back({{i, ""}, "b.c[0]"});
    in_list.push_back({{0, "items[" + std::to_string(i) + "]"}, i % 2 == 0 ? "b.c" : "b.d"});  // the nearest parent of d is b
    want_documents.push_back(static_cast<int>(5 * i + 5));
    want_list.push_back(static_cast<int>(3 * i + (i % 2 == 0 ? 5 : 4)));
  }
  EXPECT_EQ(lines_of(documents, in_documents), want_documents);
  EXPECT_EQ(lines_of(list, in_list), want_list);
  EXPECT_EQ(lines_of("a: 1\n---\nb: 2\n", {{{1, ""}, "b"}, {{0, ""}, "a"}, {{7, ""}, "c"}, {{1, ""}, "b"}}), (std::vector<int>{3, 1, 1, 3})) << "in any order, and twice";
  EXPECT_EQ(lines_of("a: 1\n", {}), std::vector<int>{});
}

TEST(ToYaml, IsWhatAPersonWouldWrite) {
  EXPECT_EQ(to_yaml(Json::parse(R"({"apiVersion": "v1", "spec": {"clusterIP": "10.0.0.7", "ports": [{"nodePort": 30080, "port": 80}],
                                    "on": "yes", "none": {}, "list": []}})")),
            "apiVersion: v1\n"
            "spec:\n"
            "  clusterIP: 10.0.0.7\n"
            "  list: []\n"
            "  none: {}\n"
            "  \"on\": \"yes\"\n"
            "  ports:\n"
            "    - nodePort: 30080\n"
            "      port: 80\n");
}

/// Found by the manifest fuzzer: a key of more than 1024 characters was written so that nobody could read it.
TEST(ToYaml, LongKeysAreReadBackToo) {
  for (const std::size_t length : {999U, 1000U, 1023U, 1024U, 1025U, 5000U}) {
    const std::string key(length, 'k');
    const Json value = {{"a", {{{key, 1}, {"b", 2}}, {{key, {{key, {1, 2}}}}}}}, {key, nullptr}};
    EXPECT_EQ(one(to_yaml(value)), value) << length;
  }
}

TEST(ToYaml, IsReadBackAsItWas) {
  Json value = Json::parse(R"({"a": [[1, [2]], {"b": {"c": [{"d": null}]}}, "x", 1.5, true, -7], "": "empty key", "k: v": "# no comment"})");
  const char* const strings[] = {"", " ", "a b", "true", "null", "~", "80", "0x1f", "1e3", "1.5", "-", "- a", ": b", "a: b", "a #b",
                                 "[a]", "{a}", "&a", "*a", "!a", "%a", "@a", "`a", "'a'", "\"a\"", "a\nb", "a\tb", "\x01", "\x7f",
                                 "\u00e9\u20ac", "\U0001F600", "2001:db8::7", "10.0.0.7", "10.0.0.0/8", "2026-01-31", "yes", "---", "..."};
  for (const char* const text : strings) value["strings"].push_back(text);
  const std::string text = to_yaml(value);
  std::string printable = text;
  EXPECT_EQ(one(printable), value) << text;
}

}  // namespace
}  // namespace fairlead::runtime
