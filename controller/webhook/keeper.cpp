#include "controller/webhook/keeper.h"

#include "proto/base/log.h"
#include "proto/runtime/kubeconfig.h"
#include "proto/runtime/wall_time.h"

namespace fairlead::controller::webhook {
namespace {

constexpr const char* kCa = "ca.crt";
constexpr const char* kCertificate = "tls.crt";
constexpr const char* kKey = "tls.key";

Kept kept_of(const runtime::StoredSecret& secret) {
  const auto value = [&](const char* key) {
    const auto found = secret.data.find(key);
    return found == secret.data.end() ? std::string() : found->second;
  };
  return {value(kCa), value(kCertificate), value(kKey)};
}

runtime::StoredSecret stored(const Kept& kept, const std::string& version) {
  return {version, {{kCa, kept.ca}, {kCertificate, kept.certificate}, {kKey, kept.key}}};
}

void log_shown(std::string_view from, std::string_view certificate) {
  log::info("webhook_certificate", {{"from", from}, {"ends", runtime::rfc3339(ends_at(certificate))}});
}

}  // namespace

SecretKeeper::SecretKeeper(runtime::Loop& loop, runtime::WebhookApi& api, runtime::TlsIdentity& identity, Names names, Clocks clocks)
    : loop_(loop),
      api_(api),
      identity_(identity),
      names_(std::move(names)),
      secret_{names_.service.ns, names_.secret},
      clocks_(std::move(clocks)),
      for_(service_names(names_.service.name, names_.service.ns)),
      backoff_(clocks_.first_retry, clocks_.look),
      timer_(loop, [this] {
        if (next_) store(*std::exchange(next_, std::nullopt));
        else look();
      }) {}

template <class T>
std::function<void(Result<T>)> SecretKeeper::mine(void (SecretKeeper::*handler)(const Result<T>&)) {
  return [this, handler, alive = std::weak_ptr<char>(alive_)](const Result<T>& result) {
    if (!alive.expired()) (this->*handler)(result);
  };
}

void SecretKeeper::set_leading(bool leads) {
  leads_ = leads;
  // What was trusted and not stored is the next leader's to make anew.
  if (next_) settled();
  next_.reset();
  if (leads && !is_busy_) look();
}

void SecretKeeper::look() {
  timer_.cancel();
  is_busy_ = true;
  api_.read_secret(secret_, mine<runtime::StoredSecret>(&SecretKeeper::on_secret));
}

void SecretKeeper::on_secret(const Result<runtime::StoredSecret>& read) {
  const bool is_missing = !read && read.error().code == Errc::not_found;
  if (!read && !is_missing) return failed(read.error());
  kept_ = read ? kept_of(*read) : Kept{};
  version_ = read ? read->resource_version : "";
  if (!kept_.certificate.empty() && !kept_.key.empty()) show(kept_);
  if (!leads_) return settled();
  api_.read_webhook(names_.configuration, mine<runtime::WebhookConfiguration>(&SecretKeeper::on_configuration));
}

void SecretKeeper::on_configuration(const Result<runtime::WebhookConfiguration>& read) {
  if (!read) return failed(read.error());
  if (!leads_) return settled();
  configuration_ = *read;
  const std::int64_t now = clocks_.wall();
  const Need need = needs(kept_, for_, now);
  if (need == Need::none) {
    const Kept wanted = trimmed(kept_, now);
    if (wanted != kept_) return store(wanted);
    return trust(kept_.ca, [this] { settled(); });
  }
  auto made = make(for_, now, kept_.ca.empty() ? shown_ : kept_);
  if (!made) return failed(made.error());
  log::info("webhook_certificate_made", {{"reason", name(need)}, {"ends", runtime::rfc3339(ends_at(made->certificate))}});
  const bool is_first = shown_.certificate.empty();
  const std::string bundle = made->ca;
  trust(bundle, [this, is_first, made = *std::move(made)] {
    if (is_first) return store(made);
    next_ = made;
    is_busy_ = false;
    timer_.arm(clocks_.settle);
  });
}

void SecretKeeper::trust(const std::string& bundle, std::function<void()> then) {
  api_.write_ca_bundle(names_.configuration, configuration_, bundle,
                       [this, alive = std::weak_ptr<char>(alive_), then = std::move(then)](const Result<void>& done) {
                         if (alive.expired()) return;
                         if (!done) return failed(done.error());
                         if (!leads_) return settled();
                         then();
                       });
}

void SecretKeeper::store(Kept kept) {
  is_busy_ = true;
  const runtime::StoredSecret secret = stored(kept, version_);
  api_.write_secret(secret_, secret, names_.configuration, configuration_.uid,
                    [this, alive = std::weak_ptr<char>(alive_), kept = std::move(kept)](const Result<void>& done) {
                      if (alive.expired()) return;
                      if (!done) return failed(done.error());
                      kept_ = kept;
                      show(kept);
                      settled();
                    });
}

void SecretKeeper::show(const Kept& kept) {
  const bool is_same = kept.certificate == shown_.certificate && kept.key == shown_.key;
  if (!is_same) {
    if (const auto used = identity_.use(kept.certificate, kept.key); !used) {
      const std::string what = "Secret " + secret_.str() + ": " + used.error().what;
      if (std::exchange(refused_, what) != what) log::warn("webhook_certificate_refused", {{"what", what}});
      return;
    }
    log_shown("Secret " + secret_.str(), kept.certificate);
  }
  shown_ = kept;
  refused_.clear();
}

void SecretKeeper::failed(const Error& error) {
  is_busy_ = false;
  // Somebody else wrote in between, or the lease is about to change: looking again is all there is to do.
  const bool is_passing = error.code == Errc::conflict || error.code == Errc::unavailable;
  if (std::exchange(told_, error.what) != error.what && !is_passing) log::warn("webhook_certificate_not_kept", {{"what", error.what}});
  timer_.arm(backoff_.next(0.5));
}

void SecretKeeper::settled() {
  is_busy_ = false;
  told_.clear();
  backoff_.reset();
  // The leader is about to make it. With nothing to show, every review that comes here fails until then; and who misses a
  // change is one behind, and not trusted any more after the next.
  const bool is_missing = kept_.certificate.empty() || kept_.key.empty();
  timer_.arm(is_missing || shown_.certificate.empty() ? clocks_.first_retry : clocks_.look);
}

FolderKeeper::FolderKeeper(runtime::Loop& loop, runtime::TlsIdentity& identity, std::string folder, Duration look)
    : identity_(identity), folder_(std::move(folder)), look_(look), timer_(loop, [this] { this->look(); }) {}

void FolderKeeper::look() {
  timer_.arm(look_);
  const auto tell = [this](const std::string& what) {
    if (std::exchange(told_, what) != what) log::warn("webhook_certificate_refused", {{"what", what}});
  };
  const auto certificate = runtime::read_small_file(folder_ + "/" + kCertificate);
  if (!certificate) return tell(certificate.error().what);
  const auto key = runtime::read_small_file(folder_ + "/" + kKey);
  if (!key) return tell(key.error().what);
  if (*certificate == certificate_ && *key == key_) return;
  if (const auto used = identity_.use(*certificate, *key); !used) return tell(folder_ + ": " + used.error().what);
  certificate_ = *certificate;
  key_ = *key;
  told_.clear();
  log_shown(folder_, certificate_);
}

}  // namespace fairlead::controller::webhook
