#pragma once
/// An API server that a test plays: what is asked is kept for it, and it answers. Mirrors runtime/api_client.h.
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proto/runtime/api_client.h"
#include "proto/runtime/loop.h"

namespace fairlead::test {

struct FakeStream;

/// What was asked is recorded; the test answers.
struct FakeClient final : runtime::ApiClient {
  struct Asked {
    runtime::ApiRequest request;
    std::function<runtime::Task(runtime::ApiReply)> on_pool;
  };
  explicit FakeClient(runtime::Loop& the_loop) : loop(the_loop) {}
  void send(runtime::ApiRequest request, std::function<runtime::Task(runtime::ApiReply)> on_pool) override {
    asked.push_back({std::move(request), std::move(on_pool)});
    if (on_asked) loop.post([this] { if (on_asked) on_asked(); });
  }
  std::unique_ptr<runtime::ApiStream> open(std::string path, StreamHandlers handlers) override;
  void learn_servers(std::vector<runtime::ApiServer> servers) override { learned = std::move(servers); }
  bool drain(Duration) override { return true; }

  runtime::Loop& loop;
  std::deque<Asked> asked;
  std::vector<FakeStream*> streams;  // open ones
  std::vector<std::string> watched;  // all paths
  std::vector<runtime::ApiServer> learned;
  std::function<void()> on_asked;
  bool is_opening = true;  // watches are answered with status 200
};

struct FakeStream final : runtime::ApiStream {
  FakeStream(FakeClient& c, runtime::ApiClient::StreamHandlers h) : client(c), handlers(std::move(h)) { client.streams.push_back(this); }
  ~FakeStream() override { std::erase(client.streams, this); }
  FakeClient& client;
  runtime::ApiClient::StreamHandlers handlers;
};

inline std::unique_ptr<runtime::ApiStream> FakeClient::open(std::string path, StreamHandlers handlers) {
  watched.push_back(std::move(path));
  auto out = std::make_unique<FakeStream>(*this, std::move(handlers));
  if (is_opening) loop.post([h = out->handlers] { h.opened(); });
  return out;
}

}  // namespace fairlead::test
