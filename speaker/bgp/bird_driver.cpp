#include "speaker/bgp/bird_driver.h"

#include <charconv>
#include <memory>
#include <tuple>

#include "proto/base/log.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;
using Outcome = bird::Configured::Outcome;

constexpr Duration kLookAgain = 50ms;    // at a reconfiguration that waits for a session's end
constexpr Duration kAfterFailure = 1s;
constexpr std::size_t kKeptTellings = 32;
constexpr std::string_view kOurs = "flp_*";

/// "FILE:LINE:COL message": the line, when FILE is this one.
std::optional<int> line_in(std::string_view words, std::string_view file) {
  if (!words.starts_with(file) || words.size() <= file.size() || words[file.size()] != ':') return std::nullopt;
  words.remove_prefix(file.size() + 1);
  int line = 0;
  const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), line);
  if (error != std::errc() || end == words.data() + words.size() || *end != ':') return std::nullopt;
  return line;
}

}  // namespace

BirdDriver::BirdDriver(runtime::Loop& loop, BirdOptions options, Handlers handlers)
    : loop_(loop),
      options_(std::move(options)),
      handlers_(std::move(handlers)),
      files_(options_.directory, options_.is_included),
      link_(loop, {.socket = options_.socket, .deadline = options_.deadline},
            [this](LinkState state, const std::string& what) { link_changed(state, what); }),
      poll_timer_(loop, [this] { poll(); }),
      wait_timer_(loop, [this] { wait(); }) {}

Result<void> BirdDriver::begin(Ip4 router_id) {
  if (auto done = files_.prepare(); !done) return done;
  if (auto done = files_.hold(); !done) return done;
  for (const auto& [path, text] : {std::pair{files_.routes4(), &routes4_}, {files_.routes6(), &routes6_}}) {
    if (auto found = BirdFiles::read(path)) {
      *text = *std::move(found);
    } else if (found.error().code != Errc::not_found) {
      return found.error();
    } else if (auto done = BirdFiles::write(path, ""); !done) {
      return done;
    }
  }
  if (auto found = BirdFiles::read(files_.main())) {
    accepted_ = *std::move(found);
    accepted_blocks_ = bird::blocks_of(accepted_);
  } else if (found.error().code != Errc::not_found) {
    return found.error();
  } else {
    bird::Config nothing;
    nothing.is_whole = !options_.is_included;
    nothing.router_id = router_id;
    nothing.routes4 = files_.routes4();
    nothing.routes6 = files_.routes6();
    accepted_ = bird::config_text(nothing);
    if (auto done = BirdFiles::write(files_.main(), accepted_); !done) return done;
  }
  link_.open();
  poll_timer_.arm(options_.poll);
  return {};
}

std::uint64_t BirdDriver::set(BgpWant want) {
  want_ = std::move(want);
  ++round_;
  if (step_ == Step::idle) work();
  return round_;
}

void BirdDriver::link_changed(LinkState state, const std::string& what) {
  handlers_.link(state, what);
  if (state != LinkState::ready) {
    step_ = Step::idle;
    wait_timer_.cancel();
    if (want_) write_for_later();
    return;
  }
  step_ = Step::idle;
  needs_configure_ = true;
  is_main_in_force_ = false;
  // It may be another BIRD than the one that refused.
  refused_peers_.clear();
  refused_whole_ = {};
  link_.ask(bird::show_bfd_sessions(), [this](Result<bird::Reply> answer) {
    if (!answer) return;
    const auto support = bird::parse_bfd_sessions(*answer).support;
    has_bfd_ = support != bird::BfdReport::Support::not_built;
    handlers_.learnt(support);
    if (step_ == Step::idle) work();
    poll();
  });
}

/// The text for what is wanted, as far as BIRD takes it.
std::string BirdDriver::text_of_want() {
  bird::Config config;
  config.is_whole = !options_.is_included;
  // Another router id would end every session.
  const auto running = bird::router_id_of(accepted_);
  config.router_id = running && !accepted_blocks_.empty() ? *running : want_->router_id;
  config.routes4 = files_.routes4();
  config.routes6 = files_.routes6();
  config.has_bfd_built_in = has_bfd_;
  config.is_draining = want_->is_draining;
  const auto keep = [&](const std::string& symbol) {
    if (const auto old = accepted_blocks_.find(symbol); old != accepted_blocks_.end()) config.peers.push_back(old->second);
  };
  for (const auto& [symbol, peer] : want_->peers) {
    bird::PeerBlock block = bird::block(peer);
    const auto bad = refused_peers_.find(symbol);
    if (bad != refused_peers_.end() && bad->second.first == block.text) {
      keep(symbol);
    } else {
      if (bad != refused_peers_.end()) refused_peers_.erase(bad);
      config.peers.push_back(std::move(block));
    }
  }
  for (const std::string& symbol : want_->keep) {
    if (!want_->peers.contains(symbol)) keep(symbol);
  }
  for (auto at = refused_peers_.begin(); at != refused_peers_.end();) {
    at = want_->peers.contains(at->first) ? std::next(at) : refused_peers_.erase(at);
  }
  // One that went out of use may come back with the next Service; only its leaving would make everything be sent again.
  if (tellings_.size() > kKeptTellings) tellings_.clear();
  tellings_.insert(want_->tellings.begin(), want_->tellings.end());
  config.tellings.assign(tellings_.begin(), tellings_.end());
  return bird::config_text(config);
}

bool BirdDriver::write_routes() {
  for (const auto& [path, have, want] :
       {std::tuple{files_.routes4(), &routes4_, &want_->routes4}, {files_.routes6(), &routes6_, &want_->routes6}}) {
    if (*have == *want) continue;
    if (const auto done = BirdFiles::write(path, *want); !done) {
      failed(done.error().what);
      return false;
    }
    *have = *want;
    needs_configure_ = true;
  }
  return true;
}

/// BIRD is away: the routes it starts with next time. Sessions wait until it is there to check them.
void BirdDriver::write_for_later() { write_routes(); }

void BirdDriver::work() {
  if (!want_ || step_ != Step::idle) return;
  if (!link_.is_ready()) return write_for_later();
  if (working_round_ != round_) started_ = loop_.now();
  working_round_ = round_;
  std::string text = text_of_want();
  tell_refusals();
  if (text != accepted_ && text != refused_whole_.first) return check(std::move(text));
  if (!write_routes()) return;
  if (needs_configure_) {
    // After a (re)connection nobody knows what BIRD has read; else only routes have changed.
    return configure(is_main_in_force_, accepted_);
  }
  in_force();
}

void BirdDriver::check(std::string text) {
  step_ = Step::checking;
  if (options_.is_included) {
    // The other configuration's name is not known, so it is BIRD's `configure` that judges; it takes all or nothing.
    if (!write_routes()) return;
    if (const auto done = BirdFiles::write(files_.main(), text); !done) return failed(done.error().what);
    return configure(false, text);
  }
  if (const auto done = BirdFiles::write(files_.candidate(), text); !done) return failed(done.error().what);
  const auto command = bird::configure_check(files_.candidate());
  if (!command) return failed("the path of " + files_.candidate() + " cannot be said to BIRD");
  link_.ask(*command, [this, text = std::move(text)](Result<bird::Reply> answer) { checked(text, std::move(answer)); });
}

void BirdDriver::checked(const std::string& text, Result<bird::Reply> answer) {
  if (!answer) return;  // the link has ended, and with it this round
  const auto outcome = bird::parse_configured(*answer);
  if (outcome.outcome == Outcome::refused) {
    refused(text, outcome.text);
    step_ = Step::idle;
    return work();
  }
  if (outcome.outcome != Outcome::valid) return failed("configure check: " + outcome.text);
  if (!write_routes()) return;
  if (const auto done = files_.take_candidate(); !done) return failed(done.error().what);
  configure(false, text);
}

void BirdDriver::configure(bool soft, const std::string& text) {
  step_ = Step::configuring;
  link_.ask(bird::configure(soft), [this, soft, text](Result<bird::Reply> answer) { configured(soft, text, std::move(answer)); });
}

void BirdDriver::configured(bool soft, const std::string& text, Result<bird::Reply> answer) {
  if (!answer) {
    // Whether BIRD took it is not known. It was checked, and it is in the file that BIRD starts with.
    if (!options_.is_included) {
      accepted_ = text;
      accepted_blocks_ = bird::blocks_of(text);
    }
    return;
  }
  const auto outcome = bird::parse_configured(*answer);
  if (!options_.is_included && !answer->lines.empty() && answer->lines.front().code == 2 &&
      !answer->lines.front().text.ends_with(" " + files_.main())) {
    return failed("BIRD reads another file (" + answer->lines.front().text + "): start it with -c " + files_.main() +
                  ", or let its own configuration include Fairlead's (--bird-include-only)");
  }
  switch (outcome.outcome) {
    case Outcome::done:
    case Outcome::in_progress:
    case Outcome::queued: break;
    case Outcome::refused:
      // What it runs with already, and does not take again: the route files, or another BIRD. Nothing here can mend it.
      if (text == accepted_) return failed("configure: " + outcome.text);
      refused(text, outcome.text);
      if (const auto done = BirdFiles::write(files_.main(), accepted_); !done) return failed(done.error().what);
      step_ = Step::idle;
      return work();
    default: return failed("configure: " + outcome.text);
  }
  accepted_ = text;
  accepted_blocks_ = bird::blocks_of(text);
  needs_configure_ = false;
  is_main_in_force_ = true;
  if (handlers_.failed && !told_failure_.empty()) handlers_.failed("");
  told_failure_.clear();
  if (!soft && refused_whole_.first != text_of_want()) refused_whole_ = {};
  tell_refusals();
  if (outcome.outcome == Outcome::done) {
    in_force();
    step_ = Step::idle;
    if (working_round_ != round_) work();
    return;
  }
  step_ = Step::waiting;
  wait_timer_.arm(kLookAgain);
}

/// BIRD has accepted and is still ending a session: only one more configuration could be queued.
void BirdDriver::wait() {
  link_.ask(bird::configure_status(), [this](Result<bird::Reply> answer) {
    if (!answer || step_ != Step::waiting) return;
    const auto outcome = bird::parse_configured(*answer).outcome;
    if (outcome == Outcome::in_progress || outcome == Outcome::queued) return wait_timer_.arm(kLookAgain);
    in_force();
    step_ = Step::idle;
    if (working_round_ != round_) work();
  });
}

void BirdDriver::in_force() {
  if (applied_round_ == working_round_) return;
  applied_round_ = working_round_;
  handlers_.applied(applied_round_, loop_.now() - started_);
}

void BirdDriver::refused(const std::string& text, const std::string& words) {
  const std::string file = options_.is_included ? files_.main() : files_.candidate();
  const auto line = line_in(words, file);
  const std::string symbol = line ? bird::peer_at_line(text, *line) : "";
  const auto blocks = bird::blocks_of(text);
  const auto block = blocks.find(symbol);
  const auto bad = refused_peers_.find(symbol);
  const bool is_new = block != blocks.end() && (bad == refused_peers_.end() || bad->second.first != block->second.text);
  if (is_new) {
    refused_peers_[symbol] = {block->second.text, words};
  } else {
    refused_whole_ = {text, words};
  }
}

void BirdDriver::tell_refusals() {
  std::vector<BirdRefusal> now;
  for (const auto& [symbol, entry] : refused_peers_) now.push_back({symbol, entry.second});
  if (!refused_whole_.first.empty()) now.push_back({"", refused_whole_.second});
  if (now == told_) return;
  told_ = std::move(now);
  handlers_.refused(told_);
}

void BirdDriver::failed(const std::string& what) {
  step_ = Step::failed;
  wait_timer_.cancel();
  if (what != told_failure_) {
    log::warn("bird_failed", {{"what", what}});
    if (handlers_.failed) handlers_.failed(what);
  }
  told_failure_ = what;
  needs_configure_ = true;
  is_main_in_force_ = false;
  poll_timer_.arm_if_idle(kAfterFailure);
}

void BirdDriver::poll() {
  poll_timer_.arm(options_.poll);
  if (!link_.is_ready() || !link_.is_idle()) return;
  if (step_ == Step::failed) {
    step_ = Step::idle;
    work();
    if (step_ != Step::idle) return;
  }
  auto gathered = std::make_shared<BirdReport>();
  gathered->version = link_.version();
  link_.ask(bird::show_status(), [gathered](Result<bird::Reply> answer) {
    if (answer) gathered->status = bird::parse_status(*answer).value_or(bird::Status());
  });
  if (const auto command = bird::show_protocols_all(kOurs)) {
    link_.ask(*command, [gathered](Result<bird::Reply> answer) {
      if (answer) gathered->protocols = bird::parse_protocols(*answer);
    });
  }
  link_.ask(bird::show_bfd_sessions(), [this, gathered](Result<bird::Reply> answer) {
    if (!answer) return;
    gathered->bfd = bird::parse_bfd_sessions(*answer);
    handlers_.reported(*gathered);
  });
}

}  // namespace fairlead::speaker
