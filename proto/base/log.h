#pragma once
/// Log lines are `key=value`, one line for each change of decision, never one for each packet.
/// log::info("announce", {{"vip", "10.0.0.7"}, {"reason", "owner"}}) prints
///   2026-01-31T12:00:00.123Z info  event=announce vip=10.0.0.7 reason=owner
/// Values that need it are quoted; control characters are escaped, so that a foreign string cannot forge a line.
/// Thread: any; lines do not mix.
#include <initializer_list>
#include <string>
#include <string_view>

namespace fairlead::log {

struct Field {
  std::string_view key;
  std::string value;
  Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  Field(std::string_view k, int v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, unsigned v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, long v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, unsigned long v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, double v);
};
using Fields = std::initializer_list<Field>;

enum class Level { debug, info, warn, error };

/// Lines go to standard error. `level` is one of debug, info, warn, error; anything else answers false.
bool set_level(std::string_view level);

void write(Level level, std::string_view event, Fields fields);
inline void debug(std::string_view event, Fields fields = {}) { write(Level::debug, event, fields); }
inline void info(std::string_view event, Fields fields = {}) { write(Level::info, event, fields); }
inline void warn(std::string_view event, Fields fields = {}) { write(Level::warn, event, fields); }
inline void error(std::string_view event, Fields fields = {}) { write(Level::error, event, fields); }

/// The text of one field: `key=value` or `key="va\"lue"`.
std::string format(const Field& field);

}  // namespace fairlead::log
