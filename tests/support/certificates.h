#pragma once
/// Certificates for tests: self-signed, EC P-256, valid for a day.
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace fairlead::test {

struct Pair {
  std::string certificate, key;  // PEM
};

template <class Write>
std::string pem(Write write) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), BIO_free);
  EXPECT_EQ(write(bio.get()), 1);
  const char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

inline Pair self_signed(const std::string& name, const char* password = nullptr) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> x(X509_new(), X509_free);
  X509_set_version(x.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(x.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(x.get()), 86400);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x.get()), "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(x.get(), X509_get_subject_name(x.get()));
  X509_set_pubkey(x.get(), key.get());
  const std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION*)> names(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + name).c_str()), X509_EXTENSION_free);
  X509_add_ext(x.get(), names.get(), -1);
  EXPECT_GT(X509_sign(x.get(), key.get(), EVP_sha256()), 0);
  const auto* const secret = reinterpret_cast<const unsigned char*>(password);
  return {pem([&](BIO* b) { return PEM_write_bio_X509(b, x.get()); }), pem([&](BIO* b) {
            return PEM_write_bio_PrivateKey(b, key.get(), password == nullptr ? nullptr : EVP_aes_128_cbc(), secret,
                                            password == nullptr ? 0 : static_cast<int>(std::string(password).size()), nullptr, nullptr);
          })};
}

}  // namespace fairlead::test
