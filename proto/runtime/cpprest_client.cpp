/// cpprestsdk 2.10, and what it needs to be told:
///  - Its pool has one thread. Nothing here blocks in it, and with one thread the library's timers, cancellations and
///    reads are serial; with more, cancelling a request races with its reads.
///  - A failed task that nobody looks at kills the process: each chain ends in a continuation that takes the task.
///  - By default every connection parses the system's CA bundle and trusts all of it. SSL_CERT_FILE=/dev/null and a
///    store of our own instead.
///  - The Host header decides which name a certificate is checked for. Base URIs are addresses.
///  - IPv6 addresses in URIs do not work. Such a server gets a name that getaddrinfo(), which this file interposes,
///    turns back into the address.
///  - A timeout is one of silence, and covers the connect.
#include "proto/runtime/cpprest_client.h"

#include <cpprest/http_client.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pplx/threadpool.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <condition_variable>
#include <map>
#include <mutex>

#include "proto/base/log.h"
#include "proto/net/ip.h"
#include "proto/runtime/cpprest_buffer.h"
#include "proto/runtime/cpprest_tls.h"
#include "proto/runtime/kube_requests.h"

namespace {
/// fd00--1 for fd00::1, since a name has no colons.
constexpr std::string_view kV6Suffix = ".v6.fairlead.invalid";
}  // namespace

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getaddrinfo"));
  const std::string_view name = node == nullptr ? "" : node;
  if (!name.ends_with(kV6Suffix)) return next(node, service, hints, result);
  std::string literal(name.substr(0, name.size() - kV6Suffix.size()));
  std::replace(literal.begin(), literal.end(), '-', ':');
  addrinfo wanted = hints == nullptr ? addrinfo{} : *hints;
  wanted.ai_flags = AI_NUMERICHOST;
  wanted.ai_family = AF_INET6;
  return next(literal.c_str(), service, &wanted, result);
}

namespace fairlead::runtime {
namespace {

namespace streams = Concurrency::streams;
using boost::asio::ip::tcp;
using web::http::http_request;
using web::http::http_response;
using web::http::client::http_client;
using web::http::client::http_client_config;
using TlsStream = boost::asio::ssl::stream<tcp::socket&>;

constexpr int kPoolThreads = 1;
constexpr Duration kHeadersWithin = std::chrono::seconds(15);
/// Bookmarks come about every minute; a watch that is silent for longer is dead.
constexpr Duration kMostSilence = std::chrono::seconds(75);
constexpr Duration kStreamTimeout = std::chrono::seconds(120);  // the library's own: behind ours
constexpr Duration kTokenAge = std::chrono::seconds(60);
constexpr std::size_t kMostQueued = 512;  // chunks of one watch that the loop has not looked at; an event is about one

void set_socket_options(int fd) {
  const auto set = [fd](int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 20'000);  // what is not acknowledged in this many ms ends the connection
  set(IPPROTO_TCP, TCP_SYNCNT, 2);             // a server that is gone costs seconds, not minutes
}

/// Status and Retry-After.
ApiReply head_of(const http_response& response) {
  ApiReply out;
  out.status = response.status_code();
  const auto header = response.headers().find("Retry-After");
  if ((out.status == 429 || out.status == 503) && header != response.headers().end()) {
    out.retry_after = read_retry_after(header->second).value_or(Duration{});
  }
  return out;
}

/// Tasks that run; the end of the client waits for the last.
class Flight {
 public:
  void begin() {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    --count_;
    done_.notify_all();  // with the lock: who waits may destroy us
  }
  bool wait(Duration most) {
    std::unique_lock lock(mutex_);
    return done_.wait_for(lock, most, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::size_t count_ = 0;
};

void cancel_in_pool(pplx::cancellation_token_source source) {
  crossplat::threadpool::shared_instance().service().post([source] { source.cancel(); });
}

/// One API server: its clients (by timeout; connections are kept for the next request), and how it fares.
class Server {
 public:
  Server(ApiServer address, std::shared_ptr<ClientTls> tls) : address_(std::move(address)), tls_(std::move(tls)) {
    const auto ip = parse_ip(address_.host);
    std::string host = address_.host;
    if (ip) family_ = ip->family();
    if (ip && !ip->is4()) {
      std::replace(host.begin(), host.end(), ':', '-');
      host += kV6Suffix;
    }
    base_ = "https://" + host + ":" + std::to_string(address_.port);
    has_host_header_ = host != address_.verify_name;
  }

  const ApiServer& address() const { return address_; }

  http_client& client(Duration timeout) {
    auto& made = clients_[timeout];
    if (made) return *made;
    http_client_config config;
    config.set_timeout(std::chrono::duration_cast<std::chrono::milliseconds>(timeout));
    config.set_max_redirects(0);  // a redirect would be sent our token
    config.set_tlsext_sni_enabled(!parse_ip(address_.verify_name));
    config.set_ssl_context_callback([tls = tls_, result = result_](boost::asio::ssl::context& context) { tls->prepare(context, result); });
    config.set_nativehandle_options([family = family_](web::http::client::native_handle handle) {
      auto& socket = static_cast<TlsStream*>(handle)->next_layer();
      if (!socket.is_open()) {
        if (!family) return;  // a name: which family it will be is not known yet
        boost::system::error_code error;
        socket.open(*family == Family::v4 ? tcp::v4() : tcp::v6(), error);
        if (error) return;
      }
      set_socket_options(socket.native_handle());
    });
    made = std::make_unique<http_client>(base_, config);
    return *made;
  }

  http_request request(const web::http::method& method, const std::string& path) const {
    http_request out(method);
    out.set_request_uri(web::uri(address_.path + path));
    if (has_host_header_) out.headers().add("Host", address_.verify_name);
    return out;
  }

  /// In the pool.
  std::string fault(const std::exception& e) const {
    const std::string_view text = e.what();
    if (text.find("SSL") != std::string_view::npos && *result_ != X509_V_OK) {
      return tls_sentence(*result_, address_, tls_->ca_from());
    }
    if (const auto* const h = dynamic_cast<const web::http::http_exception*>(&e)) {
      if (h->error_code().value() == 110) return "it does not answer";
    }
    return std::string(text);
  }

  void succeeded() {
    result_->store(X509_V_OK);
    if (!std::exchange(told_, "").empty()) log::info("api_reachable", {{"server", address_.str()}});
  }
  void failed(const std::string& what) {
    if (std::exchange(told_, what) != what) log::warn("api_unreachable", {{"server", address_.str()}, {"what", what}});
  }

 private:
  ApiServer address_;
  std::shared_ptr<ClientTls> tls_;
  std::string base_;
  std::optional<Family> family_;
  bool has_host_header_ = false;
  std::shared_ptr<VerifyResult> result_ = std::make_shared<VerifyResult>(X509_V_OK);
  std::map<Duration, std::unique_ptr<http_client>> clients_;
  std::string told_;
};

/// What both threads know of a stream.
struct StreamState {
  explicit StreamState(Loop& the_loop, std::function<Task(std::string_view)> sink) : loop(the_loop), on_bytes(std::move(sink)) {}

  Loop& loop;
  const std::function<Task(std::string_view)> on_bytes;
  pplx::cancellation_token_source cancel;
  bool is_closed = false;             // loop
  std::function<void()> on_activity;  // loop

  std::mutex mutex;  // guards what follows
  std::size_t queued = 0;
  std::optional<pplx::task_completion_event<std::size_t>> held;  // the reader waits for the loop
  std::size_t held_bytes = 0;
  bool is_over = false;  // nobody takes any more: nobody waits

  /// Loop: one chunk less is queued; `all`: nobody reads any more.
  void taken(bool all = false) {
    std::optional<pplx::task_completion_event<std::size_t>> go;
    std::size_t bytes = 0;
    {
      const std::lock_guard lock(mutex);
      if (!all) --queued;
      is_over = is_over || all;
      if (held && (all || queued < kMostQueued / 2)) {
        go.swap(held);
        bytes = held_bytes;
      }
    }
    if (go) go->set(bytes);
  }
};

/// Pool.
pplx::task<std::size_t> push(const std::shared_ptr<StreamState>& state, std::string_view bytes) {
  Task task = state->on_bytes(bytes);
  std::optional<pplx::task_completion_event<std::size_t>> wait;
  {
    const std::lock_guard lock(state->mutex);
    if (++state->queued >= kMostQueued && !state->is_over) {
      wait.emplace();
      state->held = wait;
      state->held_bytes = bytes.size();
    }
  }
  state->loop.post([state, task = std::move(task)] {
    if (!state->is_closed) state->on_activity();
    if (!state->is_closed && task) task();
    state->taken();
  });
  return wait ? pplx::create_task(*wait) : pplx::task_from_result(bytes.size());
}

class Stream final : public ApiStream {
 public:
  Stream(Loop& loop, std::shared_ptr<StreamState> state, std::function<void(bool)> silent)
      : state_(std::move(state)), timer_(loop, [this] { silent_(is_open_); }), silent_(std::move(silent)) {
    timer_.arm(kHeadersWithin);
  }
  ~Stream() override { close(); }

  void opened() {
    is_open_ = true;
    activity();
  }
  void activity() {
    if (is_open_) timer_.arm(kMostSilence);
  }
  void close() {
    timer_.cancel();
    if (std::exchange(state_->is_closed, true)) return;
    cancel_in_pool(state_->cancel);
    state_->taken(true);
  }

 private:
  std::shared_ptr<StreamState> state_;
  bool is_open_ = false;
  Timer timer_;
  std::function<void(bool)> silent_;
};

class CpprestClient final : public ApiClient {
 public:
  CpprestClient(Loop& loop, ClusterAccess access, std::shared_ptr<ClientTls> tls)
      : loop_(loop), access_(std::move(access)), tls_(std::move(tls)), token_(access_.token) {
    learn_servers({});
  }

  ~CpprestClient() override {
    for (const auto& weak : streams_) {
      if (const auto state = weak.lock()) {
        state->is_closed = true;
        cancel_in_pool(state->cancel);
        state->taken(true);
      }
    }
    cancel_in_pool(all_);
    flight_->wait(std::chrono::hours(1));
    watching_->wait(std::chrono::hours(1));
  }

  void send(ApiRequest request, std::function<Task(ApiReply)> on_pool) override {
    using Method = ApiRequest::Method;
    static const std::map<Method, web::http::method> kMethods = {{Method::get, web::http::methods::GET},
                                                                 {Method::post, web::http::methods::POST},
                                                                 {Method::put, web::http::methods::PUT},
                                                                 {Method::patch, web::http::methods::PATCH},
                                                                 {Method::remove, web::http::methods::DEL}};
    const std::shared_ptr<Server> server = current();
    flight_->begin();
    const auto settle = [this, server, flight = flight_, alive = std::weak_ptr<char>(alive_), on_pool = std::move(on_pool),
                         &loop = loop_](ApiReply reply) {
      const int status = reply.status;
      const std::string fault = reply.fault;
      Task task;
      try {
        task = on_pool(std::move(reply));
      } catch (const std::exception& e) {  // out of memory, or a mistake of ours: not a reason to end
        log::error("answer_lost", {{"what", e.what()}});
      }
      loop.post([this, server, alive, status, fault, task = std::move(task)] {
        if (alive.expired()) return;
        ++answers_[status];
        judge(server, status, fault);
        if (task) task();
      });
      flight->end();
    };
    pplx::task<http_response> sent;
    try {
      http_request message = server->request(kMethods.at(request.method), request.path);
      add_token(message);
      message.headers().add("Accept", "application/json");
      if (!request.body.empty()) message.set_body(request.body, request.content_type);
      sent = server->client(request.timeout).request(message, all_.get_token());
    } catch (const std::exception& e) {
      settle(ApiReply{0, server->fault(e), "", {}});
      return;
    }
    sent.then([](const http_response& response) {
          const ApiReply head = head_of(response);
          return response.extract_utf8string(true).then([head](std::string body) {
            return ApiReply{head.status, "", std::move(body), head.retry_after};
          });
        })
        .then([server, settle](const pplx::task<ApiReply>& done) {
          ApiReply reply;
          try {
            reply = done.get();
          } catch (const std::exception& e) {
            reply.fault = server->fault(e);
          } catch (...) {
            reply.fault = "it is not known why";
          }
          settle(std::move(reply));
        });
  }

  std::unique_ptr<ApiStream> open(std::string path, StreamHandlers handlers) override {
    const std::shared_ptr<Server> server = current();
    auto state = std::make_shared<StreamState>(loop_, std::move(handlers.on_bytes));
    std::erase_if(streams_, [](const auto& weak) { return weak.expired(); });
    streams_.push_back(state);

    // Loop. Exactly once, and not at all after close().
    const auto end = [this, server, state, ended = std::move(handlers.ended)](const ApiReply& reply) {
      if (state->is_closed) return;
      ++answers_[reply.status];
      judge(server, reply.fault.empty() || reply.status != 0 ? std::max(reply.status, 200) : 0, reply.fault);
      const auto last = ended;  // it may destroy the stream, and us with it
      last(reply);
    };
    // Posted: what ends a stream may destroy it, and its timer is what calls here. Silence after the headers is no fault
    // of the server's as far as anybody knows: a kind that has not changed since the server started has no bookmarks.
    auto stream = std::make_unique<Stream>(loop_, state, [end, &loop = loop_](bool was_open) {
      loop.post([end, was_open] { end(was_open ? ApiReply{200, "", "", {}} : ApiReply{0, "it does not answer", "", {}}); });
    });
    Stream* const raw = stream.get();
    state->on_activity = [raw] { raw->activity(); };
    watching_->begin();
    const auto settle = [state, end, flight = watching_, &loop = loop_](ApiReply reply) {
      loop.post([state, end, reply = std::move(reply)] { end(reply); });
      flight->end();
    };
    pplx::task<http_response> sent;
    try {
      http_request message = server->request(web::http::methods::GET, path);
      add_token(message);
      message.headers().add("Accept", "application/json");
      auto sink = [state](std::string_view bytes) { return push(state, bytes); };
      const auto buffer = std::make_shared<PushBuffer<decltype(sink)>>(std::move(sink));
      message.set_response_stream(
          streams::streambuf<std::uint8_t>(std::static_pointer_cast<streams::details::basic_streambuf<std::uint8_t>>(buffer))
              .create_ostream());
      sent = server->client(kStreamTimeout).request(message, state->cancel.get_token());
    } catch (const std::exception& e) {
      settle({0, server->fault(e), "", {}});
      return stream;
    }
    const auto head = std::make_shared<ApiReply>();  // the pool's
    sent.then([this, state, head, server, raw, opened = std::move(handlers.opened), &loop = loop_](const http_response& response) {
          *head = head_of(response);
          if (head->status == 200) {
            loop.post([this, state, server, raw, opened] {
              if (state->is_closed) return;
              judge(server, 200, "");
              raw->opened();
              opened();
            });
          }
          return response.content_ready();
        })
        .then([server, head, settle](const pplx::task<http_response>& done) {
          ApiReply reply = *head;
          try {
            done.get();
            if (reply.status != 200) reply.fault = "HTTP status " + std::to_string(reply.status);
          } catch (const std::exception& e) {
            reply.fault = server->fault(e);
          } catch (...) {
            reply.fault = "it is not known why";
          }
          // A watch that ran and broke is a broken connection, not an answer.
          if (reply.status == 200 && !reply.fault.empty()) reply.status = 0;
          settle(std::move(reply));
        });
    return stream;
  }

  void learn_servers(std::vector<ApiServer> learned) override {
    std::vector<ApiServer> wanted = access_.servers;
    for (ApiServer& server : learned) {
      const auto is_same = [&](const ApiServer& s) { return s.host == server.host && s.port == server.port; };
      if (std::none_of(wanted.begin(), wanted.end(), is_same)) wanted.push_back(std::move(server));
    }
    const std::shared_ptr<Server> used = servers_.empty() ? nullptr : current();
    std::vector<std::shared_ptr<Server>> next;
    for (const ApiServer& address : wanted) {
      const auto found = std::find_if(servers_.begin(), servers_.end(), [&](const auto& s) { return s->address() == address; });
      next.push_back(found != servers_.end() ? *found : std::make_shared<Server>(address, tls_));
    }
    if (next.empty()) return;
    servers_ = std::move(next);
    const auto at = std::find(servers_.begin(), servers_.end(), used);
    current_ = at == servers_.end() ? 0 : static_cast<std::size_t>(at - servers_.begin());
  }

  bool drain(Duration most) override { return flight_->wait(most); }
  AnswerCounts answers() const override { return answers_; }

 private:
  const std::shared_ptr<Server>& current() const { return servers_[current_]; }

  /// A server that gives no answer, or says that it is unwell, hands over to the next.
  void judge(const std::shared_ptr<Server>& server, int status, const std::string& fault) {
    if (status == 401) token_read_ = {};
    if (status != 0) server->succeeded();
    else server->failed(fault);
    if ((status == 0 || status >= 500) && server == current()) current_ = (current_ + 1) % servers_.size();
  }

  void add_token(http_request& message) {
    if (!access_.token_file.empty() && (token_read_ == TimePoint{} || loop_.now() - token_read_ > kTokenAge)) {
      token_read_ = loop_.now();
      const auto text = read_small_file(access_.token_file);
      const auto cleaned = text ? clean_token(*text) : std::nullopt;
      if (cleaned) token_ = *cleaned;
      else log::warn("token_unreadable", {{"file", access_.token_file}, {"what", text ? "it holds no token" : text.error().what}});
    }
    if (!token_.empty()) message.headers().add("Authorization", "Bearer " + token_);
  }

  Loop& loop_;
  const ClusterAccess access_;
  const std::shared_ptr<ClientTls> tls_;
  std::string token_;
  TimePoint token_read_{};
  AnswerCounts answers_;
  std::vector<std::shared_ptr<Server>> servers_;
  std::size_t current_ = 0;
  std::vector<std::weak_ptr<StreamState>> streams_;
  pplx::cancellation_token_source all_;  // requests
  std::shared_ptr<Flight> flight_ = std::make_shared<Flight>();    // requests
  std::shared_ptr<Flight> watching_ = std::make_shared<Flight>();  // streams
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace

Result<std::unique_ptr<ApiClient>> open_api_client(Loop& loop, ClusterAccess access) {
  static bool is_pool_made = false;
  if (access.servers.empty()) return Error{Errc::malformed, "no API server is known: give --api-server HOST:PORT"};
  ::setenv("SSL_CERT_FILE", "/dev/null", 1);
  ::setenv("SSL_CERT_DIR", "/dev/null", 1);
  auto tls = std::make_shared<ClientTls>(access);
  if (const auto done = tls->check(); !done) return done.error();
  if (!std::exchange(is_pool_made, true)) {
    try {
      crossplat::threadpool::initialize_with_threads(kPoolThreads);
    } catch (const std::exception& e) {
      log::warn("pool_is_default", {{"what", e.what()}});
    }
  }
  return std::unique_ptr<ApiClient>(std::make_unique<CpprestClient>(loop, std::move(access), std::move(tls)));
}

}  // namespace fairlead::runtime
