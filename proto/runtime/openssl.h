#pragma once
/// What is read and held of OpenSSL's in more than one file: owners of its objects, PEM text as a stream.
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <string_view>

namespace fairlead::runtime::openssl {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* what) const {
    kFree(what);
  }
};
inline void free_bio(BIO* bio) { BIO_free_all(bio); }
using Bio = std::unique_ptr<BIO, Free<free_bio>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

/// Borrows the text.
inline Bio reader_of(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(std::min<std::size_t>(text.size(), INT_MAX))));
}

/// A pem_password_cb: without one an encrypted key would ask the terminal.
inline int no_password(char*, int, int, void*) { return 0; }

}  // namespace fairlead::runtime::openssl
