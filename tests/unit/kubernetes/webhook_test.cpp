#include "proto/runtime/kube_webhook.h"

#include <gtest/gtest.h>

#include "proto/runtime/json.h"
#include "proto/runtime/kube_requests.h"

namespace fairlead::runtime {
namespace {

TEST(KubeWebhook, Base64IsThatOfEverybodyElse) {
  const std::pair<const char*, const char*> cases[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe\xfd", "//79"}};
  for (const auto& [plain, coded] : cases) {  // RFC 4648, section 10
    EXPECT_EQ(encode_base64(plain), coded);
    EXPECT_EQ(decode_base64(coded), plain);
  }
}

TEST(KubeWebhook, ASecretIsReadAndApplied) {
  const auto read = read_stored_secret(R"({"metadata": {"resourceVersion": "7"}, "data": {"tls.crt": "Zm9v", "tls.key": "", "bad": "*", "worse": 1}})");
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, (StoredSecret{"7", {{"tls.crt", "foo"}, {"tls.key", ""}}}));
  EXPECT_EQ(*read_stored_secret(R"({"metadata": {"resourceVersion": "7"}})"), (StoredSecret{"7", {}}));
  for (const char* none : {"", "{}", "[]", R"({"metadata": 1})"}) EXPECT_FALSE(read_stored_secret(none)) << none;

  const Json made = Json::parse(secret_apply({"ns", "cert"}, {"", {{"ca.crt", "foo"}}}, "hook", "uid-1"));
  EXPECT_EQ(made, Json::parse(R"({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "data": {"ca.crt": "Zm9v"},
    "metadata": {"name": "cert", "namespace": "ns", "ownerReferences": [{"apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration", "name": "hook", "uid": "uid-1"}]}})"));
  const Json again = Json::parse(secret_apply({"ns", "cert"}, {"7", {}}, "", ""));
  EXPECT_EQ(again["metadata"], Json::parse(R"({"name": "cert", "namespace": "ns", "resourceVersion": "7"})"));
}

TEST(KubeWebhook, TheBundleIsTheOnlyFieldThatIsTouchedAndOnlyWhereItDiffers) {
  const auto read = read_webhook_configuration(R"({"metadata": {"resourceVersion": "7", "uid": "u"}, "webhooks": [
    {"clientConfig": {"service": {}}}, {"clientConfig": {"caBundle": "Zm9v"}}, {"clientConfig": {"caBundle": "YmFy"}}, {}]})");
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, (WebhookConfiguration{"7", "u", {"", "foo", "bar", ""}}));
  EXPECT_EQ(Json::parse(ca_bundle_patch(*read, "foo")), Json::parse(R"([
    {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
    {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "Zm9v"},
    {"op": "add", "path": "/webhooks/2/clientConfig/caBundle", "value": "Zm9v"},
    {"op": "add", "path": "/webhooks/3/clientConfig/caBundle", "value": "Zm9v"}])"));
  EXPECT_EQ(ca_bundle_patch({"7", "u", {"foo", "foo"}}, "foo"), "");
  EXPECT_EQ(ca_bundle_patch({"7", "u", {}}, "foo"), "");
  EXPECT_FALSE(read_webhook_configuration("{}"));
}

/// What is asked is recorded; the test answers.
struct FakeClient final : ApiClient {
  void send(ApiRequest request, std::function<Task(ApiReply)> on_pool) override {
    asked = std::move(request);
    answer = std::move(on_pool);
    ++count;
  }
  std::unique_ptr<ApiStream> open(std::string, StreamHandlers) override { return nullptr; }
  void learn_servers(std::vector<ApiServer>) override {}
  bool drain(Duration) override { return true; }
  void reply(int status, std::string body, Duration retry_after = {}) {
    if (Task task = answer({status, "", std::move(body), retry_after})) task();
  }
  ApiRequest asked;
  std::function<Task(ApiReply)> answer;
  int count = 0;
};

TEST(KubeWebhook, RequestsNameWhatTheyAreAbout) {
  const auto loop = *Loop::create();
  FakeClient client;
  Quiet quiet(*loop);
  bool may_write = true;
  KubeWebhook api({client, quiet, [&] { return may_write; }, [](const std::function<void()>& task) { task(); }});

  Result<StoredSecret> secret = Error{Errc::unavailable, ""};
  api.read_secret({"ns", "cert"}, [&](const Result<StoredSecret>& r) { secret = r; });
  EXPECT_EQ(client.asked.path, "/api/v1/namespaces/ns/secrets/cert");
  client.reply(404, R"({"message": "secrets \"cert\" not found"})");
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().code, Errc::not_found);
  EXPECT_EQ(secret.error().what, "read Secret ns/cert: secrets \"cert\" not found");
  api.read_secret({"ns", "cert"}, [&](const Result<StoredSecret>& r) { secret = r; });
  client.reply(200, R"({"metadata": {"resourceVersion": "7"}, "data": {"a": "Zm9v"}})");
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->data.at("a"), "foo");

  Result<void> done = Error{Errc::unavailable, "no answer yet"};
  const auto keep = [&](const Result<void>& r) { done = r; };
  api.write_secret({"ns", "cert"}, {"7", {}}, "hook", "u", keep);
  EXPECT_EQ(client.asked.path, "/api/v1/namespaces/ns/secrets/cert?fieldManager=fairlead-webhook&force=true&timeout=4s");
  EXPECT_STREQ(client.asked.content_type, kApplyPatch);
  client.reply(409, R"({"message": "modified"})");
  EXPECT_EQ(done.error().code, Errc::conflict);

  const WebhookConfiguration configuration{"7", "u", {""}};
  api.write_ca_bundle("hook", configuration, "foo", keep);
  EXPECT_EQ(client.asked.path, "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/hook?fieldManager=fairlead-webhook&timeout=4s");
  EXPECT_STREQ(client.asked.content_type, kJsonPatch);
  client.reply(200, "{}");
  EXPECT_TRUE(done);

  const int so_far = client.count;
  api.write_ca_bundle("hook", {"7", "u", {"foo"}}, "foo", keep);
  EXPECT_TRUE(done) << "nothing differs";
  may_write = false;
  api.write_secret({"ns", "cert"}, {}, "", "", keep);
  EXPECT_EQ(done.error().what, "write Secret ns/cert: the lease is not ours for long enough");
  EXPECT_EQ(client.count, so_far);
  may_write = true;
  api.write_secret({"ns", "cert"}, {}, "", "", keep);
  client.reply(429, "{}", std::chrono::seconds(30));
  api.read_webhook("hook", [](const Result<WebhookConfiguration>& r) { EXPECT_EQ(r.error().code, Errc::unavailable); });
  EXPECT_EQ(client.count, so_far + 1) << "the server asked for quiet";
}

}  // namespace
}  // namespace fairlead::runtime
