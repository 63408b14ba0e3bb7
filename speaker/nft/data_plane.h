#pragma once
/// Keeps the kernel's table equal to what the planner wants: finds or loads the table, fills it, wakes it, applies changes,
/// notices others' hands and repairs. The one place that decides when netlink is written. Thread: the loop's.
///
///   begin()   the folder (or API) is in sync: adopt what the kernel has, or load ours dormant beside it
///   changed() the planner has something dirty: plan in slices of 2 ms, then apply; the first change goes at once, those
///             that come during an apply form the next
///   look      debounced after a notification, a failed batch, an overflow: dump, compare, mend
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "proto/runtime/loop.h"
#include "speaker/core/planner.h"
#include "speaker/nft/session.h"
#include "speaker/nft/template.h"

namespace fairlead::speaker {

struct DataPlaneOptions {
  std::string nft_program = "/usr/sbin/nft";
  int layout = kLayout;  // another number only to rehearse an upgrade
};

class DataPlane {
 public:
  struct Counts {
    std::size_t batches = 0;
    std::size_t elements = 0;
  };
  struct Handlers {
    std::function<void()> synced;  // after the first acknowledged sync of this process
    /// The kernel has all that is wanted: what it took since the first change. May be left out, as the next.
    std::function<void(const Counts& counts, Duration took)> settled = nullptr;
    std::function<void(std::string_view error)> failed = nullptr;  // Errc's name; it is tried again
  };
  DataPlane(runtime::Loop& loop, Planner& planner, std::unique_ptr<NftSession> session, DataPlaneOptions options,
            Handlers handlers);

  void begin();
  void changed();

 private:
  Result<void> attach();         // to the table in the kernel that is ours and whole, or to a new one
  Result<void> load_beside();    // a new dormant table; everything is to be filled in
  Result<void> wake();           // the dormant table becomes the only one
  Result<void> remove_others();  // leftovers of an earlier process
  void work();
  bool plan_slice();
  Result<bool> apply_one();  // true when something was sent
  void look();
  void failed(const Error& error);
  void in_sync();

  runtime::Loop& loop_;
  Planner& planner_;
  std::unique_ptr<NftSession> session_;
  DataPlaneOptions options_;
  Handlers handlers_;

  std::string table_;         // the one we fill or serve from; "" before begin()
  bool is_dormant_ = false;   // table_ is loaded and not woken yet
  bool is_attached_ = false;  // table_ stands and have is what the kernel said
  bool has_adopted_ = false;
  bool is_synced_ = false;
  bool is_posted_ = false;   // work() will run in this turn or the next
  bool is_working_ = false;  // from the first change until everything is in sync
  Duration backoff_{};
  TimePoint started_{};
  TimePoint last_look_{};
  std::set<std::string> told_conflicts_;
  Counts counts_;

  runtime::Timer look_timer_;
  runtime::Timer retry_timer_;
  runtime::Loop::Watch monitor_;
};

}  // namespace fairlead::speaker
