#pragma once
/// Bytes in and out. Only Reader and Writer know big-endian; no struct is ever laid over received bytes.
/// Pure; any input is safe.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace fairlead {

using ByteView = std::span<const std::uint8_t>;
using Bytes = std::vector<std::uint8_t>;

/// Reads from the front. A read past the end yields zeros and clears ok(); so a parser reads everything first and asks
/// once.
class Reader {
 public:
  explicit Reader(ByteView in) : in_(in) {}

  bool ok() const { return ok_; }
  std::size_t left() const { return in_.size() - at_; }

  std::uint8_t u8() { return bytes<1>()[0]; }
  std::uint16_t be16() {
    const auto b = bytes<2>();
    return static_cast<std::uint16_t>(b[0] << 8 | b[1]);
  }
  std::uint32_t be32() {
    const auto b = bytes<4>();
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> bytes() {
    std::array<std::uint8_t, N> out{};
    const ByteView from = view(N);
    if (!from.empty()) std::memcpy(out.data(), from.data(), N);
    return out;
  }
  /// The next n bytes without a copy; empty (and !ok()) when there are fewer.
  ByteView view(std::size_t n) {
    if (left() < n) {
      ok_ = false;
      at_ = in_.size();
      return {};
    }
    const ByteView out = in_.subspan(at_, n);
    at_ += n;
    return out;
  }
  void skip(std::size_t n) { view(n); }

 private:
  ByteView in_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

/// Appends to the end.
class Writer {
 public:
  void u8(std::uint8_t v) { out_.push_back(v); }
  void be16(std::uint16_t v) {
    u8(static_cast<std::uint8_t>(v >> 8));
    u8(static_cast<std::uint8_t>(v));
  }
  void be32(std::uint32_t v) {
    be16(static_cast<std::uint16_t>(v >> 16));
    be16(static_cast<std::uint16_t>(v));
  }
  void bytes(ByteView v) { out_.insert(out_.end(), v.begin(), v.end()); }
  void zeros(std::size_t n) { out_.insert(out_.end(), n, 0); }
  std::size_t size() const { return out_.size(); }
  Bytes take() && { return std::move(out_); }

 private:
  Bytes out_;
};

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace fairlead
