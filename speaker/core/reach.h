#pragma once
/// Whether what is announced can be heard by those who should: a VIP on the wrong segment is announced all the same
/// (neighbours may hold a route to it), but its owner is told; and whether anybody announces it at all. Pure.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/net/prefix.h"
#include "speaker/core/announce.h"

namespace fairlead::speaker {

/// An interface that is fit to be announced on, with the prefixes of its addresses.
struct Reach {
  std::string interface;
  std::vector<Prefix> prefixes;
  bool operator==(const Reach&) const = default;
};

enum class Trouble {
  vip_not_on_segment,  // in no prefix of the interfaces it is announced on: neighbours there will not ask for it
  no_interface,        // none of the interfaces that it may be announced on is here and fit
  no_eligible_node,    // no Node may announce it, and this one is the one to say so
};
/// The reason of the Event: "VipNotOnSegment", "NoInterface", "NoEligibleNode".
std::string_view name(Trouble trouble);
/// The label of the log line: "vip_not_on_segment", ...
std::string_view label(Trouble trouble);

struct Complaint {
  kube::Name service;
  Ip vip;
  Trouble trouble = Trouble::vip_not_on_segment;
  std::string what;  // one sentence: object, field, remedy
  auto operator<=>(const Complaint&) const = default;
};

/// About the announcements of one Service that are `node`'s, or nobody's and `node` tells; in their order.
std::vector<Complaint> complaints(const kube::Name& service, std::span<const Announcement> announcements,
                                  std::string_view node, std::span<const Reach> reaches);

}  // namespace fairlead::speaker
