#pragma once
/// The kernel settings that forwarding needs (README, "What Fairlead does to a node"). Set by `--init-only`, never lowered;
/// otherwise only compared.
#include <string>
#include <vector>

#include "proto/base/result.h"

namespace fairlead::speaker {

struct Sysctl {
  std::string name;  // "net.ipv4.ip_forward"
  long at_least = 0;
};

/// What this node should have at least.
std::vector<Sysctl> wanted_sysctls(unsigned cores);
/// Reads below `root` (normally /proc/sys).
Result<long> read_sysctl(const Sysctl& sysctl, const std::string& root = "/proc/sys");
/// Raises it if it is lower. Answers whether it was written.
Result<bool> raise_sysctl(const Sysctl& sysctl, const std::string& root = "/proc/sys");

}  // namespace fairlead::speaker
