#include "controller/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "proto/api/parse.h"

namespace fairlead::controller {
namespace {

std::optional<core::PortRange> parse_ports(std::string_view text) {
  core::PortRange out{0, 0};
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, out.first);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') return std::nullopt;
  const auto last = std::from_chars(first.ptr + 1, end, out.last);
  if (last.ec != std::errc() || last.ptr != end || out.first == 0 || out.last < out.first) return std::nullopt;
  return out;
}

/// Of a Service, a namespace, a Secret: what stands in a certificate and in paths.
bool is_label(std::string_view text) {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 63 && is_plain(text.front()) && is_plain(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return is_plain(c) || c == '-'; });
}

std::optional<kube::Name> parse_name(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || !is_label(text.substr(0, slash)) || !is_label(text.substr(slash + 1))) return std::nullopt;
  return kube::Name{std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

}  // namespace

std::variant<Flags, Leave> parse_flags(int argc, const char* const* argv) {
  Flags flags;
  std::vector<std::string> cidrs;
  std::string ports;
  std::string group(api::kGroup);
  std::string hold_down;
  CLI::App app(
      "Gives addresses to Services of type LoadBalancer: reads a Kubernetes API server or the manifests of a folder, "
      "writes statuses.",
      "fairlead-controller");
  auto* const folder = app.add_option("--manifests", flags.source.manifests,
                                      "The folder of YAML and JSON manifests, instead of a Kubernetes API server")
                           ->type_name("DIR");
  app.add_option("--kubeconfig", flags.source.kubeconfig, "How to reach the API server; in a Pod its service account is used")
      ->type_name("FILE")
      ->excludes(folder);
  app.add_option("--api-server", flags.source.api_servers, "API servers, tried in turn before any other")
      ->type_name("HOST:PORT[,...]")
      ->delimiter(',')
      ->excludes(folder);
  app.add_option("--namespace", flags.source.ns,
                 "Where the Lease is (default the Pod's, else fairlead-system), and with --api-group metallb.io "
                 "the pools (default metallb-system)")
      ->type_name("NAME");
  app.add_option("--state-file", flags.source.state_file, "Keeps what is known for a start without an API server")
      ->type_name("FILE")
      ->excludes(folder);
  app.add_flag(
      "--once", flags.is_once,
      "Settle, print the Services and leave; the code is 1 when an object was invalid, 2 when nothing could be done");
  app.add_flag("--show", flags.is_show, "Print the Services as they are and leave; writes nothing")->excludes("--once");
  app.add_option("--service-cidr", cidrs,
                 "Where cluster addresses come from (default " + std::string(api::kDefaultServiceCidr) + ")")
      ->type_name("CIDR[,CIDR]")
      ->delimiter(',');
  app.add_option("--node-port-range", ports, "Where node ports come from (default 30000-32767)")->type_name("A-B");
  app.add_option("--lb-class", flags.lb_class,
                 "Serve the Services of this loadBalancerClass only (default: those without one)")
      ->type_name("CLASS");
  app.add_option("--api-group", group, "Whose pools are read and annotations written: fairlead.io or metallb.io")
      ->type_name("GROUP")
      ->capture_default_str();
  app.add_option("--hold-down", hold_down,
                 "How long an address that was given back goes to nobody but a Service of the same name, like 30s or 5m "
                 "(default 0s)")
      ->type_name("DURATION");
  app.add_flag("--probe-addresses", flags.probes_addresses,
               "Let the speakers (with --probe-addresses, too) ask by ARP and NDP whether somebody has an address, before it is given");
  app.add_option("--metrics-address", flags.metrics_address, "Where /metrics and /healthz are shown, like :7481 (default nowhere)")
      ->type_name("[ADDRESS]:PORT");
  std::string service = "fairlead-system/fairlead-webhook";
  flags.webhook.secret = "fairlead-webhook-cert";
  flags.webhook.configuration = "fairlead-webhook";
  auto* const webhook = app.add_option("--webhook-address", flags.webhook.address,
                                       "Where the API server's admission reviews are answered, like :9443 (default nowhere); "
                                       "not with --manifests, where nobody asks")
                            ->type_name("[ADDRESS]:PORT")
                            ->excludes(folder);
  app.add_option("--webhook-cert-dir", flags.webhook.cert_dir,
                 "tls.crt and tls.key of the webhook, kept by somebody else and read again when they change (default: the Secret, "
                 "kept by the controller)")
      ->type_name("DIR")
      ->needs(webhook);
  app.add_option("--webhook-service", service, "The Service that the API server asks; the Secret is in its namespace")
      ->type_name("NAMESPACE/NAME")
      ->capture_default_str();
  app.add_option("--webhook-secret", flags.webhook.secret, "Where the certificate is kept")->type_name("NAME")->capture_default_str();
  app.add_option("--webhook-configuration", flags.webhook.configuration, "The ValidatingWebhookConfiguration that is told whom to trust")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error (default info, with --show warn)")
      ->type_name("LEVEL");
  app.set_version_flag("--version", "fairlead-controller " FAIRLEAD_VERSION);
  const auto bad = [](const std::string& what) { return Leave{2, "fairlead-controller: " + what + "\n"}; };
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Leave{0, app.help()};
  } catch (const CLI::CallForVersion& v) {
    return Leave{0, std::string(v.what()) + "\n"};
  } catch (const CLI::ParseError& e) {
    return bad(std::string(e.what()) + " (see --help)");
  }
  if (cidrs.empty()) cidrs.emplace_back(api::kDefaultServiceCidr);
  for (const std::string& text : cidrs) {
    const auto prefix = parse_prefix(text);
    if (!prefix) return bad("--service-cidr: \"" + text + "\" is no prefix like 10.96.0.0/16");
    for (const Prefix& earlier : flags.service_cidrs) {
      if (earlier.range().overlaps(prefix->range()))
        return bad("--service-cidr: " + text + " overlaps " + earlier.str());
    }
    flags.service_cidrs.push_back(*prefix);
  }
  if (!ports.empty()) {
    const auto range = parse_ports(ports);
    if (!range) return bad("--node-port-range: \"" + ports + "\" is no range like 30000-32767");
    flags.node_ports = *range;
  }
  const auto known = api::group_of(group);
  if (!known) return bad("--api-group: \"" + group + "\" is neither fairlead.io nor metallb.io");
  flags.source.group = *known;
  if (!hold_down.empty()) {
    const auto duration = api::parse_duration(hold_down);
    if (!duration || *duration < Duration::zero()) return bad("--hold-down: \"" + hold_down + "\" is no duration like 30s or 5m");
    flags.hold_down = *duration;
  }
  if (flags.is_once || flags.is_show) flags.webhook.address.clear();  // over before anybody could ask
  const auto named = parse_name(service);
  if (!named) return bad("--webhook-service: \"" + service + "\" is no NAMESPACE/NAME like fairlead-system/fairlead-webhook");
  flags.webhook.service = *named;
  if (flags.log_level.empty()) flags.log_level = flags.is_show ? "warn" : "info";
  return flags;
}

}  // namespace fairlead::controller
