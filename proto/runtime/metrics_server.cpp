#include "proto/runtime/metrics_server.h"

#include "proto/base/log.h"
#include "proto/base/metrics.h"

namespace fairlead::runtime {
namespace {

const metrics::Metric kApiRequests{"fairlead_api_requests_total", metrics::Type::counter,
                                   "Requests and watches of the API server that ended, by HTTP status; \"none\": without an answer"};

std::string text_of(const std::map<int, std::uint64_t>& answers) {
  metrics::Text out;
  for (const auto& [code, count] : answers) {
    out.series(kApiRequests, {{"code", code == 0 ? "none" : std::to_string(code)}}, static_cast<double>(count));
  }
  return std::move(out).take();
}

}  // namespace

MetricsServer::MetricsServer(Loop& loop, std::string where, Handlers handlers, Duration retry)
    : loop_(loop), where_(std::move(where)), handlers_(std::move(handlers)), retry_(retry), timer_(loop, [this] { listen(); }) {
  if (!where_.empty()) listen();
}

void MetricsServer::listen() {
  auto server = HttpServer::listen(loop_, where_, [this](const HttpRequest& r) { return show(r); });
  if (server) {
    server_ = *std::move(server);
    if (has_told_) log::info("metrics_shown", {{"where", where_}});
    return;
  }
  if (!has_told_) log::warn("metrics_not_shown", {{"what", server.error().what}, {"retry_ms", milliseconds(retry_)}});
  has_told_ = true;
  timer_.arm(retry_);
}

HttpResponse MetricsServer::show(const HttpRequest& request) const {
  HttpResponse out;
  if (request.path == "/metrics") {
    out.content_type = "text/plain; version=0.0.4; charset=utf-8";
    out.body = handlers_.metrics() + text_of(handlers_.answers());
  } else if (request.path == "/healthz" || (request.path == "/readyz" && handlers_.is_ready())) {
    out.body = "ok\n";
  } else if (request.path == "/readyz") {
    out.status = 503;
    out.body = "not ready\n";
  } else {
    out.status = 404;
    out.body = "ask /metrics, /healthz or /readyz\n";
  }
  return out;
}

}  // namespace fairlead::runtime
