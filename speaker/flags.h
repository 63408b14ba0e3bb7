#pragma once
/// The command line. Apart from main.cpp, because the option library costs as much to compile as the rest of the program.
#include <string>
#include <variant>
#include <vector>

#include "proto/runtime/open_source.h"
#include "speaker/core/data_plane_flags.h"

namespace fairlead::speaker {

struct Flags {
  runtime::SourceFlags source;
  std::string node;
  DataPlaneTexts data_plane{.service_cidrs = {std::string(api::kDefaultServiceCidr)}};
  std::vector<std::string> excluded;
  std::string nft = "/usr/sbin/nft";
  int layout = 0;           // of the table; 0: the program's own
  std::string bird_socket;  // "": no BGP
  std::string bird_directory = "/run/fairlead-bird";
  bool is_bird_included = false;
  int bgp_listen_port = 179;
  int bgp_drain_seconds = 10;
  bool keep_bird = false;
  std::string bird_program = "/usr/sbin/bird";
  int bgp_drain_after_seconds = 300;
  bool probes_addresses = false;
  std::string metrics_address = "127.0.0.1:7480";
  std::string log_level = "info";
  bool init_only = false;
  std::string sysctl_root = "/proc/sys";
  bool cleanup = false;
};

/// What was asked for; or nothing more to do (help, version, a bad flag: printed), and 0 unless it was a fault.
std::variant<Flags, int> read_command_line(int argc, const char* const* argv);

}  // namespace fairlead::speaker
