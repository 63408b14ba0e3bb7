#pragma once
/// The `.status` directory as its writers see it: overlays, events.log, leases. It is made on the first write (0755), so
/// that somebody who only reads leaves no trace.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

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

  /// Objects that nobody reads back: whole files beside the overlays, in a folder of their kind and namespace. Malformed:
  /// a name that is no file's.
  Result<void> put_object(std::string_view kind, std::string_view ns, const std::string& name, const Json& whole);
  /// Success where there is none.
  Result<void> remove_object(std::string_view kind, std::string_view ns, const std::string& name);
  /// Names of those with this label.
  std::vector<std::string> objects_with(std::string_view kind, std::string_view ns, const std::string& label, std::string_view value) const;

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
  std::string object_folder(std::string_view kind, std::string_view ns) const;
  Result<void> make_folders(const std::string& of_kind, const std::string& folder);
  Result<Fd> lock();

  std::string dir_;
  api::Group group_;
};

}  // namespace fairlead::runtime
