#pragma once
/// KubeSource against an API server that the test plays. The loop and its time are real, so waits are kept short: first
/// retries come after a tenth of a second.
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proto/runtime/kube_source.h"
#include "tests/support/fake_client.h"

namespace fairlead::runtime {

using std::chrono::milliseconds;
using std::chrono::seconds;
using kube::Json;
using test::FakeClient;
using test::FakeStream;

class KubeSourceTest : public testing::Test {
 protected:
  KubeSourceTest() : made_loop(*Loop::create()), loop(*made_loop), timer(loop, [this] { loop.stop(1); }) {}
  ~KubeSourceTest() override { source.reset(); }

  void open(KubeOptions options, std::vector<api::Kind> kinds) {
    auto made = std::make_unique<FakeClient>(loop);
    client = made.get();
    source = make_kube_source(loop, std::move(made), std::move(options));
    source->start(std::move(kinds), {[this](std::vector<Change> c) { for (Change& one : c) changes.push_back(std::move(one)); },
                                     [this] { ++synced; },
                                     [this](const Fault& f) { faults.push_back(f); },
                                     [this](const Fault& f) { mended.push_back(f); }});
  }
  /// Turns the loop until `done`.
  template <class Done>
  void until(Done done) {
    timer.arm(seconds(10));
    while (!done()) {
      loop.post([this] { loop.stop(0); });
      if (loop.run() == 1) {
        ADD_FAILURE() << "waited ten seconds";
        return;
      }
      ::usleep(500);
    }
    timer.cancel();
  }
  void turns(int n = 5) {
    until([&] { return n-- == 0; });
  }
  FakeClient::Asked next() {
    until([&] { return !client->asked.empty(); });
    if (client->asked.empty()) return {};
    auto out = std::move(client->asked.front());
    client->asked.pop_front();
    return out;
  }
  void answer(const FakeClient::Asked& asked, int status, std::string body, std::string fault = "", Duration retry_after = {}) {
    if (Task task = asked.on_pool({status, std::move(fault), std::move(body), retry_after})) loop.post(std::move(task));
    turns();
  }
  void say(const std::string& bytes) {
    ASSERT_FALSE(client->streams.empty());
    if (Task task = client->streams.back()->handlers.on_bytes(bytes)) loop.post(std::move(task));
    turns();
  }
  void end(int status, const std::string& fault, Duration retry_after = {}) {
    loop.post([ended = client->streams.back()->handlers.ended, status, fault, retry_after] { ended({status, fault, "", retry_after}); });
    turns();
  }
  /// Since `start`, in whole tenths of a second.
  long tenths(TimePoint start) { return (loop.now() - start) / milliseconds(100); }
  void until_watched(std::size_t n) {
    until([&] { return client->watched.size() >= n; });
  }
  /// Competes for a lease that nobody has had; what changes goes into `leads`.
  void take_lease() {
    source->lead("controller", [this](bool l) { leads.push_back(l); });
    answer(next(), 404, "{}");
    const auto create = next();
    answer(create, 201, written(create, "1").dump());
  }
  /// What was to be written, as the server answers it.
  static Json written(const FakeClient::Asked& asked, const char* version) {
    Json made = Json::parse(asked.request.body);
    made["metadata"]["resourceVersion"] = version;
    return made;
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const Change& c : std::exchange(changes, {})) out.push_back((c.object ? "+" : "-") + c.key.name.name);
    return out;
  }

  static std::string pool(const std::string& name, int version, const std::string& addresses = "192.0.2.0/28") {
    return Json{{"metadata", {{"name", name}, {"namespace", "lb"}, {"resourceVersion", std::to_string(version)}}}, {"spec", {{"addresses", {addresses}}}}}.dump();
  }
  static std::string service(const std::string& name, int version) {
    return Json{{"metadata", {{"name", name}, {"namespace", "default"}, {"resourceVersion", std::to_string(version)}}}, {"spec", {{"type", "LoadBalancer"}}}}.dump();
  }
  static std::string page(const std::vector<std::string>& items, const std::string& version, const std::string& continuation = "") {
    std::string out = R"({"metadata":{"resourceVersion":")" + version + R"(","continue":")" + continuation + R"("},"items":[)";
    for (std::size_t i = 0; i < items.size(); ++i) out += (i > 0 ? "," : "") + items[i];
    return out + "]}";
  }
  static std::string event(const std::string& type, const std::string& object) { return R"({"type":")" + type + R"(","object":)" + object + "}\n"; }

  std::unique_ptr<Loop> made_loop;
  Loop& loop;
  Timer timer;
  FakeClient* client = nullptr;
  std::unique_ptr<Source> source;
  std::vector<Change> changes;
  std::vector<Fault> faults, mended;
  std::vector<bool> leads;
  int synced = 0;
};

}  // namespace fairlead::runtime
