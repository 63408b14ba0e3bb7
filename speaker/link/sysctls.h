#pragma once
/// The kernel settings that forwarding needs (README, "What Fairlead does to a node"). Set by `--init-only`, never lowered;
/// otherwise only compared.
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/result.h"

namespace fairlead::speaker {

inline constexpr std::string_view kSysctlRoot = "/proc/sys";

struct Sysctl {
  std::string name;  // "net.ipv4.ip_forward"
  long at_least = 0;
  bool may_be_absent = false;  // of a part that a kernel may be without
};

/// What this node should have at least.
std::vector<Sysctl> wanted_sysctls(unsigned cores);
/// Reads below `root`.
Result<long> read_sysctl(const Sysctl& sysctl, const std::string& root = std::string(kSysctlRoot));
/// Raises it if it is lower. Answers whether it was written.
Result<bool> raise_sysctl(const Sysctl& sysctl, const std::string& root = std::string(kSysctlRoot));

}  // namespace fairlead::speaker
