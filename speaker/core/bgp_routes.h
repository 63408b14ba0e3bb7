#pragma once
/// What this node announces by BGP: Services to (prefix, peers, attributes), and why not. Pure; reference MetalLB 4.1, 4.2.
///
/// An aggregate draws traffic for every address in it to every node that announces it, and a node without an endpoint of
/// a Service with externalTrafficPolicy Local would drop it. So beside an aggregate such a Service's own address is
/// announced as well, by the nodes that have endpoints: the longer prefix wins.
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/bird/config_text.h"
#include "speaker/core/bgp_peers.h"

namespace fairlead::speaker {

/// Why a VIP is announced or not. The names of MetalLB where it has one.
enum class BgpReason {
  announced,
  not_in_a_pool,
  is_node_address,
  no_matching_advertisement,  // no BGPAdvertisement selects pool and Service
  not_owner,                  // some do, but none of them this node
  conflicting_advertisements,  // two that give one prefix and one peer different localPref, med or asPathPrepend
  node_network_unavailable,
  node_excluded,              // label node.kubernetes.io/exclude-from-external-load-balancers
  no_local_endpoints,
  no_endpoints,
  no_peer,                    // no session of this node is to be told
};
std::string_view name(BgpReason reason);

/// An advertisement with its texts read.
struct BgpAd {
  kube::Name name;
  const api::BGPAdvertisement* object = nullptr;
  bird::Attributes attributes;
};

struct AdProblem {
  kube::Name ad;
  std::string reason;  // unknown_community, too_many_communities
  std::string what;
  bool operator==(const AdProblem&) const = default;
};

struct AdsDecision {
  std::vector<BgpAd> ads;  // by name
  std::vector<AdProblem> problems;
};
/// Aliases resolved, values checked. `objects` has to outlive the answer.
AdsDecision decide_ads(const BgpObjects& objects);

/// What the decision about one Service is made of, beside it.
struct BgpView {
  std::map<kube::Name, api::IPAddressPool> pools;
  std::map<std::string, kube::Node> nodes;
  std::vector<BgpAd> ads;
  std::map<std::string, std::uint32_t> peers;  // name -> its number: the sessions of this node
  std::string node;
  bool is_draining = false;  // the node is excluded, and still announces for a moment
};

struct BgpWish {
  Prefix prefix;
  std::map<std::string, bird::Attributes> by_peer;
  bool is_beside_aggregate = false;
  bool operator==(const BgpWish&) const = default;
};

struct BgpAnnouncement {
  Ip vip;
  BgpReason reason = BgpReason::announced;
  std::vector<BgpWish> wishes;  // by prefix
  std::string conflict;         // of conflicting_advertisements: which ones, of what; a sentence
  bool operator==(const BgpAnnouncement&) const = default;
};

/// One answer for each address of status.loadBalancer.ingress; nothing for Services that are no LoadBalancer.
std::vector<BgpAnnouncement> bgp_announcements(const kube::Service& service, std::span<const kube::EndpointSlice* const> slices,
                                               const BgpView& view);

/// By which advertisements the peer is told of the prefix for this Service: for telling of a conflict, so not kept.
std::vector<kube::Name> advertisements_of(const kube::Service& service, const Prefix& prefix, const std::string& peer,
                                          const BgpView& view);

}  // namespace fairlead::speaker
