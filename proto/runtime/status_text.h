#pragma once
/// Status objects as JSON: the same to an API server and in a folder. Pure; time is an argument.
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/api/objects.h"
#include "proto/runtime/json.h"
#include "proto/runtime/status_object.h"

namespace fairlead::runtime {

/// The Pod that writes: its objects end with it (ownerReferences). No uid: nobody is named.
struct OwnerPod {
  std::string name, uid;
};

/// "servicel2statuses"
std::string_view plural(StatusKind kind);
/// "fairlead.io/v1", "metallb.io/v1beta1"
std::string_view status_api_version(StatusKind kind, api::Group group);

/// A value that any API server takes as a label's: the same, or where it is too long (a node's name may have 253
/// characters, a label 63) its beginning and a hash of the whole.
std::string label_value(std::string_view text);

/// What the main resource is given: apiVersion, kind and metadata.
Json status_identity(const StatusObject& object, api::Group group, std::string_view ns, const OwnerPod& owner);
/// The member `status`. Conditions began at `now_seconds` (since 1970).
Json status_of(const StatusObject& object, std::int64_t now_seconds);

}  // namespace fairlead::runtime
