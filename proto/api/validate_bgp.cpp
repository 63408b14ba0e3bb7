/// BGPAdvertisements, BGPPeers and BFDProfiles as a whole, and what MetalLB's native mode has not.
#include "proto/api/validate_bgp_common.h"
#include "proto/match/pool.h"

namespace fairlead::api {
namespace {

/// MetalLB's own speaker, without FRR, has none of these.
void check_native(Findings& findings, const BGPPeer& peer) {
  const auto refuse = [&](bool is_there, const char* field) {
    if (is_there) findings.error(std::string("spec.") + field, Rule::unsupported, "is not there in native mode: leave it out, or use frr-k8s");
  };
  refuse(!peer.bfd_profile.empty(), "bfdProfile");
  refuse(peer.keepalive_time && *peer.keepalive_time != Duration(0), "keepaliveTime");
  refuse(!peer.vrf.empty(), "vrf");
  refuse(peer.connect_time.has_value(), "connectTime");
  refuse(peer.graceful_restart, "enableGracefulRestart");
  refuse(peer.disable_mp, "disableMP");
  refuse(peer.dual_stack_address_family, "dualStackAddressFamily");
  refuse(peer.dynamic_asn.has_value(), "dynamicASN");
  refuse(!peer.interface.empty(), "interface");
  refuse(peer.local_asn != 0, "localASN");
}

void check_native(Findings& findings, const ConfigSet& set) {
  for (const BGPPeer& peer : set.peers) {
    findings.look_at(Kind::bgp_peer, peer);
    check_native(findings, peer);
  }
  for (const BFDProfile& profile : set.profiles) {
    findings.look_at(Kind::bfd_profile, profile);
    findings.error("", Rule::unsupported, "there is no BFD in native mode: remove the profile, or use frr-k8s");
  }
  const auto is_large = [](const std::string& text) {
    const auto value = parse_community(text);
    return value && value->is_large;
  };
  const std::string no_large = "large communities are not there in native mode: use a standard one (A:B), or frr-k8s";
  for (const BGPAdvertisement& ad : set.bgp_advertisements) {
    findings.look_at(Kind::bgp_advertisement, ad);
    for (std::size_t i = 0; i < ad.communities.size(); ++i) {
      if (is_large(ad.communities[i])) findings.error(indexed("spec.communities", i), Rule::unsupported, no_large);
    }
  }
  for (const Community& object : set.communities) {
    findings.look_at(Kind::community, object);
    for (std::size_t i = 0; i < object.communities.size(); ++i) {
      if (is_large(object.communities[i].value)) findings.error(indexed("spec.communities", i) + ".value", Rule::unsupported, no_large);
    }
  }
  for (const IPAddressPool& pool : set.pools) {
    const auto takes = [&](const BGPAdvertisement& ad) { return match::advertises_pool(ad, pool); };
    if (!has_family(pool, Family::v6) || std::none_of(set.bgp_advertisements.begin(), set.bgp_advertisements.end(), takes)) continue;
    findings.look_at(Kind::ip_address_pool, pool);
    findings.error("spec.addresses", Rule::unsupported, "has IPv6 addresses and is advertised by BGP, which native mode does for IPv4 only");
  }
}

}  // namespace

std::vector<Violation> validate_bgp(const ConfigSet& set, const Rules& rules) {
  Findings findings;
  check_bgp_advertisements(findings, set);
  check_bgp_peers(findings, set, rules);
  check_names(findings, Kind::bfd_profile, set.profiles);
  if (rules.bgp == BgpType::native) {
    check_native(findings, set);
    return std::move(findings).take();
  }
  check_bgp_peer_pairs(findings, set, rules);
  for (const BFDProfile& profile : set.profiles) {
    findings.look_at(Kind::bfd_profile, profile);
    if (profile.echo_mode) unsupported(findings, rules, "spec.echoMode", Rule::unsupported, "BIRD has no echo mode: sessions run without it");
  }
  return std::move(findings).take();
}

}  // namespace fairlead::api
