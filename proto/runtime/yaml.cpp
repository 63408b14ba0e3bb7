#include "proto/runtime/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <istream>
#include <map>
#include <set>
#include <span>
#include <streambuf>
#include <vector>

namespace fairlead::runtime {
namespace {

/// A stream over text that stays where it is.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* const begin = const_cast<char*>(text.data());  // never written: there is no put area
    setg(begin, begin, begin + text.size());
  }
};

/// Leaves yaml-cpp and nlohmann from inside their callbacks; caught in this file.
struct Refused {
  int line;
  std::string what;
};

int line_at(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
}

int line_of_mark(const YAML::Mark& mark) { return mark.is_null() ? 1 : mark.line + 1; }

/// The length of the UTF-8 sequence at the front, or 0 (RFC 3629: shortest form, no surrogates).
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xc0U) == 0x80U; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return tail(1) ? 2 : 0;
  if (first < 0xf0) {
    if (first == 0xe0 && at(1) < 0xa0) return 0;
    if (first == 0xed && at(1) >= 0xa0) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first > 0xf4 || (first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) >= 0x90)) return 0;
  return tail(1) && tail(2) && tail(3) ? 4 : 0;
}

std::optional<SyntaxError> check_bytes(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // yaml-cpp takes 0x04 for the end of the file, so the rest would be lost without a word.
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') {
      char what[64];
      std::snprintf(what, sizeof what, "control character 0x%02x: save the file as plain UTF-8 text", byte);
      return SyntaxError{line_at(text, i), what};
    }
    const std::size_t length = utf8_length(text.substr(i, 4));
    if (length == 0) return SyntaxError{line_at(text, i), "not valid UTF-8: save the file as UTF-8 text"};
    i += length;
  }
  return std::nullopt;
}

bool all_of(std::string_view text, std::string_view set) {
  return !text.empty() && text.find_first_not_of(set) == std::string_view::npos;
}

constexpr std::string_view kDigits = "0123456789";

bool is_integer(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return all_of(text, kDigits);
}

bool is_float(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const auto mantissa = text.substr(0, text.find_first_of("eE"));
  if (mantissa.size() < text.size()) {
    auto exponent = text.substr(mantissa.size() + 1);
    if (!is_integer(exponent)) return false;
  }
  const auto dot = mantissa.find('.');
  if (dot == std::string_view::npos) return all_of(mantissa, kDigits);
  const auto before = mantissa.substr(0, dot);
  const auto after = mantissa.substr(dot + 1);
  return !(before.empty() && after.empty()) && (before.empty() || all_of(before, kDigits)) &&
         (after.empty() || all_of(after, kDigits));
}

template <class T>
std::optional<T> number(std::string_view text, int base) {
  T value{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

Json to_float(std::string_view text) {
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return std::string(text);  // 1e999: JSON has no such number
  return value;
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

/// A plain scalar by the core schema (YAML 1.2.2 section 10.3.2), and YAML 1.1's words for a boolean, which kubectl takes
/// as such. .inf and .nan stay text: JSON cannot say them.
Json resolve(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (is_one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (is_one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) return false;
  if (text.starts_with("0x") && text.size() > 2) {
    if (const auto n = number<std::uint64_t>(text.substr(2), 16)) return *n;
  }
  if (text.starts_with("0o") && text.size() > 2) {
    if (const auto n = number<std::uint64_t>(text.substr(2), 8)) return *n;
  }
  if (is_integer(text)) {
    const auto digits = text[0] == '+' ? text.substr(1) : text;
    if (digits[0] != '-') {
      if (const auto n = number<std::uint64_t>(digits, 10)) return *n;
    } else if (const auto n = number<std::int64_t>(digits, 10)) {
      return *n;
    }
    return to_float(text);
  }
  if (is_float(text)) return to_float(text);
  return std::string(text);
}

/// Builds values from yaml-cpp's events. One for a whole file: the budget is the file's.
class Builder final : public YAML::EventHandler {
 public:
  Json take() { return std::exchange(root_, nullptr); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp does not get past a ',' outside of brackets: it finds an empty document there, again and again.
    if (mark.pos == document_at_) throw Refused{line_of_mark(mark), "a ',' stands outside of brackets: remove it, or put the text in quotes"};
    document_at_ = mark.pos;
    root_ = nullptr;
    frames_.clear();
    anchors_.clear();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (wants_key()) throw Refused{line_of_mark(mark), "a key is empty: write a name before the colon"};
    add(mark, anchor, nullptr, charge(mark, 0));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const std::size_t cost = charge(mark, value.size());
    const bool is_plain = tag == "?";
    if (wants_key()) {
      begin_member(mark, value, is_plain);
      remember(mark, anchor, value, cost);
      return;
    }
    const bool is_text = tag == "!" || tag == "tag:yaml.org,2002:str" || tag == "tag:yaml.org,2002:binary";
    add(mark, anchor, is_text ? Json(value) : resolve(value), cost);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (wants_key()) throw Refused{line_of_mark(mark), "an alias cannot be a key: write the key itself"};
    if (anchor >= anchors_.size() || anchors_[anchor].cost == 0) {
      throw Refused{line_of_mark(mark), "an alias stands inside of what it refers to: remove it"};
    }
    const Anchor& found = anchors_[anchor];
    spend(mark, found.cost);
    add(mark, 0, found.value, found.cost);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    push(mark, anchor, Json::array());
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    push(mark, anchor, Json::object());
  }
  void OnMapEnd() override { pop(); }

 private:
  struct Frame {
    Json value;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    bool is_merge = false;  // the key is "<<"
    std::string key;
    std::vector<Json> merges;
  };
  struct Anchor {
    Json value;
    std::size_t cost = 0;  // 0: not complete
  };

  bool wants_key() const { return !frames_.empty() && frames_.back().value.is_object() && !frames_.back().has_key; }

  void spend(const YAML::Mark& mark, std::size_t cost) {
    spent_ += cost;
    if (spent_ > kMaxNodes) {
      throw Refused{line_of_mark(mark), "more than " + std::to_string(kMaxNodes) + " values, aliases counted: split the file"};
    }
  }
  /// Long strings count for more than one, or an alias to one would be a cheap way to much memory.
  std::size_t charge(const YAML::Mark& mark, std::size_t bytes) {
    const std::size_t cost = 1 + bytes / 64;
    // What stands in the file is bounded by its size; so only one for each value is charged here, all of it for aliases.
    spend(mark, 1);
    return cost;
  }
  void begin_member(const YAML::Mark& mark, const std::string& key, bool is_plain) {
    Frame& top = frames_.back();
    top.is_merge = is_plain && key == "<<";
    if (!top.is_merge && top.value.contains(key)) {
      throw Refused{line_of_mark(mark), "key \"" + key + "\" is there twice: remove one of the two"};
    }
    top.key = key;
    top.has_key = true;
    if (!top.is_merge) top.value[key] = nullptr;  // taken, also when the next key is the same
  }
  /// The copy that an anchor keeps is paid for too: anchors nest.
  void remember(const YAML::Mark& mark, YAML::anchor_t anchor, const Json& value, std::size_t cost) {
    if (anchor == 0) return;
    spend(mark, cost);
    if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);
    anchors_[anchor] = {value, cost};
  }
  void add(const YAML::Mark& mark, YAML::anchor_t anchor, Json value, std::size_t cost) {
    remember(mark, anchor, value, cost);
    if (frames_.empty()) {
      root_ = std::move(value);
      return;
    }
    Frame& top = frames_.back();
    if (top.value.is_array()) {
      top.value.push_back(std::move(value));
      return;
    }
    top.has_key = false;
    if (top.is_merge) {
      if (!value.is_object() && !value.is_array()) throw Refused{line_of_mark(mark), "\"<<\" needs an object to merge"};
      if (value.is_array()) top.merges.insert(top.merges.end(), value.begin(), value.end());
      else top.merges.push_back(std::move(value));
      return;
    }
    top.value[top.key] = std::move(value);
  }
  void push(const YAML::Mark& mark, YAML::anchor_t anchor, Json value) {
    if (wants_key()) throw Refused{line_of_mark(mark), "a key is a list or an object: write a plain name"};
    if (frames_.size() >= kMaxDepth) {
      throw Refused{line_of_mark(mark), "more than " + std::to_string(kMaxDepth) + " levels deep"};
    }
    Frame frame;
    frame.value = std::move(value);
    frame.mark = mark;
    frame.anchor = anchor;
    spend(mark, 1);
    frames_.push_back(std::move(frame));
  }
  void pop() {
    Frame done = std::move(frames_.back());
    frames_.pop_back();
    for (const Json& merge : done.merges) {
      if (!merge.is_object()) throw Refused{line_of_mark(done.mark), "\"<<\" needs objects to merge"};
      for (const auto& [key, value] : merge.items()) {
        if (!done.value.contains(key)) done.value[key] = value;
      }
    }
    const std::size_t cost = done.anchor == 0 ? 1 : weight_of(done.value);  // asked for by remember() only
    add(done.mark, done.anchor, std::move(done.value), cost);
  }
  static std::size_t weight_of(const Json& value) {
    if (value.is_string()) return 1 + value.get_ref<const std::string&>().size() / 64;
    std::size_t sum = 1;
    if (value.is_structured()) {
      for (const Json& child : value) sum += weight_of(child);
    }
    return sum;
  }

  Json root_;
  std::vector<Frame> frames_;
  std::vector<Anchor> anchors_;
  std::size_t spent_ = 0;
  int document_at_ = -1;  // where the one that is being read begins
};

/// A field looked for in a document, and what was found so far.
struct Target {
  std::string path;
  std::size_t wanted = 0;  // whose it is
  std::size_t best = 0;    // length of the longest path that leads there
  int line = 1;
};

/// Follows the path of every value and keeps, for each field looked for, the line of the longest one that leads there.
/// `targets` are sorted by path, so that those that a value leads to stand together.
class Locator final : public YAML::EventHandler {
 public:
  explicit Locator(std::span<Target> targets) : targets_(targets) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    for (Target& target : targets_) target.line = line_of_mark(mark);
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { scalar(mark, ""); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { scalar(mark, ""); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string& value) override {
    scalar(mark, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    push(mark, false);
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    push(mark, true);
  }
  void OnMapEnd() override { pop(); }

 private:
  struct Frame {
    bool is_map = false;
    bool has_key = false;
    std::size_t index = 0;
    std::size_t path_length = 0;  // of the container itself
  };

  /// The value that begins now is at path_.
  void visit(const YAML::Mark& mark, bool is_key) {
    // Of a member the line of its key counts, not that of its value, which may be the next line.
    if (!path_.empty() && (is_key || !in_map())) {
      const auto is_before = [](const Target& target, const std::string& path) { return target.path < path; };
      auto at = std::lower_bound(targets_.begin(), targets_.end(), path_, is_before);
      for (; at != targets_.end() && at->path.starts_with(path_); ++at) {
        const char next = at->path.size() == path_.size() ? '.' : at->path[path_.size()];
        if ((next != '.' && next != '[') || path_.size() <= at->best) continue;
        at->best = path_.size();
        at->line = line_of_mark(mark);
      }
    }
    if (!has_start_ && !is_key) {
      has_start_ = true;
      for (Target& target : targets_) {
        if (target.best == 0) target.line = line_of_mark(mark);
      }
    }
  }
  bool in_map() const { return !frames_.empty() && frames_.back().is_map; }
  void enter_item() {
    if (frames_.empty() || frames_.back().is_map) return;
    path_.resize(frames_.back().path_length);
    path_ += "[" + std::to_string(frames_.back().index++) + "]";
  }
  void leave_value() {
    if (in_map()) frames_.back().has_key = false;
  }
  void scalar(const YAML::Mark& mark, const std::string& value) {
    if (in_map() && !frames_.back().has_key) {
      path_.resize(frames_.back().path_length);
      if (!path_.empty()) path_ += '.';
      path_ += value;
      frames_.back().has_key = true;
      visit(mark, true);
      return;
    }
    enter_item();
    visit(mark, false);
    leave_value();
  }
  void push(const YAML::Mark& mark, bool is_map) {
    enter_item();
    visit(mark, false);
    if (frames_.size() > kMaxDepth) throw Refused{1, "too deep"};
    frames_.push_back({is_map, false, 0, path_.size()});
  }
  void pop() {
    path_.resize(frames_.back().path_length);
    frames_.pop_back();
    leave_value();
  }

  std::span<Target> targets_;
  std::string path_;
  std::vector<Frame> frames_;
  bool has_start_ = false;
};

/// Whether the members of this object's `items` are objects themselves: a List, or one of a kind (`kubectl get --raw`
/// answers an IPAddressPoolList, whose items do not say what they are).
bool is_list(const Json& value) {
  if (!value.is_object()) return false;
  const auto kind = value.find("kind");
  const auto items = value.find("items");
  return kind != value.end() && kind->is_string() && kind->get_ref<const std::string&>().ends_with("List") && items != value.end() &&
         items->is_array();
}

/// An item of a list of a kind as an object that stands alone.
Json named_item(const Json& list, const Json& item) {
  Json out = item;
  std::string kind = list["kind"];
  kind.resize(kind.size() - std::string_view("List").size());
  if (!out.contains("kind")) out["kind"] = std::move(kind);
  if (!out.contains("apiVersion") && list.contains("apiVersion")) out["apiVersion"] = list["apiVersion"];
  return out;
}

/// Hands over an object, or the members of a List or an array; a List in a List too, as kubectl takes it. Nesting is
/// bounded by kMaxDepth.
void hand_over(const Json& value, const Place& place, const std::function<void(const Json&, const Place&)>& object) {
  const Json* items = nullptr;
  std::string name;
  if (value.is_array()) {
    items = &value;
  } else if (is_list(value)) {
    items = &value["items"];
    name = "items";
  }
  if (items == nullptr) {
    object(value, place);
    return;
  }
  if (!place.prefix.empty() && !name.empty()) name.insert(0, ".");
  const bool is_of_a_kind = !name.empty() && value["kind"] != "List";
  for (std::size_t i = 0; i < items->size(); ++i) {
    const Json& item = (*items)[i];
    const Place here{place.document, place.prefix + name + "[" + std::to_string(i) + "]"};
    if (is_of_a_kind && item.is_object()) hand_over(named_item(value, item), here, object);
    else hand_over(item, here, object);
  }
}

std::optional<SyntaxError> read_yaml(std::string_view text,
                                     const std::function<void(const Json&, const Place&)>& object) {
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  Builder builder;
  try {
    YAML::Parser parser(stream);
    for (std::size_t document = 0; parser.HandleNextDocument(builder); ++document) {
      const Json value = builder.take();
      if (!value.is_null()) hand_over(value, Place{document, ""}, object);
    }
  } catch (const Refused& refused) {
    return SyntaxError{refused.line, refused.what};
  } catch (const YAML::Exception& error) {
    return SyntaxError{line_of_mark(error.mark), error.msg};
  }
  return std::nullopt;
}

std::optional<SyntaxError> read_json(std::string_view text,
                                     const std::function<void(const Json&, const Place&)>& object) {
  std::size_t nodes = 0;
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    using Event = Json::parse_event_t;
    if (depth > static_cast<int>(kMaxDepth)) throw Refused{1, "more than " + std::to_string(kMaxDepth) + " levels deep"};
    if (++nodes > 2 * kMaxNodes) throw Refused{1, "too many values: split the file"};
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(value.get<std::string>()).second) {
      throw Refused{1, "key \"" + value.get<std::string>() + "\" is there twice: remove one of the two"};
    }
    return true;
  };
  try {
    const Json value = Json::parse(text.begin(), text.end(), check);
    if (!value.is_null()) hand_over(value, Place{}, object);
  } catch (const Refused& refused) {
    return SyntaxError{refused.line, refused.what};
  } catch (const Json::parse_error& error) {
    std::string_view what = error.what();  // "[json.exception.parse_error.101] parse error at line 2, column 1: ..."
    if (const auto at = what.find(": "); at != std::string_view::npos) what.remove_prefix(at + 2);
    return SyntaxError{line_at(text, error.byte > 0 ? error.byte - 1 : 0), std::string(what)};
  } catch (const Json::out_of_range&) {  // carries no place
    return SyntaxError{1, "a number is too large: no field takes one of this size"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<SyntaxError> read_objects(std::string_view text, Format format,
                                        const std::function<void(const Json&, const Place&)>& object) {
  if (auto error = check_bytes(text)) return error;
  return format == Format::json ? read_json(text, object) : read_yaml(text, object);
}

std::vector<int> lines_of(std::string_view text, const std::vector<Spot>& spots) {
  std::map<std::size_t, std::vector<Target>> by_document;
  for (std::size_t i = 0; i < spots.size(); ++i) {
    std::string path = spots[i].place.prefix;
    if (!path.empty() && !spots[i].field.empty() && spots[i].field[0] != '[') path += '.';
    by_document[spots[i].place.document].push_back({path + spots[i].field, i, 0, 1});
  }
  std::vector<int> out(spots.size(), 1);
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  try {
    YAML::Parser parser(stream);  // JSON is YAML, so this serves both
    std::size_t document = 0;
    for (auto& [wanted, targets] : by_document) {
      std::sort(targets.begin(), targets.end(), [](const Target& a, const Target& b) { return a.path < b.path; });
      bool has_more = true;
      for (; has_more && document <= wanted; ++document) {
        Locator locator(document == wanted ? std::span<Target>(targets) : std::span<Target>());
        has_more = parser.HandleNextDocument(locator);
      }
      if (!has_more) break;
      for (const Target& target : targets) out[target.wanted] = target.line;
    }
  } catch (const Refused&) {
    return out;
  } catch (const YAML::Exception&) {
    return out;
  }
  return out;
}

int line_of(std::string_view text, const Place& place, std::string_view field) {
  return lines_of(text, {{place, std::string(field)}}).front();
}

}  // namespace fairlead::runtime
