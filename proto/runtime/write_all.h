#pragma once
/// Writes all of a text into a file, whatever write(2) takes of it at a time. `path` is for the sentence of the error.
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "proto/base/result.h"

namespace fairlead::runtime {

inline Result<void> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write " + path, errno);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace fairlead::runtime
