#include "speaker/core/bgp_table.h"

#include <algorithm>
#include <tuple>

namespace fairlead::speaker {
namespace {

template <class T>
void unite(std::vector<T>& into, const std::vector<T>& from) {
  into.insert(into.end(), from.begin(), from.end());
  std::sort(into.begin(), into.end());
  into.erase(std::unique(into.begin(), into.end()), into.end());
}

bool agree(const bird::Attributes& a, const bird::Attributes& b) {
  return std::tie(a.local_pref, a.med, a.prepend) == std::tie(b.local_pref, b.med, b.prepend);
}

}  // namespace

void RouteTable::set_peers(std::map<std::string, std::uint32_t> peers) {
  if (peers == peers_) return;
  peers_ = std::move(peers);
  for (const auto& [prefix, route] : routes_) dirty_.insert(prefix);
}

void RouteTable::set(const kube::Name& service, std::vector<BgpWish> wishes) {
  const auto before = prefixes_.find(service);
  if (before == prefixes_.end() && wishes.empty()) return;
  std::vector<Prefix> now;
  for (BgpWish& w : wishes) {
    auto& mine = routes_[w.prefix].by_service[service];
    now.push_back(w.prefix);
    if (mine == w.by_peer) continue;
    mine = std::move(w.by_peer);
    dirty_.insert(w.prefix);
  }
  std::sort(now.begin(), now.end());
  if (before != prefixes_.end()) {
    for (const Prefix& p : before->second) {
      if (std::binary_search(now.begin(), now.end(), p)) continue;
      routes_.at(p).by_service.erase(service);
      dirty_.insert(p);
    }
  }
  if (now.empty()) {
    prefixes_.erase(service);
  } else {
    prefixes_[service] = std::move(now);
  }
}

bool RouteTable::covers(const kube::Name& service, const Ip& vip) const {
  const auto found = prefixes_.find(service);
  return found != prefixes_.end() &&
         std::any_of(found->second.begin(), found->second.end(), [&](const Prefix& p) { return p.contains(vip); });
}

void RouteTable::count(const bird::Attributes& set, int by) {
  const auto at = sets_.try_emplace(set, 0).first;
  at->second += by;
  if (at->second == 0) sets_.erase(at);
}

void RouteTable::render(const Prefix& prefix, Route& route) {
  for (const bird::Attributes& s : route.sets) count(s, -1);
  route.sets.clear();
  route.conflicts.clear();
  std::map<std::string, std::pair<kube::Name, bird::Attributes>> by_peer;
  for (const auto& [service, wish] : route.by_service) {
    for (const auto& [peer, attributes] : wish) {
      if (!peers_.contains(peer)) continue;
      const auto [at, is_new] = by_peer.try_emplace(peer, service, attributes);
      if (is_new) continue;
      if (!agree(at->second.second, attributes)) {
        route.conflicts.push_back({prefix, peer, at->second.first, service});
        continue;
      }
      unite(at->second.second.communities, attributes.communities);
      unite(at->second.second.large, attributes.large);
    }
  }
  std::vector<bird::Tag> tags;
  for (const auto& [peer, entry] : by_peer) {
    const bird::Attributes& attributes = entry.second;
    if (std::find(route.sets.begin(), route.sets.end(), attributes) == route.sets.end()) route.sets.push_back(attributes);
    tags.push_back({peers_.at(peer), attributes.number()});
  }
  if (by_peer.size() == peers_.size() && route.sets.size() == 1) tags = {{0, route.sets.front().number()}};
  for (const bird::Attributes& s : route.sets) count(s, 1);
  route.line = tags.empty() ? "" : bird::route_line(prefix, tags);
}

void RouteTable::refresh() {
  if (dirty_.empty()) return;
  ++version_;
  for (const Prefix& p : dirty_) {
    const auto found = routes_.find(p);
    if (found == routes_.end()) continue;
    render(p, found->second);
    if (found->second.conflicts.empty()) {
      disputed_.erase(p);
    } else {
      disputed_.insert(p);
    }
    if (found->second.by_service.empty()) routes_.erase(found);
  }
  dirty_.clear();
}

std::string RouteTable::text(Family family) {
  refresh();
  std::string out;
  for (const auto& [prefix, route] : routes_) {
    if (prefix.base.family() == family) out += route.line;
  }
  return out;
}

std::vector<bird::Attributes> RouteTable::sets() {
  refresh();
  std::vector<bird::Attributes> out;
  for (const auto& [set, count] : sets_) out.push_back(set);
  return out;
}

std::vector<RouteConflict> RouteTable::conflicts() {
  refresh();
  std::vector<RouteConflict> out;
  for (const Prefix& p : disputed_) {
    const auto& here = routes_.at(p).conflicts;
    out.insert(out.end(), here.begin(), here.end());
  }
  return out;
}

std::uint64_t RouteTable::version() {
  refresh();
  return version_;
}

}  // namespace fairlead::speaker
