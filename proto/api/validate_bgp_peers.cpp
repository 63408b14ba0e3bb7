/// BGPPeers: what is wrong with one, with the Secret that it names, and with two on one node.
#include "proto/api/validate_bgp_common.h"

namespace fairlead::api {
namespace {

constexpr std::int64_t kMostSeconds = 65535;   // two octets on the wire
constexpr std::size_t kMostOfPassword = 80;    // TCP_MD5SIG_MAXKEYLEN
using std::chrono::seconds;

std::int64_t whole_seconds(Duration d) { return std::chrono::duration_cast<seconds>(d).count(); }
std::string shown(Duration d) {
  const std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

void check_timers(Findings& findings, const BGPPeer& peer, const Rules& rules) {
  if (peer.hold_time || peer.keepalive_time) {
    // One that is given decides the other: a third, or three times as much.
    const Duration hold = peer.hold_time ? *peer.hold_time : *peer.keepalive_time * 3;
    const Duration keepalive = peer.keepalive_time ? *peer.keepalive_time : hold / 3;
    const std::int64_t whole = whole_seconds(hold);
    const std::string which = peer.hold_time ? "spec.holdTime" : "spec.keepaliveTime";
    if (whole < 0 || (whole > 0 && whole < 3)) {
      findings.error(which, Rule::hold_time,
                     "a hold time of " + shown(hold) + " is too short: RFC 4271 wants 0 (no timers) or 3 seconds at least");
    } else if (whole > kMostSeconds) {
      unsupported(findings, rules, which, Rule::hold_time, "a hold time of " + shown(hold) + " does not fit: 65535s is the most");
    }
    if (peer.keepalive_time && (keepalive > hold || keepalive < Duration(0))) {
      findings.error("spec.keepaliveTime", Rule::keepalive_time,
                     shown(keepalive) + " is more than the hold time of " + shown(hold) +
                         " or less than 0: a third of the hold time is usual");
    }
  }
  if (!peer.connect_time) return;
  const std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(*peer.connect_time).count();
  if (ms < 1000 || ms / 1000 > kMostSeconds || ms % 1000 != 0) {
    findings.error("spec.connectTime", Rule::connect_time, shown(*peer.connect_time) + " is not a whole number of seconds from 1s to 65535s");
  }
}

void check_text(Findings& findings, const std::string& field, std::string_view text, std::string_view what) {
  const bool is_bad = std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!is_bad) return;
  findings.error(field, Rule::forbidden_character, std::string(what) + " holds a line break or another control character: remove it");
}

/// Never names the password itself.
void check_password(Findings& findings, const Rules& rules, const std::string& field, const std::string& password) {
  check_text(findings, field, password, "the password");
  if (password.find('"') != std::string::npos) {
    unsupported(findings, rules, field, Rule::forbidden_character, "the password holds '\"', which BIRD's text has no way to write: choose another");
  }
  if (password.size() > kMostOfPassword) {
    unsupported(findings, rules, field, Rule::unsupported, "the password is longer than the 80 octets that TCP MD5 takes: choose a shorter one");
  }
}

void check_secret(Findings& findings, const BGPPeer& peer, const ConfigSet& set, const Rules& rules) {
  if (!peer.password_secret) return;
  const std::string field = "spec.passwordSecret";
  if (!peer.password.empty()) {
    findings.error(field, Rule::password_choice, "is there beside spec.password: leave one of the two out");
  }
  const Key wanted{Kind::secret, {peer.meta.ns, peer.password_secret->name}};
  const auto found = std::find_if(set.secrets.begin(), set.secrets.end(),
                                  [&](const kube::Secret& s) { return key_of(Kind::secret, s) == wanted; });
  if (found == set.secrets.end()) {
    if (set.refused.contains(wanted)) return;
    findings.transient(field, Rule::no_such_secret, "there is no " + wanted.str() + ": create it beside the peer", {wanted});
    return;
  }
  if (found->type != kube::kBasicAuth) {
    findings.error(field, Rule::secret_type,
                   wanted.str() + " is of type \"" + found->type + "\": it must be kubernetes.io/basic-auth", {wanted});
  } else if (!found->password) {
    findings.error(field, Rule::secret_key, wanted.str() + " has no key \"password\": put the password there", {wanted});
  } else {
    check_password(findings, rules, field, *found->password);
  }
}

void check_peer(Findings& findings, const BGPPeer& peer, const ConfigSet& set, const Rules& rules) {
  if (peer.my_asn == 0) findings.error("spec.myASN", Rule::no_local_asn, "0 is no AS number: write that of this side");
  if (peer.peer_asn == 0 && !peer.dynamic_asn) {
    findings.error("spec.peerASN", Rule::peer_asn_choice, "is missing: write the AS number of the router, or dynamicASN");
  } else if (peer.peer_asn != 0 && peer.dynamic_asn) {
    findings.error("spec.dynamicASN", Rule::peer_asn_choice, "is there beside spec.peerASN: leave one of the two out");
  }
  if (peer.ebgp_multihop && peer.my_asn != 0 && peer.peer_asn == peer.my_asn) {
    findings.error("spec.ebgpMultiHop", Rule::multihop_in_own_as,
                   "is for a peer of another AS, and this one is in " + std::to_string(peer.my_asn) + " like us: leave it out");
  }
  if (!peer.peer_address && peer.interface.empty()) {
    findings.error("spec.peerAddress", Rule::peer_address_choice, "is missing: write the address of the router, or an interface");
  } else if (peer.peer_address && !peer.interface.empty()) {
    findings.error("spec.interface", Rule::peer_address_choice, "is there beside spec.peerAddress: leave one of the two out");
  }
  check_timers(findings, peer, rules);
  check_text(findings, "spec.interface", peer.interface, "the name");
  check_text(findings, "spec.vrf", peer.vrf, "the name");
  check_password(findings, rules, "spec.password", peer.password);
  check_secret(findings, peer, set, rules);
  check_selectors(findings, "spec.nodeSelectors", peer.node_selectors);
  if (peer.router_id && !peer.router_id->is4()) {
    unsupported(findings, rules, "spec.routerID", Rule::unsupported, peer.router_id->str() + " is an IPv6 address: a router id is written like an IPv4 address");
  }
  if (!peer.bfd_profile.empty() && find(set.profiles, peer.bfd_profile) == nullptr &&
      !is_refused(set, Kind::bfd_profile, peer.bfd_profile)) {
    findings.transient("spec.bfdProfile", Rule::no_such_bfd_profile,
                       "there is no BFDProfile \"" + peer.bfd_profile + "\": create it, or leave the field out");
  }
  if (peer.disable_mp && rules.bgp != BgpType::native) {
    findings.warning("spec.disableMP", Rule::deprecated, "has no effect any more: dualStackAddressFamily says which families a session carries");
  }
}

void check_pair(Findings& findings, const BGPPeer& a, const BGPPeer& b, const Rules& rules, Told& told) {
  const auto tell = [&](const std::string& field, Rule rule, const std::string& what) {
    for (const auto& [of, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
      if (!told.emplace(of, rule).second) continue;
      const Key key = key_of(Kind::bgp_peer, *other);
      findings.look_at(Kind::bgp_peer, *of);
      findings.error(field, rule, what + " (the other is " + key.str() + ")", {key});
    }
  };
  const bool is_same_vrf = a.vrf == b.vrf;
  const bool has_end = a.peer_address || !a.interface.empty();
  if (has_end && is_same_vrf && a.peer_address == b.peer_address && a.interface == b.interface) {
    tell(a.interface.empty() ? "spec.peerAddress" : "spec.interface", Rule::peer_conflict,
         "two peers lead to the same router from one node: remove one, or give them nodeSelectors that exclude each other");
  }
  if (rules.bgp == BgpType::bird) return;  // each session of BIRD has its own AS and router id
  if (a.router_id != b.router_id) {
    tell("spec.routerID", Rule::router_id_conflict, "differs between two peers of one node: FRR has one router id, write the same at both");
  }
  if (is_same_vrf && a.my_asn != b.my_asn) {
    tell("spec.myASN", Rule::local_asn_conflict, "differs between two peers of one node and VRF: FRR has one AS, use localASN at one");
  }
}

}  // namespace

void check_bgp_peers(Findings& findings, const ConfigSet& set, const Rules& rules) {
  check_names(findings, Kind::bgp_peer, set.peers);
  for (const BGPPeer& peer : set.peers) {
    findings.look_at(Kind::bgp_peer, peer);
    check_peer(findings, peer, set, rules);
  }
}

void check_bgp_peer_pairs(Findings& findings, const ConfigSet& set, const Rules& rules) {
  Told told;
  Selected selected(set.peers, set.nodes);
  for (auto a = set.peers.begin(); a != set.peers.end(); ++a) {
    for (auto b = set.peers.begin(); b != a; ++b) {
      if (!is_same_object(*a, *b) && (set.nodes.empty() || selected.share_one(*a, *b))) check_pair(findings, *b, *a, rules, told);
    }
  }
}

}  // namespace fairlead::api
