#pragma once
/// What a program needs to go on without an API server: the objects that it watches, and where the API servers are.
///
/// "FLSTATE\n", a version, addresses, the objects kind by kind, FNV-1a (64 bits) of all that. Another version, a cut or
/// a changed octet: the file is worth nothing and says so. encode/decode are pure; save() writes beside the file, syncs
/// and renames, so that a reader sees the old or the new one; mode 0600.
#include <string>
#include <string_view>
#include <vector>

#include "proto/api/objects.h"
#include "proto/base/result.h"

namespace fairlead::runtime {

struct State {
  struct Group {
    api::Kind kind = api::Kind::service;
    std::vector<std::string> objects;  // as object_codec.h's encode() made them
    bool operator==(const Group&) const = default;
  };
  std::vector<std::string> api_servers;  // "192.0.2.1:6443", "[2001:db8::1]:6443"
  std::vector<Group> groups;             // a kind that is listed and has no objects is there and empty
  bool operator==(const State&) const = default;
};

std::string encode(const State& state);
/// Malformed: damaged, or of another version.
Result<State> decode_state(std::string_view bytes);

/// Makes the directory (0700) when it is missing.
Result<void> save_state(const std::string& path, std::string_view bytes);
/// not_found: there is no such file.
Result<std::string> load_state(const std::string& path);

}  // namespace fairlead::runtime
