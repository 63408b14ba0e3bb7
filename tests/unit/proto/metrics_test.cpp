#include "proto/base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

const Metric kPools{"fairlead_pool_addresses", Type::gauge, "Addresses of a pool"};
const Metric kErrors{"fairlead_api_errors_total", Type::counter, "Requests that failed"};
const Metric kDelay{"fairlead_delay_seconds", Type::histogram, "How long it took", {0.1, 1}};

TEST(Metrics, AreShownInPrometheusText) {
  Registry r;
  r.set(kPools, {{"pool", "lan"}, {"family", "ipv4"}}, 5);
  r.set(kPools, {{"pool", "lan"}, {"family", "ipv4"}}, 7);
  r.add(kErrors, {{"verb", "PATCH"}});
  r.add(kErrors, {{"verb", "PATCH"}}, 2);
  r.observe(kDelay, {}, 0.5);
  const std::string text = r.text();
  EXPECT_THAT(text, HasSubstr("# HELP fairlead_pool_addresses Addresses of a pool\n# TYPE fairlead_pool_addresses gauge\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_pool_addresses{family=\"ipv4\",pool=\"lan\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_api_errors_total{verb=\"PATCH\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_delay_seconds_bucket{le=\"0.1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_delay_seconds_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_delay_seconds_count 1\n"));
}

TEST(Metrics, ASeriesThatIsForgottenIsNotShownAndMayComeBack) {
  Registry r;
  r.set(kPools, {{"pool", "a"}}, 1);
  r.set(kPools, {{"pool", "b"}}, 2);
  r.forget(kPools, {{"pool", "a"}});
  r.forget(kPools, {{"pool", "never"}});
  EXPECT_THAT(r.text(), Not(HasSubstr("pool=\"a\"")));
  EXPECT_THAT(r.text(), HasSubstr("pool=\"b\""));
  r.set(kPools, {{"pool", "a"}}, 3);
  EXPECT_THAT(r.text(), HasSubstr("fairlead_pool_addresses{pool=\"a\"} 3\n"));
  r.forget(kPools);
  EXPECT_THAT(r.text(), Not(HasSubstr("pool=")));
}

TEST(Metrics, AForeignNameCannotForgeALine) {
  Registry r;
  r.set(kPools, {{"pool", "x\"} 1\nforged 2"}}, 1);
  EXPECT_THAT(r.text(), HasSubstr("{pool=\"x\\\"} 1\\nforged 2\"} 1\n"));
}

TEST(MetricsText, IsTheRegistrysFormat) {
  // One at a time: in which order a registry shows the series of a metric is its own business.
  const struct { const char* family; const char* pool; double value; } cases[] = {{"ipv4", "x\"} 1\nforged\\ 2", 1.5}, {"ipv6", "b", 3}};
  for (const auto& c : cases) {
    Registry r;
    r.set(kPools, {{"family", c.family}, {"pool", c.pool}}, c.value);
    Text t;
    t.series(kPools, {{"family", c.family}, {"pool", c.pool}}, c.value);
    EXPECT_EQ(std::move(t).take(), r.text());
  }
  Text plain;
  plain.series(kErrors, {}, 1763738000);
  EXPECT_THAT(std::move(plain).take(), testing::EndsWith("fairlead_api_errors_total 1763738000\n"));
}

}  // namespace
}  // namespace fairlead::metrics
