#pragma once
/// Stations that claim a VIP of ours: which frames say so, which claims are a conflict, and when to ask whether somebody
/// else answers. Pure: time is an argument; any bytes are safe input, and memory is bounded whatever the segment sends.
///
/// RFC 5227 section 2.4 leaves a host that sees a conflict three ways; ours is the third, to keep the address, as a VIP that
/// was given up would be served by nobody. But it is not defended by announcements: between two speakers a defence by the
/// former owner would undo a take-over, and against a station that defends as well the traffic would swing every ten
/// seconds. People are told instead, as only they can take the address from one of the two.
///
/// What is told must not be a hand-over: the other speaker's burst lasts kBurstLength, and the two hear of the change at
/// different times. So claims count from kHandOver after we began to announce, and are told when they come again kPersist
/// after the first one or later. To know that, we ask then; and from time to time anyhow, as a host that was given the VIP
/// may never say so unasked: its answers go to who asked alone.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base/clock.h"
#include "speaker/core/announce.h"
#include "speaker/core/burst.h"
#include "speaker/core/reply.h"

namespace fairlead::speaker {

/// A station that is none of this host's says that it has a VIP of ours.
struct ForeignClaim {
  Ip vip;
  Mac mac;
  std::string interface;
  bool operator==(const ForeignClaim&) const = default;
};

/// What a frame claims: ARP with the VIP as its sender, request or reply; an advertisement for the VIP, or a solicitation
/// from it. Frames with one of our addresses, inside or outside, are none: bridges reflect, and switches answer for us.
/// `own`: the hardware addresses of this host.
std::optional<ForeignClaim> foreign_claim(ByteView frame, const Interface& on, const Announces& announces, const std::set<Mac>& own);

/// The reason of the Event, and its sentence: object, what it means, remedy.
inline constexpr std::string_view kAddressConflict = "AddressConflict";
std::string conflict_text(const ForeignClaim& claim, const Announcement& about);

/// Asks everybody who else has the VIP, so that only the one who does is heard, and by us alone. IPv4: a probe (RFC 5227
/// section 1.1), which changes no neighbour's table. IPv6: a solicitation from `asker`, an address of ours on the segment;
/// the answer to one from :: would go to all nodes and draw the VIP's traffic away. None: there is no such address.
std::optional<Bytes> question(const Ip& vip, const Interface& on, const std::optional<Ip6>& asker);

class ForeignClaims {
 public:
  static constexpr Duration kHandOver = kBurstLength + std::chrono::seconds(3);
  static constexpr Duration kPersist = kHandOver;
  static constexpr Duration kForgetAfter = std::chrono::minutes(10);  // of silence: the next claim is a first one
  static constexpr Duration kKeep = 2 * kPersist;  // long enough to be asked about; younger ones make no room for others
  static constexpr Duration kAgain = std::chrono::minutes(10);        // a conflict that lasts is told again
  static constexpr Duration kAskEvery = std::chrono::minutes(1);
  static constexpr Duration kAskStep = std::chrono::seconds(1);
  static constexpr std::size_t kAskAtOnce = 8;  // in a step: thousands of VIPs are asked for in minutes
  static constexpr std::size_t kMost = 1024;    // pairs of VIP and hardware address
  static constexpr std::size_t kMostOfVip = 16;

  /// We announce it from now on. Starting again starts afresh.
  void start(const Ip& vip, TimePoint now);
  void stop(const Ip& vip);

  /// True: a conflict, to be told now. Where there is no room the longest unheard claim makes some; but none does that
  /// was heard within kKeep, or a flood would push out each before it can prove to last, nor one that was told within
  /// kAgain, so that at most kMost are told in that time.
  bool note(const ForeignClaim& claim, TimePoint now);

  /// VIPs to ask for now, the most overdue first, and when there is something to ask next.
  std::vector<Ip> due(TimePoint now);
  std::optional<TimePoint> next() const;

  /// How often each was seen since its VIP is announced here, hand-overs left out: fairlead_speaker_foreign_claims_total.
  struct Count {
    Ip vip;
    Mac mac;
    std::uint64_t claims = 0;
    bool operator==(const Count&) const = default;
  };
  std::vector<Count> counts() const;
  /// Claims that are in no Count, for want of room.
  std::uint64_t uncounted() const { return uncounted_; }

 private:
  using Key = std::pair<Ip, Mac>;
  struct Claimed {
    TimePoint first;  // of this series
    TimePoint last;
    std::optional<TimePoint> told;
    std::uint64_t claims = 0;
    TimePoint droppable() const { return told ? *told + kAgain : last + kKeep; }
  };
  struct Held {
    TimePoint since;
    TimePoint ask;
    std::size_t claims = 0;  // entries of claims_
  };
  using Claims = std::map<Key, Claimed>;

  void ask_at(const Ip& vip, Held& held, TimePoint when);
  bool make_room(const Ip& vip, const Held& held, TimePoint now);
  void drop(Claims::iterator at);

  std::map<Ip, Held> vips_;
  std::set<std::pair<TimePoint, Ip>> asks_;
  Claims claims_;
  std::set<std::pair<TimePoint, Key>> by_age_;  // droppable() of each
  TimePoint resume_{};                          // of asking
  std::uint64_t uncounted_ = 0;
};

}  // namespace fairlead::speaker
