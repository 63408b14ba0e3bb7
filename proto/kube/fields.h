#pragma once
/// Reading JSON objects field by field, with the path of whatever is wrong. Used by the parsers of proto/kube and
/// proto/api; nothing outside them sees nlohmann's types except the sources in proto/runtime.
///
/// A parser reads straight through as if all were well: whatever is refused gives its fallback, and the refusals are
/// remembered. It asks once, at the end. Paths are put together only when something is refused.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "proto/net/ip.h"
#include "proto/net/prefix.h"

namespace fairlead::kube {

using Json = nlohmann::json;

/// Text from outside as JSON, "discarded" when it is none or nests deeper than kMaxJsonDepth: nlohmann's reader takes any
/// depth, but copies, compares and writes values by recursion, and so a few hundred kilobytes of "[" would end the program.
Json parse_json(std::string_view text);
/// Objects have at most 64 levels where a folder brings them (runtime/yaml.h); here stands a list or an event around them.
inline constexpr std::size_t kMaxJsonDepth = 80;

/// What is wrong and where: field "spec.ports[0].port", what "99999 is not a port (1 to 65535)".
struct FieldError {
  std::string field;
  std::string what;
  std::vector<FieldError> others = {};  // wrong as well, found later; at most kMostOthers
  bool operator==(const FieldError&) const = default;
};
inline constexpr std::size_t kMostOthers = 63;
template <class T>
using Parsed = std::variant<T, FieldError>;

/// One value of a document, there or not; null counts as not there. Holds references: to the document, to the place for
/// the error, and to the Field it was taken from (so it must be named before it is descended into).
class Field {
 public:
  Field(const Json& document, std::optional<FieldError>& error)
      : value_(document.is_null() ? nullptr : &document), error_(error) {}

  bool is_present() const { return value_ != nullptr; }
  bool is_text() const { return value_ != nullptr && value_->is_string(); }

  Field operator[](std::string_view key) const& {
    const Json* found = nullptr;
    if (is_a(Json::value_t::object, "an object")) {
      const auto at = value_->find(key);
      if (at != value_->end() && !at->is_null()) found = &*at;
    }
    return {found, error_, this, key, kNoIndex};
  }
  Field operator[](std::string_view key) const&& = delete;

  /// Calls f(Field) for each element of an array.
  template <class F>
  void each(F&& f) const {
    if (!is_a(Json::value_t::array, "a list")) return;
    for (std::size_t i = 0; i < value_->size(); ++i) {
      f(Field((*value_)[i].is_null() ? nullptr : &(*value_)[i], error_, this, {}, i));
    }
  }
  /// Calls f(key, Field) for each member of an object.
  template <class F>
  void each_member(F&& f) const {
    if (!is_a(Json::value_t::object, "an object")) return;
    for (auto at = value_->begin(); at != value_->end(); ++at) {
      f(at.key(), Field(at->is_null() ? nullptr : &*at, error_, this, at.key(), kNoIndex));
    }
  }

  std::string text() const {
    if (!is_present()) return {};
    if (value_->is_string()) return value_->get_ref<const std::string&>();
    refuse(shown() + " is not a string: put it in quotes");
    return {};
  }
  bool boolean(bool fallback) const {
    if (!is_present()) return fallback;
    if (value_->is_boolean()) return value_->get<bool>();
    refuse(shown() + " is neither true nor false: write one of them, without quotes");
    return fallback;
  }
  /// `what` names the thing in the sentence: "99999 is not a port (1 to 65535)".
  std::int64_t number(std::string_view what, std::int64_t least, std::int64_t most, std::int64_t fallback) const {
    if (!is_present()) return fallback;
    if (const auto n = whole(); n && *n >= least && *n <= most) return *n;
    std::string sentence = shown() + " is not " + std::string(what) + " (" + std::to_string(least) + " to " +
                           std::to_string(most) + ")";
    if (value_->is_string()) sentence += ": write a number without quotes";
    refuse(std::move(sentence));
    return fallback;
  }
  /// An absent or empty text gives the fallback.
  template <class T>
  T one_of(std::initializer_list<std::pair<std::string_view, T>> choices, T fallback) const {
    const std::string found = text();
    if (found.empty()) return fallback;
    std::string names;
    for (const auto& [name, value] : choices) {
      if (found == name) return value;
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
    refuse(shown() + " is not known: write one of " + names);
    return fallback;
  }
  /// Leading zeros are decimal, blanks around are ignored: what Kubernetes objects may hold.
  std::optional<Ip> ip() const {
    const std::string found = text();
    if (!is_text()) return std::nullopt;
    const auto parsed = parse_ip_sloppy(trim(found));
    if (!parsed) refuse(shown() + " is not an address: write one like 192.0.2.7 or 2001:db8::7");
    return parsed;
  }
  std::optional<Prefix> prefix() const {
    const std::string found = text();
    if (!is_text()) return std::nullopt;
    const auto parsed = parse_prefix(trim(found));
    if (!parsed) refuse(shown() + " is not a prefix: write one like 192.0.2.0/24 or 2001:db8::/64");
    return parsed;
  }

  /// Remembers this as wrong with the document: the first, or one of the others. Not when something was said of this
  /// field before, or of one that it is in or that is in it, because that is why it looks wrong now.
  void refuse(std::string what) const {
    std::string here = path();
    if (!error_) {
      error_ = FieldError{std::move(here), std::move(what)};
      return;
    }
    const auto is_said = [&](const FieldError& e) { return is_in(here, e.field) || is_in(e.field, here); };
    if (is_said(*error_) || std::any_of(error_->others.begin(), error_->others.end(), is_said)) return;
    if (error_->others.size() < kMostOthers) error_->others.push_back({std::move(here), std::move(what)});
  }
  /// The value as JSON, shortened: for sentences.
  std::string shown() const {
    constexpr std::size_t kMost = 60;
    std::string out = value_ == nullptr ? "null" : value_->dump(-1, ' ', false, Json::error_handler_t::replace);
    if (out.size() <= kMost) return out;
    std::size_t cut = kMost;
    while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xc0) == 0x80) --cut;  // not inside a UTF-8 sequence
    return out.substr(0, cut) + "...";
  }

 private:
  /// 64512, and as an API server takes it 64512.0 and 1e3 too; none for what is no whole number or out of reach.
  std::optional<std::int64_t> whole() const {
    constexpr double kExact = 9'007'199'254'740'992;  // 2^53
    if (value_->is_number_float()) {
      const auto n = value_->get<double>();
      if (n < -kExact || n > kExact || n != std::trunc(n)) return std::nullopt;
      return static_cast<std::int64_t>(n);
    }
    const bool is_huge = value_->is_number_unsigned() && value_->get<std::uint64_t>() > INT64_MAX;
    if (!value_->is_number_integer() || is_huge) return std::nullopt;
    return value_->get<std::int64_t>();
  }

  static constexpr std::size_t kNoIndex = static_cast<std::size_t>(-1);

  Field(const Json* value, std::optional<FieldError>& error, const Field* parent, std::string_view key,
        std::size_t index)
      : value_(value), error_(error), parent_(parent), key_(key), index_(index) {}

  static std::string_view trim(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const auto first = text.find_first_not_of(kBlanks);
    return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
  }
  static bool is_in(std::string_view path, std::string_view outer) {
    if (!path.starts_with(outer)) return false;
    return outer.empty() || path.size() == outer.size() || path[outer.size()] == '.' || path[outer.size()] == '[';
  }
  bool is_a(Json::value_t type, std::string_view name) const {
    if (!is_present()) return false;
    if (value_->type() == type) return true;
    refuse(shown() + " is not " + std::string(name) + ": look at the indentation");
    return false;
  }
  std::string path() const {
    if (parent_ == nullptr) return {};
    std::string out = parent_->path();
    if (index_ != kNoIndex) return out + "[" + std::to_string(index_) + "]";
    if (!out.empty()) out += '.';
    return out += key_;
  }

  const Json* value_;
  std::optional<FieldError>& error_;
  const Field* parent_ = nullptr;
  std::string_view key_;
  std::size_t index_ = kNoIndex;
};

}  // namespace fairlead::kube
