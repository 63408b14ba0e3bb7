#pragma once
/// A small HTTP/1.1 server on the loop: metrics, health, admission reviews. Requests are parsed by Boost.Beast; the sockets
/// are the loop's, so no thread is added. Hostile peers cost a connection, never the process: headers and bodies are
/// bounded, a request has a deadline, connections are counted, and the oldest idle one makes room for a new one.
/// With a TlsIdentity all of it goes through TLS (tls.h); the handshake is part of the first request's deadline, and while
/// there is nothing to show connections are closed at once.
/// Thread: the loop's.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base/result.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/tls.h"

namespace fairlead::runtime {

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // without the query
  std::string query;   // what follows '?', undecoded
  std::string body;
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // besides
};

struct HttpLimits {
  std::size_t header_bytes = 16 * 1024;
  std::size_t body_bytes = 3 * 1024 * 1024;
  std::size_t connections = 256;
  Duration patience = std::chrono::seconds(10);  // for a whole request, for a whole answer, and idle between two
  /// Idle between two, when that differs. A client that keeps connections for long and does not ask again when one ends
  /// under its request is better the one to end them.
  std::optional<Duration> idle = std::nullopt;
};

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  /// `where` is "ADDRESS:PORT", "[ADDRESS]:PORT", or ":PORT" for every address of the host. Port 0 picks a free one.
  /// An occupied port is Errc::exists. `tls`: outlives the server; none: plain HTTP.
  static Result<std::unique_ptr<HttpServer>> listen(Loop& loop, std::string_view where, Handler handler, HttpLimits limits = {},
                                                    const TlsIdentity* tls = nullptr);
  ~HttpServer();

  std::uint16_t port() const;
  std::size_t connections() const;

 private:
  class Connection;
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fairlead::runtime
