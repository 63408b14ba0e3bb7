#pragma once
/// JSON objects of core/v1, discovery.k8s.io/v1 and networking.k8s.io/v1 to the structs of objects.h. Pure; any JSON is safe input: a wrong
/// type, a number out of range or an unparsable address comes back as the first FieldError in document order.
/// null counts as absent, unknown fields are ignored.
#include "proto/kube/fields.h"
#include "proto/kube/objects.h"

namespace fairlead::kube {

Parsed<Service> parse_service(const Json& object);
/// A slice of addressType FQDN parses to one without endpoints.
Parsed<EndpointSlice> parse_endpoint_slice(const Json& object);
Parsed<Node> parse_node(const Json& object);
Parsed<Namespace> parse_namespace(const Json& object);
/// data is Base64 (RFC 4648); stringData, which only manifests have, goes over it, as in an API server.
Parsed<Secret> parse_secret(const Json& object);
Parsed<ServiceCIDR> parse_service_cidr(const Json& object);
Parsed<Pod> parse_pod(const Json& object);
Parsed<Endpoints> parse_endpoints(const Json& object);

}  // namespace fairlead::kube
