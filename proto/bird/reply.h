#pragma once
/// What BIRD sends over its control socket, cut into replies. Pure; correct when split at any octet; any bytes are safe
/// input. The framing (BIRD 2.0.12 to 3.x):
///
///   NNNN-text   a line of class NNNN; more follow          +text   a message of its own, at any place
///   NNNN text   the last line of a reply                    text   (one space) as the line before
///
/// The code is a class of line, not of the reply. The greeting is a reply like any other ("0001 BIRD 2.0.12 ready.").
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fairlead::bird {

struct Line {
  int code = 0;      // 0 to 9999
  std::string text;  // not trimmed: details are told apart by their indent
  bool operator==(const Line&) const = default;
};

struct Reply {
  std::vector<Line> lines;  // never empty when it comes from ReplyReader
  int code() const { return lines.empty() ? 0 : lines.back().code; }
  /// No line says that something failed (8xxx, 9xxx): "8006-" may come before "0000 ".
  bool is_ok() const;
  /// The text of the first line that says so; "" when is_ok().
  std::string_view complaint() const;
  bool operator==(const Reply&) const = default;
};

/// "+text": a message outside any reply.
struct Notice {
  std::string text;
  bool operator==(const Notice&) const = default;
};

/// Why the stream cannot be read on: the link has to be closed.
enum class Broken {
  not_a_code,       // a line that begins with neither four digits, a space nor '+'
  no_line_before,   // a continuation where nothing came before
  line_too_long,
  reply_too_large,
};
std::string_view name(Broken reason);

class ReplyReader {
 public:
  static constexpr std::size_t kMaxLine = 8192;       // BIRD's own limit is 512
  static constexpr std::size_t kMaxReply = 4U << 20;  // octets of text of one reply
  explicit ReplyReader(std::size_t max_line = kMaxLine, std::size_t max_reply = kMaxReply)
      : max_line_(max_line), max_reply_(max_reply) {}

  void feed(std::string_view bytes);
  /// monostate: nothing whole is there. Broken: nothing else comes out any more.
  using Next = std::variant<std::monostate, Reply, Notice, Broken>;
  Next next();
  /// Octets held: of what was fed and not yet taken out, and of a reply that is not whole.
  std::size_t held() const { return buffer_.size() - taken_ + reply_size_; }

 private:
  Next broken(Broken reason);

  std::size_t max_line_, max_reply_;
  std::string buffer_;
  std::size_t taken_ = 0;    // before this: read
  std::size_t scanned_ = 0;  // before this: no end of line
  Reply reply_;              // so far
  std::size_t reply_size_ = 0;
  bool is_broken_ = false;
  Broken reason_ = Broken::not_a_code;
};

}  // namespace fairlead::bird
