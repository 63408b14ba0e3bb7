#pragma once
/// Whether and how an ARP frame is answered: RFC 826 (the algorithm), RFC 5227 section 2.4 (a probe for an address in use
/// is defended). Pure; any bytes are safe input.
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/strong.h"
#include "proto/net/ip.h"
#include "proto/net/mac.h"

namespace fairlead::speaker {

struct Interface {
  IfIndex index;
  std::string name;
  Mac mac;
  auto operator<=>(const Interface&) const = default;
};

/// Why nothing was sent. Also the `reason` label of fairlead_arp_ignored_total.
enum class Ignored {
  truncated, not_ethernet_ipv4, unknown_op,  // arp::Drop's
  not_arp,
  own_frame,       // sent by ourselves
  not_for_us,      // unicast to another station
  not_a_request,
  bad_sender,      // a group address or zeros as the sender's hardware address: an answer would go astray
  announcement,    // sender = target: told, not asked. An answer could undo a takeover in whatever learns from replies
  not_our_vip,     // nobody's, somebody else's, or not allowed on this interface
};
inline constexpr std::size_t kIgnoredReasons = 10;
std::string_view name(Ignored reason);

/// True for a VIP that this node announces on the interface.
using Announces = std::function<bool(const Ip4& vip, const Interface& on)>;

/// The whole answering frame, or why there is none.
std::variant<Bytes, Ignored> answer_arp(ByteView frame, const Interface& on, const Announces& announces);

/// What a node sends when it takes a VIP over, to everybody on the segment: an announcement (RFC 5227 section 3: a
/// request with sender = target) and, as some stations learn from replies only, the same as a reply.
std::vector<Bytes> gratuitous_arp(const Ip4& vip, const Interface& on);

}  // namespace fairlead::speaker
