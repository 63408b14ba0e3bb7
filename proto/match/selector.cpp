#include "proto/match/selector.h"

#include <algorithm>

namespace fairlead::match {
namespace {

bool has_all(const kube::Labels& wanted, const kube::Labels& labels) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& pair) {
    const auto found = labels.find(pair.first);
    return found != labels.end() && found->second == pair.second;
  });
}

bool holds(const kube::LabelSelector::Expression& e, const kube::Labels& labels) {
  using Operator = kube::LabelSelector::Operator;
  const auto found = labels.find(e.key);
  const bool is_there = found != labels.end();
  const bool is_listed = is_there && std::find(e.values.begin(), e.values.end(), found->second) != e.values.end();
  switch (e.op) {
    case Operator::in: return is_listed;
    case Operator::not_in: return !is_listed;  // a label that is missing is "not in" (apimachinery)
    case Operator::exists: return is_there;
    case Operator::does_not_exist: return !is_there;
  }
  return false;
}

}  // namespace

bool selects(const kube::Labels& selector, const kube::Labels& labels) {
  return !selector.empty() && has_all(selector, labels);
}

bool matches(const kube::LabelSelector& selector, const kube::Labels& labels) {
  return has_all(selector.match_labels, labels) &&
         std::all_of(selector.match_expressions.begin(), selector.match_expressions.end(),
                     [&](const auto& e) { return holds(e, labels); });
}

bool any_matches(std::span<const kube::LabelSelector> selectors, const kube::Labels& labels, bool when_empty) {
  if (selectors.empty()) return when_empty;
  return std::any_of(selectors.begin(), selectors.end(), [&](const auto& s) { return matches(s, labels); });
}

}  // namespace fairlead::match
