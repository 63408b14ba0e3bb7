#include "proto/nft/element.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/unit/nft/samples.h"

namespace fairlead::nft {
namespace {

using namespace std::string_literals;
using test::ip;

std::string host32(std::uint32_t v) { return {reinterpret_cast<const char*>(&v), sizeof v}; }

TEST(NftElement, KeysAndValuesAreWhatTheRegistersHold) {
  const Element f = frontend(ip("10.96.0.1"), Protocol::tcp, Port{0x1f90}, Handle{0x12345678});
  EXPECT_EQ(f.key.map, Map::services4);
  EXPECT_EQ(f.key.bytes, "\x0a\x60\x00\x01"s + "\x06\0\0\0"s + "\x1f\x90\0\0"s);
  EXPECT_EQ(f.value, host32(0x12345678));

  const Element n = node_port(Family::v6, Protocol::sctp, Port{30000}, Handle{7});
  EXPECT_EQ(n.key.map, Map::nodeports6);
  EXPECT_EQ(n.key.bytes, "\x84\0\0\0"s + "\x75\x30\0\0"s);

  const Element e = endpoint(ListId{3}, 2, ip("10.244.0.9"), Port{8080});
  EXPECT_EQ(e.key.bytes, host32(3U << 12) + host32(2));
  EXPECT_EQ(e.value, "\x0a\xf4\x00\x09"s + "\x1f\x90\0\0"s);

  EXPECT_EQ(by_source(Map::by_node, ListId{kMaxListId}, {}).key.bytes, host32(0xfffff000));
  EXPECT_EQ(spread_class(Map::classes, ClassNo{1023}, "spread-9").key.bytes, host32(1023));
  EXPECT_EQ(hairpin(ip("10.1.2.3")).key.bytes, "\x0a\x01\x02\x03\x0a\x01\x02\x03"s);
  EXPECT_EQ(local_pods(test::prefix("10.1.2.3/31")).key.bytes, "\x0a\x01\x02\x02\x0a\x01\x02\x03"s);

  const std::string name = "cali" + std::string(12, '\0');
  EXPECT_EQ(pod_link("cali", false).key.bytes, name + name);
  EXPECT_EQ(pod_link("cali", true).key.bytes, name + "cali" + std::string(12, '\xff'));
  const std::string at80 = "\xc0\x00\x02\x01"s + "\x06\0\0\0"s + "\0\x50\0\0"s;
  EXPECT_EQ(guarded(ip("192.0.2.1"), Protocol::tcp, Port{80}).key.bytes, at80);
  EXPECT_EQ(allowed(ip("192.0.2.1"), Protocol::tcp, Port{80}, test::prefix("203.0.113.4/30")).key.bytes,
            at80 + "\xcb\x00\x71\x04"s + at80 + "\xcb\x00\x71\x07"s);
}

TEST(NftElement, EverywhereIsEveryAddressButLoopback) {
  for (const Family family : {Family::v4, Family::v6}) {
    const auto holds = [&](std::string_view address) {
      const Ip a = ip(address);
      const std::string bytes(a.octets().begin(), a.octets().end());
      for (const Element& e : everywhere(family)) {
        const std::size_t n = info(e.key.map).key_size;
        if (bytes.size() == n && e.key.bytes.substr(0, n) <= bytes && bytes <= e.key.bytes.substr(n)) return true;
      }
      return false;
    };
    for (const char* other : {"0.0.0.0", "126.255.255.255", "128.0.0.0", "192.0.2.1", "255.255.255.255"}) EXPECT_EQ(holds(other), family == Family::v4) << other;
    for (const char* other : {"::", "::2", "fd00::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) EXPECT_EQ(holds(other), family == Family::v6) << other;
    for (const char* loopback : {"127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"}) EXPECT_FALSE(holds(loopback)) << loopback;
  }
}

TEST(NftElement, GuardsKnowTheirFrontendAndRangesTheirGuard) {
  for (const char* text : {"192.0.2.1", "2001:db8::1"}) {
    const Ip a = ip(text);
    const Element f = frontend(a, Protocol::udp, Port{53}, {});
    const Element g = guarded(a, Protocol::udp, Port{53});
    const Element r = allowed(a, Protocol::udp, Port{53}, Prefix::host(a));
    EXPECT_EQ(guarded_frontend(g.key), f.key);
    EXPECT_EQ(guarded_frontend(r.key), f.key);
    EXPECT_EQ(guard_of(r.key), g.key);
    EXPECT_FALSE(guarded_frontend(f.key).has_value());
  }
}

TEST(NftElement, EveryBuilderMatchesTheShapeOfItsMap) {
  std::set<Map> seen;
  for (const Element& e : one_of_each()) {
    const MapInfo& shape = info(e.key.map);
    SCOPED_TRACE(shape.name);
    seen.insert(e.key.map);
    EXPECT_EQ(e.key.bytes.size(), shape.has_two_ends() ? 2U * shape.key_size : shape.key_size);
    if (shape.value_kind == ValueKind::bytes) {
      EXPECT_EQ(e.value.size(), shape.value_size);
    } else {
      EXPECT_EQ(e.value.empty(), shape.value_kind == ValueKind::none);
    }
  }
  EXPECT_EQ(seen.size(), kMaps) << "a map without a sample";
}

TEST(NftElement, EndpointsReadBack) {
  for (const char* text : {"10.244.1.7", "fd01::7", "255.255.255.255", "::"}) {
    const Element e = endpoint(ListId{kMaxListId}, 4'000'000'000U, ip(text), Port{65535});
    EXPECT_EQ(endpoint_slot(e.key), (EndpointSlot{ListId{kMaxListId}, 4'000'000'000U}));
    EXPECT_EQ(endpoint_target(e), (EndpointTarget{ip(text), Port{65535}}));
  }
  EXPECT_EQ(handle_of(frontend(ip("10.0.0.1"), Protocol::udp, Port{53}, Handle{0xdeadbeef}).value), Handle{0xdeadbeef});
}

TEST(NftHandle, FieldsDoNotRunIntoEachOther) {
  for (const std::uint32_t id : {1U, 0xaaaaaU, kMaxListId}) {
    for (const Masquerade m : {Masquerade::never, Masquerade::unless_pod, Masquerade::always}) {
      for (const std::uint16_t cls : {kRefuse.value, kFirstAllocatedClass, kMaxClass}) {
        const Handle h = Handle::of(ListId{id}, m, ClassNo{cls});
        EXPECT_EQ(h.id(), ListId{id});
        EXPECT_EQ(h.masquerade(), m);
        EXPECT_EQ(h.cls(), ClassNo{cls});
      }
    }
  }
  EXPECT_EQ(Handle::of(ListId{1}, Masquerade::always, ClassNo{16}).raw, 0x1810U);
}

TEST(NftElement, DescribesForPeople) {
  const Handle none{};
  EXPECT_EQ(describe(frontend(ip("10.96.0.1"), Protocol::tcp, Port{80}, none).key), "services4 10.96.0.1 TCP 80");
  EXPECT_EQ(describe(frontend(ip("fd02::1"), Protocol::udp, Port{53}, none).key), "services6 fd02::1 UDP 53");
  EXPECT_EQ(describe(node_port(Family::v4, Protocol::sctp, Port{30080}, none).key), "nodeports4 SCTP 30080");
  EXPECT_EQ(describe(endpoint(ListId{7}, 3, ip("10.1.1.1"), Port{1}).key), "endpoints4 7.3");
  EXPECT_EQ(describe(refused(ip("192.0.2.1")).key), "refused4 192.0.2.1");
  EXPECT_EQ(describe(answering(ip("2001:db8::1")).key), "answering6 2001:db8::1");
  EXPECT_EQ(describe(node_address(ip("10.0.0.1")).key), "node_addresses4 10.0.0.1");
  EXPECT_EQ(describe(hairpin(ip("fd01::7")).key), "hairpin6 fd01::7");
  EXPECT_EQ(describe(pod_link("cali", true).key), "pod_links cali");
  EXPECT_EQ(describe(guarded(ip("192.0.2.1"), Protocol::tcp, Port{80}).key), "guarded4 192.0.2.1 TCP 80");
  EXPECT_EQ(describe(allowed(ip("2001:db8::1"), Protocol::tcp, Port{80}, test::prefix("fd00::/8")).key), "allowed6 2001:db8::1 TCP 80 from fd00::");
  for (const Element& e : one_of_each()) EXPECT_TRUE(describe(e.key).starts_with(info(e.key.map).name + " "s));
}

}  // namespace
}  // namespace fairlead::nft
