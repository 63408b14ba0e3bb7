#include "proto/runtime/yaml.h"

#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstdio>
#include <istream>
#include <set>
#include <vector>

#include "proto/runtime/yaml_builder.h"

namespace fairlead::runtime {
namespace {

int line_at(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
}

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

}  // namespace fairlead::runtime
