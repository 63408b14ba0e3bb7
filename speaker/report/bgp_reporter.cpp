#include "speaker/report/bgp_reporter.h"

#include "proto/base/log.h"
#include "speaker/core/bgp_peers.h"

namespace fairlead::speaker {

using runtime::EventType;

namespace {
constexpr const char* kOrigin = "bgp";
}

void BgpReporter::announced(const kube::Name& service, const std::vector<std::string>& peers) {
  std::string all;
  for (const std::string& p : peers) all += (all.empty() ? "" : ",") + p;
  log::info(peers.empty() ? "bgp_withdraw" : "bgp_announce", {{"service", service.str()}, {"peers", all}});
}

void BgpReporter::told(const api::Key& about, const std::string& reason, const std::string& what) {
  config_.set(kOrigin, about.str(), reason.empty() ? "" : reason + ": " + what);
  if (about.kind == api::Kind::service) {  // its advertisements do not agree
    if (reason.empty()) {
      log::info("bgp_conflict_solved", {{"service", about.name.str()}});
      source_.event(about, EventType::normal, "ConflictSolved", "its BGPAdvertisements agree again");
    } else {
      log::warn("bgp_conflict", {{"service", about.name.str()}, {"reason", reason}, {"what", what}});
      source_.event(about, EventType::warning, reason, what);
    }
    return;
  }
  if (reason.empty()) {
    log::info("bgp_object_good", {{"object", about.str()}});
    return;
  }
  log::warn("bgp_object_refused", {{"object", about.str()}, {"reason", reason}, {"what", what}});
  if (reason == name(PeerFault::bfd_port_taken)) return source_.event(about, EventType::warning, "BFDPortTaken", what);
  source_.event(about, EventType::warning, "InvalidConfiguration", what + " (" + reason + "; what ran before goes on)");
}

void BgpReporter::link(LinkState state, const std::string& what) {
  link_ = state;
  config_.set(kOrigin, "BIRD's socket", state == LinkState::ready ? "" : std::string(name(state)) + ": " + what);
  log::write(state == LinkState::ready ? log::Level::info : log::Level::warn, "bird_link", {{"state", name(state)}, {"what", what}});
}

void BgpReporter::refused(const std::vector<BirdRefusal>& all) {
  std::string whole;
  for (const BirdRefusal& r : all) {
    log::warn("bird_refused", {{"peer", r.symbol}, {"what", r.what}});
    if (r.symbol.empty()) whole = std::string(name(PeerFault::refused_by_bird)) + ": " + r.what;
  }
  config_.set(kOrigin, "BIRD's configuration", whole);
}

void BgpReporter::failed(const std::string& what) {
  config_.set(kOrigin, "BIRD", what.empty() ? "" : "not_configured: " + what);
}

void BgpReporter::applied(std::uint64_t round, Duration took) {
  log::info("bird_configured", {{"round", static_cast<unsigned long>(round)}, {"ms", milliseconds(took)}});
}

void BgpReporter::reported(const BirdReport& report, const Peers& peers) {
  std::set<std::string> symbols;
  for (const auto& [symbol, peer] : peers) symbols.insert(symbol);
  auto now = sessions_of(report.protocols, report.bfd.sessions, symbols);
  for (const SessionChange& c : changes_of(sessions_, now)) session_changed(c, peers);
  sessions_ = std::move(now);
  std::erase_if(counts_, [&](const auto& entry) { return !peers.contains(entry.first); });
}

Metrics::Bgp BgpReporter::figures(const Peers& peers) const {
  Metrics::Bgp out{link_, {}, nullptr};
  for (const auto& [symbol, peer] : peers) {
    Metrics::Peer one{peer.name, {}, 0, 0};
    // What nobody can ask is not known to be up.
    if (const auto found = sessions_.find(symbol); found != sessions_.end() && link_ == LinkState::ready) one.session = found->second;
    if (const auto found = counts_.find(symbol); found != counts_.end()) {
      one.downs = found->second.downs;
      one.failures = found->second.failures;
    }
    out.peers.push_back(std::move(one));
  }
  return out;
}

void BgpReporter::session_changed(const SessionChange& change, const Peers& peers) {
  using What = SessionChange::What;
  if (change.what == What::down) ++counts_[change.symbol].downs;
  if (change.what == What::failing) ++counts_[change.symbol].failures;
  const auto found = peers.find(change.symbol);
  const std::string peer = found == peers.end() ? change.symbol : found->second.name;
  const auto tell = [&](const char* event, EventType type, const char* reason, const std::string& what) {
    const std::string hint(remedy(what));
    log::write(type == EventType::normal ? log::Level::info : log::Level::warn, event, {{"peer", peer}, {"what", what}, {"remedy", hint}});
    if (found == peers.end()) return;
    source_.event({api::Kind::bgp_peer, found->second}, type, reason, hint.empty() ? what : what + ": " + hint);
  };
  switch (change.what) {
    case What::up: return tell("bgp_up", EventType::normal, "BGPSessionUp", "the session is established");
    case What::down: return tell("bgp_down", EventType::warning, "BGPSessionDown", change.why);
    case What::failing: return tell("bgp_failing", EventType::warning, "BGPSessionFailing", change.why);
    case What::bfd_up: return tell("bfd_up", EventType::normal, "BFDSessionUp", "BFD is up");
    case What::bfd_down: return tell("bfd_down", EventType::warning, "BFDSessionDown", "BFD is down: a failure will not be noticed quickly");
  }
}

}  // namespace fairlead::speaker
