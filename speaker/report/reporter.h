#pragma once
/// Tells users what is wrong with what this node announces: a log line and an Event on the Service, once when it begins.
/// Level-triggered: it is told when announcements or links change, and looks a second after they last began to change, as an
/// interface that comes up gets its addresses one by one. Repetition is held down by the source. Thread: the loop's.
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proto/rtnl/rtnl.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/source.h"
#include "speaker/core/foreign_claims.h"
#include "speaker/core/interfaces.h"
#include "speaker/core/reach.h"

namespace fairlead::speaker {

class Reporter {
 public:
  using Announcements = std::map<kube::Name, std::vector<Announcement>>;
  static constexpr Duration kSettle = std::chrono::seconds(1);

  /// `excluded` and `announcements` outlive this.
  Reporter(runtime::Loop& loop, runtime::Source& source, std::string node, const NamePatterns& excluded,
           const Announcements& announcements, Duration settle = kSettle);

  /// Something in `announcements` is another.
  void announcements_changed();
  void set_links(const std::map<IfIndex, rtnl::Link>& links, const std::set<rtnl::Address>& addresses);
  /// An Event on each Service that has the VIP.
  void conflict(const ForeignClaim& claim);

 private:
  void look();

  runtime::Source& source_;
  std::string node_;
  const NamePatterns& excluded_;
  Duration settle_;
  const Announcements& announcements_;
  std::vector<Reach> reaches_;
  bool has_links_ = false;  // before, every VIP would be without an interface
  std::set<Complaint> told_;
  runtime::Timer look_timer_;
};

}  // namespace fairlead::speaker
