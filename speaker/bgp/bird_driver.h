#pragma once
/// Brings BIRD to what it should do, and says what it does. Level-triggered: set() replaces what is wanted; files that
/// differ are written and BIRD is asked to read them; what comes meanwhile forms the next round.
///
///   routes changed            write, rename, `configure soft`: no session notices
///   the rest changed          write beside, `configure check`, rename, `configure`: BIRD ends only the sessions that need it
///   BIRD refuses a peer       that peer's last good text (or nothing) takes its place, and the rest goes on
///   BIRD came (back)          `configure`: it may have read the files before they were what they are now
///
/// The files are BIRD's memory: they are right while BIRD is away. Thread: the loop's.
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proto/bird/config_text.h"
#include "proto/runtime/loop.h"
#include "speaker/bgp/bird_files.h"
#include "speaker/bgp/bird_link.h"
#include "speaker/core/bgp_want.h"

namespace fairlead::speaker {

struct BirdOptions {
  std::string socket;
  std::string directory;
  bool is_included = false;  // the BIRD is somebody else's and includes directory/fairlead.conf
  Duration poll = std::chrono::seconds(1);
  Duration deadline = std::chrono::seconds(5);
};

class BirdDriver {
 public:
  struct Handlers {
    std::function<void(LinkState, const std::string& what)> link;  // each change
    std::function<void(const BirdReport&)> reported;
    /// All that is refused now; called when that changes.
    std::function<void(const std::vector<BirdRefusal>&)> refused;
    /// BIRD runs with what was wanted in this call of set(); how long it took.
    std::function<void(std::uint64_t round, Duration took)> applied;
    std::function<void(bird::BfdReport::Support bfd)> learnt;  // once for each connection, before anything is configured
    /// BIRD cannot be brought to what is wanted, through no peer's fault; "": it can again.
    std::function<void(const std::string& what)> failed = nullptr;
  };

  BirdDriver(runtime::Loop& loop, BirdOptions options, Handlers handlers);

  /// Makes the files that a BIRD needs to start with, where there are none, and connects.
  Result<void> begin(Ip4 router_id);
  /// Answers the number of this round.
  std::uint64_t set(BgpWant want);

  bool is_ready() const { return link_.is_ready(); }

 private:
  enum class Step { idle, checking, configuring, waiting, failed };
  void link_changed(LinkState state, const std::string& what);
  void work();
  void write_for_later();
  std::string text_of_want();
  bool write_routes();
  void check(std::string text);
  void checked(const std::string& text, Result<bird::Reply> answer);
  void configure(bool soft, const std::string& text);
  void configured(bool soft, const std::string& text, Result<bird::Reply> answer);
  void in_force();
  void refused(const std::string& text, const std::string& words);
  void tell_refusals();
  void failed(const std::string& what);
  void wait();
  void poll();

  runtime::Loop& loop_;
  BirdOptions options_;
  Handlers handlers_;
  BirdFiles files_;
  BirdLink link_;

  std::optional<BgpWant> want_;
  std::uint64_t round_ = 0, working_round_ = 0, applied_round_ = 0;
  TimePoint started_{};
  Step step_ = Step::idle;
  bool needs_configure_ = false;   // BIRD may run with something else than the files
  bool has_bfd_ = true;
  bool is_main_in_force_ = false;  // BIRD runs with accepted_: a `configure soft` is enough for routes
  std::string accepted_;           // the main file's text, which BIRD took (or will start with)
  std::map<std::string, bird::PeerBlock> accepted_blocks_;
  std::string routes4_, routes6_;  // on disk
  std::map<std::string, std::pair<std::string, std::string>> refused_peers_;  // symbol -> (text, BIRD's words)
  std::pair<std::string, std::string> refused_whole_;                         // text, BIRD's words
  std::vector<BirdRefusal> told_;
  std::set<bird::Telling> tellings_;  // in use, or lately
  std::string told_failure_;
  runtime::Timer poll_timer_;
  runtime::Timer wait_timer_;
};

}  // namespace fairlead::speaker
