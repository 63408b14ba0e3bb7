/// The corpus of tests/fuzz/config_fuzz.cpp, and what becomes of it when octets are changed, cut and doubled.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> corpus() {
  std::vector<Bytes> out;
  for (const auto& entry : std::filesystem::directory_iterator(FAIRLEAD_SOURCE_DIR "/tests/fuzz/corpus/config")) {
    std::ifstream in(entry.path(), std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return out;
}

TEST(ConfigCorpus, EachFileIsSafe) {
  const std::vector<Bytes> files = corpus();
  ASSERT_GE(files.size(), 7U);
  for (const Bytes& file : files) {
    for (std::size_t size = 0; size <= file.size(); size += 7) LLVMFuzzerTestOneInput(file.data(), size);
    LLVMFuzzerTestOneInput(file.data(), file.size());
  }
}

TEST(ConfigCorpus, ChangedFilesAreSafe) {
  std::mt19937 random(1);  // NOLINT(bugprone-random-generator-seed): the same each time
  const std::vector<Bytes> files = corpus();
  for (int round = 0; round < 3000; ++round) {
    Bytes file = files[random() % files.size()];
    for (auto changes = random() % 6 + 1; changes > 0; --changes) {
      const auto at = file.begin() + static_cast<std::ptrdiff_t>(random() % file.size());
      const auto length = std::min<std::ptrdiff_t>(file.end() - at, static_cast<std::ptrdiff_t>(random() % 24));
      const Bytes piece(at, at + length);
      switch (random() % 4) {
        case 0: *at = static_cast<std::uint8_t>(random()); break;
        case 1: file.insert(at, piece.begin(), piece.end()); break;
        case 2: file.insert(file.begin() + static_cast<std::ptrdiff_t>(random() % file.size()), piece.begin(), piece.end()); break;
        default: *at = static_cast<std::uint8_t>("0123456789:-/[]{},\"' \n"[random() % 22]); break;
      }
    }
    LLVMFuzzerTestOneInput(file.data(), file.size());
  }
}

}  // namespace
