#pragma once
/// Where an API server asks: HTTPS, POST /validate, an AdmissionReview. Answers 503 until the controller knows its objects,
/// so that the failurePolicy decides and not an empty picture. Every replica answers, leader or not.
/// Thread: the loop's.
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "controller/webhook/admission.h"
#include "controller/webhook/keeper.h"
#include "proto/runtime/http_server.h"

namespace fairlead::controller::webhook {

struct Options {
  std::string address;   // "ADDRESS:PORT"
  std::string cert_dir;  // "": the Secret
  SecretKeeper::Names names;
  Judging judging;
};

class Endpoint {
 public:
  struct Handlers {
    std::function<const api::ConfigSet*()> objects;  // null: not known yet
    std::function<void(const Review&)> reviewed;
  };
  Endpoint(runtime::Loop& loop, runtime::WebhookApi& api, Options options, Handlers handlers);

  void start();
  void set_leading(bool leads);
  /// 0: not listening yet.
  std::uint16_t port() const { return server_ ? server_->port() : std::uint16_t{0}; }
  runtime::HttpResponse answer(const runtime::HttpRequest& request);

 private:
  void listen();

  runtime::Loop& loop_;
  const Options options_;
  Handlers handlers_;
  runtime::TlsIdentity identity_;
  std::optional<SecretKeeper> secret_;
  std::optional<FolderKeeper> folder_;
  std::unique_ptr<runtime::HttpServer> server_;
  bool has_told_port_ = false;
  runtime::Timer listen_timer_;
};

}  // namespace fairlead::controller::webhook
