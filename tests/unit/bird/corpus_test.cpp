/// The corpus of tests/fuzz/bird_fuzz.cpp, replayed; and what a few thousand random changes make of it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> out;
  for (const char* folder : {"/tests/fuzz/corpus/bird", "/tests/unit/bird/recorded", "/tests/unit/bird/golden"}) {
    for (const auto& file : std::filesystem::directory_iterator(std::string(FAIRLEAD_SOURCE_DIR) + folder)) {
      std::stringstream text;
      text << std::ifstream(file.path(), std::ios::binary).rdbuf();
      out.push_back(text.str());
    }
  }
  return out;
}

void run(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

TEST(BirdFuzz, Corpus) {
  const auto all = corpus();
  ASSERT_GT(all.size(), 15U);
  for (const std::string& one : all) run(one);
}

TEST(BirdFuzz, RandomChanges) {
  std::mt19937 random(6);
  const auto all = corpus();
  constexpr std::string_view kUseful = "\n\n +-0189: #\"{};%\t\r";
  for (int round = 0; round < 4000; ++round) {
    std::string one = all[random() % all.size()];
    for (unsigned i = random() % 8; i > 0 && !one.empty(); --i) {
      const std::size_t at = random() % one.size();
      switch (random() % 4) {
        case 0: one[at] = static_cast<char>(random()); break;
        case 1: one[at] = kUseful[random() % kUseful.size()]; break;
        case 2: one.erase(at, random() % 40); break;
        default: one.insert(at, all[random() % all.size()].substr(0, random() % 200)); break;
      }
    }
    run(one);
  }
}

}  // namespace
