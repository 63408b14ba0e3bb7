#include "speaker/core/table.h"

#include <algorithm>
#include <functional>
#include <tuple>

namespace fairlead::speaker {
namespace {

using nft::Map;

/// Elements that others point at: they go last, in a transaction of their own.
bool is_pointed_at(Map map) {
  switch (map) {
    case Map::endpoints4:
    case Map::endpoints6:
    case Map::by_pod:
    case Map::by_node:
    case Map::by_other:
    case Map::classes:
    case Map::resolved: return true;
    default: return false;
  }
}

bool is_frontend(Map map) {
  return map == Map::services4 || map == Map::services6 || map == Map::nodeports4 || map == Map::nodeports6;
}

}  // namespace

std::vector<Desired::Conflict> Desired::set(const Owner& owner, std::vector<nft::Element> elements) {
  std::vector<Conflict> conflicts;
  Contribution& mine = owners_[owner.name];
  for (const nft::ElementKey& key : mine.keys) {
    const auto found = claims_.find(key);
    if (found == claims_.end()) continue;
    found->second.erase(mine.owner);
    if (found->second.empty()) claims_.erase(found);
    touched_.insert(key);
  }
  mine.owner = owner;
  mine.keys.clear();
  mine.keys.reserve(elements.size());
  for (nft::Element& e : elements) {
    Claims& claims = claims_[e.key];
    touched_.insert(e.key);
    if (claims.insert_or_assign(owner, std::move(e.value)).second) mine.keys.push_back(e.key);
    if (is_frontend(e.key.map) && claims.size() > 1) {
      conflicts.push_back({e.key, claims.begin()->first.name, owner.name == claims.begin()->first.name
                                                                 ? std::next(claims.begin())->first.name
                                                                 : owner.name});
    }
  }
  if (mine.keys.empty()) owners_.erase(owner.name);
  return conflicts;
}

const std::string* Desired::find(const nft::ElementKey& key) const {
  const auto found = claims_.find(key);
  return found == claims_.end() ? nullptr : &found->second.begin()->second;
}

void Table::reset(Have have) {
  have_ = std::move(have);
  open_.clear();
  for (const auto& [key, value] : have_) open_.insert(key);
  for (const auto& [key, claims] : desired_.claims_) open_.insert(key);
  desired_.touched_.clear();
}

Steps Table::steps() {
  open_.merge(desired_.touched_);
  desired_.touched_.clear();
  Steps out;
  for (auto at = open_.begin(); at != open_.end();) {
    const std::string* want = desired_.find(*at);
    const auto found = have_.find(*at);
    const bool has = found != have_.end();
    if (want == nullptr ? !has : has && found->second == *want) {
      at = open_.erase(at);
      continue;
    }
    if (want == nullptr) {
      (is_pointed_at(at->map) ? out.second : out.first).push_back({Change::Kind::remove, {*at, {}}});
    } else {
      out.first.push_back({has ? Change::Kind::replace : Change::Kind::add, {*at, *want}});
    }
    ++at;
  }
  // By map, so that a fill cut into several transactions adds what is pointed at first, and a removal cut into several
  // takes it last. Within a map removals go first, as an interval may take the place of one that it overlaps; then by key,
  // so that the same change is the same bytes.
  const auto place = [](const Change& c) { return std::tuple(c.element.key.map, c.kind != Change::Kind::remove, std::cref(c.element.key.bytes)); };
  const auto before = [&](const Change& a, const Change& b) { return place(a) < place(b); };
  std::sort(out.first.begin(), out.first.end(), before);
  std::sort(out.second.rbegin(), out.second.rend(), before);
  return out;
}

void Table::applied(const std::vector<Change>& changes) {
  for (const Change& c : changes) {
    if (c.kind == Change::Kind::remove) {
      have_.erase(c.element.key);
    } else {
      have_[c.element.key] = c.element.value;
    }
  }
}

}  // namespace fairlead::speaker
