#pragma once
/// What a frontend maps to, kept as the connection's ct mark. 32 bits, host order:
///
///     31           12  11  10  9         0
///     [  list id   ][ M ][ P ][  class  ]
///
///   id     a list of endpoints of one family; 1 .. 2^20-1, not used again for 24 h
///   M, P   see Masquerade
///   class  which chain decides: see ClassNo
#include <compare>
#include <cstdint>

namespace fairlead::nft {

struct ListId {
  std::uint32_t value = 0;  // 0: none (a frontend that refuses or ignores has no list)
  auto operator<=>(const ListId&) const = default;
  std::uint32_t bits() const { return value << 12; }
};
inline constexpr std::uint32_t kMaxListId = (1U << 20) - 1;

enum class Masquerade : std::uint32_t {
  never = 0,
  unless_pod = 0x400,  // P: unless the source is a local pod
  always = 0x800,      // M
};

/// Class numbers are allocated, never computed from a count of endpoints, so that no count can run into another class.
/// The template gives 16 .. 79 to lists of 1 .. 64 endpoints; rarer sizes get the first free number above.
struct ClassNo {
  std::uint16_t value = 0;
  auto operator<=>(const ClassNo&) const = default;
};
inline constexpr ClassNo kRefuse{1};
inline constexpr ClassNo kIgnore{2};
inline constexpr ClassNo kBySource{3};
inline constexpr std::uint16_t kFirstAllocatedClass = 16;
inline constexpr std::uint16_t kMaxClass = 1023;
/// Lists of up to this many endpoints find their class in the template.
inline constexpr std::size_t kTemplateSpread = 64;

struct Handle {
  std::uint32_t raw = 0;
  auto operator<=>(const Handle&) const = default;

  static Handle of(ListId id, Masquerade masquerade, ClassNo cls) {
    return Handle{id.bits() | static_cast<std::uint32_t>(masquerade) | cls.value};
  }
  ListId id() const { return ListId{raw >> 12}; }
  ClassNo cls() const { return ClassNo{static_cast<std::uint16_t>(raw & 0x3ff)}; }
  Masquerade masquerade() const { return static_cast<Masquerade>(raw & 0xc00); }
};

}  // namespace fairlead::nft
