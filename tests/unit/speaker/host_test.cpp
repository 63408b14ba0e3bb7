#include "speaker/link/host.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fairlead::speaker {
namespace {

TEST(HasListener, OnlyListeningSocketsOfThatPortCount) {
  // As /proc/net/tcp and tcp6 print them: 127.0.0.1:10249 listening, 10250 listening on ::, connections from and to 10256.
  const std::string head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
  const std::string v4 = head +
                         "   0: 0100007F:2809 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
                         "   1: 0100007F:2810 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1\n"
                         "   2: 0100007F:9C40 0100007F:2810 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1\n";
  const std::string v6 = head +
                         "   0: 00000000000000000000000000000000:280A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 "
                         "00000000     0        0 4 1 0 100 0 0 10 0\n";
  EXPECT_TRUE(has_listener(v4, Port{10249}));
  EXPECT_TRUE(has_listener(v6, Port{10250}));
  EXPECT_FALSE(has_listener(v4, Port{10256})) << "connected, not listening";
  EXPECT_FALSE(has_listener(v4, Port{40000}));
  EXPECT_FALSE(has_listener(v6, Port{10249}));
}

TEST(HasListener, AnyTextIsSafe) {
  for (const char* text : {"", "\n", "0:", "a b c", "0: :2809 x 0A", "0: 0100007F:2809 00000000:0000"}) {
    (void)has_listener(text, Port{10249});
  }
  EXPECT_FALSE(has_listener("0: 0100007F:2809 00000000:0000", Port{10249}));
}

TEST(UdpSockets, CountsThoseOfThePort) {
  const char* udp =
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
      " 5093: 00000000:0EC8 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 39134 2 00000000eb636c3b 0\n"
      " 5093: 00000000:0EC8 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 38957 2 00000000df69bf7b 0\n"
      "14431: 010200C0:B342 00000000:0EC8 07 000009C0:00000000 00:00000000 00000000     0        0 38962 2 00000000b628bae7 0\n";
  EXPECT_EQ(udp_sockets(udp, Port{3784}), 2U);
  EXPECT_EQ(udp_sockets(udp, Port{4784}), 0U);
  EXPECT_EQ(udp_sockets("0: :0EC8", Port{3784}), 1U);
}

TEST(LinkNames, LoopbackIsAmongThem) {
  const auto names = link_names();
  EXPECT_NE(std::find(names.begin(), names.end(), "lo"), names.end());
}

}  // namespace
}  // namespace fairlead::speaker
