#pragma once
/// What is sent to BIRD. Pure. A line of 1,024 octets or more makes BIRD close the link, and one of 4,096 makes it spin for
/// ever (2.0.12 to 3.3), so a Command is never longer than kMaxCommand and never holds a control character.
/// Words are not abbreviated: that is a feature of birdc. Names of protocols are quoted, as patterns: then a name that is
/// not there is 8003 and not a syntax error, and no keyword can bite.
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "proto/bird/report.h"

namespace fairlead::bird {

inline constexpr std::size_t kMaxCommand = 1000;  // with its end of line

class Command {
 public:
  /// None: too long, or not one line of printable ASCII.
  static std::optional<Command> of(std::string_view text);
  /// With its end of line.
  const std::string& line() const { return line_; }
  std::string_view text() const { return std::string_view(line_).substr(0, line_.size() - 1); }
  bool operator==(const Command&) const = default;

 private:
  explicit Command(std::string line) : line_(std::move(line)) {}
  std::string line_;
};

Command show_status();
Command show_bfd_sessions();
Command configure_status();
/// From the daemon's own file. soft: filters that changed are not applied to what was announced already.
Command configure(bool soft);
/// Undone unless configure_confirm() comes within that time.
Command configure_timeout(std::chrono::seconds timeout);
Command configure_confirm();
Command configure_undo();
/// Ends BIRD without a word to the peers, which keep the routes if they do graceful restart.
Command graceful_restart();
Command down();

// None of these when the argument cannot be said (a quote, a control character, too long).
std::optional<Command> configure_check(std::string_view path);
std::optional<Command> show_protocols(std::string_view pattern);
std::optional<Command> show_protocols_all(std::string_view pattern);
std::optional<Command> enable(std::string_view pattern);
/// The message goes to the peers (RFC 8203).
std::optional<Command> disable(std::string_view pattern, std::string_view message);
std::optional<Command> restart(std::string_view pattern);
/// Announces again, after a filter changed. 3.x says "reload filters".
std::optional<Command> reload_out(const Version& version, std::string_view pattern);
/// How many prefixes the protocol announces. Takes a bare name: it has to be a symbol.
std::optional<Command> count_exported(std::string_view protocol);

}  // namespace fairlead::bird
