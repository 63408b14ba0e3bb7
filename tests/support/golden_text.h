#pragma once
/// Golden text beside the test. FAIRLEAD_WRITE_GOLDEN=1 in the environment writes the files anew: look at the difference
/// before keeping it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace fairlead::test {

/// `file` below tests/unit/, "bird/golden/ebgp.conf".
inline void expect_golden_text(const std::string& file, const std::string& text) {
  const std::string path = std::string(FAIRLEAD_SOURCE_DIR) + "/tests/unit/" + file;
  if (std::getenv("FAIRLEAD_WRITE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  std::ifstream in(path, std::ios::binary);
  ASSERT_TRUE(in) << path << " is missing: write it with FAIRLEAD_WRITE_GOLDEN=1";
  std::stringstream want;
  want << in.rdbuf();
  EXPECT_EQ(text, want.str()) << "if this is meant: FAIRLEAD_WRITE_GOLDEN=1 writes " << path;
}

}  // namespace fairlead::test
