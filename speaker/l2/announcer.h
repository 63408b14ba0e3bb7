#pragma once
/// Announces VIPs by ARP and NDP: a segment on every fit interface, answers, memberships, bursts. Level-triggered: it is
/// told what the links are and which VIPs are this node's, and moves from what it does to that. Thread: the loop's.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proto/rtnl/rtnl.h"
#include "proto/runtime/loop.h"
#include "speaker/core/burst.h"
#include "speaker/core/foreign_claims.h"
#include "speaker/core/interfaces.h"
#include "speaker/core/reply.h"
#include "speaker/l2/segment.h"

namespace fairlead::speaker {

class Announcer {
 public:
  Announcer(runtime::Loop& loop, NamePatterns excluded);

  void set_links(const std::map<IfIndex, rtnl::Link>& links, const std::set<rtnl::Address>& addresses);
  /// The VIPs that this node announces now, each with the names of the interfaces it may use (empty: all). A new one is
  /// answered from this moment on and told to the segment.
  void set_vips(std::map<Ip, std::vector<std::string>> vips);

  /// Somebody else has a VIP of ours on the segment; called again at most every ForeignClaims::kAgain for each.
  void on_conflict(std::function<void(const ForeignClaim&)> told) { conflict_ = std::move(told); }

  /// Addresses that this node does not announce, and wants to hear of: is_heard, and who claims one.
  void listen_for(std::function<bool(const Ip&)> is_heard, std::function<void(const ForeignClaim&)> claimed) {
    is_heard_ = std::move(is_heard);
    claimed_ = std::move(claimed);
  }
  /// Asks everybody on this interface who has the address. False: the interface is not fit, or nothing can be sent.
  bool ask_about(const Ip& address, IfIndex on);

  const NamePatterns& excluded() const { return excluded_; }
  const Tally& tally() const { return tally_; }
  const ForeignClaims& foreign_claims() const { return foreign_; }

 private:
  bool announces(const Ip& vip, const Interface& on) const;
  void received(ByteView frame, Segment& on);
  void open_segments();
  void join_groups();
  void burst();
  void announce(const Ip& vip, Segment& on);
  void ask();
  void arm_ask();

  runtime::Loop& loop_;
  NamePatterns excluded_;
  std::map<IfIndex, rtnl::Link> links_;
  std::set<Ip> own_addresses_;  // the kernel answers for these
  std::set<Mac> own_macs_;
  std::map<IfIndex, Ip6> askers_;  // an address of each interface, link-local if there is one
  std::map<Ip, std::vector<std::string>> vips_;
  std::map<IfIndex, std::unique_ptr<Segment>> segments_;
  std::vector<std::unique_ptr<Segment>> closing_;  // those that failed inside their own callback
  Bursts bursts_;
  ForeignClaims foreign_;
  std::function<void(const ForeignClaim&)> conflict_;
  std::function<bool(const Ip&)> is_heard_;
  std::function<void(const ForeignClaim&)> claimed_;
  Tally tally_;
  runtime::Timer burst_timer_;
  runtime::Timer ask_timer_;
  runtime::Timer join_timer_;
  runtime::Timer retry_timer_;
};

}  // namespace fairlead::speaker
