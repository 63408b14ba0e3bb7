#pragma once
/// What the parsers of proto/kube and proto/api have in common: metadata, labels and label selectors.
#include "proto/kube/fields.h"
#include "proto/kube/objects.h"

namespace fairlead::kube {

enum class Scope { namespaced, cluster };

/// `metadata` of an object. A namespaced one without namespace is in "default". A name that could not be the name of a
/// file (empty, ".", "..", or with '/' or a control character) is refused: overlays are stored by name.
Meta read_meta(const Field& object, Scope scope);
Labels read_labels(const Field& field);
std::vector<std::string> read_texts(const Field& field);
LabelSelector read_selector(const Field& field);
std::vector<LabelSelector> read_selectors(const Field& field);

/// "2026-01-31T12:00:00Z" (RFC 3339, any offset) in seconds since 1970; fractions are cut off.
std::optional<std::int64_t> parse_time(std::string_view text);

/// Runs `read` over the document and answers what it made, or what was wrong. `partly` then gets what it made all the same:
/// fallbacks stand for what was refused.
template <class T, class Read>
Parsed<T> read_document(const Json& document, Read read, T* partly = nullptr) {
  if (!document.is_object()) return FieldError{"", "the document is not an object: it needs apiVersion, kind and metadata"};
  std::optional<FieldError> error;
  const Field object(document, error);
  T out = read(object);
  if (!error) return out;
  if (partly != nullptr) *partly = std::move(out);
  return *std::move(error);
}

}  // namespace fairlead::kube
