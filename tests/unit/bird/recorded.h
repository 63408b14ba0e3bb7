#pragma once
/// Replies of a BIRD 2.0.12, recorded from its socket.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "proto/bird/reply.h"

namespace fairlead::test {

inline std::string recorded_bytes(const std::string& name) {
  const std::string path = std::string(FAIRLEAD_SOURCE_DIR) + "/tests/unit/bird/recorded/" + name + ".txt";
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

inline bird::Reply reply_of(std::string_view bytes) {
  bird::ReplyReader reader;
  reader.feed(bytes);
  const auto next = reader.next();
  const auto* reply = std::get_if<bird::Reply>(&next);
  EXPECT_NE(reply, nullptr) << bytes;
  return reply == nullptr ? bird::Reply() : *reply;
}

inline bird::Reply recorded(const std::string& name) { return reply_of(recorded_bytes(name)); }

}  // namespace fairlead::test
