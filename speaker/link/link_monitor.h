#pragma once
/// The node's links and addresses, kept current over rtnetlink. Level-triggered: a notification only says "look", and a
/// look is a dump. Thread: the loop's.
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "proto/base/result.h"
#include "proto/rtnl/rtnl.h"
#include "proto/runtime/loop.h"

struct nl_sock;

namespace fairlead::speaker {

class LinkMonitor {
 public:
  /// `changed` is called after each look that shows other links or addresses than the one before.
  static Result<std::unique_ptr<LinkMonitor>> open(runtime::Loop& loop, std::function<void()> changed);
  ~LinkMonitor();
  LinkMonitor(const LinkMonitor&) = delete;
  LinkMonitor& operator=(const LinkMonitor&) = delete;

  /// The first look. Whoever decides something by addresses has them when this returns (unless netlink fails: tried again).
  void start() { look(); }

  const std::map<IfIndex, rtnl::Link>& links() const { return links_; }
  const std::set<rtnl::Address>& addresses() const { return addresses_; }

 private:
  struct Free {
    void operator()(nl_sock* s) const;
  };
  using Socket = std::unique_ptr<nl_sock, Free>;
  LinkMonitor(runtime::Loop& loop, std::function<void()> changed, Socket requests, Socket monitor);
  void look();
  Result<void> dump(ByteView request, const std::function<void(rtnl::Event&&)>& each);

  runtime::Loop& loop_;
  std::function<void()> changed_;
  Socket requests_;
  Socket monitor_;
  std::map<IfIndex, rtnl::Link> links_;
  std::set<rtnl::Address> addresses_;
  std::uint32_t seq_ = 1;
  runtime::Timer look_timer_;
  runtime::Loop::Watch watch_;
};

}  // namespace fairlead::speaker
