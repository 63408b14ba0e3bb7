#pragma once
/// What this node's status objects should say: who announces a Service, and whether the configuration is understood. Pure.
///
/// A name is made of kind, Service and node, so a restarted speaker finds its own objects, and no two nodes share one:
/// "bgp-web-0f3c…", with as much of the Service's name as reads well and a hash of all three.
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/runtime/source.h"
#include "speaker/core/announce.h"

namespace fairlead::speaker {

/// At most 63 characters, a DNS label.
std::string status_name(runtime::StatusKind kind, const kube::Name& service, std::string_view node);

/// None: this node announces none of its VIPs by ARP or NDP. Interfaces are named only when all of them are limited.
std::optional<runtime::StatusObject> l2_status(const kube::Name& service, std::string_view node, std::span<const Announcement> announcements);
/// `peers`: names, sorted. None: no peer is told of it.
std::optional<runtime::StatusObject> bgp_status(const kube::Name& service, std::string_view node, std::vector<std::string> peers);

/// What is wrong: (what it is about, like "BGPPeer fairlead-system/tor"; who says so) -> one line.
using Faults = std::map<std::pair<std::string, std::string>, std::string>;
/// ConfigurationState "speaker-<node>". Not loaded: nothing is known yet. `note`: what is no fault and told all the same.
runtime::StatusObject speaker_state(std::string_view node, bool is_loaded, const Faults& faults, std::string_view note);

}  // namespace fairlead::speaker
