#include "controller/core/probes.h"

#include <algorithm>

namespace fairlead::controller::core {

void Probes::begin(TimePoint now) {
  std::erase_if(taken_, [&](const auto& entry) { return entry.second.until <= now; });
  std::erase_if(asked_, [&](const auto& entry) { return entry.second.is_free && entry.second.until <= now; });
  for (auto& [ip, asked] : asked_) {
    asked.is_wanted = false;
    if (!asked.is_free && asked.until <= now) set_free(asked, now);
  }
}

void Probes::set_free(Asked& asked, TimePoint now) {
  asked.is_free = true;
  asked.until = now + kFreeFor;
  --open_;
}

void Probes::learn(const api::AddressRecord& record, TimePoint now) {
  std::string_view node = record.meta.name;
  if (node.starts_with(api::kSpeakerRecordPrefix)) node.remove_prefix(api::kSpeakerRecordPrefix.size());
  for (const api::AddressNotes::Hearing& heard : record.notes.heard) {
    const auto found = asked_.find(heard.address);
    if (found == asked_.end() || found->second.id != heard.id) continue;
    Asked& asked = found->second;
    if (heard.hardware_address.empty()) {
      if (!asked.is_free) set_free(asked, now);
      continue;
    }
    // Also where another speaker has heard nobody: one answer is enough.
    if (!asked.is_free) --open_;
    taken_[heard.address] = {asked.service, heard.hardware_address, heard.interface, std::string(node), now + kTakenFor};
    asked_.erase(found);
  }
}

bool Probes::is_free(const Ip& ip, const kube::Name& service, TimePoint now) {
  auto found = asked_.find(ip);
  if (found == asked_.end()) {
    if (open_ >= kAtOnce) return false;
    found = asked_.emplace(ip, Asked{next_id_++, service, now + kPatience}).first;
    ++open_;
  }
  found->second.is_wanted = true;
  return found->second.is_free;
}

void Probes::end() {
  std::erase_if(asked_, [&](const auto& entry) {
    if (entry.second.is_wanted) return false;
    if (!entry.second.is_free) --open_;
    return true;
  });
}

std::vector<api::AddressNotes::Question> Probes::questions() const {
  std::vector<api::AddressNotes::Question> out;
  for (const auto& [ip, asked] : asked_) {
    if (!asked.is_free) out.push_back({ip, asked.id});
  }
  return out;
}

std::optional<TimePoint> Probes::next() const {
  std::optional<TimePoint> out;
  const auto consider = [&](TimePoint at) { out = std::min(out.value_or(at), at); };
  for (const auto& [ip, asked] : asked_) {
    if (!asked.is_free) consider(asked.until);
  }
  for (const auto& [ip, taken] : taken_) consider(taken.until);
  return out;
}

}  // namespace fairlead::controller::core
