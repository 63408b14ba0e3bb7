/// fairlead-controller: objects in (feed), decisions (core), statuses and events out (report). This file alone knows
/// who feeds whom: a change or a confirmed write asks for a pass, and a pass is converge() over the objects as they
/// will be.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <optional>
#include <random>

#include "controller/feed/feed.h"
#include "controller/flags.h"
#include "controller/report/metrics.h"
#include "controller/report/reporter.h"
#include "controller/report/table.h"
#include "controller/webhook/endpoint.h"
#include "proto/base/log.h"
#include "proto/runtime/metrics_server.h"
#include "proto/runtime/open_source.h"
#include "proto/runtime/wall_time.h"

namespace fairlead::controller {
namespace {

constexpr int kOk = 0;
constexpr int kInvalidObject = 1;
constexpr int kFailed = 2;
constexpr Duration kLeaseWait = std::chrono::seconds(5);

int fail(const std::string& what) {
  std::fprintf(stderr, "fairlead-controller: %s\n", what.c_str());
  return kFailed;
}

void print_table(const feed::Objects& objects) {
  std::fputs(report::table(objects.services).c_str(), stdout);
  std::fflush(stdout);
}

class Controller {
 public:
  Controller(runtime::Loop& loop, runtime::Source& source, const Flags& flags)
      : loop_(loop),
        source_(source),
        is_once_(flags.is_once),
        is_show_(flags.is_show),
        metrics_address_(flags.metrics_address),
        config_namespace_(flags.source.group == api::Group::metallb ? flags.source.metallb_namespace() : ""),
        config_{.allocates_cluster_ips = source.allocates_cluster_ips(),
                .service_cidrs = flags.service_cidrs,
                .node_ports = flags.node_ports,
                .group = flags.source.group,
                .lb_class = flags.lb_class,
                .hold_down = flags.hold_down,
                .probes_addresses = flags.probes_addresses},
        feed_(loop, source,
              {[this] { pass(); }, [this] { on_synced(); }, [this](const api::Key& key) { reporter_.forget(key); },
               [this](const runtime::Fault& fault) { on_fault(fault); }},
              {.metallb_namespace = config_namespace_, .reads_records = keeps_notes()}),
        reporter_(loop, source, [this] { feed_.mark_dirty(); }, flags.source.group),
        wake_timer_(loop, [this] { feed_.mark_dirty(); }),
        lease_timer_(loop, [this] {
          loop_.stop(
              fail("another fairlead-controller holds the lease \"controller\": stop it, or run without --once"));
        }) {}

  /// The source is one that has an API server.
  void open_webhook(runtime::WebhookApi& api, const WebhookFlags& flags) {
    webhook::Options options{.address = flags.address,
                             .cert_dir = flags.cert_dir,
                             .names = {flags.service, flags.secret, flags.configuration},
                             .judging = {api::Rules::of(config_.group), config_namespace_}};
    webhook_.emplace(loop_, api, std::move(options),
                     webhook::Endpoint::Handlers{[this] { return configuration(); },
                                                 [this](const webhook::Review& r) { metrics_.reviewed(r.kind, name(r.verdict)); }});
  }

  void start() {
    feed_.start();
    if (is_show_) return;
    if (webhook_) webhook_->start();
    metrics_.set_leading(false);
    reporter_.watch_writes([this](std::string_view failure) { metrics_.written(failure); });
    server_.emplace(loop_, metrics_address_, runtime::MetricsServer::Handlers{.metrics = [this] { return metrics_.text(); }, .answers = [this] { return source_.answers(); }});
    log::info("standby", {{"lease", "controller"}});
    if (is_once_) lease_timer_.arm(kLeaseWait);
    source_.lead("controller", [this](bool leads) { on_lease(leads); });
  }

 private:
  /// Null before everything is known.
  const api::ConfigSet* configuration() {
    if (!is_synced_) return nullptr;
    const std::uint64_t now = feed_.objects().configuration;
    if (!configuration_ || std::exchange(configuration_of_, now) != now) configuration_ = feed_.objects().config_set();
    return &*configuration_;
  }

  void on_synced() {
    is_synced_ = true;
    if (!is_show_) return;
    print_table(feed_.objects());
    loop_.stop(kOk);
  }

  void on_lease(bool leads) {
    if (leads == leads_) return;
    leads_ = leads;
    metrics_.set_leading(leads);
    log::info(leads ? "leader" : "standby", {{"lease", "controller"}});
    if (webhook_) webhook_->set_leading(leads);
    lease_timer_.cancel();
    if (!leads) {
      memory_ = fresh_memory();  // what somebody else does meanwhile is not known
      return reporter_.stop();
    }
    if (!is_synced_) state({});
    feed_.mark_dirty();
  }

  void on_fault(const runtime::Fault& fault) {
    has_invalid_ = true;
    log::error("fault",
               {{"where", fault.where}, {"object", fault.object}, {"field", fault.field}, {"what", fault.what}});
    if (leads_ && !is_synced_) state({});
  }

  /// Before everything has been read there is only something to say when something keeps it from being read.
  void state(const std::vector<core::Notice>& problems) {
    std::vector<std::string> unreadable = feed_.objects().unreadable_lines();
    if (is_synced_ || !unreadable.empty()) reporter_.state(core::summarize(problems, std::move(unreadable), is_synced_));
  }

  void pass() {
    if (!leads_ || is_show_) return;
    core::Snapshot snapshot = feed_.objects().snapshot(loop_.now());
    snapshot.wall_now = runtime::wall_seconds();
    for (const kube::Service*& service : snapshot.services) service = &reporter_.expected(*service);
    core::Decisions decisions = core::converge(snapshot, config_, memory_);
    if (std::exchange(judged_of_, feed_.objects().configuration) != feed_.objects().configuration) {
      judged_ = core::judge(feed_.objects().config_set(), config_.group);
    }
    decisions.problems.insert(decisions.problems.end(), judged_.begin(), judged_.end());
    reporter_.apply(decisions);
    if (keeps_notes()) reporter_.note(decisions.notes, feed_.objects().own_record());
    state(decisions.problems);
    metrics_.passed(snapshot, decisions, reporter_.queued(), loop_.now());
    if (decisions.wake_at) wake_timer_.arm(std::max(Duration::zero(), *decisions.wake_at - loop_.now()));
    if (is_once_) settle(decisions);
  }

  /// AddressRecords are read and written.
  bool keeps_notes() const { return config_.probes_addresses || config_.hold_down > Duration::zero(); }

  static core::Memory fresh_memory() {
    core::Memory out;
    std::random_device random;
    out.probes = core::Probes((std::int64_t{random() & 0x3fffffffU} << 20) + 1);
    return out;
  }

  void settle(const core::Decisions& decisions) {
    if (const auto& stuck = reporter_.stuck()) return loop_.stop(fail(*stuck));
    if (!decisions.writes.empty() || !decisions.notes.asked.empty() || !reporter_.is_idle()) return;
    for (const core::Notice& p : decisions.problems) has_invalid_ |= p.about.kind != api::Kind::service;
    print_table(feed_.objects());
    loop_.stop(has_invalid_ ? kInvalidObject : kOk);
  }

  runtime::Loop& loop_;
  runtime::Source& source_;
  const bool is_once_;
  const bool is_show_;
  const std::string metrics_address_;
  const std::string config_namespace_;  // metallb.io mode: where the custom objects count
  const core::Config config_;
  bool leads_ = false;
  bool has_invalid_ = false;
  bool is_synced_ = false;
  core::Memory memory_ = fresh_memory();
  std::vector<core::Notice> judged_;                    // by core::judge()
  std::uint64_t judged_of_ = ~std::uint64_t{0};         // the number of the configuration that was judged
  feed::Feed feed_;
  report::Reporter reporter_;
  report::Metrics metrics_;
  std::optional<runtime::MetricsServer> server_;
  std::optional<webhook::Endpoint> webhook_;
  std::optional<api::ConfigSet> configuration_;  // as the webhook was last asked about it
  std::uint64_t configuration_of_ = 0;
  runtime::Timer wake_timer_;
  runtime::Timer lease_timer_;
};

int run(const Flags& flags) {
  if (!log::set_level(flags.log_level)) {
    return fail("--log-level: \"" + flags.log_level + "\" is none of debug, info, warn, error");
  }
  auto loop = runtime::Loop::create();
  if (!loop) return fail(loop.error().what);
  const auto signals = (*loop)->on_signals({SIGTERM, SIGINT}, [&](int) { (*loop)->stop(kOk); });
  if (!signals) return fail(signals.error().what);
  std::signal(SIGPIPE, SIG_IGN);
  // 5,000 Services in twenty seconds.
  auto source = runtime::open_source(
      **loop, flags.source, {.name = "fairlead-controller", .writes_per_second = 400, .write_burst = 800, .prunes_at_once = flags.is_once});
  if (!source) return fail(source.error().what);
  Controller controller(**loop, **source, flags);
  if (!flags.webhook.address.empty()) {
    runtime::WebhookApi* const api = (*source)->webhook_api();
    if (api == nullptr) return fail("--webhook-address: nobody asks a webhook about the manifests of a folder");
    controller.open_webhook(*api, flags.webhook);
  }
  controller.start();
  return (*loop)->run();
}

}  // namespace
}  // namespace fairlead::controller

int main(int argc, char** argv) {
  const auto parsed = fairlead::controller::parse_flags(argc, argv);
  if (const auto* leave = std::get_if<fairlead::controller::Leave>(&parsed)) {
    std::fputs(leave->text.c_str(), leave->code == 0 ? stdout : stderr);
    return leave->code;
  }
  return fairlead::controller::run(std::get<fairlead::controller::Flags>(parsed));
}
