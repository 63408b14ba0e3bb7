/// Text of manifests -> objects -> rules, as `fairleadctl validate` does it. The first octet chooses format and rules.
#include <cstddef>
#include <cstdint>
#include <string>

#include "controller/ctl/config_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  constexpr std::size_t kMost = 1 << 16;
  if (size < 1 || size > kMost) return 0;
  const unsigned choice = data[0];
  const auto format = (choice & 1U) != 0 ? runtime::Format::json : runtime::Format::yaml;
  api::Rules rules = api::Rules::of((choice & 2U) != 0 ? api::Group::fairlead : api::Group::metallb);
  if ((choice & 4U) != 0) rules.bgp = api::BgpType::native;
  ctl::ConfigReader reader(rules, (choice & 8U) != 0 ? "metallb-system" : "");
  reader.read("fuzz", std::string(reinterpret_cast<const char*>(data) + 1, size - 1), format);
  for (const ctl::Finding& finding : std::move(reader).finish().findings) {
    if (finding.str().empty() || finding.line < 1) __builtin_trap();
  }
  return 0;
}
