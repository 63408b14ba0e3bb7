#include "speaker/core/node_addresses.h"

#include <algorithm>

namespace fairlead::speaker {

AcceptedAddresses accepted_addresses(const NodePortAddresses& flag, const std::vector<Ip>& primary, const std::vector<Ip>& own) {
  AcceptedAddresses out;
  for (const Family family : {Family::v4, Family::v6}) {
    const auto is_of_family = [&](const Prefix& p) { return p.base.family() == family; };
    const bool is_named = std::any_of(flag.within.begin(), flag.within.end(), is_of_family);
    const bool has_zero = std::any_of(flag.within.begin(), flag.within.end(),
                                      [&](const Prefix& p) { return is_of_family(p) && p.length == 0; });
    if (has_zero || (!is_named && !flag.is_primary)) {
      (family == Family::v4 ? out.everywhere4 : out.everywhere6) = true;
      continue;
    }
    for (const Ip& ip : own) {
      const auto holds = [&](const Prefix& p) { return p.contains(ip); };
      if (ip.family() == family && std::any_of(flag.within.begin(), flag.within.end(), holds)) out.addresses.push_back(ip);
    }
    const auto first = std::find_if(primary.begin(), primary.end(), [&](const Ip& ip) { return ip.family() == family; });
    if (flag.is_primary && first != primary.end()) out.addresses.push_back(*first);
  }
  std::erase_if(out.addresses, [](const Ip& ip) { return ip.is_loopback(); });
  std::sort(out.addresses.begin(), out.addresses.end());
  out.addresses.erase(std::unique(out.addresses.begin(), out.addresses.end()), out.addresses.end());
  return out;
}

}  // namespace fairlead::speaker
