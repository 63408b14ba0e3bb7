#pragma once
/// The configuration as a whole: what speakers will make of it, said where a person looks first, and summed up as
/// ConfigurationState says it. Nothing is stopped by it: addresses are given by the pools alone (pools.h). Pure.
#include <string>
#include <vector>

#include "controller/core/converge.h"
#include "proto/api/validate.h"

namespace fairlead::controller::core {

/// What is wrong with advertisements, peers, profiles and communities, for Decisions::problems. Pools (and Communities
/// where they decide about pools, in metallb.io mode) are converge()'s to judge. Whether a Secret that a peer names is
/// there is not judged: the controller may not read Secrets.
std::vector<Notice> judge(const api::ConfigSet& set, api::Group group);

enum class Verdict { valid, invalid, unknown };

struct Configuration {
  Verdict verdict = Verdict::valid;
  std::string summary;  // a line for each fault, sorted; at most kMostSummary octets
  bool operator==(const Configuration&) const = default;
};
/// What a condition's message may hold.
inline constexpr std::size_t kMostSummary = 32'000;

/// Invalid while anything is wrong. Of `problems`, those about Services are no matter of the configuration. `unreadable`:
/// "BGPPeer ns/tor: spec.myASN is missing". Before the first pass (`has_passed`) nothing else is known, so it is unknown.
Configuration summarize(const std::vector<Notice>& problems, std::vector<std::string> unreadable, bool has_passed);

}  // namespace fairlead::controller::core
