#include "speaker/core/foreign_claims.h"

#include <algorithm>

#include "proto/arp/arp.h"
#include "proto/ndp/ndp.h"
#include "proto/net/ethernet.h"

namespace fairlead::speaker {
namespace {

struct Said {
  Ip ip;
  Mac mac;
};

std::optional<Said> said_by_arp(const ethernet::Frame& frame) {
  const arp::Parsed parsed = arp::parse(frame.payload);
  const auto* packet = std::get_if<arp::Packet>(&parsed);
  if (packet == nullptr) return std::nullopt;
  return Said{packet->sender_ip, packet->sender_mac};
}

std::optional<Said> said_by_ndp(const ethernet::Frame& frame) {
  const ndp::Parsed parsed = ndp::parse(frame.payload);
  const auto* packet = std::get_if<ndp::Packet>(&parsed);
  if (packet == nullptr) return std::nullopt;
  const Ip6& ip = packet->type == ndp::Type::advertisement ? packet->target : packet->source;
  return Said{ip, packet->link_address.value_or(frame.source)};
}

}  // namespace

std::optional<ForeignClaim> foreign_claim(ByteView bytes, const Interface& on, const Announces& announces, const std::set<Mac>& own) {
  const auto frame = ethernet::parse(bytes);
  if (!frame || (frame->type != ethernet::kArp && frame->type != ethernet::kIpv6)) return std::nullopt;
  const auto is_own = [&](const Mac& mac) { return mac == on.mac || own.contains(mac); };
  if (is_own(frame->source)) return std::nullopt;
  const auto said = frame->type == ethernet::kArp ? said_by_arp(*frame) : said_by_ndp(*frame);
  if (!said || !announces(said->ip, on)) return std::nullopt;
  if (said->mac.is_multicast() || said->mac.is_zero() || is_own(said->mac)) return std::nullopt;
  return ForeignClaim{said->ip, said->mac, on.name};
}

std::string conflict_text(const ForeignClaim& claim, const Announcement& about) {
  return claim.vip.str() + " is also claimed by " + claim.mac.str() + " on " + claim.interface + " of Node " + about.node +
         ", so some neighbours send there what is meant for the Service; find the station with this hardware address and take the "
         "address from it (a node with kube-proxy in IPVS mode: set strictARP), or take it out of spec.addresses of IPAddressPool " +
         about.pool.str() + ". It goes on being announced";
}

std::optional<Bytes> question(const Ip& vip, const Interface& on, const std::optional<Ip6>& asker) {
  if (vip.is4()) {
    const arp::Packet probe{arp::Op::request, on.mac, Ip4{}, Mac{}, vip.v4()};
    return ethernet::build(kBroadcast, on.mac, ethernet::kArp, arp::build(probe));
  }
  if (!asker) return std::nullopt;
  ndp::Packet packet;
  packet.type = ndp::Type::solicitation;
  packet.source = *asker;
  packet.destination = ndp::solicited_node(vip.v6());
  packet.target = vip.v6();
  packet.link_address = on.mac;
  return ethernet::build(ndp::group_mac(packet.destination), on.mac, ethernet::kIpv6, ndp::build(packet));
}

void ForeignClaims::start(const Ip& vip, TimePoint now) {
  stop(vip);
  Held& held = vips_[vip];
  held.since = now;
  ask_at(vip, held, now + kHandOver);
}

void ForeignClaims::stop(const Ip& vip) {
  const auto found = vips_.find(vip);
  if (found == vips_.end()) return;
  for (auto at = claims_.lower_bound({vip, Mac{}}); at != claims_.end() && at->first.first == vip;) drop(at++);
  asks_.erase({found->second.ask, vip});
  vips_.erase(found);
}

bool ForeignClaims::note(const ForeignClaim& claim, TimePoint now) {
  const auto vip = vips_.find(claim.vip);
  if (vip == vips_.end() || now - vip->second.since < kHandOver) return false;
  Held& held = vip->second;
  const Key key{claim.vip, claim.mac};
  auto at = claims_.find(key);
  if (at == claims_.end()) {
    if (!make_room(claim.vip, held, now)) {
      ++uncounted_;
      return false;
    }
    at = claims_.emplace(key, Claimed{now, now, std::nullopt, 0}).first;
    ++held.claims;
  } else {
    by_age_.erase({at->second.droppable(), key});
  }
  Claimed& c = at->second;
  if (now - c.last > kForgetAfter) c.first = now;
  c.last = now;
  ++c.claims;
  const bool has_lasted = now - c.first >= kPersist;
  const bool is_told_now = has_lasted && (!c.told || now - *c.told >= kAgain);
  if (is_told_now) c.told = now;
  by_age_.emplace(c.droppable(), key);
  if (!has_lasted && c.first + kPersist < held.ask) ask_at(claim.vip, held, c.first + kPersist);
  return is_told_now;
}

bool ForeignClaims::make_room(const Ip& vip, const Held& held, TimePoint now) {
  auto victim = claims_.end();
  if (held.claims >= kMostOfVip) {
    for (auto at = claims_.lower_bound({vip, Mac{}}); at != claims_.end() && at->first.first == vip; ++at) {
      if (victim == claims_.end() || at->second.droppable() < victim->second.droppable()) victim = at;
    }
  } else if (claims_.size() >= kMost) {
    victim = claims_.find(by_age_.begin()->second);
  } else {
    return true;
  }
  if (victim->second.droppable() > now) return false;
  uncounted_ += victim->second.claims;
  drop(victim);
  return true;
}

void ForeignClaims::drop(Claims::iterator at) {
  by_age_.erase({at->second.droppable(), at->first});
  --vips_.find(at->first.first)->second.claims;
  claims_.erase(at);
}

void ForeignClaims::ask_at(const Ip& vip, Held& held, TimePoint when) {
  asks_.erase({held.ask, vip});
  held.ask = when;
  asks_.emplace(when, vip);
}

std::vector<Ip> ForeignClaims::due(TimePoint now) {
  std::vector<Ip> out;
  if (now < resume_) return out;
  while (!asks_.empty() && asks_.begin()->first <= now && out.size() < kAskAtOnce) {
    const Ip vip = asks_.begin()->second;
    out.push_back(vip);
    ask_at(vip, vips_.find(vip)->second, now + kAskEvery);
  }
  if (!out.empty()) resume_ = now + kAskStep;
  return out;
}

std::optional<TimePoint> ForeignClaims::next() const {
  if (asks_.empty()) return std::nullopt;
  return std::max(asks_.begin()->first, resume_);
}

std::vector<ForeignClaims::Count> ForeignClaims::counts() const {
  std::vector<Count> out;
  out.reserve(claims_.size());
  for (const auto& [key, c] : claims_) out.push_back({key.first, key.second, c.claims});
  return out;
}

}  // namespace fairlead::speaker
