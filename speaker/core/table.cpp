#include "speaker/core/table.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

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
    case Map::resolved:
    case Map::guarded4:  // a frontend is not open for a moment because it goes
    case Map::guarded6: return true;
    default: return false;
  }
}

bool is_allowed(Map map) { return map == Map::allowed4 || map == Map::allowed6; }

bool is_frontend(Map map) {
  return map == Map::services4 || map == Map::services6 || map == Map::nodeports4 || map == Map::nodeports6;
}

}  // namespace

/// The guards of these claimants may count, or not count any more: which of them has the frontend has changed.
void Desired::touch_guards(const Claims& claims) {
  for (const Claim& c : claims) {
    for (const nft::ElementKey* key : c.by->keys) {
      if (nft::guarded_frontend(*key)) touched_.insert(*key);
    }
  }
}

std::vector<Desired::Conflict> Desired::set(const Owner& owner, std::vector<nft::Element> elements) {
  std::vector<Conflict> conflicts;
  Contribution& mine = owners_[owner.name];
  for (const nft::ElementKey* key : std::exchange(mine.keys, {})) {
    const auto found = claims_.find(*key);
    touched_.insert(*key);
    std::erase_if(found->second, [&](const Claim& c) { return c.by == &mine; });
    if (found->second.empty()) {
      claims_.erase(found);
    } else if (is_frontend(key->map)) {
      touch_guards(found->second);
    }
  }
  mine.owner = owner;
  mine.keys.reserve(elements.size());
  for (nft::Element& e : elements) {
    const auto at = claims_.try_emplace(std::move(e.key)).first;
    Claims& claims = at->second;
    touched_.insert(at->first);
    // An element named twice by one owner is one element; the last value counts.
    const auto twin = std::find_if(claims.begin(), claims.end(), [&](const Claim& c) { return c.by == &mine; });
    if (twin != claims.end()) {
      twin->value = std::move(e.value);
      continue;
    }
    const auto place = std::find_if(claims.begin(), claims.end(), [&](const Claim& c) { return owner < c.by->owner; });
    claims.insert(place, {&mine, std::move(e.value)});
    mine.keys.push_back(&at->first);
    if (is_frontend(at->first.map) && claims.size() > 1) {
      touch_guards(claims);
      const bool wins = claims.front().by == &mine;
      conflicts.push_back({at->first, claims.front().by->owner.name, wins ? claims[1].by->owner.name : owner.name});
    }
  }
  if (mine.keys.empty()) owners_.erase(owner.name);
  return conflicts;
}

const std::string* Desired::find(const nft::ElementKey& key) const {
  const auto found = claims_.find(key);
  if (found == claims_.end()) return nullptr;
  const auto guarded = nft::guarded_frontend(key);
  if (!guarded) return &found->second.front().value;
  const auto frontend = claims_.find(*guarded);
  if (frontend == claims_.end()) return nullptr;
  for (const Claim& c : found->second) {
    if (c.by == frontend->second.front().by) return &c.value;
  }
  return nullptr;
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
      // Ranges that are exchanged make room in the same transaction; those of a guard that goes stay as long as it.
      const bool is_second = is_allowed(at->map) ? desired_.find(nft::guard_of(*at)) == nullptr : is_pointed_at(at->map);
      (is_second ? out.second : out.first).push_back({Change::Kind::remove, {*at, {}}});
    } else {
      out.first.push_back({has ? Change::Kind::replace : Change::Kind::add, {*at, *want}});
    }
    ++at;
  }
  // By map, so that a fill cut into several transactions adds what is pointed at first, and a removal cut into several
  // takes it last. Within a map removals go first, as an interval may take the place of one that it overlaps; then by key,
  // so that the same change is the same bytes.
  const auto place = [](const Change& c) { return std::tuple(c.element.key.map, c.kind != Change::Kind::remove, std::string_view(c.element.key.bytes)); };
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
