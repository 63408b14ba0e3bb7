#pragma once
/// What nf_tables says over netlink: dumps, notifications, acknowledgements. Pure; any bytes are safe input: a message
/// that does not fit its own lengths ends the datagram, a missing attribute reads as empty.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/nft/element.h"

namespace fairlead::nft {

/// What a message is about, as far as we care.
enum class Topic { done, ack, table, removed_table, chain, removed_chain, rule, removed_rule, set, removed_set, element, removed_element, other };

struct Message {
  Topic topic = Topic::other;
  std::uint32_t seq = 0;
  std::uint32_t port_id = 0;    // who caused it (notifications)
  bool is_interrupted = false;  // NLM_F_DUMP_INTR: the dump is inconsistent, dump again
  int error = 0;                // ack: 0 or a positive errno
  std::string text;             // ack: the kernel's own words (extended ack), may be empty
  ByteView attributes;          // points into the datagram
};

/// One datagram, message by message.
class Messages {
 public:
  explicit Messages(ByteView datagram) : left_(datagram) {}
  std::optional<Message> next();

 private:
  ByteView left_;
};

struct TableInfo {
  std::string name;
  std::uint32_t flags = 0;
  std::uint32_t owner = 0;  // port id of the owning socket, 0 for none
  bool is_dormant() const { return (flags & 1) != 0; }
};
TableInfo parse_table(ByteView attributes);

/// The parts of a table that Services never change, reduced to a number for comparison: see skeleton.h.
struct Part {
  std::string table;
  std::string name;  // of the chain or set; for a rule, of its chain
  std::uint64_t hash = 0;
};
Part parse_chain(ByteView attributes);
Part parse_rule(ByteView attributes);
Part parse_set(ByteView attributes);

/// One element as it stands on the wire: an interval is two of these.
struct WireElement {
  std::string key;
  std::string value{};  // raw bytes, or the name of the chain
  bool is_interval_end = false;
  std::string key_end{};  // of a box
  auto operator<=>(const WireElement&) const = default;
};
struct ElementList {
  std::string table;
  std::string set;
  std::vector<WireElement> elements;
};
ElementList parse_elements(ByteView attributes);

/// Wire elements of one map to ours: sizes checked (what does not fit is left out), intervals put together.
std::vector<Element> assemble(Map map, std::vector<WireElement> wire);

}  // namespace fairlead::nft
