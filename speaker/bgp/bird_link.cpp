#include "speaker/bgp/bird_link.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "proto/base/check.h"

namespace fairlead::speaker {
namespace {

constexpr int kReadsInOneTurn = 16;

LinkState state_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR: return LinkState::no_socket;
    case EACCES:
    case EPERM: return LinkState::denied;
    case EAGAIN: return LinkState::greeting_missing;  // its queue of connections is full: it accepts none
    default: return LinkState::refused;
  }
}

}  // namespace

BirdLink::BirdLink(runtime::Loop& loop, Options options, std::function<void(LinkState, const std::string&)> changed)
    : loop_(loop),
      options_(std::move(options)),
      changed_(std::move(changed)),
      backoff_(options_.first_retry, options_.longest_retry),
      random_(static_cast<std::minstd_rand::result_type>(::getpid())),
      retry_(loop, [this] { connect(); }),
      deadline_(loop, [this] {
        if (has_greeting_) {
          end(LinkState::hung, "no answer to \"" + std::string(waiting_.front().command.text()) + "\"");
        } else {
          end(LinkState::greeting_missing, "the socket is open, and BIRD says nothing");
        }
      }) {}

void BirdLink::open() { retry_.arm({}); }

void BirdLink::become(LinkState state, const std::string& what) {
  if (state == state_ && !is_first_) return;
  is_first_ = false;
  state_ = state;
  changed_(state, what);
}

void BirdLink::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (options_.socket.size() >= sizeof address.sun_path) {
    become(LinkState::no_socket, "the path is longer than a socket's can be");
    return;
  }
  std::memcpy(address.sun_path, options_.socket.data(), options_.socket.size());
  fd_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) return end(LinkState::refused, std::strerror(errno));
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    return end(state_of(error), options_.socket + ": " + std::strerror(error));
  }
  reader_ = bird::ReplyReader();
  has_greeting_ = false;
  watch_ = loop_.watch(fd_.get(), EPOLLIN, [this](std::uint32_t) { readable(); });
  deadline_.arm(options_.deadline);
}

void BirdLink::end(LinkState why, const std::string& what) {
  deadline_.cancel();
  watch_ = {};
  fd_.reset();
  has_greeting_ = is_sent_ = false;
  const double random = static_cast<double>(random_() - std::minstd_rand::min()) / (std::minstd_rand::max() - std::minstd_rand::min() + 1.0);
  // One look a second or so is enough at something that will not change by itself.
  retry_.arm(why == LinkState::too_old ? options_.longest_retry : backoff_.next(random));
  const auto lost = std::exchange(waiting_, {});
  become(why, what);
  for (const Asked& a : lost) a.answer(Error{Errc::unavailable, "BIRD: " + what});
}

void BirdLink::readable() {
  char bytes[65536];
  for (int i = 0; i < kReadsInOneTurn && fd_; ++i) {
    const ssize_t n = ::read(fd_.get(), bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      if (has_greeting_) backoff_.reset();  // it ran: a restart is looked for soon
      return end(LinkState::closed, n == 0 ? "BIRD has closed the connection" : std::strerror(errno));
    }
    reader_.feed({bytes, static_cast<std::size_t>(n)});
    for (;;) {
      auto next = reader_.next();
      if (std::holds_alternative<std::monostate>(next)) break;
      if (const auto* why = std::get_if<bird::Broken>(&next)) {
        return end(LinkState::garbage, "what came is no answer of BIRD's (" + std::string(name(*why)) + ")");
      }
      if (auto* reply = std::get_if<bird::Reply>(&next)) take(std::move(*reply));
      if (!fd_) return;  // it ended meanwhile
    }
  }
}

void BirdLink::take(bird::Reply reply) {
  if (!has_greeting_) {
    const auto version = bird::parse_greeting(reply);
    if (!version) return end(LinkState::garbage, "the greeting is not BIRD's");
    if (*version < kOldestBird) {
      return end(LinkState::too_old, "BIRD " + version->str() + ": at least " + kOldestBird.str() + " is needed");
    }
    has_greeting_ = true;
    version_ = *version;
    deadline_.cancel();
    backoff_.reset();
    become(LinkState::ready, "BIRD " + version->str());
    send_next();
    return;
  }
  if (!is_sent_) return end(LinkState::garbage, "an answer that nobody asked for");
  deadline_.cancel();
  is_sent_ = false;
  const Answer answer = std::move(waiting_.front().answer);
  waiting_.pop_front();
  answer(std::move(reply));
  send_next();
}

void BirdLink::ask(bird::Command command, Answer answer) {
  if (!is_ready()) {
    loop_.post([answer = std::move(answer), what = "BIRD: " + std::string(name(state_))] { answer(Error{Errc::unavailable, what}); });
    return;
  }
  waiting_.push_back({std::move(command), std::move(answer)});
  send_next();
}

void BirdLink::send_next() {
  if (is_sent_ || waiting_.empty() || !has_greeting_) return;
  const std::string& line = waiting_.front().command.line();
  FL_CHECK(line.size() <= bird::kMaxCommand, "a Command is short");
  is_sent_ = true;
  deadline_.arm(options_.deadline);
  // A socket that has no room for a kilobyte has a reader that is gone: the deadline finds that.
  const ssize_t sent = ::send(fd_.get(), line.data(), line.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(line.size())) deadline_.arm({});
}

}  // namespace fairlead::speaker
