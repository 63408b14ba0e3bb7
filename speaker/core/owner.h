#pragma once
/// Which node answers for a VIP: a pure function, alike on every node that sees the same objects. Rendezvous hashing
/// (Thaler and Ravishankar 1998): every node gets a score for the VIP and the highest wins, so a node that leaves moves
/// only its own VIPs, and those evenly.
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proto/net/ip.h"

namespace fairlead::speaker {

/// The best of `candidates` (names of nodes, any order); none when there are none.
std::optional<std::string> owner(const Ip& vip, std::span<const std::string> candidates);

}  // namespace fairlead::speaker
