#pragma once
/// The connection to BIRD's control socket: connects and connects again, one command in flight, each with a deadline.
/// Never blocks. What keeps it from working has a name, told once for each change. Thread: the loop's.
#include <deque>
#include <functional>
#include <random>
#include <string>

#include "proto/base/fd.h"
#include "proto/base/result.h"
#include "proto/bird/command.h"
#include "proto/bird/reply.h"
#include "proto/bird/report.h"
#include "proto/runtime/backoff.h"
#include "proto/runtime/loop.h"
#include "speaker/core/bird_report.h"

namespace fairlead::speaker {

class BirdLink {
 public:
  struct Options {
    std::string socket;
    Duration deadline = std::chrono::seconds(5);
    Duration first_retry = std::chrono::milliseconds(100);
    Duration longest_retry = std::chrono::seconds(5);
  };
  using Answer = std::function<void(Result<bird::Reply>)>;

  /// `changed` is called after each change of the state, from the loop.
  BirdLink(runtime::Loop& loop, Options options, std::function<void(LinkState, const std::string& what)> changed);

  void open();
  LinkState state() const { return state_; }
  bool is_ready() const { return state_ == LinkState::ready; }
  bool is_idle() const { return waiting_.empty(); }
  const bird::Version& version() const { return version_; }

  /// `answer` is called once: with the whole reply (whatever it says), or unavailable when the link ended before.
  /// Never from inside this call.
  void ask(bird::Command command, Answer answer);

 private:
  struct Asked {
    bird::Command command;
    Answer answer;
  };
  void connect();
  void readable();
  void take(bird::Reply reply);
  void send_next();
  void end(LinkState why, const std::string& what);
  void become(LinkState state, const std::string& what);

  runtime::Loop& loop_;
  Options options_;
  std::function<void(LinkState, const std::string&)> changed_;
  LinkState state_ = LinkState::closed;
  bool is_first_ = true;
  bool has_greeting_ = false;
  bird::Version version_;
  Fd fd_;
  runtime::Loop::Watch watch_;
  bird::ReplyReader reader_;
  std::deque<Asked> waiting_;  // the first one is in flight if is_sent_
  bool is_sent_ = false;
  runtime::Backoff backoff_;
  std::minstd_rand random_;
  runtime::Timer retry_;
  runtime::Timer deadline_;
};

}  // namespace fairlead::speaker
