#pragma once
/// `fairleadctl trace`: reads the objects once, plans them as the speaker of one node does, asks.
#include <string>
#include <vector>

#include "proto/runtime/open_source.h"
#include "speaker/core/data_plane_flags.h"

namespace fairlead::ctl {

struct TraceFlags {
  runtime::SourceFlags source;
  std::string node;
  speaker::DataPlaneTexts data_plane;
  std::string from;         // --from: "" when it is told from the address
  std::string source_text;  // SRC[:PORT]
  std::string destination;  // DST:PORT/PROTO
  bool is_json = false;
};

/// Prints the answer, or why there is none; the exit code: 0 answered, 2 not.
int run_trace(const TraceFlags& flags);

}  // namespace fairlead::ctl
