#pragma once
/// One table's worth of elements: every map, both families, every shape of interval.
#include <algorithm>
#include <vector>

#include "proto/nft/batch.h"
#include "proto/nft/element.h"
#include "tests/support/builders.h"

namespace fairlead::nft {

inline constexpr Handle kHandle{0x00005810};  // list 5, M, class 16

inline std::vector<Element> one_of_each() {
  using test::ip;
  using test::prefix;
  const Port http{80};
  return {
      local_pods(prefix("10.244.0.0/16")),
      local_pods(prefix("fd01::/48")),
      pod_link("veth", true),
      hairpin(ip("10.244.1.7")),
      hairpin(ip("fd01::7")),
      endpoint(ListId{5}, 0, ip("10.244.1.7"), Port{8080}),
      endpoint(ListId{6}, 1023, ip("fd01::7"), Port{65535}),
      spread_class(Map::classes, ClassNo{16}, "spread-1"),
      spread_class(Map::resolved, ClassNo{1}, "refuse"),
      by_source(Map::by_pod, ListId{5}, kHandle),
      by_source(Map::by_node, ListId{5}, kHandle),
      by_source(Map::by_other, ListId{kMaxListId}, kHandle),
      allowed(ip("192.0.2.1"), Protocol::tcp, http, prefix("203.0.113.0/24")),
      allowed(ip("2001:db8::1"), Protocol::udp, http, prefix("2001:db8:1::/48")),
      guarded(ip("192.0.2.1"), Protocol::tcp, http),
      guarded(ip("2001:db8::1"), Protocol::udp, http),
      frontend(ip("10.96.0.1"), Protocol::tcp, http, kHandle),
      frontend(ip("fd02::1"), Protocol::sctp, http, kHandle),
      node_port(Family::v4, Protocol::udp, Port{30080}, kHandle),
      node_port(Family::v6, Protocol::udp, Port{30080}, kHandle),
      node_address(ip("10.0.0.1")),
      node_address(ip("fd00::1")),
      everywhere(Family::v4).front(),
      everywhere(Family::v6).front(),
      refused(ip("192.0.2.1")),
      refused(ip("2001:db8::1")),
      service_cidr(prefix("10.96.0.0/16")),
      service_cidr(prefix("fd02::/112")),
      answering(ip("192.0.2.1")),
      answering(ip("2001:db8::1")),
  };
}

inline std::vector<Element> sorted(std::vector<Element> elements) {
  std::sort(elements.begin(), elements.end());
  return elements;
}

}  // namespace fairlead::nft
