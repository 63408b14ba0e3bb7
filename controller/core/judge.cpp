#include "controller/core/judge.h"

#include <algorithm>

namespace fairlead::controller::core {
namespace {

/// The sentence that becomes an Event: it names the object, as those about pools do.
std::string sentence(const api::Violation& violation) {
  std::string out = violation.object.str() + ": ";
  if (!violation.field.empty()) out += violation.field + " ";
  return out + violation.reason;
}

}  // namespace

std::vector<Notice> judge(const api::ConfigSet& set, api::Group group) {
  const api::Rules rules = api::Rules::of(group);
  std::vector<api::Violation> found = api::validate_l2(set, rules);
  for (auto part : {api::validate_pools(set, rules), api::validate_bgp(set, rules)}) {
    std::move(part.begin(), part.end(), std::back_inserter(found));
  }
  std::vector<Notice> out;
  for (const api::Violation& v : found) {
    if (v.severity == api::Severity::warning || v.rule == api::Rule::no_such_secret) continue;
    if (v.object.kind == api::Kind::ip_address_pool) continue;
    if (v.object.kind == api::Kind::community && group == api::Group::metallb) continue;
    out.push_back({v.object, Reason::object_invalid, sentence(v)});
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Configuration summarize(const std::vector<Notice>& problems, std::vector<std::string> unreadable, bool has_passed) {
  std::vector<std::string> lines = std::move(unreadable);
  for (const Notice& notice : problems) {
    if (notice.about.kind != api::Kind::service) lines.push_back(notice.message);
  }
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  Configuration out;
  out.verdict = !has_passed ? Verdict::unknown : lines.empty() ? Verdict::valid : Verdict::invalid;
  constexpr std::size_t kRoomForRest = 40;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (out.summary.size() + lines[i].size() + kRoomForRest > kMostSummary) {
      out.summary += (i > 0 ? "\n" : "") + std::string("and ") + std::to_string(lines.size() - i) + " more";
      break;
    }
    out.summary += (i > 0 ? "\n" : "") + lines[i];
  }
  return out;
}

}  // namespace fairlead::controller::core
