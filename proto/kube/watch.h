#pragma once
/// The body of a Kubernetes watch: one JSON object a line, {"type": "ADDED", "object": {...}}. Pure; a chunk of HTTP is
/// not a line, so bytes may be split anywhere.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "proto/kube/fields.h"

namespace fairlead::kube {

/// Cuts a stream into lines. Memory: what was fed and not yet taken, and of an unfinished line at most `max_line` bytes.
class WatchLines {
 public:
  /// etcd refuses objects over 1.5 MB unless told otherwise.
  static constexpr std::size_t kMaxLine = 8U << 20;
  explicit WatchLines(std::size_t max_line = kMaxLine) : max_line_(max_line) {}

  void feed(std::string_view bytes);
  /// The next whole line without its end ("\n" or "\r\n"); empty lines are passed over. Good until feed() is called.
  std::optional<std::string_view> next();
  /// A line was longer than allowed: nothing more comes out. The watch has to be ended.
  bool is_too_long() const { return is_too_long_; }
  /// Bytes held.
  std::size_t held() const { return buffer_.size() - taken_; }

 private:
  std::size_t max_line_;
  std::string buffer_;
  std::size_t taken_ = 0;    // before this: handed out
  std::size_t scanned_ = 0;  // before this: no end of line that was not taken
  bool is_too_long_ = false;
};

struct WatchEvent {
  enum class Type { added, modified, deleted, bookmark, error };
  Type type = Type::error;
  Json object;  // of an error: a Status
};

/// A line that is no event (a bare Status, the answer to a refused watch) is refused like any other malformed one.
Parsed<WatchEvent> parse_watch_event(std::string_view line);

}  // namespace fairlead::kube
