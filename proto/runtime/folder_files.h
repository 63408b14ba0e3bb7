#pragma once
/// The files of a folder as they come and go: the walk, inotify, and reading one file. Knows names, not contents.
///
/// A file is worth reading when its writer has closed it, or it was moved or linked in. What was read while a writer had
/// it open is worth nothing. So reading ends with the question whether there is a writer now (`busy`), and then the
/// reader drains once more: a writer that is gone by the time of the question has left its IN_CLOSE_WRITE before.
/// Thread: one. I/O, but no policy.
#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "proto/base/fd.h"
#include "proto/base/result.h"

namespace fairlead::runtime {

/// Equal fingerprints: nobody has changed the file in between, unless within one tick of the clock (`is_settled`).
struct Fingerprint {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  bool operator==(const Fingerprint&) const = default;
};

/// What inotify has said since it was asked last. Paths are relative to the folder.
struct Hints {
  std::set<std::string> look;     // read it again
  std::set<std::string> gone;     // removed or moved away
  std::set<std::string> writing;  // somebody is at it; will be in `look` when it is closed
  bool rescan = false;            // directories or links have changed, or events were lost
  bool is_lost = false;           // the folder itself was removed or moved away
  bool is_empty() const { return look.empty() && gone.empty() && !rescan && !is_lost; }
};

struct Walk {
  std::map<std::string, Fingerprint> files;
  std::vector<std::string> unreadable;  // directories below which nothing can be said
  bool is_partly_unwatched = false;     // the kernel refused watches: changes must be polled for
};

struct FileText {
  std::string text;
  Fingerprint fingerprint;
};
/// `busy`: a writer has it open. Its close is mostly heard; not where it is on its way out already (the kernel tells of the close
/// first and counts the writer off after it), nor where it came by a link from outside. So it has to be asked again.
enum class NoFile { gone, busy };
/// What a person must change about a file: one sentence.
struct Unusable {
  std::string what;
  std::optional<Fingerprint> fingerprint;
};
using ReadFile = std::variant<FileText, NoFile, Unusable>;

class FolderFiles {
 public:
  static Result<FolderFiles> open(std::string dir);

  int fd() const { return inotify_.get(); }
  void drain(Hints& hints);
  /// Every file of interest, watches included; none when the folder is not there.
  std::optional<Walk> walk();
  /// Never blocks, whatever stands there (a FIFO, a device).
  ReadFile read(const std::string& path, std::size_t max_bytes) const;
  std::string full(const std::string& path) const { return path.empty() ? dir_ : dir_ + "/" + path; }

 private:
  struct Watched {
    bool is_dir = false;
    bool is_root = false;
    std::set<std::string> paths;  // the directory, or the links that lead to this file
    bool is_stale = false;        // not met by the walk that is going on
  };

  FolderFiles(std::string dir, Fd inotify) : dir_(std::move(dir)), inotify_(std::move(inotify)) {}
  void on_event(int watch, std::uint32_t mask, const std::string& name, Hints& hints);
  void on_entry(const std::string& folder, std::uint32_t mask, const std::string& name, Hints& hints);
  void on_file(const std::string& path, std::uint32_t mask, Hints& hints);
  void visit(const std::string& path, int depth, Walk& walk);
  void visit_entry(const std::string& path, bool may_be_link, int depth, Walk& walk);
  bool add_watch(const std::string& path, std::uint32_t mask, bool is_dir, Walk& walk);
  void forget_watches();

  std::string dir_;
  Fd inotify_;
  std::unordered_map<int, Watched> watched_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> visited_;  // directories of the walk that is going on
  std::set<std::string> linked_dirs_;
};

}  // namespace fairlead::runtime
