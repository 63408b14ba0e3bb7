#pragma once
/// Tells users how BGP goes: log lines, and Events on BGPPeers, BGPAdvertisements and Services. It is told by the feed what
/// is said badly, and by BIRD's shell what BIRD does; each thing is told once, when it begins and when it ends. Thread: the loop's.
#include <map>
#include <string>
#include <vector>

#include "proto/base/clock.h"
#include "proto/runtime/source.h"
#include "speaker/core/bgp_sessions.h"
#include "speaker/core/bird_report.h"
#include "speaker/report/config_state.h"
#include "speaker/report/metrics.h"

namespace fairlead::speaker {

class BgpReporter {
 public:
  using Peers = std::map<std::string, kube::Name>;  // by symbol

  /// What is not in force is told to `config` as well.
  BgpReporter(runtime::Source& source, ConfigState& config) : source_(source), config_(config) {}

  // From the feed.
  void announced(const kube::Name& service, const std::vector<std::string>& peers);
  /// Something about an object turned bad or changed in being bad; reason "": it is good again.
  void told(const api::Key& about, const std::string& reason, const std::string& what);

  // From BIRD's shell.
  void link(LinkState state, const std::string& what);
  void refused(const std::vector<BirdRefusal>& all);
  void applied(std::uint64_t round, Duration took);
  void failed(const std::string& what);
  void reported(const BirdReport& report, const Peers& peers);

  /// For metrics: how it is now. The VIPs are left out.
  Metrics::Bgp figures(const Peers& peers) const;

 private:
  void session_changed(const SessionChange& change, const Peers& peers);

  runtime::Source& source_;
  ConfigState& config_;
  std::optional<LinkState> link_;
  std::map<std::string, BgpSession> sessions_;  // by symbol, as last reported
  struct Counts {
    std::uint64_t downs = 0, failures = 0;
  };
  std::map<std::string, Counts> counts_;  // by symbol
};

}  // namespace fairlead::speaker
