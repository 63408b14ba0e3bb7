#include "speaker/core/bird_report.h"

namespace fairlead::speaker {

std::string_view name(LinkState state) {
  switch (state) {
    case LinkState::closed: return "closed";
    case LinkState::no_socket: return "no_socket";
    case LinkState::refused: return "refused";
    case LinkState::denied: return "denied";
    case LinkState::greeting_missing: return "greeting_missing";
    case LinkState::hung: return "hung";
    case LinkState::garbage: return "garbage";
    case LinkState::too_old: return "too_old";
    case LinkState::ready: return "ready";
  }
  return "unknown";
}

}  // namespace fairlead::speaker
