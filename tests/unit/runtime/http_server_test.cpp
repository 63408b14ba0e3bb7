#include "proto/runtime/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace fairlead::runtime {
namespace {

using namespace std::chrono_literals;

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

/// Sends, and reads until the peer closes.
std::string talk(int fd, std::string_view text) {
  EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  std::string out;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
  ::close(fd);
  return out;
}

/// A server that tells what it was asked, on a loop in this thread; `client` runs in another and stops it at its end.
template <class Client>
void with_server(HttpLimits limits, Client client) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop);
  auto server = HttpServer::listen(**loop, "127.0.0.1:0", [](const HttpRequest& r) {
    HttpResponse out;
    out.body = r.method + " " + r.path + " " + r.query + " " + std::to_string(r.body.size()) + "\n";
    if (r.path == "/large") out.body = std::string(8 << 20, 'x');
    if (r.path == "/missing") out.status = 404;
    return out;
  }, limits);
  ASSERT_TRUE(server) << server.error().what;
  std::thread thread([&] {
    client((*server)->port());
    (*loop)->post([&] { (*loop)->stop(); });
  });
  (*loop)->run();
  thread.join();
}

constexpr auto kClose = "Connection: close\r\n\r\n";

TEST(HttpServer, AnswersOneRequestAndCloses) {
  with_server({}, [](std::uint16_t port) {
    const std::string a = talk(connect_to(port), std::string("GET /metrics?x=1 HTTP/1.1\r\nHost: h\r\n") + kClose);
    EXPECT_TRUE(a.starts_with("HTTP/1.1 200 OK\r\n")) << a;
    EXPECT_TRUE(a.ends_with("\r\n\r\nGET /metrics x=1 0\n")) << a;
    const std::string missing = talk(connect_to(port), std::string("HEAD /missing HTTP/1.1\r\nHost: h\r\n") + kClose);
    EXPECT_TRUE(missing.starts_with("HTTP/1.1 404 Not Found\r\n")) << missing;
    EXPECT_TRUE(missing.ends_with("\r\n\r\n")) << missing;
  });
}

TEST(HttpServer, SeveralRequestsOnOneConnectionEvenWhenSentAtOnceOrByteByByte) {
  with_server({}, [](std::uint16_t port) {
    const std::string one = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
    const std::string last = std::string("GET /b HTTP/1.1\r\nHost: h\r\n") + kClose;
    std::string a = talk(connect_to(port), one + one + last);
    EXPECT_NE(a.find("POST /a  3\n"), a.rfind("POST /a  3\n"));
    EXPECT_TRUE(a.ends_with("GET /b  0\n")) << a;

    const int fd = connect_to(port);
    for (const char c : one) EXPECT_EQ(::send(fd, &c, 1, MSG_NOSIGNAL), 1);
    a = talk(fd, last);
    EXPECT_NE(a.find("POST /a  3\n"), std::string::npos);
    EXPECT_TRUE(a.ends_with("GET /b  0\n")) << a;
  });
}

TEST(HttpServer, ALargeAnswerReachesASlowReader) {
  with_server({}, [](std::uint16_t port) {
    const int fd = connect_to(port);
    const int small = 64 << 10;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    EXPECT_GT(talk(fd, std::string("GET /large HTTP/1.1\r\nHost: h\r\n") + kClose).size(), std::size_t{8} << 20);
  });
}

TEST(HttpServer, HostileRequestsAreRefusedByTheirKind) {
  const struct {
    std::string text;
    const char* status;
  } cases[] = {
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "400"},
      {"GET\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"GET /" + std::string(4096, 'a') + " HTTP/1.1\r\n\r\n", "431"},
      {"GET / HTTP/1.1\r\nX: " + std::string(4096, 'a') + "\r\n\r\n", "431"},
      {"POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'a'), "413"},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + std::string(5000, 'a') + "\r\n0\r\n\r\n", "413"},
  };
  with_server({.header_bytes = 1024, .body_bytes = 2048}, [&](std::uint16_t port) {
    for (const auto& c : cases) {
      const std::string a = talk(connect_to(port), c.text);
      EXPECT_EQ(a.substr(0, 12), std::string("HTTP/1.1 ") + c.status) << c.text.substr(0, 60);
    }
  });
}

TEST(HttpServer, ARequestThatIsNeverFinishedIsDropped) {
  with_server({.patience = 100ms}, [](std::uint16_t port) {
    EXPECT_EQ(talk(connect_to(port), "GET / HTTP/1.1\r\nHost:"), "");
    EXPECT_EQ(talk(connect_to(port), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"), "");
  });
}

TEST(HttpServer, IdleConnectionsMakeRoomForNewOnes) {
  with_server({.connections = 4}, [](std::uint16_t port) {
    std::vector<int> idle;
    for (int i = 0; i < 10; ++i) idle.push_back(connect_to(port));
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(talk(connect_to(port), std::string("GET / HTTP/1.1\r\nHost: h\r\n") + kClose).starts_with("HTTP/1.1 200")) << i;
    }
    for (const int fd : idle) ::close(fd);
  });
}

TEST(HttpServer, WhereToListenIsReadOrRefused) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop);
  const auto listen = [&](std::string_view where) { return HttpServer::listen(**loop, where, [](const HttpRequest&) { return HttpResponse{}; }); };
  for (const char* good : {":0", "127.0.0.1:0", "[::1]:0", "0.0.0.0:0"}) EXPECT_TRUE(listen(good)) << good;
  for (const char* bad : {"", "7480", "localhost:0", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:x", "[::1:0"}) {
    const auto server = listen(bad);
    ASSERT_FALSE(server) << bad;
    EXPECT_EQ(server.error().code, Errc::malformed) << bad;
  }
  const auto first = listen("127.0.0.1:0");
  ASSERT_TRUE(first);
  const auto second = listen("127.0.0.1:" + std::to_string((*first)->port()));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::exists);
}

}  // namespace
}  // namespace fairlead::runtime
