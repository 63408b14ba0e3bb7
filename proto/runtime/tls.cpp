#include "proto/runtime/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <climits>
#include <cstring>
#include <vector>

#include "proto/base/check.h"
#include "proto/runtime/openssl.h"

namespace fairlead::runtime {
namespace {

using openssl::Bio;
using openssl::Certificate;
using openssl::Free;
using openssl::Key;
using openssl::no_password;
using openssl::reader_of;
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Free<SSL_free>>;

/// The first thing that OpenSSL has to say is the cause, what follows is where it came through. Empties its queue.
Error openssl_error(const std::string& what) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return {Errc::malformed, what + ": " + (reason == nullptr ? "OpenSSL does not say why" : reason)};
}

/// What is offered by the peer is in wire format: a length octet before each name.
int choose_http(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned size, void*) {
  static constexpr unsigned char kHttp[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp, sizeof kHttp - 1, offered, size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Result<Context> make_context() {
  Context context(SSL_CTX_new(TLS_server_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
    return openssl_error("set TLS up");
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_http, nullptr);
  return context;
}

}  // namespace

struct TlsIdentity::State {
  Context context;
};

TlsIdentity::TlsIdentity() : state_(std::make_unique<State>()) {}
TlsIdentity::~TlsIdentity() = default;
bool TlsIdentity::is_ready() const { return state_->context != nullptr; }

Result<void> TlsIdentity::use(std::string_view certificates, std::string_view key_text) {
  ERR_clear_error();
  const Bio certificate_reader = reader_of(certificates);
  const Certificate certificate(PEM_read_bio_X509(certificate_reader.get(), nullptr, no_password, nullptr));
  if (!certificate) return openssl_error("the certificate cannot be read");
  const Bio key_reader = reader_of(key_text);
  const Key key(PEM_read_bio_PrivateKey(key_reader.get(), nullptr, no_password, nullptr));
  if (!key) return openssl_error("the private key cannot be read");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return Error{Errc::malformed, "the private key is not that of the certificate: put the two that belong together there"};
  }
  auto context = make_context();
  if (!context) return context.error();
  if (SSL_CTX_use_certificate(context->get(), certificate.get()) != 1) return openssl_error("the certificate cannot be used");
  if (SSL_CTX_use_PrivateKey(context->get(), key.get()) != 1) return openssl_error("the private key cannot be used");
  while (const Certificate above{PEM_read_bio_X509(certificate_reader.get(), nullptr, no_password, nullptr)}) {
    if (SSL_CTX_add1_chain_cert(context->get(), above.get()) != 1) return openssl_error("the chain of the certificate cannot be used");
  }
  ERR_clear_error();  // reading ends with an error, "no start line"
  state_->context = *std::move(context);
  return {};
}

struct TlsSession::State {
  Ssl ssl;
  BIO* in = nullptr;   // the ssl's
  BIO* out = nullptr;  // the ssl's
  bool is_ended = false;
};

TlsSession::TlsSession(const TlsIdentity& identity) : state_(std::make_unique<State>()) {
  FL_CHECK(identity.is_ready(), "a session needs something to show");
  state_->ssl.reset(SSL_new(identity.state_->context.get()));  // which it keeps alive
  state_->in = BIO_new(BIO_s_mem());
  state_->out = BIO_new(BIO_s_mem());
  FL_CHECK(state_->ssl && state_->in != nullptr && state_->out != nullptr, "there is memory");
  SSL_set_bio(state_->ssl.get(), state_->in, state_->out);
  SSL_set_accept_state(state_->ssl.get());
}
TlsSession::~TlsSession() = default;

Result<void> TlsSession::feed(std::string_view bytes, std::string& plain) {
  ERR_clear_error();
  FL_CHECK(bytes.size() <= INT_MAX && BIO_write(state_->in, bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size()),
           "memory takes what it is given");
  SSL* const ssl = state_->ssl.get();
  char buffer[16 * 1024];
  while (!state_->is_ended) {
    const int n = SSL_read(ssl, buffer, sizeof buffer);
    if (n > 0) {
      plain.append(buffer, static_cast<std::size_t>(n));
      continue;
    }
    switch (SSL_get_error(ssl, n)) {
      case SSL_ERROR_WANT_READ: return {};
      case SSL_ERROR_ZERO_RETURN: state_->is_ended = true; break;
      default: return openssl_error(SSL_is_init_finished(ssl) == 1 ? "a TLS record cannot be read" : "the TLS handshake failed");
    }
  }
  return {};
}

Result<void> TlsSession::seal(std::string_view plain) {
  ERR_clear_error();
  while (!plain.empty()) {
    std::size_t done = 0;
    if (SSL_write_ex(state_->ssl.get(), plain.data(), plain.size(), &done) != 1) return openssl_error("a TLS record cannot be made");
    plain.remove_prefix(done);
  }
  return {};
}

void TlsSession::close() {
  ERR_clear_error();
  if (SSL_is_init_finished(state_->ssl.get()) == 1) SSL_shutdown(state_->ssl.get());
  ERR_clear_error();
}

std::string TlsSession::take_wire() {
  std::string out(static_cast<std::size_t>(BIO_ctrl_pending(state_->out)), '\0');
  if (out.empty()) return out;
  const int n = BIO_read(state_->out, out.data(), static_cast<int>(out.size()));
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

bool TlsSession::is_ended() const { return state_->is_ended; }

}  // namespace fairlead::runtime
