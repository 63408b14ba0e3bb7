#pragma once
/// What sessions do, out of BIRD's reports, and what changed since the last one. Pure.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proto/bird/report.h"

namespace fairlead::speaker {

struct BgpSession {
  bool is_established = false;
  std::string state;       // "Established", "Active", ...
  std::string since;
  std::string last_error;  // "" while established
  std::uint64_t announced = 0;  // prefixes
  std::uint64_t updates = 0;    // routes told since it was established
  bool has_bfd = false;
  bool is_bfd_up = false;
  bool operator==(const BgpSession&) const = default;
};

/// By symbol of the peer. Sessions that came in over an interface ("flp_x_1") count for the peer they belong to: it is
/// established when one of them is.
std::map<std::string, BgpSession> sessions_of(const std::vector<bird::Protocol>& protocols,
                                              const std::vector<bird::BfdSession>& bfd, const std::set<std::string>& symbols);

struct SessionChange {
  std::string symbol;
  enum class What { up, down, failing, bfd_up, bfd_down } what = What::up;
  std::string why;  // of down and failing: BIRD's words
  bool operator==(const SessionChange&) const = default;
};
/// failing: not established, and for another reason than before.
std::vector<SessionChange> changes_of(const std::map<std::string, BgpSession>& before, const std::map<std::string, BgpSession>& now);

/// What can be done about an error of BIRD's; "" where nothing is known.
std::string_view remedy(std::string_view error);

}  // namespace fairlead::speaker
