#include "speaker/core/bgp_peers.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <tuple>

#include "proto/bird/symbol.h"
#include "proto/match/selector.h"

namespace fairlead::speaker {
namespace {

using std::chrono::seconds;
constexpr seconds kLongest{65535};  // 16 bits on the wire
constexpr std::size_t kMaxPassword = 80;  // TCP_MD5SIG_MAXKEYLEN
constexpr std::string_view kAnnotationPrefixes[] = {"fairlead.io/", "metallb.io/", "metallb.universe.tf/"};

/// IFNAMSIZ without its end, and nothing that could end a string or a word of the configuration.
bool is_interface_name(std::string_view text) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '@';
  };
  return !text.empty() && text.size() <= 15 && std::all_of(text.begin(), text.end(), is_good);
}

bool is_link_local(const Ip& ip) {
  return !ip.is4() && ip.v6().octets[0] == 0xfe && (ip.v6().octets[1] & 0xc0) == 0x80;
}

std::string seconds_text(Duration d) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

/// Judges one peer: fills `out` in, or says the first thing that is wrong.
class Judge {
 public:
  Judge(const kube::Name& name, const api::BGPPeer& peer, const BgpObjects& objects, const BgpNode& node)
      : name_(name), peer_(peer), objects_(objects), node_(node) {}

  std::optional<PeerProblem> problem;
  std::optional<PeerProblem> lack;  // of what it runs without
  bird::Peer out;
  bool wants_bfd = false;

  void run() {
    out.symbol = bird::symbol(bird::kPeerPrefix, name_.name);
    out.number = bird::stable_number(name_.name);
    out.description = "BGPPeer " + out.symbol.substr(bird::kPeerPrefix.size());
    out.listen_port = node_.listen_port;
    read_ends();
    read_timers();
    read_hops();
    read_password();
    read_bfd();
    read_families();
  }

 private:
  void refuse(PeerFault fault, std::string what) {
    if (!problem) problem = PeerProblem{name_, fault, std::move(what)};
  }

  bool flag(std::string_view key) {
    for (const std::string_view prefix : kAnnotationPrefixes) {
      const std::string full = std::string(prefix) + std::string(key);
      const auto found = peer_.meta.annotations.find(full);
      if (found == peer_.meta.annotations.end()) continue;
      if (found->second == "true") return true;
      if (found->second != "false") {
        refuse(PeerFault::annotation, "metadata.annotations[" + full + "]: write \"true\" or \"false\"");
      }
      return false;
    }
    return false;
  }

  void read_ends() {
    if (peer_.my_asn == 0) refuse(PeerFault::my_asn, "spec.myASN: 0 is reserved: write the AS number of the nodes");
    out.local_as = peer_.local_asn != 0 ? peer_.local_asn : peer_.my_asn;
    if ((peer_.peer_asn != 0) == peer_.dynamic_asn.has_value()) {
      refuse(PeerFault::remote_asn, "spec.peerASN: write exactly one of peerASN and dynamicASN");
    }
    if (peer_.dynamic_asn) {
      out.remote_as = *peer_.dynamic_asn == api::BGPPeer::DynamicAsn::internal ? bird::Peer::Remote::internal : bird::Peer::Remote::external;
    } else {
      out.remote_as = peer_.peer_asn;
    }
    if (peer_.peer_address.has_value() == !peer_.interface.empty()) {
      refuse(PeerFault::remote_address, "spec.peerAddress: write exactly one of peerAddress and interface");
    }
    out.address = peer_.peer_address;
    if (out.address && (is_link_local(*out.address) || out.address->is_unspecified())) {
      refuse(PeerFault::remote_address,
             "spec.peerAddress: " + out.address->str() + " says nothing without an interface: write interface, or a global address");
    }
    out.interface = peer_.interface;
    if (!out.interface.empty() && !is_interface_name(out.interface)) {
      refuse(PeerFault::interface_name, "spec.interface: that is no name of an interface (up to 15 of a-z A-Z 0-9 _ - . @)");
    }
    out.vrf = peer_.vrf;
    if (!out.vrf.empty() && !is_interface_name(out.vrf)) {
      refuse(PeerFault::vrf_name, "spec.vrf: that is no name of a VRF (up to 15 of a-z A-Z 0-9 _ - . @)");
    }
    out.source = peer_.source_address;
    if (out.source && out.address && out.source->family() != out.address->family()) {
      refuse(PeerFault::source_address, "spec.sourceAddress: " + out.source->str() + " is not of the family of peerAddress: write one that is");
    }
    if (peer_.router_id) {
      if (peer_.router_id->is4()) {
        out.router_id = peer_.router_id->v4();
      } else {
        refuse(PeerFault::router_id, "spec.routerID: " + peer_.router_id->str() + " is not IPv4: a router id is written like 10.0.0.1");
      }
    }
    out.port = peer_.peer_port;
    out.is_passive = flag(kPassive);
    out.has_graceful_restart = peer_.graceful_restart;
  }

  static seconds whole(Duration d) { return std::chrono::duration_cast<seconds>(d); }

  void read_timers() {
    if (peer_.hold_time) out.hold = whole(*peer_.hold_time);
    if (peer_.keepalive_time) out.keepalive = whole(*peer_.keepalive_time);
    if (peer_.hold_time && !peer_.keepalive_time) out.keepalive = std::max(out.hold / 3, seconds(1));
    if (peer_.keepalive_time && !peer_.hold_time) out.hold = out.keepalive * 3;
    if (out.hold.count() != 0 && (out.hold < seconds(3) || out.hold > kLongest)) {
      refuse(PeerFault::hold_time, "spec.holdTime: " + seconds_text(out.hold) + " is neither 0 nor 3s to 65535s");
    }
    if (out.keepalive.count() < 0 || out.keepalive > out.hold) {
      refuse(PeerFault::keepalive_time, "spec.keepaliveTime: " + seconds_text(out.keepalive) + " is more than the hold time, " +
                                            seconds_text(out.hold) + ": write a third of it");
    }
    // BIRD knows no "no keepalives" but that of hold time 0.
    if (out.hold.count() != 0 && out.keepalive.count() == 0) {
      refuse(PeerFault::keepalive_time, "spec.keepaliveTime: less than 1s: write a third of the hold time");
    }
    if (peer_.connect_time) {
      out.connect_retry = whole(*peer_.connect_time);
      if (out.connect_retry->count() < 1 || *out.connect_retry > kLongest) {
        refuse(PeerFault::connect_time, "spec.connectTime: " + seconds_text(*peer_.connect_time) + " is not 1s to 65535s");
      }
    }
  }

  void read_hops() {
    const bool is_internal = out.is_internal();
    if (peer_.ebgp_multihop && is_internal) {
      refuse(PeerFault::multihop_internal, "spec.ebgpMultiHop: the peer is of our own AS, where any distance is allowed: leave it out");
    }
    if (peer_.ebgp_multihop && !out.address) {
      refuse(PeerFault::multihop_unnumbered, "spec.ebgpMultiHop: a peer on an interface is one hop away: leave it out");
    }
    out.is_ttl_checked = flag(kTtlSecurity);
    if (out.is_ttl_checked && peer_.ebgp_multihop) {
      refuse(PeerFault::ttl_security, "metadata.annotations[fairlead.io/ttl-security]: only for routers one hop away: leave out ebgpMultiHop");
    }
    if (!out.address) return;
    const bool is_connected = std::any_of(node_.connected.begin(), node_.connected.end(), [&](const Prefix& p) { return p.contains(*out.address); });
    // Within an AS any distance is fine; but BFD on one link and BFD over several are two protocols.
    const bool is_one_hop = is_internal ? is_connected && (!peer_.bfd_profile.empty() || out.is_ttl_checked) : !peer_.ebgp_multihop;
    out.hops = is_one_hop ? bird::Peer::Hops::direct : bird::Peer::Hops::multihop;
  }

  void read_password() {
    std::string text = peer_.password;
    std::string field = "spec.password";
    if (peer_.password_secret) {
      field = "spec.passwordSecret";
      const std::string& secret_name = peer_.password_secret->name;
      if (!text.empty()) refuse(PeerFault::two_passwords, "spec.password: write one of password and passwordSecret");
      const auto found = objects_.secrets.find({name_.ns, secret_name});
      if (found == objects_.secrets.end()) {
        refuse(PeerFault::secret_missing, field + ": there is no Secret " + secret_name + " in " + name_.ns);
        return;
      }
      if (found->second.type != kube::kBasicAuth) {
        refuse(PeerFault::secret_type, field + ": Secret " + secret_name + " is not of type kubernetes.io/basic-auth");
        return;
      }
      if (!found->second.password || found->second.password->empty()) {
        refuse(PeerFault::secret_empty, field + ": Secret " + secret_name + " has no key \"password\"");
        return;
      }
      text = *found->second.password;
    }
    if (text.empty()) return;
    // The kernel's key has this length; BIRD's strings have no escape.
    if (text.size() > kMaxPassword || !bird::is_string(text)) {
      refuse(PeerFault::password_text, field + ": a password has up to 80 octets, and neither a quotation mark nor a control character");
      return;
    }
    out.password = std::move(text);
  }

  void read_bfd() {
    const bool is_graceful = flag(kBfdGraceful);
    if (peer_.bfd_profile.empty()) return;
    const auto found = std::find_if(objects_.profiles.begin(), objects_.profiles.end(),
                                    [&](const auto& entry) { return entry.first == kube::Name{name_.ns, peer_.bfd_profile}; });
    if (found == objects_.profiles.end()) {
      refuse(PeerFault::profile_missing, "spec.bfdProfile: there is no BFDProfile " + peer_.bfd_profile + " in " + name_.ns);
      return;
    }
    const api::BFDProfile& profile = found->second;
    const std::string who = "spec.bfdProfile: BFDProfile " + peer_.bfd_profile;
    if (profile.echo_mode) refuse(PeerFault::bfd_echo, who + " asks for echo mode, which BIRD does not have: leave echoMode out");
    if (profile.minimum_ttl && *profile.minimum_ttl != 254 && out.hops == bird::Peer::Hops::multihop) {
      refuse(PeerFault::bfd_minimum_ttl, who + " sets minimumTtl, which BIRD does not have: leave it out");
    }
    if (!node_.has_bfd_built_in) refuse(PeerFault::bfd_not_built, who + ": this BIRD was built without BFD: use another, or leave bfdProfile out");
    bird::Bfd bfd;
    bfd.receive_ms = profile.receive_interval.value_or(bfd.receive_ms);
    bfd.transmit_ms = profile.transmit_interval.value_or(bfd.transmit_ms);
    bfd.multiplier = profile.detect_multiplier.value_or(bfd.multiplier);
    bfd.is_passive = profile.passive_mode;
    bfd.is_graceful = is_graceful;
    wants_bfd = true;
    if (node_.is_bfd_port_taken) {
      lack = PeerProblem{name_, PeerFault::bfd_port_taken,
                         who + ": another program on this node has BFD's UDP port 3784, a CNI's BIRD for instance, so the session runs without BFD: let "
                         "that BIRD include Fairlead's configuration (bgp.existingBird, --bird-include-only), or leave bfdProfile out"};
    } else {
      out.bfd = bfd;
    }
    if (out.hops != bird::Peer::Hops::multihop || !out.address || out.source) return;
    const auto own = std::find_if(node_.addresses.begin(), node_.addresses.end(), [&](const Ip& a) { return a.family() == out.address->family(); });
    if (own == node_.addresses.end()) {
      refuse(PeerFault::bfd_needs_source, "spec.sourceAddress: BFD over several hops needs it, as this node's own address is not known");
      return;
    }
    out.source = *own;
  }

  void read_families() {
    const bool is_both = !out.address || peer_.dual_stack_address_family;
    out.ipv4 = is_both || out.address->is4();
    out.ipv6 = is_both || !out.address->is4();
  }

  const kube::Name& name_;
  const api::BGPPeer& peer_;
  const BgpObjects& objects_;
  const BgpNode& node_;
};

/// Where a router is: the same one twice would be one connection too many.
using Place = std::tuple<std::string, std::optional<Ip>, std::string, std::uint16_t>;

}  // namespace

std::string_view name(PeerFault fault) {
  static constexpr std::array<std::string_view, 27> kNames = {
      "my_asn", "remote_asn", "remote_address", "interface_name", "vrf_name", "source_address", "router_id", "hold_time",
      "keepalive_time", "connect_time", "multihop_internal", "multihop_unnumbered", "ttl_security", "two_passwords",
      "password_text", "secret_missing", "secret_type", "secret_empty", "profile_missing", "bfd_echo", "bfd_minimum_ttl",
      "bfd_not_built", "bfd_needs_source", "bfd_port_taken", "duplicate_peer", "annotation", "refused_by_bird"};
  return kNames[static_cast<std::size_t>(fault)];
}

PeersDecision decide_peers(const BgpObjects& objects, const BgpNode& node) {
  PeersDecision out;
  std::map<Place, std::string> places;
  std::set<std::string> symbols;
  for (const auto& [name, peer] : objects.peers) {
    if (!match::any_matches(peer.node_selectors, node.labels, true)) continue;
    Judge judge(name, peer, objects, node);
    judge.run();
    const Place place{judge.out.vrf, judge.out.address, judge.out.interface, judge.out.port};
    const bool is_new_symbol = symbols.insert(judge.out.symbol).second;
    if (!judge.problem) {
      const auto [at, is_new] = places.try_emplace(place, name.name);
      if (!is_new || !is_new_symbol) {
        judge.problem = PeerProblem{name, PeerFault::duplicate_peer,
                                    "spec.peerAddress: BGPPeer " + (is_new ? name.name : at->second) + " is the same router: remove one of the two"};
      }
    }
    if (is_new_symbol) out.selected.emplace(judge.out.symbol, name);
    if (judge.problem) {
      out.problems.push_back(*std::move(judge.problem));
    } else {
      out.wants_bfd = out.wants_bfd || judge.wants_bfd;
      if (judge.lack) out.problems.push_back(*std::move(judge.lack));
      out.peers.emplace(name.name, std::move(judge.out));
    }
  }
  return out;
}

Ip4 router_id(const BgpNode& node) {
  for (const Ip& ip : node.addresses) {
    if (ip.is4() && !ip.is_unspecified()) return ip.v4();
  }
  return Ip4::of(bird::stable_number(node.name));
}

}  // namespace fairlead::speaker
