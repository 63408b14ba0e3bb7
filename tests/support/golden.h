#pragma once
/// Golden bytes as hex text beside the test, twenty octets a line; lines that begin with '#' are comment.
/// FAIRLEAD_WRITE_GOLDEN=1 in the environment writes the files anew: look at the difference before keeping it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "proto/base/bytes.h"

namespace fairlead::test {

inline std::string hex_lines(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
    out += i % 20 == 19 || i + 1 == bytes.size() ? '\n' : ' ';
  }
  return out;
}

/// `file` below tests/unit/, "nft/golden/add_one.hex"; `about` becomes the comment of a file that is written.
inline void expect_golden(const std::string& file, const std::string& about, ByteView bytes) {
  const std::string path = std::string(FAIRLEAD_SOURCE_DIR) + "/tests/unit/" + file;
  if (std::getenv("FAIRLEAD_WRITE_GOLDEN") != nullptr) {
    std::ofstream(path) << "# " << about << "\n" << hex_lines(bytes);
    return;
  }
  std::ifstream in(path);
  ASSERT_TRUE(in) << path << " is missing: write it with FAIRLEAD_WRITE_GOLDEN=1";
  std::stringstream want;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with('#')) want << line << "\n";
  }
  EXPECT_EQ(hex_lines(bytes), want.str()) << "if this is meant: FAIRLEAD_WRITE_GOLDEN=1 writes " << path;
}

}  // namespace fairlead::test
