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

void RouteTable::count(const bird::Telling& telling, int by) {
  if (telling.by_peer.empty()) return;
  const auto at = tellings_.try_emplace(telling, 0).first;
  at->second += by;
  if (at->second == 0) tellings_.erase(at);
}

void RouteTable::render(const Prefix& prefix, Route& route) {
  count(route.telling, -1);
  route.telling = {};
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
  auto& told = route.telling.by_peer;
  for (const auto& [peer, entry] : by_peer) told.emplace(peers_.at(peer), entry.second);
  const auto is_as_the_first = [&](const auto& entry) { return entry.second == told.begin()->second; };
  // So that peers may come and go without a new number for each route.
  if (!told.empty() && told.size() == peers_.size() && std::all_of(told.begin(), told.end(), is_as_the_first)) told = {{0, told.begin()->second}};
  count(route.telling, 1);
  route.line = told.empty() ? "" : bird::route_line(prefix, route.telling);
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

std::vector<bird::Telling> RouteTable::tellings() {
  refresh();
  std::vector<bird::Telling> out;
  for (const auto& [telling, count] : tellings_) out.push_back(telling);
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
