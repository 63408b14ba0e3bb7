#pragma once
/// The `.status` directory as its writers see it: overlays, events.log, leases. It is made on the first write (0755), so
/// that somebody who only reads leaves no trace.
#include <functional>
#include <string>
#include <string_view>

#include "proto/api/objects.h"
#include "proto/base/fd.h"
#include "proto/base/result.h"
#include "proto/runtime/source.h"
#include "proto/runtime/yaml.h"

namespace fairlead::runtime {

inline constexpr std::string_view kStatusDir = ".status";

class StatusDir {
 public:
  explicit StatusDir(std::string manifests, api::Group group = api::Group::fairlead)
      : dir_(std::move(manifests) + "/" + std::string(kStatusDir)), group_(group) {}

  /// Reads the overlay (an empty one where there is none, or a broken one), changes it, and writes it back if it became
  /// another; one writer at a time, across processes. The rename is not synced to the disk: what is lost in a power cut
  /// is decided again.
  Result<void> edit(const api::Key& key, const std::function<Result<Json>(Json)>& change);

  /// One line for a person; the file is rotated at 1 MB.
  Result<void> append_event(const api::Key& about, EventType type, std::string_view reason, std::string_view message);

  /// Held until the descriptor is closed. `conflict` while somebody else holds it.
  Result<Fd> acquire_lease(std::string_view lease);
  /// Whether the file that was locked is still the one of that name.
  bool still_holds(std::string_view lease, const Fd& held) const;

  /// Removes the overlays of objects that `is_wanted` denies.
  void prune(const std::function<bool(const api::Key&)>& is_wanted);

 private:
  std::string overlay_path(const api::Key& key) const;
  Result<Fd> lock();

  std::string dir_;
  api::Group group_;
};

}  // namespace fairlead::runtime
