#pragma once
/// What BIRD should run with: sessions, attributes, the text of the route files. Plain values.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proto/bird/config_text.h"

namespace fairlead::speaker {

struct BgpWant {
  Ip4 router_id;  // for a BIRD without sessions: one with sessions keeps its own
  std::map<std::string, bird::Peer> peers;  // by symbol
  std::set<std::string> keep;               // peers said badly: they go on as they run, if they do
  std::vector<bird::Telling> tellings;
  std::string routes4, routes6;
  bool is_draining = false;
  bool operator==(const BgpWant&) const = default;
};

}  // namespace fairlead::speaker
