#include "controller/webhook/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <climits>
#include <ctime>
#include <memory>

#include "proto/runtime/openssl.h"

namespace fairlead::controller::webhook {
namespace {

constexpr std::int64_t kClockSkew = 300;  // clocks of nodes differ
constexpr std::size_t kMostText = 1 << 20;
constexpr std::size_t kMostCas = 16;
constexpr std::size_t kMostCommonName = 64;

using runtime::openssl::Bio;
using runtime::openssl::Certificate;
using runtime::openssl::Free;
using runtime::openssl::Key;
using runtime::openssl::no_password;

void free_names(GENERAL_NAMES* names) { GENERAL_NAMES_free(names); }
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Free<free_names>>;

/// OpenSSL leaves its errors in a queue of the thread; the next one who looks must not find ours.
struct QuietErrors {
  ~QuietErrors() { ERR_clear_error(); }
};

Bio reader_of(std::string_view text) { return runtime::openssl::reader_of(text.substr(0, kMostText)); }

std::vector<Certificate> read_certificates(std::string_view text) {
  const QuietErrors quiet;
  const Bio bio = reader_of(text);
  std::vector<Certificate> out;
  while (out.size() < kMostCas) {
    Certificate one(PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
    if (!one) break;
    out.push_back(std::move(one));
  }
  return out;
}

Key read_key(std::string_view text) {
  const QuietErrors quiet;
  const Bio bio = reader_of(text);
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
}

template <class Write>
std::string pem(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || write(bio.get()) != 1) return {};
  const char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}
std::string pem_of(X509* certificate) {
  return pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

/// Seconds since 1970; 0: it is none.
std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm utc{};
  return time != nullptr && ASN1_TIME_to_tm(time, &utc) == 1 ? static_cast<std::int64_t>(::timegm(&utc)) : 0;
}

std::vector<std::string> dns_names(X509* certificate) {
  const QuietErrors quiet;
  const Names found(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> out;
  for (int i = 0; found && i < sk_GENERAL_NAME_num(found.get()); ++i) {
    const GENERAL_NAME* const one = sk_GENERAL_NAME_value(found.get(), i);
    if (one->type != GEN_DNS) return {};
    const auto* const text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.dNSName));
    out.emplace_back(text, static_cast<std::size_t>(ASN1_STRING_length(one->d.dNSName)));
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

/// Without extensions and signature.
Certificate draft(const std::string& common_name, std::int64_t from, std::int64_t until, EVP_PKEY* key) {
  Certificate out(X509_new());
  const Number serial(BN_new());
  // 127 random bits: positive, and never the same twice.
  if (!out || !serial || X509_set_version(out.get(), X509_VERSION_3) != 1 || BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
      BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(out.get())) == nullptr ||
      ASN1_TIME_set(X509_getm_notBefore(out.get()), static_cast<std::time_t>(from)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(out.get()), static_cast<std::time_t>(until)) == nullptr ||
      X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.data()), static_cast<int>(common_name.size()), -1, 0) != 1 ||
      X509_set_pubkey(out.get(), key) != 1) {
    return nullptr;
  }
  return out;
}

Error failed(const char* what) {
  const QuietErrors quiet;
  const char* const reason = ERR_reason_error_string(ERR_peek_error());
  return {Errc::unavailable, std::string(what) + ": " + (reason == nullptr ? "OpenSSL does not say why" : reason)};
}

}  // namespace

std::vector<std::string> service_names(std::string_view service, std::string_view ns) {
  const std::string short_name = std::string(service) + "." + std::string(ns) + ".svc";
  return {short_name, short_name + ".cluster.local"};
}

std::string_view name(Need need) {
  switch (need) {
    case Need::none: return "none";
    case Need::absent: return "absent";
    case Need::unreadable: return "unreadable";
    case Need::not_signed: return "not_signed";
    case Need::other_names: return "other_names";
    case Need::expiring: return "expiring";
    case Need::not_yet_valid: return "not_yet_valid";
  }
  return "unknown";
}

Need needs(const Kept& kept, const std::vector<std::string>& names, std::int64_t now) {
  const QuietErrors quiet;
  if (kept.ca.empty() || kept.certificate.empty() || kept.key.empty()) return Need::absent;
  const auto cas = read_certificates(kept.ca);
  const auto chain = read_certificates(kept.certificate);
  const Key key = read_key(kept.key);
  if (cas.empty() || chain.empty() || !key || X509_check_private_key(chain.front().get(), key.get()) != 1) return Need::unreadable;
  X509* const certificate = chain.front().get();
  EVP_PKEY* const ca_key = X509_get0_pubkey(cas.front().get());
  if (X509_check_issued(cas.front().get(), certificate) != X509_V_OK || ca_key == nullptr || X509_verify(certificate, ca_key) != 1) {
    return Need::not_signed;
  }
  std::vector<std::string> wanted = names;
  std::sort(wanted.begin(), wanted.end());
  if (dns_names(certificate) != wanted) return Need::other_names;
  const std::int64_t from = seconds_of(X509_get0_notBefore(certificate));
  const std::int64_t until = std::min(seconds_of(X509_get0_notAfter(certificate)), seconds_of(X509_get0_notAfter(cas.front().get())));
  if (now < from) return Need::not_yet_valid;
  return (until - now) * 3 < until - from ? Need::expiring : Need::none;
}

Result<Kept> make(const std::vector<std::string>& names, std::int64_t now, const Kept& before) {
  const QuietErrors quiet;
  const Key ca_key(EVP_EC_gen("P-256"));
  const Key key(EVP_EC_gen("P-256"));
  if (!ca_key || !key || names.empty()) return failed("make a key");
  const std::int64_t from = now - kClockSkew;
  // The name says when, so that two CAs in one bundle are not taken for one another.
  const std::string ca_name = "fairlead-webhook-ca-" + std::to_string(now);
  const Certificate ca = draft(ca_name, from, now + kCaLife, ca_key.get());
  if (!ca || X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get())) != 1 ||
      !add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(ca.get(), ca.get(), NID_subject_key_identifier, "hash") || X509_sign(ca.get(), ca_key.get(), EVP_sha256()) == 0) {
    return failed("make a CA");
  }
  std::string alternatives;
  for (const std::string& one : names) alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + one;
  // A common name has at most 64 characters, and nobody looks at it where there are alternative names.
  const Certificate certificate = draft(names.front().size() <= kMostCommonName ? names.front() : "fairlead-webhook", from, now + kCertificateLife, key.get());
  if (!certificate || X509_set_issuer_name(certificate.get(), X509_get_subject_name(ca.get())) != 1 ||
      !add_extension(certificate.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(certificate.get(), ca.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(certificate.get(), ca.get(), NID_ext_key_usage, "serverAuth") ||
      !add_extension(certificate.get(), ca.get(), NID_subject_alt_name, alternatives) ||
      !add_extension(certificate.get(), ca.get(), NID_authority_key_identifier, "keyid:always") ||
      X509_sign(certificate.get(), ca_key.get(), EVP_sha256()) == 0) {
    return failed("make a certificate");
  }
  Kept out;
  out.ca = pem_of(ca.get());
  out.certificate = pem_of(certificate.get());
  out.key = pem([&](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  if (out.ca.empty() || out.certificate.empty() || out.key.empty()) return failed("write a certificate");
  if (const auto cas = read_certificates(before.ca); !cas.empty()) out.ca += pem_of(cas.front().get());
  return out;
}

Kept trimmed(const Kept& kept, std::int64_t now) {
  const auto cas = read_certificates(kept.ca);
  const auto chain = read_certificates(kept.certificate);
  if (cas.size() < 2 || chain.empty()) return kept;
  if (now - (seconds_of(X509_get0_notBefore(chain.front().get())) + kClockSkew) < kOverlap) return kept;
  Kept out = kept;
  out.ca = pem_of(cas.front().get());
  return out;
}

std::int64_t ends_at(std::string_view certificate) {
  const auto chain = read_certificates(certificate);
  return chain.empty() ? 0 : seconds_of(X509_get0_notAfter(chain.front().get()));
}

}  // namespace fairlead::controller::webhook
