#pragma once
/// This node's status objects out to the source: only what differs from what was written last, a few a second, so that a
/// thousand Services that change at once are neither a flood nor a delay of anything else. Level-triggered: what an object
/// should say is asked when its turn comes. The ConfigurationState goes first. Trying again is the source's business.
/// Thread: the loop's.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "proto/runtime/loop.h"
#include "proto/runtime/source.h"
#include "proto/runtime/token_bucket.h"

namespace fairlead::speaker {

class StatusWriter {
 public:
  using Kind = runtime::StatusKind;
  struct Options {
    std::string node;
    double writes_per_second = 10;
    double burst = 10;
    bool tidies_bgp = true;  // false: there is no right to ServiceBGPStatus without BGP, and its Pod took its own along
  };
  struct Handlers {
    /// What the object of this Service should say now; none: there should be none.
    std::function<std::optional<runtime::StatusObject>(Kind kind, const kube::Name& service)> wanted;
    /// A write was answered: Errc's name, or "" for success.
    std::function<void(std::string_view failure)> written;
  };

  StatusWriter(runtime::Loop& loop, runtime::Source& source, Options options, Handlers handlers);

  void changed(Kind kind, const kube::Name& service);
  void set_state(runtime::StatusObject state);
  /// After the first sync, when everything that is announced was told by changed(): what an earlier process left and is
  /// wanted no more is removed. Nothing about Services is written before.
  void begin();

  std::size_t queued() const { return dirty_.size() + leftovers_.size() + (state_ ? 1 : 0); }

 private:
  using Key = std::pair<Kind, kube::Name>;
  void pump();
  bool write_one();
  void tidy(Kind kind, const std::vector<std::string>& found);
  runtime::Done answered();

  runtime::Loop& loop_;
  runtime::Source& source_;
  Options options_;
  Handlers handlers_;
  runtime::TokenBucket bucket_;
  bool has_begun_ = false;
  std::optional<runtime::StatusObject> state_;       // to be written
  std::optional<runtime::StatusObject> told_state_;  // as written last
  std::set<Key> dirty_;
  std::map<Key, std::uint64_t> have_;                    // a hash of what was written
  std::set<std::pair<Kind, std::string>> leftovers_;     // names to be removed
  runtime::Timer timer_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace fairlead::speaker
