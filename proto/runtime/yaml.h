#pragma once
/// Manifests as text: YAML (1.2 core schema, many documents) and JSON, to nlohmann's values and back.
///
/// Documents are handed over one at a time, as the parser finds them, so that a file of a thousand objects never exists
/// as a tree. Foreign text is bounded: depth 64, and a budget of nodes that aliases are charged for as well (a
/// "billion laughs" file spends it and is refused). Quoted scalars are strings; a key that is there twice is an error. Pure.
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::runtime {

using Json = nlohmann::json;

inline constexpr std::size_t kMaxDepth = 64;
inline constexpr std::size_t kMaxNodes = 1'000'000;

/// Where an object stands in its file: which document (from 0), and the path of the object inside it ("" for the
/// document itself, "items[3]" in a List, "[3]" in a JSON array).
struct Place {
  std::size_t document = 0;
  std::string prefix;
};

struct SyntaxError {
  int line = 1;  // from 1
  std::string what;
};

enum class Format { yaml, json };

/// Calls `object` for every object of the text in order: documents, or the members of a JSON array or of a List. Empty
/// documents are skipped. After an error, what came before it has been handed over.
std::optional<SyntaxError> read_objects(std::string_view text, Format format,
                                        const std::function<void(const Json& object, const Place& place)>& object);

/// A field like "spec.ports[0].port" of the object at `place`.
struct Spot {
  Place place;
  std::string field;
};
/// The line (from 1) of each; of its nearest parent that is there when the field is not. Parses again, once for all of
/// them: for the case that there are errors to report.
std::vector<int> lines_of(std::string_view text, const std::vector<Spot>& spots);
int line_of(std::string_view text, const Place& place, std::string_view field);

/// Block style YAML, strings quoted where another reader could take them for something else. read_objects() gives the
/// same value back.
std::string to_yaml(const Json& value);

}  // namespace fairlead::runtime
