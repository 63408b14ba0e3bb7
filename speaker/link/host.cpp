#include "speaker/link/host.h"

#include <net/if.h>

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

bool has_listener(std::string_view proc_net_tcp, Port port) {
  constexpr std::string_view kListen = "0A";
  char wanted[8];
  std::snprintf(wanted, sizeof wanted, ":%04X", port.value);
  std::istringstream lines{std::string(proc_net_tcp)};
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);  // "0: 0100007F:2809 00000000:0000 0A ..."
    std::string slot, local, remote, state;
    words >> slot >> local >> remote >> state;
    if (state == kListen && local.ends_with(wanted)) return true;
  }
  return false;
}

bool is_listening(Port port) {
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(path);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (has_listener(text, port)) return true;
  }
  return false;
}

}  // namespace fairlead::speaker
