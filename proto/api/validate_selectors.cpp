/// Lists of selectors, as MetalLB and apimachinery judge them.
#include <algorithm>
#include <cctype>

#include "proto/api/validate_common.h"

namespace fairlead::api {
namespace {

using Expression = kube::LabelSelector::Expression;

constexpr std::size_t kMostOfName = 63;
constexpr std::size_t kMostOfPrefix = 253;

bool is_alphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

/// Letters, digits, '-', '_', '.', with a letter or digit at both ends.
bool is_name_part(std::string_view text) {
  return !text.empty() && text.size() <= kMostOfName && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

/// RFC 1123, lower case.
bool is_subdomain(std::string_view text) {
  if (text.empty() || text.size() > kMostOfPrefix) return false;
  const auto is_lower = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  while (true) {
    const auto dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || !is_lower(label.front()) || !is_lower(label.back())) return false;
    if (!std::all_of(label.begin(), label.end(), [&](char c) { return is_lower(c) || c == '-'; })) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_label_key(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return is_name_part(text);
  return is_subdomain(text.substr(0, slash)) && is_name_part(text.substr(slash + 1));
}
bool is_label_value(std::string_view text) { return text.empty() || is_name_part(text); }

void check_key(Findings& findings, const std::string& field, const std::string& key) {
  if (is_label_key(key)) return;
  findings.error(field, Rule::invalid_label,
                 "\"" + key + "\" is no key of a label: letters, digits, '-', '_' and '.', at most 63, after an optional "
                 "DNS name and '/'");
}
void check_value(Findings& findings, const std::string& field, const std::string& value) {
  if (is_label_value(value)) return;
  findings.error(field, Rule::invalid_label,
                 "\"" + value + "\" is no value of a label: at most 63 letters, digits, '-', '_' and '.', with a letter "
                 "or digit at both ends");
}

Expression ordered(Expression e) {
  std::sort(e.values.begin(), e.values.end());
  return e;
}
kube::LabelSelector ordered(kube::LabelSelector selector) {
  for (Expression& e : selector.match_expressions) e = ordered(std::move(e));
  return selector;
}

void check_expressions(Findings& findings, const std::string& field, const std::vector<Expression>& expressions) {
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    const std::string here = indexed(field, i);
    const std::vector<std::string>& values = expressions[i].values;
    for (std::size_t v = 0; v < values.size(); ++v) {
      if (std::find(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(v), values[v]) !=
          values.begin() + static_cast<std::ptrdiff_t>(v)) {
        findings.error(indexed(here + ".values", v), Rule::duplicate_value,
                       "\"" + values[v] + "\" is there twice: remove one of the two");
      }
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (ordered(expressions[j]) != ordered(expressions[i])) continue;
      findings.error(here, Rule::duplicate_expression,
                     "says the same as expression " + std::to_string(j) + ": remove one of the two");
      break;
    }
  }
}

}  // namespace

void check_distinct(Findings& findings, const std::string& field, const std::vector<std::string>& texts) {
  std::map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (seen.emplace(texts[i], i).second) continue;
    findings.error(indexed(field, i), Rule::duplicate_entry, "\"" + texts[i] + "\" is there twice: remove one of the two");
  }
}

void check_labels(Findings& findings, const std::string& field, const kube::LabelSelector& selector) {
  for (const auto& [key, value] : selector.match_labels) {
    check_key(findings, field + ".matchLabels", key);
    check_value(findings, field + ".matchLabels", value);
  }
  for (std::size_t i = 0; i < selector.match_expressions.size(); ++i) {
    const std::string here = indexed(field + ".matchExpressions", i);
    check_key(findings, here + ".key", selector.match_expressions[i].key);
    const auto& values = selector.match_expressions[i].values;
    for (std::size_t v = 0; v < values.size(); ++v) check_value(findings, indexed(here + ".values", v), values[v]);
  }
}

void check_selectors(Findings& findings, const std::string& field, const std::vector<kube::LabelSelector>& selectors) {
  std::vector<kube::LabelSelector> before;
  for (std::size_t i = 0; i < selectors.size(); ++i) {
    const std::string here = indexed(field, i);
    check_labels(findings, here, selectors[i]);
    check_expressions(findings, here + ".matchExpressions", selectors[i].match_expressions);
    kube::LabelSelector now = ordered(selectors[i]);
    const auto same = std::find(before.begin(), before.end(), now);
    if (same != before.end()) {
      findings.error(here, Rule::duplicate_selector,
                     "says the same as selector " + std::to_string(same - before.begin()) + ": remove one of the two");
    }
    before.push_back(std::move(now));
  }
}

}  // namespace fairlead::api
