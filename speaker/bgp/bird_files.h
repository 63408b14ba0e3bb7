#pragma once
/// The files that BIRD runs from, in one directory:
///
///   bird.conf      all of its configuration (or fairlead.conf, included by somebody else's)
///   routes4.conf, routes6.conf
///   speaker.lock   held (shared) by a running speaker
///   *.new          on the way; bird.conf.new is what a check looks at
///
/// Written beside and renamed, so that BIRD reads the old or the new one. Mode 0600: passwords stand in them. The
/// directory is meant to be memory: gone at a reboot, when the kernel's tables are gone too, and kept over restarts.
#include <string>

#include "proto/base/fd.h"
#include "proto/base/result.h"

namespace fairlead::speaker {

class BirdFiles {
 public:
  BirdFiles(std::string directory, bool is_included);

  const std::string& main() const { return main_; }
  std::string candidate() const { return main_ + ".new"; }
  const std::string& routes4() const { return routes4_; }
  const std::string& routes6() const { return routes6_; }

  /// Makes the directory (0700) when it is missing.
  Result<void> prepare();
  /// Tells whoever asks below that this process is there, until it ends, in whatever way.
  Result<void> hold();
  static bool is_speaker_there(const std::string& directory);
  static Result<std::string> read(const std::string& path);
  static Result<void> write(const std::string& path, const std::string& text);
  /// The candidate becomes the configuration.
  Result<void> take_candidate();

 private:
  std::string directory_, main_, routes4_, routes6_;
  Fd lock_;
};

}  // namespace fairlead::speaker
