#pragma once
/// Our own objects from JSON, and the one table from (apiVersion, kind) to parser. Pure; see kube/parse.h for the rules.
#include <optional>

#include "proto/api/objects.h"
#include "proto/kube/fields.h"

namespace fairlead::api {

kube::Parsed<IPAddressPool> parse_ip_address_pool(const kube::Json& object);
kube::Parsed<L2Advertisement> parse_l2_advertisement(const kube::Json& object);

/// Which of the delivered kinds an object claims to be by its apiVersion and kind; none for all others.
std::optional<Kind> kind_of(std::string_view api_version, std::string_view kind);
kube::Parsed<Object> parse(Kind kind, const kube::Json& object);

}  // namespace fairlead::api
