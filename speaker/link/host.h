#pragma once
/// What this host shows of other programs, in its network namespace. Read-only.
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/strong.h"

namespace fairlead::speaker {

std::vector<std::string> link_names();

/// How many UDP sockets are bound to this port, in the family that has more of them.
std::size_t udp_sockets(Port port);
/// The same of the text of /proc/net/udp or udp6. Any text is safe.
std::size_t udp_sockets(std::string_view proc_net_udp, Port port);

/// Whether somebody listens on this TCP port, on whatever address.
bool is_listening(Port port);
/// The same of the text of /proc/net/tcp or tcp6. Any text is safe.
bool has_listener(std::string_view proc_net_tcp, Port port);

}  // namespace fairlead::speaker
