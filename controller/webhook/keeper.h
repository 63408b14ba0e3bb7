#pragma once
/// Keeps what the webhook's server shows: certificate and key, from the Secret (every replica) or from a folder that
/// somebody else fills (cert-manager). The leader alone makes and renews the Secret, and tells the API server whom to trust.
///
/// The order of a renewal: the API server trusts the new CA beside the old; seconds later the Secret has the new
/// certificate; replicas show it within kLook, and within a second where they found none. At no time is a certificate shown
/// that is not trusted. What goes wrong is logged once for each text and tried again; what is shown stays.
/// Thread: the loop's.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/webhook/certificate.h"
#include "proto/runtime/backoff.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/tls.h"
#include "proto/runtime/webhook_api.h"

namespace fairlead::controller::webhook {

/// The Secret is read this often, a folder likewise.
inline constexpr Duration kLook = std::chrono::seconds(20);

class SecretKeeper {
 public:
  struct Names {
    kube::Name service;  // the Secret is beside it
    std::string secret, configuration;
  };
  struct Clocks {
    std::function<std::int64_t()> wall;             // seconds since 1970
    Duration look = kLook;
    Duration settle = std::chrono::seconds(3);      // between trusting a new CA and showing what it signed
    Duration first_retry = std::chrono::seconds(1);  // doubling, to `look`; likewise while the Secret holds nothing
  };
  SecretKeeper(runtime::Loop& loop, runtime::WebhookApi& api, runtime::TlsIdentity& identity, Names names, Clocks clocks);

  void start() { look(); }
  void set_leading(bool leads);

 private:
  using Api = runtime::WebhookApi;
  void look();
  void on_secret(const Result<runtime::StoredSecret>& read);
  void keep();
  void on_configuration(const Result<runtime::WebhookConfiguration>& read);
  void trust(const std::string& bundle, std::function<void()> then);
  void store(Kept kept);
  void show(const Kept& kept);
  void failed(const Error& error);
  void settled();
  /// `handler` is not called any more when this is gone.
  template <class T>
  std::function<void(Result<T>)> mine(void (SecretKeeper::*handler)(const Result<T>&));

  runtime::Loop& loop_;
  Api& api_;
  runtime::TlsIdentity& identity_;
  const Names names_;
  const kube::Name secret_;
  const Clocks clocks_;
  const std::vector<std::string> for_;
  bool leads_ = false;
  bool is_busy_ = false;
  Kept shown_;
  Kept kept_;  // in the Secret, as read
  std::string version_;
  runtime::WebhookConfiguration configuration_;
  std::optional<Kept> next_;  // trusted, and not stored yet
  std::string told_, refused_;  // what was logged, of the API and of what the Secret holds
  runtime::Backoff backoff_;
  runtime::Timer timer_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

/// Reads tls.crt and tls.key of a folder again and again; a folder that is swapped at the moment leaves the last good pair.
class FolderKeeper {
 public:
  FolderKeeper(runtime::Loop& loop, runtime::TlsIdentity& identity, std::string folder, Duration look = kLook);
  void start() { look(); }

 private:
  void look();

  runtime::TlsIdentity& identity_;
  const std::string folder_;
  const Duration look_;
  std::string certificate_, key_;
  std::string told_;
  runtime::Timer timer_;
};

}  // namespace fairlead::controller::webhook
