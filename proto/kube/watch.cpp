#include "proto/kube/watch.h"

namespace fairlead::kube {

void WatchLines::feed(std::string_view bytes) {
  if (is_too_long_) return;
  buffer_.erase(0, taken_);
  scanned_ -= taken_;
  taken_ = 0;
  buffer_ += bytes;
}

std::optional<std::string_view> WatchLines::next() {
  while (!is_too_long_) {
    const std::size_t end = buffer_.find('\n', scanned_);
    const std::size_t length = (end == std::string::npos ? buffer_.size() : end) - taken_;
    if (length > max_line_) {
      is_too_long_ = true;
      buffer_ = {};
      taken_ = scanned_ = 0;
      break;
    }
    if (end == std::string::npos) {
      scanned_ = buffer_.size();
      if (held() == 0 && buffer_.capacity() > 64U << 10) {  // one large object should not cost its size for ever
        buffer_ = {};
        taken_ = scanned_ = 0;
      }
      break;
    }
    std::string_view line = std::string_view(buffer_).substr(taken_, length);
    taken_ = scanned_ = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty()) return line;
  }
  return std::nullopt;
}

Parsed<WatchEvent> parse_watch_event(std::string_view line) {
  Json document = parse_json(line);
  if (document.is_discarded() || !document.is_object()) return FieldError{"", "the line is no JSON object"};
  std::optional<FieldError> error;
  const Field root(document, error);
  using Type = WatchEvent::Type;
  WatchEvent out;
  const Field type = root["type"];
  if (!type.is_present()) type.refuse("is missing");
  out.type = type.one_of<Type>({{"ADDED", Type::added},
                                {"MODIFIED", Type::modified},
                                {"DELETED", Type::deleted},
                                {"BOOKMARK", Type::bookmark},
                                {"ERROR", Type::error}},
                               Type::error);
  const auto object = document.find("object");
  if (object == document.end() || !object->is_object()) root["object"].refuse("is missing or no object");
  if (error) return *std::move(error);
  out.object = std::move(*object);
  return out;
}

}  // namespace fairlead::kube
