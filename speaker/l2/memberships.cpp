#include "speaker/l2/memberships.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace fairlead::speaker {
namespace {

ipv6_mreq request(const Ip6& group, IfIndex on) {
  ipv6_mreq out{};
  std::memcpy(&out.ipv6mr_multiaddr, group.octets.data(), group.octets.size());
  out.ipv6mr_interface = static_cast<unsigned>(on.value);
  return out;
}

}  // namespace

Result<bool> Memberships::become(const std::set<Ip6>& groups, std::size_t most_steps) {
  std::vector<Ip6> gone;
  for (const auto& [group, socket] : joined_) {
    if (!groups.contains(group)) gone.push_back(group);
  }
  std::size_t steps = 0;
  for (const Ip6& group : gone) {
    if (steps++ == most_steps) return false;
    leave(group);
  }
  std::optional<Error> first;
  for (const Ip6& group : groups) {
    if (joined_.contains(group)) continue;
    if (steps++ == most_steps) return first ? Result<bool>(*first) : Result<bool>(false);
    if (auto done = join(group); !done && !first) first = done.error();
  }
  if (first) return *first;
  return true;
}

Result<Memberships::Socket*> Memberships::socket_with_room() {
  for (const auto& s : sockets_) {
    if (!s->is_full) return s.get();
  }
  Fd fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("open a socket for multicast groups", errno);
  sockets_.push_back(std::make_unique<Socket>(Socket{std::move(fd)}));
  return sockets_.back().get();
}

Result<void> Memberships::join(const Ip6& group) {
  const ipv6_mreq wanted = request(group, on_);
  for (;;) {
    const auto found = socket_with_room();
    if (!found) return found.error();
    Socket& s = **found;
    if (::setsockopt(s.fd.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &wanted, sizeof wanted) == 0) {
      ++s.members;
      joined_.emplace(group, &s);
      return {};
    }
    const int error = errno;
    // ENOMEM is what IPv6 says when optmem_max is used up, ENOBUFS what IPv4 does. Another socket has its own account; one
    // that is empty and has no room says that memory itself is short.
    if ((error != ENOMEM && error != ENOBUFS) || s.members == 0) return system_error("join " + group.str(), error);
    s.is_full = true;
  }
}

void Memberships::leave(const Ip6& group) {
  const auto found = joined_.find(group);
  Socket* const s = found->second;
  const ipv6_mreq wanted = request(group, on_);
  // Fails when the interface is gone, and the membership with it.
  (void)::setsockopt(s->fd.get(), IPPROTO_IPV6, IPV6_LEAVE_GROUP, &wanted, sizeof wanted);
  joined_.erase(found);
  s->is_full = false;
  if (--s->members == 0) std::erase_if(sockets_, [&](const auto& held) { return held.get() == s; });
}

}  // namespace fairlead::speaker
