/// KubeStatuses against an API server that the test plays.
#include "proto/runtime/kube_statuses.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "proto/api/parse.h"
#include "tests/support/fake_client.h"

namespace fairlead::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::FakeClient;
using Method = ApiRequest::Method;

constexpr const char* kNoSuchKind = R"({"message":"the server could not find the requested resource"})";
constexpr const char* kCollection = "/apis/fairlead.io/v1/namespaces/lb/servicel2statuses";
constexpr const char* kApply = "?fieldManager=fairlead-speaker&force=true&timeout=4s";

class KubeStatusesTest : public testing::Test {
 protected:
  void open(KubeStatuses::Scope scope = {.ns = "lb", .manager = "fairlead-speaker", .owner = {"speaker-x", "u1"}}) {
    made.emplace(std::move(scope), KubeStatuses::Shared{loop, client, quiet, bucket, [this] { return may_write; }, [] { return 0.0; }});
  }
  static StatusObject web(const std::string& node, std::vector<std::string> interfaces = {}) {
    return {"l2-web", {{"node", node}}, L2Status{node, "web", "default", std::move(interfaces)}};
  }
  Done told() {
    return [this](const Result<void>& r) { outcomes.push_back(r ? "written" : std::string(name(r.error().code))); };
  }
  template <class Condition>
  void until(Condition condition) {
    const TimePoint end = loop.now() + seconds(10);
    while (!condition()) {
      ASSERT_LT(loop.now(), end) << "waited ten seconds";
      loop.post([this] { loop.stop(0); });
      loop.run();
      ::usleep(200);
    }
  }
  void turns(int n = 5) {
    until([&] { return n-- == 0; });
  }
  FakeClient::Asked next() {
    until([&] { return !client.asked.empty(); });
    if (client.asked.empty()) return {{}, [](ApiReply) -> Task { return nullptr; }};
    auto out = std::move(client.asked.front());
    client.asked.pop_front();
    return out;
  }
  void answer(const FakeClient::Asked& asked, int status, std::string body = "{}", Duration retry_after = {}) {
    if (Task task = asked.on_pool({status, status == 0 ? "refused" : "", std::move(body), retry_after})) loop.post(std::move(task));
    turns();
  }

  std::unique_ptr<Loop> made_loop = Loop::create().value();
  Loop& loop = *made_loop;
  FakeClient client{loop};
  Quiet quiet{loop};
  TokenBucket bucket{1000, 1000};
  bool may_write = true;
  std::vector<std::string> outcomes;
  std::optional<KubeStatuses> made;
};

TEST_F(KubeStatusesTest, AnObjectIsTwoAppliesAndAChangeIsOne) {
  open();
  made->write(web("a", {"eth0", "eth1"}), told());
  auto main = next();
  EXPECT_EQ(main.request.method, Method::patch);
  EXPECT_EQ(main.request.path, std::string(kCollection) + "/l2-web" + kApply);
  EXPECT_STREQ(main.request.content_type, "application/apply-patch+yaml");
  EXPECT_EQ(main.request.body,
            R"({"apiVersion":"fairlead.io/v1","kind":"ServiceL2Status","metadata":{"labels":{"fairlead.io/node":"a"},"name":"l2-web",)"
            R"("namespace":"lb","ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"speaker-x","uid":"u1"}]}})");
  answer(main, 201);
  EXPECT_TRUE(outcomes.empty());
  auto status = next();
  EXPECT_EQ(status.request.path, std::string(kCollection) + "/l2-web/status" + kApply);
  EXPECT_EQ(status.request.body,
            R"({"apiVersion":"fairlead.io/v1","kind":"ServiceL2Status","metadata":{"name":"l2-web","namespace":"lb"},"status":)"
            R"({"interfaces":[{"name":"eth0"},{"name":"eth1"}],"node":"a","serviceName":"web","serviceNamespace":"default"}})");
  answer(status, 200);
  EXPECT_EQ(outcomes, std::vector<std::string>{"written"});
  made->write(web("a"), told());
  auto change = next();
  EXPECT_EQ(change.request.path, std::string(kCollection) + "/l2-web/status" + kApply) << "the metadata is as it was";
  answer(change, 200);
  EXPECT_EQ(outcomes.size(), 2U);
  EXPECT_TRUE(client.asked.empty());
}

TEST_F(KubeStatusesTest, MetallbsGroup) {
  open({.group = api::Group::metallb, .ns = "metallb-system", .manager = "m"});
  made->write({"controller", {{"component-type", "controller"}}, ConfigurationStatus{"Invalid", "a\nb", {{"poolReconcilerValid", "False", "ConfigurationError", "a"}}}}, told());
  auto main = next();
  EXPECT_EQ(main.request.path, "/apis/metallb.io/v1beta1/namespaces/metallb-system/configurationstates/controller?fieldManager=m&force=true&timeout=4s");
  EXPECT_NE(main.request.body.find(R"("labels":{"metallb.io/component-type":"controller"})"), std::string::npos) << main.request.body;
  EXPECT_EQ(main.request.body.find("ownerReferences"), std::string::npos);
  answer(main, 200);
  const std::string body = next().request.body;
  const Json status = Json::parse(body)["status"];
  EXPECT_EQ(status["result"], "Invalid");
  EXPECT_EQ(status["errorSummary"], "a\nb");
  EXPECT_EQ(status["conditions"][0]["type"], "poolReconcilerValid");
  EXPECT_EQ(status["conditions"][0]["lastTransitionTime"].get<std::string>().size(), std::string("2026-01-31T12:00:00Z").size());
}

TEST_F(KubeStatusesTest, OfOneObjectOnlyTheNewestIsSentAndOneAtATime) {
  open();
  made->write(web("a"), told());
  auto main = next();
  for (int i = 0; i < 10; ++i) made->write(web("a", {"eth" + std::to_string(i)}), told());
  turns();
  EXPECT_TRUE(client.asked.empty()) << "one is in flight";
  answer(main, 201);
  auto status = next();
  EXPECT_NE(status.request.body.find("eth9"), std::string::npos);
  answer(status, 200);
  EXPECT_TRUE(client.asked.empty());
  EXPECT_EQ(outcomes.size(), 11U);
  EXPECT_EQ(std::count(outcomes.begin(), outcomes.end(), "conflict"), 10) << "overtaken";
  EXPECT_EQ(outcomes.back(), "written");
}

TEST_F(KubeStatusesTest, ARemovalOvertakesAWriteAndTheOtherWayRound) {
  open();
  made->write(web("a"), told());
  auto main = next();
  made->remove(StatusKind::service_l2_status, "l2-web", told());
  answer(main, 201);
  auto removal = next();
  EXPECT_EQ(removal.request.method, Method::remove);
  EXPECT_EQ(removal.request.path, std::string(kCollection) + "/l2-web?timeout=4s");
  made->write(web("a"), told());
  answer(removal, 200);
  auto again = next();
  EXPECT_EQ(again.request.path, std::string(kCollection) + "/l2-web" + kApply) << "from the beginning: it is gone";
}

TEST_F(KubeStatusesTest, WhatIsNotThereIsRemoved) {
  open();
  made->remove(StatusKind::service_l2_status, "l2-web", told());
  answer(next(), 404);
  EXPECT_EQ(outcomes, std::vector<std::string>{"written"});
}

TEST_F(KubeStatusesTest, AnObjectThatSomebodyRemovedIsMadeAgain) {
  open();
  made->write(web("a"), told());
  answer(next(), 201);
  answer(next(), 200);
  made->write(web("a", {"eth0"}), told());
  answer(next(), 404, R"({"message":"servicel2statuses \"l2-web\" not found"})");
  auto main = next();
  EXPECT_EQ(main.request.path, std::string(kCollection) + "/l2-web" + kApply);
  answer(main, 201);
  answer(next(), 200);
  EXPECT_EQ(outcomes, (std::vector<std::string>{"written", "written"}));
}

TEST_F(KubeStatusesTest, AKindThatIsNotInstalledIsLeftAloneForAWhile) {
  open({.ns = "lb", .manager = "m", .pause = milliseconds(600)});
  made->write(web("a"), told());
  const TimePoint start = loop.now();
  answer(next(), 404, kNoSuchKind);
  EXPECT_EQ(outcomes, std::vector<std::string>{"not_found"});
  made->write({"l2-db", {}, L2Status{"a", "db", "default", {}}}, told());
  made->write({"bgp-db", {}, BgpStatus{"a", "db", "default", {"tor"}}}, told());
  auto other = next();
  EXPECT_NE(other.request.path.find("/servicebgpstatuses/bgp-db"), std::string::npos) << "other kinds go on";
  answer(other, 200);
  answer(next(), 200);
  EXPECT_EQ(outcomes, (std::vector<std::string>{"not_found", "denied", "written"}));
  auto again = next();
  EXPECT_GE(loop.now() - start, milliseconds(600));
  EXPECT_NE(again.request.path.find("/servicel2statuses/l2-"), std::string::npos) << "what is wanted is not forgotten";
}

TEST_F(KubeStatusesTest, AKindWithoutAStatusSubresourceIsLeftAloneToo) {
  open();
  made->write(web("a"), told());
  answer(next(), 201);
  answer(next(), 404, kNoSuchKind);
  turns();
  EXPECT_TRUE(client.asked.empty());
  EXPECT_EQ(outcomes, std::vector<std::string>{"not_found"});
}

TEST_F(KubeStatusesTest, WhatIsRefusedForGoodIsNotTriedAgain) {
  open();
  made->write(web("a"), told());
  answer(next(), 422, R"({"message":"Value is immutable"})");
  EXPECT_EQ(outcomes, std::vector<std::string>{"malformed"});
  EXPECT_TRUE(client.asked.empty());
}

TEST_F(KubeStatusesTest, NoAnswerIsTriedAgainWithTheNewest) {
  open();
  made->write(web("a"), told());
  answer(next(), 201);
  auto lost = next();
  made->write(web("a", {"eth7"}), told());
  answer(lost, 0);
  auto again = next();
  EXPECT_NE(again.request.body.find("eth7"), std::string::npos);
  answer(again, 503, "{}", milliseconds(900));
  const TimePoint start = loop.now();
  answer(next(), 200);
  EXPECT_GE(loop.now() - start, milliseconds(890)) << "the server asked for it";
  EXPECT_EQ(outcomes, (std::vector<std::string>{"conflict", "written"}));
}

TEST_F(KubeStatusesTest, RatesAndNumbersInFlightAreBounded) {
  bucket = TokenBucket(20, 6);
  open();
  for (int i = 0; i < 10; ++i) made->write({"s" + std::to_string(i), {}, BgpStatus{"a", "s", "default", {}}}, told());
  turns();
  EXPECT_EQ(client.asked.size(), KubeStatuses::kInFlight);
  const TimePoint start = loop.now();
  for (int i = 0; i < 20; ++i) answer(next(), 200);
  EXPECT_EQ(outcomes.size(), 10U);
  EXPECT_GE(loop.now() - start, milliseconds(600)) << "14 more than the burst, at 20 a second";
}

TEST_F(KubeStatusesTest, WithoutTheLeaseNothingIsSentAndNothingWaits) {
  may_write = false;
  open();
  made->write(web("a"), told());
  turns();
  EXPECT_EQ(outcomes, std::vector<std::string>{"unavailable"});
  may_write = true;
  made->write({"bgp-db", {}, BgpStatus{"a", "db", "default", {}}}, told());
  EXPECT_NE(next().request.path.find("bgp-db"), std::string::npos);
  turns();
  EXPECT_TRUE(client.asked.empty());
}

TEST_F(KubeStatusesTest, WhatIsAbandonedIsNotTriedAgainAndWhatIsWantedLaterIs) {
  open();
  made->write(web("a"), told());
  auto lost = next();
  made->abandon();
  turns();
  EXPECT_EQ(outcomes, std::vector<std::string>{"unavailable"});
  answer(lost, 0);
  ::usleep(300'000);  // the first retry would come after 200 ms
  turns();
  EXPECT_TRUE(client.asked.empty());

  made->write(web("a"), told());
  auto sent = next();
  made->abandon();
  made->write(web("b"), told());
  answer(sent, 200);
  EXPECT_NE(next().request.body.find(R"(/node":"b")"), std::string::npos) << "wanted after that";
}

TEST_F(KubeStatusesTest, NamesByLabelInPages) {
  open();
  std::vector<std::string> names;
  Errc code = Errc::exists;
  const auto listed = [&](Result<std::vector<std::string>> r) {
    if (r) names = *r;
    else code = r.error().code;
  };
  made->list(StatusKind::service_l2_status, "node", "a", listed);
  auto first = next();
  EXPECT_EQ(first.request.method, Method::get);
  EXPECT_EQ(first.request.path, std::string(kCollection) + "?limit=500&labelSelector=fairlead.io%2Fnode%3Da");
  answer(first, 200, R"({"metadata":{"continue":"c"},"items":[{"metadata":{"name":"x"}},{"metadata":{"name":""}},7]})");
  auto second = next();
  EXPECT_NE(second.request.path.find("&continue=c"), std::string::npos);
  answer(second, 200, R"({"metadata":{},"items":[{"metadata":{"name":"y"}}]})");
  EXPECT_EQ(names, (std::vector<std::string>{"x", "y"}));
  made->list(StatusKind::service_l2_status, "node", "a", listed);
  answer(next(), 404, kNoSuchKind);
  EXPECT_TRUE(names.empty());
  made->list(StatusKind::service_l2_status, "node", "a", listed);
  answer(next(), 429, "{}", seconds(30));
  EXPECT_EQ(code, Errc::unavailable);
  made->list(StatusKind::service_l2_status, "node", "a", listed);
  turns();
  EXPECT_TRUE(client.asked.empty()) << "the server asked to be left alone";
}

TEST(StatusText, LabelsFitWhateverTheNodeIsCalled) {
  EXPECT_EQ(label_value("node-a"), "node-a");
  const std::string longest(63, 'a');
  EXPECT_EQ(label_value(longest), longest);
  const std::string a = label_value(std::string(200, 'a')), b = label_value(std::string(201, 'a'));
  EXPECT_EQ(a.size(), 63U);
  EXPECT_NE(a, b);
  EXPECT_EQ(a.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), std::string::npos);
}

TEST_F(KubeStatusesTest, AnAddressRecordIsFairleadsInBothGroupsAndReadsBack) {
  open({.group = api::Group::metallb, .ns = "metallb-system", .manager = "fairlead-controller", .owner = {"controller-x", "u1"}});
  const Ip address = parse_ip("192.0.2.1").value();
  api::AddressNotes notes;
  notes.asked = {{address, 7}};
  notes.heard = {{address, 8, "", ""}, {address, 9, "02:00:00:00:00:01", "eth0"}};
  notes.held_down = {{address, "default", "web", 1'769'860'800}};
  made->write({"controller", {{kComponentTypeLabel, "controller"}}, notes, true}, told());
  const auto main = next();
  EXPECT_EQ(main.request.path.substr(0, main.request.path.find('?')), "/apis/fairlead.io/v1/namespaces/metallb-system/addressrecords/controller");
  EXPECT_EQ(main.request.body.find("ownerReferences"), std::string::npos) << "what is held down outlives the Pod";
  answer(main, 201);
  const auto status = next();
  const auto parsed = api::parse_address_record(kube::parse_json(status.request.body));
  ASSERT_TRUE(std::holds_alternative<api::AddressRecord>(parsed)) << status.request.body;
  EXPECT_EQ(std::get<api::AddressRecord>(parsed).notes, notes);
  answer(status, 200);
  EXPECT_EQ(outcomes, std::vector<std::string>{"written"});
}

}  // namespace
}  // namespace fairlead::runtime
