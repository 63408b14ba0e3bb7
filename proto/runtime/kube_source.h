#pragma once
/// Objects from a Kubernetes API server, and what is written to it.
///
/// Each kind is listed in pages and then watched; a watch that ends goes on where it was, and only 410 (too old) leads
/// to a new list, which is compared with what is known, so that an object is delivered once for each change of what is
/// used of it. Of an object only object_codec.h's bytes are kept here.
///
/// With a state file, a program that starts while no API server answers gets the objects that it had; when one answers,
/// its lists replace them by the differences.
#include <memory>
#include <string>

#include "proto/runtime/api_client.h"
#include "proto/runtime/kube_requests.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/source.h"
#include "proto/runtime/status_text.h"

namespace fairlead::runtime {

struct KubeOptions {
  std::string ns = "fairlead-system";  // where the Lease is, and (but in metallb.io mode) status objects
  api::Group group = api::Group::fairlead;
  std::string metallb_namespace;  // in metallb.io mode: where the custom objects are, those of status too
  std::string state_file;              // "": none
  Reporting reporting;
  OwnerPod owner = {};                 // of status objects: a Pod in their namespace
  std::string sole_identity;           // in the Lease, when nobody else can bear it (lease.h); "": a random one
  double writes_per_second = 400;
  double write_burst = 800;
  std::size_t writes_in_flight = 32;
  Duration restore_after = std::chrono::seconds(2);  // without an answer at the start
};

std::unique_ptr<Source> make_kube_source(Loop& loop, std::unique_ptr<ApiClient> client, KubeOptions options);

}  // namespace fairlead::runtime
