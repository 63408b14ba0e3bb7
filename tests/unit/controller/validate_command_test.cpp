/// What is around the rules: which objects are read and which count, lines, files, codes, JSON. The rules themselves:
/// tests/unit/proto/validate_test.cpp.
#include "controller/ctl/validate_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "proto/api/known_fields.h"
#include "tests/support/config_text.h"

namespace fairlead::ctl {
namespace {

namespace fs = std::filesystem;
using test::bgp;
using test::document;
using test::pool;
using test::report;
using test::said;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr api::Rules kOurs{api::Group::fairlead, api::BgpType::bird};
const std::string kPool = "spec: {addresses: [192.0.2.0/24]}";

std::string in_namespace(const std::string& name, const std::string& ns, const std::string& spec = kPool) {
  return document("metallb.io/v1beta1", "IPAddressPool", name, spec, ns.empty() ? "" : "namespace: " + ns);
}

TEST(ConfigReader, OnlyMetallbsNamespaceCounts) {
  const std::string other = "spec: {addresses: [198.51.100.0/24]}";
  const api::Rules rules = api::Rules::of(api::Group::metallb);
  EXPECT_THAT(said(report(in_namespace("a", "metallb-system") + in_namespace("b", "default", other))), ElementsAre("b metadata.namespace wrong_namespace"));
  EXPECT_THAT(said(report(in_namespace("a", "lb"))), ElementsAre("a metadata.namespace wrong_namespace")) << "the controller would not read it";
  EXPECT_THAT(said(report(in_namespace("a", "lb") + in_namespace("b", "lb", other), rules, "lb")), IsEmpty());
  EXPECT_THAT(said(report(in_namespace("a", "lb") + in_namespace("b", "", other), rules, "lb")), IsEmpty());
  EXPECT_THAT(said(report(in_namespace("a", "lb") + in_namespace("b", "", other), rules, "metallb")), ElementsAre("a metadata.namespace wrong_namespace"));
  // What does not count is in nobody's way.
  EXPECT_THAT(said(report(in_namespace("a", "metallb-system") + in_namespace("b", "default"))), ElementsAre("b metadata.namespace wrong_namespace"));
}

TEST(ConfigReader, OurOwnObjectsMayBeAnywhereUntilANamespaceIsSaid) {
  const std::string text = document("fairlead.io/v1", "IPAddressPool", "a", kPool, "namespace: x") +
                           document("fairlead.io/v1", "IPAddressPool", "b", "spec: {addresses: [198.51.100.0/24]}", "namespace: y");
  EXPECT_THAT(said(report(text, kOurs)), IsEmpty());
  EXPECT_THAT(said(report(text, kOurs, "x")), ElementsAre("b metadata.namespace wrong_namespace"));
}

TEST(ConfigReader, ANameIsOneObjectWhateverItsNamespace) {
  const std::string text = document("fairlead.io/v1", "IPAddressPool", "a", kPool, "namespace: x") +
                           document("fairlead.io/v1", "IPAddressPool", "a", "spec: {addresses: [198.51.100.0/24]}", "namespace: y");
  EXPECT_THAT(said(report(text, kOurs)), ElementsAre("a metadata.name duplicate_name"));
}

TEST(ConfigReader, ALineIsThatOfTheField) {
  const Report found = report("# first\n---\napiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata:\n  name: a\nspec:\n  addresses:\n  - 192.0.2.0/24\n  - nonsense\n");
  ASSERT_EQ(found.findings.size(), 1U);
  EXPECT_EQ(found.findings[0].line, 10);
  EXPECT_THAT(found.findings[0].str(), testing::StartsWith("IPAddressPool metallb-system/a: spec.addresses[1]: invalid_field: "));
  EXPECT_THAT(found.findings[0].str(), testing::EndsWith(" [test.yaml:10]"));
}

TEST(ConfigReader, WhatIsBeforeABrokenDocumentCounts) {
  EXPECT_THAT(said(report(pool("a", "{addresses: [x]}") + "---\nb: [\n")), ElementsAre("  invalid_yaml", "a spec.addresses[0] invalid_field"));
}

TEST(ConfigReader, ListsAndJson) {
  ConfigReader reader(api::Rules::of(api::Group::metallb), "");
  reader.read("x.json", R"({"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "a"}, "spec": {"addresses": ["192.0.2.0/24"]}},
    {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "b"}, "spec": {"addresses": ["192.0.2.7"]}}]})",
              runtime::Format::json);
  const Report found = std::move(reader).finish();
  EXPECT_EQ(found.objects, 2U);
  EXPECT_THAT(said(found), ElementsAre("b spec.addresses[0] invalid_field"));
  EXPECT_EQ(found.findings[0].line, 3);
}

TEST(ConfigReader, AFieldThatIsNearlyOneIsNamed) {
  const Report found = report(test::l2("a", "{nodeSelector: [], ippools: []}"));
  ASSERT_EQ(found.findings.size(), 2U);
  EXPECT_THAT(found.findings[0].str() + found.findings[1].str(), HasSubstr("means nothing: nodeSelectors does"));
  EXPECT_THAT(found.findings[0].str() + found.findings[1].str(), HasSubstr("spec.ippools: unknown_field: means nothing here"));
}

TEST(ConfigReader, ListsOfAKind) {
  ConfigReader reader(api::Rules::of(api::Group::metallb), "");
  reader.read("lists.yaml", R"(
apiVersion: metallb.io/v1beta2
kind: BGPPeerList
items:
- metadata: {name: tor}
  spec: {myASN: 1, peerASN: 2, peerAddress: 10.0.0.1, passwordSecret: {name: s}}
- apiVersion: metallb.io/v1beta2
  kind: BGPPeer
  metadata: {name: other}
  spec: {myASN: 0, peerASN: 2, peerAddress: 10.0.0.2}
---
apiVersion: v1
kind: SecretList
items:
- metadata: {name: s}
  type: Opaque
)", runtime::Format::yaml);
  const Report found = std::move(reader).finish();
  EXPECT_EQ(found.objects, 3U);
  EXPECT_THAT(said(found), testing::UnorderedElementsAre("tor spec.passwordSecret secret_type", "other spec.myASN no_local_asn", "tor spec.myASN local_asn_conflict",
                                                         "other spec.myASN local_asn_conflict"));
}

TEST(ConfigReader, OfTwoWithOneNameTheLineIsThatOfTheWrongOne) {
  const auto peer = [](const char* asn) {
    return document("metallb.io/v1beta2", "BGPPeer", "a", std::string("spec:\n  peerASN: 7\n  peerAddress: 10.0.0.1\n  myASN: ") + asn);
  };
  const Report found = report(peer("0") + peer("7"));
  EXPECT_THAT(said(found), ElementsAre("a metadata.name duplicate_name", "a spec.myASN no_local_asn"));
  EXPECT_EQ(found.findings[0].field, "spec.myASN") << "of the first of the two";
}

TEST(ConfigReader, AFindingIsOneLineWhateverTheFileHolds) {
  const Report found = report(pool("a", "{addresses: [\"x\\n\\e[31my\"]}"));
  ASSERT_EQ(found.findings.size(), 1U);
  EXPECT_THAT(found.findings[0].str(), testing::HasSubstr("x\\n\\x1b[31my"));
}

/// Each of a thousand differs from all others: a sentence for each, not one for each pair.
TEST(ConfigReader, ManyConflictsAreToldOnceForEachObject) {
  std::string text;
  for (int i = 1; i <= 1000; ++i) {
    const std::string n = std::to_string(i);
    text += document("metallb.io/v1beta2", "BGPPeer", "p" + n, "spec: {peerASN: 7, peerAddress: 10.0.0.1, myASN: " + n + "}") +
            bgp("a" + n, "{localPref: " + n + "}");
  }
  text += pool("p", "{addresses: [192.0.2.0/24]}");
  EXPECT_EQ(report(text).findings.size(), 3000U);  // peer_conflict, local_asn_conflict and local_pref_conflict of each
}

TEST(KnownFields, TheSchemaAndTheParserKnowTheSame) {
  const std::pair<api::Kind, const char*> kinds[] = {
      {api::Kind::ip_address_pool, "ipaddresspools"}, {api::Kind::l2_advertisement, "l2advertisements"}, {api::Kind::bgp_advertisement, "bgpadvertisements"},
      {api::Kind::bgp_peer, "bgppeers"},              {api::Kind::bfd_profile, "bfdprofiles"},           {api::Kind::community, "communities"}};
  for (const auto& [kind, plural] : kinds) {
    std::ifstream in(std::string(FAIRLEAD_SOURCE_DIR "/helm/fairlead/crds/") + plural + ".yaml");
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    std::vector<std::string> schema;
    const auto error = runtime::read_objects(text, runtime::Format::yaml, [&](const runtime::Json& crd, const runtime::Place&) {
      const auto& spec = crd.at("spec").at("versions").at(0).at("schema").at("openAPIV3Schema").at("properties").at("spec");
      for (const auto& [name, value] : spec.at("properties").items()) schema.push_back(name);
    });
    EXPECT_FALSE(error) << plural;
    const auto known = api::known_fields(kind, api::Group::fairlead);
    EXPECT_THAT(schema, testing::UnorderedElementsAreArray(std::vector<std::string>(known.begin(), known.end()))) << plural;
  }
}

class ValidateCommand : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "fairlead-validate-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
    flags_.rules = api::Rules::of(api::Group::metallb);
    flags_.paths = {dir_.string()};
  }
  void TearDown() override { fs::remove_all(dir_); }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name) << text;
  }
  int run() {
    out_.str("");
    err_.str("");
    return run_validate(flags_, out_, err_);
  }

  fs::path dir_;
  ValidateFlags flags_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(ValidateCommand, Codes) {
  EXPECT_EQ(run(), kNoFault);  // an empty folder
  write("a.yaml", pool("a", "{addresses: [192.0.2.0/24]}"));
  EXPECT_EQ(run(), kNoFault);
  EXPECT_EQ(out_.str() + err_.str(), "");
  write("b.yaml", pool("b", "{addresses: [198.51.100.0/24], colour: red}"));
  EXPECT_EQ(run(), kNoFault);
  EXPECT_THAT(out_.str(), HasSubstr("warning: IPAddressPool metallb-system/b: spec.colour: unknown_field: "));
  write("b.yaml", pool("b", "{addresses: [192.0.2.9/32]}"));
  EXPECT_EQ(run(), kFaults);
  write("b.yaml", test::peer("t", ", bfdProfile: gone"));
  EXPECT_EQ(run(), kFaults);
  write("b.yaml", "a: [\n");
  EXPECT_EQ(run(), kFaults);
  EXPECT_THAT(out_.str(), HasSubstr("b.yaml:"));
  EXPECT_THAT(out_.str(), HasSubstr(": invalid_yaml: "));
  flags_.paths.push_back((dir_ / "nowhere").string());
  EXPECT_EQ(run(), kUnreadable);
  EXPECT_THAT(err_.str(), HasSubstr("nowhere"));
}

TEST_F(ValidateCommand, AFolderIsOneWorld) {
  write("deep/down/pool.yml", pool("a", "{addresses: [192.0.2.0/24]}"));
  write("peer.json", R"({"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": {"name": "t", "namespace": "metallb-system"},
                         "spec": {"myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "passwordSecret": {"name": "s"}}})");
  EXPECT_EQ(run(), kFaults);
  write("secret.yaml", test::secret("s", "type: kubernetes.io/basic-auth\nstringData: {password: x}"));
  EXPECT_EQ(run(), kNoFault);
  write("deep/other.yaml", pool("b", "{addresses: [192.0.2.0/25]}"));
  EXPECT_EQ(run(), kFaults);
}

TEST_F(ValidateCommand, OtherFilesAreLeftOut) {
  write("notes.txt", "a: [\n");
  write(".hidden.yaml", "a: [\n");
  write(".status/Service/a/b.yaml", "a: [\n");
  EXPECT_EQ(run(), kNoFault);
  // A file that is named is read, whatever its name.
  flags_.paths = {(dir_ / "notes.txt").string()};
  EXPECT_EQ(run(), kFaults);
  write("notes.txt", R"({"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "a"}, "spec": {"addresses": []}})");
  EXPECT_EQ(run(), kFaults);
  EXPECT_THAT(out_.str(), HasSubstr("spec.addresses: invalid_field"));
}

TEST_F(ValidateCommand, APipeInAFolderIsNotWaitedFor) {
  ASSERT_EQ(mkfifo((dir_ / "pipe.yaml").c_str(), 0600), 0);
  EXPECT_EQ(run(), kUnreadable);
  EXPECT_THAT(err_.str(), HasSubstr("pipe.yaml: is no regular file"));
}

TEST_F(ValidateCommand, WhatCannotBeWrittenIsNoSuccess) {
  write("a.yaml", pool("b", "{addresses: [192.0.2.9]}"));
  out_.setstate(std::ios::badbit);
  EXPECT_EQ(run_validate(flags_, out_, err_), kUnreadable);
  EXPECT_THAT(err_.str(), HasSubstr("the output cannot be written"));
}

TEST_F(ValidateCommand, Json) {
  flags_.is_json = true;
  write("a.yaml", pool("a", "{addresses: [192.0.2.0/24], colour: red}") + pool("b", "{addresses: [192.0.2.9/32]}"));
  EXPECT_EQ(run(), kFaults);
  const auto all = runtime::Json::parse(out_.str());
  ASSERT_EQ(all.at("faults").size(), 2U);
  ASSERT_EQ(all.at("warnings").size(), 1U);
  const auto& fault = all.at("faults").at(1);
  EXPECT_EQ(fault.at("object"), "IPAddressPool metallb-system/b");
  EXPECT_EQ(fault.at("kind"), "IPAddressPool");
  EXPECT_EQ(fault.at("namespace"), "metallb-system");
  EXPECT_EQ(fault.at("name"), "b");
  EXPECT_EQ(fault.at("field"), "spec.addresses[0]");
  EXPECT_EQ(fault.at("rule"), "pool_overlap");
  EXPECT_EQ(fault.at("severity"), "error");
  EXPECT_EQ(fault.at("file"), (dir_ / "a.yaml").string());
  EXPECT_EQ(fault.at("line"), 10);
  EXPECT_EQ(fault.at("related").at(0), "IPAddressPool metallb-system/a");
  write("a.yaml", "");
  EXPECT_EQ(run(), kNoFault);
  EXPECT_EQ(runtime::Json::parse(out_.str()), runtime::Json::parse(R"({"faults": [], "warnings": []})"));
}

TEST_F(ValidateCommand, UsualConfigurationsAreAccepted) {
  for (const auto& entry : fs::directory_iterator(FAIRLEAD_SOURCE_DIR "/tests/unit/controller/samples")) {
    flags_.paths = {entry.path().string()};
    EXPECT_EQ(run(), kNoFault) << entry.path() << "\n" << out_.str();
    EXPECT_EQ(out_.str().find("warning"), std::string::npos) << out_.str();
    std::ifstream in(entry.path());
    EXPECT_NE(in.peek(), std::ifstream::traits_type::eof()) << entry.path();
  }
}

}  // namespace
}  // namespace fairlead::ctl
