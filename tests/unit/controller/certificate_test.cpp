#include "controller/webhook/certificate.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "proto/runtime/tls.h"
#include "tests/support/certificates.h"

namespace fairlead::controller::webhook {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;
const std::vector<std::string> kNames = service_names("fairlead-webhook", "fairlead-system");

using Certificate = std::unique_ptr<X509, void (*)(X509*)>;
Certificate read(const std::string& text) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
  return {PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free};
}
std::size_t count(const std::string& text) {
  std::size_t out = 0;
  for (std::size_t at = 0; (at = text.find("BEGIN CERTIFICATE", at)) != std::string::npos; ++at) ++out;
  return out;
}
Kept made(const Kept& before = {}, std::int64_t now = kNow) {
  auto out = make(kNames, now, before);
  EXPECT_TRUE(out) << out.error().what;
  return *out;
}

/// As a TLS client that trusts `ca` and asks for `name` at `when` would judge it.
std::string verify(const std::string& ca, const std::string& certificate, const std::string& name, std::int64_t when) {
  const std::unique_ptr<X509_STORE, void (*)(X509_STORE*)> store(X509_STORE_new(), X509_STORE_free);
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(ca.data(), static_cast<int>(ca.size())), BIO_free);
  while (X509* const one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    X509_STORE_add_cert(store.get(), one);
    X509_free(one);
  }
  ERR_clear_error();
  const Certificate leaf = read(certificate);
  const std::unique_ptr<X509_STORE_CTX, void (*)(X509_STORE_CTX*)> context(X509_STORE_CTX_new(), X509_STORE_CTX_free);
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
  X509_VERIFY_PARAM* const how = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(how, static_cast<time_t>(when));
  X509_VERIFY_PARAM_set1_host(how, name.c_str(), 0);
  X509_VERIFY_PARAM_set_purpose(how, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_X509_STRICT);
  return X509_verify_cert(context.get()) == 1 ? "" : X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

TEST(WebhookCertificate, IsGoodForTheServiceUnderItsCaForAYear) {
  const Kept kept = made();
  for (const std::string& name : kNames) EXPECT_EQ(verify(kept.ca, kept.certificate, name, kNow), "") << name;
  EXPECT_EQ(kNames, (std::vector<std::string>{"fairlead-webhook.fairlead-system.svc", "fairlead-webhook.fairlead-system.svc.cluster.local"}));
  EXPECT_NE(verify(kept.ca, kept.certificate, "other.fairlead-system.svc", kNow), "");
  EXPECT_NE(verify(made().ca, kept.certificate, kNames[0], kNow), "") << "under another CA";
  EXPECT_EQ(verify(kept.ca, kept.certificate, kNames[0], kNow + kCertificateLife - 10), "");
  EXPECT_NE(verify(kept.ca, kept.certificate, kNames[0], kNow + kCertificateLife + 10), "");
  EXPECT_EQ(ends_at(kept.certificate), kNow + kCertificateLife);
  EXPECT_EQ(ends_at(kept.ca), kNow + kCaLife);
  EXPECT_EQ(verify(kept.ca, kept.certificate, kNames[0], kNow - 60), "") << "clocks differ";
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(read(kept.certificate).get())), 256);
  EXPECT_EQ(X509_check_ca(read(kept.certificate).get()), 0);
  runtime::TlsIdentity identity;
  EXPECT_TRUE(identity.use(kept.certificate, kept.key));
}

TEST(WebhookCertificate, LongNamesFitAsWell) {
  const auto names = service_names(std::string(63, 's'), std::string(63, 'n'));
  const auto kept = make(names, kNow);
  ASSERT_TRUE(kept) << kept.error().what;
  EXPECT_EQ(verify(kept->ca, kept->certificate, names[0], kNow), "");
  EXPECT_EQ(needs(*kept, names, kNow), Need::none);
  EXPECT_FALSE(make({}, kNow));
}

TEST(WebhookCertificate, IsRenewedWhenAThirdIsLeftOrAnythingIsWrong) {
  const Kept good = made();
  const Kept other = made();
  const auto with = [&](auto change) {
    Kept out = good;
    change(out);
    return out;
  };
  const struct {
    const char* name;
    Kept kept;
    std::int64_t now;
    Need want;
  } cases[] = {
      {"fresh", good, kNow, Need::none},
      {"more than a third left", good, kNow + kCertificateLife * 2 / 3 - kDay, Need::none},
      {"less than a third left", good, kNow + kCertificateLife * 2 / 3 + kDay, Need::expiring},
      {"over", good, kNow + kCertificateLife + kDay, Need::expiring},
      {"a clock that goes back", good, kNow - kDay, Need::not_yet_valid},
      {"nothing", {}, kNow, Need::absent},
      {"no CA", with([](Kept& k) { k.ca.clear(); }), kNow, Need::absent},
      {"no certificate", with([](Kept& k) { k.certificate.clear(); }), kNow, Need::absent},
      {"no key", with([](Kept& k) { k.key.clear(); }), kNow, Need::absent},
      {"no PEM", with([](Kept& k) { k.certificate = "hello"; }), kNow, Need::unreadable},
      {"a cut key", with([](Kept& k) { k.key.resize(60); }), kNow, Need::unreadable},
      {"another's key", with([&](Kept& k) { k.key = other.key; }), kNow, Need::unreadable},
      {"another's CA", with([&](Kept& k) { k.ca = other.ca; }), kNow, Need::not_signed},
      {"its CA is not the first", with([&](Kept& k) { k.ca = other.ca + k.ca; }), kNow, Need::not_signed},
      {"an old CA behind", with([&](Kept& k) { k.ca += other.ca; }), kNow, Need::none},
  };
  for (const auto& c : cases) EXPECT_EQ(name(needs(c.kept, kNames, c.now)), name(c.want)) << c.name;
  EXPECT_EQ(needs(good, service_names("fairlead-webhook", "elsewhere"), kNow), Need::other_names);
  EXPECT_EQ(needs(good, {kNames[0]}, kNow), Need::other_names) << "one name too many";
  const test::Pair self = test::self_signed(kNames[0]);
  EXPECT_EQ(needs({self.certificate, self.certificate, self.key}, {kNames[0]}, time(nullptr)), Need::none) << "somebody's own, as good as ours";
  EXPECT_EQ(ERR_peek_error(), 0U) << "nothing is left for the next who looks";
}

TEST(WebhookCertificate, EveryCutOfTheTextsIsSafe) {
  const Kept good = made();
  for (std::size_t n = 0; n + 2 < good.certificate.size(); n += 7) {
    EXPECT_NE(needs({good.ca, good.certificate.substr(0, n), good.key}, kNames, kNow), Need::none) << n;
  }
  for (std::size_t n = 0; n + 2 < good.ca.size(); n += 7) {
    EXPECT_NE(needs({good.ca.substr(0, n), good.certificate, good.key}, kNames, kNow), Need::none) << n;
  }
}

TEST(WebhookCertificate, AChangeTrustsTheOneBeforeForAWhile) {
  const Kept first = made();
  const Kept second = made(first, kNow + 100);
  EXPECT_EQ(count(second.ca), 2U);
  EXPECT_EQ(verify(second.ca, second.certificate, kNames[0], kNow + 200), "");
  EXPECT_EQ(verify(second.ca, first.certificate, kNames[0], kNow + 200), "");
  EXPECT_EQ(needs(second, kNames, kNow + 200), Need::none);
  const Kept third = made(second, kNow + 200);
  EXPECT_EQ(count(third.ca), 2U) << "not three";

  EXPECT_EQ(trimmed(second, kNow + 100 + kOverlap - 1), second);
  const Kept later = trimmed(second, kNow + 100 + kOverlap);
  EXPECT_EQ(count(later.ca), 1U);
  EXPECT_EQ(verify(later.ca, second.certificate, kNames[0], kNow + 200), "");
  EXPECT_EQ(later.certificate, second.certificate);
  EXPECT_EQ(trimmed(later, kNow + kDay), later);
  EXPECT_EQ(trimmed({}, kNow), Kept{});
}

}  // namespace
}  // namespace fairlead::controller::webhook
