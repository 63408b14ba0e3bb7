#include "proto/runtime/kube_webhook.h"

#include "proto/runtime/json.h"
#include "proto/runtime/kube_requests.h"

namespace fairlead::runtime {
namespace {

constexpr std::string_view kConfigurations = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/";
constexpr std::string_view kManager = "fairlead-webhook";

std::string secret_path(const kube::Name& name) {
  return "/api/v1/namespaces/" + percent_encoded(name.ns) + "/secrets/" + percent_encoded(name.name);
}

}  // namespace

std::string encode_base64(std::string_view text) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((text.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < text.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, text.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < left ? static_cast<unsigned char>(text[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= left ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

Result<StoredSecret> read_stored_secret(std::string_view body) {
  const Json document = kube::parse_json(body);
  StoredSecret out;
  out.resource_version = text_at(at(document, "metadata"), "resourceVersion");
  if (out.resource_version.empty()) return Error{Errc::malformed, "the answer is no Secret"};
  const Json& data = at(document, "data");
  if (!data.is_object()) return out;
  for (const auto& [key, value] : data.items()) {
    if (!value.is_string()) continue;
    if (auto text = decode_base64(value.get_ref<const std::string&>())) out.data[key] = *std::move(text);
  }
  return out;
}

std::string secret_apply(const kube::Name& name, const StoredSecret& secret, const std::string& owner, const std::string& owner_uid) {
  Json metadata = {{"name", name.name}, {"namespace", name.ns}};
  if (!secret.resource_version.empty()) metadata["resourceVersion"] = secret.resource_version;
  if (!owner_uid.empty()) {
    metadata["ownerReferences"] = {{{"apiVersion", "admissionregistration.k8s.io/v1"}, {"kind", "ValidatingWebhookConfiguration"},
                                    {"name", owner}, {"uid", owner_uid}}};
  }
  Json data = Json::object();
  for (const auto& [key, value] : secret.data) data[key] = encode_base64(value);
  return to_text({{"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", metadata}, {"type", "kubernetes.io/tls"}, {"data", data}});
}

Result<WebhookConfiguration> read_webhook_configuration(std::string_view body) {
  const Json document = kube::parse_json(body);
  const Json& metadata = at(document, "metadata");
  WebhookConfiguration out;
  out.resource_version = text_at(metadata, "resourceVersion");
  out.uid = text_at(metadata, "uid");
  if (out.resource_version.empty()) return Error{Errc::malformed, "the answer is no ValidatingWebhookConfiguration"};
  const Json& webhooks = at(document, "webhooks");
  if (!webhooks.is_array()) return out;
  for (const Json& webhook : webhooks) {
    out.ca_bundles.push_back(decode_base64(text_at(at(webhook, "clientConfig"), "caBundle")).value_or(""));
  }
  return out;
}

std::string ca_bundle_patch(const WebhookConfiguration& read, const std::string& bundle) {
  Json ops = Json::array();
  ops.push_back({{"op", "replace"}, {"path", "/metadata/resourceVersion"}, {"value", read.resource_version}});
  for (std::size_t i = 0; i < read.ca_bundles.size(); ++i) {
    if (read.ca_bundles[i] == bundle) continue;
    ops.push_back({{"op", "add"}, {"path", "/webhooks/" + std::to_string(i) + "/clientConfig/caBundle"}, {"value", encode_base64(bundle)}});
  }
  return ops.size() == 1 ? "" : to_text(ops);
}

void KubeWebhook::read_secret(const kube::Name& name, Read<StoredSecret> done) {
  read<StoredSecret>(secret_path(name), "Secret " + name.str(), read_stored_secret, std::move(done));
}

void KubeWebhook::write_secret(const kube::Name& name, const StoredSecret& secret, const std::string& owner, const std::string& owner_uid,
                               Read<void> done) {
  write(secret_path(name) + "?fieldManager=" + std::string(kManager) + "&force=true&" + std::string(kServerTimeout),
        secret_apply(name, secret, owner, owner_uid), kApplyPatch, "Secret " + name.str(), std::move(done));
}

void KubeWebhook::read_webhook(const std::string& configuration, Read<WebhookConfiguration> done) {
  read<WebhookConfiguration>(std::string(kConfigurations) + percent_encoded(configuration), "ValidatingWebhookConfiguration " + configuration,
                             read_webhook_configuration, std::move(done));
}

void KubeWebhook::write_ca_bundle(const std::string& configuration, const WebhookConfiguration& read, const std::string& bundle,
                                  Read<void> done) {
  std::string patch = ca_bundle_patch(read, bundle);
  if (patch.empty()) return shared_.later([done = std::move(done)] { done({}); });
  write(std::string(kConfigurations) + percent_encoded(configuration) + "?fieldManager=" + std::string(kManager) + "&" + std::string(kServerTimeout),
        std::move(patch), kJsonPatch, "ValidatingWebhookConfiguration " + configuration, std::move(done));
}

template <class T>
void KubeWebhook::read(std::string path, const std::string& what, Result<T> (*parse)(std::string_view), Read<T> done) {
  if (shared_.quiet.left() > Duration{}) {
    return shared_.later([what, done = std::move(done)] { done(Error{Errc::unavailable, "read " + what + ": the API server asks for quiet"}); });
  }
  shared_.client.send({ApiRequest::Method::get, std::move(path), "", "", kWriteTimeout},
                      [this, what, parse, done = std::move(done)](ApiReply reply) -> Task {
                        const Answer answer = read_answer(std::move(reply));
                        Result<T> result = answer.is_success() ? parse(answer.body) : Error{errc_of(answer.status), answer.what};
                        if (!result) result = Error{result.error().code, "read " + what + ": " + result.error().what};
                        return [this, quiet = answer.retry_after, result = std::move(result), done] {
                          shared_.quiet.keep(quiet);
                          done(result);
                        };
                      });
}

void KubeWebhook::write(std::string path, std::string body, const char* type, const std::string& what, Read<void> done) {
  const auto refuse = [&](const char* why) {
    shared_.later([text = "write " + what + ": " + why, done = std::move(done)] { done(Error{Errc::unavailable, text}); });
  };
  if (!shared_.may_write()) return refuse("the lease is not ours for long enough");
  if (shared_.quiet.left() > Duration{}) return refuse("the API server asks for quiet");
  shared_.client.send({ApiRequest::Method::patch, std::move(path), std::move(body), type, kWriteTimeout},
                      [this, what, done = std::move(done)](ApiReply reply) -> Task {
                        const Answer answer = read_answer(std::move(reply));
                        Result<void> result;
                        if (!answer.is_success()) result = Error{errc_of(answer.status), "write " + what + ": " + answer.what};
                        return [this, quiet = answer.retry_after, result = std::move(result), done] {
                          shared_.quiet.keep(quiet);
                          done(result);
                        };
                      });
}

}  // namespace fairlead::runtime
