/// The body of an admission review, against a small configuration. The first octet chooses group and rules.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "controller/webhook/admission.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  constexpr std::size_t kMost = 1 << 16;
  if (size < 1 || size > kMost) return 0;
  static const api::ConfigSet set = [] {
    api::ConfigSet out;
    api::IPAddressPool pool;
    pool.meta.ns = "fairlead-system";
    pool.meta.name = "lan";
    pool.addresses.push_back(std::get<IpRange>(api::parse_range("192.0.2.0/24")));
    out.pools.push_back(pool);
    api::BGPPeer peer;
    peer.meta.ns = "fairlead-system";
    peer.meta.name = "tor";
    peer.my_asn = 64512;
    peer.peer_asn = 64513;
    peer.bfd_profile = "fast";
    out.peers.push_back(peer);
    return out;
  }();
  controller::webhook::Judging how{api::Rules::of((data[0] & 1U) != 0 ? api::Group::fairlead : api::Group::metallb), (data[0] & 2U) != 0 ? "metallb-system" : ""};
  if ((data[0] & 4U) != 0) how.rules.bgp = api::BgpType::native;
  const auto review = controller::webhook::review({reinterpret_cast<const char*>(data) + 1, size - 1}, set, how);
  using controller::webhook::Verdict;
  if (review.body.empty() || (review.status == 400) != (review.verdict == Verdict::unreadable)) __builtin_trap();
  if ((review.verdict == Verdict::allowed) != review.reasons.empty()) __builtin_trap();
  return 0;
}
