#include "speaker/core/reach.h"

#include <algorithm>

namespace fairlead::speaker {
namespace {

template <class Items, class Text>
std::string listed(const Items& items, Text text) {
  std::string out;
  for (const auto& item : items) {
    if (!out.empty()) out += ", ";
    out += text(item);
  }
  return out;
}

std::string names(const std::vector<kube::Name>& list) {
  return listed(list, [](const kube::Name& n) { return n.str(); });
}

/// "eth0: 198.51.100.0/24, 2001:db8::/64": what a VIP of this family could be in.
std::string described(const Reach& reach, Family family) {
  std::vector<Prefix> same;
  for (const Prefix& p : reach.prefixes) {
    if (p.base.family() == family && std::find(same.begin(), same.end(), p) == same.end()) same.push_back(p);
  }
  const char* const none = family == Family::v4 ? "no IPv4 address" : "no IPv6 address";
  return reach.interface + ": " + (same.empty() ? none : listed(same, [](const Prefix& p) { return p.str(); }));
}

bool is_allowed(const Announcement& a, const std::string& interface) {
  return a.interfaces.empty() || std::find(a.interfaces.begin(), a.interfaces.end(), interface) != a.interfaces.end();
}

std::string no_interface(const Announcement& a, std::string_view node, std::span<const Reach> reaches) {
  std::string out = a.vip.str() + " is announced by nobody: ";
  const std::string here = reaches.empty() ? "none" : listed(reaches, [](const Reach& r) { return r.interface; });
  if (a.interfaces.empty()) {
    return out + "Node " + std::string(node) + " has no interface that is up and fit for it; bring one up, or see the speaker's " +
           "--exclude-interfaces";
  }
  out += "Node " + std::string(node) + " has none of spec.interfaces (";
  out += listed(a.interfaces, [](const std::string& i) { return i; });
  out += ") of L2Advertisement " + names(a.advertisements) + " that is up and fit (there: " + here;
  return out + "); name one that it has, or leave the Node out by spec.nodeSelectors";
}

std::string not_on_segment(const Announcement& a, std::string_view node, const std::vector<const Reach*>& used) {
  std::string out = a.vip.str() + " is outside of every prefix of the interfaces of Node " + std::string(node);
  out += " that it is announced on (";
  out += listed(used, [&](const Reach* r) { return described(*r, a.vip.family()); });
  out += "), so only neighbours with a route to it will ask for it; put addresses of the segment into spec.addresses of ";
  return out + "IPAddressPool " + a.pool.str() + ", or choose Nodes and interfaces of its segment in L2Advertisement " +
         names(a.advertisements);
}

}  // namespace

std::string_view name(Trouble trouble) {
  switch (trouble) {
    case Trouble::vip_not_on_segment: return "VipNotOnSegment";
    case Trouble::no_interface: return "NoInterface";
    case Trouble::no_eligible_node: return "NoEligibleNode";
  }
  return "Unknown";
}

std::string_view label(Trouble trouble) {
  switch (trouble) {
    case Trouble::vip_not_on_segment: return "vip_not_on_segment";
    case Trouble::no_interface: return "no_interface";
    case Trouble::no_eligible_node: return "no_eligible_node";
  }
  return "unknown";
}

std::vector<Complaint> complaints(const kube::Name& service, std::span<const Announcement> announcements,
                                  std::string_view node, std::span<const Reach> reaches) {
  std::vector<Complaint> out;
  for (const Announcement& a : announcements) {
    if (a.reason == Reason::no_eligible_node && a.teller == node) out.push_back({service, a.vip, Trouble::no_eligible_node, a.what});
    if (a.reason != Reason::owner || a.node != node) continue;
    std::vector<const Reach*> used;
    for (const Reach& r : reaches) {
      if (is_allowed(a, r.interface)) used.push_back(&r);
    }
    if (used.empty()) {
      out.push_back({service, a.vip, Trouble::no_interface, no_interface(a, node, reaches)});
      continue;
    }
    const bool is_reached = std::any_of(used.begin(), used.end(), [&](const Reach* r) {
      return std::any_of(r->prefixes.begin(), r->prefixes.end(), [&](const Prefix& p) { return p.contains(a.vip); });
    });
    if (!is_reached) out.push_back({service, a.vip, Trouble::vip_not_on_segment, not_on_segment(a, node, used)});
  }
  return out;
}

}  // namespace fairlead::speaker
