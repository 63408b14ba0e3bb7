#pragma once
/// The wall clock, for what people read: Events, conditions, logs. Nothing is decided by it.
#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>

namespace fairlead::runtime {

/// Since 1970.
inline std::int64_t wall_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// "2026-01-31T12:00:00Z"
inline std::string rfc3339(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace fairlead::runtime
