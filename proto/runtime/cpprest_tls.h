#pragma once
/// Internal to cpprest_client.cpp: TLS as every connection to an API server is given it.
#include <openssl/x509.h>

#include <atomic>
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <mutex>
#include <string>

#include "proto/base/result.h"
#include "proto/runtime/cpprest_client.h"

namespace fairlead::runtime {

/// Why the last handshake with a server failed, as OpenSSL says it; 0: it did not.
using VerifyResult = std::atomic<long>;

struct FreeStore {
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};
using TrustStore = std::unique_ptr<X509_STORE, FreeStore>;

/// What every connection is given: our CA, and who we are. Files are read anew for each, so that what was rotated is
/// used by the next connection; a file that is damaged at the moment leaves the last good CA.
class ClientTls {
 public:
  explicit ClientTls(const ClusterAccess& access);

  Result<void> check();
  /// In the client's thread. Throws what request() then fails with.
  void prepare(boost::asio::ssl::context& context, const std::shared_ptr<VerifyResult>& result);
  const std::string& ca_from() const { return ca_from_; }

 private:
  Result<void> refresh();

  const Pem ca_;
  const std::string ca_from_;
  const Pem certificate_, key_;
  std::mutex mutex_;
  TrustStore store_;
  std::string store_text_;
};

/// What the user should know of a result, and do.
std::string tls_sentence(long result, const ApiServer& server, const std::string& ca_from);

}  // namespace fairlead::runtime
