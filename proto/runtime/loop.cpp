/// epoll, a timer heap, an eventfd and a signalfd. Packets come first: descriptors that are ready are served before
/// timers, timers before posted tasks, and posted tasks of one turn never starve the next turn's descriptors, because a
/// task posted by a task waits for that turn.
#include "proto/runtime/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <mutex>
#include <unordered_map>

#include "proto/base/check.h"

namespace fairlead::runtime {
namespace {

using Ready = std::function<void(std::uint32_t)>;

struct Deadline {
  TimePoint at;
  std::uint64_t timer;
  auto operator<=>(const Deadline&) const = default;
};

}  // namespace

struct Loop::State {
  Fd epoll;
  Fd wake;     // eventfd: post() and nothing else
  Fd signals;  // signalfd
  bool stopping = false;
  int code = 0;

  // A callback may destroy its own watch while it runs: it is held by shared_ptr for the length of the call.
  std::unordered_map<int, std::shared_ptr<Ready>> watches;

  std::map<Deadline, const std::function<void()>*> deadlines;
  std::unordered_map<std::uint64_t, TimePoint> armed;  // timer -> its one deadline
  std::uint64_t next_timer = 1;

  std::mutex mutex;  // guards `posted` only
  std::vector<std::function<void()>> posted;
};

Loop::Loop(std::unique_ptr<State> state) : state_(std::move(state)) {}
Loop::~Loop() = default;

Result<std::unique_ptr<Loop>> Loop::create() {
  auto state = std::make_unique<State>();
  state->epoll = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!state->epoll) return system_error("epoll_create1", errno);
  state->wake = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!state->wake) return system_error("eventfd", errno);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = state->wake.get();
  if (epoll_ctl(state->epoll.get(), EPOLL_CTL_ADD, state->wake.get(), &event) != 0) {
    return system_error("epoll_ctl", errno);
  }
  return std::unique_ptr<Loop>(new Loop(std::move(state)));
}

TimePoint Loop::now() const { return std::chrono::steady_clock::now(); }

void Loop::stop(int code) {
  state_->stopping = true;
  state_->code = code;
}

void Loop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->posted.push_back(std::move(task));
  }
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the loop is awake anyway.
  if (::write(state_->wake.get(), &one, sizeof one) < 0) return;
}

int Loop::run() {
  State& s = *state_;
  std::vector<std::function<void()>> tasks;
  epoll_event events[64];
  s.stopping = false;
  while (!s.stopping) {
    int wait_ms = -1;
    if (!s.deadlines.empty()) {
      const Duration left = s.deadlines.begin()->first.at - now();
      const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(left).count();
      wait_ms = static_cast<int>(std::clamp<std::int64_t>(rounded, 0, 60'000));
    }
    const int n = epoll_wait(s.epoll.get(), events, 64, wait_ms);
    FL_CHECK(n >= 0 || errno == EINTR, "epoll_wait on our own descriptor");
    for (int i = 0; i < n && !s.stopping; ++i) {
      const int fd = events[i].data.fd;
      if (fd == s.wake.get()) {
        std::uint64_t count = 0;
        if (::read(fd, &count, sizeof count) < 0) continue;
        continue;
      }
      const auto found = s.watches.find(fd);
      if (found == s.watches.end()) continue;  // its watch ended during this turn
      const std::shared_ptr<Ready> ready = found->second;
      (*ready)(events[i].events);
    }
    // Timers due at the start of this pass; one that is armed for "at once" from a timer waits for the next turn.
    const TimePoint due = now();
    while (!s.stopping && !s.deadlines.empty() && s.deadlines.begin()->first.at <= due) {
      const auto first = s.deadlines.begin();
      const auto* const fire = first->second;
      s.armed.erase(first->first.timer);
      s.deadlines.erase(first);
      (*fire)();
    }
    {
      const std::lock_guard lock(s.mutex);
      tasks.swap(s.posted);
    }
    std::size_t ran = 0;
    while (ran < tasks.size() && !s.stopping) tasks[ran++]();
    if (ran < tasks.size()) {  // stopped: what was not run stays posted, for the next run()
      const std::lock_guard lock(s.mutex);
      s.posted.insert(s.posted.begin(), std::make_move_iterator(tasks.begin() + static_cast<std::ptrdiff_t>(ran)),
                      std::make_move_iterator(tasks.end()));
      const std::uint64_t one = 1;
      if (::write(s.wake.get(), &one, sizeof one) < 0) return s.code;  // the counter is full: awake anyway
    }
    tasks.clear();
  }
  return s.code;
}

Loop::Watch Loop::watch(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready) {
  FL_CHECK(!state_->watches.contains(fd), "one watch for each descriptor");
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  FL_CHECK(epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl on a descriptor of ours");
  state_->watches[fd] = std::make_shared<Ready>(std::move(ready));
  return Watch(this, fd);
}

Loop::Watch::Watch(Watch&& other) noexcept : loop_(std::exchange(other.loop_, nullptr)), fd_(other.fd_) {}

Loop::Watch& Loop::Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    this->~Watch();
    loop_ = std::exchange(other.loop_, nullptr);
    fd_ = other.fd_;
  }
  return *this;
}

Loop::Watch::~Watch() {
  if (loop_ == nullptr) return;
  epoll_ctl(loop_->state_->epoll.get(), EPOLL_CTL_DEL, fd_, nullptr);
  loop_->state_->watches.erase(fd_);
  loop_ = nullptr;
}

Result<void> Loop::on_signals(std::vector<int> signals, std::function<void(int)> handler) {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : signals) sigaddset(&set, s);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) return system_error("pthread_sigmask", error);
  state_->signals = Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!state_->signals) return system_error("signalfd", errno);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = state_->signals.get();
  if (epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, state_->signals.get(), &event) != 0) {
    return system_error("epoll_ctl", errno);
  }
  state_->watches[state_->signals.get()] =
      std::make_shared<Ready>([fd = state_->signals.get(), handler = std::move(handler)](std::uint32_t) {
        signalfd_siginfo info{};
        while (::read(fd, &info, sizeof info) == sizeof info) handler(static_cast<int>(info.ssi_signo));
      });
  return {};
}

Timer::Timer(Loop& loop, std::function<void()> fire)
    : loop_(loop), id_(loop.state_->next_timer++), fire_(std::move(fire)) {}

Timer::~Timer() { cancel(); }

void Timer::arm(Duration after) {
  cancel();
  const TimePoint at = loop_.now() + after;
  loop_.state_->armed[id_] = at;
  loop_.state_->deadlines[{at, id_}] = &fire_;
}

void Timer::arm_if_idle(Duration after) {
  if (!is_armed()) arm(after);
}

void Timer::cancel() {
  auto& s = *loop_.state_;
  const auto found = s.armed.find(id_);
  if (found == s.armed.end()) return;
  s.deadlines.erase({found->second, id_});
  s.armed.erase(found);
}

bool Timer::is_armed() const { return loop_.state_->armed.contains(id_); }

}  // namespace fairlead::runtime
