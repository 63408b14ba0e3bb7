#pragma once
/// Names and strings as BIRD's configuration takes them. Pure.
#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::bird {

/// A bare name: [A-Za-z0-9_], not a digit first, at most 63. Says nothing about keywords.
bool is_symbol(std::string_view text);

/// A stable symbol for a name that a user chose: prefix, then the name. "-" becomes "_", which is unique because such
/// names hold no "_"; of any other name, and of one that is too long, a hash is made part. The prefix keeps keywords away,
/// of which every release of BIRD has more.
std::string symbol(std::string_view prefix, std::string_view name);

/// Can stand between quotes: there is no escape, so neither a quote nor a control character.
bool is_string(std::string_view text);

/// FNV-1a, 32 bits; never 0. What numbers of peers and tellings are made of: it does not depend on what else exists.
std::uint32_t stable_number(std::string_view text);

}  // namespace fairlead::bird
