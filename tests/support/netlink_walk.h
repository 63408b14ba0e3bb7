#pragma once
/// A strict reader of netlink bytes that we made ourselves: every message, every attribute, every length and every octet
/// of padding. Its own code and not decode.h's, so that one does not vouch for the other. (Test code: an attribute that is
/// nested but not marked so shows up as plain bytes, and fails whoever looks into it.)
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/nft/uapi.h"

namespace fairlead::test {

struct Attribute {
  std::uint16_t type = 0;
  std::string bytes;                 // of one that is not nested
  std::vector<Attribute> children;   // of one that is
  bool is_nested = false;

  const Attribute* find(int wanted) const {
    for (const Attribute& a : children) {
      if (a.type == wanted) return &a;
    }
    return nullptr;
  }
  std::string text() const { return bytes.substr(0, bytes.find('\0')); }
  std::uint32_t be32() const {
    return bytes.size() == 4 ? Reader(as_bytes(bytes)).be32() : 0;
  }
};

struct WalkedMessage {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint32_t seq = 0;
  std::uint32_t port_id = 0;
  std::uint8_t family = 0;
  std::uint16_t resource = 0;  // host order
  std::size_t size = 0;
  Attribute attributes;  // the children are the message's

  int command() const { return type >> 8 == NFNL_SUBSYS_NFTABLES ? type & 0xff : -1; }
  std::string text(int attribute) const {
    const Attribute* a = attributes.find(attribute);
    return a == nullptr ? "" : a->text();
  }
};

struct Walked {
  std::vector<WalkedMessage> messages;
  std::string fault;  // "" when all is consistent
};

namespace walk_detail {

inline std::uint16_t host16(ByteView b, std::size_t at) {
  std::uint16_t v = 0;
  std::memcpy(&v, b.data() + at, sizeof v);
  return v;
}
inline std::uint32_t host32(ByteView b, std::size_t at) {
  std::uint32_t v = 0;
  std::memcpy(&v, b.data() + at, sizeof v);
  return v;
}

inline bool attributes(ByteView in, Attribute& into, std::string& fault) {
  while (!in.empty()) {
    if (in.size() < 4) return fault = "octets are left after the last attribute", false;
    const std::size_t length = host16(in, 0);
    const std::uint16_t type = host16(in, 2);
    if (length < 4) return fault = "an attribute is shorter than its header", false;
    if (length > in.size()) return fault = "an attribute is longer than what holds it", false;
    const std::size_t padded = (length + 3) / 4 * 4;
    if (padded > in.size()) return fault = "an attribute is not padded", false;
    for (std::size_t i = length; i < padded; ++i) {
      if (in[i] != 0) return fault = "padding is not zero", false;
    }
    Attribute a;
    a.type = type & NLA_TYPE_MASK;
    a.is_nested = (type & NLA_F_NESTED) != 0;
    const ByteView payload = in.subspan(4, length - 4);
    if (a.is_nested) {
      if (length != padded) return fault = "a nested attribute has an odd length", false;
      if (!attributes(payload, a, fault)) return false;
    } else {
      a.bytes.assign(payload.begin(), payload.end());
    }
    into.children.push_back(std::move(a));
    in = in.subspan(padded);
  }
  return true;
}

}  // namespace walk_detail

inline Walked walk(ByteView in) {
  using namespace walk_detail;
  Walked out;
  while (!in.empty()) {
    if (in.size() < 20) return out.fault = "octets are left after the last message", out;
    const std::size_t length = host32(in, 0);
    if (length < 20 || length > in.size()) return out.fault = "a message does not fit its own length", out;
    if (length % 4 != 0) return out.fault = "a message is not padded", out;
    WalkedMessage m;
    m.type = host16(in, 4);
    m.flags = host16(in, 6);
    m.seq = host32(in, 8);
    m.port_id = host32(in, 12);
    m.family = in[16];
    if (in[17] != NFNETLINK_V0) return out.fault = "a message has another version", out;
    m.resource = ntohs(host16(in, 18));
    m.size = length;
    m.attributes.is_nested = true;
    if (!attributes(in.subspan(20, length - 20), m.attributes, out.fault)) return out;
    out.messages.push_back(std::move(m));
    in = in.subspan(length);
  }
  return out;
}

}  // namespace fairlead::test
