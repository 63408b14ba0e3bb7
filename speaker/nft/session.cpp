#include "speaker/nft/session.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <iterator>

#include "proto/base/fd.h"
#include "proto/nft/uapi.h"
#include "speaker/nft/template.h"

namespace fairlead::speaker {
namespace {

constexpr int kSendBuffer = 8 << 20;     // a batch is one datagram
constexpr int kReceiveBuffer = 8 << 20;  // of the monitor: a burst of others' changes
constexpr int kAnswerTimeoutMs = 30'000;

void set_option(int fd, int level, int option, int value) {
  // Best effort: older kernels lack some of these, and everything still works without them.
  setsockopt(fd, level, option, &value, sizeof value);
}

/// Notifications of our own changes never reach the monitor: ten thousand of them would overflow it.
void ignore_port(int fd, std::uint32_t port_id) {
  constexpr std::uint32_t kPortIdOffset = 12;  // nlmsg_pid, in host order where BPF loads big-endian
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kPortIdOffset),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port_id), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  const sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
  // Best effort as well: others_touched_our_tables() leaves our own out anyway.
  setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

Error from_libnl(const char* what, int error) {
  return {Errc::unavailable, std::string(what) + ": " + nl_geterror(error)};
}

}  // namespace

void NftSession::Free::operator()(nl_sock* s) const { nl_socket_free(s); }

NftSession::NftSession(Socket requests, Socket monitor)
    : requests_(std::move(requests)), monitor_(std::move(monitor)), buffer_(256 << 10) {}

NftSession::~NftSession() = default;

Result<std::unique_ptr<NftSession>> NftSession::open() {
  Socket requests(nl_socket_alloc());
  Socket monitor(nl_socket_alloc());
  if (!requests || !monitor) return Error{Errc::exhausted, "no memory for a netlink socket"};
  for (nl_sock* s : {requests.get(), monitor.get()}) {
    if (const int error = nl_connect(s, NETLINK_NETFILTER); error < 0) return from_libnl("open a netfilter netlink socket", error);
  }
  const int fd = nl_socket_get_fd(requests.get());
  set_option(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  set_option(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
  set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, kSendBuffer);
  set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer);
  const int monitor_fd = nl_socket_get_fd(monitor.get());
  set_option(monitor_fd, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer);
  ignore_port(monitor_fd, nl_socket_get_local_port(requests.get()));
  if (const int error = nl_socket_set_nonblocking(monitor.get()); error < 0) return from_libnl("netlink socket", error);
  if (const int error = nl_socket_add_membership(monitor.get(), NFNLGRP_NFTABLES); error < 0) {
    return from_libnl("listen to nf_tables notifications", error);
  }
  return std::unique_ptr<NftSession>(new NftSession(std::move(requests), std::move(monitor)));
}

Result<void> NftSession::commit(nft::Batch batch) {
  const std::uint32_t first = batch.first_seq();
  next_seq_ = batch.next_seq() + 1;  // the closing boundary takes one more
  const Bytes bytes = std::move(batch).finish();
  const int fd = nl_socket_get_fd(requests_.get());
  if (nl_sendto(requests_.get(), const_cast<std::uint8_t*>(bytes.data()), bytes.size()) < 0) {
    return system_error("send a batch of " + std::to_string(bytes.size()) + " bytes to nf_tables", errno);
  }
  // Either the one acknowledgement that the last message asked for, or an error for each message that failed.
  for (;;) {
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, kAnswerTimeoutMs) <= 0) return Error{Errc::unavailable, "nf_tables did not answer a batch"};
    const ssize_t n = ::recv(fd, buffer_.data(), buffer_.size(), 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      return system_error("read nf_tables' answer", errno);
    }
    nft::Messages messages(ByteView(buffer_.data(), static_cast<std::size_t>(n)));
    while (const auto m = messages.next()) {
      if (m->topic != nft::Topic::ack) continue;
      if (m->seq - first >= next_seq_ - first) continue;  // an answer to an older request
      if (m->error == 0) return {};
      Error error = system_error("nf_tables refused message " + std::to_string(m->seq), m->error);
      if (!m->text.empty()) error.what += " (" + m->text + ")";
      // Others may follow; none of them is needed.
      while (::recv(fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT) > 0) {
      }
      return error;
    }
  }
}

template <class F>
Result<void> NftSession::dump(ByteView request, std::uint32_t seq, F each) {
  const int fd = nl_socket_get_fd(requests_.get());
  if (nl_sendto(requests_.get(), const_cast<std::uint8_t*>(request.data()), request.size()) < 0) {
    return system_error("ask nf_tables for a dump", errno);
  }
  bool is_interrupted = false;
  for (;;) {
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, kAnswerTimeoutMs) <= 0) return Error{Errc::unavailable, "nf_tables did not answer a dump"};
    const ssize_t n = ::recv(fd, buffer_.data(), buffer_.size(), 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      return system_error("read an nf_tables dump", errno);
    }
    nft::Messages messages(ByteView(buffer_.data(), static_cast<std::size_t>(n)));
    while (const auto m = messages.next()) {
      if (m->seq != seq) continue;
      is_interrupted = is_interrupted || m->is_interrupted;
      if (m->topic == nft::Topic::done || m->topic == nft::Topic::ack) {
        if (m->error != 0) return system_error("nf_tables dump", m->error);
        if (is_interrupted) return Error{Errc::conflict, "nf_tables changed during a dump"};
        return {};
      }
      each(*m);
    }
  }
}

Result<std::vector<nft::TableInfo>> NftSession::tables() {
  std::vector<nft::TableInfo> out;
  const std::uint32_t seq = next_seq_++;
  const auto done = dump(nft::dump_tables(seq), seq, [&](const nft::Message& m) {
    if (m.topic == nft::Topic::table) out.push_back(nft::parse_table(m.attributes));
  });
  if (!done) return done.error();
  return out;
}

Result<NftSession::Names> NftSession::names() {
  Names out;
  const std::uint32_t tables_seq = next_seq_++;
  auto done = dump(nft::dump_tables(tables_seq, nft::Families::all), tables_seq, [&](const nft::Message& m) {
    if (m.topic == nft::Topic::table) out.tables.push_back(nft::parse_table(m.attributes).name);
  });
  if (!done) return done.error();
  const std::uint32_t chains_seq = next_seq_++;
  done = dump(nft::dump_chains(chains_seq, nft::Families::all), chains_seq, [&](const nft::Message& m) {
    if (m.topic == nft::Topic::chain) out.chains.push_back(nft::parse_chain(m.attributes).name);
  });
  if (!done) return done.error();
  return out;
}

Result<Table::Have> NftSession::elements(std::string_view table) {
  Table::Have out;
  for (std::size_t i = 0; i < nft::kMaps; ++i) {
    const auto map = static_cast<nft::Map>(i);
    std::vector<nft::WireElement> wire;
    const std::uint32_t seq = next_seq_++;
    const auto done = dump(nft::dump_elements(table, map, seq), seq, [&](const nft::Message& m) {
      if (m.topic != nft::Topic::element) return;
      nft::ElementList list = nft::parse_elements(m.attributes);
      std::move(list.elements.begin(), list.elements.end(), std::back_inserter(wire));
    });
    // A table of another layout may be without it. What it has is worth to be known: ids and orders are taken over.
    if (!done && done.error().code == Errc::not_found) continue;
    if (!done) return done.error();
    for (nft::Element& e : nft::assemble(map, std::move(wire))) out.emplace(std::move(e.key), std::move(e.value));
  }
  return out;
}

Result<nft::Skeleton> NftSession::skeleton(std::string_view table) {
  nft::Skeleton out;
  const auto step = [&](Bytes (*request)(std::string_view, std::uint32_t), auto each) {
    const std::uint32_t seq = next_seq_++;
    return dump(request(table, seq), seq, each);
  };
  const auto chains = [](std::string_view, std::uint32_t seq) { return nft::dump_chains(seq); };
  if (const auto done = step(chains, [&](const nft::Message& m) {
        const nft::Part part = nft::parse_chain(m.attributes);  // chains are dumped for all tables
        if (m.topic == nft::Topic::chain && part.table == table) out.add_chain(part);
      });
      !done) {
    return done.error();
  }
  if (const auto done = step(nft::dump_rules, [&](const nft::Message& m) {
        const nft::Part part = nft::parse_rule(m.attributes);
        if (m.topic == nft::Topic::rule && part.table == table) out.add_rule(part);
      });
      !done) {
    return done.error();
  }
  if (const auto done = step(nft::dump_sets, [&](const nft::Message& m) {
        const nft::Part part = nft::parse_set(m.attributes);
        if (m.topic == nft::Topic::set && part.table == table) out.add_set(part);
      });
      !done) {
    return done.error();
  }
  return out;
}

Result<void> NftSession::take_anchor() {
  const auto all = tables();
  if (!all) return all.error();
  for (const nft::TableInfo& t : *all) {
    if (t.name != nft::kAnchorTable) continue;
    if (t.owner != 0) {
      return Error{Errc::exists, "table " + t.name + " is held by the netlink socket " + std::to_string(t.owner) +
                                     ": another fairlead-speaker runs in this network namespace"};
    }
    // One without an owner was not made by a speaker that runs.
    nft::Batch batch = this->batch();
    batch.remove_table(nft::kAnchorTable);
    if (const auto done = commit(std::move(batch)); !done) return done;
  }
  nft::Batch batch = this->batch();
  batch.add_anchor();
  return commit(std::move(batch));
}

Result<void> NftSession::load(const std::string& nft_program, std::string_view text) {
  int in[2];
  int err[2];
  if (pipe2(in, O_CLOEXEC) != 0) return system_error("pipe", errno);
  Fd in_read(in[0]);
  Fd in_write(in[1]);
  if (pipe2(err, O_CLOEXEC) != 0) return system_error("pipe", errno);
  Fd err_read(err[0]);
  Fd err_write(err[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in_read.get(), 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, err_write.get(), 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;  // our signals are blocked for the signalfd; a child must not inherit that
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  char program[] = "nft";
  char flag[] = "-f";
  char from[] = "-";
  char* argv[] = {program, flag, from, nullptr};
  char* envp[] = {nullptr};
  pid_t pid = 0;
  const int spawned = posix_spawn(&pid, nft_program.c_str(), &actions, &attributes, argv, envp);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (spawned != 0) return system_error("start " + nft_program, spawned);
  loader_ = static_cast<std::uint32_t>(pid);
  in_read.reset();
  err_write.reset();

  // The text may be larger than a pipe, and nft may complain before it has read all: both ends are polled.
  fcntl(in_write.get(), F_SETFL, O_NONBLOCK);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::string complaint;
  bool is_late = false;
  while (err_read) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) {
      is_late = true;
      ::kill(pid, SIGKILL);
      break;
    }
    pollfd fds[2] = {{err_read.get(), POLLIN, 0}, {in_write ? in_write.get() : -1, POLLOUT, 0}};
    if (::poll(fds, 2, static_cast<int>(left)) < 0 && errno != EINTR) break;
    if (in_write && fds[1].revents != 0) {
      // A closed pipe answers EPIPE: SIGPIPE is ignored in main.
      const ssize_t n = ::write(in_write.get(), text.data(), text.size());
      if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
      if (text.empty() || (n < 0 && errno != EAGAIN && errno != EINTR)) in_write.reset();
    }
    if (fds[0].revents != 0) {
      char chunk[4096];
      const ssize_t n = ::read(err_read.get(), chunk, sizeof chunk);
      if (n > 0 && complaint.size() < 2000) complaint.append(chunk, static_cast<std::size_t>(n));
      if (n <= 0) err_read.reset();
    }
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (is_late) return Error{Errc::unavailable, nft_program + " took longer than 20 s"};
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Error{Errc::unavailable, nft_program + " refused the table: " + complaint.substr(0, complaint.find('\n'))};
  }
  return {};
}

int NftSession::monitor_fd() const { return nl_socket_get_fd(monitor_.get()); }

bool NftSession::others_touched_our_tables() {
  const std::uint32_t self = nl_socket_get_local_port(requests_.get());
  bool touched = false;
  for (int reads = 0; reads < 64; ++reads) {  // the loop has other work; what is left wakes it again
    const ssize_t n = ::recv(monitor_fd(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0) {
      if (errno == ENOBUFS) touched = true;  // something was lost: look
      if (errno == ENOBUFS || errno == EINTR) continue;
      break;
    }
    nft::Messages messages(ByteView(buffer_.data(), static_cast<std::size_t>(n)));
    while (const auto m = messages.next()) {
      if (m->port_id == self || m->port_id == loader_ || m->topic == nft::Topic::other) continue;
      // Every message about tables, chains, rules, sets and elements names its table in its first attribute.
      const std::string table = nft::parse_table(m->attributes).name;
      touched = touched || is_table_of_ours(table);
    }
  }
  return touched;
}

}  // namespace fairlead::speaker
