#include "speaker/link/host.h"

#include <net/if.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>

namespace fairlead::speaker {

std::vector<std::string> link_names() {
  std::vector<std::string> out;
  struct if_nameindex* const all = ::if_nameindex();
  if (all == nullptr) return out;
  for (const struct if_nameindex* i = all; i->if_index != 0; ++i) out.emplace_back(i->if_name);
  ::if_freenameindex(all);
  return out;
}

namespace {

/// Lines of /proc/net/tcp, tcp6, udp, udp6 with this local port; `state` "": in whatever state.
std::size_t count(std::string_view text, Port port, std::string_view wanted_state) {
  char wanted[8];
  std::snprintf(wanted, sizeof wanted, ":%04X", port.value);
  std::istringstream lines{std::string(text)};
  std::string line;
  std::size_t out = 0;
  while (std::getline(lines, line)) {
    std::istringstream words(line);  // "0: 0100007F:2809 00000000:0000 0A ..."
    std::string slot, local, remote, state;
    words >> slot >> local >> remote >> state;
    if ((wanted_state.empty() || state == wanted_state) && local.ends_with(wanted)) ++out;
  }
  return out;
}

std::string read(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

bool has_listener(std::string_view proc_net_tcp, Port port) { return count(proc_net_tcp, port, "0A") != 0; }

std::size_t udp_sockets(std::string_view proc_net_udp, Port port) { return count(proc_net_udp, port, ""); }

std::size_t udp_sockets(Port port) {
  return std::max(udp_sockets(read("/proc/net/udp"), port), udp_sockets(read("/proc/net/udp6"), port));
}

bool is_listening(Port port) {
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    if (has_listener(read(path), port)) return true;
  }
  return false;
}

}  // namespace fairlead::speaker
