#include "proto/runtime/http_server.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <list>
#include <optional>

#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/net/ip.h"

namespace fairlead::runtime {
namespace {

namespace http = boost::beast::http;

struct Where {
  sockaddr_storage address{};
  socklen_t size = 0;
};

Result<Where> parse_where(std::string_view text) {
  const Error bad{Errc::malformed, "\"" + std::string(text) + "\" is no address to listen on: write ADDRESS:PORT, [ADDRESS]:PORT or :PORT"};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad;
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  if (error != std::errc() || stop != text.data() + text.size()) return bad;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);

  Where out;
  const std::optional<Ip> ip = host.empty() ? std::nullopt : parse_ip(host);
  if (!host.empty() && !ip) return bad;
  if (ip && ip->is4()) {
    auto* const a = reinterpret_cast<sockaddr_in*>(&out.address);
    a->sin_family = AF_INET;
    a->sin_port = htons(port);
    std::memcpy(&a->sin_addr, ip->octets().data(), 4);
    out.size = sizeof *a;
  } else {  // the unspecified IPv6 address takes both families
    auto* const a = reinterpret_cast<sockaddr_in6*>(&out.address);
    a->sin6_family = AF_INET6;
    a->sin6_port = htons(port);
    if (ip) std::memcpy(&a->sin6_addr, ip->octets().data(), 16);
    out.size = sizeof *a;
  }
  return out;
}

Result<Fd> open_listener(const Where& where, std::string_view text) {
  Fd fd(::socket(where.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("open a socket to listen on " + std::string(text), errno);
  const int on = 1, off = 0;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (where.address.ss_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&where.address), where.size) < 0 || ::listen(fd.get(), 128) < 0) {
    Error error = system_error("listen on " + std::string(text), errno);
    if (errno == EADDRINUSE) error.code = Errc::exists;
    return error;
  }
  return fd;
}

}  // namespace

/// One peer. Ends by asking its server to drop it, from the loop, as it cannot destroy itself in its own callback.
class HttpServer::Connection {
 public:
  Connection(State& server, Fd fd);

  /// Between two requests.
  bool is_idle() const { return !parser_->got_some() && out_.empty() && in_.empty(); }

 private:
  void next_request(Duration within);
  void watch_for(std::uint32_t events);
  void read();
  void parse();
  void answer(const HttpResponse& response, bool is_head);
  void refuse(http::status status);
  void write();
  void send_some();
  void drop();

  State& server_;
  Fd fd_;
  std::optional<TlsSession> tls_;
  std::string in_;  // plain
  std::optional<http::request_parser<http::string_body>> parser_;
  std::string out_;  // as it goes out
  std::size_t sent_ = 0;
  bool is_waiting_ = false;    // for the next request, after an answer
  bool is_answering_ = false;  // else what goes out is TLS's own
  bool keeps_ = false;  // the connection, after this answer
  std::uint32_t watched_ = 0;
  bool is_dropped_ = false;
  Timer deadline_;
  Loop::Watch watch_;
};

struct HttpServer::State {
  Loop& loop;
  Handler handler;
  HttpLimits limits;
  const TlsIdentity* tls;
  Fd listener;
  Loop::Watch watch;
  std::list<std::unique_ptr<Connection>> connections{};  // oldest first
  std::shared_ptr<char> alive = std::make_shared<char>();
  std::string told{};  // of TLS, last
  TimePoint told_at{};

  void accept();
  void tell(const Error& error);
  bool make_room();
  void drop(const Connection* which);
};

HttpServer::Connection::Connection(State& server, Fd fd)
    : server_(server), fd_(std::move(fd)), deadline_(server.loop, [this] { drop(); }) {
  if (server.tls != nullptr) tls_.emplace(*server.tls);
  next_request(server.limits.patience);
  watch_for(EPOLLIN);
}

void HttpServer::Connection::next_request(Duration within) {
  parser_.emplace();
  parser_->eager(true);
  parser_->header_limit(static_cast<std::uint32_t>(server_.limits.header_bytes));
  parser_->body_limit(server_.limits.body_bytes);
  deadline_.arm(within);
}

void HttpServer::Connection::watch_for(std::uint32_t events) {
  if (events == watched_) return;
  watched_ = events;
  watch_ = {};
  watch_ = server_.loop.watch(fd_.get(), events, [this](std::uint32_t) { out_.empty() ? read() : write(); });
}

void HttpServer::Connection::read() {
  char buffer[16 * 1024];
  const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return drop();
  const std::string_view bytes(buffer, static_cast<std::size_t>(n));
  if (!tls_) {
    in_.append(bytes);
    return parse();
  }
  const auto fed = tls_->feed(bytes, in_);
  out_ = tls_->take_wire();
  sent_ = 0;
  if (!fed) {
    server_.tell(fed.error());
    send_some();  // an alert
    return drop();
  }
  if (tls_->is_ended() && in_.empty()) return drop();
  out_.empty() ? parse() : write();
}

void HttpServer::Connection::parse() {
  if (in_.empty()) return;
  if (std::exchange(is_waiting_, false)) deadline_.arm(server_.limits.patience);
  boost::system::error_code error;
  const std::size_t used = parser_->put(boost::asio::buffer(in_), error);
  in_.erase(0, used);
  if (error == http::error::need_more) {
    // An unfinished header stays with us, and is ours to bound.
    return in_.size() > server_.limits.header_bytes ? refuse(http::status::request_header_fields_too_large) : void();
  }
  if (error == http::error::header_limit) return refuse(http::status::request_header_fields_too_large);
  if (error == http::error::body_limit) return refuse(http::status::payload_too_large);
  if (error) return refuse(http::status::bad_request);
  if (!parser_->is_done()) return;

  auto message = parser_->release();
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string_view target(message.target().data(), message.target().size());
  const std::size_t mark = target.find('?');
  request.path = std::string(target.substr(0, mark));
  if (mark != std::string_view::npos) request.query = std::string(target.substr(mark + 1));
  request.body = std::move(message.body());
  keeps_ = message.keep_alive();
  answer(server_.handler(request), message.method() == http::verb::head);
}

void HttpServer::Connection::refuse(http::status status) {
  keeps_ = false;
  HttpResponse response;
  response.status = static_cast<unsigned>(status);
  response.body = std::string(http::obsolete_reason(status)) + "\n";
  answer(response, false);
}

void HttpServer::Connection::answer(const HttpResponse& response, bool is_head) {
  const auto reason = http::obsolete_reason(http::int_to_status(response.status));
  out_ = "HTTP/1.1 " + std::to_string(response.status) + " " + std::string(reason) + "\r\nContent-Type: " + response.content_type +
         "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n";
  for (const auto& [name, value] : response.headers) out_ += name + ": " + value + "\r\n";
  out_ += keeps_ ? "\r\n" : "Connection: close\r\n\r\n";
  if (!is_head) out_ += response.body;
  if (tls_) {
    const auto sealed = tls_->seal(out_);
    if (sealed && !keeps_) tls_->close();
    out_ = tls_->take_wire();
    if (!sealed) {
      server_.tell(sealed.error());
      return drop();
    }
  }
  sent_ = 0;
  is_answering_ = true;
  deadline_.arm(server_.limits.patience);
  write();
}

/// As much as the socket takes now.
void HttpServer::Connection::send_some() {
  while (sent_ < out_.size()) {
    const ssize_t n = ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return drop();
    sent_ += static_cast<std::size_t>(n);
  }
}

void HttpServer::Connection::write() {
  send_some();
  if (is_dropped_) return;
  if (sent_ < out_.size()) return watch_for(EPOLLOUT);
  out_.clear();
  if (!std::exchange(is_answering_, false)) {
    watch_for(EPOLLIN);
    return parse();
  }
  if (!keeps_) return drop();
  is_waiting_ = true;
  next_request(server_.limits.idle.value_or(server_.limits.patience));
  watch_for(EPOLLIN);
  // What came behind the request: in a turn of its own, so that a long pipeline keeps nobody waiting.
  if (in_.empty()) return;
  server_.loop.post([this, alive = std::weak_ptr<char>(server_.alive), &server = server_] {
    if (alive.expired()) return;
    for (const auto& c : server.connections) {
      if (c.get() == this && !is_dropped_ && out_.empty()) return parse();
    }
  });
}

void HttpServer::Connection::drop() {
  if (is_dropped_) return;
  is_dropped_ = true;
  deadline_.cancel();
  watch_ = {};
  ::shutdown(fd_.get(), SHUT_WR);
  server_.loop.post([which = this, alive = std::weak_ptr<char>(server_.alive), &server = server_] {
    if (!alive.expired()) server.drop(which);
  });
}

void HttpServer::State::drop(const Connection* which) {
  connections.remove_if([&](const auto& c) { return c.get() == which; });
}

/// A client that refuses our certificate is the user's business; somebody who sends garbage may do it all day.
void HttpServer::State::tell(const Error& error) {
  constexpr Duration kPause = std::chrono::seconds(10);
  const TimePoint now = loop.now();
  if (error.what == told || (!told.empty() && now - told_at < kPause)) return;
  told = error.what;
  told_at = now;
  log::warn("tls_refused", {{"what", error.what}});
}

/// False when everybody is busy.
bool HttpServer::State::make_room() {
  if (connections.size() < limits.connections) return true;
  for (auto c = connections.begin(); c != connections.end(); ++c) {
    if (!(*c)->is_idle()) continue;
    connections.erase(c);
    return true;
  }
  return false;
}

void HttpServer::State::accept() {
  for (int i = 0; i < 16; ++i) {  // others have their turn
    Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    if (tls != nullptr && !tls->is_ready()) continue;
    if (make_room()) connections.push_back(std::make_unique<Connection>(*this, std::move(fd)));
  }
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::listen(Loop& loop, std::string_view where, Handler handler, HttpLimits limits,
                                                       const TlsIdentity* tls) {
  const auto address = parse_where(where);
  if (!address) return address.error();
  auto listener = open_listener(*address, where);
  if (!listener) return listener.error();
  auto state = std::unique_ptr<State>(new State{loop, std::move(handler), limits, tls, *std::move(listener), {}});
  state->watch = loop.watch(state->listener.get(), EPOLLIN, [s = state.get()](std::uint32_t) { s->accept(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

std::uint16_t HttpServer::port() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(state_->listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(address).sin_port
                                            : reinterpret_cast<sockaddr_in6&>(address).sin6_port);
}

std::size_t HttpServer::connections() const { return state_->connections.size(); }

}  // namespace fairlead::runtime
