#pragma once
/// A stateful nf_tables in memory. It takes the bytes of a batch as the kernel would: a copy is changed message by message,
/// and becomes the state only if every message succeeded. Errors are the kernel's:
///   add what is there with the same value   fine          ... with another value            EBUSY
///   remove what is not there                ENOENT        a table, chain, set, counter gone  ENOENT
///   a size that does not fit the set        EINVAL        intervals or boxes that overlap    ENOTEMPTY
///   an exclusive create of what exists      EEXIST        a table that another socket owns   EPERM
/// Dumps come back as netlink bytes too.
#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/nft/batch.h"
#include "proto/nft/decode.h"
#include "tests/support/netlink_walk.h"

namespace fairlead::test {

class FakeNft {
 public:
  using Key = std::pair<std::string, bool>;  // the key's bytes (of a box both ends); true: the end of an interval
  using Elements = std::map<Key, std::string>;
  struct Chain {
    std::uint32_t spread = 0;  // endpoints that its rules choose from, 0 for none
    std::size_t rules = 0;
  };
  struct TableState {
    std::uint32_t flags = 0;
    std::uint32_t owner = 0;
    std::map<std::string, Chain> chains;
    std::map<std::string, Elements> sets;  // those of the template; the shapes are nft::info's
  };
  struct Answer {
    int error = 0;          // a positive errno
    std::uint32_t seq = 0;  // of the message that failed, or of the acknowledged one
    std::size_t acks = 0;   // how many acknowledgements were asked for
    bool ok() const { return error == 0; }
  };

  /// What `nft -f` does with the template: all sets, empty; all chains of 1 to 64 endpoints; dormant.
  void load(const std::string& table) {
    TableState& t = tables_[table];
    t = {};
    t.flags = NFT_TABLE_F_DORMANT;
    for (std::size_t i = 0; i < nft::kMaps; ++i) t.sets[nft::info(static_cast<nft::Map>(i)).name];
    for (const char* name : {"refuse", "ignore", "by-source", "services", "choose", "chosen"}) t.chains[name].rules = 1;
    for (std::uint32_t k = 1; k <= nft::kTemplateSpread; ++k) t.chains["spread-" + std::to_string(k)] = {k, 3};
  }

  Answer commit(ByteView bytes, std::uint32_t port_id = 1) {
    Answer out;
    const Walked in = walk(bytes);
    const auto& m = in.messages;
    if (!in.fault.empty() || m.size() < 2 || m.front().type != NFNL_MSG_BATCH_BEGIN || m.back().type != NFNL_MSG_BATCH_END ||
        m.front().resource != NFNL_SUBSYS_NFTABLES) {
      out.error = EINVAL;
      return out;
    }
    Transaction tx{tables_, {}};
    for (std::size_t i = 1; i + 1 < m.size(); ++i) {
      const int error = apply(tx, m[i], port_id);
      if (error != 0) return Answer{error, m[i].seq, out.acks};
      if ((m[i].flags & NLM_F_ACK) == 0) continue;
      ++out.acks;
      out.seq = m[i].seq;
    }
    for (auto& [name, table] : tx.changed) {
      if (table) {
        tables_[name] = std::move(*table);
      } else {
        tables_.erase(name);
      }
    }
    ++commits_;
    return out;
  }

  std::size_t commits() const { return commits_; }
  const TableState* find(const std::string& table) const {
    const auto found = tables_.find(table);
    return found == tables_.end() ? nullptr : &found->second;
  }
  const Elements& raw(const std::string& table, nft::Map map) const { return tables_.at(table).sets.at(nft::info(map).name); }

  /// The answer to dump_elements(): datagrams of one or more messages each, then the one that ends the dump.
  std::vector<Bytes> dump(const std::string& table, nft::Map map, std::uint32_t seq, std::size_t elements_each = 100) const {
    std::vector<Bytes> out;
    const nft::MapInfo& shape = nft::info(map);
    const Elements& all = raw(table, map);
    auto at = all.begin();
    while (at != all.end()) {
      Bytes b;
      const std::size_t message = open_message(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM, NLM_F_MULTI, seq);
      put(b, NFTA_SET_ELEM_LIST_TABLE, table + '\0');
      put(b, NFTA_SET_ELEM_LIST_SET, shape.name + std::string(1, '\0'));
      const std::size_t list = open(b, NFTA_SET_ELEM_LIST_ELEMENTS);
      for (std::size_t n = 0; n < elements_each && at != all.end(); ++n, ++at) {
        const std::size_t element = open(b, NFTA_LIST_ELEM);
        const std::size_t key = open(b, NFTA_SET_ELEM_KEY);
        put(b, NFTA_DATA_VALUE, at->first.first.substr(0, shape.key_size));
        close(b, key);
        if (shape.key_kind == nft::KeyKind::box) {
          const std::size_t last = open(b, NFTA_SET_ELEM_KEY_END);
          put(b, NFTA_DATA_VALUE, at->first.first.substr(shape.key_size));
          close(b, last);
        }
        if (shape.value_kind != nft::ValueKind::none) {
          const std::size_t data = open(b, NFTA_SET_ELEM_DATA);
          if (shape.value_kind == nft::ValueKind::bytes) {
            put(b, NFTA_DATA_VALUE, at->second);
          } else {
            const std::size_t verdict = open(b, NFTA_DATA_VERDICT);
            put(b, NFTA_VERDICT_CODE, big_endian(static_cast<std::uint32_t>(NFT_GOTO)));
            put(b, NFTA_VERDICT_CHAIN, at->second + '\0');
            close(b, verdict);
          }
          close(b, data);
        }
        if (at->first.second) put(b, NFTA_SET_ELEM_FLAGS, big_endian(NFT_SET_ELEM_INTERVAL_END));
        close(b, element);
      }
      close(b, list);
      close_message(b, message);
      out.push_back(std::move(b));
    }
    Bytes done;
    const std::size_t message = open_message(done, NLMSG_DONE, NLM_F_MULTI, seq);
    close_message(done, message);
    out.push_back(std::move(done));
    return out;
  }

  /// All elements of a table, through dumps and the decoder: what a session would bring.
  std::map<nft::ElementKey, std::string> elements(const std::string& table) const {
    std::map<nft::ElementKey, std::string> out;
    for (std::size_t i = 0; i < nft::kMaps; ++i) {
      const auto map = static_cast<nft::Map>(i);
      std::vector<nft::WireElement> wire;
      for (const Bytes& datagram : dump(table, map, 1)) {
        nft::Messages messages(datagram);
        while (const auto m = messages.next()) {
          if (m->topic != nft::Topic::element) continue;
          nft::ElementList list = nft::parse_elements(m->attributes);
          wire.insert(wire.end(), list.elements.begin(), list.elements.end());
        }
      }
      for (nft::Element& e : nft::assemble(map, std::move(wire))) out.emplace(std::move(e.key), std::move(e.value));
    }
    return out;
  }

  /// Somebody else's hand.
  void tamper(const std::string& table, nft::Map map, const Key& key, std::optional<std::string> value) {
    Elements& all = tables_.at(table).sets.at(nft::info(map).name);
    if (value) {
      all[key] = *value;
    } else {
      all.erase(key);
    }
  }

 private:
  struct Transaction {
    const std::map<std::string, TableState>& before;
    std::map<std::string, std::optional<TableState>> changed;

    TableState* find(const std::string& name) {
      if (const auto found = changed.find(name); found != changed.end()) return found->second ? &*found->second : nullptr;
      const auto old = before.find(name);
      return old == before.end() ? nullptr : &*(changed[name] = old->second);
    }
  };

  static const nft::MapInfo* shape_of(const std::string& set) {
    for (std::size_t i = 0; i < nft::kMaps; ++i) {
      const nft::MapInfo& shape = nft::info(static_cast<nft::Map>(i));
      if (set == shape.name) return &shape;
    }
    return nullptr;
  }

  static int apply(Transaction& tx, const WalkedMessage& m, std::uint32_t port_id) {
    if (m.family != NFPROTO_INET) return EOPNOTSUPP;
    const std::string name = m.text(1);  // in every message the first attribute names the table
    TableState* table = tx.find(name);
    if (table != nullptr && table->owner != 0 && table->owner != port_id) return EPERM;
    const bool creates = (m.flags & NLM_F_CREATE) != 0;
    const bool is_exclusive = (m.flags & NLM_F_EXCL) != 0;
    switch (m.command()) {
      case NFT_MSG_NEWTABLE: {
        const Attribute* flags = m.attributes.find(NFTA_TABLE_FLAGS);
        const std::uint32_t wanted = flags == nullptr ? 0 : flags->be32();
        if (table != nullptr) {
          if (is_exclusive) return EEXIST;
          table->flags = wanted;
          return 0;
        }
        if (!creates) return ENOENT;
        TableState fresh;
        fresh.flags = wanted;
        fresh.owner = (wanted & NFT_TABLE_F_OWNER) != 0 ? port_id : 0;
        tx.changed[name] = std::move(fresh);
        return 0;
      }
      case NFT_MSG_DELTABLE:
        if (table == nullptr) return ENOENT;
        tx.changed[name] = std::nullopt;
        return 0;
      case NFT_MSG_NEWCHAIN: {
        if (table == nullptr) return ENOENT;
        const std::string chain = m.text(NFTA_CHAIN_NAME);
        if (chain.empty() || chain.size() >= NFT_CHAIN_MAXNAMELEN) return EINVAL;
        if (table->chains.contains(chain)) return is_exclusive ? EEXIST : 0;
        if (!creates) return ENOENT;
        table->chains[chain];
        return 0;
      }
      case NFT_MSG_DELRULE: {  // without a handle: all rules of the chain
        if (table == nullptr) return ENOENT;
        const auto chain = table->chains.find(m.text(NFTA_RULE_CHAIN));
        if (chain == table->chains.end()) return ENOENT;
        chain->second = {};
        return 0;
      }
      case NFT_MSG_NEWRULE: return table == nullptr ? ENOENT : add_rule(*table, m);
      case NFT_MSG_NEWSETELEM:
      case NFT_MSG_DELSETELEM: {
        if (table == nullptr) return ENOENT;
        const std::string set = m.text(NFTA_SET_ELEM_LIST_SET);
        const auto found = table->sets.find(set);
        const nft::MapInfo* shape = shape_of(set);
        if (found == table->sets.end() || shape == nullptr) return ENOENT;
        return change_elements(*table, found->second, *shape, m);
      }
      default: return EOPNOTSUPP;
    }
  }

  static int add_rule(TableState& table, const WalkedMessage& m) {
    const auto chain = table.chains.find(m.text(NFTA_RULE_CHAIN));
    const Attribute* list = m.attributes.find(NFTA_RULE_EXPRESSIONS);
    if (chain == table.chains.end()) return ENOENT;
    if (list == nullptr || (m.flags & NLM_F_CREATE) == 0) return EINVAL;
    for (const Attribute& e : list->children) {
      const Attribute* name = e.find(NFTA_EXPR_NAME);
      const Attribute* data = e.find(NFTA_EXPR_DATA);
      if (e.type != NFTA_LIST_ELEM || name == nullptr) return EINVAL;
      const std::string what = name->text();
      if (data == nullptr) return EINVAL;
      if (what == "numgen") chain->second.spread = data->find(NFTA_NG_MODULUS)->be32();
      if (what == "lookup" && !table.sets.contains(data->find(NFTA_LOOKUP_SET)->text())) return ENOENT;
      if (what == "objref" && data->find(NFTA_OBJREF_IMM_NAME)->text() != "missed") return ENOENT;
    }
    ++chain->second.rules;
    return 0;
  }

  static int change_elements(const TableState& table, Elements& all, const nft::MapInfo& shape, const WalkedMessage& m) {
    const Attribute* list = m.attributes.find(NFTA_SET_ELEM_LIST_ELEMENTS);
    if (list == nullptr || list->children.empty()) return EINVAL;
    const bool adds = m.command() == NFT_MSG_NEWSETELEM;
    if (adds && (m.flags & NLM_F_CREATE) == 0) return ENOENT;
    for (const Attribute& e : list->children) {
      const Attribute* key = e.find(NFTA_SET_ELEM_KEY);
      const Attribute* bytes = key == nullptr ? nullptr : key->find(NFTA_DATA_VALUE);
      if (bytes == nullptr || bytes->bytes.size() != shape.key_size) return EINVAL;
      const Attribute* flags = e.find(NFTA_SET_ELEM_FLAGS);
      const bool is_end = flags != nullptr && (flags->be32() & NFT_SET_ELEM_INTERVAL_END) != 0;
      if (is_end && shape.key_kind != nft::KeyKind::interval) return EINVAL;
      Key at{bytes->bytes, is_end};
      const Attribute* last = e.find(NFTA_SET_ELEM_KEY_END);
      if ((last != nullptr) != (shape.key_kind == nft::KeyKind::box)) return EINVAL;
      if (last != nullptr) {
        const Attribute* end = last->find(NFTA_DATA_VALUE);
        if (end == nullptr || end->bytes.size() != shape.key_size) return EINVAL;
        at.first += end->bytes;
        if (adds && !all.contains(at) && overlaps_another(all, at.first)) return ENOTEMPTY;
      }
      if (!adds) {
        if (all.erase(at) == 0) return ENOENT;
        continue;
      }
      std::string value;
      const Attribute* data = e.find(NFTA_SET_ELEM_DATA);
      if ((data != nullptr) != (shape.value_kind != nft::ValueKind::none)) return EINVAL;
      if (shape.value_kind == nft::ValueKind::bytes) {
        const Attribute* plain = data->find(NFTA_DATA_VALUE);
        if (plain == nullptr || plain->bytes.size() != shape.value_size) return EINVAL;
        value = plain->bytes;
      } else if (shape.value_kind == nft::ValueKind::goto_chain) {
        const Attribute* verdict = data->find(NFTA_DATA_VERDICT);
        if (verdict == nullptr || verdict->find(NFTA_VERDICT_CODE) == nullptr || verdict->find(NFTA_VERDICT_CHAIN) == nullptr ||
            verdict->find(NFTA_VERDICT_CODE)->be32() != static_cast<std::uint32_t>(NFT_GOTO)) {
          return EINVAL;
        }
        value = verdict->find(NFTA_VERDICT_CHAIN)->text();
        if (!table.chains.contains(value)) return ENOENT;
      }
      const auto [old, is_new] = all.try_emplace(at, value);
      if (!is_new && (m.flags & NLM_F_EXCL) != 0) return EEXIST;
      if (!is_new && old->second != value) return EBUSY;
    }
    return shape.key_kind == nft::KeyKind::interval && !is_alternating(all) ? ENOTEMPTY : 0;
  }

  /// Boxes overlap when they do in every part. Our parts are all of four bytes, or an IPv6 address; and where bytes in
  /// network order overlap part by part in four, so do the addresses, as ours are prefixes.
  static bool overlaps_another(const Elements& all, const std::string& box) {
    const std::size_t half = box.size() / 2;
    for (const auto& [key, value] : all) {
      bool is_apart = false;
      for (std::size_t at = 0; at < half; at += 4) {
        const auto part = [&](const std::string& s, std::size_t from) { return s.substr(from + at, 4); };
        is_apart = is_apart || part(key.first, half) < part(box, 0) || part(box, half) < part(key.first, 0);
      }
      if (!is_apart) return true;
    }
    return false;
  }

  /// A start, its end, the next start: where one ends another may begin.
  static bool is_alternating(const Elements& all) {
    std::vector<Key> keys;
    for (const auto& [key, value] : all) keys.push_back(key);
    std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.first != b.first ? a.first < b.first : a.second && !b.second; });
    bool is_open = false;
    for (const Key& k : keys) {
      if (k.second != is_open) return false;
      is_open = !is_open;
    }
    return true;
  }

  template <class T>
  static void append(Bytes& out, T value) {
    const auto at = out.size();
    out.resize(at + sizeof value);
    std::memcpy(out.data() + at, &value, sizeof value);
  }
  static std::string big_endian(std::uint32_t v) {
    Writer w;
    w.be32(v);
    const Bytes b = std::move(w).take();
    return {b.begin(), b.end()};
  }
  static void put(Bytes& out, int type, const std::string& bytes) {
    append(out, static_cast<std::uint16_t>(4 + bytes.size()));
    append(out, static_cast<std::uint16_t>(type));
    out.insert(out.end(), bytes.begin(), bytes.end());
    out.resize((out.size() + 3) / 4 * 4, 0);
  }
  static std::size_t open(Bytes& out, int type) {
    const auto at = out.size();
    append(out, std::uint16_t{0});
    append(out, static_cast<std::uint16_t>(type | NLA_F_NESTED));
    return at;
  }
  static void close(Bytes& out, std::size_t at) {
    const auto length = static_cast<std::uint16_t>(out.size() - at);
    std::memcpy(out.data() + at, &length, sizeof length);
  }
  static std::size_t open_message(Bytes& out, int type, int flags, std::uint32_t seq) {
    const auto at = out.size();
    append(out, std::uint32_t{0});
    append(out, static_cast<std::uint16_t>(type));
    append(out, static_cast<std::uint16_t>(flags));
    append(out, seq);
    append(out, std::uint32_t{1});
    append(out, std::uint32_t{NFPROTO_INET});  // family, version 0, resource: as the low octet comes first
    return at;
  }
  static void close_message(Bytes& out, std::size_t at) {
    const auto length = static_cast<std::uint32_t>(out.size() - at);
    std::memcpy(out.data() + at, &length, sizeof length);
  }

  std::map<std::string, TableState> tables_;
  std::size_t commits_ = 0;
};

}  // namespace fairlead::test
