#pragma once
/// The command line. Apart from main.cpp, because the option library costs as much to compile as the rest of the
/// program.
#include <string>
#include <variant>
#include <vector>

#include "controller/core/allocator.h"
#include "proto/base/clock.h"
#include "proto/net/prefix.h"
#include "proto/runtime/open_source.h"

namespace fairlead::controller {

struct WebhookFlags {
  std::string address;   // "": none
  std::string cert_dir;  // "": the Secret
  kube::Name service;
  std::string secret, configuration;
};

struct Flags {
  runtime::SourceFlags source;
  bool is_once = false;
  bool is_show = false;
  std::vector<Prefix> service_cidrs;
  core::PortRange node_ports;
  std::string lb_class;
  Duration hold_down{};
  bool probes_addresses = false;
  std::string metrics_address;  // where /metrics is shown; "": nowhere
  WebhookFlags webhook;
  std::string log_level;  // as given; else info, or warn with --show, whose output is for people
};

/// What to print before leaving (help, version, or what is wrong), and with which code: 0, or 2 for a bad flag.
struct Leave {
  int code = 0;
  std::string text;
};

std::variant<Flags, Leave> parse_flags(int argc, const char* const* argv);

}  // namespace fairlead::controller
