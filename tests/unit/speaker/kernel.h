#pragma once
/// A table in the fake kernel, filled the way the data plane fills it: cut into batches, each followed by a look at what a
/// packet would meet at that moment.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proto/nft/skeleton.h"
#include "speaker/core/table.h"
#include "tests/support/fake_nft.h"

namespace fairlead::speaker {

class Kernel {
 public:
  Kernel() { nft_.load(kName); }

  test::FakeNft& nft() { return nft_; }
  Table::Have have() const {
    const auto all = nft_.elements(kName);
    return {all.begin(), all.end()};
  }

  /// Commits the first `most` changes of the next step and tells the table. Answers false when nothing was left to do.
  bool apply(Table& table, std::size_t most) {
    const Steps steps = table.steps();
    std::vector<Change> next = steps.first.empty() ? steps.second : steps.first;
    if (next.empty()) return false;
    if (next.size() > most) next.resize(most);
    nft::Batch batch(1);
    for (std::size_t at = 0; at < next.size();) {
      const nft::Map map = next[at].element.key.map;
      std::vector<nft::Element> removed;
      std::vector<nft::Element> added;
      for (; at < next.size() && next[at].element.key.map == map; ++at) {
        const Change& c = next[at];
        if (c.kind != Change::Kind::add) removed.push_back({c.element.key, {}});
        if (c.kind != Change::Kind::remove) added.push_back(c.element);
      }
      if (map == nft::Map::classes) {
        for (const nft::Element& e : added) {
          if (nft::is_rare_class(e.value)) batch.add_spread_chain(kName, e.value, static_cast<std::uint32_t>(std::stoul(e.value.substr(7))));
        }
      }
      batch.remove(kName, removed);
      batch.add(kName, added);
    }
    const auto answer = nft_.commit(std::move(batch).finish());
    EXPECT_EQ(answer.error, 0) << "message " << answer.seq << " of a batch that begins with " << nft::describe(next.front().element.key);
    if (answer.ok()) table.applied(next);
    return answer.ok();
  }

  /// What is wrong for a packet that comes now, or "": every handle leads to a chain whose endpoints are all there.
  std::string fault() const {
    using nft::Map;
    for (const Map map : {Map::services4, Map::services6, Map::nodeports4, Map::nodeports6, Map::by_pod, Map::by_node, Map::by_other}) {
      for (const auto& [key, value] : nft_.raw(kName, map)) {
        const nft::Handle h = nft::handle_of(value);
        const std::string where = nft::describe({map, key.first}) + " class " + std::to_string(h.cls().value) + ": ";
        const bool is_after_source = map == Map::by_pod || map == Map::by_node || map == Map::by_other;
        const nft::ElementKey cls = nft::spread_class(is_after_source ? Map::resolved : Map::classes, h.cls(), "").key;
        const auto& classes = nft_.raw(kName, cls.map);
        const auto chain = classes.find({cls.bytes, false});
        if (chain == classes.end()) return where + "no such class";
        if (h.cls() == nft::kRefuse || h.cls() == nft::kIgnore) continue;
        if (h.cls() == nft::kBySource) {
          for (const Map by : {Map::by_pod, Map::by_node, Map::by_other}) {
            if (!nft_.raw(kName, by).contains({nft::by_source(by, h.id(), {}).key.bytes, false})) return where + "not in " + nft::info(by).name;
          }
          continue;
        }
        const std::uint32_t k = nft_.find(kName)->chains.at(chain->second).spread;
        if (k == 0) return where + "chain " + chain->second + " has no rules";
        const bool is6 = map == Map::services6 || map == Map::nodeports6;
        const bool is4 = map == Map::services4 || map == Map::nodeports4;
        if (!(!is6 && has_endpoints(Map::endpoints4, h.id(), k)) && !(!is4 && has_endpoints(Map::endpoints6, h.id(), k))) {
          return where + "an endpoint is missing";
        }
      }
    }
    return {};
  }

  /// What a packet can get to from a frontend: the lists whose endpoints it may be given, those asked by its source.
  struct InUse {
    std::set<nft::ListId> lists;
    std::set<nft::ListId> by_source;
  };
  InUse in_use() const {
    using nft::Map;
    InUse out;
    for (const Map map : {Map::services4, Map::services6, Map::nodeports4, Map::nodeports6}) {
      for (const auto& [key, value] : nft_.raw(kName, map)) {
        const nft::Handle h = nft::handle_of(value);
        if (h.cls() != nft::kBySource) {
          out.lists.insert(h.id());
          continue;
        }
        out.by_source.insert(h.id());
        for (const Map by : {Map::by_pod, Map::by_node, Map::by_other}) {
          out.lists.insert(nft::handle_of(nft_.raw(kName, by).at({nft::by_source(by, h.id(), {}).key.bytes, false})).id());
        }
      }
    }
    return out;
  }

 private:
  static inline const std::string kName = "fairlead-1";

  bool has_endpoints(nft::Map map, nft::ListId id, std::uint32_t k) const {
    const auto& all = nft_.raw(kName, map);
    for (std::uint32_t i = 0; i < k; ++i) {
      if (!all.contains({nft::endpoint(id, i, Ip4{}, {}).key.bytes, false})) return false;
    }
    return true;
  }

  test::FakeNft nft_;
};

/// What a table means: frontend -> what happens to whom, whatever the ids, orders and class numbers; all other maps as
/// they are. Tables that mean the same are equal.
inline std::map<std::string, std::string> meaning(const std::map<nft::ElementKey, std::string>& table) {
  using nft::Map;
  std::map<std::string, std::string> out;
  const auto list = [&](nft::Handle h, bool is4) {
    std::set<std::string> targets;
    for (std::uint32_t i = 0;; ++i) {
      nft::Element e = nft::endpoint(h.id(), i, is4 ? Ip(Ip4{}) : Ip(Ip6{}), {});
      const auto found = table.find(e.key);
      if (found == table.end()) break;
      e.value = found->second;
      const auto target = nft::endpoint_target(e);
      targets.insert(target.ip.str() + " " + std::to_string(target.port.value));
    }
    std::string text;
    for (const std::string& t : targets) text += " " + t;
    return text;
  };
  const auto plain = [&](nft::Handle h, bool is4) {
    const auto chain = table.find(nft::spread_class(Map::classes, h.cls(), "").key);
    const std::string masquerade = h.masquerade() == nft::Masquerade::always ? "M" : h.masquerade() == nft::Masquerade::unless_pod ? "P" : "-";
    return (chain == table.end() ? "?" : chain->second) + " " + masquerade + list(h, is4);
  };
  for (const auto& [key, value] : table) {
    switch (key.map) {
      case Map::endpoints4:
      case Map::endpoints6:
      case Map::by_pod:
      case Map::by_node:
      case Map::by_other:
      case Map::classes:
      case Map::resolved: break;  // only as far as a frontend leads there
      case Map::services4:
      case Map::services6:
      case Map::nodeports4:
      case Map::nodeports6: {
        const bool is4 = key.map == Map::services4 || key.map == Map::nodeports4;
        const nft::Handle h = nft::handle_of(value);
        std::string& text = out[nft::describe(key)];
        text = plain(h, is4);
        if (h.cls() != nft::kBySource) break;
        text = "by-source";
        for (const Map by : {Map::by_pod, Map::by_node, Map::by_other}) {
          const auto found = table.find(nft::by_source(by, h.id(), {}).key);
          text += std::string(" | ") + (found == table.end() ? "?" : plain(nft::handle_of(found->second), is4));
        }
        break;
      }
      default: {
        std::string bytes;
        for (const char c : key.bytes) bytes += std::to_string(static_cast<unsigned char>(c)) + ".";
        out[nft::describe(key) + " " + bytes] = value;
      }
    }
  }
  return out;
}
inline std::map<nft::ElementKey, std::string> wanted(const Table& table) {
  std::map<nft::ElementKey, std::string> out;
  table.desired().for_each([&](const nft::ElementKey& key, const std::string& value) { out.emplace(key, value); });
  return out;
}

}  // namespace fairlead::speaker
