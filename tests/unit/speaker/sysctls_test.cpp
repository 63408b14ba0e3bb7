#include "speaker/link/sysctls.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace fairlead::speaker {
namespace {

namespace fs = std::filesystem;

class Sysctls : public testing::Test {
 protected:
  Sysctls() {
    std::string name = testing::TempDir() + "fairlead-sysctls-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    root_ = name;
    put("net/ipv4/ip_forward", "0\n");
  }
  ~Sysctls() override { fs::remove_all(root_); }

  void put(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::string get(const std::string& path) {
    std::ifstream in(root_ / path);
    std::string out;
    std::getline(in, out);
    return out;
  }

  fs::path root_;
  const Sysctl forward_{"net.ipv4.ip_forward", 1};
};

TEST_F(Sysctls, RaisesWhatIsLowerAndSaysSo) {
  const auto raised = raise_sysctl(forward_, root_);
  ASSERT_TRUE(raised.has_value());
  EXPECT_TRUE(*raised);
  EXPECT_EQ(get("net/ipv4/ip_forward"), "1");
  EXPECT_EQ(*read_sysctl(forward_, root_), 1);
  EXPECT_FALSE(*raise_sysctl(forward_, root_)) << "the second time nothing is written";
}

TEST_F(Sysctls, NeverLowers) {
  put("net/netfilter/nf_conntrack_max", "262144\n");
  const auto raised = raise_sysctl({"net.netfilter.nf_conntrack_max", 131072}, root_);
  ASSERT_TRUE(raised.has_value());
  EXPECT_FALSE(*raised);
  EXPECT_EQ(get("net/netfilter/nf_conntrack_max"), "262144");
}

TEST_F(Sysctls, WhatIsMissingIsNotFoundAndNotMade) {
  const Sysctl missing{"net.netfilter.nf_conntrack_max", 1};
  errno = EACCES;  // of somebody else, before
  const auto raised = raise_sysctl(missing, root_);
  ASSERT_FALSE(raised.has_value());
  EXPECT_EQ(raised.error().code, Errc::not_found);
  EXPECT_NE(raised.error().what.find("net.netfilter.nf_conntrack_max"), std::string::npos);
  EXPECT_FALSE(fs::exists(root_ / "net/netfilter"));
}

TEST_F(Sysctls, WhatIsNoNumberIsAnErrorOfItsOwn) {
  put("net/ipv4/ip_forward", "often\n");
  errno = EACCES;
  const auto got = read_sysctl(forward_, root_);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Errc::malformed) << got.error().what;
  EXPECT_EQ(get("net/ipv4/ip_forward"), "often");
}

TEST_F(Sysctls, WantedFollowTheCores) {
  const auto max = [](unsigned cores) {
    for (const Sysctl& s : wanted_sysctls(cores)) {
      if (s.name == "net.netfilter.nf_conntrack_max") return s.at_least;
    }
    return 0L;
  };
  EXPECT_EQ(max(0), 131072);
  EXPECT_EQ(max(1), 131072);
  EXPECT_EQ(max(4), 131072);
  EXPECT_EQ(max(8), 262144);
  for (const char* name : {"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"}) {
    bool forwards = false;
    for (const Sysctl& s : wanted_sysctls(1)) forwards = forwards || (s.name == name && s.at_least == 1);
    EXPECT_TRUE(forwards) << name;
  }
}

TEST_F(Sysctls, AKernelMayBeWithoutIpv6ButNotWithoutIpv4) {
  for (const Sysctl& s : wanted_sysctls(1)) EXPECT_EQ(s.may_be_absent, s.name.starts_with("net.ipv6.")) << s.name;
}

}  // namespace
}  // namespace fairlead::speaker
