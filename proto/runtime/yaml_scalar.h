#pragma once
/// A plain scalar by the core schema (YAML 1.2.2 section 10.3.2), and YAML 1.1's words for a boolean, which kubectl takes
/// as such. .inf and .nan stay text: JSON cannot say them. Pure.
#include <string_view>

#include "proto/runtime/yaml.h"

namespace fairlead::runtime {

Json resolve_scalar(std::string_view text);

}  // namespace fairlead::runtime
