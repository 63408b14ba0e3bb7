/// BirdLink and BirdDriver against a BIRD that misbehaves. The real one is in tests/lab.
#include "speaker/bgp/bird_driver.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "proto/bird/symbol.h"
#include "tests/support/fake_bird.h"
#include "tests/support/fake_source.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;
using test::FakeBird;
using test::run_until;

class BirdTest : public testing::Test {
 protected:
  BirdTest() : loop(*runtime::Loop::create()) {
    char name[] = "/tmp/fairlead-bird-XXXXXX";
    directory = ::mkdtemp(name);
  }
  ~BirdTest() override { std::filesystem::remove_all(directory); }

  std::string socket() const { return directory + "/bird.sock"; }
  FakeBird& bird() {
    if (!bird_) {
      bird_ = std::make_unique<FakeBird>(*loop, socket());
      bird_->main = directory + "/bird.conf";
    }
    return *bird_;
  }

  std::unique_ptr<runtime::Loop> loop;
  std::string directory;
  std::unique_ptr<FakeBird> bird_;
};

class BirdLinkTest : public BirdTest {
 protected:
  BirdLink& link() {
    if (!link_) {
      link_ = std::make_unique<BirdLink>(
          *loop, BirdLink::Options{.socket = socket(), .deadline = 100ms, .first_retry = 5ms, .longest_retry = 20ms},
          [this](LinkState state, const std::string&) { states.push_back(std::string(name(state))); });
      link_->open();
    }
    return *link_;
  }
  bool reaches(LinkState state) {
    link();
    return run_until(*loop, [&] { return link_->state() == state; });
  }
  std::vector<std::string> states;
  std::unique_ptr<BirdLink> link_;
};

TEST_F(BirdLinkTest, WhatKeepsItFromWorkingHasAName) {
  EXPECT_TRUE(reaches(LinkState::no_socket));
  bird();
  EXPECT_TRUE(reaches(LinkState::ready));
  EXPECT_EQ(link().version(), (bird::Version{2, 0, 12}));
  bird().stop();
  EXPECT_TRUE(reaches(LinkState::refused));
  bird().greeting = "0001 BIRD 1.6.8 ready.\n";
  bird().start();
  EXPECT_TRUE(reaches(LinkState::too_old));
  bird().greeting = "HTTP/1.1 400 Bad Request\r\n";
  EXPECT_TRUE(reaches(LinkState::garbage));
  bird().greeting = "";
  EXPECT_TRUE(reaches(LinkState::greeting_missing));
  bird().greeting = "0001 BIRD 3.0.1 ready.\n";
  EXPECT_TRUE(reaches(LinkState::ready));
  EXPECT_EQ(states, (std::vector<std::string>{"no_socket", "ready", "closed", "refused", "too_old", "garbage", "greeting_missing", "ready"}))
      << "told once for each change";
}

TEST_F(BirdLinkTest, OneCommandInFlight) {
  bird().sends_octet_by_octet = true;
  ASSERT_TRUE(reaches(LinkState::ready));
  std::vector<std::string> heard;
  for (int i = 0; i < 20; ++i) {
    link().ask(i % 2 == 0 ? bird::show_status() : bird::configure_status(),
               [&](Result<bird::Reply> r) { heard.push_back(r ? r->lines.front().text : r.error().what); });
  }
  ASSERT_TRUE(run_until(*loop, [&] { return heard.size() == 20; }));
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(heard[i], i % 2 == 0 ? "BIRD 2.0.12" : "Daemon is up and running");
  EXPECT_LE(bird().longest_backlog, bird::configure_status().line().size());
}

TEST_F(BirdLinkTest, AHungOneIsLeftAndEverybodyIsTold) {
  ASSERT_TRUE((bird(), reaches(LinkState::ready)));
  bird().answer = [](const std::string&) { return "1000-BIRD\n"; };  // never ends
  int lost = 0;
  for (int i = 0; i < 3; ++i) link().ask(bird::show_status(), [&](Result<bird::Reply> r) { lost += !r && r.error().code == Errc::unavailable; });
  EXPECT_TRUE(run_until(*loop, [&] { return lost == 3; }));
  EXPECT_EQ(states.back(), "hung");
  bird().answer = [this](const std::string& c) { return bird().usual(c); };
  EXPECT_TRUE(reaches(LinkState::ready));
}

TEST_F(BirdLinkTest, GarbageAndFloods) {
  for (const std::string& bad : {std::string("nonsense\n"), std::string(" continuation\n"), std::string(100'000, 'x'),
                                 std::string("0000 \n0000 \n")}) {
    ASSERT_TRUE((bird(), reaches(LinkState::ready)));
    states.clear();
    bird().answer = [&](const std::string&) { return bad; };
    bool is_told = false;
    link().ask(bird::show_status(), [&](const Result<bird::Reply>&) { is_told = true; });
    EXPECT_TRUE(run_until(*loop, [&] { return is_told && !states.empty(); }));
    EXPECT_EQ(states.front(), "garbage") << bad.substr(0, 20);
    bird().answer = [this](const std::string& c) { return bird().usual(c); };
  }
}

TEST_F(BirdLinkTest, NoticesAreNoAnswers) {
  ASSERT_TRUE((bird(), reaches(LinkState::ready)));
  bird().send_to_all("+Config timeout expired, starting undo\n");
  std::string heard;
  link().ask(bird::configure_status(), [&](Result<bird::Reply> r) { heard = r ? r->lines.front().text : r.error().what; });
  ASSERT_TRUE(run_until(*loop, [&] { return !heard.empty(); }));
  EXPECT_EQ(heard, "Daemon is up and running");
}

TEST_F(BirdLinkTest, NotReadyIsAnsweredLater) {
  bool is_told = false;
  link().ask(bird::show_status(), [&](const Result<bird::Reply>& r) { is_told = !r; });
  EXPECT_FALSE(is_told) << "never from inside the call";
  EXPECT_TRUE(run_until(*loop, [&] { return is_told; }));
}

class BirdDriverTest : public BirdTest {
 protected:
  BirdDriver& driver() {
    if (!driver_) {
      BirdOptions options{.socket = socket(), .directory = directory};
      options.is_included = is_included;
      options.poll = 20ms;
      options.deadline = 200ms;
      driver_ = std::make_unique<BirdDriver>(
          *loop, options,
          BirdDriver::Handlers{.link = [this](LinkState s, const std::string&) { links.push_back(std::string(name(s))); },
                               .reported = [this](const BirdReport&) { ++reports; },
                               .refused = [this](const std::vector<BirdRefusal>& r) { refusals = r; },
                               .applied = [this](std::uint64_t round, Duration) { applied = round; },
                               .learnt = [this](bird::BfdReport::Support b) { has_bfd = b != bird::BfdReport::Support::not_built; }});
      EXPECT_TRUE(driver_->begin(*ip4("192.0.2.1")));
    }
    return *driver_;
  }
  static std::optional<Ip4> ip4(std::string_view text) { return parse_ip(text)->v4(); }
  static BgpWant want(std::vector<std::string> peers, const std::string& routes = "") {
    BgpWant out;
    out.router_id = *ip4("192.0.2.1");
    for (const auto& name : peers) {
      bird::Peer p;
      p.symbol = bird::symbol(bird::kPeerPrefix, name);
      p.number = bird::stable_number(name);
      p.description = name;
      p.local_as = 65001;
      p.remote_as = 65000U;
      p.address = parse_ip("192.0.2.9");
      out.peers.emplace(p.symbol, p);
    }
    out.routes4 = routes;
    out.tellings = {{{{0, {}}}}};
    return out;
  }
  bool applies(BgpWant w) {
    const auto round = driver().set(std::move(w));
    return run_until(*loop, [&] { return applied == round; });
  }
  std::string file(const std::string& name) const { return BirdFiles::read(directory + "/" + name).value(); }
  std::size_t asked(const std::string& command) { return static_cast<std::size_t>(std::count(bird().commands.begin(), bird().commands.end(), command)); }
  void refuse(const std::string& word, const std::string& file_name) {
    // As BIRD does it: the first line that holds the word.
    bird().answer = [this, word, file_name](const std::string& c) {
      if (!c.starts_with(is_included ? "configure" : "configure check") || c == "configure status") return bird().usual(c);
      const std::string text = file(file_name);
      const auto at = text.find(word);
      if (at == std::string::npos) return bird().usual(c);
      const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
      return "0002-Reading configuration from " + bird().main + "\n8002 " + directory + "/" + file_name + ":" + std::to_string(line) + ":3 not this\n";
    };
  }

  bool is_included = false;
  std::unique_ptr<BirdDriver> driver_;
  std::vector<std::string> links;
  std::vector<BirdRefusal> refusals;
  std::uint64_t applied = 0;
  int reports = 0;
  bool has_bfd = false;
};

TEST_F(BirdDriverTest, MakesWhatBirdStartsWith) {
  driver();
  EXPECT_NE(file("bird.conf").find("router id 192.0.2.1;"), std::string::npos);
  EXPECT_EQ(file("routes4.conf"), "");
  struct stat status{};
  ASSERT_EQ(::stat((directory + "/bird.conf").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(BirdDriverTest, RoutesAreSoftAndTheRestIsChecked) {
  bird();
  ASSERT_TRUE(applies(want({"a"}, "one\n")));
  EXPECT_EQ(asked("configure"), 1U);
  EXPECT_EQ(asked("configure check \"" + directory + "/bird.conf.new\""), 1U);
  EXPECT_EQ(file("routes4.conf"), "one\n");
  EXPECT_NE(file("bird.conf").find("protocol bgp flp_a"), std::string::npos);
  ASSERT_TRUE(applies(want({"a"}, "two\n")));
  EXPECT_EQ(asked("configure soft"), 1U);
  EXPECT_EQ(asked("configure"), 1U);
  ASSERT_TRUE(applies(want({"a"}, "two\n")));
  EXPECT_EQ(asked("configure soft"), 1U) << "nothing changed";
  ASSERT_TRUE(applies(want({"a", "b"}, "two\n")));
  EXPECT_EQ(asked("configure"), 2U);
  // Whoever comes later waits; only the last one counts.
  for (int i = 0; i < 50; ++i) driver().set(want({"a", "b"}, std::to_string(i)));
  ASSERT_TRUE(applies(want({"a", "b"}, "last\n")));
  EXPECT_EQ(file("routes4.conf"), "last\n");
  EXPECT_LE(asked("configure soft"), 4U);
  EXPECT_TRUE(run_until(*loop, [&] { return reports > 2; }));
}

TEST_F(BirdDriverTest, ARefusedPeerKeepsItsLastGoodText) {
  bird();
  ASSERT_TRUE(applies(want({"a", "b"})));
  refuse("hold time 7;", "bird.conf.new");
  auto changed = want({"a", "b"}, "routes\n");
  changed.peers.at("flp_b").hold = 7s;
  ASSERT_TRUE(applies(changed));
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(refusals[0].symbol, "flp_b");
  EXPECT_NE(refusals[0].what.find("not this"), std::string::npos);
  EXPECT_EQ(file("bird.conf").find("hold time 7;"), std::string::npos);
  EXPECT_NE(file("bird.conf").find("protocol bgp flp_b"), std::string::npos) << "as it was";
  EXPECT_EQ(file("routes4.conf"), "routes\n");
  changed.peers.at("flp_a").hold = 60s;
  ASSERT_TRUE(applies(changed));
  EXPECT_NE(file("bird.conf").find("hold time 60;"), std::string::npos) << "the others go on being changed";
  changed.peers.at("flp_b").hold = 8s;
  ASSERT_TRUE(applies(changed));
  EXPECT_TRUE(refusals.empty());
}

TEST_F(BirdDriverTest, ARefusalThatIsNoPeersFault) {
  bird();
  ASSERT_TRUE(applies(want({"a"})));
  const std::string before = file("bird.conf");
  bird().answer = [this](const std::string& c) {
    return c.starts_with("configure check") ? "0002-Reading configuration from x\n8002 elsewhere:1:1 broken\n" : bird().usual(c);
  };
  ASSERT_TRUE(applies(want({"a", "b"}, "routes\n")));
  EXPECT_EQ(file("bird.conf"), before);
  EXPECT_EQ(file("routes4.conf"), "routes\n") << "routes do not wait for it";
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(refusals[0].symbol, "");
}

TEST_F(BirdDriverTest, IncludedByAnother) {
  is_included = true;
  bird().main = "/etc/bird/bird.conf";
  ASSERT_TRUE(applies(want({"a"})));
  const std::string before = file("fairlead.conf");
  EXPECT_EQ(before.find("router id"), std::string::npos);
  refuse("hold time 7;", "fairlead.conf");
  auto changed = want({"a"});
  changed.peers.at("flp_a").hold = 7s;
  ASSERT_TRUE(applies(changed));
  EXPECT_EQ(file("fairlead.conf"), before);
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(refusals[0].symbol, "flp_a");
}

TEST_F(BirdDriverTest, ABirdThatReadsAnotherFileIsNotConfigured) {
  bird().main = "/etc/bird/bird.conf";
  const auto round = driver().set(want({"a"}));
  EXPECT_TRUE(run_until(*loop, [&] { return asked("configure") >= 1; }));
  test::run_turns(*loop, 50);
  EXPECT_NE(applied, round) << "it is not in force";
}

TEST_F(BirdDriverTest, WhileBirdIsAwayTheFilesAreKept) {
  bird();
  ASSERT_TRUE(applies(want({"a"}, "one\n")));
  bird().stop();
  ASSERT_TRUE(run_until(*loop, [&] { return !driver().is_ready(); }));
  const auto round = driver().set(want({"a"}, "two\n"));
  EXPECT_EQ(file("routes4.conf"), "two\n") << "what BIRD starts with";
  bird().start();
  ASSERT_TRUE(run_until(*loop, [&] { return applied == round; }));
  EXPECT_EQ(asked("configure"), 2U) << "nobody knows what it read";
}

TEST_F(BirdDriverTest, HoweverBirdMisbehavesOnceTheWishIsFulfilledInTheEnd) {
  const std::string commands[] = {"show protocols", "show bfd sessions", "configure check", "configure", "configure soft"};
  const std::pair<const char*, std::string> misbehaviours[] = {
      {"silent", ""},          {"half a line", "0003 Reconf"},      {"half a reply", "0002-Reading\n"}, {"garbage", "\x01\xff garbage\n"},
 {"two answers", "0000 \n0000 \n"}, {"another code", "8007 Access denied\n"}, {"a flood", std::string(5'000'000, '0')},
      {"endless", [] {
         std::string out;
         while (out.size() < 3'000'000) out += "1000-x\n";
         return out;
       }()}};
  int number = 0;
  for (const std::string& command : commands) {
    for (const auto& [what, bytes] : misbehaviours) {
      SCOPED_TRACE(command + ": " + what);
      bool is_done = false;
      bird().answer = [&, bytes = bytes](const std::string& c) {
        if (is_done || !(command == "configure" ? c == command : c.starts_with(command))) return bird().usual(c);
        is_done = true;
        return bytes;
      };
      ++number;
      const std::string routes = std::to_string(number) + "\n";
      // Once a change of peers, and one of routes alone.
      ASSERT_TRUE(applies(want(number % 2 == 0 ? std::vector<std::string>{"a"} : std::vector<std::string>{"a", "b"}, routes)));
      EXPECT_EQ(file("bird.conf").find("protocol bgp flp_b") != std::string::npos, number % 2 != 0);
      ASSERT_TRUE(applies(want(number % 2 == 0 ? std::vector<std::string>{"a"} : std::vector<std::string>{"a", "b"}, routes + "more\n")));
      EXPECT_EQ(file("routes4.conf"), routes + "more\n");
      bird().answer = [this](const std::string& c) { return bird().usual(c); };
    }
  }
}

TEST_F(BirdDriverTest, ABirdThatDiesInTheMiddleOfACommandIsConfiguredAnew) {
  bird();
  for (const std::string command : {"configure check", "configure", "configure soft"}) {
    SCOPED_TRACE(command);
    ASSERT_TRUE(applies(want({"a"}, "before\n")));
    bool is_done = false;
    bird().answer = [&](const std::string& c) -> std::string {
      if (is_done || !(command == "configure" ? c == command : c.starts_with(command))) return bird().usual(c);
      is_done = true;
      loop->post([this] { bird().stop(); });
      return "";
    };
    auto changed = want({"a"}, "after\n");
    if (command != "configure soft") changed.peers.at("flp_a").hold = 60s;
    const auto round = driver().set(changed);
    ASSERT_TRUE(run_until(*loop, [&] { return is_done && !driver().is_ready(); }));
    bird().start();
    ASSERT_TRUE(run_until(*loop, [&] { return applied == round; }));
    EXPECT_EQ(file("routes4.conf"), "after\n");
    bird().answer = [this](const std::string& c) { return bird().usual(c); };
  }
}

TEST_F(BirdDriverTest, ASlowBird) {
  bird().sends_octet_by_octet = true;
  ASSERT_TRUE(applies(want({"a"}, "one\n")));
  ASSERT_TRUE(applies(want({"a"}, "two\n")));
  EXPECT_EQ(file("routes4.conf"), "two\n");
}

TEST_F(BirdDriverTest, ASessionThatEndsSlowly) {
  int looks = 0;
  bird().answer = [&](const std::string& c) -> std::string {
    if (c == "configure") return "0002-Reading configuration from " + bird().main + "\n0004 Reconfiguration in progress\n";
    if (c == "configure status") return ++looks < 3 ? "0004-Reconfiguration in progress\n0000 \n" : bird().usual(c);
    return bird().usual(c);
  };
  ASSERT_TRUE(applies(want({"a"})));
  EXPECT_EQ(looks, 3);
}

TEST_F(BirdDriverTest, OneWithoutBfdIsKnownByItsGrammar) {
  bird().answer = [this](const std::string& c) { return c == "show bfd sessions" ? "9001 syntax error, unexpected CF_SYM_UNDEFINED\n" : bird().usual(c); };
  has_bfd = true;
  driver();
  EXPECT_TRUE(run_until(*loop, [&] { return !has_bfd; }));
}

TEST_F(BirdDriverTest, AStartFromFilesThatAreThere) {
  bird();
  auto first = want({"a", "b"}, "one\n");
  ASSERT_TRUE(applies(first));
  driver_.reset();
  applied = 0;
  // Another process, another wish for a router id, and b is said badly now.
  auto second = want({"a"}, "one\n");
  second.router_id = *ip4("192.0.2.77");
  second.keep = {"flp_b"};
  ASSERT_TRUE(applies(second));
  EXPECT_NE(file("bird.conf").find("router id 192.0.2.1;"), std::string::npos) << "another one would end every session";
  EXPECT_NE(file("bird.conf").find("protocol bgp flp_b"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::speaker
