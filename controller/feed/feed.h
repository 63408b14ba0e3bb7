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
#include "proto/api/validate.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/source.h"

namespace fairlead::controller::feed {

struct Objects {
  std::map<kube::Name, kube::Service> services;
  std::map<kube::Name, api::IPAddressPool> pools;
  std::map<kube::Name, kube::Node> nodes;
  std::map<kube::Name, api::Community> communities;
  // What the speakers go by; judged here, and nothing else (core/judge.h).
  std::map<kube::Name, api::L2Advertisement> l2_advertisements;
  std::map<kube::Name, api::BGPAdvertisement> bgp_advertisements;
  std::map<kube::Name, api::BGPPeer> peers;
  std::map<kube::Name, api::BFDProfile> profiles;
  std::map<kube::Name, api::AddressRecord> records;  // only where they are asked for
  match::Namespaces namespaces;
  std::set<std::string> gone_pools;  // seen, and deleted since
  /// Faults that came before synced() and go on: each may hide a pool. Later ones hide nothing: the last good version
  /// stays. "IPAddressPool ns/name", "Community ns/name", or the place of a file that could not be read.
  std::set<std::string> hiding;
  /// Pools (and Communities) whose newest version cannot be read. A file that holds nobody knows what is none of them.
  std::set<std::string> unreadable;

  /// What the source said and has not taken back.
  std::vector<runtime::Fault> faults;
  /// Another number: what judge() goes by is different.
  std::uint64_t configuration = 0;

  /// The controller's own AddressRecord; null: there is none.
  const api::AddressRecord* own_record() const;
  /// Copies. Without Namespaces: what depends on one is only ever warned of.
  api::ConfigSet config_set() const;
  /// "BGPPeer ns/tor: spec.myASN is missing"; a file where no object is known.
  std::vector<std::string> unreadable_lines() const;
  /// Borrows from this.
  core::Snapshot snapshot(TimePoint now) const;  // without the wall clock
};

class Feed {
 public:
  struct Handlers {
    std::function<void()> pass;                 // time to decide; never called before synced
    std::function<void()> synced;               // once
    std::function<void(const api::Key&)> gone;  // an object was deleted
    std::function<void(const runtime::Fault&)> fault;
  };
  struct Options {
    std::string metallb_namespace = {};  // where the custom objects count in metallb.io mode; "": Fairlead's own, wherever they are
    bool reads_records = false;          // AddressRecords
  };
  Feed(runtime::Loop& loop, runtime::Source& source, Handlers handlers, Options options);

  /// Services, Nodes, Namespaces and the custom objects. Not EndpointSlices: no address depends on one, and they are most
  /// of the memory of a large cluster.
  void start();
  /// Asks for a pass, as a change of an object does.
  void mark_dirty();
  const Objects& objects() const { return objects_; }

 private:
  void on_changes(std::vector<runtime::Change> changes);
  bool store(const runtime::Change& change);
  bool store_custom(const runtime::Change& change);
  bool hides_pools(const std::string& object) const;
  bool counts(const std::string& object) const;
  void on_fault(const runtime::Fault& fault);
  void on_mended(const runtime::Fault& fault);
  void pass();

  runtime::Loop& loop_;
  runtime::Source& source_;
  Handlers handlers_;
  const Options options_;
  Objects objects_;
  bool is_synced_ = false;
  Duration last_cost_{};
  runtime::Timer timer_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace fairlead::controller::feed
