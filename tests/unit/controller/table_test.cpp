#include "controller/report/table.h"

#include <gtest/gtest.h>

#include "tests/unit/controller/world.h"

namespace fairlead::controller::report {
namespace {

TEST(Table, ReadsLikeKubectl) {
  core::World w;
  w.add(core::holding(core::served("web", {"10.96.0.10", "fd96::a"}), {"192.0.2.1", "fd00::1"}, "lan"));
  w.at("web").ports[0].node_port = Port{30086};
  w.at("web").ports.push_back({"dns", Protocol::udp, Port{53}, std::uint16_t{0}, Port{0}});
  w.add(core::served("waiting", {"10.96.0.11"}));
  w.add(core::service("none"));
  w.at("none").type = kube::ServiceType::cluster_ip;
  w.at("none").is_headless = true;
  w.at("none").ports.clear();
  w.add(core::service("out"));
  w.at("out").type = kube::ServiceType::node_port;
  w.at("out").external_ips = core::ips({"203.0.113.1"});
  EXPECT_EQ(table(w.services),
            "NAMESPACE   NAME      TYPE           CLUSTER-IP   EXTERNAL-IP         PORT(S)\n"
            "default     none      ClusterIP      None         <none>              <none>\n"
            "default     out       NodePort       <none>       203.0.113.1         80/TCP\n"
            "default     waiting   LoadBalancer   10.96.0.11   <pending>           80/TCP\n"
            "default     web       LoadBalancer   10.96.0.10   192.0.2.1,fd00::1   80:30086/TCP,53/UDP\n");
}

TEST(Table, NoServiceNoTable) { EXPECT_EQ(table({}), ""); }

}  // namespace
}  // namespace fairlead::controller::report
