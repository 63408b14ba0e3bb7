#pragma once
/// Which fields of spec mean something. An API server drops the others without a word, and so do we: a misspelt field is
/// then simply absent. Whoever writes by hand wants to be told. Pure.
#include <string>
#include <string_view>
#include <vector>

#include "proto/api/objects.h"
#include "proto/kube/fields.h"

namespace fairlead::api {

/// All fields of spec, as an object of `group` has them; empty for kinds that are not our own.
std::vector<std::string_view> known_fields(Kind kind, Group group);

struct UnknownField {
  std::string field;    // "spec.peerAsn"
  std::string similar;  // "peerASN": the field that is probably meant, or ""
};
/// Of our own kinds; empty for all others. `group` where the document does not say its own.
std::vector<UnknownField> unknown_fields(Kind kind, const kube::Json& object, Group group);

}  // namespace fairlead::api
