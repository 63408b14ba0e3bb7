#include "proto/nft/decode.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "proto/nft/uapi.h"

namespace fairlead::nft {
namespace {

template <class T>
T load(ByteView bytes, std::size_t at) {
  T out{};
  if (at + sizeof out <= bytes.size()) std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

std::uint32_t be32(ByteView bytes) { return bytes.size() < 4 ? 0 : Reader(bytes).be32(); }

std::string_view chars(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string text(ByteView bytes) {
  const std::string_view all = chars(bytes);
  return std::string(all.substr(0, all.find('\0')));
}

/// Calls fn(type, payload) for each attribute; stops at the first that does not fit.
template <class F>
void each_attribute(ByteView in, F fn) {
  while (in.size() >= 4) {
    const std::size_t length = load<std::uint16_t>(in, 0);
    const auto type = static_cast<std::uint16_t>(load<std::uint16_t>(in, 2) & NLA_TYPE_MASK);
    if (length < 4 || length > in.size()) return;
    fn(type, in.subspan(4, length - 4));
    in = in.subspan(std::min((length + 3) & ~std::size_t{3}, in.size()));
  }
}

/// FNV-1a.
class Hash {
 public:
  void add(ByteView bytes) {
    for (const std::uint8_t b : bytes) state_ = (state_ ^ b) * 0x100000001b3ULL;
  }
  void add(std::uint16_t n) {
    add(ByteView(reinterpret_cast<const std::uint8_t*>(&n), sizeof n));
  }
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325ULL;
};

/// The kernel's negative errno as a positive one; what no errno can be (and cannot be negated) reads as EIO.
int errno_of(int raw) {
  if (raw >= 0) return 0;
  return raw < -4095 ? EIO : -raw;
}

Topic topic_of(int type) {
  switch (type) {
    case NFT_MSG_NEWTABLE: return Topic::table;
    case NFT_MSG_DELTABLE: return Topic::removed_table;
    case NFT_MSG_NEWCHAIN: return Topic::chain;
    case NFT_MSG_DELCHAIN: return Topic::removed_chain;
    case NFT_MSG_NEWRULE: return Topic::rule;
    case NFT_MSG_DELRULE: return Topic::removed_rule;
    case NFT_MSG_NEWSET: return Topic::set;
    case NFT_MSG_DELSET: return Topic::removed_set;
    case NFT_MSG_NEWSETELEM: return Topic::element;
    case NFT_MSG_DELSETELEM: return Topic::removed_element;
    default: return Topic::other;
  }
}

}  // namespace

std::optional<Message> Messages::next() {
  constexpr std::size_t kHeader = 16;
  const std::size_t length = load<std::uint32_t>(left_, 0);
  if (left_.size() < kHeader || length < kHeader || length > left_.size()) return std::nullopt;
  const ByteView whole = left_.first(length);
  left_ = left_.subspan(std::min((length + 3) & ~std::size_t{3}, left_.size()));

  Message out;
  const auto type = load<std::uint16_t>(whole, 4);
  const auto flags = load<std::uint16_t>(whole, 6);
  out.seq = load<std::uint32_t>(whole, 8);
  out.port_id = load<std::uint32_t>(whole, 12);
  out.is_interrupted = (flags & NLM_F_DUMP_INTR) != 0;
  if (type == NLMSG_DONE) {
    out.topic = Topic::done;
    out.error = errno_of(load<int>(whole, kHeader));
  } else if (type == NLMSG_ERROR) {
    out.topic = Topic::ack;
    out.error = errno_of(load<int>(whole, kHeader));
    out.seq = load<std::uint32_t>(whole, kHeader + 4 + 8);  // of the message that failed
    // Behind the error stands the failed message's header (alone when NETLINK_CAP_ACK took its body), then the
    // extended ack.
    std::size_t at = kHeader + 4 + kHeader;
    if ((flags & NLM_F_CAPPED) == 0) {
      const std::size_t inner = load<std::uint32_t>(whole, kHeader + 4);
      at = kHeader + 4 + ((std::max(inner, kHeader) + 3) & ~std::size_t{3});
    }
    if ((flags & NLM_F_ACK_TLVS) != 0 && at < whole.size()) {
      each_attribute(whole.subspan(at), [&](std::uint16_t attribute, ByteView value) {
        if (attribute == NLMSGERR_ATTR_MSG) out.text = text(value);
      });
    }
  } else if (type >> 8 == NFNL_SUBSYS_NFTABLES && whole.size() >= kHeader + 4) {
    out.topic = topic_of(type & 0xff);
    out.attributes = whole.subspan(kHeader + 4);
  }
  return out;
}

TableInfo parse_table(ByteView attributes) {
  TableInfo out;
  each_attribute(attributes, [&](std::uint16_t type, ByteView value) {
    if (type == NFTA_TABLE_NAME) out.name = text(value);
    if (type == NFTA_TABLE_FLAGS) out.flags = be32(value);
    if (type == NFTA_TABLE_OWNER) out.owner = be32(value);
  });
  return out;
}

namespace {

/// Which attributes of a message name a part, and which say what it is. Handles, use counts and counters, which come and
/// go, are in neither.
Part parse_part(ByteView attributes, std::uint16_t table, std::uint16_t name, std::initializer_list<std::uint16_t> hashed) {
  Part out;
  Hash hash;
  each_attribute(attributes, [&](std::uint16_t type, ByteView value) {
    if (type == table) out.table = text(value);
    if (type == name) out.name = text(value);
    if (std::find(hashed.begin(), hashed.end(), type) == hashed.end()) return;
    hash.add(type);
    hash.add(value);
  });
  out.hash = hash.value();
  return out;
}

}  // namespace

Part parse_chain(ByteView attributes) {
  return parse_part(attributes, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME,
                    {NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_TYPE});
}

Part parse_rule(ByteView attributes) {
  return parse_part(attributes, NFTA_RULE_TABLE, NFTA_RULE_CHAIN, {NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS});
}

Part parse_set(ByteView attributes) {
  return parse_part(attributes, NFTA_SET_TABLE, NFTA_SET_NAME,
                    {NFTA_SET_NAME, NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN, NFTA_SET_DATA_TYPE, NFTA_SET_DATA_LEN});
}

namespace {

std::string data_value(ByteView data) {
  std::string out;
  each_attribute(data, [&](std::uint16_t type, ByteView value) {
    if (type == NFTA_DATA_VALUE) out = chars(value);
    if (type == NFTA_DATA_VERDICT) {
      each_attribute(value, [&](std::uint16_t inner, ByteView name) {
        if (inner == NFTA_VERDICT_CHAIN) out = text(name);
      });
    }
  });
  return out;
}

WireElement parse_element(ByteView attributes) {
  WireElement out;
  each_attribute(attributes, [&](std::uint16_t type, ByteView value) {
    if (type == NFTA_SET_ELEM_KEY) out.key = data_value(value);
    if (type == NFTA_SET_ELEM_KEY_END) out.key_end = data_value(value);
    if (type == NFTA_SET_ELEM_DATA) out.value = data_value(value);
    if (type == NFTA_SET_ELEM_FLAGS) out.is_interval_end = (be32(value) & NFT_SET_ELEM_INTERVAL_END) != 0;
  });
  return out;
}

bool decrement(std::string& bytes) {
  for (std::size_t i = bytes.size(); i-- > 0;) {
    const auto before = static_cast<unsigned char>(bytes[i]);
    bytes[i] = static_cast<char>(before - 1);
    if (before != 0) return true;
  }
  return false;
}

}  // namespace

ElementList parse_elements(ByteView attributes) {
  ElementList out;
  each_attribute(attributes, [&](std::uint16_t type, ByteView value) {
    if (type == NFTA_SET_ELEM_LIST_TABLE) out.table = text(value);
    if (type == NFTA_SET_ELEM_LIST_SET) out.set = text(value);
    if (type == NFTA_SET_ELEM_LIST_ELEMENTS) {
      each_attribute(value, [&](std::uint16_t, ByteView element) { out.elements.push_back(parse_element(element)); });
    }
  });
  return out;
}

std::vector<Element> assemble(Map map, std::vector<WireElement> wire) {
  const MapInfo& shape = info(map);
  std::erase_if(wire, [&](const WireElement& e) {
    return e.key.size() != shape.key_size || (shape.value_kind == ValueKind::bytes && e.value.size() != shape.value_size);
  });
  std::vector<Element> out;
  out.reserve(wire.size());
  if (shape.key_kind == KeyKind::exact) {
    for (WireElement& e : wire) out.push_back({{map, std::move(e.key)}, std::move(e.value)});
    return out;
  }
  if (shape.key_kind == KeyKind::box) {
    for (WireElement& e : wire) {
      const std::string& last = e.key_end.size() == shape.key_size ? e.key_end : e.key;  // none: a box of one key
      out.push_back({{map, e.key + last}, {}});
    }
    return out;
  }
  // Sorted by key; where an interval begins at the address at which another ends, the end comes first.
  std::sort(wire.begin(), wire.end(), [](const WireElement& a, const WireElement& b) {
    return a.key != b.key ? a.key < b.key : a.is_interval_end && !b.is_interval_end;
  });
  std::optional<std::string> first;
  for (WireElement& e : wire) {
    if (!e.is_interval_end) {
      first = std::move(e.key);
    } else if (first) {
      std::string last = std::move(e.key);
      decrement(last);
      out.push_back({{map, *first + last}, {}});
      first.reset();
    }
  }
  if (first) out.push_back({{map, *first + std::string(shape.key_size, '\xff')}, {}});  // open to the family's end
  return out;
}

}  // namespace fairlead::nft
