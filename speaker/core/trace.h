#pragma once
/// What becomes of the first packet of a connection, from the plans that fill the kernel's table, asked in the order in which
/// the table asks (chain `services` of speaker/nft/fairlead.nft.in): source ranges, addresses with ports, NodePorts, unused
/// ports, unallocated addresses. Pure. Tests: the lab compares answers with what real packets do.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "speaker/core/planner.h"

namespace fairlead::speaker {

/// Where a packet comes from, seen from this node.
enum class From : std::uint8_t { pod, node, outside };

struct Question {
  Ip source;
  Ip destination;
  Port port;
  Protocol protocol = Protocol::tcp;
  std::optional<From> from;  // none: told from the source's address
};

enum class Verdict : std::uint8_t {
  endpoints,  // translated to one of `endpoints`
  reject,     // refused: TCP reset, or ICMP port unreachable
  drop,       // silently
  pass,       // not Fairlead's: the host's own, or routed on
};
std::string_view name(Verdict verdict);

struct Answer {
  Verdict verdict = Verdict::pass;
  std::vector<Target> endpoints;  // sorted; each is as likely as the others
  bool masquerade = false;        // the endpoint sees an address of this node
  std::string row;                // "1" .. "13" of the truth table, or source-ranges, unused-port, unallocated, none
  kube::Name service;             // whose frontend decided; empty: none did
  std::string why;                // one sentence for people
  bool operator==(const Answer&) const = default;
};

/// The planner has planned everything (is_dirty() is false).
Answer trace(const Planner& planner, const Question& question);

}  // namespace fairlead::speaker
