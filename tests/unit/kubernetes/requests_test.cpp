#include "proto/runtime/kube_requests.h"

#include <gtest/gtest.h>

#include "proto/kube/parse.h"

namespace fairlead::runtime {
namespace {

Ip ip(const char* text) { return *parse_ip(text); }

kube::Service service(std::vector<kube::Ingress> ingress, std::string pool = "") {
  kube::Service out;
  out.meta.ns = "default";
  out.meta.name = "web";
  out.ingress = std::move(ingress);
  if (!pool.empty()) out.meta.annotations["fairlead.io/ip-allocated-from-pool"] = std::move(pool);
  return out;
}
ServiceWrite write(std::vector<const char*> ips, std::optional<std::string> pool = std::nullopt) {
  ServiceWrite out;
  out.ingress.emplace();
  for (const char* text : ips) out.ingress->push_back({ip(text), "", true});
  out.pool = std::move(pool);
  return out;
}
const kube::Ingress kHost{std::nullopt, "host.example", true};
kube::Ingress vip(const char* text) { return {ip(text), "", true}; }

TEST(ServicePatch, Golden) {
  const std::string rv = R"({"op":"replace","path":"/metadata/resourceVersion","value":"7"})";
  const std::string pool = "/metadata/annotations/fairlead.io~1ip-allocated-from-pool";
  const struct {
    const char* name;
    kube::Service now;
    bool has_annotations;
    ServiceWrite what;
    std::string want;  // behind the version; "": no patch at all
  } cases[] = {
      {"nothing to do", service({vip("192.0.2.1")}, "lan"), true, write({"192.0.2.1"}, "lan"), ""},
      {"not asked for", service({vip("192.0.2.1")}), false, ServiceWrite{}, ""},
      {"the first address", service({}), false, write({"192.0.2.1"}, "lan"),
       R"({"op":"add","path":"/status/loadBalancer","value":{"ingress":[{"ip":"192.0.2.1","ipMode":"VIP"}]}},)"
       R"({"op":"add","path":"/metadata/annotations","value":{}},{"op":"add","path":")" + pool + R"(","value":"lan"})"},
      {"both families", service({}), false, write({"192.0.2.1", "2001:db8::1"}),
       R"({"op":"add","path":"/status/loadBalancer","value":{"ingress":[{"ip":"192.0.2.1","ipMode":"VIP"},{"ip":"2001:db8::1","ipMode":"VIP"}]}})"},
      {"beside somebody's host name", service({kHost}), false, write({"192.0.2.1"}),
       R"({"op":"add","path":"/status/loadBalancer/ingress/-","value":{"ip":"192.0.2.1","ipMode":"VIP"}})"},
      {"a second address leaves the first alone", service({vip("192.0.2.1"), kHost}), false, write({"192.0.2.1", "2001:db8::1"}),
       R"({"op":"add","path":"/status/loadBalancer/ingress/-","value":{"ip":"2001:db8::1","ipMode":"VIP"}})"},
      {"another address", service({kHost, vip("192.0.2.1")}), false, write({"192.0.2.2"}),
       R"({"op":"remove","path":"/status/loadBalancer/ingress/1"},{"op":"add","path":"/status/loadBalancer/ingress/-","value":{"ip":"192.0.2.2","ipMode":"VIP"}})"},
      {"all of ours away, from behind", service({vip("192.0.2.1"), kHost, vip("192.0.2.3")}, "lan"), true, write({}, ""),
       R"({"op":"remove","path":"/status/loadBalancer/ingress/2"},{"op":"remove","path":"/status/loadBalancer/ingress/0"},)"
       R"({"op":"remove","path":")" + pool + R"("})"},
      {"another order", service({vip("2001:db8::1"), vip("192.0.2.1")}), false, write({"192.0.2.1", "2001:db8::1"}),
       R"({"op":"remove","path":"/status/loadBalancer/ingress/0"},{"op":"add","path":"/status/loadBalancer/ingress/-","value":{"ip":"2001:db8::1","ipMode":"VIP"}})"},
      {"the annotation beside others", service({vip("192.0.2.1")}), true, write({"192.0.2.1"}, "lan"),
       R"({"op":"add","path":")" + pool + R"(","value":"lan"})"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string got = service_patch(c.now, "7", c.has_annotations, c.what);
    EXPECT_EQ(got, c.want.empty() ? "" : "[" + rv + "," + c.want + "]");
  }
}

/// The same as a server would see it: applied to raw objects with fields that we do not know.
TEST(ServicePatch, WhatIsNotOursIsUntouched) {
  const kube::Json raw = kube::Json::parse(R"({"metadata":{"name":"web","namespace":"default","resourceVersion":"7","annotations":{"a":"b"}},
    "status":{"loadBalancer":{"ingress":[{"hostname":"h","ports":[{"port":80}]},{"ip":"192.0.2.1","ipMode":"Proxy","ports":[{"port":81}]},{"ip":"192.0.2.5"}]},
              "conditions":[{"type":"x"}]}})");
  const auto parsed = std::get<kube::Service>(kube::parse_service(raw));
  const std::string patch = service_patch(parsed, "7", true, write({"192.0.2.1", "192.0.2.9"}, "lan"));
  const kube::Json after = raw.patch(kube::Json::parse(patch));
  kube::Json want = raw;
  want["metadata"]["annotations"]["fairlead.io/ip-allocated-from-pool"] = "lan";
  want["status"]["loadBalancer"]["ingress"][2] = {{"ip", "192.0.2.9"}, {"ipMode", "VIP"}};
  EXPECT_EQ(after, want);
}

TEST(ServicePatch, MetallbsAnnotation) {
  kube::Service now;
  now.meta.annotations = {{"fairlead.io/ip-allocated-from-pool", "lan"}};
  ServiceWrite what;
  what.pool = "lan";
  const std::string patch = service_patch(now, "7", true, what, api::Group::metallb);
  EXPECT_EQ(patch, R"([{"op":"replace","path":"/metadata/resourceVersion","value":"7"},)"
                   R"({"op":"add","path":"/metadata/annotations/metallb.io~1ip-allocated-from-pool","value":"lan"}])");
  const std::string second = pool_annotation_patch("9", "lan", api::Group::metallb);
  EXPECT_EQ(second, R"({"metadata":{"annotations":{"metallb.io/ip-allocated-from-pool":"lan"},"resourceVersion":"9"}})");
  EXPECT_TRUE(shows_pool(second, "lan", api::Group::metallb));
  EXPECT_FALSE(shows_pool(second, "lan"));
}

TEST(OtherBodies, Golden) {
  EXPECT_EQ(pool_status_patch({1, 2, 3, 4}), R"({"status":{"assignedIPv4":1,"assignedIPv6":2,"availableIPv4":3,"availableIPv6":4}})");
  EXPECT_EQ(pool_annotation_patch("9", "lan"),
            R"({"metadata":{"annotations":{"fairlead.io/ip-allocated-from-pool":"lan"},"resourceVersion":"9"}})");
  EXPECT_EQ(pool_annotation_patch("9", ""),
            R"({"metadata":{"annotations":{"fairlead.io/ip-allocated-from-pool":null},"resourceVersion":"9"}})");
  EventWrite event{{api::Kind::ip_address_pool, {"lb", "lan"}}, EventType::warning, "PoolRefused", "why", 3, 0, false};
  EXPECT_EQ(event_body(event, "lan.1", "u", {"fairlead-controller", "pod"}, 86'400),
            R"({"apiVersion":"v1","count":3,"firstTimestamp":"1970-01-01T00:00:00Z","involvedObject":{"apiVersion":"fairlead.io/v1",)"
            R"("kind":"IPAddressPool","name":"lan","namespace":"lb","uid":"u"},"kind":"Event","lastTimestamp":"1970-01-02T00:00:00Z",)"
            R"("message":"why","metadata":{"name":"lan.1","namespace":"lb"},"reason":"PoolRefused","reportingComponent":"fairlead-controller",)"
            R"("reportingInstance":"pod","source":{"component":"fairlead-controller","host":"pod"},"type":"Warning"})");
  EXPECT_EQ(event_patch(event, 86'400), R"({"count":3,"lastTimestamp":"1970-01-02T00:00:00Z","message":"why","type":"Warning"})");
  const LeaseRecord record{"me", std::chrono::seconds(15), micro_time(1'500'000), micro_time(0), 2, "5"};
  const std::string body = lease_body(record, "fairlead-controller", "lb");
  EXPECT_EQ(body,
            R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"fairlead-controller","namespace":"lb","resourceVersion":"5"},)"
            R"("spec":{"acquireTime":"1970-01-01T00:00:00.000000Z","holderIdentity":"me","leaseDurationSeconds":15,"leaseTransitions":2,)"
            R"("renewTime":"1970-01-01T00:00:01.500000Z"}})");
  EXPECT_EQ(read_lease(body), record);
  EXPECT_FALSE(read_lease("{"));
}

TEST(Paths, Table) {
  EXPECT_EQ(collection_path(api::Kind::endpoint_slice), "/apis/discovery.k8s.io/v1/endpointslices");
  EXPECT_EQ(collection_path(api::Kind::service_cidr), "/apis/networking.k8s.io/v1/servicecidrs");
  EXPECT_EQ(collection_path(api::Kind::bgp_peer), "/apis/fairlead.io/v1/bgppeers");
  EXPECT_EQ(collection_path(api::Kind::secret, Scope{api::Group::fairlead, "", "lb"}), "/api/v1/namespaces/lb/secrets");
  EXPECT_EQ(object_path({api::Kind::service, {"a b", "c/d"}}), "/api/v1/namespaces/a%20b/services/c%2Fd");
  EXPECT_EQ(object_path({api::Kind::node, {"", "n1"}}), "/api/v1/nodes/n1");
  EXPECT_EQ(object_path({api::Kind::ip_address_pool, {"lb", "lan"}}), "/apis/fairlead.io/v1/namespaces/lb/ipaddresspools/lan");
  EXPECT_EQ(collection_path(api::Kind::address_record), "/apis/fairlead.io/v1/addressrecords");
  const Scope metallb{api::Group::metallb, "metallb-system"};
  EXPECT_EQ(collection_path(api::Kind::address_record, metallb), "/apis/fairlead.io/v1/addressrecords") << "MetalLB has none";
  EXPECT_EQ(collection_path(api::Kind::service, metallb), "/api/v1/services") << "Services are wherever they are";
  EXPECT_EQ(collection_path(api::Kind::ip_address_pool, metallb), "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools");
  EXPECT_EQ(collection_path(api::Kind::service_cidr, metallb), "/apis/networking.k8s.io/v1/servicecidrs");
  EXPECT_EQ(collection_path(api::Kind::bgp_peer, metallb), "/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers");
  EXPECT_EQ(object_path({api::Kind::ip_address_pool, {"lb", "lan"}}, api::Group::metallb),
            "/apis/metallb.io/v1beta1/namespaces/lb/ipaddresspools/lan");
  EXPECT_EQ(list_query("!a,b", "x=="), "?limit=500&labelSelector=%21a%2Cb&continue=x%3D%3D");
  EXPECT_EQ(watch_query("", "12", 300), "?watch=true&allowWatchBookmarks=true&resourceVersion=12&timeoutSeconds=300");
}

TEST(Objects, OnlyWhatIsUsedIsKept) {
  const auto arrival = read_object(api::Kind::service, kube::Json::parse(R"({"metadata":{"name":"web","namespace":"a","resourceVersion":"3",
      "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}","fairlead.io/x":"1"},"managedFields":[{}]},"spec":{}})"));
  ASSERT_TRUE(arrival.object);
  EXPECT_EQ(api::meta_of(*arrival.object).annotations, (kube::Labels{{"fairlead.io/x", "1"}}));
  EXPECT_TRUE(arrival.has_annotations);
  EXPECT_EQ(arrival.resource_version, "3");
}

TEST(Objects, ARefusedOneIsNamed) {
  const auto arrival = read_object(api::Kind::ip_address_pool, kube::Json::parse(R"({"metadata":{"name":"lan","namespace":"a"},"spec":{"addresses":["x"]}})"));
  EXPECT_FALSE(arrival.object);
  ASSERT_TRUE(arrival.fault);
  EXPECT_EQ(arrival.fault->object, "IPAddressPool a/lan");
  EXPECT_EQ(arrival.fault->field, "spec.addresses[0]");
}

TEST(Objects, AddressesOfTheApiServersAreFound) {
  kube::EndpointSlice slice;
  slice.meta.ns = "default";
  slice.service = "kubernetes";
  slice.family = Family::v6;
  slice.ports = {{"https", Protocol::tcp, Port{6443}}};
  slice.endpoints = {{ip("fd00::1"), true, true, false, "", {}, {}}, {ip("fd00::2"), false, true, false, "", {}, {}}};
  EXPECT_EQ(api_servers_in(slice), std::vector<std::string>{"[fd00::1]:6443"});
  slice.meta.ns = "other";
  EXPECT_TRUE(api_servers_in(slice).empty());
}

TEST(Answers, CodesSayWhatToDo) {
  EXPECT_EQ(errc_of(409), Errc::conflict);
  EXPECT_EQ(errc_of(403), Errc::denied);
  EXPECT_EQ(errc_of(404), Errc::not_found);
  EXPECT_EQ(errc_of(422), Errc::malformed);
  EXPECT_EQ(errc_of(500), Errc::unavailable);
  EXPECT_EQ(errc_of(0), Errc::unavailable);
  EXPECT_EQ(read_answer({409, "", R"({"kind":"Status","message":"busy"})", {}}).what, "busy");
  EXPECT_EQ(read_answer({502, "", "<html>", {}}).what, "HTTP status 502");
  EXPECT_EQ(read_answer({0, "gone", "", {}}).what, "gone");
  EXPECT_EQ(read_answer({429, "", "", std::chrono::seconds(3)}).retry_after, std::chrono::seconds(3));
}

TEST(Answers, RetryAfterIsSecondsWithinReason) {
  EXPECT_EQ(read_retry_after("1"), std::chrono::seconds(1));
  EXPECT_EQ(read_retry_after("86400"), kMostRetryAfter);
  for (const char* none : {"", "0", "-1", "1.5", "soon", "1 s", "Fri, 31 Dec 1999 23:59:59 GMT", "99999999999999999999"}) {
    EXPECT_EQ(read_retry_after(none), std::nullopt) << none;
  }
}

TEST(WatchChunks, ABareStatusIsAnErrorToo) {
  Chunk chunk;
  add_line(api::Kind::service, R"({"kind":"Status","code":410,"message":"too old"})", chunk);
  EXPECT_EQ(chunk.error, 410);
  EXPECT_EQ(chunk.message, "too old");
}

}  // namespace
}  // namespace fairlead::runtime
