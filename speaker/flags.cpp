#include "speaker/flags.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "speaker/core/interfaces.h"

namespace fairlead::speaker {
namespace {

std::string host_name() {
  char text[256] = "";
  gethostname(text, sizeof text - 1);
  std::string out = text;
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

std::variant<Flags, int> read_command_line(int argc, const char* const* argv) {
  Flags flags;
  flags.node = host_name();
  flags.source.state_file = "/var/lib/fairlead/state";
  std::string group{api::kGroup};
  for (const std::string_view pattern : default_exclusions()) flags.excluded.emplace_back(pattern);

  CLI::App app{"fairlead-speaker: announces VIPs and programs Service forwarding on this node"};
  app.set_version_flag("--version", FAIRLEAD_VERSION);
  app.add_option("--manifests", flags.source.manifests, "Directory of manifests to serve, instead of a Kubernetes API server");
  app.add_option("--kubeconfig", flags.source.kubeconfig, "How to reach the API server; in a Pod its service account is used");
  app.add_option("--api-server", flags.source.api_servers, "HOST:PORT of API servers, tried in turn before any other")->delimiter(',');
  app.add_option("--namespace", flags.source.ns, "The namespace of Fairlead's own objects (default the Pod's, else fairlead-system)");
  app.add_option("--api-group", group, "Whose objects are read: fairlead.io or metallb.io")->capture_default_str()->check(CLI::IsMember({"fairlead.io", "metallb.io"}));
  app.add_option("--state-file", flags.source.state_file, "Keeps what is known for a start without an API server; \"\" for none")->capture_default_str();
  app.add_option("--node", flags.node, "Name of this node's Node object")->envname("NODE_NAME")->capture_default_str();
  app.add_option("--mode", flags.data_plane.mode, "What this node forwards: full (all Services), loadbalancer (VIPs out of our pools, beside kube-proxy), off (announces only), auto (by what is found at start)")->capture_default_str();
  app.add_option("--cluster-cidr", flags.data_plane.cluster_cidrs, "Where pods' addresses are: sources in here are not masqueraded towards ClusterIPs")->delimiter(',');
  app.add_option("--detect-local-mode", flags.data_plane.detect_local_mode, "What a local pod is known by: ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix")->capture_default_str();
  app.add_option("--pod-bridge-interface", flags.data_plane.pod_bridge_interface, "The bridge of this node's pods, for BridgeInterface");
  app.add_option("--pod-interface-name-prefix", flags.data_plane.pod_interface_name_prefix, "How the names of pods' links begin, for InterfaceNamePrefix");
  app.add_option("--nodeport-addresses", flags.data_plane.nodeport_addresses, "Where NodePorts answer: primary, or this host's addresses in these prefixes")->delimiter(',')->capture_default_str();
  app.add_option("--service-cidr", flags.data_plane.service_cidrs, "Where ClusterIPs are allocated, unless ServiceCIDR objects say it: the unallocated ones are dropped")->delimiter(',')->capture_default_str();
  app.add_flag("--masquerade-all", flags.data_plane.masquerade_all, "Masquerade all traffic to ClusterIPs");
  app.add_option("--exclude-interfaces", flags.excluded, "Regular expressions: interfaces never announced on (replaces the default list)");
  app.add_option("--nft", flags.nft, "The nft program, used to load the table's structure")->capture_default_str();
  app.add_option("--layout", flags.layout, "Load the table under another layout number, to rehearse an upgrade")->check(CLI::Range(1, 9999));
  app.add_option("--bird-socket", flags.bird_socket, "BIRD's control socket: announce by BGP through it");
  app.add_option("--bird-config-dir", flags.bird_directory, "Where BIRD's files are written; in memory, as they must not outlive a reboot")->capture_default_str();
  app.add_flag("--bird-include-only", flags.is_bird_included, "The BIRD is somebody else's: write fairlead.conf, which its configuration includes");
  app.add_option("--bgp-listen-port", flags.bgp_listen_port, "Where routers may connect to; another one where 179 is taken")->capture_default_str()->check(CLI::Range(1, 65535));
  app.add_option("--bgp-drain-seconds", flags.bgp_drain_seconds, "How long an excluded node announces with GRACEFUL_SHUTDOWN before it withdraws")->capture_default_str()->check(CLI::Range(0, 3600));
  app.add_flag("--keep-bird", flags.keep_bird, "Run BIRD beside a speaker, and drain its routes when the speaker stays away; nothing else");
  app.add_option("--bird", flags.bird_program, "With --keep-bird: the program")->capture_default_str();
  app.add_option("--bgp-drain-after-seconds", flags.bgp_drain_after_seconds, "With --keep-bird: how long a speaker may be away")->capture_default_str()->check(CLI::Range(1, 86400));
  app.add_flag("--probe-addresses", flags.probes_addresses, "Ask on this node's segments about the addresses that the controller wants to give (its --probe-addresses)");
  app.add_option("--metrics-address", flags.metrics_address, "Where /metrics, /healthz and /readyz are shown; \"\": nowhere")->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")->capture_default_str();
  app.add_flag("--init-only", flags.init_only, "Raise the kernel settings that forwarding needs, and exit");
  app.add_option("--sysctl-root", flags.sysctl_root, "With --init-only: where the kernel settings are, if /proc/sys cannot be written here")->capture_default_str();
  app.add_flag("--cleanup", flags.cleanup, "Remove Fairlead's tables from the kernel, and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  flags.source.group = *api::group_of(group);
  return flags;
}

}  // namespace fairlead::speaker
