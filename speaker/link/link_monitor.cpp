#include "speaker/link/link_monitor.h"

#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "proto/base/log.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;
constexpr Duration kDebounce = 5ms;
constexpr Duration kRetry = 1s;

}  // namespace

void LinkMonitor::Free::operator()(nl_sock* s) const { nl_socket_free(s); }
LinkMonitor::~LinkMonitor() = default;

LinkMonitor::LinkMonitor(runtime::Loop& loop, std::function<void()> changed, Socket requests, Socket monitor)
    : loop_(loop),
      changed_(std::move(changed)),
      requests_(std::move(requests)),
      monitor_(std::move(monitor)),
      look_timer_(loop, [this] { look(); }) {
  watch_ = loop_.watch(nl_socket_get_fd(monitor_.get()), EPOLLIN, [this](std::uint32_t) {
    char buffer[16384];
    while (::recv(nl_socket_get_fd(monitor_.get()), buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
    look_timer_.arm_if_idle(kDebounce);
  });
}

Result<std::unique_ptr<LinkMonitor>> LinkMonitor::open(runtime::Loop& loop, std::function<void()> changed) {
  Socket requests(nl_socket_alloc());
  Socket monitor(nl_socket_alloc());
  if (!requests || !monitor) return Error{Errc::exhausted, "no memory for a netlink socket"};
  for (nl_sock* s : {requests.get(), monitor.get()}) {
    if (const int error = nl_connect(s, NETLINK_ROUTE); error < 0) {
      return Error{Errc::unavailable, std::string("open an rtnetlink socket: ") + nl_geterror(error)};
    }
  }
  if (const int error = nl_socket_add_memberships(monitor.get(), RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0);
      error < 0) {
    return Error{Errc::unavailable, std::string("listen to link changes: ") + nl_geterror(error)};
  }
  return std::unique_ptr<LinkMonitor>(new LinkMonitor(loop, std::move(changed), std::move(requests), std::move(monitor)));
}

Result<void> LinkMonitor::dump(ByteView request, const std::function<void(rtnl::Event&&)>& each) {
  const int fd = nl_socket_get_fd(requests_.get());
  if (nl_sendto(requests_.get(), const_cast<std::uint8_t*>(request.data()), request.size()) < 0) {
    return system_error("ask rtnetlink for a dump", errno);
  }
  std::uint8_t buffer[32768];
  for (;;) {
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, 5000) <= 0) return Error{Errc::unavailable, "rtnetlink did not answer a dump"};
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read an rtnetlink dump", errno);
    for (rtnl::Event& event : rtnl::parse(ByteView(buffer, static_cast<std::size_t>(n)))) {
      if (std::holds_alternative<rtnl::Done>(event)) return {};
      if (const auto* failed = std::get_if<rtnl::Failed>(&event)) return system_error("rtnetlink dump", failed->error);
      each(std::move(event));
    }
  }
}

void LinkMonitor::look() {
  std::map<IfIndex, rtnl::Link> links;
  std::set<rtnl::Address> addresses;
  const auto keep = [&](rtnl::Event&& event) {
    if (auto* link = std::get_if<rtnl::Link>(&event)) links.emplace(link->index, std::move(*link));
    if (auto* address = std::get_if<rtnl::Address>(&event)) addresses.insert(*address);
  };
  auto done = dump(rtnl::dump_links(seq_++), keep);
  if (done) done = dump(rtnl::dump_addresses(seq_++), keep);
  if (!done) {
    log::warn("link_look_failed", {{"what", done.error().what}});
    look_timer_.arm(kRetry);
    return;
  }
  if (links == links_ && addresses == addresses_) return;
  links_ = std::move(links);
  addresses_ = std::move(addresses);
  changed_();
}

}  // namespace fairlead::speaker
