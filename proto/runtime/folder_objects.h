#pragma once
/// What kube-controller-manager does in a cluster and nobody does for a folder: EndpointSlices from a Service's selector
/// and Pods (its endpointslice controller), and from a hand-written Endpoints object (its mirroring controller). Pure.
///
/// Names of made slices are stable and hold '~', which no name that a Kubernetes API server accepts does:
///   <service>~pods~v4[~<resolved named ports>]      <service>~endpoints~<subset>~v4
#include <span>
#include <vector>

#include "proto/kube/objects.h"

namespace fairlead::runtime {

using Pods = std::span<const kube::Pod* const>;

/// One slice for each family and each resolution of the named target ports. Pods of other namespaces, or that the
/// selector does not select, are passed over. A pod without the container port that is named is left out of that port.
std::vector<kube::EndpointSlice> slices_of_pods(const kube::Service& service, Pods pods);

/// One slice for each subset and family. An address of `selected` (the Pods that the Service of the same name selects)
/// is left out: the Pod knows better whether it is ready.
std::vector<kube::EndpointSlice> slices_of_endpoints(const kube::Endpoints& endpoints, Pods selected);

/// Both, for one Service; either may be missing.
std::vector<kube::EndpointSlice> make_slices(const kube::Service* service, const kube::Endpoints* endpoints, Pods pods);

}  // namespace fairlead::runtime
