#pragma once
/// Overlays: what programs add to an object that a person wrote, kept in files of their own so that the person's file
/// is never touched. Merging happens on JSON, before parsing, so that everybody sees the merged object only. Pure.
#include "proto/kube/fields.h"
#include "proto/kube/objects.h"
#include "proto/runtime/source.h"
#include "proto/runtime/yaml.h"

namespace fairlead::runtime {

/// A Service as everybody sees it. Of the overlay, cluster addresses and node ports (matched by port and protocol) only
/// fill what the manifest leaves open and its type wants; annotations are added, or with null taken away;
/// status.loadBalancer replaces.
Json merged_service(Json manifest, const Json& overlay);

/// The same on compact JSON texts, and parsed; `overlay` may be null.
kube::Parsed<kube::Service> parse_merged(const std::string& manifest, const std::string* overlay);

/// The overlay after a write. `merged` is the Service as it is now. Conflict when `node_ports` are not as many as its
/// ports: the Service has changed under the writer. `is_in_manifest`: the manifest itself has the annotation.
Result<Json> with_write(Json overlay, const kube::Service& merged, const ServiceWrite& what, std::string_view annotation,
                        bool is_in_manifest = false);
/// Without the cluster addresses and node ports that the manifest has no use for (any more): somebody else may have them
/// by the time that it has.
Json tidied(Json overlay, const Json& manifest);
Json with_status(Json overlay, const PoolStatus& status);

}  // namespace fairlead::runtime
