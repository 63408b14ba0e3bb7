#include "controller/webhook/endpoint.h"

#include "proto/base/log.h"
#include "proto/runtime/wall_time.h"

namespace fairlead::controller::webhook {
namespace {

constexpr Duration kListenRetry = std::chrono::seconds(1);
/// An API server keeps its connections for 90 s and does not repeat a review that went into one we had just closed.
constexpr Duration kIdle = std::chrono::seconds(120);

}  // namespace

Endpoint::Endpoint(runtime::Loop& loop, runtime::WebhookApi& api, Options options, Handlers handlers)
    : loop_(loop), options_(std::move(options)), handlers_(std::move(handlers)), listen_timer_(loop, [this] { listen(); }) {
  if (options_.cert_dir.empty()) secret_.emplace(loop, api, identity_, options_.names, SecretKeeper::Clocks{.wall = runtime::wall_seconds});
  else folder_.emplace(loop, identity_, options_.cert_dir);
}

void Endpoint::start() {
  if (secret_) secret_->start();
  if (folder_) folder_->start();
  listen();
}

void Endpoint::set_leading(bool leads) {
  if (secret_) secret_->set_leading(leads);
}

/// Somebody else may have the port for a moment, the controller before this one for instance.
void Endpoint::listen() {
  auto server = runtime::HttpServer::listen(loop_, options_.address, [this](const runtime::HttpRequest& r) { return answer(r); },
                                            {.idle = kIdle}, &identity_);
  if (server) {
    server_ = *std::move(server);
    return;
  }
  if (!std::exchange(has_told_port_, true)) {
    log::warn("webhook_not_listening", {{"what", server.error().what}, {"retry_ms", milliseconds(kListenRetry)}});
  }
  listen_timer_.arm(kListenRetry);
}

runtime::HttpResponse Endpoint::answer(const runtime::HttpRequest& request) {
  runtime::HttpResponse out;
  if (request.path != "/validate" || request.method != "POST") {
    out.status = request.path != "/validate" ? 404 : 405;
    out.body = "POST an AdmissionReview to /validate\n";
    return out;
  }
  const api::ConfigSet* const objects = handlers_.objects();
  if (objects == nullptr) {
    out.status = 503;
    out.body = "the objects are not known yet\n";
    return out;
  }
  Review review = webhook::review(request.body, *objects, options_.judging);
  if (!review.reasons.empty()) {
    log::debug("review", {{"object", review.object}, {"verdict", name(review.verdict)}, {"reason", review.reasons.front()}});
  }
  if (handlers_.reviewed) handlers_.reviewed(review);
  out.status = review.status;
  if (out.status == 200) out.content_type = "application/json";
  out.body = std::move(review.body);
  return out;
}

}  // namespace fairlead::controller::webhook
