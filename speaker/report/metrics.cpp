#include "speaker/report/metrics.h"

#include <ctime>

namespace fairlead::speaker {
namespace {

using metrics::Metric;
using metrics::Text;
using metrics::Type;

const Metric kAnnounced{"fairlead_speaker_announced", Type::gauge, "1 for each VIP that this node announces, by layer2 or bgp"};
const Metric kLoaded{"fairlead_config_loaded", Type::gauge, "1 once everything of the start was seen"};
const Metric kStale{"fairlead_config_stale", Type::gauge, "1 while something of the configuration is not in force: see ConfigurationState"};

const Metric kRequests{"fairlead_l2_requests_total", Type::counter, "ARP and NDP questions for a VIP of this node"};
const Metric kResponses{"fairlead_l2_responses_total", Type::counter, "Answers sent to them"};
const Metric kGratuitous{"fairlead_l2_gratuitous_total", Type::counter, "Frames sent unasked, to tell that a VIP is here now"};
const Metric kIgnored{"fairlead_l2_ignored_total", Type::counter, "Frames that were not answered, by why"};
const Metric kForeign{"fairlead_speaker_foreign_claims_total", Type::counter, "Claims of another station to a VIP of this node, hand-overs left out"};
const Metric kUncounted{"fairlead_speaker_foreign_claims_uncounted_total", Type::counter, "Claims that are in none of those, for want of room"};

const Metric kBatches{"fairlead_dataplane_batches_total", Type::counter, "Transactions that the kernel acknowledged"};
const Metric kWritten{"fairlead_dataplane_elements_written_total", Type::counter, "Elements in them, added, changed or removed"};
const Metric kElements{"fairlead_dataplane_elements", Type::gauge, "Elements of ours in the kernel"};
const Metric kServices{"fairlead_dataplane_services", Type::gauge, "Services that are planned for"};
const Metric kSync{"fairlead_dataplane_sync_seconds", Type::histogram, "From the first change of a round to the kernel's having all of it",
                   {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}};
const Metric kLastSync{"fairlead_dataplane_last_sync_timestamp_seconds", Type::gauge, "When the kernel last had all that was wanted"};
const Metric kFailures{"fairlead_dataplane_failures_total", Type::counter, "Rounds that failed and were tried again, by what the answer meant"};

const Metric kStatusWrites{"fairlead_status_writes_total", Type::counter, "Status objects written or removed"};
const Metric kStatusErrors{"fairlead_status_write_errors_total", Type::counter, "Those that failed, by what the answer meant"};
const Metric kStatusQueue{"fairlead_status_queue", Type::gauge, "Status objects that are not written yet"};

const Metric kLink{"fairlead_bird_link_state", Type::gauge, "1 for the state that the connection to BIRD is in"};
const Metric kSessionUp{"fairlead_bgp_session_up", Type::gauge, "1 while the session is established"};
const Metric kPrefixes{"fairlead_bgp_announced_prefixes", Type::gauge, "Prefixes that the peer is told of"};
const Metric kUpdates{"fairlead_bgp_updates_total", Type::counter, "Routes told to the peer since the session was established"};
const Metric kSince{"fairlead_bgp_session_since_timestamp_seconds", Type::gauge, "Since when the session is in its state"};
const Metric kDowns{"fairlead_bgp_session_downs_total", Type::counter, "Times that the session went down"};
const Metric kErrors{"fairlead_bgp_session_errors_total", Type::counter, "Attempts that failed for another reason than the one before"};
const Metric kBfdUp{"fairlead_bfd_session_up", Type::gauge, "1 while BFD of the peer is up"};

/// Seconds since 1970 of "2026-11-21 15:00:13.336", BIRD's local time; none for any other text.
std::optional<double> seconds_of(const std::string& text) {
  std::tm tm{};
  if (::strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &tm) == nullptr) return std::nullopt;
  tm.tm_isdst = -1;
  const std::time_t at = std::mktime(&tm);
  return at < 0 ? std::nullopt : std::optional<double>(static_cast<double>(at));
}

double number(std::size_t n) { return static_cast<double>(n); }

void show_announced(Text& out, const Metrics::View& view) {
  const auto one = [&](const kube::Name& service, const char* protocol, const Ip& vip) {
    out.series(kAnnounced, {{"service", service.str()}, {"protocol", protocol}, {"node", view.node}, {"ip", vip.str()}}, 1);
  };
  for (const auto& [service, list] : view.announcements) {
    for (const Announcement& a : list) {
      if (a.reason == Reason::owner && a.node == view.node) one(service, "layer2", a.vip);
    }
  }
  if (view.bgp && view.bgp->each_announced) {
    view.bgp->each_announced([&](const kube::Name& service, const Ip& vip) { one(service, "bgp", vip); });
  }
}

void show_layer2(Text& out, const Tally& tally) {
  out.series(kRequests, {}, static_cast<double>(tally.answered));
  out.series(kResponses, {}, static_cast<double>(tally.sent));
  out.series(kGratuitous, {}, static_cast<double>(tally.gratuitous));
  for (std::size_t i = 0; i < kIgnoredReasons; ++i) {
    if (tally.ignored[i] != 0) out.series(kIgnored, {{"reason", name(static_cast<Ignored>(i))}}, static_cast<double>(tally.ignored[i]));
  }
}

void show_foreign(Text& out, const ForeignClaims& foreign) {
  for (const ForeignClaims::Count& c : foreign.counts()) {
    out.series(kForeign, {{"ip", c.vip.str()}, {"mac", c.mac.str()}}, static_cast<double>(c.claims));
  }
  out.series(kUncounted, {}, static_cast<double>(foreign.uncounted()));
}

void show_bgp(Text& out, const Metrics::Bgp& bgp) {
  for (std::size_t i = 0; i < kLinkStates; ++i) {
    const auto state = static_cast<LinkState>(i);
    out.series(kLink, {{"state", name(state)}}, bgp.link.value_or(LinkState::closed) == state ? 1 : 0);
  }
  const auto each = [&](const Metric& metric, const auto& value) {
    for (const Metrics::Peer& p : bgp.peers) {
      if (const std::optional<double> v = value(p)) out.series(metric, {{"peer", p.name}}, *v);
    }
  };
  using Peer = Metrics::Peer;
  using Value = std::optional<double>;
  each(kSessionUp, [](const Peer& p) { return Value(p.session.is_established ? 1 : 0); });
  each(kPrefixes, [](const Peer& p) { return Value(p.session.announced); });
  each(kUpdates, [](const Peer& p) { return Value(p.session.updates); });
  each(kSince, [](const Peer& p) { return seconds_of(p.session.since); });
  each(kDowns, [](const Peer& p) { return Value(p.downs); });
  each(kErrors, [](const Peer& p) { return Value(p.failures); });
  each(kBfdUp, [](const Peer& p) { return p.session.has_bfd ? Value(p.session.is_bfd_up ? 1 : 0) : std::nullopt; });
}

}  // namespace

void Metrics::settled(std::size_t batches, std::size_t elements, Duration took, std::int64_t wall_seconds) {
  registry_.add(kBatches, {}, number(batches));
  registry_.add(kWritten, {}, number(elements));
  registry_.observe(kSync, {}, std::chrono::duration<double>(took).count());
  registry_.set(kLastSync, {}, static_cast<double>(wall_seconds));
}

void Metrics::data_plane_failed(std::string_view error) { registry_.add(kFailures, {{"reason", std::string(error)}}); }

void Metrics::status_written(std::string_view failure) {
  if (failure.empty()) return registry_.add(kStatusWrites, {});
  registry_.add(kStatusErrors, {{"reason", std::string(failure)}});
}

std::string Metrics::text(const View& view) const {
  Text out;
  show_announced(out, view);
  out.series(kLoaded, {}, view.is_loaded ? 1 : 0);
  out.series(kStale, {}, view.is_stale ? 1 : 0);
  show_layer2(out, view.tally);
  if (view.foreign != nullptr) show_foreign(out, *view.foreign);
  out.series(kServices, {}, number(view.services));
  out.series(kElements, {}, number(view.elements));
  out.series(kStatusQueue, {}, number(view.statuses_queued));
  if (view.bgp) show_bgp(out, *view.bgp);
  return std::move(out).take() + registry_.text();
}

}  // namespace fairlead::speaker
