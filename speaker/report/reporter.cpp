#include "speaker/report/reporter.h"

#include "proto/base/log.h"

namespace fairlead::speaker {

Reporter::Reporter(runtime::Loop& loop, runtime::Source& source, std::string node, const NamePatterns& excluded,
                   const Announcements& announcements, Duration settle)
    : source_(source),
      node_(std::move(node)),
      excluded_(excluded),
      settle_(settle),
      announcements_(announcements),
      look_timer_(loop, [this] { look(); }) {}

void Reporter::announcements_changed() { look_timer_.arm_if_idle(settle_); }

void Reporter::set_links(const std::map<IfIndex, rtnl::Link>& links, const std::set<rtnl::Address>& addresses) {
  reaches_.clear();
  has_links_ = true;
  for (const auto& [index, link] : links) {
    if (unfit(link, excluded_)) continue;
    Reach reach{link.name, {}};
    for (const rtnl::Address& a : addresses) {
      if (a.index == index) reach.prefixes.push_back(Prefix::of(a.ip, a.prefix_length));
    }
    reaches_.push_back(std::move(reach));
  }
  look_timer_.arm_if_idle(settle_);
}

void Reporter::conflict(const ForeignClaim& claim) {
  for (const auto& [service, list] : announcements_) {
    for (const Announcement& a : list) {
      if (a.vip != claim.vip || a.reason != Reason::owner || a.node != node_) continue;
      const std::string what = conflict_text(claim, a);
      log::warn("address_conflict", {{"vip", claim.vip.str()}, {"mac", claim.mac.str()}, {"interface", claim.interface}, {"service", service.str()}, {"what", what}});
      source_.event({api::Kind::service, service}, runtime::EventType::warning, kAddressConflict, what);
    }
  }
}

void Reporter::look() {
  if (!has_links_) return;
  std::set<Complaint> now;
  for (const auto& [service, list] : announcements_) {
    for (Complaint& c : complaints(service, list, node_, reaches_)) now.insert(std::move(c));
  }
  for (const Complaint& c : now) {
    if (told_.contains(c)) continue;
    log::warn(label(c.trouble), {{"vip", c.vip.str()}, {"service", c.service.str()}, {"what", c.what}});
    source_.event({api::Kind::service, c.service}, runtime::EventType::warning, name(c.trouble), c.what);
  }
  told_ = std::move(now);
}

}  // namespace fairlead::speaker
