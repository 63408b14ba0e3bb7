#pragma once
/// What fuzz targets share. A target is one file, NAME_fuzz.cpp, with libFuzzer's entry point: any bytes in; whatever is
/// wrong aborts (FL_CHECK, a sanitizer, an exception that nobody expects). Clang's libFuzzer calls it with inputs that it
/// makes up (run.sh), replay.cpp with the files of corpus/NAME in the unit tests.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/base/bytes.h"
#include "proto/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fairlead::fuzz {

inline std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};  // NOLINT: bytes are text here
}

/// Numbers that depend on the input alone: where to cut it, what a peer answers. So a corpus holds messages as they came,
/// and one input always does the same.
class Dice {
 public:
  explicit Dice(std::string_view input) {
    for (const char c : input) state_ = (state_ ^ static_cast<std::uint8_t>(c)) * 0x100000001b3U;
  }
  /// 0 to sides - 1.
  std::size_t roll(std::size_t sides) {
    state_ = state_ * 0x5851f42d4c957f2dU + 0x14057b7ef767814fU;
    return static_cast<std::size_t>(state_ >> 33) % sides;
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325U;
};

/// Takes what stands before the next line that holds `mark` alone, and the mark; all of it when there is none.
inline std::string_view take_part(std::string_view& in, std::string_view mark) {
  for (std::size_t at = 0; (at = in.find(mark, at)) != std::string_view::npos; ++at) {
    const std::size_t end = at + mark.size();
    if ((at > 0 && in[at - 1] != '\n') || (end < in.size() && in[end] != '\n')) continue;
    const std::string_view out = in.substr(0, at);
    in.remove_prefix(end < in.size() ? end + 1 : end);
    return out;
  }
  const std::string_view out = in;
  in = {};
  return out;
}

}  // namespace fairlead::fuzz
