#pragma once
/// Objects in: keeps what the source delivers and says when to look again. Events only update the objects; one pass
/// follows for all that came in one turn of the loop, and the passes of a storm of changes leave the loop two thirds of
/// its time. Thread: the loop's.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/core/converge.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/source.h"

namespace fairlead::controller::feed {

struct Objects {
  std::map<kube::Name, kube::Service> services;
  std::map<kube::Name, api::IPAddressPool> pools;
  std::map<kube::Name, kube::Node> nodes;
  std::map<kube::Name, api::Community> communities;  // metallb.io mode only
  match::Namespaces namespaces;
  std::set<std::string> gone_pools;  // seen, and deleted since
  /// Faults that came before synced() and go on: each may hide a pool. Later ones hide nothing: the last good version
  /// stays. "IPAddressPool ns/name", "Community ns/name", or the place of a file that could not be read.
  std::set<std::string> hiding;
  /// Those, and the objects whose newest version could not be read since.
  std::set<std::string> unreadable;

  /// Borrows from this.
  core::Snapshot snapshot(TimePoint now) const;
};

class Feed {
 public:
  struct Handlers {
    std::function<void()> pass;                 // time to decide; never called before synced
    std::function<void()> synced;               // once
    std::function<void(const api::Key&)> gone;  // an object was deleted
    std::function<void(const runtime::Fault&)> fault;
  };
  /// `metallb_namespace`: where pools and Communities count in metallb.io mode. "": Fairlead's own, wherever they are.
  Feed(runtime::Loop& loop, runtime::Source& source, Handlers handlers, std::string metallb_namespace = "");

  /// Services, Nodes, Namespaces and pools. Not EndpointSlices: no address depends on one, and they are most of the
  /// memory of a large cluster.
  void start();
  /// Asks for a pass, as a change of an object does.
  void mark_dirty();
  const Objects& objects() const { return objects_; }

 private:
  void on_changes(std::vector<runtime::Change> changes);
  bool store(const runtime::Change& change);
  bool store_custom(const runtime::Change& change);
  bool is_custom(const std::string& object) const;
  void on_fault(const runtime::Fault& fault);
  void on_mended(const runtime::Fault& fault);
  void pass();

  runtime::Loop& loop_;
  runtime::Source& source_;
  Handlers handlers_;
  const std::string metallb_namespace_;
  Objects objects_;
  bool is_synced_ = false;
  Duration last_cost_{};
  runtime::Timer timer_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace fairlead::controller::feed
