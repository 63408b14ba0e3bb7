#include "proto/runtime/open_source.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdlib>

#include "proto/base/log.h"
#include "proto/runtime/cpprest_client.h"
#include "proto/runtime/folder_source.h"
#include "proto/runtime/kube_source.h"

namespace fairlead::runtime {
namespace {

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Who we are in Events.
std::string instance() {
  for (const char* name : {"POD_NAME", "HOSTNAME"}) {
    if (std::string value = environment(name); !value.empty()) return value;
  }
  char text[256] = "";
  ::gethostname(text, sizeof text - 1);
  return text;
}

/// Who we are in a Lease, where that is certain: the first process of a container of this Pod. There is one such container
/// at a time, and when its first process ends the kernel ends all others in it; so whoever bore this name before is dead.
/// A process that was started beside it (kubectl exec, a shared process namespace) is never the first.
std::string sole_identity() {
  const std::string uid = environment("POD_UID");
  return uid.empty() || ::getpid() != 1 ? "" : instance() + "_" + uid;
}

/// A Pod owns what is in its own namespace: of one elsewhere the API server's garbage collector would say that it is gone,
/// and remove its objects.
OwnerPod owner(bool is_in_its_namespace) {
  const std::string name = environment("POD_NAME");
  return name.empty() || !is_in_its_namespace ? OwnerPod{} : OwnerPod{name, environment("POD_UID")};
}

Result<ClusterAccess> access_of(const SourceFlags& flags) {
  auto access = !flags.kubeconfig.empty()
                    ? read_kubeconfig(flags.kubeconfig)
                    : in_cluster(std::string(kServiceAccountDir), environment("KUBERNETES_SERVICE_HOST"), environment("KUBERNETES_SERVICE_PORT"));
  if (!access && access.error().code == Errc::not_found && flags.kubeconfig.empty()) {
    return Error{Errc::malformed, "nothing to read from: give --manifests DIR or --kubeconfig FILE (and this is not a Pod with a service account)"};
  }
  if (!access) return access.error();
  std::vector<ApiServer> servers;
  for (const std::string& text : flags.api_servers) {
    if (text.empty()) continue;
    auto server = parse_api_server(text);
    if (!server) return Error{Errc::malformed, "--api-server: \"" + text + "\" is no HOST:PORT like 192.0.2.1:6443 or [2001:db8::1]:6443"};
    servers.push_back(*std::move(server));
  }
  // What is given comes first. In a Pod the Service's address stays as the last resort: it needs a service proxy.
  if (!servers.empty() && flags.kubeconfig.empty()) {
    servers.insert(servers.end(), access->servers.begin(), access->servers.end());
  }
  if (!servers.empty()) access->servers = std::move(servers);
  return access;
}

}  // namespace

Result<std::unique_ptr<Source>> open_source(Loop& loop, const SourceFlags& flags, const SourceProgram& program) {
  if (!flags.manifests.empty()) {
    return open_folder(loop, {.dir = flags.manifests,
                              .group = flags.group,
                              .metallb_namespace = flags.metallb_namespace(),
                              .ns = flags.ns.empty() ? "fairlead-system" : flags.ns,
                              .prunes_at_once = program.prunes_at_once});
  }
  auto access = access_of(flags);
  if (!access) return access.error();
  ::mallopt(M_ARENA_MAX, 1);  // two threads that hardly meet; a second arena is memory that never comes back
  KubeOptions options;
  options.ns = !flags.ns.empty() ? flags.ns : !access->ns.empty() ? access->ns : "fairlead-system";
  options.group = flags.group;
  options.metallb_namespace = flags.metallb_namespace();
  options.state_file = flags.state_file;
  options.reporting = {program.name, instance(), flags.group};
  options.sole_identity = sole_identity();
  options.owner = owner(access->ns == (flags.group == api::Group::metallb ? options.metallb_namespace : options.ns));
  options.writes_per_second = program.writes_per_second;
  options.write_burst = program.write_burst;
  auto client = open_api_client(loop, *std::move(access));
  if (!client) return client.error();
  return make_kube_source(loop, *std::move(client), std::move(options));
}

}  // namespace fairlead::runtime
