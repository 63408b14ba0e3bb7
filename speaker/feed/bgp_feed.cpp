#include "speaker/feed/bgp_feed.h"

#include <algorithm>

#include "proto/api/annotations.h"
#include "proto/base/log.h"
#include "proto/bird/symbol.h"

namespace fairlead::speaker {
namespace {

using api::kExcludeLabel;

template <class T>
bool put(std::map<kube::Name, T>& map, const runtime::Change& change) {
  if (!change.object) return map.erase(change.key.name) != 0;
  const T& now = std::get<T>(*change.object);
  const auto [at, is_new] = map.try_emplace(change.key.name, now);
  if (is_new) return true;
  at->second = now;
  return true;
}

/// What decisions here look at in a Node.
bool is_same_for_us(const kube::Node& a, const kube::Node& b) {
  return a.meta.labels == b.meta.labels && a.internal_ips == b.internal_ips && a.network_unavailable == b.network_unavailable;
}

std::vector<Ip> first_of_each_family(const std::vector<Ip>& ips) {
  std::vector<Ip> out;
  for (const Ip& ip : ips) {
    if (std::none_of(out.begin(), out.end(), [&](const Ip& o) { return o.family() == ip.family(); })) out.push_back(ip);
  }
  return out;
}

}  // namespace

BgpFeed::BgpFeed(runtime::Loop& loop, BgpFeedOptions options, const Planner& planner, Handlers handlers)
    : loop_(loop),
      options_(std::move(options)),
      planner_(planner),
      handlers_(std::move(handlers)),
      drain_timer_(loop, [this] {
        is_draining_ = false;
        log::info("bgp_drained", {{"node", options_.node}});
        all_dirty_ = true;
        settle();
      }) {
  node_.name = options_.node;
  node_.listen_port = options_.listen_port;
  view_.node = options_.node;
}

void BgpFeed::note(const std::vector<runtime::Change>& changes) {
  for (const runtime::Change& c : changes) note(c);
}

void BgpFeed::note(const runtime::Change& change) {
  const kube::Name& name = change.key.name;
  switch (change.key.kind) {
    case api::Kind::service: dirty_.insert(name); break;
    case api::Kind::endpoint_slice: {
      if (const auto old = slice_service_.find(name); old != slice_service_.end()) dirty_.insert(old->second);
      if (change.object) {
        const auto& slice = std::get<kube::EndpointSlice>(*change.object);
        const kube::Name service{slice.meta.ns, slice.service};
        slice_service_[name] = service;
        dirty_.insert(service);
      } else {
        slice_service_.erase(name);
      }
      break;
    }
    case api::Kind::node: {
      const auto found = view_.nodes.find(name.name);
      if (!change.object) {
        if (found != view_.nodes.end()) view_.nodes.erase(found);
        all_dirty_ = true;
        break;
      }
      const auto& now = std::get<kube::Node>(*change.object);
      if (found == view_.nodes.end() || !is_same_for_us(found->second, now)) all_dirty_ = true;
      view_.nodes.insert_or_assign(name.name, now);
      break;
    }
    case api::Kind::ip_address_pool: all_dirty_ = put(view_.pools, change) || all_dirty_; break;
    case api::Kind::bgp_advertisement: all_dirty_ = put(objects_.advertisements, change) || all_dirty_; break;
    case api::Kind::bgp_peer: all_dirty_ = put(objects_.peers, change) || all_dirty_; break;
    case api::Kind::bfd_profile: all_dirty_ = put(objects_.profiles, change) || all_dirty_; break;
    case api::Kind::community: all_dirty_ = put(objects_.communities, change) || all_dirty_; break;
    case api::Kind::secret: all_dirty_ = put(objects_.secrets, change) || all_dirty_; break;
    default: break;
  }
}

void BgpFeed::set_links(std::vector<Ip> addresses, std::vector<Prefix> connected) {
  std::sort(connected.begin(), connected.end());
  addresses = first_of_each_family(addresses);
  if (addresses == node_.addresses && connected == node_.connected) return;
  node_.addresses = std::move(addresses);
  node_.connected = std::move(connected);
  all_dirty_ = true;
  settle();
}

void BgpFeed::set_bfd_built_in(bool is_built_in) {
  if (node_.has_bfd_built_in == is_built_in) return;
  node_.has_bfd_built_in = is_built_in;
  all_dirty_ = true;
  settle();
}

void BgpFeed::set_bfd_port_taken(bool is_taken) {
  if (node_.is_bfd_port_taken == is_taken) return;
  node_.is_bfd_port_taken = is_taken;
  all_dirty_ = true;
  settle();
}

void BgpFeed::set_refusals(const std::vector<std::pair<std::string, std::string>>& refusals) {
  refusals_ = refusals;
  tell_problems();
}

void BgpFeed::synced() {
  is_synced_ = true;
  settle();
}

std::vector<std::string> BgpFeed::peers_of(const kube::Name& service) const {
  const auto found = services_.find(service);
  return found == services_.end() ? std::vector<std::string>() : found->second.peers;
}

void BgpFeed::each_announced(const std::function<void(const kube::Name&, const Ip&)>& visit) const {
  for (const auto& [name, told] : services_) {
    const auto service = planner_.services().find(name);
    if (told.peers.empty() || service == planner_.services().end()) continue;
    for (const kube::Ingress& ingress : service->second.ingress) {
      if (ingress.ip && ingress.is_vip && table_.covers(name, *ingress.ip)) visit(name, *ingress.ip);
    }
  }
}

void BgpFeed::refresh_drain() {
  const auto self = view_.nodes.find(options_.node);
  const bool is_excluded = self != view_.nodes.end() && self->second.meta.labels.contains(kExcludeLabel);
  if (is_excluded == is_excluded_) return;
  is_excluded_ = is_excluded;
  // Only who announces has something to drain.
  is_draining_ = is_excluded && table_.size() != 0;
  if (is_draining_) {
    log::info("bgp_draining", {{"node", options_.node}, {"reason", "node_excluded"}});
    drain_timer_.arm(options_.drain);
  } else {
    drain_timer_.cancel();
  }
}

void BgpFeed::refresh_peers() {
  // A plain host with a folder of Services: nobody wrote a Node object, so this node is the cluster.
  const bool is_alone = view_.nodes.empty();
  if (is_alone) view_.nodes[options_.node].meta.name = options_.node;
  BgpNode node = node_;
  node.labels = {};
  if (const auto self = view_.nodes.find(options_.node); self != view_.nodes.end()) {
    node.labels = self->second.meta.labels;
    if (!self->second.internal_ips.empty()) node.addresses = first_of_each_family(self->second.internal_ips);
  }
  if (is_alone) view_.nodes.clear();
  decision_ = decide_peers(objects_, node);
  symbols_ = decision_.selected;
  view_.peers.clear();
  for (const auto& [symbol, name] : decision_.selected) view_.peers[name.name] = bird::stable_number(name.name);
  table_.set_peers(view_.peers);

  const AdsDecision ads = decide_ads(objects_);
  ad_problems_ = ads.problems;
  std::erase_if(good_objects_, [&](const auto& entry) { return !objects_.advertisements.contains(entry.first); });
  std::erase_if(good_attributes_, [&](const auto& entry) { return !objects_.advertisements.contains(entry.first); });
  for (const BgpAd& ad : ads.ads) {
    good_objects_.insert_or_assign(ad.name, *ad.object);
    good_attributes_.insert_or_assign(ad.name, ad.attributes);
  }
  view_.ads.clear();
  for (const auto& [name, object] : good_objects_) view_.ads.push_back({name, &object, good_attributes_.at(name)});
}

void BgpFeed::refresh_service(const kube::Name& name) {
  const auto service = planner_.services().find(name);
  std::vector<BgpWish> wishes;
  Told now;
  bool is_balancer = false;
  if (service != planner_.services().end()) {
    std::set<std::string> peers;
    for (BgpAnnouncement& a : bgp_announcements(service->second, planner_.slices_of(name), view_)) {
      is_balancer = true;
      if (a.reason != BgpReason::announced) now.reason = a.reason;
      if (now.conflict.empty()) now.conflict = std::move(a.conflict);
      for (BgpWish& w : a.wishes) {
        for (const auto& [peer, attributes] : w.by_peer) peers.insert(peer);
        wishes.push_back(std::move(w));
      }
    }
    now.peers.assign(peers.begin(), peers.end());
  }
  const bool is_specific = std::any_of(wishes.begin(), wishes.end(), [](const BgpWish& w) { return w.is_beside_aggregate; });
  table_.set(name, std::move(wishes));
  const auto before = services_.find(name);
  if (before == services_.end() ? !is_balancer : before->second == now && is_balancer) return;
  if (is_balancer && now.reason != BgpReason::announced) {
    log::info("bgp_not_announced", {{"service", name.str()}, {"reason", fairlead::speaker::name(now.reason)}});
  } else if (is_specific) {
    log::info("bgp_specific_beside_aggregate", {{"service", name.str()}, {"reason", "externalTrafficPolicy Local: other nodes of the aggregate may have no endpoint"}});
  }
  if (now.conflict.empty()) {
    disputed_.erase(name);
  } else {
    disputed_.insert(name);
  }
  const std::vector<std::string> old = before == services_.end() ? std::vector<std::string>() : before->second.peers;
  const std::vector<std::string> peers = now.peers;
  if (is_balancer) {
    services_.insert_or_assign(name, std::move(now));
  } else {
    services_.erase(name);
  }
  if (old != peers && handlers_.announced) handlers_.announced(name, peers);
}

void BgpFeed::settle() {
  if (!is_synced_ || (!all_dirty_ && dirty_.empty())) return;
  refresh_drain();
  if (all_dirty_) {
    refresh_peers();
    for (const auto& [name, service] : planner_.services()) dirty_.insert(name);
    for (const auto& [name, told] : services_) dirty_.insert(name);
  }
  view_.is_draining = is_draining_;
  const bool is_alone = view_.nodes.empty();
  if (is_alone) view_.nodes[options_.node].meta.name = options_.node;
  for (const kube::Name& name : dirty_) refresh_service(name);
  const bool is_other_conflict = refresh_conflicts();
  if (is_alone) view_.nodes.clear();
  const bool was_all = all_dirty_;
  dirty_.clear();
  all_dirty_ = false;
  if (was_all || is_other_conflict) tell_problems();
  if (!was_all && last_ && table_.version() == last_version_) return;
  last_version_ = table_.version();
  BgpWant now = want();
  if (last_ && *last_ == now) return;
  last_ = now;
  handlers_.want(std::move(now));
}

BgpWant BgpFeed::want() {
  BgpWant out;
  BgpNode node = node_;
  if (const auto self = view_.nodes.find(options_.node); self != view_.nodes.end() && !self->second.internal_ips.empty()) {
    node.addresses = self->second.internal_ips;
  }
  out.router_id = router_id(node);
  for (const auto& [name, peer] : decision_.peers) out.peers.emplace(peer.symbol, peer);
  for (const auto& [symbol, name] : decision_.selected) {
    if (!out.peers.contains(symbol)) out.keep.insert(symbol);
  }
  out.tellings = table_.tellings();
  out.routes4 = table_.text(Family::v4);
  out.routes6 = table_.text(Family::v6);
  out.is_draining = is_draining_;
  return out;
}

bool BgpFeed::refresh_conflicts() {
  std::map<kube::Name, std::string> now;
  for (const RouteConflict& c : table_.conflicts()) {
    const auto ads_of = [&](const kube::Name& service) {
      std::string out;
      const auto found = planner_.services().find(service);
      if (found == planner_.services().end()) return out;
      for (const kube::Name& ad : advertisements_of(found->second, c.prefix, c.peer, view_)) out += (out.empty() ? "" : ", ") + ad.name;
      return out;
    };
    now.try_emplace(c.loser, "BGPAdvertisement " + ads_of(c.loser) + " gives " + c.prefix.str() + " another localPref, med or asPathPrepend for peer " +
                                 c.peer + " than " + ads_of(c.winner) + " does for Service " + c.winner.str() +
                                 ", whose values are announced: make them equal, or part them by aggregationLength, peers or nodeSelectors");
  }
  for (const kube::Name& name : disputed_) {
    const auto found = services_.find(name);
    if (found != services_.end()) now[name] = found->second.conflict;
  }
  if (now == conflicts_) return false;
  conflicts_ = std::move(now);
  return true;
}

void BgpFeed::tell_problems() {
  std::map<api::Key, std::pair<std::string, std::string>> now;
  for (const PeerProblem& p : decision_.problems) now[{api::Kind::bgp_peer, p.peer}] = {std::string(name(p.fault)), p.what};
  for (const auto& [service, sentence] : conflicts_) now[{api::Kind::service, service}] = {std::string(kConflict), sentence};
  for (const AdProblem& p : ad_problems_) now[{api::Kind::bgp_advertisement, p.ad}] = {p.reason, p.what};
  for (const auto& [symbol, words] : refusals_) {
    const auto found = symbols_.find(symbol);
    if (found != symbols_.end()) now[{api::Kind::bgp_peer, found->second}] = {std::string(name(PeerFault::refused_by_bird)), words};
  }
  for (const auto& [key, problem] : now) {
    const auto found = told_.find(key);
    if (found == told_.end() || found->second != problem) handlers_.told(key, problem.first, problem.second);
  }
  for (const auto& [key, problem] : told_) {
    if (!now.contains(key)) handlers_.told(key, "", "");
  }
  told_ = std::move(now);
}

}  // namespace fairlead::speaker
