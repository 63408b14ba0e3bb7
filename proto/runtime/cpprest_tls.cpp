#include "proto/runtime/cpprest_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace fairlead::runtime {
namespace {

int verify_result_index() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr,
      [](void*, void* pointer, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<std::shared_ptr<VerifyResult>*>(pointer); });
  return index;
}

void on_tls_info(const SSL* ssl, int where, int) {
  if ((where & SSL_CB_ALERT) == 0) return;
  const auto* const into = static_cast<std::shared_ptr<VerifyResult>*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), verify_result_index()));
  const long result = SSL_get_verify_result(ssl);
  if (into != nullptr && result != X509_V_OK) (*into)->store(result);
}

Result<std::string> text_of(const Pem& pem) {
  if (!pem.text.empty()) return pem.text;
  return read_small_file(pem.file);
}

Result<TrustStore> store_of(const std::string& pem, const std::string& from) {
  TrustStore store(X509_STORE_new());
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  int count = 0;
  while (X509* const certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    count += X509_STORE_add_cert(store.get(), certificate) == 1 ? 1 : 0;
    X509_free(certificate);
  }
  ERR_clear_error();  // reading ends with an error, "no start line"
  if (count == 0) return Error{Errc::malformed, from + " holds no certificate of a CA"};
  return store;
}

}  // namespace

ClientTls::ClientTls(const ClusterAccess& access)
    : ca_(access.ca), ca_from_(access.ca_from), certificate_(access.certificate), key_(access.key) {}

Result<void> ClientTls::check() {
  const std::lock_guard lock(mutex_);
  return refresh();
}

void ClientTls::prepare(boost::asio::ssl::context& context, const std::shared_ptr<VerifyResult>& result) {
  SSL_CTX* const raw = context.native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  {
    const std::lock_guard lock(mutex_);
    const auto done = refresh();
    if (!store_) throw std::runtime_error(done ? "there is no CA" : done.error().what);
    X509_STORE_up_ref(store_.get());
    SSL_CTX_set_cert_store(raw, store_.get());
  }
  if (!certificate_.is_none()) {
    const auto certificate = text_of(certificate_);
    const auto key = text_of(key_);
    if (!certificate) throw std::runtime_error(certificate.error().what);
    if (!key) throw std::runtime_error(key.error().what);
    context.use_certificate_chain(boost::asio::buffer(*certificate));
    context.use_private_key(boost::asio::buffer(*key), boost::asio::ssl::context::pem);
  }
  SSL_CTX_set_ex_data(raw, verify_result_index(), new std::shared_ptr<VerifyResult>(result));
  SSL_CTX_set_info_callback(raw, on_tls_info);
}

Result<void> ClientTls::refresh() {
  const auto text = text_of(ca_);
  if (!text) return text.error();
  if (store_ && *text == store_text_) return {};
  auto made = store_of(*text, ca_from_);
  if (!made) return made.error();
  store_ = *std::move(made);
  store_text_ = *text;
  return {};
}

std::string tls_sentence(long result, const ApiServer& server, const std::string& ca_from) {
  switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "its certificate has expired: renew it, or set this machine's clock";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "its certificate is not valid yet: set this machine's clock";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return "its certificate is signed by a CA that is not in " + ca_from + ": give this cluster's CA there";
    case X509_V_ERR_UNSPECIFIED:  // what the check of names leaves behind
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "its certificate is not for " + server.verify_name + ": use an address of a Kubernetes API server of this cluster";
    default: return std::string("its certificate is refused: ") + X509_verify_cert_error_string(result);
  }
}

}  // namespace fairlead::runtime
