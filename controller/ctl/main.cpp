/// fairleadctl: questions to Fairlead's decisions, without a running daemon. `kubectl fairlead` under its plugin name.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "controller/ctl/trace_command.h"
#include "controller/ctl/validate_command.h"
#include "proto/base/log.h"

namespace {

using namespace fairlead;

constexpr int kUsage = 2;

std::string host_name() {
  char text[256] = "";
  gethostname(text, sizeof text - 1);
  return text;
}

/// What `validate` is asked, as written.
struct ValidateTexts {
  std::string group = "fairlead.io";
  std::string bgp_type;
  std::string format = "text";
};

CLI::App* add_validate(CLI::App& app, ctl::ValidateFlags& flags, ValidateTexts& texts) {
  auto* const out = app.add_subcommand("validate", "What is wrong with manifests, a line for each fault; exit 1 if anything is");
  out->add_option("-f,--filename,FILE", flags.paths, "Files, folders, or - for the standard input")->required()->type_name("FILE|DIR");
  out->add_option("--api-group", texts.group, "Whose objects: fairlead.io, or metallb.io by MetalLB's rules")
      ->check(CLI::IsMember({"fairlead.io", "metallb.io"}))
      ->capture_default_str()
      ->type_name("GROUP");
  out->add_option("--bgp-type", texts.bgp_type, "What speaks BGP: bird, native, frr or frr-k8s (default bird; frr-k8s with metallb.io)")
      ->check(CLI::IsMember({"bird", "native", "frr", "frr-k8s"}))
      ->type_name("TYPE");
  out->add_option("-n,--namespace", flags.ns, "The namespace whose objects count (default metallb-system with metallb.io)")->type_name("NAME");
  out->add_option("-o,--output", texts.format, "text or json")->check(CLI::IsMember({"text", "json"}))->type_name("FORMAT");
  return out;
}

bool is_json(const std::string& format) { return format == "json"; }

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Asks Fairlead what it would do, and why"};
  app.set_version_flag("--version", "fairleadctl " FAIRLEAD_VERSION);
  app.require_subcommand(1);

  ctl::TraceFlags trace;
  trace.node = host_name();
  trace.data_plane.mode = "full";
  trace.data_plane.service_cidrs = {std::string(api::kDefaultServiceCidr)};
  std::string format = "text";
  auto* const tracing = app.add_subcommand("trace", "What becomes of a new connection on one node: who answers, whose address is seen, or why not");
  tracing->add_option("SRC", trace.source_text, "Where it comes from: ADDRESS[:PORT]")->required();
  tracing->add_option("DST", trace.destination, "Where it goes: ADDRESS:PORT/PROTOCOL, like 10.96.0.10:80/TCP or [fd00::10]:53/UDP")->required();
  tracing->add_option("--from", trace.from, "pod, node or outside, where the source's address alone does not say")->type_name("WHO");
  tracing->add_option("-o,--output", format, "text or json")->check(CLI::IsMember({"text", "json"}))->type_name("FORMAT");
  tracing->add_option("--node", trace.node, "The node that gets the packet")->envname("NODE_NAME")->capture_default_str()->type_name("NAME");
  auto* const folder = tracing->add_option("--manifests", trace.source.manifests, "The folder of manifests, instead of an API server")->type_name("DIR");
  tracing->add_option("--kubeconfig", trace.source.kubeconfig, "How to reach the API server; in a Pod its service account is used")
      ->excludes(folder)
      ->type_name("FILE");
  tracing->add_option("--api-server", trace.source.api_servers, "API servers, tried in turn before any other")
      ->excludes(folder)
      ->delimiter(',')->allow_extra_args(false)
      ->type_name("HOST:PORT[,...]");
  tracing->add_option("--namespace", trace.source.ns, "The namespace of Fairlead's own objects (default the Pod's, else fairlead-system)")->type_name("NAME");
  // As the speaker of that node was started.
  auto& speaker = trace.data_plane;
  tracing->add_option("--mode", speaker.mode, "full, loadbalancer or off, as that speaker's log says")->capture_default_str()->type_name("MODE");
  tracing->add_option("--cluster-cidr", speaker.cluster_cidrs, "Where pods' addresses are")->delimiter(',')->allow_extra_args(false)->type_name("CIDR[,CIDR]");
  tracing->add_option("--detect-local-mode", speaker.detect_local_mode, "ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix")
      ->capture_default_str()
      ->type_name("MODE");
  tracing->add_option("--pod-bridge-interface", speaker.pod_bridge_interface, "The bridge of this node's pods, for BridgeInterface")->type_name("NAME");
  tracing->add_option("--pod-interface-name-prefix", speaker.pod_interface_name_prefix, "How the names of pods' links begin, for InterfaceNamePrefix")
      ->type_name("PREFIX");
  tracing->add_option("--nodeport-addresses", speaker.nodeport_addresses, "Where NodePorts answer: primary, or the node's addresses in these prefixes")
      ->delimiter(',')->allow_extra_args(false)
      ->capture_default_str()
      ->type_name("CIDR[,CIDR]");
  tracing->add_option("--service-cidr", speaker.service_cidrs, "Where ClusterIPs are allocated, unless ServiceCIDR objects say it")->delimiter(',')->allow_extra_args(false)->capture_default_str()->type_name("CIDR[,CIDR]");
  tracing->add_flag("--masquerade-all", speaker.masquerade_all, "Masquerade all traffic to ClusterIPs");

  ctl::ValidateFlags validate;
  ValidateTexts texts;
  auto* const validating = add_validate(app, validate, texts);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kUsage;
  }
  log::set_level("error");
  if (validating->parsed()) {
    validate.rules = api::Rules::of(*api::group_of(texts.group));
    if (!texts.bgp_type.empty()) validate.rules.bgp = *api::bgp_type_of(texts.bgp_type);
    validate.is_json = is_json(texts.format);
    return ctl::run_validate(validate, std::cout, std::cerr);
  }
  trace.is_json = is_json(format);
  return ctl::run_trace(trace);
}
