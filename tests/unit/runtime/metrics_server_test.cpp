#include "proto/runtime/metrics_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "tests/support/fake_source.h"

namespace fairlead::runtime {
namespace {

using namespace std::chrono_literals;

/// The whole answer to a GET.
std::string get(std::uint16_t port, const std::string& path) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  const std::string text = "GET " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  std::string out;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
  ::close(fd);
  return out;
}

TEST(MetricsServer, ShowsMetricsHealthAndWhetherItIsReady) {
  auto loop = std::move(Loop::create().value());
  bool is_ready = false;
  const MetricsServer server(*loop, "127.0.0.1:0", {.metrics = [] { return std::string("x 1\n"); }, .is_ready = [&] { return is_ready; }});
  ASSERT_NE(server.port(), 0);
  std::vector<std::string> got;
  std::thread client([&] {
    for (const char* path : {"/metrics", "/healthz", "/readyz", "/other"}) got.push_back(get(server.port(), path));
    loop->post([&] { is_ready = true; });
    got.push_back(get(server.port(), "/readyz"));
    loop->post([&] { loop->stop(); });
  });
  loop->run();
  client.join();
  ASSERT_EQ(got.size(), 5U);
  EXPECT_TRUE(got[0].starts_with("HTTP/1.1 200") && got[0].ends_with("\r\n\r\nx 1\n")) << got[0];
  EXPECT_NE(got[0].find("version=0.0.4"), std::string::npos);
  EXPECT_TRUE(got[1].starts_with("HTTP/1.1 200")) << got[1];
  EXPECT_TRUE(got[2].starts_with("HTTP/1.1 503")) << got[2];
  EXPECT_TRUE(got[3].starts_with("HTTP/1.1 404")) << got[3];
  EXPECT_TRUE(got[4].starts_with("HTTP/1.1 200")) << got[4];
}

TEST(MetricsServer, ShowsWhatTheApiServerAnswered) {
  auto loop = std::move(Loop::create().value());
  const MetricsServer server(*loop, "127.0.0.1:0",
                             {.metrics = [] { return std::string("x 1\n"); }, .answers = [] { return std::map<int, std::uint64_t>{{0, 2}, {200, 7}, {409, 1}}; }});
  std::string got;
  std::thread client([&] {
    got = get(server.port(), "/metrics");
    loop->post([&] { loop->stop(); });
  });
  loop->run();
  client.join();
  EXPECT_NE(got.find("\r\n\r\nx 1\n# HELP fairlead_api_requests_total "), std::string::npos) << got;
  EXPECT_TRUE(got.ends_with("fairlead_api_requests_total{code=\"none\"} 2\n"
                            "fairlead_api_requests_total{code=\"200\"} 7\n"
                            "fairlead_api_requests_total{code=\"409\"} 1\n")) << got;
}

TEST(MetricsServer, AnOccupiedPortIsTakenWhenItIsFree) {
  auto loop = std::move(Loop::create().value());
  auto other = HttpServer::listen(*loop, "127.0.0.1:0", [](const HttpRequest&) { return HttpResponse(); });
  ASSERT_TRUE(other);
  const std::string where = "127.0.0.1:" + std::to_string((*other)->port());
  const MetricsServer server(*loop, where, {.metrics = [] { return std::string(); }}, 2ms);
  test::run_turns(*loop, 10);
  EXPECT_EQ(server.port(), 0);
  other->reset();
  EXPECT_TRUE(test::run_until(*loop, [&] { return server.port() != 0; }));
}

TEST(MetricsServer, NowhereIsNowhere) {
  auto loop = std::move(Loop::create().value());
  const MetricsServer server(*loop, "", {.metrics = [] { return std::string(); }});
  EXPECT_EQ(server.port(), 0);
}

}  // namespace
}  // namespace fairlead::runtime
