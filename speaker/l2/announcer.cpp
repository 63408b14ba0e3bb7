#include "speaker/l2/announcer.h"

#include <algorithm>
#include <fstream>

#include "proto/base/log.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;
constexpr Duration kRetry = 1s;
constexpr Duration kRejoin = 5s;
constexpr std::size_t kJoinsAtOnce = 64;  // for each segment; then the loop's other work has its turn

/// Flag R of what we send. No notification tells when it changes: it is read anew whenever links or VIPs change.
bool forwards_ipv6(const std::string& interface) {
  std::ifstream in("/proc/sys/net/ipv6/conf/" + interface + "/forwarding");
  int value = 0;
  return in >> value && value != 0;
}

}  // namespace

Announcer::Announcer(runtime::Loop& loop, NamePatterns excluded)
    : loop_(loop),
      excluded_(std::move(excluded)),
      burst_timer_(loop, [this] { burst(); }),
      ask_timer_(loop, [this] { ask(); }),
      join_timer_(loop, [this] { join_groups(); }),
      retry_timer_(loop, [this] { open_segments(); }) {}

void Announcer::set_links(const std::map<IfIndex, rtnl::Link>& links, const std::set<rtnl::Address>& addresses) {
  links_ = links;
  own_macs_.clear();
  for (const auto& [index, link] : links) own_macs_.insert(link.mac);
  own_addresses_.clear();
  askers_.clear();
  for (const rtnl::Address& a : addresses) {
    own_addresses_.insert(a.ip);
    if (a.ip.is4()) continue;
    if (a.is_global) {
      askers_.try_emplace(a.index, a.ip.v6());
    } else {
      askers_.insert_or_assign(a.index, a.ip.v6());
    }
  }
  open_segments();
}

void Announcer::open_segments() {
  closing_.clear();
  std::map<IfIndex, Interface> fit;
  for (const auto& [index, link] : links_) {
    if (!unfit(link, excluded_)) fit.emplace(index, Interface{index, link.name, link.mac, forwards_ipv6(link.name)});
  }
  for (auto at = segments_.begin(); at != segments_.end();) {
    const auto found = fit.find(at->first);
    // A changed name or hardware address needs a new filter.
    if (found != fit.end() && found->second == at->second->interface()) {
      fit.erase(found);
      ++at;
    } else {
      log::info("interface_left", {{"interface", at->second->interface().name}});
      at = segments_.erase(at);
    }
  }
  for (const auto& [index, interface] : fit) {
    auto segment = Segment::open(
        loop_, interface,
        {.received = [this](ByteView frame, Segment& on) { received(frame, on); },
         .failed = [this](Segment& on, const std::string& why) {
           log::warn("interface_failed", {{"interface", on.interface().name}, {"what", why}});
           const auto found = segments_.find(on.interface().index);
           if (found == segments_.end() || found->second.get() != &on) return;
           closing_.push_back(std::move(found->second));  // it is on the stack: freed by the next open_segments()
           segments_.erase(found);
           retry_timer_.arm_if_idle(kRetry);
         }});
    if (!segment) {
      log::warn("interface_failed", {{"interface", interface.name}, {"what", segment.error().what}});
      retry_timer_.arm_if_idle(kRetry);
      continue;
    }
    log::info("interface_joined", {{"interface", interface.name}, {"mac", interface.mac.str()}, {"router", interface.is_router}});
    const Segment& opened = *segments_.emplace(index, std::move(*segment)).first->second;
    // The segment may know another owner from before the link came (back).
    for (const auto& [vip, allowed] : vips_) {
      if (announces(vip, opened.interface())) bursts_.start(vip, loop_.now());
    }
  }
  join_groups();
  burst();
}

void Announcer::set_vips(std::map<Ip, std::vector<std::string>> vips) {
  std::vector<Ip> taken;
  for (const auto& [vip, allowed] : vips) {
    const auto old = vips_.find(vip);
    if (old == vips_.end() || old->second != allowed) taken.push_back(vip);
  }
  for (const auto& [vip, allowed] : vips_) {
    if (vips.contains(vip)) continue;
    bursts_.stop(vip);
    foreign_.stop(vip);
  }
  vips_ = std::move(vips);
  for (const Ip& vip : taken) {
    bursts_.start(vip, loop_.now());
    foreign_.start(vip, loop_.now());
  }
  arm_ask();
  open_segments();
}

bool Announcer::announces(const Ip& vip, const Interface& on) const {
  const auto found = vips_.find(vip);
  if (found == vips_.end() || own_addresses_.contains(vip)) return false;
  return found->second.empty() || std::find(found->second.begin(), found->second.end(), on.name) != found->second.end();
}

void Announcer::received(ByteView frame, Segment& on) {
  const Announces is_ours = [this](const Ip& vip, const Interface& where) { return announces(vip, where); };
  if (const auto claim = foreign_claim(frame, on.interface(), is_ours, own_macs_)) {
    if (foreign_.note(*claim, loop_.now()) && conflict_) conflict_(*claim);
    arm_ask();
  }
  if (is_heard_) {
    const Announces is_wanted = [this](const Ip& ip, const Interface&) { return is_heard_(ip); };
    if (const auto claim = foreign_claim(frame, on.interface(), is_wanted, own_macs_)) claimed_(*claim);
  }
  const auto outcome = answer(frame, on.interface(), is_ours);
  tally_.count(outcome);
  if (const auto* reply = std::get_if<Bytes>(&outcome)) {
    if (const auto sent = on.send(*reply); !sent) {
      log::debug("answer_failed", {{"what", sent.error().what}});
    } else {
      ++tally_.sent;
    }
  }
}

void Announcer::announce(const Ip& vip, Segment& on) {
  if (!announces(vip, on.interface())) return;
  for (const Bytes& frame : announcement(vip, on.interface())) {
    if (const auto sent = on.send(frame); !sent) {
      log::debug("announcement_failed", {{"vip", vip.str()}, {"what", sent.error().what}});
    } else {
      ++tally_.gratuitous;
    }
  }
}

void Announcer::ask() {
  for (const Ip& vip : foreign_.due(loop_.now())) {
    for (const auto& [index, segment] : segments_) {
      if (announces(vip, segment->interface())) ask_about(vip, index);
    }
  }
  arm_ask();
}

bool Announcer::ask_about(const Ip& address, IfIndex on) {
  const auto segment = segments_.find(on);
  if (segment == segments_.end()) return false;
  const auto asker = askers_.find(on);
  const auto frame = question(address, segment->second->interface(), asker == askers_.end() ? std::nullopt : std::optional(asker->second));
  if (!frame) return false;
  const auto sent = segment->second->send(*frame);
  if (!sent) log::debug("question_failed", {{"address", address.str()}, {"what", sent.error().what}});
  return sent.has_value();
}

void Announcer::arm_ask() {
  if (const auto next = foreign_.next()) {
    ask_timer_.arm(std::max<Duration>(*next - loop_.now(), 0ns));
  } else {
    ask_timer_.cancel();
  }
}

void Announcer::join_groups() {
  bool is_done = true;
  bool has_failed = false;
  for (const auto& [index, segment] : segments_) {
    std::set<Ip6> groups;
    for (const auto& [vip, allowed] : vips_) {
      if (!vip.is4() && announces(vip, segment->interface())) groups.insert(group_of(vip.v6()));
    }
    is_done = segment->become_member(groups, kJoinsAtOnce) && is_done;
    has_failed = has_failed || segment->has_failed_to_join();
  }
  if (!is_done) {
    join_timer_.arm(0ns);
  } else if (has_failed) {
    join_timer_.arm(kRejoin);
  } else {
    join_timer_.cancel();
  }
}

void Announcer::burst() {
  for (const Ip& vip : bursts_.due(loop_.now())) {
    for (const auto& [index, segment] : segments_) announce(vip, *segment);
  }
  if (const auto next = bursts_.next()) burst_timer_.arm(std::max<Duration>(*next - loop_.now(), 0ns));
}

}  // namespace fairlead::speaker
