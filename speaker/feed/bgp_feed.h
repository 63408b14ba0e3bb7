#pragma once
/// From the source's changes to what BIRD should run with. Keeps the objects that only BGP reads; Services and slices are
/// the planner's, so it has to be told of a change before the planner is, and settle() comes after. Nothing is wanted
/// before the first acknowledged sync: whoever draws traffic can forward it. Thread: the loop's.
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proto/runtime/loop.h"
#include "proto/runtime/source.h"
#include "speaker/core/bgp_peers.h"
#include "speaker/core/bgp_routes.h"
#include "speaker/core/bgp_table.h"
#include "speaker/core/bgp_want.h"
#include "speaker/core/planner.h"

namespace fairlead::speaker {

inline constexpr std::string_view kConflict = "conflictingAdvertisements";

struct BgpFeedOptions {
  std::string node;
  std::uint16_t listen_port = bird::kBgpPort;
  /// A node that is excluded from load balancers announces so much longer, with GRACEFUL_SHUTDOWN.
  Duration drain = std::chrono::seconds(10);
};

class BgpFeed {
 public:
  struct Handlers {
    std::function<void(BgpWant)> want;
    /// Something about an object turned bad or changed in being bad; reason "": it is good again. About a Service: its
    /// advertisements do not agree, in themselves or with another Service's of the same prefix (kConflict).
    std::function<void(const api::Key& about, const std::string& reason, const std::string& what)> told;
    /// Which peers are told of which Service (names, sorted); only what changed. Empty: none any more.
    std::function<void(const kube::Name& service, const std::vector<std::string>& peers)> announced;
  };

  BgpFeed(runtime::Loop& loop, BgpFeedOptions options, const Planner& planner, Handlers handlers);

  /// Before the planner has them.
  void note(const std::vector<runtime::Change>& changes);
  /// After the planner has them.
  void settle();
  /// The data plane forwards: from now on `want` is told.
  void synced();
  void set_links(std::vector<Ip> addresses, std::vector<Prefix> connected);
  void set_bfd_built_in(bool is_built_in);
  /// Another program of this node does BFD: ours would take its packets, or never get any.
  void set_bfd_port_taken(bool is_taken);
  bool wants_bfd() const { return decision_.wants_bfd; }
  /// What BIRD does not take of a peer; "" as the symbol: of the whole.
  void set_refusals(const std::vector<std::pair<std::string, std::string>>& refusals);

  /// By symbol: the BGPPeers of this node.
  const std::map<std::string, kube::Name>& peers() const { return symbols_; }
  /// Which peers are told of the Service: names, sorted.
  std::vector<std::string> peers_of(const kube::Name& service) const;
  /// Each VIP that some peer is told of.
  void each_announced(const std::function<void(const kube::Name& service, const Ip& vip)>& visit) const;

 private:
  void note(const runtime::Change& change);
  void refresh_peers();
  void refresh_service(const kube::Name& name);
  void refresh_drain();
  /// What Services' advertisements disagree in; answers whether that changed.
  bool refresh_conflicts();
  void tell_problems();
  BgpWant want();

  runtime::Loop& loop_;
  BgpFeedOptions options_;
  const Planner& planner_;
  Handlers handlers_;

  BgpObjects objects_;
  BgpNode node_;
  BgpView view_;
  std::map<kube::Name, kube::Name> slice_service_;
  std::set<kube::Name> dirty_;
  bool all_dirty_ = true;  // peers, pools, advertisements or Nodes changed
  bool is_synced_ = false;

  PeersDecision decision_;
  std::map<std::string, kube::Name> symbols_;
  std::vector<std::pair<std::string, std::string>> refusals_;
  std::map<kube::Name, api::BGPAdvertisement> good_objects_;  // the last good version of each
  std::map<kube::Name, bird::Attributes> good_attributes_;
  std::vector<AdProblem> ad_problems_;
  std::map<api::Key, std::pair<std::string, std::string>> told_;  // reason, sentence

  struct Told {
    BgpReason reason = BgpReason::announced;
    std::vector<std::string> peers;
    std::string conflict;  // a sentence
    bool operator==(const Told&) const = default;
  };
  std::map<kube::Name, Told> services_;
  std::set<kube::Name> disputed_;                // Services whose own advertisements do not agree
  std::map<kube::Name, std::string> conflicts_;  // of Services, with a sentence
  RouteTable table_;
  std::optional<BgpWant> last_;
  std::uint64_t last_version_ = 0;

  bool is_excluded_ = false;  // by its label
  bool is_draining_ = false;
  runtime::Timer drain_timer_;
};

}  // namespace fairlead::speaker
