#include "speaker/core/address_checks.h"

#include <algorithm>

#include "speaker/core/owner.h"

namespace fairlead::speaker {

bool asks_about(const Ip& address, const std::string& self, const Prefix& prefix, const std::map<std::string, std::vector<Ip>>& nodes) {
  std::vector<std::string> able;
  for (const auto& [name, ips] : nodes) {
    if (std::any_of(ips.begin(), ips.end(), [&](const Ip& ip) { return prefix.range().contains(ip); })) able.push_back(name);
  }
  if (able.empty()) return true;
  const auto first = owner(address, able);
  if (first == self) return true;
  std::erase(able, *first);
  return owner(address, able) == self;  // the first one may be down
}

void AddressChecks::set_questions(std::vector<Question> questions, TimePoint now) {
  std::map<Ip, Check> checks;
  for (Question& q : questions) {
    const Ip address = q.what.address;
    const auto before = checks_.find(address);
    if (before != checks_.end() && before->second.question.what.id == q.what.id) {
      before->second.question.on = std::move(q.on);
      checks.insert(checks_.extract(before));
    } else {
      checks.insert_or_assign(address, Check{std::move(q), 0, now, std::nullopt});
    }
  }
  checks_ = std::move(checks);
}

void AddressChecks::settle(const Ip& address, const Mac& mac, const std::string& interface) {
  const auto found = checks_.find(address);
  if (found == checks_.end()) return;
  Check& check = found->second;
  check.answer = {address, check.question.what.id, mac.str(), interface};
}

void AddressChecks::heard(const ForeignClaim& claim) {
  const auto found = checks_.find(claim.vip);
  if (found == checks_.end() || found->second.answer || found->second.sent < 2) return;
  settle(claim.vip, claim.mac, claim.interface);
}

std::vector<AddressChecks::Due> AddressChecks::due(TimePoint now) {
  std::vector<Due> out;
  for (auto& [address, check] : checks_) {
    if (check.answer || check.step > now) continue;
    if (check.sent == kQuestions) {
      check.answer = {address, check.question.what.id, "", ""};
      continue;
    }
    out.push_back({address, check.question.on});
    ++check.sent;
    check.step = now + (check.sent < kQuestions ? kEvery : kListenAfterwards);
  }
  return out;
}

std::optional<TimePoint> AddressChecks::next() const {
  std::optional<TimePoint> out;
  for (const auto& [address, check] : checks_) {
    if (!check.answer) out = std::min(out.value_or(check.step), check.step);
  }
  return out;
}

std::vector<api::AddressNotes::Hearing> AddressChecks::answers() const {
  std::vector<api::AddressNotes::Hearing> out;
  for (const auto& [address, check] : checks_) {
    if (check.answer) out.push_back(*check.answer);
  }
  return out;
}

}  // namespace fairlead::speaker
