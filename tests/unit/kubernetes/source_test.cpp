/// What KubeSource delivers: lists, watches, faults, the state file.
#include "proto/runtime/object_codec.h"
#include "proto/runtime/state_file.h"
#include "tests/unit/kubernetes/source_fixture.h"

namespace fairlead::runtime {
namespace {

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

TEST_F(KubeSourceTest, SpeakersAskForProxiedServicesOnly) {
  open({}, {api::Kind::service, api::Kind::endpoint_slice, api::Kind::node});
  EXPECT_NE(next().request.path.find("labelSelector=%21service.kubernetes.io%2Fservice-proxy-name"), std::string::npos);
  EXPECT_NE(next().request.path.find("labelSelector="), std::string::npos);
  EXPECT_EQ(next().request.path.find("labelSelector="), std::string::npos);
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
