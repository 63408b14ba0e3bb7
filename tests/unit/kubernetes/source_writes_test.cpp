/// What KubeSource writes, and who leads.
#include "tests/unit/kubernetes/source_fixture.h"

namespace fairlead::runtime {
namespace {

const std::vector<api::Kind> kPools{api::Kind::ip_address_pool};

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

}  // namespace
}  // namespace fairlead::runtime
