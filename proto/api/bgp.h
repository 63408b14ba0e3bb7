#pragma once
/// The objects that say how to announce by BGP, shaped like MetalLB's (reference MetalLB 1.3 to 1.6). Plain values.
/// An optional is one where "not said" differs from any value that can be said.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/clock.h"
#include "proto/kube/objects.h"

namespace fairlead::api {

/// "64512:100" (RFC 1997, two halves of 16 bits) or "large:64512:1:2" (RFC 8092, three of 32).
struct CommunityValue {
  bool is_large = false;
  std::array<std::uint32_t, 3> parts{};  // a standard community uses the first two
  auto operator<=>(const CommunityValue&) const = default;
  std::string str() const;
};
/// None for everything else, an alias among it.
std::optional<CommunityValue> parse_community(std::string_view text);
/// An alias is a text without ':'; what holds one is meant as a value.
inline bool is_alias(std::string_view community) { return community.find(':') == std::string_view::npos; }

struct BGPAdvertisement {
  kube::Meta meta;
  std::uint8_t aggregation_length = 32;
  std::uint8_t aggregation_length_v6 = 128;
  std::uint32_t local_pref = 0;          // 0: not set; for peers of our own AS only
  std::vector<std::string> communities;  // values and aliases, as written
  std::vector<std::string> pools;        // with pool_selectors both empty: all pools
  std::vector<kube::LabelSelector> pool_selectors;
  std::vector<kube::LabelSelector> node_selectors;     // empty: all nodes
  std::vector<std::string> peers;                      // names of BGPPeers; empty: all
  std::vector<kube::LabelSelector> service_selectors;  // empty: all Services of the pools
  // Fairlead's own, not read from metallb.io objects.
  std::uint8_t as_path_prepend = 0;  // how often our AS is put before the path once more
  std::optional<std::uint32_t> med;  // MULTI_EXIT_DISC; absent: not sent
  bool operator==(const BGPAdvertisement&) const = default;
};

struct SecretRef {
  std::string name;
  std::string ns;  // as written; the Secret is looked up beside the peer whatever this says
  bool operator==(const SecretRef&) const = default;
};

struct BGPPeer {
  enum class DynamicAsn { internal, external };

  kube::Meta meta;
  std::uint32_t my_asn = 0;
  std::uint32_t peer_asn = 0;  // 0: dynamic_asn says
  std::optional<DynamicAsn> dynamic_asn;
  std::uint32_t local_asn = 0;      // 0: none
  std::optional<Ip> peer_address;   // exactly one of this and
  std::string interface;            // the unnumbered peer's interface
  std::optional<Ip> source_address;
  std::uint16_t peer_port = 179;
  std::optional<Duration> hold_time;  // as written; a wire second is what is left after truncation. 0: no timers
  std::optional<Duration> keepalive_time;
  std::optional<Duration> connect_time;
  std::optional<Ip> router_id;
  std::vector<kube::LabelSelector> node_selectors;  // empty: all nodes
  std::string password;                             // never to be logged
  std::optional<SecretRef> password_secret;
  std::string bfd_profile;
  bool graceful_restart = false;
  bool ebgp_multihop = false;
  std::string vrf;
  bool disable_mp = false;  // has no effect; told as deprecated
  bool dual_stack_address_family = false;
  bool operator==(const BGPPeer&) const = default;
};

struct BFDProfile {
  kube::Meta meta;
  std::optional<std::uint32_t> receive_interval;   // ms
  std::optional<std::uint32_t> transmit_interval;  // ms
  std::optional<std::uint32_t> detect_multiplier;
  std::optional<std::uint32_t> echo_interval;  // ms
  bool echo_mode = false;
  bool passive_mode = false;
  std::optional<std::uint32_t> minimum_ttl;  // of a multihop session
  bool operator==(const BFDProfile&) const = default;
};

struct Community {
  kube::Meta meta;
  struct Alias {
    std::string name;
    std::string value;  // as written
    bool operator==(const Alias&) const = default;
  };
  std::vector<Alias> communities;
  bool operator==(const Community&) const = default;
};

}  // namespace fairlead::api
