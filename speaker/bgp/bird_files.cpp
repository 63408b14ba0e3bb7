#include "speaker/bgp/bird_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace fairlead::speaker {
namespace {

constexpr std::size_t kLargest = 64U << 20;

Result<void> write_file(const std::string& path, const std::string& text) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error("open " + path, errno);
  if (::fchmod(fd.get(), 0600) != 0) return system_error("chmod " + path, errno);
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(fd.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write " + path, errno);
    done += static_cast<std::size_t>(n);
  }
  return {};
}

}  // namespace

BirdFiles::BirdFiles(std::string directory, bool is_included)
    : directory_(std::move(directory)),
      main_(directory_ + (is_included ? "/fairlead.conf" : "/bird.conf")),
      routes4_(directory_ + "/routes4.conf"),
      routes6_(directory_ + "/routes6.conf") {}

Result<void> BirdFiles::prepare() {
  if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) return system_error("mkdir " + directory_, errno);
  return {};
}

Result<void> BirdFiles::hold() {
  const std::string path = directory_ + "/speaker.lock";
  lock_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock_) return system_error("open " + path, errno);
  // Shared: an old speaker may be on its way out.
  if (::flock(lock_.get(), LOCK_SH | LOCK_NB) != 0) return system_error("lock " + path, errno);
  return {};
}

bool BirdFiles::is_speaker_there(const std::string& directory) {
  const Fd fd(::open((directory + "/speaker.lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  return fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

Result<std::string> BirdFiles::read(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return system_error("open " + path, errno);
  std::string out;
  char bytes[65536];
  for (;;) {
    const ssize_t n = ::read(fd.get(), bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read " + path, errno);
    if (n == 0) return out;
    out.append(bytes, static_cast<std::size_t>(n));
    if (out.size() > kLargest) return Error{Errc::malformed, path + " is larger than anything written here"};
  }
}

Result<void> BirdFiles::write(const std::string& path, const std::string& text) {
  const std::string beside = path + ".part";
  if (auto done = write_file(beside, text); !done) return done;
  if (std::rename(beside.c_str(), path.c_str()) != 0) return system_error("rename " + beside, errno);
  return {};
}

Result<void> BirdFiles::take_candidate() {
  if (std::rename(candidate().c_str(), main_.c_str()) != 0) return system_error("rename " + candidate(), errno);
  return {};
}

}  // namespace fairlead::speaker
