#include "speaker/report/config_state.h"

#include <utility>

namespace fairlead::speaker {

void ConfigState::set(const std::string& origin, const std::string& about, const std::string& what) {
  const std::pair key{about, origin};
  const auto found = faults_.find(key);
  if (what.empty() ? found == faults_.end() : found != faults_.end() && found->second == what) return;
  if (what.empty()) {
    faults_.erase(found);
  } else {
    faults_.insert_or_assign(key, what);
  }
  tell();
}

void ConfigState::set_loaded() {
  if (std::exchange(is_loaded_, true)) return;
  tell();
}

void ConfigState::set_note(std::string note) {
  if (note == note_) return;
  note_ = std::move(note);
  tell();
}

}  // namespace fairlead::speaker
