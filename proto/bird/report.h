#pragma once
/// What replies mean. Pure; a reply that says something else than expected gives an empty or partial answer, never a
/// wrong one. Words are looked for, not columns: 3.x has more columns and lines than 2.x.
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/bird/reply.h"

namespace fairlead::bird {

struct Version {
  int major = 0, minor = 0, patch = 0;
  auto operator<=>(const Version&) const = default;
  std::string str() const;
};
/// From the greeting, "BIRD 2.0.12 ready."; none: it is no greeting of BIRD's.
std::optional<Version> parse_greeting(const Reply& reply);

/// `show status`.
struct Status {
  enum class Phase { up, reconfiguring, shutting_down };
  std::string router_id;
  std::string booted;        // "Last reboot on": another one means another process
  std::string reconfigured;  // "Last reconfiguration on"
  Phase phase = Phase::up;
  bool is_recovering = false;  // graceful restart: exports wait
  bool operator==(const Status&) const = default;
};
std::optional<Status> parse_status(const Reply& reply);

/// What became of configure, configure check, configure undo, configure confirm, configure status.
struct Configured {
  enum class Outcome {
    done,         // 0003: it is in force; also "configure status" of a daemon at rest
    in_progress,  // 0004: accepted, some session is ending first
    queued,       // 0005: accepted, behind another
    valid,        // 0020: of a check
    confirmed,    // 0018
    undoing,      // 0021 with nothing after it
    nothing,      // 0019: nothing to confirm or undo
    shutting_down,  // 0006, 0007
    refused,      // 8002: text says file, line and why; what ran goes on
    unknown,      // nothing of the kind: ask again
  };
  Outcome outcome = Outcome::unknown;
  std::string text;
  bool operator==(const Configured&) const = default;
};
Configured parse_configured(const Reply& reply);

enum class BgpState { unknown, down, idle, connect, active, open_sent, open_confirm, established, passive };
std::string_view name(BgpState state);

/// One protocol of `show protocols all`.
struct Protocol {
  std::string name;
  std::string type;   // "BGP", "Static"
  std::string state;  // up start stop flush down
  std::string since;  // as BIRD writes it: our configuration asks for "2026-11-21 07:17:13.868"
  std::string info;   // "Established", "Active        Socket: Connection refused"
  BgpState bgp = BgpState::unknown;
  std::string neighbor;  // "10.1.0.2", "fe80::1%eth0"; of a parent of dynamic sessions its range
  std::string last_error;
  std::string message;  // what the peer or an operator said when it went down
  std::uint32_t neighbor_as = 0, local_as = 0;
  bool is_peer_restarting = false;  // we keep its routes meanwhile
  struct Channel {
    std::string name;   // "ipv4"
    std::string state;  // UP DOWN START FLUSHING
    std::uint64_t imported = 0, exported = 0;
    std::string next_hop;
    std::uint64_t updates = 0;  // routes told, those told anew among them
    bool operator==(const Channel&) const = default;
  };
  std::vector<Channel> channels;
  bool operator==(const Protocol&) const = default;
};
std::vector<Protocol> parse_protocols(const Reply& reply);

struct BfdSession {
  std::string address;
  std::string interface;  // "": multihop
  enum class State { admin_down, down, init, up, unknown } state = State::unknown;
  std::string since;
  bool operator==(const BfdSession&) const = default;
};
std::string_view name(BfdSession::State state);
struct BfdReport {
  enum class Support { present, not_configured, not_built } support = Support::present;
  std::vector<BfdSession> sessions;
};
BfdReport parse_bfd_sessions(const Reply& reply);

/// `show route export P count`: all tables together; none: the protocol is down, or unknown.
std::optional<std::uint64_t> parse_route_count(const Reply& reply);

}  // namespace fairlead::bird
