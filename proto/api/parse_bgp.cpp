/// BGPAdvertisement, BGPPeer, BFDProfile, Community.
#include <algorithm>
#include <limits>

#include "proto/api/documents.h"
#include "proto/api/parse.h"
#include "proto/kube/common.h"

namespace fairlead::api {
namespace {

using kube::Field;

constexpr std::int64_t kMostAsn = 4'294'967'295;

/// Exact: no blanks, no leading zeros (Go's net.ParseIP). The empty text counts as absent.
std::optional<Ip> read_ip(const Field& field) {
  const std::string text = field.text();
  if (text.empty()) return std::nullopt;
  const auto out = parse_ip(text);
  if (out) return unmapped(*out);
  field.refuse(field.shown() + " is not an address: write one like 192.0.2.7 or 2001:db8::7, not a name");
  return std::nullopt;
}

std::optional<Duration> read_duration(const Field& field) {
  const std::string text = field.text();
  if (!field.is_text()) return std::nullopt;
  const auto out = parse_duration(text);
  if (!out) field.refuse(field.shown() + " is not a duration: write one like 90s or 1m30s");
  return out;
}

std::uint32_t read_asn(const Field& field, std::int64_t least) {
  return static_cast<std::uint32_t>(field.number("an AS number", least, kMostAsn, 0));
}

std::optional<std::uint32_t> read_optional(const Field& field, std::string_view what, std::int64_t least,
                                           std::int64_t most) {
  if (!field.is_present()) return std::nullopt;
  return static_cast<std::uint32_t>(field.number(what, least, most, least));
}

BGPAdvertisement read_advertisement(const Field& object, Group group) {
  BGPAdvertisement out;
  out.meta = kube::read_meta(object, kube::Scope::namespaced);
  const Field spec = object["spec"];
  out.aggregation_length =
      static_cast<std::uint8_t>(spec["aggregationLength"].number("a length of an IPv4 prefix", 1, 32, 32));
  out.aggregation_length_v6 =
      static_cast<std::uint8_t>(spec["aggregationLengthV6"].number("a length of an IPv6 prefix", 0, 128, 128));
  out.local_pref = static_cast<std::uint32_t>(spec["localPref"].number("a local preference", 0, kMostAsn, 0));
  out.communities = kube::read_texts(spec["communities"]);
  out.pools = kube::read_texts(spec["ipAddressPools"]);
  out.pool_selectors = kube::read_selectors(spec["ipAddressPoolSelectors"]);
  out.node_selectors = kube::read_selectors(spec["nodeSelectors"]);
  out.peers = kube::read_texts(spec["peers"]);
  out.service_selectors = kube::read_selectors(spec["serviceSelectors"]);
  if (group == Group::metallb) return out;
  out.as_path_prepend = static_cast<std::uint8_t>(spec["asPathPrepend"].number("a number of repetitions", 0, 16, 0));
  out.med = read_optional(spec["med"], "a metric", 0, kMostAsn);
  return out;
}

/// What v1beta1 of MetalLB has no notion of stays at its default.
void read_newer(const Field& spec, BGPPeer& out) {
  const Field dynamic = spec["dynamicASN"];
  if (dynamic.is_present()) {
    using DynamicAsn = BGPPeer::DynamicAsn;
    out.dynamic_asn = dynamic.one_of<std::optional<DynamicAsn>>(
        {{"internal", DynamicAsn::internal}, {"external", DynamicAsn::external}}, std::nullopt);
    if (dynamic.text().empty()) dynamic.refuse("is empty: write internal or external, or leave it out");
  }
  out.local_asn = read_asn(spec["localASN"], 1);
  out.interface = spec["interface"].text();
  out.connect_time = read_duration(spec["connectTime"]);
  const Field secret = spec["passwordSecret"];
  if (const SecretRef ref{secret["name"].text(), secret["namespace"].text()}; !ref.name.empty()) out.password_secret = ref;
  out.graceful_restart = spec["enableGracefulRestart"].boolean(false);
  out.vrf = spec["vrf"].text();
  out.disable_mp = spec["disableMP"].boolean(false);
  out.dual_stack_address_family = spec["dualStackAddressFamily"].boolean(false);
}

/// The selectors of v1beta1 are a type of their own, in which every expression has values.
void refuse_without_values(const Field& selectors) {
  selectors.each([](const Field& selector) {
    const Field expressions = selector["matchExpressions"];
    expressions.each([](const Field& expression) {
      const Field values = expression["values"];
      if (!values.is_present()) values.refuse("is missing: v1beta1 knows In and NotIn only, or use v1beta2");
    });
  });
}

BGPPeer read_peer(const Field& object, bool is_v1beta1) {
  BGPPeer out;
  out.meta = kube::read_meta(object, kube::Scope::namespaced);
  const Field spec = object["spec"];
  const Field my_asn = spec["myASN"];
  if (!my_asn.is_present()) my_asn.refuse("is missing: write the AS number of this side");
  out.my_asn = read_asn(my_asn, 0);
  const Field peer_asn = spec["peerASN"];
  out.peer_asn = read_asn(peer_asn, 0);
  const Field address = spec["peerAddress"];
  out.peer_address = read_ip(address);
  if (is_v1beta1) {
    if (!peer_asn.is_present()) peer_asn.refuse("is missing: write the AS number of the router");
    if (!address.is_present()) address.refuse("is missing: write the address of the router");
  } else {
    read_newer(spec, out);
  }
  out.source_address = read_ip(spec["sourceAddress"]);
  const std::int64_t port = spec["peerPort"].number("a port of a BGP peer", is_v1beta1 ? 0 : 1, 16384, 179);
  if (port != 0) out.peer_port = static_cast<std::uint16_t>(port);  // 0, where it may be written, is "not said"
  out.hold_time = read_duration(spec["holdTime"]);
  out.keepalive_time = read_duration(spec["keepaliveTime"]);
  out.router_id = read_ip(spec["routerID"]);
  const Field selectors = spec["nodeSelectors"];
  out.node_selectors = kube::read_selectors(selectors);
  if (is_v1beta1) refuse_without_values(selectors);
  const Field password = spec["password"];
  if (password.is_present() && !password.is_text()) password.refuse("is not a string: put it in quotes");  // and do not show it
  out.password = password.text();
  out.bfd_profile = spec["bfdProfile"].text();
  out.ebgp_multihop = spec["ebgpMultiHop"].boolean(false);
  return out;
}

BFDProfile read_profile(const Field& object) {
  BFDProfile out;
  out.meta = kube::read_meta(object, kube::Scope::namespaced);
  const Field spec = object["spec"];
  constexpr std::string_view kInterval = "an interval in milliseconds";
  out.receive_interval = read_optional(spec["receiveInterval"], kInterval, 10, 60000);
  out.transmit_interval = read_optional(spec["transmitInterval"], kInterval, 10, 60000);
  out.detect_multiplier = read_optional(spec["detectMultiplier"], "a multiplier", 2, 255);
  out.echo_interval = read_optional(spec["echoInterval"], kInterval, 10, 60000);
  out.echo_mode = spec["echoMode"].boolean(false);
  out.passive_mode = spec["passiveMode"].boolean(false);
  out.minimum_ttl = read_optional(spec["minimumTtl"], "a TTL", 1, 254);
  return out;
}

Community read_community(const Field& object) {
  Community out;
  out.meta = kube::read_meta(object, kube::Scope::namespaced);
  const Field spec = object["spec"];
  const Field list = spec["communities"];
  list.each([&](const Field& item) {
    Community::Alias alias{item["name"].text(), item["value"].text()};
    out.communities.push_back(std::move(alias));
  });
  return out;
}

struct Unit {
  std::string_view name;
  double ns;
};

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  static constexpr Unit kUnits[] = {{"ns", 1}, {"us", 1e3}, {"\u00b5s", 1e3}, {"\u03bcs", 1e3}, {"ms", 1e6},
                                    {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  constexpr std::string_view kDigits = "0123456789";
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return Duration(0);
  if (text.empty()) return std::nullopt;
  double sum = 0;
  while (!text.empty()) {
    const auto whole_end = std::min(text.find_first_not_of(kDigits), text.size());
    double value = 0;
    for (const char c : text.substr(0, whole_end)) value = value * 10 + (c - '0');
    std::size_t count = whole_end;
    text.remove_prefix(whole_end);
    if (text.starts_with('.')) {
      text.remove_prefix(1);
      const auto fraction_end = std::min(text.find_first_not_of(kDigits), text.size());
      double place = 1;
      for (const char c : text.substr(0, fraction_end)) value += (c - '0') * (place /= 10);
      count += fraction_end;
      text.remove_prefix(fraction_end);
    }
    const auto unit_end = std::min(text.find_first_of(".0123456789"), text.size());
    const auto* const unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                          [&](const Unit& u) { return u.name == text.substr(0, unit_end); });
    if (count == 0 || unit == std::end(kUnits)) return std::nullopt;
    sum += value * unit->ns;
    text.remove_prefix(unit_end);
  }
  if (sum >= 9.2e18) return std::nullopt;
  const auto ns = static_cast<std::int64_t>(sum + 0.5);
  return Duration(is_negative ? -ns : ns);
}

kube::Parsed<BGPAdvertisement> parse_bgp_advertisement(const kube::Json& object, Group group, BGPAdvertisement* partly) {
  const Group its = group_of_document(object, group);
  return kube::read_document<BGPAdvertisement>(object, [its](const Field& o) { return read_advertisement(o, its); }, partly);
}
kube::Parsed<BGPPeer> parse_bgp_peer(const kube::Json& object, BGPPeer* partly) {
  const bool is_v1beta1 = api_version_of(object) == "metallb.io/v1beta1";
  return kube::read_document<BGPPeer>(object, [is_v1beta1](const Field& o) { return read_peer(o, is_v1beta1); }, partly);
}
kube::Parsed<BFDProfile> parse_bfd_profile(const kube::Json& object, BFDProfile* partly) {
  return kube::read_document<BFDProfile>(object, read_profile, partly);
}
kube::Parsed<Community> parse_community_object(const kube::Json& object, Community* partly) {
  return kube::read_document<Community>(object, read_community, partly);
}

}  // namespace fairlead::api
