#include "proto/bird/command.h"

#include <algorithm>

#include "proto/base/check.h"
#include "proto/bird/symbol.h"

namespace fairlead::bird {
namespace {

Command fixed(std::string_view text) {
  auto made = Command::of(text);
  FL_CHECK(made.has_value(), "a command of ours can be said");
  return *std::move(made);
}

std::optional<Command> quoted(std::string_view head, std::string_view argument, std::string_view tail = "") {
  if (argument.find('"') != std::string_view::npos) return std::nullopt;
  return Command::of(std::string(head) + " \"" + std::string(argument) + "\"" + std::string(tail));
}

}  // namespace

std::optional<Command> Command::of(std::string_view text) {
  const auto is_said = [](char c) { return c >= ' ' && c <= '~'; };
  if (text.empty() || text.size() + 1 > kMaxCommand || !std::all_of(text.begin(), text.end(), is_said)) return std::nullopt;
  return Command(std::string(text) + "\n");
}

Command show_status() { return fixed("show status"); }
Command show_bfd_sessions() { return fixed("show bfd sessions"); }
Command configure_status() { return fixed("configure status"); }
Command configure(bool soft) { return fixed(soft ? "configure soft" : "configure"); }
Command configure_timeout(std::chrono::seconds timeout) { return fixed("configure timeout " + std::to_string(timeout.count())); }
Command configure_confirm() { return fixed("configure confirm"); }
Command configure_undo() { return fixed("configure undo"); }
Command graceful_restart() { return fixed("graceful restart"); }
Command down() { return fixed("down"); }

std::optional<Command> configure_check(std::string_view path) { return quoted("configure check", path); }
std::optional<Command> show_protocols(std::string_view pattern) { return quoted("show protocols", pattern); }
std::optional<Command> show_protocols_all(std::string_view pattern) { return quoted("show protocols all", pattern); }
std::optional<Command> enable(std::string_view pattern) { return quoted("enable", pattern); }
std::optional<Command> disable(std::string_view pattern, std::string_view message) {
  if (message.find('"') != std::string_view::npos) return std::nullopt;
  return quoted("disable", pattern, " \"" + std::string(message) + "\"");
}
std::optional<Command> restart(std::string_view pattern) { return quoted("restart", pattern); }
std::optional<Command> reload_out(const Version& version, std::string_view pattern) {
  return quoted(version.major >= 3 ? "reload filters out" : "reload out", pattern);
}
std::optional<Command> count_exported(std::string_view protocol) {
  if (!is_symbol(protocol)) return std::nullopt;
  return Command::of("show route export " + std::string(protocol) + " count");
}

}  // namespace fairlead::bird
