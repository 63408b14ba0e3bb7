#include "proto/runtime/state_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/runtime/object_codec.h"

namespace fairlead::runtime {
namespace {

Ip ip(const char* text) { return *parse_ip(text); }

kube::Meta meta(const char* ns, const char* name) {
  kube::Meta out;
  out.ns = ns;
  out.name = name;
  out.uid = "uid";
  out.created = 1'700'000'000;
  out.labels = {{"a", "1"}, {"b", ""}};
  out.annotations = {{"fairlead.io/x", "y"}};
  return out;
}
kube::LabelSelector selector() {
  return {{{"app", "web"}}, {{"tier", kube::LabelSelector::Operator::not_in, {"a", "b"}}}};
}

/// One of each kind with every member set to something that is not its default.
std::vector<api::Object> objects() {
  kube::Service service;
  service.meta = meta("default", "web");
  service.type = kube::ServiceType::load_balancer;
  service.is_headless = true;
  service.cluster_ips = {ip("10.96.0.7"), ip("fd00::7")};
  service.ip_families = {Family::v6, Family::v4};
  service.ip_family_policy = kube::IpFamilyPolicy::require_dual_stack;
  service.ports = {{"http", Protocol::udp, Port{80}, std::string("web"), Port{30080}}, {"", Protocol::tcp, Port{443}, std::uint16_t{8443}, Port{}}};
  service.selector = {{"app", "web"}};
  service.external_ips = {ip("192.0.2.9")};
  service.external_traffic_policy = kube::TrafficPolicy::local;
  service.internal_traffic_policy = kube::TrafficPolicy::local;
  service.publish_not_ready_addresses = true;
  service.allocate_load_balancer_node_ports = false;
  service.load_balancer_class = "fairlead.io/l2";
  service.affinity_seconds = 10'800;
  service.source_ranges = {*parse_prefix("198.51.100.0/24"), *parse_prefix("2001:db8::/32")};
  service.ingress = {{ip("192.0.2.200"), "", false}, {std::nullopt, "host", true}};

  kube::EndpointSlice slice;
  slice.meta = meta("default", "web-x");
  slice.service = "web";
  slice.family = Family::v6;
  slice.ports = {{"http", Protocol::sctp, Port{8080}}};
  slice.endpoints = {{ip("fd00::1"), false, false, true, "node-a", {"z1"}, {"n1", "n2"}}};

  kube::Node node;
  node.meta = meta("", "node-a");
  node.internal_ips = {ip("172.30.0.11")};
  node.pod_cidrs = {*parse_prefix("10.244.1.0/24")};
  node.is_ready = false;
  node.network_unavailable = true;

  api::IPAddressPool pool;
  pool.meta = meta("fairlead-system", "lan");
  pool.addresses = {{ip("192.0.2.1"), ip("192.0.2.9")}};
  pool.auto_assign = false;
  pool.avoid_buggy_ips = true;
  pool.service_allocation = api::ServiceAllocation{7, {"a"}, {selector()}, {selector(), {}}};

  api::L2Advertisement advertisement;
  advertisement.meta = meta("fairlead-system", "lan");
  advertisement.pools = {"lan"};
  advertisement.pool_selectors = {selector()};
  advertisement.node_selectors = {selector()};
  advertisement.service_selectors = {selector()};
  advertisement.interfaces = {"eth0"};
  advertisement.preferred_nodes = {{30, selector()}};
  pool.allow_cross_namespace_sharing = true;

  api::BGPAdvertisement bgp;
  bgp.meta = meta("fairlead-system", "wan");
  bgp.aggregation_length = 24;
  bgp.aggregation_length_v6 = 64;
  bgp.local_pref = 150;
  bgp.communities = {"64512:1", "alias"};
  bgp.pools = {"lan"};
  bgp.pool_selectors = bgp.node_selectors = bgp.service_selectors = {selector()};
  bgp.peers = {"tor"};
  bgp.as_path_prepend = 2;
  bgp.med = 0;

  using std::chrono::seconds;
  api::BGPPeer peer;
  peer.meta = meta("fairlead-system", "tor");
  peer.my_asn = 64512;
  peer.peer_asn = 4'200'000'000;
  peer.dynamic_asn = api::BGPPeer::DynamicAsn::external;
  peer.local_asn = 64513;
  peer.peer_address = ip("192.0.2.1");
  peer.interface = "eth0";
  peer.source_address = ip("2001:db8::2");
  peer.peer_port = 1179;
  peer.hold_time = seconds(90);
  peer.keepalive_time = seconds(0);
  peer.connect_time = seconds(5);
  peer.router_id = ip("192.0.2.2");
  peer.node_selectors = {selector()};
  peer.password = "x";
  peer.password_secret = api::SecretRef{"s", "n"};
  peer.bfd_profile = "fast";
  peer.graceful_restart = peer.ebgp_multihop = peer.disable_mp = peer.dual_stack_address_family = true;
  peer.vrf = "red";

  api::BFDProfile bfd;
  bfd.meta = meta("fairlead-system", "fast");
  bfd.receive_interval = bfd.transmit_interval = bfd.echo_interval = 50;
  bfd.detect_multiplier = 3;
  bfd.echo_mode = bfd.passive_mode = true;
  bfd.minimum_ttl = 254;

  const api::Community community{meta("fairlead-system", "names"), {{"no-export", "65535:65281"}}};
  const kube::Secret secret{meta("fairlead-system", "s"), std::string(kube::kBasicAuth), "x"};
  const kube::ServiceCIDR cidrs{meta("", "kubernetes"), {*parse_prefix("10.96.0.0/16"), *parse_prefix("fd00:96::/112")}};
  return {service, slice, node, kube::Namespace{meta("", "default")}, cidrs, pool, advertisement, bgp, peer, bfd, community, secret};
}

State state() {
  State out;
  out.api_servers = {"172.30.0.10:6443", "[fd00:30::10]:6443"};
  for (const api::Object& o : objects()) out.groups.push_back({api::kind_of(o), {encode(o), encode(o)}});
  out.groups.push_back({api::Kind::namespace_, {}});
  return out;
}

TEST(ObjectCodec, EachKindComesBackAsItWas) {
  for (const api::Object& o : objects()) {
    SCOPED_TRACE(api::key_of(o).str());
    const auto back = decode(api::kind_of(o), encode(o));
    ASSERT_TRUE(back);
    EXPECT_TRUE(*back == o);
  }
}

TEST(ObjectCodec, DefaultsComeBackToo) {
  const api::Object all[] = {kube::Service{}, kube::EndpointSlice{}, kube::Node{}, kube::Namespace{}, kube::ServiceCIDR{}, api::IPAddressPool{}, api::L2Advertisement{},
                             api::BGPAdvertisement{}, api::BGPPeer{}, api::BFDProfile{}, api::Community{}, kube::Secret{}};
  for (const api::Object& o : all) {
    const auto back = decode(api::kind_of(o), encode(o));
    ASSERT_TRUE(back);
    EXPECT_TRUE(*back == o);
  }
}

TEST(ObjectCodec, TheVersionOfAnObjectIsNotPartOfIt) {
  api::Object o = objects()[0];
  const std::string bytes = encode(o);
  std::get<kube::Service>(o).meta.resource_version = "77";
  EXPECT_EQ(encode(o), bytes);
}

TEST(ObjectCodec, EveryTruncationAndEveryTailIsRefused) {
  for (const api::Object& o : objects()) {
    const std::string bytes = encode(o);
    for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(decode(api::kind_of(o), bytes.substr(0, n))) << n;
    EXPECT_FALSE(decode(api::kind_of(o), bytes + "x"));
  }
}

TEST(ObjectCodec, AnyChangedOctetIsSafe) {
  for (const api::Object& o : objects()) {
    const std::string bytes = encode(o);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      for (const int bit : {1, 0x10, 0x80, 0xff}) {
        std::string changed = bytes;
        changed[i] = static_cast<char>(changed[i] ^ bit);
        if (const auto back = decode(api::kind_of(o), changed)) encode(*back);
      }
    }
  }
}

/// Found by the state fuzzer: numbers were cut to the size of their member, and enumerations took any.
TEST(ObjectCodec, NumbersThatNoObjectHasAreRefused) {
  kube::EndpointSlice slice;
  slice.meta.name = "a";
  slice.ports = {{"", Protocol::sctp, Port{300}}};
  const std::string good = encode(slice);
  const std::string port = "\x84\x01\xac\x02";  // 132, 300
  const auto at = good.find(port);
  ASSERT_NE(at, std::string::npos);
  const auto with = [&](std::string_view other) {
    std::string bytes = good;
    return decode(api::Kind::endpoint_slice, bytes.replace(at, port.size(), other));
  };
  EXPECT_TRUE(with(port));
  EXPECT_FALSE(with("\x85\x01\xac\x02")) << "protocol 133";
  EXPECT_FALSE(with("\x84\x03\xac\x02")) << "protocol 132 + 256";
  EXPECT_FALSE(with("\x84\x01\x80\x80\x04")) << "port 65536";
}

TEST(StateFile, ComesBackAsItWas) {
  const auto back = decode_state(encode(state()));
  ASSERT_TRUE(back) << back.error().what;
  EXPECT_TRUE(*back == state());
}

TEST(StateFile, EveryTruncationIsRefused) {
  const std::string bytes = encode(state());
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(decode_state(bytes.substr(0, n))) << n;
  EXPECT_FALSE(decode_state(bytes + "x"));
}

TEST(StateFile, EveryChangedOctetIsRefused) {
  const std::string bytes = encode(state());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x20);
    EXPECT_FALSE(decode_state(changed)) << i;
  }
}

TEST(StateFile, IsReplacedWholeAndForItsOwnerOnly) {
  char folder[] = "/tmp/fairlead-state-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/deeper/state";
  EXPECT_EQ(load_state(path).error().code, Errc::not_found);
  ::umask(0);
  ASSERT_TRUE(save_state(path, "first, which is longer"));
  ASSERT_TRUE(save_state(path, "second"));
  const auto text = load_state(path);
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "second");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_NE(::access((path + ".tmp").c_str(), F_OK), 0);
  ::unlink(path.c_str());
  ::rmdir((std::string(folder) + "/deeper").c_str());
  ::rmdir(folder);
}

}  // namespace
}  // namespace fairlead::runtime
