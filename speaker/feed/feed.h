#pragma once
/// From the source's changes to the two things that are decided from them: the planner's snapshot (what the kernel
/// forwards) and the VIPs that this node announces. Thread: the loop's.
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proto/runtime/source.h"
#include "speaker/core/announce.h"
#include "speaker/core/node_facts.h"
#include "speaker/core/planner.h"

namespace fairlead::speaker {

struct FeedOptions {
  std::string node;  // our Node's name
  DataPlaneFlags data_plane;
};

class Feed {
 public:
  struct Handlers {
    std::function<void()> planned;  // the planner has something dirty
    /// The VIPs of this node, with the interfaces they may use (empty: all).
    std::function<void(std::map<Ip, std::vector<std::string>>)> vips;
    /// Something in announcements() changed, about these Services; may be left out.
    std::function<void(const std::vector<kube::Name>&)> announced = nullptr;
  };

  Feed(FeedOptions options, Planner& planner, const Liveness& liveness, Handlers handlers);

  void changes(std::vector<runtime::Change> changes);
  /// Everything of the start has been seen: from now on `vips` is told.
  void synced();
  void set_host_addresses(HostAddresses addresses);

  /// All nodes' VIPs, as last decided.
  const std::map<kube::Name, std::vector<Announcement>>& announcements() const { return announcements_; }

 private:
  void apply(runtime::Change change);
  void refresh_facts();
  void announce();
  const Cluster& cluster();

  FeedOptions options_;
  Planner& planner_;
  const Liveness& liveness_;
  Handlers handlers_;

  Cluster cluster_;
  Cluster alone_;  // cluster_ with ourselves in it, where there are no Node objects
  std::map<kube::Name, kube::Name> slice_service_;  // slice -> its Service
  HostAddresses host_addresses_;
  std::set<kube::Name> dirty_;  // Services whose announcements may have changed
  bool all_dirty_ = true;
  bool is_synced_ = false;
  bool warned_no_nodes_ = false;
  std::map<kube::Name, std::vector<Announcement>> announcements_;
  std::map<Ip, std::vector<std::string>> mine_;
};

}  // namespace fairlead::speaker
