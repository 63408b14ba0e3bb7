#pragma once
/// What BIRD's shell tells about BIRD, for who reports it. Plain values.
#include <string>
#include <string_view>
#include <vector>

#include "proto/bird/report.h"

namespace fairlead::speaker {

/// Of the connection to BIRD's control socket.
enum class LinkState {
  closed,            // not tried yet, or ended by BIRD: tried again at once
  no_socket,         // there is no such file: BIRD was never started
  refused,           // nobody listens: BIRD has died
  denied,            // the file may not be opened
  greeting_missing,  // it is open and nothing comes: BIRD is stopped, or spins
  hung,              // a command was not answered in time
  garbage,           // what came is no answer of BIRD's
  too_old,           // a BIRD before kOldestBird
  ready,
};
inline constexpr std::size_t kLinkStates = 9;
std::string_view name(LinkState state);

inline constexpr bird::Version kOldestBird{2, 0, 12};

/// What BIRD answered to a poll.
struct BirdReport {
  bird::Version version;
  bird::Status status;
  std::vector<bird::Protocol> protocols;  // ours
  bird::BfdReport bfd;
};

/// What BIRD does not take. `symbol` "": not one peer's fault.
struct BirdRefusal {
  std::string symbol;
  std::string what;  // in BIRD's words: file, line, message; it quotes no line
  bool operator==(const BirdRefusal&) const = default;
};

}  // namespace fairlead::speaker
