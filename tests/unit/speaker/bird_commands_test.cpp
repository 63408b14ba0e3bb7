/// Every command that proto/bird can say, to a real BIRD, through BirdLink. Its configuration has no session and listens
/// nowhere, so it needs neither root nor a network.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "proto/bird/command.h"
#include "proto/bird/report.h"
#include "speaker/bgp/bird_files.h"
#include "speaker/bgp/bird_link.h"
#include "tests/support/fake_source.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;
using Outcome = bird::Configured::Outcome;
using test::run_until;

constexpr const char* kBird = "/usr/sbin/bird";

class BirdCommandsTest : public testing::Test {
 protected:
  BirdCommandsTest() : loop(*runtime::Loop::create()) {
    char name[] = "/tmp/fairlead-bird-XXXXXX";
    directory = ::mkdtemp(name);
  }
  ~BirdCommandsTest() override {
    end();
    std::filesystem::remove_all(directory);
  }

  void SetUp() override {
    if (::access(kBird, X_OK) != 0) GTEST_SKIP() << "needs the package bird2";
    write(1);
    const std::string file = main(), socket = directory + "/bird.sock";
    const char* arguments[] = {kBird, "-f", "-c", file.c_str(), "-s", socket.c_str(), nullptr};
    ASSERT_EQ(::posix_spawn(&pid, kBird, nullptr, nullptr, const_cast<char* const*>(arguments), environ), 0);
    link = std::make_unique<BirdLink>(*loop, BirdLink::Options{.socket = socket, .first_retry = 5ms, .longest_retry = 20ms},
                                      [this](LinkState s, const std::string&) { state = s; });
    link->open();
    ASSERT_TRUE(run_until(*loop, [&] { return link->is_ready(); }));
  }

  std::string main() const { return directory + "/bird.conf"; }
  /// So many routes, which are all exported by `flp_out` into another table.
  void write(int routes) const {
    std::string text = "log \"" + directory + "/log\" all;\nrouter id 192.0.2.1;\nipv4 table t;\nipv4 table u;\nprotocol static flp_in {\n  ipv4 { table t; };\n";
    for (int i = 0; i < routes; ++i) text += "  route 192.0.2." + std::to_string(i) + "/32 blackhole;\n";
    text += "}\nprotocol pipe flp_out {\n  table t;\n  peer table u;\n  import none;\n  export all;\n}\n";
    ASSERT_TRUE(BirdFiles::write(main(), text));
  }
  bird::Reply ask(const std::optional<bird::Command>& command) {
    std::optional<Result<bird::Reply>> heard;
    link->ask(command.value(), [&](Result<bird::Reply> r) { heard = std::move(r); });
    EXPECT_TRUE(run_until(*loop, [&] { return heard.has_value(); })) << command->text();
    if (!heard || !*heard) return {};
    return **heard;
  }
  Outcome outcome(const std::optional<bird::Command>& command) { return bird::parse_configured(ask(command)).outcome; }
  std::string info(const std::string& protocol) {
    const auto all = bird::parse_protocols(ask(bird::show_protocols(protocol)));
    return all.size() == 1 ? all[0].state : "not there";
  }
  /// A reconfiguration that has to take a protocol down goes on for a moment.
  std::optional<std::uint64_t> exported() {
    for (int i = 0; i < 100 && outcome(bird::configure_status()) != Outcome::done; ++i) test::run_turns(*loop, 1);
    return bird::parse_route_count(ask(bird::count_exported("flp_out")));
  }
  bool comes_to_export(std::uint64_t routes) {
    for (int i = 0; i < 500; ++i, test::run_turns(*loop, 10)) {
      if (exported() == routes) return true;
    }
    return false;
  }
  bool ended() {
    return run_until(*loop, [&] {
      if (pid > 0 && ::waitpid(pid, nullptr, WNOHANG) == pid) pid = -1;
      return pid == -1 && !link->is_ready();
    });
  }
  void end() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = -1;
  }

  std::unique_ptr<runtime::Loop> loop;
  std::string directory;
  pid_t pid = -1;
  std::unique_ptr<BirdLink> link;
  LinkState state = LinkState::closed;
};

TEST_F(BirdCommandsTest, Configurations) {
  EXPECT_EQ(exported(), 1U);
  EXPECT_EQ(outcome(bird::configure_check(main())), Outcome::valid);
  EXPECT_EQ(outcome(bird::configure_confirm()), Outcome::nothing);
  write(2);
  EXPECT_EQ(outcome(bird::configure(true)), Outcome::done);
  EXPECT_EQ(exported(), 2U);
  write(3);
  EXPECT_EQ(outcome(bird::configure(false)), Outcome::done);
  EXPECT_EQ(exported(), 3U);
  EXPECT_EQ(outcome(bird::configure_undo()), Outcome::done);
  EXPECT_EQ(exported(), 2U) << "the one before";
  // One that has to be confirmed, and is.
  write(4);
  EXPECT_EQ(outcome(bird::configure_timeout(1s)), Outcome::done);
  EXPECT_EQ(outcome(bird::configure_confirm()), Outcome::confirmed);
  // One that is not.
  write(5);
  EXPECT_EQ(outcome(bird::configure_timeout(1s)), Outcome::done);
  EXPECT_EQ(exported(), 5U);
  EXPECT_TRUE(comes_to_export(4)) << "undone by BIRD";
  EXPECT_EQ(state, LinkState::ready) << "what BIRD says of it is no answer";
  ASSERT_TRUE(BirdFiles::write(main(), "nonsense;\n"));
  for (const auto& command : {bird::configure(true), bird::configure(false), bird::configure_check(main()).value(), bird::configure_timeout(5s)}) {
    const auto refused = bird::parse_configured(ask(command));
    EXPECT_EQ(refused.outcome, Outcome::refused) << command.text();
    EXPECT_TRUE(refused.text.starts_with(main() + ":1:")) << refused.text;
  }
  EXPECT_EQ(exported(), 4U) << "the last good one runs on";
}

TEST_F(BirdCommandsTest, Protocols) {
  EXPECT_EQ(info("flp_in"), "up");
  EXPECT_TRUE(ask(bird::disable("flp_i*", "node drained")).is_ok());
  EXPECT_EQ(info("flp_in"), "down");
  EXPECT_EQ(exported(), 0U);
  EXPECT_TRUE(ask(bird::enable("flp_in")).is_ok());
  EXPECT_TRUE(comes_to_export(1));
  EXPECT_TRUE(ask(bird::restart("flp_in")).is_ok());
  EXPECT_TRUE(comes_to_export(1));
  EXPECT_TRUE(ask(bird::reload_out(link->version(), "flp_out")).is_ok());
  EXPECT_EQ(bird::parse_protocols(ask(bird::show_protocols_all("flp_*"))).size(), 2U);
  for (const auto& command : {bird::enable("nobody"), bird::disable("nobody", ""), bird::restart("nobody"), bird::reload_out(link->version(), "nobody"),
                              bird::show_protocols("nobody")}) {
    EXPECT_EQ(ask(command).code(), 8003) << command->text();
  }
  EXPECT_EQ(bird::parse_route_count(ask(bird::count_exported("nobody"))), std::nullopt);
  EXPECT_EQ(bird::parse_status(ask(bird::show_status())).value().router_id, "192.0.2.1");
  EXPECT_EQ(bird::parse_bfd_sessions(ask(bird::show_bfd_sessions())).support, bird::BfdReport::Support::not_configured);
}

TEST_F(BirdCommandsTest, Down) {
  EXPECT_EQ(outcome(bird::down()), Outcome::shutting_down);
  EXPECT_TRUE(ended());
}

TEST_F(BirdCommandsTest, GracefulRestart) {
  EXPECT_TRUE(ask(bird::graceful_restart()).is_ok());
  EXPECT_TRUE(ended());
}

}  // namespace
}  // namespace fairlead::speaker
