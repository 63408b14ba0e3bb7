#pragma once
/// Addresses that the controller asks about (AddressRecord): which of them are on a segment of this node, and what was heard
/// there, back into a record of this node's own. Thread: the loop's.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proto/rtnl/rtnl.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/source.h"
#include "speaker/core/address_checks.h"

namespace fairlead::speaker {

class AddressFeed {
 public:
  /// Asks everybody on this interface who has the address. False: that cannot be done.
  using Ask = std::function<bool(const Ip& address, IfIndex on)>;
  AddressFeed(runtime::Loop& loop, runtime::Source& source, std::string node, Ask ask);

  void changes(const std::vector<runtime::Change>& changes);
  void set_links(const std::map<IfIndex, rtnl::Link>& links, const std::set<rtnl::Address>& addresses);

  bool is_asked(const Ip& address) const { return checks_.is_asked(address); }
  void heard(const ForeignClaim& claim);

 private:
  /// True: the questions may be others now.
  bool apply(const runtime::Change& change);
  void refresh();
  void step();
  void tell();

  runtime::Loop& loop_;
  runtime::Source& source_;
  const std::string node_;
  const std::string record_;  // its name
  Ask ask_;
  std::map<std::string, std::vector<Ip>> nodes_;  // their addresses
  std::map<kube::Name, std::vector<api::AddressNotes::Question>> asked_;
  std::map<IfIndex, rtnl::Link> links_;
  std::set<rtnl::Address> addresses_;
  AddressChecks checks_;
  std::vector<api::AddressNotes::Hearing> told_;
  runtime::Timer timer_;
};

}  // namespace fairlead::speaker
