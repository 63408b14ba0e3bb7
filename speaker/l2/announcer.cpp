#include "speaker/l2/announcer.h"

#include <algorithm>

#include "proto/base/log.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;
constexpr Duration kRetry = 1s;

}  // namespace

Announcer::Announcer(runtime::Loop& loop, NamePatterns excluded)
    : loop_(loop),
      excluded_(std::move(excluded)),
      burst_timer_(loop, [this] { burst(); }),
      retry_timer_(loop, [this] { open_ports(); }) {}

void Announcer::set_links(const std::map<IfIndex, rtnl::Link>& links, const std::set<rtnl::Address>& addresses) {
  links_ = links;
  own_addresses_.clear();
  for (const rtnl::Address& a : addresses) own_addresses_.insert(a.ip);
  open_ports();
}

void Announcer::open_ports() {
  closing_.clear();
  std::map<IfIndex, Interface> fit;
  for (const auto& [index, link] : links_) {
    if (!unfit(link, excluded_)) fit.emplace(index, Interface{index, link.name, link.mac});
  }
  for (auto at = ports_.begin(); at != ports_.end();) {
    const auto found = fit.find(at->first);
    // A changed name or hardware address needs a new filter.
    if (found != fit.end() && found->second == at->second->interface()) {
      fit.erase(found);
      ++at;
    } else {
      log::info("interface_left", {{"interface", at->second->interface().name}});
      at = ports_.erase(at);
    }
  }
  for (const auto& [index, interface] : fit) {
    auto port = ArpPort::open(
        loop_, interface, [this](ByteView frame, ArpPort& on) { received(frame, on); },
        [this](const Interface& on, const std::string& why) {
          log::warn("interface_failed", {{"interface", on.name}, {"what", why}});
          const auto found = ports_.find(on.index);
          if (found == ports_.end()) return;
          closing_.push_back(std::move(found->second));  // it is on the stack: freed by the next open_ports()
          ports_.erase(found);
          retry_timer_.arm_if_idle(kRetry);
        });
    if (!port) {
      log::warn("interface_failed", {{"interface", interface.name}, {"what", port.error().what}});
      retry_timer_.arm_if_idle(kRetry);
      continue;
    }
    log::info("interface_joined", {{"interface", interface.name}, {"mac", interface.mac.str()}});
    ArpPort& opened = *ports_.emplace(index, std::move(*port)).first->second;
    // The segment may know another owner from before the link came (back).
    for (const auto& [vip, allowed] : vips_) send_gratuitous(vip, opened);
  }
}

void Announcer::set_vips(std::map<Ip, std::vector<std::string>> vips) {
  std::vector<Ip> taken;
  for (const auto& [vip, allowed] : vips) {
    const auto old = vips_.find(vip);
    if (old == vips_.end() || old->second != allowed) taken.push_back(vip);
  }
  for (const auto& [vip, allowed] : vips_) {
    if (!vips.contains(vip)) bursts_.stop(vip);
  }
  vips_ = std::move(vips);
  for (const Ip& vip : taken) bursts_.start(vip, loop_.now());
  if (!taken.empty()) burst();
}

bool Announcer::announces(const Ip4& vip, const Interface& on) const {
  const auto found = vips_.find(Ip(vip));
  if (found == vips_.end() || own_addresses_.contains(Ip(vip))) return false;
  return found->second.empty() || std::find(found->second.begin(), found->second.end(), on.name) != found->second.end();
}

void Announcer::received(ByteView frame, ArpPort& port) {
  const auto answer = answer_arp(frame, port.interface(), [this](const Ip4& vip, const Interface& on) { return announces(vip, on); });
  if (const auto* reply = std::get_if<Bytes>(&answer)) {
    if (const auto sent = port.send(*reply); !sent) log::debug("arp_reply_failed", {{"what", sent.error().what}});
  }
}

void Announcer::send_gratuitous(const Ip& vip, ArpPort& port) {
  if (!vip.is4() || !announces(vip.v4(), port.interface())) return;
  for (const Bytes& frame : gratuitous_arp(vip.v4(), port.interface())) {
    if (const auto sent = port.send(frame); !sent) {
      log::debug("gratuitous_arp_failed", {{"vip", vip.str()}, {"what", sent.error().what}});
    }
  }
}

void Announcer::burst() {
  for (const Ip& vip : bursts_.due(loop_.now())) {
    for (const auto& [index, port] : ports_) send_gratuitous(vip, *port);
  }
  if (const auto next = bursts_.next()) burst_timer_.arm(std::max<Duration>(*next - loop_.now(), 0ns));
}

}  // namespace fairlead::speaker
