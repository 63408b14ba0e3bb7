#include "proto/nft/batch.h"

#include <cstring>

#include "proto/base/check.h"
#include "proto/nft/uapi.h"

namespace fairlead::nft {
namespace {

/// A message stays below the 64 KiB that a nested attribute's 16-bit length can say, with room for one more element.
constexpr std::size_t kMaxElementList = 60'000;

constexpr std::size_t aligned(std::size_t n) { return (n + 3) & ~std::size_t{3}; }

constexpr std::uint16_t nft_type(int message) { return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message); }

template <class T>
void patch(Bytes& out, std::size_t at, T value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}

template <class T>
void append(Bytes& out, T value) {
  const std::size_t at = out.size();
  out.resize(at + sizeof value);
  patch(out, at, value);
}

}  // namespace

/// One netlink message; its length is patched when it closes.
class Batch::Message {
 public:
  Message(Batch& batch, int type, std::uint16_t flags, std::uint8_t family) : batch_(batch), at_(batch.out_.size()) {
    batch.last_message_ = at_;
    ++batch.messages_;
    batch.header(nft_type(type), flags, family, 0);
  }
  ~Message() { patch(batch_.out_, at_, static_cast<std::uint32_t>(batch_.out_.size() - at_)); }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

 private:
  Batch& batch_;
  std::size_t at_;
};

/// One nested attribute: C++ nesting is wire nesting. The length is checked, as past 64 KiB it would wrap silently.
class Batch::Scope {
 public:
  Scope(Batch& batch, std::uint16_t type) : batch_(batch), at_(batch.out_.size()) {
    append(batch.out_, std::uint16_t{0});
    append(batch.out_, static_cast<std::uint16_t>(type | NLA_F_NESTED));
  }
  ~Scope() {
    const std::size_t length = batch_.out_.size() - at_;
    FL_CHECK(length <= 0xffff, "a nested attribute is at most 64 KiB");
    patch(batch_.out_, at_, static_cast<std::uint16_t>(length));
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Batch& batch_;
  std::size_t at_;
};

/// One expression of a rule: its name, then its attributes.
class Batch::Expression {
 public:
  Expression(Batch& batch, std::string_view name)
      : element_(batch, NFTA_LIST_ELEM), data_((batch.put_text(NFTA_EXPR_NAME, name), batch), NFTA_EXPR_DATA) {}

 private:
  Scope element_;
  Scope data_;
};

Batch::Batch(std::uint32_t first_seq) : first_seq_(first_seq), seq_(first_seq) {
  header(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  patch(out_, 0, static_cast<std::uint32_t>(out_.size()));
}

void Batch::header(std::uint16_t type, std::uint16_t flags, std::uint8_t family, std::uint16_t resource) {
  append(out_, std::uint32_t{0});  // length: patched when the message is complete
  append(out_, type);
  append(out_, flags);
  append(out_, seq_++);
  append(out_, std::uint32_t{0});  // port id: the kernel's
  out_.push_back(family);
  out_.push_back(NFNETLINK_V0);
  append(out_, htons(resource));
}

void Batch::put(std::uint16_t type, std::string_view bytes) {
  append(out_, static_cast<std::uint16_t>(4 + bytes.size()));
  append(out_, type);
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  out_.resize(aligned(out_.size()), 0);
}

void Batch::put_text(std::uint16_t type, std::string_view text) {
  std::string terminated(text);
  terminated.push_back('\0');
  put(type, terminated);
}

void Batch::put_be32(std::uint16_t type, std::uint32_t value) {
  append(out_, std::uint16_t{8});
  append(out_, type);
  append(out_, htonl(value));
}

void Batch::put_key(std::uint16_t type, std::string_view bytes) {
  const Scope scope(*this, type);
  put(NFTA_DATA_VALUE, bytes);
}

void Batch::put_element(const MapInfo& map, const Element& element) {
  const std::string_view key = element.key.bytes;
  if (map.key_kind != KeyKind::interval) {
    const Scope scope(*this, NFTA_LIST_ELEM);
    put_key(NFTA_SET_ELEM_KEY, key.substr(0, map.key_size));
    if (map.key_kind == KeyKind::box) put_key(NFTA_SET_ELEM_KEY_END, key.substr(map.key_size));
    if (map.value_kind == ValueKind::bytes && !element.value.empty()) put_key(NFTA_SET_ELEM_DATA, element.value);
    if (map.value_kind == ValueKind::goto_chain && !element.value.empty()) {
      const Scope data(*this, NFTA_SET_ELEM_DATA);
      const Scope verdict(*this, NFTA_DATA_VERDICT);
      put_be32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(NFT_GOTO));
      put_text(NFTA_VERDICT_CHAIN, element.value);
    }
    return;
  }
  // An interval is two elements: its first key, and the key after its last with the end flag. The last key of all has
  // none after it, and then the interval stays open.
  {
    const Scope scope(*this, NFTA_LIST_ELEM);
    put_key(NFTA_SET_ELEM_KEY, key.substr(0, map.key_size));
  }
  std::string end(key.substr(map.key_size));
  for (std::size_t i = end.size(); i-- > 0;) {
    end[i] = static_cast<char>(end[i] + 1);
    if (end[i] != 0) {
      const Scope scope(*this, NFTA_LIST_ELEM);
      put_key(NFTA_SET_ELEM_KEY, end);
      put_be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
      break;
    }
  }
}

void Batch::elements(std::uint16_t type, std::uint16_t flags, std::string_view table, std::span<const Element> elements) {
  std::size_t at = 0;
  while (at < elements.size()) {
    const Map map = elements[at].key.map;
    const Message message(*this, type, flags, NFPROTO_INET);
    put_text(NFTA_SET_ELEM_LIST_TABLE, table);
    put_text(NFTA_SET_ELEM_LIST_SET, info(map).name);
    const std::size_t start = out_.size();
    const Scope list(*this, NFTA_SET_ELEM_LIST_ELEMENTS);
    for (; at < elements.size() && elements[at].key.map == map && out_.size() - start < kMaxElementList; ++at) {
      put_element(info(map), elements[at]);
    }
  }
}

void Batch::add(std::string_view table, std::span<const Element> list) {
  elements(NFT_MSG_NEWSETELEM, NLM_F_REQUEST | NLM_F_CREATE, table, list);
}

void Batch::remove(std::string_view table, std::span<const Element> list) {
  elements(NFT_MSG_DELSETELEM, NLM_F_REQUEST, table, list);
}

void Batch::add_table(std::string_view table) {
  const Message message(*this, NFT_MSG_NEWTABLE, NLM_F_REQUEST | NLM_F_CREATE, NFPROTO_INET);
  put_text(NFTA_TABLE_NAME, table);
  put_be32(NFTA_TABLE_FLAGS, 0);
}

void Batch::remove_table(std::string_view table) {
  const Message message(*this, NFT_MSG_DELTABLE, NLM_F_REQUEST, NFPROTO_INET);
  put_text(NFTA_TABLE_NAME, table);
}

void Batch::add_chain(std::string_view table, std::string_view chain) {
  const Message message(*this, NFT_MSG_NEWCHAIN, NLM_F_REQUEST | NLM_F_CREATE, NFPROTO_INET);
  put_text(NFTA_CHAIN_TABLE, table);
  put_text(NFTA_CHAIN_NAME, chain);
}

void Batch::rule_head(std::string_view table, std::string_view chain) {
  put_text(NFTA_RULE_TABLE, table);
  put_text(NFTA_RULE_CHAIN, chain);
}

/// Expressions that go on only for packets of this family, in a table of both.
void Batch::match_family(std::uint8_t nfproto) {
  {
    const Expression meta(*this, "meta");
    put_be32(NFTA_META_KEY, NFT_META_NFPROTO);
    put_be32(NFTA_META_DREG, NFT_REG32_00);
  }
  const Expression cmp(*this, "cmp");
  put_be32(NFTA_CMP_SREG, NFT_REG32_00);
  put_be32(NFTA_CMP_OP, NFT_CMP_EQ);
  put_key(NFTA_CMP_DATA, std::string(1, static_cast<char>(nfproto)));
}

void Batch::add_spread_chain(std::string_view table, std::string_view chain, std::uint32_t k) {
  constexpr std::uint16_t kRuleFlags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND;
  const auto host32 = [](std::uint32_t v) {
    std::string out(4, '\0');
    std::memcpy(out.data(), &v, 4);
    return out;
  };
  add_chain(table, chain);
  {
    // It may be there from an earlier time: all its rules go, and come anew.
    const Message message(*this, NFT_MSG_DELRULE, NLM_F_REQUEST, NFPROTO_INET);
    rule_head(table, chain);
  }
  for (const Family family : {Family::v4, Family::v6}) {
    const auto nfproto = family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
    const Message message(*this, NFT_MSG_NEWRULE, kRuleFlags, NFPROTO_INET);
    rule_head(table, chain);
    const Scope list(*this, NFTA_RULE_EXPRESSIONS);
    match_family(static_cast<std::uint8_t>(nfproto));
    {
      const Expression ct(*this, "ct");
      put_be32(NFTA_CT_KEY, NFT_CT_MARK);
      put_be32(NFTA_CT_DREG, NFT_REG32_00);
    }
    {
      const Expression bitwise(*this, "bitwise");
      put_be32(NFTA_BITWISE_SREG, NFT_REG32_00);
      put_be32(NFTA_BITWISE_DREG, NFT_REG32_00);
      put_be32(NFTA_BITWISE_LEN, 4);
      put_key(NFTA_BITWISE_MASK, host32(0xfffff000));
      put_key(NFTA_BITWISE_XOR, host32(0));
    }
    {
      const Expression numgen(*this, "numgen");
      put_be32(NFTA_NG_DREG, NFT_REG32_01);
      put_be32(NFTA_NG_MODULUS, k);
      put_be32(NFTA_NG_TYPE, NFT_NG_RANDOM);
      put_be32(NFTA_NG_OFFSET, 0);
    }
    {
      const Expression lookup(*this, "lookup");
      put_text(NFTA_LOOKUP_SET, family == Family::v4 ? "endpoints4" : "endpoints6");
      put_be32(NFTA_LOOKUP_SREG, NFT_REG32_00);
      put_be32(NFTA_LOOKUP_DREG, NFT_REG32_00);
    }
    {
      const Expression nat(*this, "nat");
      put_be32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
      put_be32(NFTA_NAT_FAMILY, static_cast<std::uint32_t>(nfproto));
      put_be32(NFTA_NAT_REG_ADDR_MIN, NFT_REG32_00);
      put_be32(NFTA_NAT_REG_PROTO_MIN, family == Family::v4 ? NFT_REG32_01 : NFT_REG32_04);
    }
  }
  const Message message(*this, NFT_MSG_NEWRULE, kRuleFlags, NFPROTO_INET);
  rule_head(table, chain);
  const Scope list(*this, NFTA_RULE_EXPRESSIONS);
  {
    const Expression counter(*this, "objref");
    put_be32(NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
    put_text(NFTA_OBJREF_IMM_NAME, "missed");
  }
  {
    const Expression drop(*this, "immediate");
    put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    const Scope data(*this, NFTA_IMMEDIATE_DATA);
    const Scope verdict(*this, NFTA_DATA_VERDICT);
    put_be32(NFTA_VERDICT_CODE, NF_DROP);
  }
}

void Batch::add_anchor() {
  constexpr std::uint32_t kSourceNat = 100;  // the priority nft calls srcnat
  {
    const Message message(*this, NFT_MSG_NEWTABLE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, NFPROTO_INET);
    put_text(NFTA_TABLE_NAME, kAnchorTable);
    put_be32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
  }
  {
    const Message message(*this, NFT_MSG_NEWCHAIN, NLM_F_REQUEST | NLM_F_CREATE, NFPROTO_INET);
    put_text(NFTA_CHAIN_TABLE, kAnchorTable);
    put_text(NFTA_CHAIN_NAME, "postrouting");
    put_text(NFTA_CHAIN_TYPE, "nat");
    const Scope hook(*this, NFTA_CHAIN_HOOK);
    put_be32(NFTA_HOOK_HOOKNUM, NF_INET_POST_ROUTING);
    put_be32(NFTA_HOOK_PRIORITY, kSourceNat);
  }
  // ip saddr 0.0.0.0 masquerade: never true of a packet that is routed
  const Message message(*this, NFT_MSG_NEWRULE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET);
  rule_head(kAnchorTable, "postrouting");
  const Scope list(*this, NFTA_RULE_EXPRESSIONS);
  match_family(NFPROTO_IPV4);
  {
    const Expression payload(*this, "payload");
    put_be32(NFTA_PAYLOAD_DREG, NFT_REG32_00);
    put_be32(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
    put_be32(NFTA_PAYLOAD_OFFSET, 12);
    put_be32(NFTA_PAYLOAD_LEN, 4);
  }
  {
    const Expression cmp(*this, "cmp");
    put_be32(NFTA_CMP_SREG, NFT_REG32_00);
    put_be32(NFTA_CMP_OP, NFT_CMP_EQ);
    put_key(NFTA_CMP_DATA, std::string(4, '\0'));
  }
  const Expression masquerade(*this, "masq");
}

Bytes Batch::finish() && {
  FL_CHECK(messages_ > 0, "an empty batch is not sent");
  std::uint16_t flags = 0;
  std::memcpy(&flags, out_.data() + last_message_ + 6, sizeof flags);
  patch(out_, last_message_ + 6, static_cast<std::uint16_t>(flags | NLM_F_ACK));
  const std::size_t at = out_.size();
  header(NFNL_MSG_BATCH_END, NLM_F_REQUEST, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  patch(out_, at, static_cast<std::uint32_t>(out_.size() - at));
  return std::move(out_);
}

// --- dumps ------------------------------------------------------------------------------------------------------

namespace {

/// A request of its own: header, then text attributes.
Bytes request(int message, std::uint32_t seq, std::initializer_list<std::pair<std::uint16_t, std::string_view>> texts,
              Families families = Families::inet) {
  Bytes out;
  append(out, std::uint32_t{0});
  append(out, nft_type(message));
  append(out, static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_DUMP));
  append(out, seq);
  append(out, std::uint32_t{0});
  out.push_back(families == Families::all ? NFPROTO_UNSPEC : NFPROTO_INET);
  out.push_back(NFNETLINK_V0);
  append(out, std::uint16_t{0});
  for (const auto& [type, text] : texts) {
    append(out, static_cast<std::uint16_t>(5 + text.size()));
    append(out, type);
    out.insert(out.end(), text.begin(), text.end());
    out.push_back(0);
    out.resize(aligned(out.size()), 0);
  }
  patch(out, 0, static_cast<std::uint32_t>(out.size()));
  return out;
}

}  // namespace

Bytes dump_elements(std::string_view table, Map map, std::uint32_t seq) {
  return request(NFT_MSG_GETSETELEM, seq, {{NFTA_SET_ELEM_LIST_TABLE, table}, {NFTA_SET_ELEM_LIST_SET, info(map).name}});
}
Bytes dump_tables(std::uint32_t seq, Families families) { return request(NFT_MSG_GETTABLE, seq, {}, families); }
Bytes dump_chains(std::uint32_t seq, Families families) { return request(NFT_MSG_GETCHAIN, seq, {}, families); }
Bytes dump_rules(std::string_view table, std::uint32_t seq) { return request(NFT_MSG_GETRULE, seq, {{NFTA_RULE_TABLE, table}}); }
Bytes dump_sets(std::string_view table, std::uint32_t seq) { return request(NFT_MSG_GETSET, seq, {{NFTA_SET_TABLE, table}}); }

}  // namespace fairlead::nft
