/// A fuzz target without a fuzzer: every file of its corpus, whole and, when it is small, cut off after every byte. Each
/// input lies in memory of exactly its size, so that a sanitizer sees a read past its end. The program's name says which
/// corpus: bird_replay_test replays corpus/bird.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kSmall = 700;  // bytes of a file that is cut everywhere

char running[512];  // what is told when an input aborts

void tell(int signal) {
  static constexpr char kSays[] = "\nthis input aborts: ";
  if (::write(STDERR_FILENO, kSays, sizeof kSays - 1) < 0 || ::write(STDERR_FILENO, running, std::strlen(running)) < 0 ||
      ::write(STDERR_FILENO, "\n", 1) < 0) {
    ::_exit(1);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const std::string& name, std::string_view input) {
  std::snprintf(running, sizeof running, "%s, first %zu bytes", name.c_str(), input.size());
  const auto copy = std::make_unique<std::uint8_t[]>(input.size());
  std::copy(input.begin(), input.end(), copy.get());
  EXPECT_EQ(LLVMFuzzerTestOneInput(copy.get(), input.size()), 0) << running;
}

struct Input {
  std::string name;
  std::string bytes;
};

fs::path corpus_folder() {
  std::string name = program_invocation_short_name;
  name.resize(name.rfind("_replay_test"));
  return fs::path(FAIRLEAD_SOURCE_DIR) / "tests/fuzz/corpus" / name;
}

std::vector<Input> corpus() {
  std::vector<Input> out;
  for (const auto& entry : fs::directory_iterator(corpus_folder())) {
    std::ifstream file(entry.path(), std::ios::binary);
    out.push_back({entry.path().filename(), {std::istreambuf_iterator<char>(file), {}}});
  }
  std::sort(out.begin(), out.end(), [](const Input& a, const Input& b) { return a.name < b.name; });
  return out;
}

class Replay : public testing::Test {
 protected:
  void SetUp() override { std::signal(SIGABRT, tell); }
};

}  // namespace

TEST_F(Replay, NothingAtAll) { run("(no file)", ""); }

TEST_F(Replay, EveryFileOfTheCorpus) {
  const auto inputs = corpus();
  EXPECT_GE(inputs.size(), 5U) << "a corpus is missing: " << corpus_folder();
  for (const Input& input : inputs) run(input.name, input.bytes);
}

TEST_F(Replay, EveryBeginningOfSmallFiles) {
  std::size_t cuts = 0;
  for (const Input& input : corpus()) {
    if (input.bytes.size() > kSmall) continue;
    for (std::size_t n = 0; n < input.bytes.size(); ++n, ++cuts) run(input.name, std::string_view(input.bytes).substr(0, n));
  }
  EXPECT_GT(cuts, 0U) << "no file of the corpus is small enough to be cut";
}

/// What is committed stays small: the corpus is what keeps a finding from coming back, not a store of all inputs.
TEST_F(Replay, TheCorpusIsSmall) {
  const auto inputs = corpus();
  std::size_t bytes = 0;
  for (const Input& input : inputs) bytes += input.bytes.size();
  EXPECT_LE(inputs.size(), 200U);
  EXPECT_LE(bytes, 400U << 10);
}
