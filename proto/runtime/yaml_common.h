#pragma once
/// What the readers of YAML share: text as a stream, places, and how they leave yaml-cpp. Internal to yaml*.cpp.
#include <yaml-cpp/mark.h>

#include <streambuf>
#include <string>
#include <string_view>

namespace fairlead::runtime {

/// A stream over text that stays where it is.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* const begin = const_cast<char*>(text.data());  // never written: there is no put area
    setg(begin, begin, begin + text.size());
  }
};

/// Leaves yaml-cpp and nlohmann from inside their callbacks; caught where a parser is run.
struct Refused {
  int line;
  std::string what;
};

inline int line_of_mark(const YAML::Mark& mark) { return mark.is_null() ? 1 : mark.line + 1; }

}  // namespace fairlead::runtime
