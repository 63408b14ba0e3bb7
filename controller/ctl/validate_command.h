#pragma once
/// `fairleadctl validate -f FILE|DIR ... [--api-group G] [--bgp-type T] [--namespace NS] [-o json]`: what is wrong with
/// manifests, before any program sees them.
#include <ostream>
#include <string>
#include <vector>

#include "proto/api/validate.h"

namespace fairlead::ctl {

struct ValidateFlags {
  std::vector<std::string> paths;  // files, folders (read whole, dot-files left out), "-" for the standard input
  api::Rules rules;
  std::string ns;  // the namespace whose objects count; empty: see config_reader.h
  bool is_json = false;
};

inline constexpr int kNoFault = 0;
inline constexpr int kFaults = 1;
inline constexpr int kUnreadable = 2;

/// 0: no fault, perhaps warnings. 1: faults. 2: something could not be read, or the result not be written, said on `err`;
/// what could be read is judged all the same.
int run_validate(const ValidateFlags& flags, std::ostream& out, std::ostream& err);

}  // namespace fairlead::ctl
