#pragma once
/// Whether another program of this node does BFD, on UDP port 3784 (RFC 5881). Two BIRDs open it both: the kernel lets
/// them, and hands a router's packets to the one that came last. So the sessions of one of the two are down, and no error is
/// ever said. Ours yields: a CNI's routes are the node's. Pure; it is told what was seen.
#include <cstddef>

#include "proto/base/strong.h"

namespace fairlead::speaker {

inline constexpr Port kBfdPort{3784};

class BfdPort {
 public:
  /// `sockets`: bound to the port, in one family. `ours_runs`: our BIRD, which has one of them, does BFD.
  /// Answers whether another one has the port.
  bool look(std::size_t sockets, bool ours_runs) {
    const bool is_closing = ours_ran_ && !ours_runs;  // its socket may go a moment after it says so
    ours_ran_ = ours_runs;
    if (!is_closing) is_taken_ = sockets > (ours_runs ? 1U : 0U);
    return is_taken_;
  }

 private:
  bool ours_ran_ = false;
  bool is_taken_ = false;
};

}  // namespace fairlead::speaker
