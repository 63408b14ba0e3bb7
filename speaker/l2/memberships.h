#pragma once
/// The IPv6 multicast groups that this node is in on one interface, on behalf of its VIPs. Memberships of a socket are the
/// kernel's: it programs the network card's filter, tells snooping switches by MLD (RFC 3810), answers their queries, and
/// leaves when the socket closes, whatever became of us. Thread: the loop's.
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "proto/base/fd.h"
#include "proto/base/result.h"
#include "proto/base/strong.h"
#include "proto/net/ip.h"

namespace fairlead::speaker {

class Memberships {
 public:
  explicit Memberships(IfIndex on) : on_(on) {}

  /// Joins what is missing and leaves what is not named, at most so many steps; true when nothing is left to do. An error
  /// is the first of those that were met; what could be done was done. Groups that VIPs share are joined once and left
  /// with the last, as the caller names them by VIPs.
  Result<bool> become(const std::set<Ip6>& groups, std::size_t most_steps);

 private:
  /// A socket holds as many memberships as net.core.optmem_max has room for.
  struct Socket {
    Fd fd;
    std::size_t members = 0;
    bool is_full = false;
  };
  Result<void> join(const Ip6& group);
  void leave(const Ip6& group);
  Result<Socket*> socket_with_room();

  IfIndex on_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::map<Ip6, Socket*> joined_;
};

}  // namespace fairlead::speaker
