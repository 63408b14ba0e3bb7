/// The HTTP server behind TLS, judged by OpenSSL as a client; and the session byte by byte.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "proto/runtime/http_server.h"
#include "tests/support/certificates.h"

namespace fairlead::runtime {
namespace {

using namespace std::chrono_literals;
using test::Pair;
using test::self_signed;

const Pair& first_pair() {
  static const Pair pair = self_signed("one.test");
  return pair;
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  const timeval limit{.tv_sec = 20, .tv_usec = 0};  // a server that hangs fails the test, not the run
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

using Context = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;
Context client_context(const std::string& trusted, int least = TLS1_2_VERSION, int most = 0) {
  Context out(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(out.get(), least);
  SSL_CTX_set_max_proto_version(out.get(), most);
  if (least < TLS1_2_VERSION) SSL_CTX_set_cipher_list(out.get(), "DEFAULT:@SECLEVEL=0");
  SSL_CTX_set_verify(out.get(), SSL_VERIFY_PEER, nullptr);
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(trusted.data(), static_cast<int>(trusted.size())), BIO_free);
  const std::unique_ptr<X509, void (*)(X509*)> root(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(out.get()), root.get());
  const unsigned char offered[] = "\x02h2\x08http/1.1";
  SSL_CTX_set_alpn_protos(out.get(), offered, sizeof offered - 1);
  return out;
}

/// A client that blocks.
class Client {
 public:
  Client(std::uint16_t port, const std::string& trusted, const std::string& name = "one.test", int least = TLS1_2_VERSION, int most = 0)
      : context_(client_context(trusted, least, most)), ssl_(SSL_new(context_.get()), SSL_free), fd_(connect_to(port)) {
    SSL_set_fd(ssl_.get(), fd_.get());
    SSL_set1_host(ssl_.get(), name.c_str());
    is_open_ = SSL_connect(ssl_.get()) == 1;
    ERR_clear_error();
  }
  bool is_open() const { return is_open_; }
  SSL* ssl() { return ssl_.get(); }
  int fd() const { return fd_.get(); }
  bool say(std::string_view text) { return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0; }
  /// To the end; `was_closed`: with a good-bye.
  std::string hear(bool* was_closed = nullptr) {
    std::string out;
    char buffer[4096];
    int n = 0;
    while ((n = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0) out.append(buffer, static_cast<std::size_t>(n));
    if (was_closed != nullptr) *was_closed = SSL_get_error(ssl_.get(), n) == SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
    return out;
  }
  /// Until the answer's last line.
  std::string hear_one() {
    std::string out;
    char c = 0;
    while (SSL_read(ssl_.get(), &c, 1) == 1) {
      out += c;
      if (out.ends_with("!\n")) return out;
    }
    return out + "<cut>";
  }

 private:
  Context context_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  Fd fd_;
  bool is_open_ = false;
};

struct World {
  Loop& loop;
  TlsIdentity& identity;
  std::uint16_t port;
  /// On the loop's thread.
  void replace(const Pair& pair) {
    std::atomic<bool> done = false;
    loop.post([&] {
      EXPECT_TRUE(identity.use(pair.certificate, pair.key));
      done = true;
    });
    while (!done) std::this_thread::yield();
  }
};

/// `client` runs in another thread.
template <class Code>
void with_server(HttpLimits limits, Code client, bool is_ready = true) {
  std::signal(SIGPIPE, SIG_IGN);  // of the client's OpenSSL
  auto loop = Loop::create();
  ASSERT_TRUE(loop);
  TlsIdentity identity;
  EXPECT_TRUE(!is_ready || identity.use(first_pair().certificate, first_pair().key));
  auto server = HttpServer::listen(**loop, "127.0.0.1:0", [](const HttpRequest& r) {
    HttpResponse out;
    out.body = r.path == "/large" ? std::string(8 << 20, 'x') : r.method + " " + r.path + " " + std::to_string(r.body.size()) + "!\n";
    return out;
  }, limits, &identity);
  ASSERT_TRUE(server) << server.error().what;
  std::thread thread([&] {
    client(World{**loop, identity, (*server)->port()});
    (*loop)->post([&] { (*loop)->stop(); });
  });
  (*loop)->run();
  thread.join();
}

constexpr auto kLast = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
constexpr auto kMore = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

bool is_served(const World& world, const std::string& trusted, const std::string& name = "one.test") {
  Client client(world.port, trusted, name);
  return client.is_open() && client.say(kLast) && client.hear().ends_with("GET /a 0!\n");
}

/// What comes until the peer closes, and whether it does.
bool is_closed(int fd) {
  char buffer[4096];
  ssize_t n = 0;
  while ((n = ::recv(fd, buffer, sizeof buffer, 0)) > 0) {}
  return n == 0 || errno == ECONNRESET;
}

TEST(TlsServer, AnswersInBothVersionsAndChoosesHttp1) {
  with_server({}, [](World world) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      Client client(world.port, first_pair().certificate, "one.test", version, version);
      ASSERT_TRUE(client.is_open()) << version;
      EXPECT_EQ(SSL_version(client.ssl()), version);
      const unsigned char* chosen = nullptr;
      unsigned size = 0;
      SSL_get0_alpn_selected(client.ssl(), &chosen, &size);
      EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(chosen), size), "http/1.1");
      ASSERT_TRUE(client.say(kMore));
      EXPECT_TRUE(client.hear_one().starts_with("HTTP/1.1 200 OK\r\n"));
      ASSERT_TRUE(client.say(kLast));
      bool was_closed = false;
      EXPECT_TRUE(client.hear(&was_closed).ends_with("GET /a 0!\n"));
      EXPECT_TRUE(was_closed) << "an end without a good-bye looks like a cut";
    }
  });
}

TEST(TlsServer, RecordsOfOneByteAndALargeAnswerToASlowReader) {
  with_server({}, [](World world) {
    Client slow(world.port, first_pair().certificate);
    ASSERT_TRUE(slow.is_open());
    for (const char c : std::string_view("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")) ASSERT_TRUE(slow.say({&c, 1}));
    EXPECT_TRUE(slow.hear_one().ends_with("POST /b 3!\n"));
    const int small = 64 << 10;
    ::setsockopt(slow.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    ASSERT_TRUE(slow.say("GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    EXPECT_GT(slow.hear().size(), std::size_t{8} << 20);
  });
}

TEST(TlsServer, GarbageInsteadOfAHandshakeCostsAConnectionOnly) {
  with_server({}, [](World world) {
    for (const std::string& garbage : {std::string(kLast), std::string(64, '\0'), std::string(40'000, 'x'),
                                       std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10), std::string("\x16\x03\x01\xff\xff") + std::string(100, 'a')}) {
      const Fd fd(connect_to(world.port));
      ::send(fd.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
      EXPECT_TRUE(is_closed(fd.get())) << garbage.substr(0, 20);
    }
    Client broken(world.port, first_pair().certificate);
    ASSERT_TRUE(broken.is_open());
    const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'a');  // that nobody sealed
    ::send(broken.fd(), record.data(), record.size(), MSG_NOSIGNAL);
    EXPECT_EQ(broken.hear(), "");
    EXPECT_TRUE(is_served(world, first_pair().certificate));
  });
}

TEST(TlsServer, OldVersionsAreRefused) {
  with_server({}, [](World world) {
    EXPECT_FALSE(Client(world.port, first_pair().certificate, "one.test", TLS1_VERSION, TLS1_1_VERSION).is_open());
    EXPECT_TRUE(is_served(world, first_pair().certificate));
  });
}

TEST(TlsServer, AHandshakeThatIsNeverFinishedIsDropped) {
  with_server({.patience = 200ms}, [](World world) {
    const auto start = std::chrono::steady_clock::now();
    const Fd silent(connect_to(world.port));
    const Fd slow(connect_to(world.port));
    ASSERT_EQ(::send(slow.get(), "\x16\x03\x01\x01\x00", 5, MSG_NOSIGNAL), 5);  // the beginning of a ClientHello
    Client idle(world.port, first_pair().certificate);  // a handshake is no request
    ASSERT_TRUE(idle.is_open());
    EXPECT_TRUE(is_closed(silent.get()));
    EXPECT_TRUE(is_closed(slow.get()));
    EXPECT_EQ(idle.hear(), "");
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  });
}

TEST(TlsServer, UnfinishedHandshakesMakeRoomForOthers) {
  with_server({.connections = 4}, [](World world) {
    std::vector<Fd> stalled;
    for (int i = 0; i < 10; ++i) {
      stalled.emplace_back(connect_to(world.port));
      ASSERT_EQ(::send(stalled.back().get(), "\x16\x03\x01\x01\x00", 5, MSG_NOSIGNAL), 5);
    }
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(is_served(world, first_pair().certificate)) << i;
  });
}

TEST(TlsServer, AfterAnAnswerTheConnectionMayWaitLongerThanARequest) {
  with_server({.patience = 150ms, .idle = 20s}, [](World world) {
    Client client(world.port, first_pair().certificate);
    ASSERT_TRUE(client.is_open() && client.say(kMore));
    EXPECT_TRUE(client.hear_one().ends_with("GET /a 0!\n"));
    std::this_thread::sleep_for(400ms);
    ASSERT_TRUE(client.say(kMore));
    EXPECT_TRUE(client.hear_one().ends_with("GET /a 0!\n"));
    ASSERT_TRUE(client.say("GET /a HT"));  // once begun, a request has its deadline
    EXPECT_EQ(client.hear(), "");
  });
}

TEST(TlsServer, AReplacedCertificateIsForNewConnections) {
  with_server({}, [](World world) {
    const Pair second = self_signed("two.test");
    Client old(world.port, first_pair().certificate);
    ASSERT_TRUE(old.is_open() && old.say(kMore));
    old.hear_one();
    world.replace(second);
    ASSERT_TRUE(old.say(kMore));
    EXPECT_TRUE(old.hear_one().ends_with("GET /a 0!\n")) << "an open connection goes on";
    EXPECT_FALSE(is_served(world, first_pair().certificate));
    EXPECT_TRUE(is_served(world, second.certificate, "two.test"));
  });
}

TEST(TlsServer, WithNothingToShowConnectionsAreClosedUntilThereIs) {
  with_server({}, [](World world) {
    EXPECT_FALSE(Client(world.port, first_pair().certificate).is_open());
    world.replace(first_pair());
    EXPECT_TRUE(is_served(world, first_pair().certificate));
  }, false);
}

TEST(TlsIdentity, WhatCannotBeShownIsNamedAndWhatWasShownStays) {
  const Pair one = self_signed("one.test"), two = self_signed("two.test"), locked = self_signed("one.test", "secret");
  const struct {
    const char* name;
    std::string certificate, key, what;
  } cases[] = {
      {"nothing", "", "", "the certificate cannot be read: no start line"},
      {"no PEM", "hello", one.key, "the certificate cannot be read: no start line"},
      {"swapped", one.key, one.certificate, "the certificate cannot be read: no start line"},
      {"a cut certificate", one.certificate.substr(0, 200), one.key, "the certificate cannot be read: "},
      {"no key", one.certificate, "", "the private key cannot be read: "},
      {"a key under a password", one.certificate, locked.key, "the private key cannot be read: "},
      {"another's key", one.certificate, two.key, "the private key is not that of the certificate: put the two that belong together there"},
  };
  TlsIdentity identity;
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto used = identity.use(c.certificate, c.key);
    ASSERT_FALSE(used);
    EXPECT_EQ(used.error().code, Errc::malformed);
    EXPECT_TRUE(used.error().what.starts_with(c.what)) << used.error().what;
    EXPECT_FALSE(identity.is_ready());
  }
  ASSERT_TRUE(identity.use(one.certificate, one.key));
  EXPECT_FALSE(identity.use(one.certificate, two.key));
  EXPECT_TRUE(identity.is_ready());
}

/// A handshake in memory; what the client sends reaches the session in pieces of `size`.
TEST(TlsSession, IsTheSameHoweverItsInputIsCut) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
    SCOPED_TRACE(size);
    TlsIdentity identity;
    ASSERT_TRUE(identity.use(first_pair().certificate, first_pair().key));
    TlsSession session(identity);
    const Context context = client_context(first_pair().certificate);
    const std::unique_ptr<SSL, void (*)(SSL*)> client(SSL_new(context.get()), SSL_free);
    BIO* const in = BIO_new(BIO_s_mem());
    BIO* const out = BIO_new(BIO_s_mem());
    SSL_set_bio(client.get(), in, out);
    SSL_set_connect_state(client.get());
    std::string heard, answer;
    bool is_asked = false;
    for (int turn = 0; turn < 20 && answer.empty(); ++turn) {
      if (!is_asked && SSL_do_handshake(client.get()) == 1) is_asked = SSL_write(client.get(), "question", 8) == 8;
      std::string bytes(static_cast<std::size_t>(BIO_ctrl_pending(out)), '\0');
      BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
      for (std::size_t at = 0; at < bytes.size(); at += size) {
        const auto fed = session.feed(std::string_view(bytes).substr(at, size), heard);
        ASSERT_TRUE(fed) << fed.error().what;
      }
      EXPECT_TRUE(heard != "question" || session.seal("answer"));
      const std::string wire = session.take_wire();
      BIO_write(in, wire.data(), static_cast<int>(wire.size()));
      char buffer[100];
      const int n = is_asked ? SSL_read(client.get(), buffer, sizeof buffer) : 0;
      if (n > 0) answer.assign(buffer, static_cast<std::size_t>(n));
    }
    EXPECT_EQ(heard, "question");
    EXPECT_EQ(answer, "answer");
    EXPECT_FALSE(session.is_ended());
  }
}

}  // namespace
}  // namespace fairlead::runtime
