#pragma once
/// The text that BIRD runs with, from values. Pure; the values were checked before (strings are is_string(), symbols are
/// is_symbol()), so what comes out is one well-formed file. BIRD 2.0.12 to 3.x.
///
/// Routes stand in files of their own, one for each family, included into a `static` protocol: a change of routes leaves
/// this text as it is and is a `configure soft`. A route bears one number, in an attribute of our own that never leaves
/// BIRD; which peers it means, and which attributes for each of them, is in this text, in one function for each peer. So
/// a line of a route is short: what a change of routes takes is BIRD's reading of all lines. Tables are our own, so that
/// beside somebody else's protocols (an existing BIRD that includes this text) no route is seen by the other side.
#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "proto/net/ip.h"
#include "proto/net/prefix.h"

namespace fairlead::bird {

inline constexpr std::string_view kPeerPrefix = "flp_";
inline constexpr std::uint16_t kBgpPort = 179;

/// What a prefix is announced with.
struct Attributes {
  using Standard = std::pair<std::uint16_t, std::uint16_t>;
  struct Large {
    std::uint32_t a = 0, b = 0, c = 0;
    auto operator<=>(const Large&) const = default;
  };
  std::uint32_t local_pref = 0;        // 0: none
  std::optional<std::uint32_t> med;
  std::uint32_t prepend = 0;           // more times than the once of every eBGP session
  std::vector<Standard> communities;   // sorted, unique
  std::vector<Large> large;            // sorted, unique
  auto operator<=>(const Attributes&) const = default;

  std::string str() const;
};

/// Who is told of a route, and with which attributes. Routes that agree in that bear the same number.
struct Telling {
  std::map<std::uint32_t, Attributes> by_peer;  // by Peer::number; 0 alone: all peers
  auto operator<=>(const Telling&) const = default;

  std::uint32_t number() const;  // the same in every run
};

struct Bfd {
  std::uint32_t receive_ms = 300, transmit_ms = 300, multiplier = 3;
  bool is_passive = false;
  /// A failure starts graceful restart instead of ending the session: routes stay while the peer comes back.
  bool is_graceful = false;
  bool operator==(const Bfd&) const = default;
};

/// One BGP session (or, of an interface, a family of them).
struct Peer {
  enum class Remote { internal, external };
  enum class Hops { direct, multihop };  // direct: on the same link

  std::string symbol;       // see symbol.h; stable, as a changed name is a new session
  std::string description;
  std::uint32_t number = 0;  // in Tellings; the same in every run
  std::uint32_t local_as = 0;
  std::variant<Remote, std::uint32_t> remote_as = std::uint32_t{0};
  std::optional<Ip> address;  // one of address and interface
  std::string interface;
  std::optional<Ip> source;
  std::uint16_t port = kBgpPort;
  std::uint16_t listen_port = kBgpPort;
  std::optional<Ip4> router_id;
  std::chrono::seconds hold{90}, keepalive{30};
  std::optional<std::chrono::seconds> connect_retry;
  std::string password;
  std::optional<Bfd> bfd;
  Hops hops = Hops::direct;
  bool is_ttl_checked = false;  // RFC 5082
  bool is_passive = false;
  bool has_graceful_restart = false;
  std::string vrf;
  bool ipv4 = true, ipv6 = false;
  bool operator==(const Peer&) const = default;

  bool is_internal() const;
};

/// A peer as text, with what the rest of the file needs to know of it. Written into the file with a line in front that
/// says it, so that blocks_of() finds it again: a peer whose object turned bad goes on as it stands.
struct PeerBlock {
  std::string symbol;
  std::uint32_t number = 0;
  std::uint32_t prepend_as = 0;  // 0: internal, where a path with our own AS would be a loop
  bool has_bfd = false;
  std::string vrf;
  std::string interface;  // where router advertisements are sent, so that the other side learns our address
  std::string text;       // protocol bgp ... { ... }
  bool operator==(const PeerBlock&) const = default;
};
PeerBlock block(const Peer& peer);
/// All blocks of a text that config_text() made; what is damaged is left out.
std::map<std::string, PeerBlock> blocks_of(std::string_view text);
/// The symbol of the peer in whose block a line (from 1) stands; "": in none.
std::string peer_at_line(std::string_view text, int line);

struct Config {
  bool is_whole = true;  // false: included by the configuration of a BIRD that is not ours
  Ip4 router_id;
  std::vector<PeerBlock> peers;
  std::vector<Telling> tellings;  // that routes may bear
  std::string routes4, routes6;  // paths of the two files
  bool has_bfd_built_in = true;
  bool is_draining = false;  // RFC 8326: GRACEFUL_SHUTDOWN and the lowest preference on everything
};
std::string config_text(const Config& config);
/// "router id" of a text that config_text() made: to stay with it, as another one ends all sessions.
std::optional<Ip4> router_id_of(std::string_view text);

/// The same text with GRACEFUL_SHUTDOWN and the lowest preference on everything, whoever made it: for a node whose
/// speaker is gone.
std::string drained(std::string_view text);

/// One line of a routes file.
std::string route_line(const Prefix& prefix, const Telling& telling);

}  // namespace fairlead::bird
