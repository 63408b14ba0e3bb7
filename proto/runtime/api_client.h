#pragma once
/// HTTPS to the API servers: requests with an answer, and watches. An interface, so that what is above it can be tested
/// against a fake; the real one is cpprest_client.h's.
/// Thread: called on the loop's thread. What is named `on_pool` below runs on a thread of the client's: it takes values
/// and answers with a task for the loop, which is dropped when the client (or the stream) has ended by then.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/clock.h"
#include "proto/runtime/kubeconfig.h"

namespace fairlead::runtime {

using Task = std::function<void()>;
/// How many requests and watches ended with which HTTP status; 0: without an answer.
using AnswerCounts = std::map<int, std::uint64_t>;

struct ApiRequest {
  enum class Method { get, post, put, patch, remove };
  Method method = Method::get;
  std::string path;  // with the query, encoded
  std::string body;
  const char* content_type = "";
  Duration timeout = std::chrono::seconds(30);  // of silence
};

struct ApiReply {
  int status = 0;     // HTTP; 0: no answer, see fault
  std::string fault;  // "connect to 192.0.2.1:6443: ..."
  std::string body;
  Duration retry_after{};  // of 429 and 503: how long the server asks to be left alone (header Retry-After)
};

/// A watch that runs; ends at destruction, and then none of its handlers is called any more.
class ApiStream {
 public:
  virtual ~ApiStream() = default;
};

class ApiClient {
 public:
  struct StreamHandlers {
    std::function<void()> opened;  // headers are here, status 200
    /// on_pool, in order, one at a time; nothing is read meanwhile. No task: nothing to say yet.
    std::function<Task(std::string_view bytes)> on_bytes;
    /// Last, and without a body. status: of the headers, 0 when there were none; fault: why it ended, "" for a regular end.
    std::function<void(ApiReply)> ended;
  };

  virtual ~ApiClient() = default;
  virtual void send(ApiRequest request, std::function<Task(ApiReply)> on_pool) = 0;
  virtual std::unique_ptr<ApiStream> open(std::string path, StreamHandlers handlers) = 0;

  /// The servers that are configured come first, these after them. Those of earlier calls are forgotten.
  virtual void learn_servers(std::vector<ApiServer> servers) = 0;
  /// Blocks until every request (not the watches) is answered; false: not in that time. For an orderly end only.
  virtual bool drain(Duration most) = 0;
  virtual AnswerCounts answers() const { return {}; }
};

}  // namespace fairlead::runtime
