#include "proto/bird/reply.h"

#include <algorithm>

namespace fairlead::bird {
namespace {

/// What a line costs beside its text, so that a reply of empty lines is bounded too.
constexpr std::size_t kLineCost = sizeof(Line);

bool is_failure(const Line& line) { return line.code >= 8000; }

/// The four digits in front; -1: none.
int code_of(std::string_view line) {
  if (line.size() < 5) return -1;
  int code = 0;
  for (const char c : line.substr(0, 4)) {
    if (c < '0' || c > '9') return -1;
    code = code * 10 + (c - '0');
  }
  return code;
}

}  // namespace

bool Reply::is_ok() const { return std::none_of(lines.begin(), lines.end(), is_failure); }

std::string_view Reply::complaint() const {
  const auto found = std::find_if(lines.begin(), lines.end(), is_failure);
  return found == lines.end() ? std::string_view() : found->text;
}

std::string_view name(Broken reason) {
  switch (reason) {
    case Broken::not_a_code: return "not_a_code";
    case Broken::no_line_before: return "no_line_before";
    case Broken::line_too_long: return "line_too_long";
    case Broken::reply_too_large: return "reply_too_large";
  }
  return "unknown";
}

void ReplyReader::feed(std::string_view bytes) {
  if (is_broken_) return;
  if (taken_ > 0) {
    buffer_.erase(0, taken_);
    scanned_ -= taken_;
    taken_ = 0;
  }
  buffer_.append(bytes);
}

ReplyReader::Next ReplyReader::broken(Broken reason) {
  is_broken_ = true;
  reason_ = reason;
  buffer_ = {};
  reply_ = {};
  taken_ = scanned_ = reply_size_ = 0;
  return reason;
}

ReplyReader::Next ReplyReader::next() {
  if (is_broken_) return reason_;
  for (;;) {
    const std::size_t end = buffer_.find('\n', scanned_);
    if (end == std::string::npos) {
      scanned_ = buffer_.size();
      if (scanned_ - taken_ > max_line_) return broken(Broken::line_too_long);
      return std::monostate();
    }
    const std::string_view line = std::string_view(buffer_).substr(taken_, end - taken_);
    taken_ = scanned_ = end + 1;
    if (line.size() > max_line_) return broken(Broken::line_too_long);
    if (line.starts_with('+')) return Notice{std::string(line.substr(1))};

    bool is_last = false;
    if (line.starts_with(' ')) {
      if (reply_.lines.empty()) return broken(Broken::no_line_before);
      reply_.lines.push_back({reply_.lines.back().code, std::string(line.substr(1))});
    } else {
      const int code = code_of(line);
      if (code < 0 || (line[4] != '-' && line[4] != ' ')) return broken(Broken::not_a_code);
      is_last = line[4] == ' ';
      reply_.lines.push_back({code, std::string(line.substr(5))});
    }
    reply_size_ += line.size() + kLineCost;
    if (reply_size_ > max_reply_) return broken(Broken::reply_too_large);
    if (!is_last) continue;
    Reply out = std::move(reply_);
    reply_ = {};
    reply_size_ = 0;
    return out;
  }
}

}  // namespace fairlead::bird
