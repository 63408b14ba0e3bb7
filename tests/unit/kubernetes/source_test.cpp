/// KubeSource against an API server that the test plays. The loop and its time are real, so waits are kept short: first
/// retries come after a tenth of a second.
#include "proto/runtime/kube_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "proto/runtime/object_codec.h"
#include "proto/runtime/state_file.h"
#include "tests/support/fake_client.h"

namespace fairlead::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using kube::Json;
using test::FakeClient;
using test::FakeStream;

class KubeSourceTest : public testing::Test {
 protected:
  KubeSourceTest() : made_loop(*Loop::create()), loop(*made_loop), timer(loop, [this] { loop.stop(1); }) {}
  ~KubeSourceTest() override { source.reset(); }

  void open(KubeOptions options, std::vector<api::Kind> kinds) {
    auto made = std::make_unique<FakeClient>(loop);
    client = made.get();
    source = make_kube_source(loop, std::move(made), std::move(options));
    source->start(std::move(kinds), {[this](std::vector<Change> c) { for (Change& one : c) changes.push_back(std::move(one)); },
                                     [this] { ++synced; },
                                     [this](const Fault& f) { faults.push_back(f); },
                                     [this](const Fault& f) { mended.push_back(f); }});
  }
  /// Turns the loop until `done`.
  template <class Done>
  void until(Done done) {
    timer.arm(seconds(10));
    while (!done()) {
      loop.post([this] { loop.stop(0); });
      if (loop.run() == 1) {
        ADD_FAILURE() << "waited ten seconds";
        return;
      }
      ::usleep(500);
    }
    timer.cancel();
  }
  void turns(int n = 5) {
    until([&] { return n-- == 0; });
  }
  FakeClient::Asked next() {
    until([&] { return !client->asked.empty(); });
    if (client->asked.empty()) return {};
    auto out = std::move(client->asked.front());
    client->asked.pop_front();
    return out;
  }
  void answer(const FakeClient::Asked& asked, int status, std::string body, std::string fault = "", Duration retry_after = {}) {
    if (Task task = asked.on_pool({status, std::move(fault), std::move(body), retry_after})) loop.post(std::move(task));
    turns();
  }
  void say(const std::string& bytes) {
    ASSERT_FALSE(client->streams.empty());
    if (Task task = client->streams.back()->handlers.on_bytes(bytes)) loop.post(std::move(task));
    turns();
  }
  void end(int status, const std::string& fault, Duration retry_after = {}) {
    loop.post([ended = client->streams.back()->handlers.ended, status, fault, retry_after] { ended({status, fault, "", retry_after}); });
    turns();
  }
  /// Since `start`, in whole tenths of a second.
  long tenths(TimePoint start) { return (loop.now() - start) / milliseconds(100); }
  void until_watched(std::size_t n) {
    until([&] { return client->watched.size() >= n; });
  }
  /// Competes for a lease that nobody has had; what changes goes into `leads`.
  void take_lease() {
    source->lead("controller", [this](bool l) { leads.push_back(l); });
    answer(next(), 404, "{}");
    const auto create = next();
    answer(create, 201, written(create, "1").dump());
  }
  /// What was to be written, as the server answers it.
  static Json written(const FakeClient::Asked& asked, const char* version) {
    Json made = Json::parse(asked.request.body);
    made["metadata"]["resourceVersion"] = version;
    return made;
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const Change& c : std::exchange(changes, {})) out.push_back((c.object ? "+" : "-") + c.key.name.name);
    return out;
  }

  static std::string pool(const std::string& name, int version, const std::string& addresses = "192.0.2.0/28") {
    return Json{{"metadata", {{"name", name}, {"namespace", "lb"}, {"resourceVersion", std::to_string(version)}}}, {"spec", {{"addresses", {addresses}}}}}.dump();
  }
  static std::string service(const std::string& name, int version) {
    return Json{{"metadata", {{"name", name}, {"namespace", "default"}, {"resourceVersion", std::to_string(version)}}}, {"spec", {{"type", "LoadBalancer"}}}}.dump();
  }
  static std::string page(const std::vector<std::string>& items, const std::string& version, const std::string& continuation = "") {
    std::string out = R"({"metadata":{"resourceVersion":")" + version + R"(","continue":")" + continuation + R"("},"items":[)";
    for (std::size_t i = 0; i < items.size(); ++i) out += (i > 0 ? "," : "") + items[i];
    return out + "]}";
  }
  static std::string event(const std::string& type, const std::string& object) { return R"({"type":")" + type + R"(","object":)" + object + "}\n"; }

  std::unique_ptr<Loop> made_loop;
  Loop& loop;
  Timer timer;
  FakeClient* client = nullptr;
  std::unique_ptr<Source> source;
  std::vector<Change> changes;
  std::vector<Fault> faults, mended;
  std::vector<bool> leads;
  int synced = 0;
};

const std::vector<api::Kind> kPools{api::Kind::ip_address_pool};

TEST_F(KubeSourceTest, PagesThenAWatchFromTheirVersion) {
  open({}, kPools);
  auto first = next();
  EXPECT_EQ(first.request.path, "/apis/fairlead.io/v1/ipaddresspools?limit=500");
  answer(first, 200, page({pool("a", 1)}, "10", "more="));
  EXPECT_EQ(synced, 0);
  auto second = next();
  EXPECT_EQ(second.request.path, "/apis/fairlead.io/v1/ipaddresspools?limit=500&continue=more%3D");
  answer(second, 200, page({pool("b", 2)}, "10"));
  EXPECT_EQ(names(), (std::vector<std::string>{"+a", "+b"}));
  EXPECT_EQ(synced, 1);
  ASSERT_EQ(client->watched.size(), 1U);
  EXPECT_NE(client->watched[0].find("&resourceVersion=10&"), std::string::npos) << client->watched[0];
}

TEST_F(KubeSourceTest, AWatchThatBreaksGoesOnWhereItWas) {
  open({}, kPools);
  answer(next(), 200, page({pool("a", 1)}, "10"));
  (void)names();
  for (const char c : event("MODIFIED", pool("a", 11, "192.0.2.16/28"))) say({c});
  EXPECT_EQ(names(), std::vector<std::string>{"+a"});
  end(0, "broken");
  until_watched(2);
  EXPECT_NE(client->watched[1].find("&resourceVersion=11&"), std::string::npos);
  EXPECT_TRUE(client->asked.empty()) << "a list";
}

TEST_F(KubeSourceTest, EventsAreDeliveredAndResumeIsFromTheLast) {
  open({}, kPools);
  answer(next(), 200, page({pool("a", 1)}, "10"));
  (void)names();
  say(event("MODIFIED", pool("a", 11, "192.0.2.16/28")) + event("ADDED", pool("b", 12)));
  say(event("DELETED", pool("a", 13)) + event("BOOKMARK", R"({"metadata":{"resourceVersion":"20"}})"));
  EXPECT_EQ(names(), (std::vector<std::string>{"+a", "+b", "-a"}));
  end(200, "");
  until_watched(2);
  EXPECT_NE(client->watched[1].find("&resourceVersion=20&"), std::string::npos);
  EXPECT_TRUE(client->asked.empty());
}

TEST_F(KubeSourceTest, AnObjectThatDidNotChangeIsNotDeliveredAgain) {
  open({}, kPools);
  answer(next(), 200, page({pool("a", 1)}, "10"));
  (void)names();
  say(event("MODIFIED", pool("a", 11)));
  EXPECT_TRUE(names().empty());
}

TEST_F(KubeSourceTest, TooOldMeansANewListAndOnlyTheDifferences) {
  open({}, kPools);
  answer(next(), 200, page({pool("a", 1), pool("b", 2), pool("c", 3)}, "10"));
  (void)names();
  say(event("ERROR", R"({"kind":"Status","code":410,"message":"too old"})"));
  answer(next(), 200, page({pool("a", 1), pool("b", 22, "192.0.2.64/28"), pool("d", 30)}, "40"));
  EXPECT_EQ(names(), (std::vector<std::string>{"+b", "+d", "-c"}));
  EXPECT_EQ(synced, 1);
  until_watched(2);
  EXPECT_NE(client->watched[1].find("&resourceVersion=40&"), std::string::npos);
}

TEST_F(KubeSourceTest, AMissingDefinitionIsNoFaultAndCountsAsEmpty) {
  open({}, kPools);
  answer(next(), 404, R"({"message":"the server could not find the requested resource"})");
  EXPECT_EQ(synced, 1);
  EXPECT_TRUE(faults.empty());
  EXPECT_TRUE(client->watched.empty());
}

TEST_F(KubeSourceTest, AnApiServerWithoutServiceCidrsIsNoFaultEither) {
  open({}, {api::Kind::service_cidr, api::Kind::ip_address_pool});
  auto cidrs = next();
  EXPECT_EQ(cidrs.request.path, "/apis/networking.k8s.io/v1/servicecidrs?limit=500");
  answer(cidrs, 404, R"({"message":"the server could not find the requested resource"})");
  answer(next(), 200, page({pool("a", 1)}, "10"));
  EXPECT_EQ(synced, 1);
  EXPECT_EQ(names(), std::vector<std::string>{"+a"});
  EXPECT_TRUE(faults.empty());
}

TEST_F(KubeSourceTest, AServerThatAsksForQuietIsListedAgainWhenItsTimeIsOver) {
  open({}, kPools);
  const TimePoint start = loop.now();
  answer(next(), 429, "slow down", "", milliseconds(900));
  (void)next();
  EXPECT_GE(tenths(start), 9);
}

TEST_F(KubeSourceTest, AServerThatAsksForQuietIsWatchedAgainWhenItsTimeIsOver) {
  open({}, kPools);
  answer(next(), 200, page({pool("a", 1)}, "10"));
  until_watched(1);
  const TimePoint start = loop.now();
  end(503, "HTTP status 503", milliseconds(900));
  until_watched(2);
  EXPECT_GE(tenths(start), 9);
  EXPECT_TRUE(client->asked.empty()) << "no list";
}

TEST_F(KubeSourceTest, WhatWasListedIsWatchedWhenTheTimeIsOverToo) {
  open({}, {api::Kind::node, api::Kind::ip_address_pool});
  auto nodes = next();
  const TimePoint start = loop.now();
  answer(nodes, 429, "slow down", "", milliseconds(900));
  answer(next(), 200, page({pool("a", 1)}, "10"));
  EXPECT_EQ(names(), std::vector<std::string>{"+a"});
  until_watched(1);
  EXPECT_GE(tenths(start), 9);
}

TEST_F(KubeSourceTest, ARefusedWatchIsJudgedByItsStatusNotByItsBody) {
  open({}, kPools);
  client->is_opening = false;
  answer(next(), 200, page({pool("a", 1)}, "10"));
  until_watched(1);
  say("Too many requests, please try again later.\n");
  EXPECT_EQ(client->streams.size(), 1U) << "how long to wait is not known yet";
  const TimePoint start = loop.now();
  end(429, "HTTP status 429", milliseconds(900));
  until_watched(2);
  EXPECT_GE(tenths(start), 9);
  say(R"({"kind":"Status","code":410,"message":"too old"})" "\n");
  end(410, "HTTP status 410");
  EXPECT_NE(next().request.path.find("?limit=500"), std::string::npos) << "too old: a list";
}

TEST_F(KubeSourceTest, WritesWaitWhileAServerAsksForQuiet) {
  open({}, {api::Kind::service});
  answer(next(), 200, page({service("web", 7), service("db", 8)}, "10"));
  ServiceWrite what;
  what.ingress = {{*parse_ip("192.0.2.1"), "", true}};
  std::vector<Errc> failed;
  source->write({"default", "web"}, what, [&](const Result<void>& r) { failed.push_back(r ? Errc::exists : r.error().code); });
  const TimePoint start = loop.now();
  answer(next(), 429, "slow down", "", milliseconds(900));
  EXPECT_EQ(failed, std::vector<Errc>{Errc::unavailable});
  source->write({"default", "db"}, what, [](const Result<void>&) {});
  EXPECT_NE(next().request.path.find("/services/db/status"), std::string::npos);
  EXPECT_GE(tenths(start), 9);
}

TEST_F(KubeSourceTest, ARefusedListIsAFaultOnceAndTriedAgain) {
  open({}, kPools);
  answer(next(), 403, R"({"message":"forbidden"})");
  answer(next(), 403, R"({"message":"forbidden"})");
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_NE(faults[0].what.find("forbidden"), std::string::npos);
  EXPECT_EQ(synced, 0);
}

TEST_F(KubeSourceTest, ARefusedObjectLeavesTheLastGoodOne) {
  open({}, kPools);
  answer(next(), 200, page({pool("a", 1)}, "10"));
  (void)names();
  say(event("MODIFIED", pool("a", 11, "nonsense")));
  EXPECT_EQ(faults.size(), 1U);
  say(event("ERROR", R"({"code":410})"));
  answer(next(), 200, page({pool("a", 11, "nonsense")}, "40"));
  EXPECT_TRUE(names().empty()) << "not deleted either";
  EXPECT_EQ(faults.size(), 1U) << "said once";
  EXPECT_TRUE(mended.empty());
}

TEST_F(KubeSourceTest, WhatIsReadableAgainOrGoneIsSaid) {
  open({}, kPools);
  answer(next(), 200, page({pool("a", 1), pool("b", 2, "x"), pool("c", 3, "y"), pool("d", 4, "z")}, "10"));
  const std::vector<Fault> all = faults;
  ASSERT_EQ(all.size(), 3U);
  say(event("MODIFIED", pool("a", 11, "nonsense")));
  say(event("MODIFIED", pool("a", 12)));  // as it was before: no change, and readable again
  ASSERT_EQ(faults.size(), 4U);
  EXPECT_EQ(mended, std::vector<Fault>{faults[3]});
  say(event("DELETED", pool("b", 13, "x")));  // never readable
  say(event("MODIFIED", pool("c", 14, "w")));
  EXPECT_EQ(mended, (std::vector<Fault>{faults[3], all[0], all[1]}));
  EXPECT_EQ(faults.size(), 5U) << "wrong in another way";
  say(event("ERROR", R"({"code":410})"));
  answer(next(), 200, page({pool("a", 12), pool("d", 15)}, "40"));
  EXPECT_EQ(mended, (std::vector<Fault>{faults[3], all[0], all[1], all[2], faults[4]}));
}

TEST_F(KubeSourceTest, AListThatIsAllowedAgainIsSaid) {
  open({}, kPools);
  answer(next(), 403, R"({"message":"forbidden"})");
  answer(next(), 403, R"({"message":"forbidden, by others"})");
  ASSERT_EQ(faults.size(), 2U);
  EXPECT_EQ(mended, std::vector<Fault>{faults[0]});
  answer(next(), 200, page({}, "10"));
  EXPECT_EQ(mended, faults);
}

TEST_F(KubeSourceTest, StatusObjectsGoToTheOwnNamespace) {
  KubeOptions options;
  options.ns = "lb";
  options.reporting.component = "fairlead-speaker";
  open(options, kPools);
  answer(next(), 200, page({}, "10"));
  source->write({"l2-web", {{"node", "a"}}, L2Status{"a", "web", "default", {}}}, nullptr);
  EXPECT_EQ(next().request.path, "/apis/fairlead.io/v1/namespaces/lb/servicel2statuses/l2-web?fieldManager=fairlead-speaker&force=true&timeout=4s");
  source->remove(StatusKind::configuration_state, "speaker-a", nullptr);
  EXPECT_EQ(next().request.path, "/apis/fairlead.io/v1/namespaces/lb/configurationstates/speaker-a?timeout=4s");
}

TEST_F(KubeSourceTest, SpeakersAskForProxiedServicesOnly) {
  open({}, {api::Kind::service, api::Kind::endpoint_slice, api::Kind::node});
  EXPECT_NE(next().request.path.find("labelSelector=%21service.kubernetes.io%2Fservice-proxy-name"), std::string::npos);
  EXPECT_NE(next().request.path.find("labelSelector="), std::string::npos);
  EXPECT_EQ(next().request.path.find("labelSelector="), std::string::npos);
}

TEST_F(KubeSourceTest, AWriteIsOnePatchWithTheVersionAndAConflictIsSaid) {
  open({}, {api::Kind::service});
  answer(next(), 200, page({service("web", 7)}, "10"));
  ServiceWrite what;
  what.ingress = {{*parse_ip("192.0.2.1"), "", true}};
  what.pool = "lan";
  std::vector<Result<void>> results;
  source->write({"default", "web"}, what, [&](Result<void> r) { results.push_back(std::move(r)); });
  auto patch = next();
  EXPECT_EQ(patch.request.path, "/api/v1/namespaces/default/services/web/status?timeout=4s");
  EXPECT_NE(patch.request.body.find(R"("path":"/metadata/resourceVersion","value":"7")"), std::string::npos);
  answer(patch, 200, R"({"metadata":{"resourceVersion":"8","annotations":{"fairlead.io/ip-allocated-from-pool":"lan"}}})");
  ASSERT_EQ(results.size(), 1U);
  EXPECT_TRUE(results[0]);
  source->write({"default", "web"}, what, [&](Result<void> r) { results.push_back(std::move(r)); });
  answer(next(), 409, R"({"message":"modified"})");
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[1].error().code, Errc::conflict);
  source->write({"default", "gone"}, what, [&](Result<void> r) { results.push_back(std::move(r)); });
  turns();
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(results[2].error().code, Errc::not_found);
}

TEST_F(KubeSourceTest, AServerThatKeepsAnnotationsOutOfStatusGetsASecondPatch) {
  open({}, {api::Kind::service});
  answer(next(), 200, page({service("web", 7)}, "10"));
  ServiceWrite what;
  what.ingress = {{*parse_ip("192.0.2.1"), "", true}};
  what.pool = "lan";
  bool is_done = false;
  source->write({"default", "web"}, what, [&](const Result<void>& r) { is_done = r.has_value(); });
  answer(next(), 200, R"({"metadata":{"resourceVersion":"8"}})");
  EXPECT_FALSE(is_done);
  auto second = next();
  EXPECT_EQ(second.request.path, "/api/v1/namespaces/default/services/web?timeout=4s");
  EXPECT_NE(second.request.body.find(R"("resourceVersion":"8")"), std::string::npos);
  answer(second, 200, R"({"metadata":{"resourceVersion":"9"}})");
  EXPECT_TRUE(is_done);
}

TEST_F(KubeSourceTest, WritesInFlightAreBounded) {
  KubeOptions options;
  options.writes_in_flight = 3;
  open(options, {api::Kind::service});
  std::vector<std::string> items;
  for (int i = 0; i < 10; ++i) items.push_back(service("s" + std::to_string(i), i + 1));
  answer(next(), 200, page(items, "20"));
  ServiceWrite what;
  what.ingress = {{*parse_ip("192.0.2.1"), "", true}};
  int done = 0;
  for (int i = 0; i < 10; ++i) source->write({"default", "s" + std::to_string(i)}, what, [&](const Result<void>&) { ++done; });
  turns();
  EXPECT_EQ(client->asked.size(), 3U);
  for (int i = 0; i < 10; ++i) answer(next(), 200, R"({"metadata":{"resourceVersion":"99"}})");
  EXPECT_EQ(done, 10);
}

TEST_F(KubeSourceTest, WhatAWriteMadeIsDeliveredWithItsAnswerAndNotAgain) {
  const auto shown = [](const char* ip, int version) {
    Json object = Json::parse(service("web", version));
    object["status"]["loadBalancer"]["ingress"] = {{{"ip", ip}}};
    return object.dump();
  };
  open({}, {api::Kind::service});
  answer(next(), 200, page({service("web", 9)}, "9"));
  until_watched(1);
  names();
  ServiceWrite what;
  std::vector<std::string> when_done;  // what had been delivered then
  for (const char* ip : {"192.0.2.1", "192.0.2.2"}) {
    what.ingress = {{*parse_ip(ip), "", true}};
    source->write({"default", "web"}, what, [&](const Result<void>& r) {
      ASSERT_TRUE(r);
      for (const Change& c : std::exchange(changes, {})) when_done.push_back(std::get<kube::Service>(*c.object).ingress.at(0).ip->str());
    });
    const auto asked = next();
    const std::string version = when_done.empty() ? "9" : "10";
    EXPECT_NE(asked.request.body.find('"' + version + '"'), std::string::npos) << asked.request.body;
    answer(asked, 200, shown(ip, std::stoi(version) + 1));
  }
  EXPECT_EQ(when_done, (std::vector<std::string>{"192.0.2.1", "192.0.2.2"}));
  // The watch is behind: its first news is older than what is known.
  say(event("MODIFIED", shown("192.0.2.1", 10)));
  say(event("MODIFIED", shown("192.0.2.2", 11)));
  EXPECT_EQ(names(), std::vector<std::string>{});
  // Somebody else's change counts, whatever its version looks like.
  say(event("MODIFIED", service("web", 5)));
  EXPECT_EQ(names(), std::vector<std::string>{"+web"});
  say(event("DELETED", service("web", 12)));
  EXPECT_EQ(names(), std::vector<std::string>{"-web"});
}

TEST_F(KubeSourceTest, EventsWaitUntilNoWriteWaits) {
  KubeOptions options;
  options.writes_in_flight = 2;
  open(options, {api::Kind::service});
  std::vector<std::string> items;
  for (int i = 0; i < 6; ++i) items.push_back(service("s" + std::to_string(i), i + 1));
  answer(next(), 200, page(items, "20"));
  ServiceWrite what;
  what.ingress = {{*parse_ip("192.0.2.1"), "", true}};
  const auto write = [&](int i) { source->write({"default", "s" + std::to_string(i)}, what, [](const Result<void>&) {}); };
  for (int i = 0; i < 5; ++i) write(i);
  turns();
  for (int i = 0; i < 3; ++i) source->event({api::Kind::service, {"default", "s" + std::to_string(i)}}, EventType::normal, "IPAllocated", "has one");
  turns();
  std::string order;
  for (int i = 0; i < 8; ++i) {
    const auto asked = next();
    order += asked.request.method == ApiRequest::Method::patch ? 'w' : 'e';
    answer(asked, 200, R"({"metadata":{"resourceVersion":"99"}})");
  }
  EXPECT_EQ(order, "wwwwweee");
  EXPECT_TRUE(client->asked.empty());
}

TEST_F(KubeSourceTest, ALeaderWithoutItsLeaseWritesNothing) {
  open({}, {api::Kind::service});
  answer(next(), 200, page({service("web", 7)}, "10"));
  source->lead("controller", [this](bool l) { leads.push_back(l); });
  auto read = next();
  EXPECT_EQ(read.request.path, "/apis/coordination.k8s.io/v1/namespaces/fairlead-system/leases/fairlead-controller");
  Errc code = Errc::malformed;
  ServiceWrite what;
  what.ingress.emplace();
  what.pool = "x";
  source->write({"default", "web"}, what, [&](const Result<void>& r) { code = r.error().code; });
  turns();
  EXPECT_EQ(code, Errc::unavailable);
  EXPECT_TRUE(client->asked.empty());
  answer(read, 404, "{}");
  auto create = next();
  EXPECT_EQ(create.request.method, ApiRequest::Method::post);
  answer(create, 201, written(create, "1").dump());
  answer(next(), 200, page({service("web", 7)}, "10"));
  EXPECT_EQ(leads, std::vector<bool>{true});
}

/// The watch of a standby may be seconds behind: what the last leader wrote is listed before anything is decided.
TEST_F(KubeSourceTest, ANewLeaderDecidesByAListThatBeganUnderItsLease) {
  open({}, {api::Kind::service, api::Kind::ip_address_pool});
  answer(next(), 200, page({service("web", 7)}, "10"));
  auto pools = next();  // its list goes on while the lease is taken
  take_lease();
  EXPECT_TRUE(client->streams.empty()) << "the watch that may be behind";

  auto services = next();
  EXPECT_EQ(services.request.path, "/api/v1/services?limit=500");
  answer(pools, 200, page({pool("old", 1)}, "10"));
  answer(services, 503, "busy");
  EXPECT_EQ(synced, 0) << "by a list that began before the lease";
  answer(next(), 200, page({pool("new", 12)}, "20"));
  EXPECT_EQ(synced, 1);
  (void)names();
  EXPECT_TRUE(leads.empty());
  services = next();
  EXPECT_EQ(services.request.path, "/api/v1/services?limit=500") << "again";
  answer(services, 200, page({service("web", 8), service("db", 9)}, "20"));
  EXPECT_EQ(names(), (std::vector<std::string>{"+db"}));
  EXPECT_EQ(leads, std::vector<bool>{true});
  until_watched(3);
  EXPECT_NE(client->watched[2].find("&resourceVersion=20&"), std::string::npos) << client->watched[2];
}

TEST_F(KubeSourceTest, WhoLeadsAgainWaitsForWhatItHasSentAndListsThen) {
  KubeOptions options;
  options.writes_in_flight = 1;
  open(options, {api::Kind::service});
  const std::string both = page({service("web", 7), service("db", 7)}, "10");
  answer(next(), 200, both);
  take_lease();
  answer(next(), 200, both);
  ServiceWrite what;
  what.ingress = {{*parse_ip("192.0.2.1"), "", true}};
  source->write({"default", "web"}, what, [](const Result<void>&) {});
  auto patch = next();
  std::vector<Errc> failed;
  source->write({"default", "db"}, what, [&](const Result<void>& r) { failed.push_back(r ? Errc::exists : r.error().code); });

  auto renewal = next();
  ASSERT_EQ(renewal.request.method, ApiRequest::Method::put);
  answer(renewal, 409, "{}");
  Json given_back = written(renewal, "2");
  given_back["spec"]["holderIdentity"] = "";
  answer(next(), 200, given_back.dump());
  EXPECT_EQ(leads, (std::vector<bool>{true, false}));
  auto take = next();
  ASSERT_EQ(take.request.method, ApiRequest::Method::put);
  answer(take, 200, written(take, "3").dump());
  EXPECT_TRUE(client->asked.empty()) << "a list could miss what is on its way";
  EXPECT_EQ(failed, std::vector<Errc>{Errc::unavailable}) << "decided by a leader that was";
  answer(patch, 0, "", "no answer");
  auto list = next();
  EXPECT_EQ(list.request.path, "/api/v1/services?limit=500");
  EXPECT_EQ(leads, (std::vector<bool>{true, false}));
  answer(list, 200, page({service("web", 8)}, "20"));
  EXPECT_EQ(leads, (std::vector<bool>{true, false, true}));
}

TEST_F(KubeSourceTest, AKindThatCannotBeListedKeepsNobodyFromLeading) {
  open({}, {api::Kind::service, api::Kind::ip_address_pool});
  answer(next(), 200, page({service("web", 7)}, "10"));
  answer(next(), 403, R"({"message":"forbidden"})");
  take_lease();
  answer(next(), 200, page({service("web", 7)}, "10"));
  EXPECT_EQ(leads, std::vector<bool>{true});
  EXPECT_EQ(synced, 0);
}

TEST_F(KubeSourceTest, WithoutAnAnswerTheStateFileServesAndTheListReplacesIt) {
  char folder[] = "/tmp/fairlead-source-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  KubeOptions options;
  options.state_file = std::string(folder) + "/state";
  options.restore_after = milliseconds(50);
  State state;
  state.api_servers = {"192.0.2.1:6443"};
  auto& group = state.groups.emplace_back();
  group.kind = api::Kind::ip_address_pool;
  for (const char* name : {"a", "b"}) group.objects.push_back(read_object(group.kind, Json::parse(pool(name, 1))).bytes);
  ASSERT_TRUE(save_state(options.state_file, encode(state)));
  open(options, kPools);
  ASSERT_EQ(client->learned.size(), 1U);
  auto list = next();
  until([&] { return synced == 1; });
  EXPECT_EQ(names(), (std::vector<std::string>{"+a", "+b"}));
  answer(list, 0, "", "refused");
  answer(next(), 200, page({pool("a", 5), pool("c", 6)}, "40"));
  EXPECT_EQ(names(), (std::vector<std::string>{"+c", "-b"}));
  EXPECT_EQ(synced, 1);
  until([&] {
    const auto text = load_state(options.state_file);
    const auto now = text ? decode_state(*text) : Result<State>(text.error());
    return now && now->groups.size() == 1 && now->groups[0].objects.size() == 2 &&
           now->groups[0].objects[1] == read_object(api::Kind::ip_address_pool, Json::parse(pool("c", 6))).bytes;
  });
  source.reset();
  ::unlink(options.state_file.c_str());
  ::rmdir(folder);
}

}  // namespace
}  // namespace fairlead::runtime
