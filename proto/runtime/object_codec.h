#pragma once
/// Objects as compact bytes: what the state file holds, and what a source keeps of an object to see whether it changed.
/// One object has one form, so equal bytes are equal objects. metadata.resourceVersion is not part of it: it changes
/// with fields that nobody here reads. Pure; any bytes are safe input.
///
/// Whoever adds a member to an object adds it to members() in object_codec.cpp and raises kObjectVersion.
#include <optional>
#include <string>
#include <string_view>

#include "proto/api/objects.h"

namespace fairlead::runtime {

inline constexpr std::uint32_t kObjectVersion = 3;

std::string encode(const api::Object& object);
/// None when the bytes are not exactly one object of this kind.
std::optional<api::Object> decode(api::Kind kind, std::string_view bytes);

/// LEB128, and a length before each text.
void put_number(std::string& out, std::uint64_t value);
void put_text(std::string& out, std::string_view text);
/// Both take what they read off the front; none when there is not enough.
std::optional<std::uint64_t> take_number(std::string_view& in);
std::optional<std::string_view> take_text(std::string_view& in);

}  // namespace fairlead::runtime
