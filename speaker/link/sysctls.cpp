#include "speaker/link/sysctls.h"

#include <algorithm>
#include <cerrno>
#include <fstream>

namespace fairlead::speaker {
namespace {

std::string path_of(const Sysctl& sysctl, const std::string& root) {
  std::string path = sysctl.name;
  std::replace(path.begin(), path.end(), '.', '/');
  return root + "/" + path;
}

}  // namespace

std::vector<Sysctl> wanted_sysctls(unsigned cores) {
  return {
      {"net.ipv4.ip_forward", 1},
      {"net.ipv6.conf.all.forwarding", 1, true},
      // kube-proxy's rule: 32,768 connections for each core, 131,072 at least.
      {"net.netfilter.nf_conntrack_max", std::max(131072L, 32768L * static_cast<long>(cores))},
  };
}

Result<long> read_sysctl(const Sysctl& sysctl, const std::string& root) {
  errno = 0;
  std::ifstream in(path_of(sysctl, root));
  if (!in) return system_error("read " + sysctl.name, errno != 0 ? errno : ENOENT);
  long value = 0;
  if (!(in >> value)) return system_error("read " + sysctl.name, errno != 0 ? errno : EINVAL);
  return value;
}

Result<bool> raise_sysctl(const Sysctl& sysctl, const std::string& root) {
  const auto now = read_sysctl(sysctl, root);
  if (!now) return now.error();
  if (*now >= sysctl.at_least) return false;
  errno = 0;
  std::ofstream out(path_of(sysctl, root));
  if (!(out << sysctl.at_least << std::flush)) return system_error("write " + sysctl.name, errno != 0 ? errno : EACCES);
  return true;
}

}  // namespace fairlead::speaker
