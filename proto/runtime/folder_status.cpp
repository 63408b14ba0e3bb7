#include "proto/runtime/folder_status.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "proto/runtime/json.h"
#include "proto/runtime/wall_time.h"
#include "proto/runtime/write_all.h"

namespace fairlead::runtime {
namespace {

constexpr off_t kMaxEventLog = 1 << 20;
constexpr api::Kind kOverlaid[] = {api::Kind::service, api::Kind::ip_address_pool};

Result<void> make_dir(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return system_error("make " + path, errno);
  return {};
}

std::optional<std::string> read_all(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return std::nullopt;
  std::string out;
  char buffer[8192];
  ssize_t n = 0;
  while ((n = ::read(fd.get(), buffer, sizeof buffer)) > 0 && out.size() < kMaxEventLog) {
    out.append(buffer, static_cast<std::size_t>(n));
  }
  return out;
}

Result<void> replace_file(const std::string& folder, const std::string& file, std::string_view text) {
  const std::string path = folder + "/" + file;
  const std::string temporary = folder + "/." + file + ".tmp";  // one name is enough: writers hold the lock
  Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return system_error("write " + temporary, errno);
  auto done = write_all(fd.get(), text, temporary);
  if (done && ::fchmod(fd.get(), 0644) != 0) done = system_error("chmod " + temporary, errno);  // whatever the umask says
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0) done = system_error("write " + path, errno);
  if (!done) ::unlink(temporary.c_str());
  return done;
}

Json parse_overlay(const std::string& text) {
  Json out = Json::object();
  const auto error = read_objects(text, Format::yaml, [&](const Json& object, const Place&) {
    if (object.is_object()) out = object;
  });
  return error ? Json::object() : out;
}

/// The same, but for the lines that only name the object.
bool says_nothing(const Json& overlay) {
  for (const auto& [key, value] : overlay.items()) {
    if (key == "apiVersion" || key == "kind") continue;
    if (key != "metadata" || !value.is_object()) return false;
    for (const auto& member : value.items()) {
      if (member.key() != "name" && member.key() != "namespace") return false;
    }
  }
  return true;
}

void name_object(Json& overlay, const api::Key& key, api::Group group) {
  const char* const ours = group == api::Group::metallb ? "metallb.io/v1beta1" : "fairlead.io/v1";
  overlay["apiVersion"] = key.kind == api::Kind::ip_address_pool ? ours : "v1";
  overlay["kind"] = api::name(key.kind);
  Json& metadata = overlay["metadata"];
  if (!metadata.is_object()) metadata = Json::object();
  metadata["name"] = key.name.name;
  if (!key.name.ns.empty()) metadata["namespace"] = key.name.ns;
}

/// One line stays one line, whoever wrote the words.
std::string without_controls(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return out;
}

bool is_file_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text[0] != '.' && text.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> out;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), [](DIR* d) { return ::closedir(d); });
  if (!dir) return out;
  while (const dirent* const entry = ::readdir(dir.get())) {
    if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
  }
  return out;
}

}  // namespace

std::string StatusDir::overlay_path(const api::Key& key) const {
  std::string out = dir_ + "/" + std::string(api::name(key.kind));
  if (!key.name.ns.empty()) out += "/" + key.name.ns;
  return out;
}

Result<Fd> StatusDir::lock() {
  if (auto made = make_dir(dir_); !made) return made.error();
  Fd fd(::open((dir_ + "/.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return system_error("open " + dir_ + "/.lock", errno);
  // Held for microseconds. A holder that was stopped must not stop us for long: this is the loop's thread.
  for (int tries = 0; tries < 50; ++tries) {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno != EWOULDBLOCK && errno != EINTR) return system_error("lock " + dir_ + "/.lock", errno);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return Error{Errc::unavailable, "lock " + dir_ + "/.lock: somebody else holds it", EWOULDBLOCK};
}

Result<void> StatusDir::edit(const api::Key& key, const std::function<Result<Json>(Json)>& change) {
  const auto locked = lock();
  if (!locked) return locked.error();
  const std::string folder = overlay_path(key);
  const std::string file = key.name.name + ".yaml";
  const auto text = read_all(folder + "/" + file);
  const Json before = text ? parse_overlay(*text) : Json::object();
  auto changed = change(before);
  if (!changed) return changed.error();
  Json after = *std::move(changed);
  name_object(after, key, group_);
  if (says_nothing(after)) {
    if (text && ::unlink((folder + "/" + file).c_str()) != 0 && errno != ENOENT) {
      return system_error("remove " + folder + "/" + file, errno);
    }
    return {};
  }
  if (after == before) return {};
  if (auto made = make_folders(std::string(api::name(key.kind)), folder); !made) return made;
  return replace_file(folder, file, to_yaml(after));
}

Result<void> StatusDir::make_folders(const std::string& of_kind, const std::string& folder) {
  if (auto made = make_dir(dir_ + "/" + of_kind); !made) return made;
  return make_dir(folder);
}

std::string StatusDir::object_folder(std::string_view kind, std::string_view ns) const {
  return dir_ + "/" + std::string(kind) + "/" + std::string(ns);
}

Result<void> StatusDir::put_object(std::string_view kind, std::string_view ns, const std::string& name, const Json& whole) {
  if (!is_file_name(name) || !is_file_name(ns)) return Error{Errc::malformed, "write \"" + name + "\": it is no name of an object"};
  const auto locked = lock();
  if (!locked) return locked.error();
  const std::string folder = object_folder(kind, ns);
  if (auto made = make_folders(std::string(kind), folder); !made) return made;
  return replace_file(folder, name + ".yaml", to_yaml(whole));
}

Result<void> StatusDir::remove_object(std::string_view kind, std::string_view ns, const std::string& name) {
  if (!is_file_name(name) || !is_file_name(ns)) return Error{Errc::malformed, "remove \"" + name + "\": it is no name of an object"};
  const std::string path = object_folder(kind, ns) + "/" + name + ".yaml";
  if (::unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) return system_error("remove " + path, errno);
  return {};
}

std::vector<std::string> StatusDir::objects_with(std::string_view kind, std::string_view ns, const std::string& label,
                                                 std::string_view value) const {
  std::vector<std::string> out;
  const std::string folder = object_folder(kind, ns);
  for (const std::string& file : names_in(folder)) {
    if (!file.ends_with(".yaml")) continue;
    const auto text = read_all(folder + "/" + file);
    if (!text) continue;
    const Json object = parse_overlay(*text);
    if (text_at(at(at(object, "metadata"), "labels"), label.c_str()) == value) out.push_back(file.substr(0, file.size() - 5));
  }
  return out;
}

Result<void> StatusDir::append_event(const api::Key& about, EventType type, std::string_view reason,
                                     std::string_view message) {
  const auto locked = lock();
  if (!locked) return locked.error();
  const std::string path = dir_ + "/events.log";
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && info.st_size >= kMaxEventLog) {
    if (::rename(path.c_str(), (path + ".1").c_str()) != 0) return system_error("rotate " + path, errno);
  }
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0644));
  if (!fd) return system_error("open " + path, errno);
  const std::string line = rfc3339(wall_seconds()) + (type == EventType::warning ? " Warning " : " Normal ") + about.str() + " " +
                           without_controls(reason) + " " + without_controls(message) + "\n";
  return write_all(fd.get(), line, path);
}

Result<Fd> StatusDir::acquire_lease(std::string_view lease) {
  if (auto made = make_dir(dir_); !made) return made.error();
  const std::string path = dir_ + "/" + std::string(lease) + ".lease";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return system_error("open " + path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Error{Errc::conflict, path + " is held by somebody else", errno};
    return system_error("lock " + path, errno);
  }
  if (!still_holds(lease, fd)) return Error{Errc::conflict, path + " was replaced meanwhile"};
  return fd;
}

bool StatusDir::still_holds(std::string_view lease, const Fd& held) const {
  struct stat ours {};
  struct stat there {};
  const std::string path = dir_ + "/" + std::string(lease) + ".lease";
  return ::fstat(held.get(), &ours) == 0 && ::stat(path.c_str(), &there) == 0 && ours.st_dev == there.st_dev &&
         ours.st_ino == there.st_ino;
}

void StatusDir::prune(const std::function<bool(const api::Key&)>& is_wanted) {
  if (names_in(dir_).empty()) return;
  const auto locked = lock();
  if (!locked) return;
  for (const api::Kind kind : kOverlaid) {
    for (const std::string& ns : names_in(dir_ + "/" + std::string(api::name(kind)))) {
      const std::string folder = dir_ + "/" + std::string(api::name(kind)) + "/" + ns;
      for (const std::string& file : names_in(folder)) {
        if (!file.ends_with(".yaml")) continue;
        if (!is_wanted({kind, {ns, file.substr(0, file.size() - 5)}})) ::unlink((folder + "/" + file).c_str());
      }
      ::rmdir(folder.c_str());  // succeeds only when it is empty
    }
  }
}

}  // namespace fairlead::runtime
