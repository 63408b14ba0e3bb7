#include "controller/core/hold_down.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace fairlead::controller::core {
namespace {

constexpr std::int64_t kLongest = 1'000'000'000;  // seconds; a note may say anything

}  // namespace

void HoldDown::learn(std::span<const api::AddressRecord* const> records, const Time& time) {
  if (std::exchange(has_learned_, true)) return;
  for (const api::AddressRecord* record : records) {
    for (const api::AddressNotes::HeldDown& held : record->notes.held_down) {
      const std::chrono::seconds left(std::clamp<std::int64_t>(held.until - time.wall, 0, kLongest));
      released_.try_emplace(held.address, Released{{held.service_namespace, held.service_name},
                                                   time.now + std::min<Duration>(time.length, left), held.until});
    }
  }
}

void HoldDown::begin(const std::set<Ip>& shown, const Time& time) {
  for (const auto& [ip, name] : holders_) {
    if (!shown.contains(ip)) release(ip, name, time);
  }
  std::erase_if(released_, [&](const auto& entry) { return entry.second.until <= time.now || shown.contains(entry.first); });
}

const kube::Name& HoldDown::release(const Ip& ip, const kube::Name& by, const Time& time) {
  const Released rests{by, time.now + time.length, time.wall + std::chrono::ceil<std::chrono::seconds>(time.length).count()};
  return released_.try_emplace(ip, rests).first->second.last;
}

void HoldDown::end(std::map<Ip, kube::Name> holders, const Time& time) {
  for (const auto& [ip, name] : holders_) {
    if (!holders.contains(ip)) release(ip, name, time);
  }
  for (const auto& [ip, name] : holders) released_.erase(ip);
  holders_ = std::move(holders);
}

std::vector<api::AddressNotes::HeldDown> HoldDown::notes() const {
  std::vector<api::AddressNotes::HeldDown> out;
  for (const auto& [ip, released] : released_) out.push_back({ip, released.last.ns, released.last.name, released.until_wall});
  return out;
}

std::optional<TimePoint> HoldDown::next() const {
  std::optional<TimePoint> out;
  for (const auto& [ip, released] : released_) out = std::min(out.value_or(released.until), released.until);
  return out;
}

}  // namespace fairlead::controller::core
