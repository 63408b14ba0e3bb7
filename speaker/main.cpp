/// fairlead-speaker: the composition root. Who feeds whom:
///
///   source --changes--> Feed --dirty Services--> Planner --steps--> DataPlane --batches--> nf_tables
///                        |
///                        +--VIPs of this node--> Announcer --frames--> libpcap, --groups--> kernel
///                        +--announcements--> Reporter --Events--> source
///   Announcer --foreign claims--> Reporter
///   source --AddressRecords--> AddressFeed --questions--> Announcer --claims--> AddressFeed --AddressRecord--> source
///   LinkMonitor --links, addresses--> Announcer, Feed, Reporter
///   Feed, BgpFeed, source, BgpReporter --changed Services, faults--> StatusWriter, ConfigState --statuses--> source
///   all of them --figures, when asked--> Metrics --text--> MetricsServer
///
///   source --changes--> BgpFeed --sessions, routes--> BirdDriver --files, socket--> BIRD    (with --bird-socket)
///                          +--faults, announcements--+--states--> BgpReporter --Events--> source
///
/// A node answers for a VIP only after its first acknowledged sync: whoever draws traffic can forward it.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <optional>
#include <thread>

#include "proto/base/log.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/metrics_server.h"
#include "proto/runtime/open_source.h"
#include "proto/runtime/wall_time.h"
#include "speaker/bgp/bird_driver.h"
#include "speaker/bgp/bird_keeper.h"
#include "speaker/core/bfd_port.h"
#include "speaker/core/interfaces.h"
#include "speaker/feed/address_feed.h"
#include "speaker/feed/bgp_feed.h"
#include "speaker/feed/feed.h"
#include "speaker/flags.h"
#include "speaker/l2/announcer.h"
#include "speaker/link/host.h"
#include "speaker/link/link_monitor.h"
#include "speaker/link/sysctls.h"
#include "speaker/nft/data_plane.h"
#include "speaker/report/bgp_reporter.h"
#include "speaker/report/config_state.h"
#include "speaker/report/metrics.h"
#include "speaker/report/reporter.h"
#include "speaker/report/status_objects.h"
#include "speaker/report/status_writer.h"

namespace fairlead::speaker {
namespace {

constexpr int kStartupFault = 2;
constexpr Port kKubeProxyMetrics{10249};

int fault(const std::string& what) {
  std::fprintf(stderr, "fairlead-speaker: %s\n", what.c_str());
  return kStartupFault;
}

/// One for each fault: several may be about one object.
std::string origin_of(const runtime::Fault& f) { return f.where + "\n" + f.field + "\n" + f.what; }

/// `--init-only`: raises what is too low.
int raise_sysctls(const std::string& root) {
  for (const Sysctl& s : wanted_sysctls(std::thread::hardware_concurrency())) {
    const auto raised = raise_sysctl(s, root);
    if (!raised && s.may_be_absent && raised.error().code == Errc::not_found) continue;
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

/// Answers how many tables there were.
Result<int> remove_tables(NftSession& session) {
  const auto tables = session.tables();
  if (!tables) return tables.error();
  nft::Batch batch = session.batch();
  int removed = 0;
  for (const nft::TableInfo& t : *tables) {
    if (!is_table_of_ours(t.name)) continue;
    batch.remove_table(t.name);
    ++removed;
  }
  if (!batch.empty()) {
    if (auto done = session.commit(std::move(batch)); !done) return done.error();
  }
  return removed;
}

/// `--cleanup`: takes every trace out of the kernel.
int cleanup() {
  auto session = NftSession::open();
  if (!session) return fault(session.error().what);
  const auto tables = (*session)->tables();
  if (!tables) return fault(tables.error().what);
  for (const nft::TableInfo& t : *tables) {
    if (t.owner != 0 && t.name == nft::kAnchorTable) {
      return fault("a fairlead-speaker is running in this network namespace: stop it first");
    }
  }
  const auto removed = remove_tables(**session);
  if (!removed) return fault(removed.error().what);
  log::info("cleaned_up", {{"tables", *removed}});
  return 0;
}

/// What cannot be read shows nothing, and says so.
FoundMode look_for_proxies(NftSession& session) {
  ProxyTraces traces;
  if (auto names = session.names()) {
    traces.tables = std::move(names->tables);
    traces.chains = std::move(names->chains);
  } else {
    log::warn("rules_not_seen", {{"what", names.error().what}});
  }
  traces.links = link_names();
  traces.is_kube_proxy_listening = is_listening(kKubeProxyMetrics);
  return find_mode(traces);
}

/// Decided once: a node whose forwarding changed by itself, because somebody else's program came or went, is nobody's wish.
FoundMode decide_mode(Mode wanted, NftSession& session) {
  if (wanted != Mode::automatic) {
    log::info("mode", {{"mode", name(wanted)}, {"reason", "--mode"}});
    return {wanted, "--mode", ""};
  }
  const FoundMode found = look_for_proxies(session);
  log::info("mode", {{"mode", name(found.mode)}, {"reason", found.because}});
  if (!found.remedy.empty()) log::warn("leftover_rules", {{"what", found.because}, {"remedy", found.remedy}});
  return found;
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

/// `--keep-bird`: runs BIRD beside a speaker.
int keep_bird(const Flags& flags) {
  if (flags.bird_socket.empty()) return fault("--keep-bird: --bird-socket PATH is needed");
  auto made = runtime::Loop::create();
  if (!made) return fault(made.error().what);
  runtime::Loop& loop = **made;
  std::signal(SIGPIPE, SIG_IGN);
  BirdKeeper keeper(loop, {.program = flags.bird_program,
                           .socket = flags.bird_socket,
                           .directory = flags.bird_directory,
                           .drain_after = std::chrono::seconds(flags.bgp_drain_after_seconds),
                           .drain_for = std::chrono::seconds(flags.bgp_drain_seconds)});
  if (const auto done = loop.on_signals({SIGTERM, SIGINT, SIGCHLD}, [&](int number) { keeper.signalled(number); }); !done) {
    return fault(done.error().what);
  }
  keeper.begin();
  return loop.run();
}

/// BGP, where there is a BIRD: the feed says what it should do, the driver sees to it, the reporter tells how it goes.
class Bgp {
 public:
  /// `announced`: a Service whose peers are others now.
  Bgp(runtime::Loop& loop, const Flags& flags, const Planner& planner, runtime::Source& source, ConfigState& config,
      std::function<void(const kube::Name&)> announced)
      : is_own_bird_(!flags.is_bird_included),
        reporter_(source, config),
        feed_(loop,
              {.node = flags.node,
               .listen_port = static_cast<std::uint16_t>(flags.bgp_listen_port),
               .drain = std::chrono::seconds(flags.bgp_drain_seconds)},
              planner,
              {.want = [this](BgpWant want) { driver_.set(std::move(want)); },
               .told = [this](const api::Key& about, const std::string& reason, const std::string& what) { reporter_.told(about, reason, what); },
               .announced = [this, announced = std::move(announced)](const kube::Name& service, const std::vector<std::string>& peers) {
                 reporter_.announced(service, peers);
                 announced(service);
               }}),
        driver_(loop, {.socket = flags.bird_socket, .directory = flags.bird_directory, .is_included = flags.is_bird_included},
                {.link = [this](LinkState state, const std::string& what) { reporter_.link(state, what); },
                 .reported = [this](const BirdReport& report) {
                   reporter_.reported(report, feed_.peers());
                   if (feed_.wants_bfd()) look_at_bfd_port(report.bfd.support);
                 },
                 .refused = [this](const std::vector<BirdRefusal>& all) { refused(all); },
                 .applied = [this](std::uint64_t round, Duration took) { reporter_.applied(round, took); },
                 .learnt = [this](bird::BfdReport::Support bfd) {
                   look_at_bfd_port(bfd);
                   feed_.set_bfd_built_in(bfd != bird::BfdReport::Support::not_built);
                 },
                 .failed = [this](const std::string& what) { reporter_.failed(what); }}) {}

  Result<void> begin(const std::string& node) {
    BgpNode unknown;
    unknown.name = node;
    return driver_.begin(router_id(unknown));
  }
  BgpFeed& feed() { return feed_; }
  Metrics::Bgp figures() const {
    Metrics::Bgp out = reporter_.figures(feed_.peers());
    out.each_announced = [this](const auto& visit) { feed_.each_announced(visit); };
    return out;
  }

 private:
  void refused(const std::vector<BirdRefusal>& all) {
    reporter_.refused(all);
    std::vector<std::pair<std::string, std::string>> peers;
    for (const BirdRefusal& r : all) peers.emplace_back(r.symbol, r.what);
    feed_.set_refusals(peers);
  }

  /// In somebody else's BIRD both use the same socket.
  void look_at_bfd_port(bird::BfdReport::Support bfd) {
    if (is_own_bird_) feed_.set_bfd_port_taken(bfd_port_.look(udp_sockets(kBfdPort), bfd == bird::BfdReport::Support::present));
  }

  const bool is_own_bird_;
  BfdPort bfd_port_;
  BgpReporter reporter_;
  BgpFeed feed_;
  BirdDriver driver_;
};

int run(const Flags& flags) {
  auto data_plane_flags = parse_flags(flags.data_plane);
  if (!data_plane_flags) return fault(data_plane_flags.error().what);
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
  const int layout = flags.layout != 0 ? flags.layout : kLayout;
  const FoundMode found_mode = decide_mode(data_plane_flags->mode, **session);
  const Mode mode = data_plane_flags->mode = found_mode.mode;
  if (mode == Mode::off) {
    // A kernel without nf_tables has no table of ours either.
    if (const auto removed = remove_tables(**session); !removed) log::warn("tables_not_removed", {{"what", removed.error().what}});
    session->reset();  // and the anchor with it
  } else {
    name_sysctl_differences();
  }

  auto source = runtime::open_source(loop, flags.source, {.name = "fairlead-speaker"});
  if (!source) return fault(source.error().what);

  const NodeReadiness liveness;
  Planner planner;
  Announcer announcer(loop, std::move(*excluded));
  std::optional<Reporter> reporter;
  Metrics metrics;
  std::optional<StatusWriter> statuses;
  ConfigState config(flags.node, [&](runtime::StatusObject state) {
    if (statuses) statuses->set_state(std::move(state));
  });
  announcer.on_conflict([&](const ForeignClaim& claim) { reporter->conflict(claim); });
  std::unique_ptr<Bgp> bgp;
  if (!flags.bird_socket.empty()) {
    bgp = std::make_unique<Bgp>(loop, flags, planner, **source, config,
                                [&](const kube::Name& service) { statuses->changed(runtime::StatusKind::service_bgp_status, service); });
    if (const auto done = bgp->begin(flags.node); !done) return fault("--bird-config-dir: " + done.error().what);
  }

  std::unique_ptr<DataPlane> data_plane;  // none in mode off
  Feed feed({flags.node, *data_plane_flags}, planner, liveness,
            {.planned = [&] { if (data_plane) data_plane->changed(); },
             .vips = [&](std::map<Ip, std::vector<std::string>> vips) { announcer.set_vips(std::move(vips)); },
             .announced = [&](const std::vector<kube::Name>& services) {
               reporter->announcements_changed();
               for (const kube::Name& s : services) statuses->changed(runtime::StatusKind::service_l2_status, s);
             }});
  reporter.emplace(loop, **source, flags.node, announcer.excluded(), feed.announcements());
  statuses.emplace(loop, **source, StatusWriter::Options{.node = flags.node, .tidies_bgp = bgp || !flags.source.manifests.empty()},
                   StatusWriter::Handlers{
                       .wanted = [&](runtime::StatusKind kind, const kube::Name& service) {
                         if (kind == runtime::StatusKind::service_bgp_status) return bgp_status(service, flags.node, bgp ? bgp->feed().peers_of(service) : std::vector<std::string>());
                         const auto found = feed.announcements().find(service);
                         return found == feed.announcements().end() ? std::nullopt : l2_status(service, flags.node, found->second);
                       },
                       .written = [&](std::string_view failure) { metrics.status_written(failure); }});
  config.set_note("mode " + std::string(name(mode)) + ": " + found_mode.because);
  bool is_synced = false;
  const auto synced = [&] {
    is_synced = true;
    feed.synced();
    if (bgp) bgp->feed().synced();
    statuses->begin();
  };
  if (mode != Mode::off) {
    data_plane = std::make_unique<DataPlane>(loop, planner, std::move(*session),
                                             DataPlaneOptions{.nft_program = flags.nft, .layout = layout},
                                             DataPlane::Handlers{
                                                 .synced = synced,
                                                 .settled = [&](const DataPlane::Counts& counts, Duration took) { metrics.settled(counts.batches, counts.elements, took, runtime::wall_seconds()); },
                                                 .failed = [&](std::string_view error) { metrics.data_plane_failed(error); }});
  }

  std::optional<AddressFeed> addresses;
  if (flags.probes_addresses) {
    addresses.emplace(loop, **source, flags.node, [&](const Ip& address, IfIndex on) { return announcer.ask_about(address, on); });
    announcer.listen_for([&](const Ip& address) { return addresses->is_asked(address); }, [&](const ForeignClaim& claim) { addresses->heard(claim); });
  }

  std::unique_ptr<LinkMonitor> links;
  auto opened = LinkMonitor::open(loop, [&] {
    announcer.set_links(links->links(), links->addresses());
    reporter->set_links(links->links(), links->addresses());
    if (addresses) addresses->set_links(links->links(), links->addresses());
    HostAddresses host;
    for (const rtnl::Address& a : links->addresses()) {
      const auto link = links->links().find(a.index);
      host.all.push_back(a.ip);
      if (a.is_global && link != links->links().end() && !unfit(link->second, announcer.excluded())) host.best_first.push_back(a.ip);
    }
    if (bgp) {
      std::vector<Prefix> connected;
      for (const rtnl::Address& a : links->addresses()) {
        if (a.is_global) connected.push_back(Prefix::of(a.ip, a.prefix_length));
      }
      bgp->feed().set_links(host.best_first, std::move(connected));
    }
    feed.set_host_addresses(std::move(host));
  });
  if (!opened) return fault(opened.error().what);
  links = std::move(*opened);
  links->start();  // before the first plan: one without addresses would take the NodePorts away for a moment

  const runtime::MetricsServer server(
      loop, flags.metrics_address,
      {.metrics = [&] {
         return metrics.text({.node = flags.node,
                              .announcements = feed.announcements(),
                              .tally = announcer.tally(),
                              .foreign = &announcer.foreign_claims(),
                              .services = planner.services().size(),
                              .elements = planner.table().have().size(),
                              .is_loaded = config.is_loaded(),
                              .is_stale = config.is_stale(),
                              .statuses_queued = statuses->queued(),
                              .bgp = bgp ? std::optional(bgp->figures()) : std::nullopt});
       },
       .is_ready = [&] { return is_synced; },
       .answers = [&] { return (*source)->answers(); }});

  using api::Kind;
  std::vector<Kind> kinds{Kind::service, Kind::endpoint_slice, Kind::node, Kind::service_cidr, Kind::ip_address_pool, Kind::l2_advertisement};
  if (addresses) kinds.push_back(Kind::address_record);
  if (bgp) kinds.insert(kinds.end(), {Kind::bgp_advertisement, Kind::bgp_peer, Kind::bfd_profile, Kind::community, Kind::secret});
  (*source)->start(std::move(kinds),
                   {.changes = [&](std::vector<runtime::Change> c) {
                      if (bgp) bgp->feed().note(c);
                      if (addresses) addresses->changes(c);
                      feed.changes(std::move(c));
                      if (bgp) bgp->feed().settle();
                    },
                    .synced = [&] {
                      config.set_loaded();
                      data_plane ? data_plane->begin() : synced();
                    },
                    .fault = [&](const runtime::Fault& f) {
                      log::warn("invalid_object", {{"where", f.where}, {"object", f.object}, {"field", f.field}, {"what", f.what}});
                      config.set(origin_of(f), f.about(), (f.field.empty() ? "" : f.field + ": ") + f.what);
                    },
                    .mended = [&](const runtime::Fault& f) { config.set(origin_of(f), f.about(), ""); }});
  log::info("started", {{"node", flags.node}, {"manifests", flags.source.manifests}, {"layout", layout}, {"version", FAIRLEAD_VERSION}});
  const int code = loop.run();
  log::info("neighbours", {{"answered", announcer.tally().answered}, {"ignored", announcer.tally().str()}});
  log::info("stopped", {{"node", flags.node}, {"what", "forwarding stays in the kernel; --cleanup takes it out"}});
  return code;
}

}  // namespace
}  // namespace fairlead::speaker

int main(int argc, char** argv) {
  using namespace fairlead::speaker;
  const auto parsed = read_command_line(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code == 0 ? 0 : kStartupFault;
  const Flags& flags = std::get<Flags>(parsed);
  if (!fairlead::log::set_level(flags.log_level)) return fault("--log-level: \"" + flags.log_level + "\" is none of debug, info, warn, error");
  if (flags.keep_bird) return keep_bird(flags);
  if (flags.init_only) return raise_sysctls(flags.sysctl_root);
  if (flags.cleanup) return cleanup();
  if (flags.node.empty()) return fault("--node NAME is needed: this machine has no host name");
  return run(flags);
}
