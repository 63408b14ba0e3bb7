#pragma once
/// External addresses: which of those that are shown stay, and who gets which new one. Pure; one object for one pass.
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "controller/core/task.h"
#include "controller/core/words.h"

namespace fairlead::controller::core {

class External {
 public:
  /// All are borrowed for the object's life; `tasks` must not move.
  External(const Snapshot& snapshot, const Config& config, Memory& memory, std::vector<Task>& tasks);

  /// Sets held, home, given, events and pending of each task that is ours.
  void run(std::vector<Notice>& problems);
  /// True while nothing may be decided: the pools as a whole are refused and no valid ones are known from before.
  bool is_frozen() const { return is_stale_ && !last_good_; }
  void tell_pools(Decisions& out) const;
  /// Leaves the memory as the next pass wants it.
  void remember(Decisions& out);

 private:
  struct Home {
    std::string pool;
    std::optional<std::size_t> index;  // none: it is refused, or hidden
  };

  void judge_communities();
  const Pools& pools() const { return last_good_ ? *last_good_ : judged_; }
  const api::IPAddressPool& pool(std::size_t index) const { return *pools().valid()[index]; }

  bool has_changed(const Task& t) const;

  void claim(Task& t);
  std::optional<Home> home_of(const Task& t, const Ip& ip) const;
  bool asks_for_others(Task& t, std::vector<Ip> shown);
  bool may_keep(Task& t, const Ip& ip);
  void drop(Task& t, const Ip& ip, Reason reason, const std::string& why);
  void drop_all(Task& t, const std::vector<Ip>& ips, Reason reason, const std::string& why);
  void give_back(Task& t);

  void begin_hold_down();
  void begin_probes();
  void reserve(Task& t);
  void give_all();
  bool give(Task& t);
  bool give_second(Task& t);
  void give_requested(Task& t);
  void give_from(Task& t, std::span<const std::size_t> candidates);
  bool give_last(Task& t, std::span<const std::size_t> candidates);
  void tell_skipped(std::vector<Notice>& problems) const;

  const Snapshot& snapshot_;
  const Config& config_;
  Memory& memory_;
  std::vector<Task>& tasks_;
  const match::Namespaces no_namespaces_;
  const match::Namespaces& namespaces_;
  const bool is_metallb_;
  const HoldDown::Time time_;
  const Pools judged_;
  std::vector<Notice> bad_communities_;
  bool is_stale_ = false;
  std::vector<const api::IPAddressPool*> good_;
  std::optional<Pools> last_good_;
  std::optional<Allocator> addresses_;
  std::optional<Words> words_;
  std::map<kube::Name, std::vector<Ip>> last_held_;  // addresses that are held down, by whom they had been
  std::set<Ip> in_use_;                               // with hold-down or probing: what is shown and stays
};

}  // namespace fairlead::controller::core
