#include "controller/webhook/admission.h"

#include <gtest/gtest.h>

#include "proto/api/parse.h"
#include "proto/runtime/json.h"

namespace fairlead::controller::webhook {
namespace {

using api::Group;
using runtime::Json;

constexpr const char* kNs = "fairlead-system";

Json object(const std::string& kind, const std::string& name, Json spec, const std::string& ns = kNs, const std::string& version = "fairlead.io/v1") {
  return {{"apiVersion", version}, {"kind", kind}, {"metadata", {{"name", name}, {"namespace", ns}}}, {"spec", std::move(spec)}};
}
Json pool(const std::string& name, std::vector<std::string> addresses, const std::string& ns = kNs) {
  return object("IPAddressPool", name, {{"addresses", std::move(addresses)}}, ns);
}
Json peer(const std::string& name, Json more = Json::object()) {
  Json spec = {{"myASN", 64512}, {"peerASN", 64513}, {"peerAddress", "192.0.2.1"}};
  spec.update(more);
  return object("BGPPeer", name, spec);
}
Json profile(const std::string& name, const std::string& ns = kNs) { return object("BFDProfile", name, Json::object(), ns); }

api::ConfigSet known(const std::vector<Json>& objects, Group group = Group::fairlead) {
  api::ConfigSet out;
  for (const Json& one : objects) {
    const auto kind = api::kind_of(one["apiVersion"].get<std::string>(), one["kind"].get<std::string>(), group);
    auto parsed = api::parse(*kind, one, group);
    EXPECT_TRUE(std::holds_alternative<api::Object>(parsed)) << one << ": " << std::get<kube::FieldError>(parsed).what;
    out.add(std::get<api::Object>(std::move(parsed)));
  }
  return out;
}

Json asked(const std::string& operation, const Json& now, const Json& before = nullptr) {
  const Json& one = now.is_null() ? before : now;
  const std::string version = one["apiVersion"];
  const std::size_t slash = version.find('/');
  const Json kind = {{"group", version.substr(0, slash)}, {"version", version.substr(slash + 1)}, {"kind", one["kind"]}};
  return {{"apiVersion", "admission.k8s.io/v1"},
          {"kind", "AdmissionReview"},
          {"request",
           {{"uid", "u-1"}, {"kind", kind}, {"requestKind", kind}, {"operation", operation}, {"name", one["metadata"]["name"]},
            {"namespace", one["metadata"]["namespace"]}, {"object", now}, {"oldObject", before}}}};
}

const Judging kOurs{api::Rules::of(Group::fairlead), ""};
const Judging kMetallb{api::Rules::of(Group::metallb), "metallb-system"};

Review ask(const std::string& operation, const Json& now, const Json& before = nullptr, const api::ConfigSet& set = {}, const Judging& how = kOurs) {
  Review out = review(asked(operation, now, before).dump(), set, how);
  EXPECT_EQ(out.status, 200U);
  const Json answer = Json::parse(out.body);
  EXPECT_EQ(answer["apiVersion"], "admission.k8s.io/v1");
  EXPECT_EQ(answer["kind"], "AdmissionReview");
  EXPECT_EQ(answer["response"]["uid"], "u-1");
  EXPECT_EQ(answer["response"]["allowed"], out.verdict == Verdict::allowed);
  EXPECT_EQ(out.reasons.empty(), out.verdict == Verdict::allowed);
  return out;
}
using Lines = std::vector<std::string>;

TEST(Admission, AGoodObjectIsAllowedAndTheAnswerSaysNothingMore) {
  const Review out = ask("CREATE", pool("lan", {"192.0.2.0/28"}));
  EXPECT_EQ(Json::parse(out.body)["response"], Json({{"uid", "u-1"}, {"allowed", true}}));
  EXPECT_EQ(out.kind, "IPAddressPool");
  EXPECT_EQ(out.object, "IPAddressPool fairlead-system/lan");
}

TEST(Admission, WhatCannotBeReadIsRefusedByItsField) {
  const Review out = ask("CREATE", pool("lan", {"192.0.2.0/28", "192.0.2.9"}));
  ASSERT_EQ(out.reasons.size(), 1U);
  EXPECT_TRUE(out.reasons[0].starts_with("IPAddressPool fairlead-system/lan: spec.addresses[1]: invalid_field: ")) << out.reasons[0];
  const Json response = Json::parse(out.body)["response"];
  EXPECT_EQ(response["status"]["message"], out.reasons[0]);
  EXPECT_EQ(response["status"]["code"], 422);
  EXPECT_EQ(ask("CREATE", object("IPAddressPool", "lan", nullptr)).verdict, Verdict::refused);
}

TEST(Admission, AConflictIsToldOnceAndOfTheObjectInHand) {
  const auto set = known({pool("a", {"192.0.2.0/28"})});
  EXPECT_EQ(ask("CREATE", pool("b", {"192.0.2.8-192.0.2.20"}), nullptr, set).reasons,
            Lines{"IPAddressPool fairlead-system/b: spec.addresses[0]: pool_overlap: 192.0.2.8-192.0.2.20 overlaps 192.0.2.0-192.0.2.15 "
                  "(IPAddressPool fairlead-system/a spec.addresses[0]): an address is in one place only"});
  // Names mean one object in whatever namespace, and the one that comes is the one that is in the way.
  EXPECT_EQ(ask("CREATE", pool("a", {"198.51.100.0/28"}, "zoo"), nullptr, set).reasons,
            Lines{"IPAddressPool zoo/a: metadata.name: duplicate_name: is the name of IPAddressPool fairlead-system/a as well: give one of the two another name"});
  EXPECT_EQ(ask("CREATE", pool("a", {"198.51.100.0/28"}, "aaa"), nullptr, set).reasons.size(), 1U);
}

TEST(Admission, AnObjectIsNotInItsOwnWay) {
  const auto set = known({pool("a", {"192.0.2.0/28"})});
  EXPECT_EQ(ask("UPDATE", pool("a", {"192.0.2.0/27"}), pool("a", {"192.0.2.0/28"}), set).reasons, Lines{});
  // The watch may be behind: what it shows of a deleted object of that name does not count, nor an older version.
  EXPECT_EQ(ask("CREATE", pool("a", {"192.0.2.8/29"}), nullptr, set).reasons, Lines{});
}

TEST(Admission, WhatIsBrokenAlreadyBlocksNoEditOfOthersNorItsOwn) {
  const Json a = pool("a", {"192.0.2.0/28"}), b = pool("b", {"192.0.2.8/29", "198.51.100.0/28"});
  const auto set = known({a, b, pool("c", {"203.0.113.0/28"})});
  EXPECT_EQ(ask("UPDATE", pool("c", {"203.0.113.0/27"}), pool("c", {"203.0.113.0/28"}), set).reasons, Lines{});
  Json labelled = b;
  labelled["metadata"]["labels"] = {{"x", "y"}};
  EXPECT_EQ(ask("UPDATE", labelled, b, set).reasons, Lines{});
  // An entry before it moves it to another index, which is no news.
  EXPECT_EQ(ask("UPDATE", pool("b", {"198.51.100.128/28", "192.0.2.8/29", "198.51.100.0/28"}), b, set).reasons, Lines{});
  // Mended:
  EXPECT_EQ(ask("UPDATE", pool("b", {"198.51.100.0/28"}), b, set).reasons, Lines{});
  // A second fault of the same kind is news, and so is another.
  EXPECT_EQ(ask("UPDATE", pool("b", {"192.0.2.8/29", "192.0.2.0/30"}), b, set).reasons.size(), 1U);
  EXPECT_EQ(ask("UPDATE", pool("b", {"192.0.2.8/29", "203.0.113.4/30"}), b, set).reasons.size(), 1U);
}

TEST(Admission, WhatCouldNotBeReadBeforeMayBeLabelledButNotMadeWorse) {
  const Json old = pool("a", {"nonsense"});
  Json labelled = old;
  labelled["metadata"]["labels"] = {{"x", "y"}};
  EXPECT_EQ(ask("UPDATE", labelled, old).reasons, Lines{});
  EXPECT_EQ(ask("UPDATE", pool("a", {"other nonsense"}), old).reasons.size(), 1U);
  EXPECT_EQ(ask("UPDATE", pool("a", {"192.0.2.0/28"}), old).reasons, Lines{});
  const auto set = known({pool("b", {"192.0.2.0/28"})});
  EXPECT_EQ(ask("UPDATE", pool("a", {"192.0.2.0/28"}), old, set).reasons.size(), 1U) << "mended into a conflict";
}

TEST(Admission, WhatIsGoingMayLoseItsFinalizers) {
  Json going = pool("a", {"nonsense", "x"});
  going["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z";
  EXPECT_EQ(ask("UPDATE", going, pool("a", {"192.0.2.0/28"})).reasons, Lines{});
}

TEST(Admission, ReferencesMayComeLater) {
  const Json community = object("BGPAdvertisement", "ad", {{"ipAddressPools", {"later"}}, {"peers", {"later"}}, {"communities", {"alias"}}});
  EXPECT_EQ(ask("CREATE", community).reasons, Lines{});
  EXPECT_EQ(ask("CREATE", community).warnings, Lines{});
  EXPECT_EQ(ask("CREATE", peer("tor", {{"bfdProfile", "later"}, {"passwordSecret", {{"name", "later"}}}})).reasons, Lines{});
  // A Secret of the wrong type may be replaced later just as well.
  api::ConfigSet set;
  kube::Secret& secret = set.secrets.emplace_back();
  secret.meta.ns = kNs;
  secret.meta.name = "pw";
  secret.type = "Opaque";
  EXPECT_EQ(ask("CREATE", peer("tor", {{"passwordSecret", {{"name", "pw"}}}}), nullptr, set).reasons, Lines{});
  // What is wrong in itself is not a reference.
  EXPECT_EQ(ask("CREATE", peer("tor", {{"password", "p"}, {"passwordSecret", {{"name", "pw"}}}})).reasons,
            Lines{"BGPPeer fairlead-system/tor: spec.passwordSecret: password_choice: is there beside spec.password: leave one of the two out"});
  EXPECT_EQ(ask("CREATE", object("BGPAdvertisement", "ad", {{"communities", {"1:99999"}}})).reasons.size(), 1U);
}

TEST(Admission, OnlyAProfileThatAPeerNamesIsKeptFromDeletion) {
  const auto set = known({pool("a", {"192.0.2.0/28"}), profile("fast"), peer("tor", {{"bfdProfile", "fast"}})});
  EXPECT_EQ(ask("DELETE", nullptr, profile("fast"), set).reasons,
            Lines{"BFDProfile fairlead-system/fast: no_such_bfd_profile: BGPPeer fairlead-system/tor names it in spec.bfdProfile: change or delete that one first"});
  EXPECT_EQ(ask("DELETE", nullptr, profile("slow"), set).reasons, Lines{});
  EXPECT_EQ(ask("DELETE", nullptr, peer("tor"), set).reasons, Lines{});
  EXPECT_EQ(ask("DELETE", nullptr, pool("a", {"192.0.2.0/28"}), set).reasons, Lines{});
  const auto twice = known({profile("fast"), profile("fast", "other"), peer("tor", {{"bfdProfile", "fast"}})});
  EXPECT_EQ(ask("DELETE", nullptr, profile("fast", "other"), twice).reasons, Lines{}) << "the other one stays";
}

TEST(Admission, MetallbsObjectsAreMadeInItsNamespace) {
  const auto there = [](const std::string& ns) { return object("IPAddressPool", "lan", {{"addresses", {"192.0.2.0/28"}}}, ns, "metallb.io/v1beta1"); };
  EXPECT_EQ(ask("CREATE", there("metallb-system"), nullptr, {}, kMetallb).reasons, Lines{});
  EXPECT_EQ(ask("CREATE", there("default"), nullptr, {}, kMetallb).reasons,
            Lines{"IPAddressPool default/lan: metadata.namespace: wrong_namespace: only objects in namespace metallb-system are read: create it there"});
  EXPECT_EQ(ask("UPDATE", there("default"), there("default"), {}, kMetallb).reasons, Lines{});
  EXPECT_EQ(ask("DELETE", nullptr, there("default"), {}, kMetallb).reasons, Lines{});
}

TEST(Admission, WarningsAreAdmissionWarnings) {
  const Review out = ask("CREATE", peer("tor", {{"disableMP", true}}));
  EXPECT_EQ(out.verdict, Verdict::allowed);
  ASSERT_EQ(out.warnings.size(), 1U);
  EXPECT_TRUE(out.warnings[0].starts_with("BGPPeer fairlead-system/tor: spec.disableMP: deprecated: ")) << out.warnings[0];
  EXPECT_EQ(Json::parse(out.body)["response"]["warnings"], Json(out.warnings));
  const Json old = object("BGPPeer", "tor", {{"myASN", 64512}, {"peerASN", 64513}, {"peerAddress", "192.0.2.1"}, {"peerPort", 179}}, "metallb-system", "metallb.io/v1beta1");
  EXPECT_EQ(ask("CREATE", old, nullptr, {}, kMetallb).warnings, Lines{"BGPPeer metallb-system/tor: apiVersion: deprecated: v1beta1 of BGPPeer is old: v1beta2 has more fields"});
  // Converted for us on the way; the user wrote the old one.
  Json converted = asked("CREATE", object("BGPPeer", "tor", old["spec"], "metallb-system", "metallb.io/v1beta2"));
  converted["request"]["requestKind"]["version"] = "v1beta1";
  EXPECT_EQ(review(converted.dump(), {}, kMetallb).warnings.size(), 1U);
  EXPECT_EQ(ask("CREATE", peer("tor")).warnings, Lines{});
}

TEST(Admission, LongWarningsAndManyReasonsAreCut) {
  const std::string name(253, 'n');
  const Review out = ask("CREATE", peer(name, {{"disableMP", true}}));
  EXPECT_EQ(Json::parse(out.body)["response"]["warnings"][0].get<std::string>().size(), 256U);
  std::vector<std::string> addresses;
  for (int i = 0; i < 20; ++i) addresses.push_back("192.0.2.0/28");
  const Review many = ask("CREATE", pool("a", addresses));
  EXPECT_EQ(many.reasons.size(), 19U);
  EXPECT_TRUE(Json::parse(many.body)["response"]["status"]["message"].get<std::string>().ends_with("\nand 9 more"));
}

TEST(Admission, WhatIsNotOursIsAllowed) {
  for (const Json& other : {object("IPAddressPool", "lan", {{"addresses", {"x"}}}, kNs, "metallb.io/v1beta1"), object("Service", "web", Json::object(), kNs, "v1"),
                            object("ConfigurationState", "controller", Json::object()), object("IPAddressPool", "lan", Json::object(), kNs, "fairlead.io/v9")}) {
    const Review out = ask("CREATE", other);
    EXPECT_EQ(out.verdict, Verdict::allowed) << other;
    EXPECT_EQ(out.kind, "");
  }
  EXPECT_EQ(ask("CREATE", pool("lan", {"x"}), nullptr, {}, kMetallb).verdict, Verdict::allowed);
  Json status = asked("UPDATE", pool("lan", {"x"}), pool("lan", {"192.0.2.0/28"}));
  status["request"]["subResource"] = "status";
  EXPECT_EQ(review(status.dump(), {}, kOurs).verdict, Verdict::allowed);
  EXPECT_EQ(ask("CONNECT", pool("lan", {"x"})).verdict, Verdict::allowed);
}

TEST(Admission, ANameThatIsYetToBeMadeIsNoFault) {
  Json made = asked("CREATE", pool("lan", {"192.0.2.0/28"}));
  made["request"].erase("name");
  made["request"]["object"]["metadata"] = {{"generateName", "lan-"}};
  EXPECT_EQ(review(made.dump(), {}, kOurs).reasons, Lines{});
}

TEST(Admission, WhatIsNoReviewIsABadRequest) {
  Json no_uid = asked("CREATE", pool("lan", {"192.0.2.0/28"}));
  no_uid["request"].erase("uid");
  Json old = asked("CREATE", pool("lan", {"192.0.2.0/28"}));
  old["apiVersion"] = "admission.k8s.io/v1beta1";
  for (const std::string& body : {std::string(), std::string("hello"), std::string("[]"), std::string("{}"), std::string("null"), std::string(200'000, '['),
                                  std::string("{\"apiVersion\": \"admission.k8s.io/v1\", \"kind\": \"AdmissionReview\"}"), no_uid.dump(), old.dump()}) {
    const Review out = review(body, {}, kOurs);
    EXPECT_EQ(out.status, 400U) << body.substr(0, 60);
    EXPECT_EQ(out.verdict, Verdict::unreadable);
    EXPECT_EQ(out.body, out.reasons.at(0) + "\n");
  }
}

}  // namespace
}  // namespace fairlead::controller::webhook
