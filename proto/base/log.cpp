#include "proto/base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>

#include "proto/base/text.h"

namespace fairlead::log {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("fairlead", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_formatter(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %-5l %v",
                                                                    spdlog::pattern_time_type::utc));
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

bool is_plain(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return false;
  }
  return true;
}

}  // namespace

Field::Field(std::string_view k, double v) : key(k) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", v);
  value = text;
}

std::string format(const Field& field) {
  std::string out(field.key);
  out += '=';
  if (is_plain(field.value)) return out += field.value;
  out += '"';
  for (const char c : field.value) {
    if (c == '"' || c == '\\') out += '\\';
    append_visible(out, c);
  }
  return out += '"';
}

bool set_level(std::string_view level) {
  if (level == "debug") logger().set_level(spdlog::level::debug);
  else if (level == "info") logger().set_level(spdlog::level::info);
  else if (level == "warn") logger().set_level(spdlog::level::warn);
  else if (level == "error") logger().set_level(spdlog::level::err);
  else return false;
  return true;
}

void write(Level level, std::string_view event, Fields fields) {
  static constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                          spdlog::level::warn, spdlog::level::err};
  const auto as = kLevels[static_cast<int>(level)];
  if (!logger().should_log(as)) return;
  std::string line = "event=";
  line += event;
  for (const Field& f : fields) {
    line += ' ';
    line += format(f);
  }
  logger().log(as, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace fairlead::log
