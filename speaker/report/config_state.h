#pragma once
/// Gathers what of the configuration is not in force on this node, from all who judge it, and says it as the
/// ConfigurationState "speaker-<node>" (and as the metric fairlead_config_stale). Level-triggered. Thread: the loop's.
#include <functional>
#include <string>

#include "speaker/report/status_objects.h"

namespace fairlead::speaker {

class ConfigState {
 public:
  /// `changed` is called with the whole state, whenever it is another.
  ConfigState(std::string node, std::function<void(runtime::StatusObject)> changed) : node_(std::move(node)), changed_(std::move(changed)) {}

  /// `origin`: who says it; each has a line of its own about one object. `what` "": it is in order.
  void set(const std::string& origin, const std::string& about, const std::string& what);
  /// Everything of the start was seen.
  void set_loaded();
  /// What is no fault, and told all the same.
  void set_note(std::string note);

  bool is_loaded() const { return is_loaded_; }
  bool is_stale() const { return !faults_.empty(); }

 private:
  void tell() { changed_(speaker_state(node_, is_loaded_, faults_, note_)); }

  const std::string node_;
  std::function<void(runtime::StatusObject)> changed_;
  bool is_loaded_ = false;
  Faults faults_;
  std::string note_;
};

}  // namespace fairlead::speaker
