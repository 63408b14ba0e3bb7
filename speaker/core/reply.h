#pragma once
/// What is said for a VIP on a segment, by ARP for IPv4 and by NDP for IPv6: the answer to a neighbour's question, and what
/// a node tells everybody when it takes a VIP over. Pure; any bytes are safe input.
///
/// ARP: RFC 826 (the algorithm), RFC 5227 section 2.4 (a probe for an address in use is defended).
/// NDP: RFC 4861 sections 7.2.3 to 7.2.6, RFC 4862 section 5.4.3 (the same defence). What is left to us there:
///   * The source of an advertisement is the VIP itself, as Linux does it for an address of its own: that one always
///     exists, while an interface may have no usable link-local address (yet), and switches that watch which address
///     belongs to which port see source, target and link-layer address agree.
///   * Override is always set (7.2.4): a VIP has one owner and is neither anycast nor proxied. Without it a neighbour that
///     still holds the last owner's address would go on using it until it gave that one up (7.2.5).
///   * Router says whether this node forwards IPv6 on the interface, as the kernel's own advertisements do: 7.2.4 makes
///     the flag a matter of the node, and neighbours of both would else see a router that changes into a host.
///   * An answer goes to the hardware address that the solicitation names, else to the one that sent the frame: neighbours
///     that only check whether we are alive need not name theirs (7.2.3).
#include <array>
#include <cstdint>
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
  bool is_router = false;  // the node forwards IPv6 here
  auto operator<=>(const Interface&) const = default;
};

/// Why nothing was sent. Also the `reason` label of fairlead_l2_ignored_total.
enum class Ignored {
  truncated,
  other_protocol,  // neither ARP nor IPv6; VLAN-tagged frames among them
  own_frame,       // sent by ourselves
  not_for_us,      // to another station, or a group that is not the packet's
  bad_sender,      // a group address or zeros as the sender's hardware address: an answer would go astray
  not_a_request,   // told, not asked
  announcement,    // sender = target: told, not asked. An answer could undo a takeover in whatever learns from replies
  not_our_vip,     // nobody's, somebody else's, or not allowed on this interface
  not_ethernet_ipv4, unknown_op,  // arp::Drop's
  not_ipv6, not_icmp6, bad_source, unknown_type, bad_hop_limit, bad_checksum, bad_code, too_short, target_is_multicast,
  solicited_to_group, bad_option, probe_to_unicast, probe_with_link_address,  // ndp::Drop's
};
inline constexpr std::size_t kIgnoredReasons = 23;
std::string_view name(Ignored reason);

/// True for a VIP that this node announces on the interface.
using Announces = std::function<bool(const Ip& vip, const Interface& on)>;

/// The whole answering frame, or why there is none.
std::variant<Bytes, Ignored> answer(ByteView frame, const Interface& on, const Announces& announces);

/// What a node sends when it takes a VIP over, to everybody on the segment. IPv4: an announcement (RFC 5227 section 3: a
/// request with sender = target) and, as some stations learn from replies only, the same as a reply. IPv6: an unsolicited
/// advertisement to all nodes (RFC 4861 section 7.2.6).
std::vector<Bytes> announcement(const Ip& vip, const Interface& on);

/// The group in which neighbours ask for an IPv6 address: whoever answers for it must be a member (RFC 4861 section 7.2.1).
Ip6 group_of(const Ip6& vip);

/// What became of the frames that came in.
struct Tally {
  std::uint64_t answered = 0;    // questions for a VIP of this node
  std::uint64_t sent = 0;        // answers that went out
  std::uint64_t gratuitous = 0;  // frames told to everybody, in bursts
  std::array<std::uint64_t, kIgnoredReasons> ignored{};

  void count(const std::variant<Bytes, Ignored>& outcome);
  std::string str() const;  // "bad_checksum=2 not_our_vip=17": the reasons there were
};

}  // namespace fairlead::speaker
