#pragma once
/// A BIRD that a test holds in its hand: listens on a socket of the same loop, answers each command by `answer`, and can be
/// told to be slow, to send in pieces, to send garbage, or to say nothing. It keeps no routes; tests/lab has the real one.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "proto/base/fd.h"
#include "proto/runtime/loop.h"

namespace fairlead::test {

class FakeBird {
 public:
  FakeBird(runtime::Loop& loop, std::string path) : loop_(loop), path_(std::move(path)) { start(); }
  ~FakeBird() { stop(); }

  // What a test sets.
  std::string greeting = "0001 BIRD 2.0.12 ready.\n";
  std::function<std::string(const std::string& command)> answer = [this](const std::string& c) { return usual(c); };
  bool sends_octet_by_octet = false;

  // What a test reads.
  std::vector<std::string> commands;
  std::size_t connections = 0;
  std::size_t longest_backlog = 0;  // octets that came at once: more than one command is an error

  void start() {
    ::unlink(path_.c_str());
    listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_.get(), 8) != 0) std::abort();
    accepting_ = loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept(); });
  }
  /// Dies: the file stays, as it does with the real one.
  void stop() {
    accepting_ = {};
    clients_.clear();
    listener_.reset();
  }
  void send_to_all(const std::string& bytes) {
    for (auto& c : clients_) send(*c, bytes);
  }

  /// A daemon that takes everything.
  std::string usual(const std::string& command) const {
    if (command == "show status") return "1000-BIRD 2.0.12\n1011-Router ID is 1.2.3.4\n Last reboot on 2026-01-01 00:00:00.000\n0013 Daemon is up and running\n";
    if (command == "show bfd sessions") return "9001 There is no BFD protocol running\n";
    if (command.starts_with("configure check")) return "0002-Reading configuration from x\n0020 Configuration OK\n";
    if (command == "configure" || command == "configure soft") return "0002-Reading configuration from " + main + "\n0003 Reconfigured\n";
    if (command == "configure status") return "0003-Daemon is up and running\n0000 \n";
    if (command.starts_with("show protocols")) return "8003 No protocols match\n";
    return "9001 syntax error, unexpected CF_SYM_UNDEFINED\n";
  }
  std::string main;  // the file it says it reads

 private:
  struct Client {
    Fd fd;
    std::string input;
    runtime::Loop::Watch watch;
  };
  void accept() {
    auto client = std::make_unique<Client>();
    client->fd = Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client->fd) return;
    ++connections;
    Client* raw = client.get();
    client->watch = loop_.watch(raw->fd.get(), EPOLLIN, [this, raw](std::uint32_t) { readable(*raw); });
    clients_.push_back(std::move(client));
    send(*raw, greeting);
  }
  void readable(Client& client) {
    char bytes[4096];
    const ssize_t n = ::read(client.fd.get(), bytes, sizeof bytes);
    if (n <= 0) {
      client.watch = {};
      loop_.post([this, raw = &client] { clients_.remove_if([raw](const auto& c) { return c.get() == raw; }); });
      return;
    }
    longest_backlog = std::max(longest_backlog, static_cast<std::size_t>(n));
    client.input.append(bytes, static_cast<std::size_t>(n));
    for (std::size_t end = client.input.find('\n'); end != std::string::npos; end = client.input.find('\n')) {
      const std::string command = client.input.substr(0, end);
      client.input.erase(0, end + 1);
      commands.push_back(command);
      send(client, answer(command));
    }
  }
  void send(Client& client, const std::string& bytes) {
    if (bytes.empty() || !client.fd) return;
    const std::size_t piece = sends_octet_by_octet ? 1 : bytes.size();
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      if (::send(client.fd.get(), bytes.data() + at, std::min(piece, bytes.size() - at), MSG_NOSIGNAL) < 0) return;
    }
  }

  runtime::Loop& loop_;
  std::string path_;
  Fd listener_;
  runtime::Loop::Watch accepting_;
  std::list<std::unique_ptr<Client>> clients_;
};

}  // namespace fairlead::test
