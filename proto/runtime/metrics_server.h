#pragma once
/// What Prometheus and a kubelet ask a program of ours: /metrics, /healthz (it answers, so its loop turns) and /readyz.
/// An occupied port is tried again every second, and said once: somebody may have it for a moment, the program before this
/// one for instance, and metrics are no reason to stop working. Thread: the loop's.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "proto/runtime/http_server.h"
#include "proto/runtime/loop.h"

namespace fairlead::runtime {

class MetricsServer {
 public:
  struct Handlers {
    std::function<std::string()> metrics;  // Prometheus' text format 0.0.4
    std::function<bool()> is_ready = [] { return true; };
    /// Source::answers(), shown after the others as fairlead_api_requests_total{code}.
    std::function<std::map<int, std::uint64_t>()> answers = [] { return std::map<int, std::uint64_t>(); };
  };
  static constexpr Duration kRetry = std::chrono::seconds(1);

  /// `where` as in HttpServer::listen(); "": nowhere.
  MetricsServer(Loop& loop, std::string where, Handlers handlers, Duration retry = kRetry);

  /// 0: it does not listen (yet).
  std::uint16_t port() const { return server_ ? server_->port() : 0; }

 private:
  void listen();
  HttpResponse show(const HttpRequest& request) const;

  Loop& loop_;
  const std::string where_;
  Handlers handlers_;
  const Duration retry_;
  std::unique_ptr<HttpServer> server_;
  bool has_told_ = false;
  Timer timer_;
};

}  // namespace fairlead::runtime
