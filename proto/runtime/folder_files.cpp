#include "proto/runtime/folder_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>

#include "proto/runtime/folder_manifest.h"
#include "proto/runtime/folder_status.h"

namespace fairlead::runtime {
namespace {

constexpr int kMaxWalkDepth = 16;
constexpr std::uint32_t kSelf = IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::uint32_t kNames = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::uint32_t kContents = IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB;

std::int64_t nanoseconds(const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

Fingerprint fingerprint_of(const struct stat& info) {
  return {info.st_dev, info.st_ino, info.st_size, nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
}

std::string join(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

std::string reason(const char* what, int number) { return system_error(what, number).what; }

/// Whether anybody has the file open for writing. Events alone cannot tell: a writer truncates first and the event
/// follows, perhaps a time slice later. A read lease can: the kernel grants none while there is a writer. Taken and given
/// back at once; where it may not be taken (another user's file without CAP_LEASE, some file systems) the events must do.
bool has_writer(int fd) {
  // A writer that comes in between waits these microseconds and the kernel signals us: SIGIO would end the process, so
  // it is told to send a signal that is ignored unless somebody asks for it.
  if (::fcntl(fd, F_SETSIG, SIGURG) != 0) return false;
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN;
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

/// `.status` and what is below it is watched for overlays of Services and for AddressRecords only; the logs and locks beside them are not.
bool is_status(const std::string& path) { return path == kStatusDir; }
bool is_below_status(const std::string& path) { return path.starts_with(std::string(kStatusDir) + "/"); }

bool is_walked(const std::string& folder, const std::string& name) {
  if (folder.empty() && name == kStatusDir) return true;
  if (is_status(folder)) return name == "Service" || name == "AddressRecord";
  return name[0] != '.';
}

}  // namespace

Result<FolderFiles> FolderFiles::open(std::string dir) {
  while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
  const Fd probe(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!probe) return system_error("read the directory " + dir, errno);
  Fd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) return system_error("inotify_init1 (is fs.inotify.max_user_instances used up?)", errno);
  return FolderFiles(std::move(dir), std::move(inotify));
}

void FolderFiles::drain(Hints& hints) {
  alignas(inotify_event) char buffer[64 * 1024];
  while (true) {
    const ssize_t n = ::read(inotify_.get(), buffer, sizeof buffer);
    if (n <= 0) return;
    for (ssize_t at = 0; at < n;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(buffer + at);  // aligned by the kernel
      on_event(event->wd, event->mask, event->len > 0 ? event->name : "", hints);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
}

void FolderFiles::on_event(int watch, std::uint32_t mask, const std::string& name, Hints& hints) {
  if ((mask & IN_Q_OVERFLOW) != 0) {
    hints.rescan = true;
    hints.writing.clear();  // the close may be among what was lost
    return;
  }
  const auto found = watched_.find(watch);
  if (found == watched_.end()) return;
  const Watched& at = found->second;
  const bool is_over = (mask & (kSelf | IN_UNMOUNT | IN_IGNORED)) != 0;
  if (at.is_root && is_over) {
    hints.is_lost = true;
    forget_watches();
    return;
  }
  if (is_over) {
    hints.rescan = true;
    if ((mask & IN_IGNORED) != 0) watched_.erase(found);
    return;
  }
  if (at.is_dir) {
    if (name.empty()) {
      if ((mask & IN_ATTRIB) != 0) hints.rescan = true;  // it may be readable now
      return;
    }
    on_entry(*at.paths.begin(), mask, name, hints);
    return;
  }
  if ((mask & IN_ATTRIB) != 0) hints.rescan = true;  // the file behind a link was unlinked, perhaps replaced
  for (const std::string& path : at.paths) on_file(path, mask, hints);
}

void FolderFiles::on_entry(const std::string& folder, std::uint32_t mask, const std::string& name, Hints& hints) {
  // ConfigMap volumes: every file is a link through `..data`, which is replaced as a whole.
  if (name == "..data") {
    hints.rescan = true;
    return;
  }
  if (!is_walked(folder, name)) return;
  const std::string path = join(folder, name);
  if ((mask & IN_ISDIR) != 0) {
    if ((mask & (kNames | IN_ATTRIB)) != 0) hints.rescan = true;
    return;
  }
  if (!format_of(name)) {
    // A link to a directory is no directory to inotify.
    struct stat info {};
    const bool is_dir = ::stat(full(path).c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    if ((mask & kNames) != 0 && (is_dir || linked_dirs_.contains(path))) hints.rescan = true;
    return;
  }
  if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
    struct stat info {};
    if (::lstat(full(path).c_str(), &info) != 0) return;  // gone again: there is an event for that, too
    if (S_ISLNK(info.st_mode)) {
      hints.rescan = true;  // the file behind it needs a watch
    } else if ((mask & IN_CREATE) != 0 && S_ISREG(info.st_mode) && info.st_nlink < 2) {
      return;  // just created: it is read when it is closed
    }
    hints.writing.erase(path);
    hints.gone.erase(path);
    hints.look.insert(path);
    return;
  }
  on_file(path, mask, hints);
}

void FolderFiles::on_file(const std::string& path, std::uint32_t mask, Hints& hints) {
  if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0) {
    hints.look.erase(path);
    hints.writing.erase(path);
    hints.gone.insert(path);
  } else if ((mask & IN_CLOSE_WRITE) != 0) {
    hints.writing.erase(path);
    hints.look.insert(path);
    hints.gone.erase(path);
  } else if ((mask & IN_MODIFY) != 0) {
    hints.look.erase(path);
    hints.writing.insert(path);
  } else if ((mask & IN_ATTRIB) != 0 && !hints.writing.contains(path)) {
    hints.look.insert(path);  // it may be readable now
  }
}

void FolderFiles::forget_watches() {
  for (const auto& [watch, what] : watched_) ::inotify_rm_watch(inotify_.get(), watch);
  watched_.clear();
}

bool FolderFiles::add_watch(const std::string& path, std::uint32_t mask, bool is_dir, Walk& walk) {
  const int watch = ::inotify_add_watch(inotify_.get(), full(path).c_str(), mask);
  if (watch < 0) {
    if (errno == ENOSPC || errno == ENOMEM) walk.is_partly_unwatched = true;
    return false;
  }
  Watched& entry = watched_[watch];
  if (entry.is_stale) entry.paths.clear();
  entry.is_stale = false;
  entry.is_dir = is_dir;
  entry.is_root = is_dir && path.empty();
  entry.paths.insert(path);
  return true;
}

std::optional<Walk> FolderFiles::walk() {
  struct stat info {};
  if (::stat(dir_.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return std::nullopt;
  Walk out;
  visited_ = {{info.st_dev, info.st_ino}};
  linked_dirs_.clear();
  for (auto& [watch, what] : watched_) what.is_stale = true;
  visit("", 0, out);
  if (!out.unreadable.empty() && out.unreadable.front().empty()) return std::nullopt;
  // A folder that is itself a link: when the link is replaced, the directory behind it hears nothing.
  if (::lstat(dir_.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
    const int watch = ::inotify_add_watch(inotify_.get(), dir_.c_str(), kSelf | IN_DONT_FOLLOW);
    if (watch >= 0) watched_[watch] = Watched{false, true, {}, false};
  }
  std::erase_if(watched_, [&](const auto& entry) {
    if (entry.second.is_stale) ::inotify_rm_watch(inotify_.get(), entry.first);
    return entry.second.is_stale;
  });
  return out;
}

void FolderFiles::visit(const std::string& path, int depth, Walk& walk) {
  // The watch comes before the listing, so that nothing falls between the two. The status directory holds logs and locks
  // that are written all the time: only names matter there.
  const std::uint32_t contents = is_status(path) ? 0 : kContents;
  add_watch(path, kNames | kSelf | contents | IN_ONLYDIR, true, walk);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(full(path).c_str()), [](DIR* d) { return ::closedir(d); });
  if (!dir) {
    if (errno != ENOENT && errno != ENOTDIR) walk.unreadable.push_back(path);
    else if (path.empty()) walk.unreadable.emplace_back();
    return;
  }
  std::vector<std::pair<std::string, bool>> entries;
  while (const dirent* const entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == ".." || !is_walked(path, name)) continue;
    entries.emplace_back(join(path, name), entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN);
  }
  std::sort(entries.begin(), entries.end());  // where two ways lead to one directory, always the same one is taken
  for (const auto& [child, may_be_link] : entries) visit_entry(child, may_be_link, depth, walk);
}

void FolderFiles::visit_entry(const std::string& path, bool may_be_link, int depth, Walk& walk) {
  struct stat info {};
  if (::stat(full(path).c_str(), &info) != 0) return;  // gone, or a link to nowhere
  struct stat link {};
  const bool is_link = may_be_link && ::lstat(full(path).c_str(), &link) == 0 && S_ISLNK(link.st_mode);
  if (S_ISDIR(info.st_mode)) {
    if (is_link) linked_dirs_.insert(path);
    if (depth < kMaxWalkDepth && visited_.emplace(info.st_dev, info.st_ino).second) visit(path, depth + 1, walk);
    return;
  }
  if (!format_of(path) || is_status(path.substr(0, path.rfind('/')))) return;
  if (is_below_status(path) && std::count(path.begin(), path.end(), '/') != 3) return;  // .status/Kind/ns/name.yaml
  walk.files.emplace(path, fingerprint_of(info));
  if (is_link) add_watch(path, kContents | kSelf, false, walk);
}

ReadFile FolderFiles::read(const std::string& path, std::size_t max_bytes) const {
  const Fd fd(::open(full(path).c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return NoFile::gone;
    return Unusable{reason("cannot be read", errno), std::nullopt};
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return Unusable{reason("cannot be read", errno), std::nullopt};
  const Fingerprint fingerprint = fingerprint_of(info);
  if (!S_ISREG(info.st_mode)) return Unusable{"is not a regular file: move it out of the folder", fingerprint};
  const std::string limit = "is larger than " + std::to_string(max_bytes) + " bytes: split it into several files";
  if (static_cast<std::uint64_t>(info.st_size) > max_bytes) return Unusable{limit, fingerprint};
  FileText out{{}, fingerprint};
  out.text.resize(static_cast<std::size_t>(info.st_size) + 1);  // one more, to meet the end in the first read
  std::size_t size = 0;
  while (true) {
    if (size == out.text.size()) out.text.resize(size * 2);
    const ssize_t n = ::read(fd.get(), out.text.data() + size, out.text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Unusable{reason("cannot be read", errno), fingerprint};
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
    if (size > max_bytes) return Unusable{limit, fingerprint};
  }
  if (has_writer(fd.get())) return NoFile::busy;
  out.text.resize(size);
  return out;
}

}  // namespace fairlead::runtime
