#include "proto/runtime/folder_objects.h"

#include <gtest/gtest.h>

namespace fairlead::runtime {
namespace {

kube::Service web(std::vector<kube::ServicePort> ports) {
  kube::Service s;
  s.meta.ns = "default";
  s.meta.name = "web";
  s.selector = {{"app", "web"}};
  s.ports = std::move(ports);
  return s;
}
kube::ServicePort port(std::uint16_t number, kube::TargetPort target = std::uint16_t{0}, std::string name = "") {
  return {std::move(name), Protocol::tcp, Port{number}, std::move(target), Port{}};
}
kube::Pod pod(const char* name, std::vector<const char*> ips, std::vector<kube::Pod::ContainerPort> ports = {}) {
  kube::Pod p;
  p.meta.ns = "default";
  p.meta.name = name;
  p.meta.labels = {{"app", "web"}, {"x", name}};
  p.node_name = "node-a";
  for (const char* const ip : ips) p.ips.push_back(*parse_ip(ip));
  p.ports = std::move(ports);
  return p;
}
std::vector<kube::EndpointSlice> make(const kube::Service& s, const std::vector<kube::Pod>& pods) {
  std::vector<const kube::Pod*> pointers;
  for (const auto& p : pods) pointers.push_back(&p);
  return slices_of_pods(s, pointers);
}

TEST(SlicesOfPods, OneSliceForEachFamily) {
  const auto slices = make(web({port(80, std::uint16_t{8080})}), {pod("a", {"10.0.0.1", "fd00::1"}), pod("b", {"10.0.0.2"})});
  ASSERT_EQ(slices.size(), 2U);
  EXPECT_EQ(slices[0].meta.name, "web~pods~v4");
  EXPECT_EQ(slices[0].meta.ns, "default");
  EXPECT_EQ(slices[0].service, "web");
  EXPECT_EQ(slices[0].meta.labels.at("kubernetes.io/service-name"), "web");
  EXPECT_EQ(slices[0].family, Family::v4);
  EXPECT_EQ(slices[0].ports, (std::vector<kube::EndpointPort>{{"", Protocol::tcp, Port{8080}}}));
  ASSERT_EQ(slices[0].endpoints.size(), 2U);
  EXPECT_EQ(slices[0].endpoints[0], (kube::Endpoint{*parse_ip("10.0.0.1"), true, true, false, "node-a", {}, {}}));
  EXPECT_EQ(slices[1].meta.name, "web~pods~v6");
  EXPECT_EQ(slices[1].endpoints.size(), 1U);
}

TEST(SlicesOfPods, AnAbsentTargetPortIsThePort) {
  const auto slices = make(web({port(80)}), {pod("a", {"10.0.0.1"})});
  ASSERT_EQ(slices.size(), 1U);
  EXPECT_EQ(slices[0].ports[0].port.value, 80);
}

TEST(SlicesOfPods, OtherPodsAreLeftOut) {
  auto other_label = pod("b", {"10.0.0.2"});
  other_label.meta.labels["app"] = "db";
  auto other_namespace = pod("c", {"10.0.0.3"});
  other_namespace.meta.ns = "shop";
  EXPECT_TRUE(make(web({port(80)}), {other_label, other_namespace}).empty());
  auto no_selector = web({port(80)});
  no_selector.selector.clear();
  EXPECT_TRUE(make(no_selector, {pod("a", {"10.0.0.1"})}).empty());
}

TEST(SlicesOfPods, NamedPortsThatResolveDifferentlyGoToDifferentSlices) {
  const auto slices = make(web({port(80, std::string("http")), }),
                           {pod("a", {"10.0.0.1"}, {{"http", Protocol::tcp, Port{8080}}}),
                            pod("b", {"10.0.0.2"}, {{"http", Protocol::tcp, Port{9090}}}),
                            pod("c", {"10.0.0.3"}, {{"http", Protocol::udp, Port{8080}}}),
                            pod("d", {"10.0.0.4"}, {{"http", Protocol::tcp, Port{8080}}}),
                            pod("e", {"10.0.0.5"})});
  ASSERT_EQ(slices.size(), 2U);
  EXPECT_EQ(slices[0].meta.name, "web~pods~v4~8080");
  ASSERT_EQ(slices[0].endpoints.size(), 2U);
  EXPECT_EQ(slices[0].endpoints[1].address, *parse_ip("10.0.0.4"));
  EXPECT_EQ(slices[0].ports[0].port.value, 8080);
  EXPECT_EQ(slices[1].meta.name, "web~pods~v4~9090");
  EXPECT_EQ(slices[1].endpoints.size(), 1U);
}

TEST(SlicesOfPods, APodWithoutOneOfTheNamedPortsServesTheOthers) {
  const auto slices = make(web({port(80, std::string("http"), "a"), port(81, std::uint16_t{8081}, "b")}), {pod("a", {"10.0.0.1"})});
  ASSERT_EQ(slices.size(), 1U);
  EXPECT_EQ(slices[0].ports, (std::vector<kube::EndpointPort>{{"b", Protocol::tcp, Port{8081}}}));
}

TEST(SlicesOfPods, Conditions) {
  const struct {
    const char* name;
    bool is_ready, is_terminating, publishes;
    bool want_ready, want_serving, want_terminating;
  } cases[] = {
      {"ready", true, false, false, true, true, false},
      {"not ready", false, false, false, false, false, false},
      {"terminating", true, true, false, false, true, true},
      {"terminating and not ready", false, true, false, false, false, true},
      {"published though not ready", false, false, true, true, false, false},
      {"published though terminating", true, true, true, true, true, true},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    auto s = web({port(80)});
    s.publish_not_ready_addresses = c.publishes;
    s.is_headless = true;  // makes no difference
    auto p = pod("a", {"10.0.0.1"});
    p.is_ready = c.is_ready;
    p.is_terminating = c.is_terminating;
    const auto slices = make(s, {p});
    ASSERT_EQ(slices.size(), 1U);
    const kube::Endpoint& e = slices[0].endpoints.at(0);
    EXPECT_EQ(e.is_ready, c.want_ready);
    EXPECT_EQ(e.is_serving, c.want_serving);
    EXPECT_EQ(e.is_terminating, c.want_terminating);
  }
}

kube::Endpoints endpoints() {
  kube::Endpoints e;
  e.meta.ns = "default";
  e.meta.name = "web";
  e.subsets = {{{{*parse_ip("10.0.0.1"), ""}, {*parse_ip("10.0.0.2"), "node-b"}, {*parse_ip("fd00::2"), ""}},
                {{*parse_ip("10.0.0.3"), ""}},
                {{"", Protocol::tcp, Port{8080}}}}};
  return e;
}

TEST(SlicesOfEndpoints, EverySubsetAndFamilyIsASlice) {
  const auto slices = slices_of_endpoints(endpoints(), {});
  ASSERT_EQ(slices.size(), 2U);
  EXPECT_EQ(slices[0].meta.name, "web~endpoints~0~v4");
  EXPECT_EQ(slices[0].service, "web");
  EXPECT_EQ(slices[0].ports[0].port.value, 8080);
  ASSERT_EQ(slices[0].endpoints.size(), 3U);
  EXPECT_EQ(slices[0].endpoints[1].node_name, "node-b");
  EXPECT_TRUE(slices[0].endpoints[1].is_ready);
  EXPECT_FALSE(slices[0].endpoints[2].is_ready);
  EXPECT_FALSE(slices[0].endpoints[2].is_serving);
  EXPECT_EQ(slices[1].meta.name, "web~endpoints~0~v6");
}

TEST(MakeSlices, AnAddressOfASelectedPodComesFromThePodOnly) {
  const auto s = web({port(80)});
  const auto e = endpoints();
  auto p = pod("a", {"10.0.0.1"});
  p.is_ready = false;
  auto stranger = pod("b", {"10.0.0.2"});
  stranger.meta.labels.clear();
  const kube::Pod* const pods[] = {&p, &stranger};
  const auto slices = make_slices(&s, &e, pods);
  ASSERT_EQ(slices.size(), 3U);
  EXPECT_EQ(slices[0].meta.name, "web~pods~v4");
  EXPECT_FALSE(slices[0].endpoints.at(0).is_ready);
  EXPECT_EQ(slices[1].meta.name, "web~endpoints~0~v4");
  EXPECT_EQ(slices[1].endpoints.at(0).address, *parse_ip("10.0.0.2")) << "10.0.0.1 is the Pod's";
  EXPECT_EQ(make_slices(nullptr, &e, pods).size(), 2U) << "Endpoints without a Service";
  EXPECT_TRUE(make_slices(nullptr, nullptr, pods).empty());
}

}  // namespace
}  // namespace fairlead::runtime
