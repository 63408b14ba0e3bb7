#include "proto/runtime/kubeconfig.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace fairlead::runtime {
namespace {

std::string config(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: two\ncontexts:\n- name: one\n  context: {cluster: other, user: other}\n"
         "- name: two\n  context: {cluster: lab, user: me, namespace: lb}\nclusters:\n- name: lab\n  cluster: " +
         cluster + "\nusers:\n- name: me\n  user: " + user + "\n";
}
const std::string kCluster = "{server: 'https://192.0.2.1:6443', certificate-authority-data: Q0E=}";

TEST(Kubeconfig, EmbeddedData) {
  const auto access = parse_kubeconfig(config(kCluster, "{client-certificate-data: Q1JU, client-key-data: S0VZ}"), "/etc");
  ASSERT_TRUE(access) << access.error().what;
  EXPECT_EQ(access->servers, (std::vector<ApiServer>{{"192.0.2.1", 6443, "", "192.0.2.1"}}));
  EXPECT_EQ(access->ca, (Pem{"CA", ""}));
  EXPECT_EQ(access->certificate, (Pem{"CRT", ""}));
  EXPECT_EQ(access->key, (Pem{"KEY", ""}));
  EXPECT_EQ(access->ns, "lb");
  EXPECT_EQ(access->token, "");
}

TEST(Kubeconfig, FilesAreBelowItsFolder) {
  const auto access = parse_kubeconfig(
      config("{server: 'https://api.example/k8s/', certificate-authority: pki/ca.crt, tls-server-name: k8s.example}",
             "{client-certificate: a.crt, client-key: /abs/a.key, tokenFile: token}"),
      "/etc/fairlead");
  ASSERT_TRUE(access) << access.error().what;
  EXPECT_EQ(access->servers, (std::vector<ApiServer>{{"api.example", 443, "/k8s", "k8s.example"}}));
  EXPECT_EQ(access->ca.file, "/etc/fairlead/pki/ca.crt");
  EXPECT_EQ(access->certificate.file, "/etc/fairlead/a.crt");
  EXPECT_EQ(access->key.file, "/abs/a.key");
  EXPECT_EQ(access->token_file, "/etc/fairlead/token");
}

TEST(Kubeconfig, JsonIsReadToo) {
  const auto access = parse_kubeconfig(
      R"({"current-context":"c","contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}],
          "clusters":[{"name":"k","cluster":{"server":"https://[2001:db8::1]:7443","certificate-authority-data":"Q0E="}}],
          "users":[{"name":"u","user":{"token":" abc.def \n"}}]})",
      ".");
  ASSERT_TRUE(access) << access.error().what;
  EXPECT_EQ(access->servers, (std::vector<ApiServer>{{"2001:db8::1", 7443, "", "2001:db8::1"}}));
  EXPECT_EQ(access->token, "abc.def");
}

TEST(Kubeconfig, WhatCannotBeUsedIsNamed) {
  const struct {
    std::string text;
    const char* names;
  } cases[] = {
      {"a: [", "line"},
      {"{}", "current-context"},
      {config("{server: 'http://192.0.2.1', certificate-authority-data: Q0E=}", "{}"), "https://"},
      {config("{server: 'https://', certificate-authority-data: Q0E=}", "{}"), ".server"},
      {config("{server: 'https://a:99999', certificate-authority-data: Q0E=}", "{}"), ".server"},
      {config("{server: 'https://a'}", "{}"), "certificate-authority"},
      {config("{server: 'https://a', insecure-skip-tls-verify: true}", "{}"), "insecure-skip-tls-verify"},
      {config("{server: 'https://a', certificate-authority-data: '*'}", "{}"), "base64"},
      {config(kCluster, "{client-certificate-data: Q1JU}"), "client-key"},
      {config(kCluster, "{exec: {command: x}}"), "exec"},
      {config(kCluster, "{token: \"a\\nEvil: 1\"}"), "token"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    const auto access = parse_kubeconfig(c.text, ".");
    ASSERT_FALSE(access);
    EXPECT_EQ(access.error().code, Errc::malformed);
    EXPECT_NE(access.error().what.find(c.names), std::string::npos) << access.error().what;
  }
}

TEST(ApiServers, Table) {
  const struct {
    const char* text;
    std::optional<ApiServer> want;
  } cases[] = {
      {"192.0.2.1:6443", ApiServer{"192.0.2.1", 6443, "", "kubernetes.default.svc"}},
      {"192.0.2.1", ApiServer{"192.0.2.1", 443, "", "kubernetes.default.svc"}},
      {"[2001:db8::1]:6443", ApiServer{"2001:db8::1", 6443, "", "kubernetes.default.svc"}},
      {"2001:db8::1", ApiServer{"2001:db8::1", 443, "", "kubernetes.default.svc"}},
      {"api.example:1", ApiServer{"api.example", 1, "", "kubernetes.default.svc"}},
      {"", std::nullopt},
      {"a:0", std::nullopt},
      {"a:65536", std::nullopt},
      {"a:6443x", std::nullopt},
      {"a b:1", std::nullopt},
      {"[192.0.2.1]:1", std::nullopt},
      {"[2001:db8::1]6443", std::nullopt},
      {"https://a:1", std::nullopt},
      {"a/b", std::nullopt},
  };
  for (const auto& c : cases) EXPECT_EQ(parse_api_server(c.text), c.want) << c.text;
  EXPECT_EQ((ApiServer{"2001:db8::1", 6443, "", ""}).str(), "[2001:db8::1]:6443");
}

TEST(InCluster, ReadsTheServiceAccountAndTheEnvironment) {
  char folder[] = "/tmp/fairlead-sa-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string dir = folder;
  EXPECT_EQ(in_cluster(dir, "10.96.0.1", "443").error().code, Errc::not_found);
  std::ofstream(dir + "/token") << "t\n";
  std::ofstream(dir + "/ca.crt") << "pem";
  std::ofstream(dir + "/namespace") << "lb\n";
  const auto access = in_cluster(dir, "fd00::1", "443");
  ASSERT_TRUE(access);
  EXPECT_EQ(access->servers, (std::vector<ApiServer>{{"fd00::1", 443, "", "kubernetes.default.svc"}}));
  EXPECT_EQ(access->ns, "lb");
  EXPECT_EQ(access->token_file, dir + "/token");
  EXPECT_TRUE(in_cluster(dir, "", "")->servers.empty());
  for (const char* file : {"/token", "/ca.crt", "/namespace"}) ::unlink((dir + file).c_str());
  ::rmdir(folder);
}

TEST(Base64, Table) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("TQ=="), "M");
  EXPECT_EQ(decode_base64("TWE="), "Ma");
  EXPECT_EQ(decode_base64("TWFu"), "Man");
  EXPECT_EQ(decode_base64("TW\nFu\n"), "Man");
  EXPECT_EQ(decode_base64("+/8="), "\xfb\xff");
  for (const char* bad : {"T", "TQ==T", "T*==", "TWFu===="}) EXPECT_FALSE(decode_base64(bad)) << bad;
}

}  // namespace
}  // namespace fairlead::runtime
