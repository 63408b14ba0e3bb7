#pragma once
/// Reading JSON that may be anything: what is not there, or is in something that is no object, is null.
#include <string>

#include "proto/kube/fields.h"

namespace fairlead::runtime {

using Json = nlohmann::json;

inline const Json& at(const Json& object, const char* key) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

/// "" for whatever is no string.
inline std::string text_at(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

/// Compact; octets that are no UTF-8 are replaced.
inline std::string to_text(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace fairlead::runtime
