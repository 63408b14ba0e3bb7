#include "proto/kube/common.h"

#include <chrono>

namespace fairlead::kube {
namespace {

/// Why a text cannot be the name of an object, or nothing.
std::string_view why_no_name(std::string_view name) {
  if (name.empty()) return "is missing: give the object a name";
  if (name == "." || name == "..") return "is no name: use letters, digits, '-' and '.'";
  if (name.size() > 253) return "is too long: a name has at most 253 characters";
  for (const char c : name) {
    if (c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return "holds a '/' or a control character: use letters, digits, '-' and '.'";
    }
  }
  return {};
}

void check_name(const Field& field, std::string_view name) {
  const auto why = why_no_name(name);
  if (!why.empty()) field.refuse(field.is_present() ? field.shown() + " " + std::string(why) : std::string(why));
}

/// Two digits (or four) at `at`; clears `ok` when they are none.
int digits(std::string_view text, std::size_t at, std::size_t count, bool& ok) {
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') {
      ok = false;
      return 0;
    }
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

}  // namespace

std::optional<std::int64_t> parse_time(std::string_view text) {
  namespace c = std::chrono;
  if (text.size() < 20) return std::nullopt;
  bool ok = text[4] == '-' && text[7] == '-' && (text[10] == 'T' || text[10] == 't' || text[10] == ' ') &&
            text[13] == ':' && text[16] == ':';
  const c::year_month_day day{c::year(digits(text, 0, 4, ok)), c::month(static_cast<unsigned>(digits(text, 5, 2, ok))),
                              c::day(static_cast<unsigned>(digits(text, 8, 2, ok)))};
  const int hour = digits(text, 11, 2, ok);
  const int minute = digits(text, 14, 2, ok);
  const int second = digits(text, 17, 2, ok);  // 60: a leap second
  if (!ok || !day.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  std::size_t at = 19;
  if (text[at] == '.') {
    const std::size_t start = ++at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    if (at == start) return std::nullopt;
  }
  std::int64_t seconds = c::sys_seconds(c::sys_days(day)).time_since_epoch().count() + hour * 3600 + minute * 60 + second;
  const std::string_view zone = text.substr(at);
  if (zone == "Z" || zone == "z") return seconds;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const int offset = digits(zone, 1, 2, ok) * 3600 + digits(zone, 4, 2, ok) * 60;
  if (!ok) return std::nullopt;
  return zone[0] == '+' ? seconds - offset : seconds + offset;
}

Labels read_labels(const Field& field) {
  Labels out;
  field.each_member([&](const std::string& key, const Field& value) { out.emplace(key, value.text()); });
  return out;
}

std::vector<std::string> read_texts(const Field& field) {
  std::vector<std::string> out;
  field.each([&](const Field& item) {
    if (!item.is_present()) item.refuse("is null: write a text, or leave the entry out");
    out.push_back(item.text());
  });
  return out;
}

Meta read_meta(const Field& object, Scope scope) {
  Meta meta;
  const Field metadata = object["metadata"];
  const Field name = metadata["name"];
  meta.name = name.text();
  check_name(name, meta.name);
  if (scope == Scope::namespaced) {
    const Field ns = metadata["namespace"];
    meta.ns = ns.text();
    if (meta.ns.empty()) meta.ns = "default";
    check_name(ns, meta.ns);
  }
  meta.uid = metadata["uid"].text();
  meta.resource_version = metadata["resourceVersion"].text();
  const Field created = metadata["creationTimestamp"];
  if (const std::string text = created.text(); !text.empty()) {
    const auto seconds = parse_time(text);
    if (!seconds) created.refuse(created.shown() + " is not a time: write one like 2026-01-31T12:00:00Z");
    meta.created = seconds.value_or(0);
  }
  meta.labels = read_labels(metadata["labels"]);
  meta.annotations = read_labels(metadata["annotations"]);
  return meta;
}

LabelSelector read_selector(const Field& field) {
  using Operator = LabelSelector::Operator;
  LabelSelector out;
  out.match_labels = read_labels(field["matchLabels"]);
  const Field expressions = field["matchExpressions"];
  expressions.each([&](const Field& item) {
    LabelSelector::Expression e;
    const Field key = item["key"];
    e.key = key.text();
    if (e.key.empty()) key.refuse("is missing: name the label");
    const Field op = item["operator"];
    const auto known = op.one_of<std::optional<Operator>>({{"In", Operator::in},
                                                           {"NotIn", Operator::not_in},
                                                           {"Exists", Operator::exists},
                                                           {"DoesNotExist", Operator::does_not_exist}},
                                                          std::nullopt);
    if (op.text().empty()) op.refuse("is missing: write one of In, NotIn, Exists, DoesNotExist");
    const Field values = item["values"];
    e.values = read_texts(values);
    if (!known) return;  // what values it may have cannot be said
    e.op = *known;
    const bool wants_values = e.op == Operator::in || e.op == Operator::not_in;
    if (wants_values && e.values.empty()) values.refuse("is empty: In and NotIn need at least one value");
    if (!wants_values && !e.values.empty()) values.refuse("must be left out with Exists and DoesNotExist");
    out.match_expressions.push_back(std::move(e));
  });
  return out;
}

std::vector<LabelSelector> read_selectors(const Field& field) {
  std::vector<LabelSelector> out;
  field.each([&](const Field& item) {
    if (!item.is_present()) item.refuse("is null: write a selector, or {} for everything");
    out.push_back(read_selector(item));
  });
  return out;
}

}  // namespace fairlead::kube
