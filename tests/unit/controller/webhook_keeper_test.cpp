/// The keeper and the endpoint against an API that the test holds in its hand. The loop is real, waits are short.
#include "controller/webhook/keeper.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "controller/webhook/endpoint.h"
#include "tests/support/certificates.h"

namespace fairlead::controller::webhook {
namespace {

using namespace std::chrono_literals;
using runtime::StoredSecret;
using runtime::WebhookConfiguration;

constexpr std::int64_t kNow = 1'800'000'000;

/// Keeps state; answers from the loop. Versions count up, and a write with another than the newest is a conflict.
struct FakeApi final : runtime::WebhookApi {
  explicit FakeApi(runtime::Loop& the_loop) : loop(the_loop) {}
  void read_secret(const kube::Name& name, Read<StoredSecret> done) override {
    EXPECT_EQ(name.str(), "fairlead-system/fairlead-webhook-cert");
    ++reads;
    answer(std::move(done), secret ? Result<StoredSecret>(*secret) : Result<StoredSecret>(Error{Errc::not_found, "no Secret"}));
  }
  void write_secret(const kube::Name&, const StoredSecret& wanted, const std::string& owner, const std::string& owner_uid, Read<void> done) override {
    EXPECT_EQ(owner, "fairlead-webhook");
    EXPECT_EQ(owner_uid, "uid-1");
    calls.push_back("secret");
    if (refusal) return answer(std::move(done), Result<void>(*refusal));
    if (!wanted.resource_version.empty() && (!secret || wanted.resource_version != secret->resource_version)) {
      return answer(std::move(done), Result<void>(Error{Errc::conflict, "somebody else wrote it"}));
    }
    secret = wanted;
    secret->resource_version = std::to_string(++version);
    answer(std::move(done), Result<void>());
  }
  void read_webhook(const std::string& name, Read<WebhookConfiguration> done) override {
    EXPECT_EQ(name, "fairlead-webhook");
    answer(std::move(done), configuration ? Result<WebhookConfiguration>(*configuration) : Result<WebhookConfiguration>(Error{Errc::not_found, "no webhook"}));
  }
  void write_ca_bundle(const std::string&, const WebhookConfiguration& read, const std::string& bundle, Read<void> done) override {
    if (read == WebhookConfiguration{"1", "uid-1", {bundle, bundle}}) return answer(std::move(done), Result<void>());  // nothing differs
    calls.push_back("bundle");
    if (refusal) return answer(std::move(done), Result<void>(*refusal));
    configuration->ca_bundles = {bundle, bundle};
    bundles.push_back(bundle);
    answer(std::move(done), Result<void>());
  }
  template <class T>
  void answer(Read<T> done, Result<T> result) {
    loop.post([done = std::move(done), result = std::move(result)] { done(result); });
  }

  runtime::Loop& loop;
  std::optional<StoredSecret> secret;
  std::optional<WebhookConfiguration> configuration = WebhookConfiguration{"1", "uid-1", {"", ""}};
  std::optional<Error> refusal;
  std::vector<std::string> calls, bundles;
  int version = 0, reads = 0;
};

class KeeperTest : public testing::Test {
 protected:
  KeeperTest() : made_(*runtime::Loop::create()), loop(*made_), timer_(loop, [this] { loop.stop(1); }), api(loop) {}
  std::unique_ptr<SecretKeeper> keeper_of(runtime::TlsIdentity& what_is_shown) {
    return std::make_unique<SecretKeeper>(loop, api, what_is_shown, SecretKeeper::Names{{"fairlead-system", "fairlead-webhook"}, "fairlead-webhook-cert", "fairlead-webhook"},
                                          SecretKeeper::Clocks{[this] { return now; }, look, 10ms, 5ms});
  }
  template <class Done>
  void until(Done done) {
    timer_.arm(10s);
    while (!done()) {
      loop.post([this] { loop.stop(0); });
      if (loop.run() == 1) {
        ADD_FAILURE() << "waited ten seconds";
        return;
      }
      ::usleep(500);
    }
    timer_.cancel();
  }
  void looks(int n) {
    const int from = api.reads;
    until([&] { return api.reads >= from + n; });
  }
  std::string stored(const char* key) const { return api.secret ? api.secret->data.at(key) : ""; }

  std::unique_ptr<runtime::Loop> made_;
  runtime::Loop& loop;
  runtime::Timer timer_;
  FakeApi api;
  runtime::TlsIdentity identity;
  std::int64_t now = kNow;
  Duration look = 30ms;
};

TEST_F(KeeperTest, TheLeaderMakesIt_TrustedFirst_AndThenLeavesItAlone) {
  const auto keeper = keeper_of(identity);
  keeper->start();
  looks(2);
  EXPECT_FALSE(identity.is_ready()) << "nobody leads";
  EXPECT_TRUE(api.calls.empty());
  keeper->set_leading(true);
  until([&] { return identity.is_ready(); });
  looks(3);
  EXPECT_EQ(api.calls, (std::vector<std::string>{"bundle", "secret"}));
  EXPECT_EQ(api.configuration->ca_bundles, (std::vector<std::string>(2, stored("ca.crt"))));
  EXPECT_EQ(needs({stored("ca.crt"), stored("tls.crt"), stored("tls.key")}, service_names("fairlead-webhook", "fairlead-system"), now), Need::none);
}

TEST_F(KeeperTest, AReplicaShowsWhatTheLeaderKeeps) {
  runtime::TlsIdentity other;
  const auto leader = keeper_of(identity), standby = keeper_of(other);
  leader->start();
  standby->start();
  leader->set_leading(true);
  until([&] { return other.is_ready(); });
  EXPECT_EQ(api.calls.size(), 2U);
}

TEST_F(KeeperTest, AReplicaWithNothingToShowLooksOften) {
  look = 1h;
  runtime::TlsIdentity other;
  const auto leader = keeper_of(identity), standby = keeper_of(other);
  standby->start();
  looks(2);
  leader->set_leading(true);
  until([&] { return other.is_ready(); });
  const int before = api.reads;
  bool is_later = false;
  runtime::Timer wait(loop, [&] { is_later = true; });
  wait.arm(50ms);
  until([&] { return is_later; });
  EXPECT_EQ(api.reads, before) << "and then as seldom as the others";
}

TEST_F(KeeperTest, AReplicaThatFindsTheSecretGoneLooksOften) {
  look = 300ms;
  const auto made = make(service_names("fairlead-webhook", "fairlead-system"), now, {});
  ASSERT_TRUE(made);
  api.secret = StoredSecret{"1", {{"ca.crt", made->ca}, {"tls.crt", made->certificate}, {"tls.key", made->key}}};
  const auto standby = keeper_of(identity);
  standby->start();
  until([&] { return identity.is_ready(); });
  api.secret->data["tls.crt"].clear();
  looks(1);
  const TimePoint start = loop.now();
  looks(4);
  EXPECT_LT(loop.now() - start, look) << "else it misses what the leader makes, and then the one after that";
}

TEST_F(KeeperTest, ARenewalIsTrustedBesideTheOldOneBeforeItIsStored) {
  const auto keeper = keeper_of(identity);
  keeper->start();
  keeper->set_leading(true);
  until([&] { return api.secret.has_value(); });
  const std::string first = stored("ca.crt"), certificate = stored("tls.crt");
  api.calls.clear();
  now += kCertificateLife * 2 / 3 + kDay;
  until([&] { return stored("tls.crt") != certificate; });
  EXPECT_EQ(api.calls, (std::vector<std::string>{"bundle", "secret"}));
  EXPECT_TRUE(stored("ca.crt").ends_with(first)) << "the CA before is trusted as well";
  EXPECT_EQ(api.bundles.back(), stored("ca.crt"));
  api.calls.clear();
  now += kOverlap;
  until([&] { return api.calls.size() == 2; });
  EXPECT_EQ(api.calls, (std::vector<std::string>{"secret", "bundle"}));
  EXPECT_FALSE(stored("ca.crt").ends_with(first));
  EXPECT_EQ(api.configuration->ca_bundles[0], stored("ca.crt"));
}

TEST_F(KeeperTest, WhatSomebodyTakesAwayIsMadeAgain) {
  const auto keeper = keeper_of(identity);
  keeper->start();
  keeper->set_leading(true);
  until([&] { return api.secret.has_value(); });
  const std::string first = stored("ca.crt"), certificate = stored("tls.crt");
  api.secret.reset();
  until([&] { return api.secret.has_value(); });
  EXPECT_NE(stored("tls.crt"), certificate);
  EXPECT_TRUE(stored("ca.crt").ends_with(first)) << "what is shown until then stays trusted";
  for (auto& [key, value] : api.secret->data) value.clear();
  until([&] { return !stored("tls.crt").empty(); });
  looks(2);
  api.configuration->ca_bundles[1] = "something else";
  until([&] { return api.configuration->ca_bundles[1] == stored("ca.crt"); });
  const auto pair = test::self_signed("other.test");
  api.secret->data["tls.key"] = pair.key;
  until([&] { return stored("tls.key") != pair.key; });
  EXPECT_EQ(needs({stored("ca.crt"), stored("tls.crt"), stored("tls.key")}, service_names("fairlead-webhook", "fairlead-system"), now), Need::none);
}

TEST_F(KeeperTest, WhatIsRefusedIsTriedAgainAndWhatIsShownStays) {
  const auto keeper = keeper_of(identity);
  api.configuration.reset();
  keeper->start();
  keeper->set_leading(true);
  looks(3);
  EXPECT_FALSE(api.secret) << "without a webhook nobody would ask, and nothing would take the Secret away";
  api.configuration = WebhookConfiguration{"1", "uid-1", {"", ""}};
  api.refusal = Error{Errc::denied, "no right"};
  until([&] { return api.calls.size() >= 3; });
  EXPECT_FALSE(api.secret);
  EXPECT_EQ(std::count(api.calls.begin(), api.calls.end(), "secret"), 0) << "not shown before it is trusted";
  api.refusal.reset();
  until([&] { return identity.is_ready(); });
}

TEST_F(KeeperTest, WhoeverLeadsNoMoreWritesNoMore) {
  const auto keeper = keeper_of(identity);
  keeper->start();
  keeper->set_leading(true);
  until([&] { return api.secret.has_value(); });
  now += kCertificateLife;
  api.calls.clear();
  until([&] { return !api.calls.empty(); });  // trusted; the Secret is yet to come
  keeper->set_leading(false);
  looks(4);
  EXPECT_EQ(api.calls, (std::vector<std::string>{"bundle"}));
}

TEST_F(KeeperTest, AnAnswerAfterItsEndIsNobodys) {
  auto keeper = keeper_of(identity);
  keeper->set_leading(true);
  keeper.reset();
  bool is_over = false;
  loop.post([&] { is_over = true; });
  until([&] { return is_over; });
  EXPECT_FALSE(identity.is_ready());
}

TEST_F(KeeperTest, AFolderIsReadAgain_AndAHalfSwappedPairLeavesTheLastGoodOne) {
  const std::string folder = std::filesystem::temp_directory_path() / ("fairlead-webhook-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto put = [&](const char* name, const std::string& text) { std::ofstream(folder + "/" + name, std::ios::binary) << text; };
  const test::Pair one = test::self_signed("one.test"), two = test::self_signed("two.test");
  FolderKeeper keeper(loop, identity, folder, 10ms);
  keeper.start();
  EXPECT_FALSE(identity.is_ready());
  put("tls.crt", one.certificate);
  put("tls.key", two.key);
  bool is_later = false;
  runtime::Timer wait(loop, [&] { is_later = true; });
  wait.arm(50ms);
  until([&] { return is_later; });
  EXPECT_FALSE(identity.is_ready()) << "the two do not belong together";
  put("tls.key", one.key);
  until([&] { return identity.is_ready(); });
  std::filesystem::remove_all(folder);
}

TEST_F(KeeperTest, TheEndpointAnswersReviewsOnceItKnowsTheObjects) {
  std::optional<api::ConfigSet> objects;
  std::vector<std::string> verdicts;
  Endpoint endpoint(loop, api, {"127.0.0.1:0", "", {{"fairlead-system", "fairlead-webhook"}, "fairlead-webhook-cert", "fairlead-webhook"}, {}},
                    {[&] { return objects ? &*objects : nullptr; }, [&](const Review& r) { verdicts.emplace_back(name(r.verdict)); }});
  const auto ask = [&](std::string method, std::string path, std::string body) {
    return endpoint.answer({std::move(method), std::move(path), "", std::move(body)});
  };
  EXPECT_EQ(ask("GET", "/", "").status, 404U);
  EXPECT_EQ(ask("GET", "/validate", "").status, 405U);
  EXPECT_EQ(ask("POST", "/validate", "{}").status, 503U);
  objects.emplace();
  EXPECT_EQ(ask("POST", "/validate", "{}").status, 400U);
  const auto good = ask("POST", "/validate", R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u"}})");
  EXPECT_EQ(good.status, 200U);
  EXPECT_EQ(good.content_type, "application/json");
  EXPECT_NE(good.body.find("\"allowed\":true"), std::string::npos);
  EXPECT_EQ(verdicts, (std::vector<std::string>{"unreadable", "allowed"}));
  endpoint.start();
  EXPECT_NE(endpoint.port(), 0);
  endpoint.set_leading(true);
  until([&] { return api.secret.has_value(); });
}

}  // namespace
}  // namespace fairlead::controller::webhook
