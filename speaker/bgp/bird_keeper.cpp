#include "speaker/bgp/bird_keeper.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "proto/base/log.h"
#include "proto/bird/config_text.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;
constexpr Duration kStartEvery = 100ms;
constexpr Duration kLookEvery = 1s;
constexpr Duration kEndWithin = 3s;  // then by signal
constexpr int kNoBird = 3;

}  // namespace

BirdKeeper::BirdKeeper(runtime::Loop& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      files_(options_.directory, false),
      link_(loop, {.socket = options_.socket}, [](LinkState, const std::string&) {}),
      start_timer_(loop, [this] { start_when_ready(); }),
      look_timer_(loop, [this] { look(); }),
      end_timer_(loop, [this] {
        if (bird_ > 0) ::kill(bird_, SIGTERM);
        loop_.stop(0);
      }) {}

void BirdKeeper::begin() {
  alone_since_ = loop_.now();
  start_when_ready();
}

void BirdKeeper::start_when_ready() {
  // The speaker, beside us, writes them first of all; a BIRD without them would end at once.
  if (::access(files_.main().c_str(), R_OK) != 0) return start_timer_.arm(kStartEvery);
  if (const auto done = spawn(); !done) {
    log::error("bird_not_started", {{"what", done.error().what}});
    loop_.stop(kNoBird);
    return;
  }
  log::info("bird_started", {{"pid", static_cast<int>(bird_)}});
  link_.open();
  look_timer_.arm(kLookEvery);
}

Result<void> BirdKeeper::spawn() {
  // -R: after a crash or an upgrade, routers that kept our routes are told that nothing was lost.
  std::string words[] = {options_.program, "-f", "-R", "-c", files_.main(), "-s", options_.socket};
  char* arguments[std::size(words) + 1] = {};
  for (std::size_t i = 0; i < std::size(words); ++i) arguments[i] = words[i].data();
  char* environment[] = {nullptr};
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const int error = ::posix_spawn(&bird_, options_.program.c_str(), nullptr, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return system_error("start " + options_.program, error);
  return {};
}

void BirdKeeper::signalled(int number) {
  if (number == SIGCHLD) {
    int status = 0;
    if (bird_ <= 0 || ::waitpid(bird_, &status, WNOHANG) != bird_) return;
    bird_ = -1;
    log::write(is_ending_ ? log::Level::info : log::Level::warn, "bird_ended",
               {{"code", WIFEXITED(status) ? WEXITSTATUS(status) : -1}, {"signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0}});
    loop_.stop(is_ending_ ? 0 : kNoBird);
    return;
  }
  end_bird();
}

void BirdKeeper::end_bird() {
  is_ending_ = true;
  if (bird_ <= 0) return loop_.stop(0);
  end_timer_.arm(kEndWithin);
  if (!link_.is_ready()) {
    ::kill(bird_, SIGTERM);
    return;
  }
  log::info("bird_ending", {{"how", "graceful restart"}});
  link_.ask(bird::graceful_restart(), [](const Result<bird::Reply>&) {});
}

void BirdKeeper::look() {
  look_timer_.arm(kLookEvery);
  if (BirdFiles::is_speaker_there(options_.directory)) {
    if (phase_ != Phase::watching) log::info("speaker_back", {});
    phase_ = Phase::watching;
    alone_since_ = loop_.now();
    return;
  }
  const Duration alone = loop_.now() - alone_since_;
  if (phase_ == Phase::watching && alone >= options_.drain_after) drain();
  if (phase_ == Phase::draining && alone >= options_.drain_after + options_.drain_for) withdraw();
}

void BirdKeeper::drain() {
  if (!link_.is_ready()) return;
  const auto text = BirdFiles::read(files_.main());
  if (!text) return;
  log::warn("speaker_gone", {{"for_s", static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(options_.drain_after).count())},
                             {"what", "its routes are drained, then withdrawn"}});
  if (const auto done = BirdFiles::write(files_.main(), bird::drained(*text)); !done) {
    log::warn("drain_failed", {{"what", done.error().what}});
    return;
  }
  phase_ = Phase::draining;
  link_.ask(bird::configure(false), [](const Result<bird::Reply>& r) {
    if (!r || !r->is_ok()) log::warn("drain_failed", {{"what", r ? std::string(r->complaint()) : r.error().what}});
  });
}

void BirdKeeper::withdraw() {
  if (!link_.is_ready()) return;
  for (const std::string& path : {files_.routes4(), files_.routes6()}) {
    if (const auto done = BirdFiles::write(path, ""); !done) {
      log::warn("drain_failed", {{"what", done.error().what}});
      return;
    }
  }
  phase_ = Phase::drained;
  log::warn("routes_withdrawn", {{"reason", "the speaker is gone"}});
  link_.ask(bird::configure(true), [](const Result<bird::Reply>&) {});
}

}  // namespace fairlead::speaker
