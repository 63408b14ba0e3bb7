#pragma once
/// What a webhook that looks after its own certificate needs of an API server: one Secret, and one field of one
/// ValidatingWebhookConfiguration. Each is asked for by its name; nothing here lists or watches.
/// Thread: the loop's; `done` is called later, from the loop, and never after the source has ended. Writes need the lease
/// where the program competes for one.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "proto/base/result.h"
#include "proto/kube/objects.h"

namespace fairlead::runtime {

/// As far as anybody asks: the values, decoded.
struct StoredSecret {
  std::string resource_version;  // to be written: replaces exactly this version; "": whatever there is, or nothing
  std::map<std::string, std::string> data;
  bool operator==(const StoredSecret&) const = default;
};

struct WebhookConfiguration {
  std::string resource_version;
  std::string uid;
  std::vector<std::string> ca_bundles;  // of each webhook, in order: PEM; "": none
  bool operator==(const WebhookConfiguration&) const = default;
};

class WebhookApi {
 public:
  template <class T>
  using Read = std::function<void(Result<T>)>;

  virtual ~WebhookApi() = default;
  /// not_found: there is none.
  virtual void read_secret(const kube::Name& name, Read<StoredSecret> done) = 0;
  /// Makes or replaces a Secret of type kubernetes.io/tls. It goes away with the ValidatingWebhookConfiguration `owner`
  /// ("", "": with nothing). conflict: somebody else wrote it.
  virtual void write_secret(const kube::Name& name, const StoredSecret& secret, const std::string& owner, const std::string& owner_uid,
                            Read<void> done) = 0;
  virtual void read_webhook(const std::string& configuration, Read<WebhookConfiguration> done) = 0;
  /// Sets `bundle` in each webhook that has another, and nothing else. conflict: it is not the one that was read any more.
  virtual void write_ca_bundle(const std::string& configuration, const WebhookConfiguration& read, const std::string& bundle, Read<void> done) = 0;
};

}  // namespace fairlead::runtime
