#pragma once
/// Which BGP sessions this node runs, and with which options: BGPPeers, BFDProfiles and Secrets to bird::Peer. Pure.
///
/// Peers are judged one by one: a bad one is told and does not touch the others. Options without a field of their own are
/// annotations of the BGPPeer (kTtlSecurity, ...).
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "proto/api/objects.h"
#include "proto/bird/config_text.h"

namespace fairlead::speaker {

/// Why a peer is not run as its object says. Also a reason in Events and in the log.
enum class PeerFault {
  my_asn,             // 0
  remote_asn,         // neither or both of peerASN and dynamicASN
  remote_address,     // neither or both of peerAddress and interface; an address that needs an interface
  interface_name,     // of no interface
  vrf_name,
  source_address,     // of the other family
  router_id,          // not IPv4
  hold_time,          // neither 0 nor 3 s to 65535 s
  keepalive_time,     // more than the hold time
  connect_time,       // not 1 s to 65535 s
  multihop_internal,  // ebgpMultiHop towards our own AS
  multihop_unnumbered,
  ttl_security,       // with multihop
  two_passwords,      // password and passwordSecret
  password_text,      // what BIRD or the kernel cannot take
  secret_missing,
  secret_type,
  secret_empty,       // no key "password"
  profile_missing,
  bfd_echo,           // BIRD has no echo mode
  bfd_minimum_ttl,    // BIRD has no such setting
  bfd_not_built,      // this BIRD was built without BFD
  bfd_needs_source,   // a multihop session with BFD, and no address of ours is known in its family
  bfd_port_taken,     // another program of this node does BFD; the session runs without
  duplicate_peer,     // the same router twice on this node
  annotation,         // neither "true" nor "false"
  refused_by_bird,    // what BIRD said is in the sentence
};
std::string_view name(PeerFault fault);

struct PeerProblem {
  kube::Name peer;
  PeerFault fault = PeerFault::my_asn;
  std::string what;  // "spec.holdTime: 2s is neither 0 nor ...: write ..."; never holds a password
  bool operator==(const PeerProblem&) const = default;
};

inline constexpr std::string_view kTtlSecurity = "ttl-security";   // "true": RFC 5082, packets from further away are dropped
inline constexpr std::string_view kPassive = "passive";            // "true": the router connects, this side never does
inline constexpr std::string_view kBfdGraceful = "bfd-graceful";   // "true": a BFD failure starts graceful restart

struct BgpObjects {
  std::map<kube::Name, api::BGPPeer> peers;
  std::map<kube::Name, api::BFDProfile> profiles;
  std::map<kube::Name, api::Community> communities;
  std::map<kube::Name, api::BGPAdvertisement> advertisements;
  std::map<kube::Name, kube::Secret> secrets;
};

struct BgpNode {
  std::string name;
  kube::Labels labels;
  std::vector<Ip> addresses;      // the node's own, best first
  std::vector<Prefix> connected;  // networks on its links
  std::uint16_t listen_port = bird::kBgpPort;
  bool has_bfd_built_in = true;
  bool is_bfd_port_taken = false;  // by another program: core/bfd_port.h
  bool operator==(const BgpNode&) const = default;
};

struct PeersDecision {
  std::map<std::string, bird::Peer> peers;  // by the BGPPeer's name: those that are well said, or run with less
  std::vector<PeerProblem> problems;
  bool wants_bfd = false;                   // some peer does
  /// Symbols of all peers that select this node, the bad ones among them: what runs of those may go on.
  std::map<std::string, kube::Name> selected;
};
PeersDecision decide_peers(const BgpObjects& objects, const BgpNode& node);

/// The router id: an IPv4 address of the node, else made of its name.
Ip4 router_id(const BgpNode& node);

}  // namespace fairlead::speaker
