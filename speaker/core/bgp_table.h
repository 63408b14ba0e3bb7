#pragma once
/// All Services' wishes together, as the lines of BIRD's two route files. Incremental and pure: a change of one Service
/// touches its own prefixes, and the whole is put together from lines that are kept.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "speaker/core/bgp_routes.h"

namespace fairlead::speaker {

/// Two Services that want one prefix (an aggregate, a shared VIP) for one peer with different attributes.
struct RouteConflict {
  Prefix prefix;
  std::string peer;
  kube::Name winner;  // the first by name
  kube::Name loser;
  auto operator<=>(const RouteConflict&) const = default;
};

class RouteTable {
 public:
  /// The sessions there are; with another set, all lines are made anew.
  void set_peers(std::map<std::string, std::uint32_t> peers);
  /// Replaces what this Service wanted before.
  void set(const kube::Name& service, std::vector<BgpWish> wishes);

  /// The file of a family: sorted by prefix, so equal routes are equal text.
  std::string text(Family family);
  std::size_t size() const { return routes_.size(); }
  /// Whether one of the Service's prefixes holds the address.
  bool covers(const kube::Name& service, const Ip& vip) const;
  /// Those in use.
  std::vector<bird::Telling> tellings();
  std::vector<RouteConflict> conflicts();
  /// Goes up with every change of what text() or tellings() answer.
  std::uint64_t version();

 private:
  struct Route {
    std::map<kube::Name, std::map<std::string, bird::Attributes>> by_service;
    std::string line;
    bird::Telling telling;  // of the line
    std::vector<RouteConflict> conflicts;
  };
  void refresh();
  void render(const Prefix& prefix, Route& route);
  void count(const bird::Telling& telling, int by);

  std::map<std::string, std::uint32_t> peers_;
  std::map<Prefix, Route> routes_;
  std::map<kube::Name, std::vector<Prefix>> prefixes_;
  std::set<Prefix> dirty_;
  std::set<Prefix> disputed_;  // routes with conflicts
  std::map<bird::Telling, int> tellings_;
  std::uint64_t version_ = 0;
};

}  // namespace fairlead::speaker
