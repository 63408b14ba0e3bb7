#include "speaker/nft/template.h"

#include <charconv>

#include "proto/base/check.h"
#include "proto/nft/skeleton.h"
#include "speaker/nft/template_text.h"

namespace fairlead::speaker {
namespace {

constexpr std::string_view kPrefix = "fairlead-";
constexpr std::string_view kTwin = "-b";

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
}

/// "@for k in 1..64@ ... @end@": the block once for each k.
void expand_loops(std::string& text) {
  constexpr std::string_view kFor = "@for k in 1..";
  constexpr std::string_view kEnd = "@end@\n";
  for (std::size_t at = 0; (at = text.find(kFor, at)) != std::string::npos;) {
    int last = 0;
    const char* const digits = text.data() + at + kFor.size();
    const auto [stop, error] = std::from_chars(digits, text.data() + text.size(), last);
    const std::size_t body = text.find('\n', at) + 1;
    const std::size_t end = text.find(kEnd, body);
    FL_CHECK(error == std::errc() && *stop == '@' && end != std::string::npos, "the template's loops are well formed");
    std::string out;
    for (int k = 1; k <= last; ++k) {
      std::string once = text.substr(body, end - body);
      replace_all(once, "@k@", std::to_string(k));
      out += once;
    }
    text.replace(at, end + kEnd.size() - at, out);
    at += out.size();
  }
}

}  // namespace

std::string table_name(int layout, bool twin) {
  return std::string(kPrefix) + std::to_string(layout) + std::string(twin ? kTwin : "");
}

bool is_table_of_ours(std::string_view name) {
  if (!name.starts_with(kPrefix)) return false;
  std::string_view digits = name.substr(kPrefix.size());
  const bool is_twin = digits.ends_with(kTwin);
  if (is_twin) digits.remove_suffix(kTwin.size());
  int layout = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layout);
  // Written back, so that only what we could have written is ours: no sign, no leading zero.
  return error == std::errc() && layout > 0 && table_name(layout, is_twin) == name;
}

std::string render(std::string_view table, int layout) {
  std::string text(kTemplateText);
  expand_loops(text);
  replace_all(text, "@TABLE@", table);
  replace_all(text, "@LAYOUT@", std::to_string(layout));
  FL_CHECK(text.find('@') == std::string::npos || text.find("@TABLE") == std::string::npos, "no placeholder is left");
  return text;
}

std::uint64_t template_hash() { return nft::text_hash(kTemplateText); }

}  // namespace fairlead::speaker
