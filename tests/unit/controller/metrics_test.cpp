#include "controller/report/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/builders.h"

namespace fairlead::controller::report {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

core::PoolUse use(std::string name, std::int64_t assigned, std::int64_t available) {
  core::PoolUse out;
  out.pool = {"fairlead-system", std::move(name)};
  out.assigned_ipv4 = assigned;
  out.available_ipv4 = available;
  return out;
}

TEST(ControllerMetrics, PoolsAreShownByFamilyAndVanishWithThePool) {
  Metrics m;
  core::Decisions d;
  d.pools = {use("lan", 3, 7), use("wan", 0, 1)};
  m.passed({}, d, 2, TimePoint{});
  EXPECT_THAT(m.text(), HasSubstr("fairlead_pool_addresses{family=\"ipv4\",pool=\"lan\",state=\"assigned\"} 3\n"));
  EXPECT_THAT(m.text(), HasSubstr("fairlead_pool_addresses{family=\"ipv4\",pool=\"lan\",state=\"available\"} 7\n"));
  EXPECT_THAT(m.text(), HasSubstr("fairlead_write_queue 2\n"));
  d.pools = {use("lan", 4, 6)};
  m.passed({}, d, 0, TimePoint{});
  EXPECT_THAT(m.text(), HasSubstr("pool=\"lan\",state=\"assigned\"} 4\n"));
  EXPECT_THAT(m.text(), Not(HasSubstr("wan")));
}

TEST(ControllerMetrics, AServiceIsTimedFromBeingSeenToBeingShownWithAnAddress) {
  Metrics m;
  kube::Service waiting = test::balancer("web", {"10.96.0.1"}, {});
  kube::Service done = test::balancer("web", {"10.96.0.1"}, {"192.0.2.1"});
  const kube::Service old = test::balancer("old", {"10.96.0.2"}, {"192.0.2.2"});
  const TimePoint start{};
  const auto snapshot = [](std::vector<const kube::Service*> services) {
    core::Snapshot out;
    out.services = std::move(services);
    return out;
  };
  m.passed(snapshot({&waiting, &old}), {}, 0, start);
  EXPECT_THAT(m.text(), HasSubstr("fairlead_services{state=\"waiting\"} 1\n"));
  EXPECT_THAT(m.text(), HasSubstr("fairlead_services{state=\"assigned\"} 1\n"));
  EXPECT_THAT(m.text(), Not(HasSubstr("assign_seconds_count")));
  m.passed(snapshot({&waiting, &old}), {}, 0, start + 200ms);
  m.passed(snapshot({&done, &old}), {}, 0, start + 300ms);
  EXPECT_THAT(m.text(), HasSubstr("fairlead_services{state=\"waiting\"} 0\n"));
  EXPECT_THAT(m.text(), HasSubstr("fairlead_service_assign_seconds_count 1\n"));
  EXPECT_THAT(m.text(), HasSubstr("fairlead_service_assign_seconds_bucket{le=\"0.25\"} 0\n"));
  EXPECT_THAT(m.text(), HasSubstr("fairlead_service_assign_seconds_bucket{le=\"0.5\"} 1\n"));
}

TEST(ControllerMetrics, AProblemThatIsSolvedGoesToZero) {
  Metrics m;
  core::Decisions d;
  d.problems = {{{api::Kind::service, test::named("web")}, core::Reason::pools_exhausted, "x"}};
  m.passed({}, d, 0, TimePoint{});
  const std::string series = "fairlead_problems{reason=\"" + std::string(core::name(core::Reason::pools_exhausted)) + "\"} ";
  EXPECT_THAT(m.text(), HasSubstr(series + "1\n"));
  m.passed({}, {}, 0, TimePoint{});
  EXPECT_THAT(m.text(), HasSubstr(series + "0\n"));
}

TEST(ControllerMetrics, WritesFailuresAndTheLease) {
  Metrics m;
  m.set_leading(true);
  m.written("");
  m.written("conflict");
  m.written("conflict");
  EXPECT_THAT(m.text(), HasSubstr("fairlead_controller_leader 1\n"));
  EXPECT_THAT(m.text(), HasSubstr("fairlead_writes_total 1\n"));
  EXPECT_THAT(m.text(), HasSubstr("fairlead_write_errors_total{reason=\"conflict\"} 2\n"));
  m.set_leading(false);
  EXPECT_THAT(m.text(), HasSubstr("fairlead_controller_leader 0\n"));
}

TEST(ControllerMetrics, ReviewsByKindAndVerdict) {
  Metrics m;
  m.reviewed("BGPPeer", "refused");
  m.reviewed("", "allowed");
  EXPECT_THAT(m.text(), HasSubstr("fairlead_webhook_reviews_total{kind=\"BGPPeer\",verdict=\"refused\"} 1\n"));
  EXPECT_THAT(m.text(), HasSubstr("fairlead_webhook_reviews_total{kind=\"other\",verdict=\"allowed\"} 1\n"));
}

}  // namespace
}  // namespace fairlead::controller::report
