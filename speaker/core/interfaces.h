#pragma once
/// On which interfaces ARP and NDP are listened to and answered. Pure but for compiling the patterns.
#include <regex.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/result.h"
#include "proto/rtnl/rtnl.h"

namespace fairlead::speaker {

/// Names of interfaces that are never announced on: POSIX extended regular expressions, unanchored unless written so.
class NamePatterns {
 public:
  static Result<NamePatterns> compile(std::span<const std::string> patterns);
  bool matches(const std::string& name) const;

 private:
  struct Free {
    void operator()(regex_t* r) const {
      regfree(r);
      delete r;
    }
  };
  std::vector<std::unique_ptr<regex_t, Free>> patterns_;
};

/// MetalLB's list (its ConfigMap metallb-excludel2): bridges and links of container networks and VM hosts.
std::span<const std::string_view> default_exclusions();

/// Why an interface is not announced on.
enum class Unfit { not_ethernet, loopback, not_up, no_carrier, not_broadcast, no_arp, enslaved, excluded };
std::string_view name(Unfit reason);

std::optional<Unfit> unfit(const rtnl::Link& link, const NamePatterns& excluded);

}  // namespace fairlead::speaker
