#pragma once
/// webhook_api.h at an API server. The Secret is made by server-side apply under its own name, so that the right to create
/// it can name it too (a create by POST cannot be restricted to a name). What is above the class is pure: text in, text out.
#include <functional>
#include <string>
#include <string_view>

#include "proto/runtime/api_client.h"
#include "proto/runtime/quiet.h"
#include "proto/runtime/webhook_api.h"

namespace fairlead::runtime {

std::string encode_base64(std::string_view text);

/// Malformed: no Secret. Values that are no base64 are left out.
Result<StoredSecret> read_stored_secret(std::string_view body);
std::string secret_apply(const kube::Name& name, const StoredSecret& secret, const std::string& owner, const std::string& owner_uid);
Result<WebhookConfiguration> read_webhook_configuration(std::string_view body);
/// A JSON patch; empty: nothing to do.
std::string ca_bundle_patch(const WebhookConfiguration& read, const std::string& bundle);

class KubeWebhook final : public WebhookApi {
 public:
  struct Shared {
    ApiClient& client;
    Quiet& quiet;
    std::function<bool()> may_write;
    std::function<void(std::function<void()>)> later;  // runs it from the loop, unless the source has ended
  };
  explicit KubeWebhook(Shared shared) : shared_(std::move(shared)) {}

  void read_secret(const kube::Name& name, Read<StoredSecret> done) override;
  void write_secret(const kube::Name& name, const StoredSecret& secret, const std::string& owner, const std::string& owner_uid,
                    Read<void> done) override;
  void read_webhook(const std::string& configuration, Read<WebhookConfiguration> done) override;
  void write_ca_bundle(const std::string& configuration, const WebhookConfiguration& read, const std::string& bundle, Read<void> done) override;

 private:
  template <class T>
  void read(std::string path, const std::string& what, Result<T> (*parse)(std::string_view), Read<T> done);
  void write(std::string path, std::string body, const char* type, const std::string& what, Read<void> done);

  Shared shared_;
};

}  // namespace fairlead::runtime
