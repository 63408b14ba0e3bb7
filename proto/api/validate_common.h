#pragma once
/// What the files of the rules share.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "proto/api/validate.h"

namespace fairlead::api {

/// Collects violations; knows which object is being looked at.
class Findings {
 public:
  void look_at(Key object) { object_ = std::move(object); }
  template <class T>
  void look_at(Kind kind, const T& object) {
    look_at(Key{kind, {object.meta.ns, object.meta.name}});
  }
  const Key& object() const { return object_; }

  void error(std::string field, Rule rule, std::string reason, std::vector<Key> related = {}) {
    add(std::move(field), rule, Severity::error, std::move(reason), std::move(related));
  }
  void transient(std::string field, Rule rule, std::string reason, std::vector<Key> related = {}) {
    add(std::move(field), rule, Severity::transient, std::move(reason), std::move(related));
  }
  void warning(std::string field, Rule rule, std::string reason, std::vector<Key> related = {}) {
    add(std::move(field), rule, Severity::warning, std::move(reason), std::move(related));
  }
  std::vector<Violation> take() && { return std::move(out_); }

 private:
  void add(std::string field, Rule rule, Severity severity, std::string reason, std::vector<Key> related) {
    out_.push_back({object_, std::move(field), rule, severity, std::move(reason), std::move(related)});
  }

  Key object_;
  std::vector<Violation> out_;
};

template <class T>
Key key_of(Kind kind, const T& object) {
  return {kind, {object.meta.ns, object.meta.name}};
}

/// Two documents of one name; check_names() says so, and no rule about pairs needs to.
template <class T>
bool is_same_object(const T& a, const T& b) {
  return a.meta.name == b.meta.name && a.meta.ns == b.meta.ns;
}

inline std::string indexed(const std::string& field, std::size_t i) { return field + "[" + std::to_string(i) + "]"; }

/// Texts that are there more than once; each later one is a violation.
void check_distinct(Findings& findings, const std::string& field, const std::vector<std::string>& texts);
/// Duplicates and labels that no object can have, in a list of selectors.
void check_selectors(Findings& findings, const std::string& field, const std::vector<kube::LabelSelector>& selectors);
/// Labels only: a preference may be repeated, its weights add up.
void check_labels(Findings& findings, const std::string& field, const kube::LabelSelector& selector);

/// A warning for each name in spec.ipAddressPools that no pool has.
void check_pools_named(Findings& findings, const std::vector<std::string>& pools, const ConfigSet& set);

/// Objects of one kind are referred to by name alone, so that a name in two namespaces means two things.
template <class T>
void check_names(Findings& findings, Kind kind, const std::vector<T>& objects) {
  std::map<std::string, Key> seen;
  for (const T& object : objects) {
    const auto [first, is_new] = seen.emplace(object.meta.name, key_of(kind, object));
    if (is_new) continue;
    findings.look_at(kind, object);
    findings.error("metadata.name", Rule::duplicate_name,
                   first->second == findings.object()
                       ? "is there twice: remove one of the two"
                       : "is the name of " + first->second.str() + " as well: give one of the two another name",
                   {first->second});
  }
}

}  // namespace fairlead::api
