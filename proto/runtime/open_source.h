#pragma once
/// Which source a program reads: a folder, or a Kubernetes API server found by a kubeconfig or a service account.
#include <memory>
#include <string>
#include <vector>

#include "proto/runtime/loop.h"
#include "proto/runtime/source.h"

namespace fairlead::runtime {

struct SourceFlags {
  std::string manifests;                 // --manifests DIR: a folder, and nothing of what follows
  std::string kubeconfig;                // --kubeconfig FILE
  std::vector<std::string> api_servers;  // --api-server HOST:PORT[,...]: instead of what the above say
  std::string ns;                        // --namespace: "" for the service account's, or "fairlead-system"
  std::string state_file;                // --state-file: "" for none
  /// --api-group: whose objects are read, and whose annotation names a Service's pool.
  api::Group group = api::Group::fairlead;
  /// Where the objects of metallb.io are: what --namespace says, else where MetalLB's own manifests put them.
  std::string metallb_namespace() const { return ns.empty() ? "metallb-system" : ns; }
};

/// What the two programs need differently.
struct SourceProgram {
  std::string name;  // "fairlead-controller": who reports Events
  double writes_per_second = 20;
  double write_burst = 50;
  bool prunes_at_once = false;  // see FolderOptions
};

/// Fails with one sentence for the user.
Result<std::unique_ptr<Source>> open_source(Loop& loop, const SourceFlags& flags, const SourceProgram& program);

}  // namespace fairlead::runtime
