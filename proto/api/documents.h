#pragma once
/// Which version of which group a document says it is of. For the parsers of this folder.
#include <string>

#include "proto/api/objects.h"
#include "proto/kube/fields.h"

namespace fairlead::api {

/// "metallb.io/v1beta1"; empty when the document does not say.
inline std::string api_version_of(const kube::Json& document) {
  if (!document.is_object()) return {};
  const auto found = document.find("apiVersion");
  return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
}

inline Group group_of_document(const kube::Json& document, Group otherwise) {
  const std::string version = api_version_of(document);
  return group_of(std::string_view(version).substr(0, version.find('/'))).value_or(otherwise);
}

}  // namespace fairlead::api
