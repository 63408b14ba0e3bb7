#include "speaker/core/interfaces.h"

namespace fairlead::speaker {

Result<NamePatterns> NamePatterns::compile(std::span<const std::string> patterns) {
  NamePatterns out;
  for (const std::string& pattern : patterns) {
    if (pattern.empty()) continue;  // would match every name; who writes "" means none
    auto compiled = std::unique_ptr<regex_t, Free>(new regex_t{});
    if (const int error = regcomp(compiled.get(), pattern.c_str(), REG_EXTENDED | REG_NOSUB); error != 0) {
      char text[128];
      regerror(error, compiled.get(), text, sizeof text);
      return Error{Errc::malformed, "interface pattern \"" + pattern + "\": " + text};
    }
    out.patterns_.push_back(std::move(compiled));
  }
  return out;
}

bool NamePatterns::matches(const std::string& name) const {
  for (const auto& p : patterns_) {
    if (regexec(p.get(), name.c_str(), 0, nullptr, 0) == 0) return true;
  }
  return false;
}

std::span<const std::string_view> default_exclusions() {
  static constexpr std::string_view kList[] = {
      "^docker.*", "^cbr.*", "^dummy.*", "^virbr.*", "^lxcbr.*", "^veth.*", "^lo$",
      "^cali.*",   "^tunl.*", "^flannel.*", "^kube-ipvs.*", "^cni.*", "^nodelocaldns.*", "^lxc.*"};
  return kList;
}

std::string_view name(Unfit reason) {
  switch (reason) {
    case Unfit::not_ethernet: return "not_ethernet";
    case Unfit::loopback: return "loopback";
    case Unfit::not_up: return "not_up";
    case Unfit::no_carrier: return "no_carrier";
    case Unfit::not_broadcast: return "not_broadcast";
    case Unfit::no_arp: return "no_arp";
    case Unfit::enslaved: return "enslaved";
    case Unfit::excluded: return "excluded";
  }
  return "unknown";
}

std::optional<Unfit> unfit(const rtnl::Link& link, const NamePatterns& excluded) {
  if (link.is_loopback) return Unfit::loopback;
  if (!link.is_ethernet) return Unfit::not_ethernet;
  if (!link.is_broadcast) return Unfit::not_broadcast;
  if (link.is_noarp) return Unfit::no_arp;
  if (link.master.value != 0) return Unfit::enslaved;
  if (excluded.matches(link.name)) return Unfit::excluded;
  if (!link.is_up) return Unfit::not_up;
  // Nothing can be sent without a carrier; when it is back, the interface comes back and is announced on at once.
  if (!link.has_carrier) return Unfit::no_carrier;
  return std::nullopt;
}

}  // namespace fairlead::speaker
