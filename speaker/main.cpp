/// fairlead-speaker: the composition root. Who feeds whom:
///
///   source --changes--> Feed --dirty Services--> Planner --steps--> DataPlane --batches--> nf_tables
///                        |
///                        +--VIPs of this node--> Announcer --frames--> libpcap
///   LinkMonitor --links, addresses--> Announcer, Feed
///
/// A node answers for a VIP only after its first acknowledged sync: whoever draws traffic can forward it.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <thread>

#include "proto/base/log.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/open_source.h"
#include "speaker/core/interfaces.h"
#include "speaker/feed/feed.h"
#include "speaker/l2/announcer.h"
#include "speaker/link/link_monitor.h"
#include "speaker/link/sysctls.h"
#include "speaker/nft/data_plane.h"

namespace fairlead::speaker {
namespace {

constexpr int kStartupFault = 2;

struct Flags {
  runtime::SourceFlags source;
  std::string node;
  std::vector<std::string> cluster_cidrs;
  std::vector<std::string> service_cidrs{std::string(api::kDefaultServiceCidr)};
  std::vector<std::string> excluded;
  bool masquerade_all = false;
  std::string nft = "/usr/sbin/nft";
  int layout = kLayout;
  std::string log_level = "info";
  bool init_only = false;
  bool cleanup = false;
};

int fault(const std::string& what) {
  std::fprintf(stderr, "fairlead-speaker: %s\n", what.c_str());
  return kStartupFault;
}

std::string host_name() {
  char text[256] = "";
  gethostname(text, sizeof text - 1);
  std::string out = text;
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::optional<std::vector<Prefix>> prefixes(const std::vector<std::string>& texts, std::string& bad) {
  std::vector<Prefix> out;
  for (const std::string& t : texts) {
    const auto p = parse_prefix(t);
    if (!p) {
      bad = t;
      return std::nullopt;
    }
    out.push_back(*p);
  }
  return out;
}

/// `--init-only`: raises what is too low.
int raise_sysctls() {
  for (const Sysctl& s : wanted_sysctls(std::thread::hardware_concurrency())) {
    const auto raised = raise_sysctl(s);
    if (!raised) {
      log::warn("sysctl_failed", {{"name", s.name}, {"at_least", s.at_least}, {"what", raised.error().what}});
    } else if (*raised) {
      log::info("sysctl_raised", {{"name", s.name}, {"value", s.at_least}});
    }
  }
  return 0;
}

void name_sysctl_differences() {
  for (const Sysctl& s : wanted_sysctls(std::thread::hardware_concurrency())) {
    const auto now = read_sysctl(s);
    if (now && *now < s.at_least) {
      log::warn("sysctl_low", {{"name", s.name}, {"value", *now}, {"at_least", s.at_least}, {"remedy", "run fairlead-speaker --init-only as root"}});
    }
  }
}

/// `--cleanup`: takes every trace out of the kernel.
int cleanup() {
  auto session = NftSession::open();
  if (!session) return fault(session.error().what);
  const auto tables = (*session)->tables();
  if (!tables) return fault(tables.error().what);
  nft::Batch batch = (*session)->batch();
  int removed = 0;
  for (const nft::TableInfo& t : *tables) {
    if (t.owner != 0 && t.name == nft::kAnchorTable) {
      return fault("a fairlead-speaker is running in this network namespace: stop it first");
    }
    if (!is_table_of_ours(t.name)) continue;
    batch.remove_table(t.name);
    ++removed;
  }
  if (!batch.empty()) {
    if (const auto done = (*session)->commit(std::move(batch)); !done) return fault(done.error().what);
  }
  log::info("cleaned_up", {{"tables", removed}});
  return 0;
}

/// An old speaker may be on its way out: its anchor goes with its socket.
Result<void> take_anchor(NftSession& session) {
  Result<void> done = session.take_anchor();
  for (int tries = 0; !done && done.error().code == Errc::exists && tries < 50; ++tries) {
    if (tries == 0) log::info("waiting_for_other_speaker", {{"what", done.error().what}});
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    done = session.take_anchor();
  }
  return done;
}

int run(const Flags& flags) {
  std::string bad;
  FeedOptions feed_options;
  feed_options.node = flags.node;
  feed_options.masquerade_all = flags.masquerade_all;
  const auto cluster_cidrs = prefixes(flags.cluster_cidrs, bad);
  if (!cluster_cidrs) return fault("--cluster-cidr: \"" + bad + "\" is no prefix like 10.244.0.0/16");
  feed_options.cluster_cidrs = *cluster_cidrs;
  const auto service_cidrs = prefixes(flags.service_cidrs, bad);
  if (!service_cidrs) return fault("--service-cidr: \"" + bad + "\" is no prefix like 10.96.0.0/16");
  feed_options.service_cidrs = *service_cidrs;
  auto excluded = NamePatterns::compile(flags.excluded);
  if (!excluded) return fault("--exclude-interfaces: " + excluded.error().what);

  auto made = runtime::Loop::create();
  if (!made) return fault(made.error().what);
  runtime::Loop& loop = **made;
  std::signal(SIGPIPE, SIG_IGN);
  if (const auto done = loop.on_signals({SIGTERM, SIGINT}, [&](int) { loop.stop(0); }); !done) return fault(done.error().what);

  auto session = NftSession::open();
  if (!session) return fault(session.error().what);
  if (const auto done = take_anchor(**session); !done) {
    if (done.error().code == Errc::exists) return fault(done.error().what);
    if (done.error().code == Errc::denied) return fault(done.error().what + ": CAP_NET_ADMIN is needed");
    log::warn("no_anchor", {{"what", done.error().what}, {"means", "established connections may break when somebody flushes the ruleset"}});
  }
  name_sysctl_differences();

  auto source = runtime::open_source(loop, flags.source, {.name = "fairlead-speaker"});
  if (!source) return fault(source.error().what);

  const NodeReadiness liveness;
  Planner planner;
  Announcer announcer(loop, std::move(*excluded));

  DataPlane* data_plane_ptr = nullptr;
  Feed feed(feed_options, planner, liveness,
            {.planned = [&] { data_plane_ptr->changed(); },
             .vips = [&](std::map<Ip, std::vector<std::string>> vips) { announcer.set_vips(std::move(vips)); }});
  DataPlane data_plane(loop, planner, std::move(*session), {.nft_program = flags.nft, .layout = flags.layout},
                       [&] { feed.synced(); });
  data_plane_ptr = &data_plane;

  std::unique_ptr<LinkMonitor> links;
  auto opened = LinkMonitor::open(loop, [&] {
    announcer.set_links(links->links(), links->addresses());
    std::vector<Ip> own;
    for (const rtnl::Address& a : links->addresses()) {
      const auto link = links->links().find(a.index);
      if (a.is_global && link != links->links().end() && !unfit(link->second, announcer.excluded())) own.push_back(a.ip);
    }
    feed.set_link_addresses(std::move(own));
  });
  if (!opened) return fault(opened.error().what);
  links = std::move(*opened);

  using api::Kind;
  (*source)->start({Kind::service, Kind::endpoint_slice, Kind::node, Kind::ip_address_pool, Kind::l2_advertisement},
                   {.changes = [&](std::vector<runtime::Change> c) { feed.changes(std::move(c)); },
                    .synced = [&] { data_plane.begin(); },
                    .fault = [](const runtime::Fault& f) {
                      log::warn("invalid_object", {{"where", f.where}, {"object", f.object}, {"field", f.field}, {"what", f.what}});
                    }});
  log::info("started", {{"node", flags.node}, {"manifests", flags.source.manifests}, {"layout", flags.layout}, {"version", FAIRLEAD_VERSION}});
  const int code = loop.run();
  log::info("stopped", {{"node", flags.node}, {"what", "forwarding stays in the kernel; --cleanup takes it out"}});
  return code;
}

}  // namespace
}  // namespace fairlead::speaker

int main(int argc, char** argv) {
  using namespace fairlead::speaker;
  Flags flags;
  flags.node = host_name();
  flags.source.state_file = "/var/lib/fairlead/state";
  for (const std::string_view pattern : default_exclusions()) flags.excluded.emplace_back(pattern);

  CLI::App app{"fairlead-speaker: announces VIPs and programs Service forwarding on this node"};
  app.set_version_flag("--version", FAIRLEAD_VERSION);
  app.add_option("--manifests", flags.source.manifests, "Directory of manifests to serve, instead of a Kubernetes API server");
  app.add_option("--kubeconfig", flags.source.kubeconfig, "How to reach the API server; in a Pod its service account is used");
  app.add_option("--api-server", flags.source.api_servers, "HOST:PORT of API servers, tried in turn before any other")->delimiter(',');
  app.add_option("--namespace", flags.source.ns, "The namespace of Fairlead's own objects (default the Pod's, else fairlead-system)");
  app.add_option("--state-file", flags.source.state_file, "Keeps what is known for a start without an API server; \"\" for none")->capture_default_str();
  app.add_option("--node", flags.node, "Name of this node's Node object")->envname("NODE_NAME")->capture_default_str();
  app.add_option("--cluster-cidr", flags.cluster_cidrs, "Where pods' addresses are: sources in here are not masqueraded towards ClusterIPs")->delimiter(',');
  app.add_option("--service-cidr", flags.service_cidrs, "Where ClusterIPs are allocated: the unallocated ones are dropped")->delimiter(',')->capture_default_str();
  app.add_flag("--masquerade-all", flags.masquerade_all, "Masquerade all traffic to ClusterIPs");
  app.add_option("--exclude-interfaces", flags.excluded, "Regular expressions: interfaces never announced on (replaces the default list)");
  app.add_option("--nft", flags.nft, "The nft program, used to load the table's structure")->capture_default_str();
  app.add_option("--layout", flags.layout, "Load the table under another layout number, to rehearse an upgrade")->capture_default_str()->check(CLI::Range(1, 9999));
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")->capture_default_str();
  app.add_flag("--init-only", flags.init_only, "Raise the kernel settings that forwarding needs, and exit");
  app.add_flag("--cleanup", flags.cleanup, "Remove Fairlead's tables from the kernel, and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? 0 : kStartupFault;
  }
  if (!fairlead::log::set_level(flags.log_level)) return fault("--log-level: \"" + flags.log_level + "\" is none of debug, info, warn, error");
  if (flags.init_only) return raise_sysctls();
  if (flags.cleanup) return cleanup();
  if (flags.node.empty()) return fault("--node NAME is needed: this machine has no host name");
  return run(flags);
}
