#pragma once
/// nf_tables netlink messages as bytes (Linux uapi nf_tables.h, nfnetlink.h). Pure: libnl owns socket and sending.
///
/// One batch is one transaction, all or nothing. Elements are packed up to 60 KB a message, and only the last message
/// asks for an acknowledgement: an ack for each overflows the socket after some 256, and the kernel's error carries the
/// failing sequence number anyway.
#include <cstdint>
#include <span>
#include <string_view>

#include "proto/base/bytes.h"
#include "proto/nft/element.h"

namespace fairlead::nft {

inline constexpr std::string_view kAnchorTable = "fairlead-anchor";

class Batch {
 public:
  /// Messages are numbered from `first_seq` on; the boundary message takes the first number.
  explicit Batch(std::uint32_t first_seq);

  /// Adding what is already there succeeds; the same key with another value fails with EBUSY.
  void add(std::string_view table, std::span<const Element> elements);
  /// Removing what is not there fails with ENOENT.
  void remove(std::string_view table, std::span<const Element> elements);

  /// Wakes a dormant table (or makes an empty one).
  void add_table(std::string_view table);
  void remove_table(std::string_view table);
  void add_chain(std::string_view table, std::string_view chain);
  /// The chain of a class: k endpoints at random. As the template's, but for the protocol match, which only nft's text
  /// wants.
  void add_spread_chain(std::string_view table, std::string_view chain, std::uint32_t k);
  /// Table fairlead-anchor, owned by the sending socket: see speaker/nft/README.md, "the anchor".
  void add_anchor();

  bool empty() const { return messages_ == 0; }
  std::size_t size() const { return out_.size(); }  // bytes so far
  std::uint32_t first_seq() const { return first_seq_; }
  std::uint32_t next_seq() const { return seq_; }

  /// The whole batch, the last message asking for an ack. Not to be called on an empty batch.
  Bytes finish() &&;

 private:
  class Scope;
  class Message;
  class Expression;
  void header(std::uint16_t type, std::uint16_t flags, std::uint8_t family, std::uint16_t resource);
  void elements(std::uint16_t type, std::uint16_t flags, std::string_view table, std::span<const Element> elements);
  void put(std::uint16_t type, std::string_view bytes);
  void put_text(std::uint16_t type, std::string_view text);
  void put_be32(std::uint16_t type, std::uint32_t value);
  void put_key(std::uint16_t type, std::string_view bytes);
  void put_element(const MapInfo& map, const Element& element);
  void rule_head(std::string_view table, std::string_view chain);
  void match_family(std::uint8_t nfproto);

  Bytes out_;
  std::uint32_t first_seq_;
  std::uint32_t seq_;
  std::size_t last_message_ = 0;  // offset of the last message's header
  std::size_t messages_ = 0;
};

/// Requests that are no batch: dumps. `seq` comes back with each answer.
Bytes dump_elements(std::string_view table, Map map, std::uint32_t seq);
/// Ours are all of the family inet; `all`: whoever's, ip and ip6 among them.
enum class Families { inet, all };
Bytes dump_tables(std::uint32_t seq, Families families = Families::inet);
Bytes dump_chains(std::uint32_t seq, Families families = Families::inet);
Bytes dump_rules(std::string_view table, std::uint32_t seq);
Bytes dump_sets(std::string_view table, std::uint32_t seq);

}  // namespace fairlead::nft
