#include "proto/runtime/state_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "proto/base/fd.h"
#include "proto/runtime/fnv.h"
#include "proto/runtime/object_codec.h"
#include "proto/runtime/write_all.h"

namespace fairlead::runtime {
namespace {

constexpr std::string_view kMagic = "FLSTATE\n";
constexpr std::uint64_t kLayout = 1;
constexpr std::size_t kSum = 8;
constexpr off_t kMostBytes = 256 << 20;

std::string sum_of(std::string_view bytes) {
  std::uint64_t sum = fnv1a(bytes);
  std::string out;
  for (std::size_t i = 0; i < kSum; ++i, sum >>= 8) out += static_cast<char>(sum & 0xff);
  return out;
}

/// Texts behind a count; nothing where they end early.
std::optional<std::vector<std::string>> take_texts(std::string_view& in) {
  const auto count = take_number(in);
  if (!count || *count > in.size()) return std::nullopt;
  std::vector<std::string> out;
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto text = take_text(in);
    if (!text) return std::nullopt;
    out.emplace_back(*text);
  }
  return out;
}

void put_texts(std::string& out, const std::vector<std::string>& texts) {
  put_number(out, texts.size());
  for (const std::string& t : texts) put_text(out, t);
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::string encode(const State& state) {
  std::string out(kMagic);
  put_number(out, kLayout);
  put_number(out, kObjectVersion);
  put_texts(out, state.api_servers);
  put_number(out, state.groups.size());
  for (const State::Group& group : state.groups) {
    put_text(out, name(group.kind));
    put_texts(out, group.objects);
  }
  return out + sum_of(out);
}

Result<State> decode_state(std::string_view bytes) {
  const Error damaged{Errc::malformed, "it is damaged"};
  if (bytes.size() < kMagic.size() + kSum || !bytes.starts_with(kMagic)) return damaged;
  std::string_view in = bytes.substr(0, bytes.size() - kSum);
  if (bytes.substr(in.size()) != sum_of(in)) return damaged;
  in.remove_prefix(kMagic.size());
  const auto layout = take_number(in);
  const auto version = take_number(in);
  if (layout != kLayout || version != kObjectVersion) {
    return Error{Errc::malformed, "another version of this program wrote it"};
  }
  State out;
  auto servers = take_texts(in);
  const auto groups = take_number(in);
  if (!servers || !groups) return damaged;
  out.api_servers = *std::move(servers);
  for (std::uint64_t i = 0; i < *groups; ++i) {
    const auto kind = take_text(in);
    auto objects = kind ? take_texts(in) : std::nullopt;
    if (!objects) return damaged;
    if (const auto known = api::kind_of_name(*kind)) out.groups.push_back({*known, *std::move(objects)});
  }
  if (!in.empty()) return damaged;
  return out;
}

Result<void> save_state(const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  const std::string folder = folder_of(path);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return system_error("make " + folder, errno);
  ::unlink(temporary.c_str());
  Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error("write " + temporary, errno);
  auto done = write_all(fd.get(), bytes, temporary);
  if (done && ::fsync(fd.get()) != 0) done = system_error("sync " + temporary, errno);
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0) done = system_error("write " + path, errno);
  if (!done) {
    ::unlink(temporary.c_str());
    return done;
  }
  // The rename itself: best effort, some file systems refuse it for directories.
  const Fd dir(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir && ::fsync(dir.get()) != 0) return {};
  return {};
}

Result<std::string> load_state(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd && errno == ENOENT) return Error{Errc::not_found, "there is no " + path};
  if (!fd) return system_error("read " + path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > kMostBytes) {
    return Error{Errc::malformed, path + " is no state file"};
  }
  std::string out(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t at = 0;
  while (at < out.size()) {
    const ssize_t n = ::read(fd.get(), out.data() + at, out.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read " + path, errno);
    if (n == 0) break;
    at += static_cast<std::size_t>(n);
  }
  out.resize(at);
  return out;
}

}  // namespace fairlead::runtime
