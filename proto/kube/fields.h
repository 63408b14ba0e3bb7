#pragma once
/// Reading JSON objects field by field, with the path of whatever is wrong. Used by the parsers of proto/kube and
/// proto/api; nothing outside them sees nlohmann's types except the sources in proto/runtime.
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

namespace fairlead::kube {

using Json = nlohmann::json;

/// What is wrong and where: field "spec.ports[0].port", what "99999 is not a port (1 to 65535)".
struct FieldError {
  std::string field;
  std::string what;
  bool operator==(const FieldError&) const = default;
};
template <class T>
using Parsed = std::variant<T, FieldError>;

}  // namespace fairlead::kube
