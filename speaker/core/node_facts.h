#pragma once
/// From flags, objects and the host's addresses to the facts that plans are made with. Pure: the speaker and
/// `fairleadctl trace` ask the same question.
#include <string>
#include <vector>

#include "speaker/core/announce.h"
#include "speaker/core/data_plane_flags.h"
#include "speaker/core/facts.h"

namespace fairlead::speaker {

struct HostAddresses {
  std::vector<Ip> best_first;  // stand in for the Node object's, where that names none
  std::vector<Ip> all;         // whatever the host's links have
  bool operator==(const HostAddresses&) const = default;
};

NodeFacts node_facts(const DataPlaneFlags& flags, const std::string& name, const Cluster& cluster, const HostAddresses& host);

}  // namespace fairlead::speaker
