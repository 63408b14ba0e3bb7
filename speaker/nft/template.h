#pragma once
/// The text that makes the table's structure: fairlead.nft.in beside this file, filled in. Pure.
#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::speaker {

/// The layout of the text built into this program. It counts up with every change of the text that a running table
/// cannot follow element by element.
inline constexpr int kLayout = 2;

/// "fairlead-2", or its twin "fairlead-2-b", which takes turns with it when a damaged table has to be replaced in place.
std::string table_name(int layout, bool twin = false);
/// "fairlead-<n>" and "fairlead-<n>-b", and nothing else: what is ours to remove.
bool is_table_of_ours(std::string_view name);

/// The whole text for one table, dormant and empty.
std::string render(std::string_view table, int layout);
/// Of the text without names: equal for tables that mean the same.
std::uint64_t template_hash();

}  // namespace fairlead::speaker
