/// A datagram of rtnetlink: links and addresses, as dumps and notifications bring them.
#include "proto/rtnl/rtnl.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView datagram(data, size);
  const auto events = rtnl::parse(datagram);
  FL_CHECK(events.size() <= size / 16, "every event takes a header off the datagram");
  for (const rtnl::Event& event : events) {
    if (const auto* const failed = std::get_if<rtnl::Failed>(&event)) {
      FL_CHECK(failed->error > 0 && failed->error < 4096, "an error is an errno");
    }
    if (const auto* const link = std::get_if<rtnl::Link>(&event)) {
      FL_CHECK(link->name.find('\0') == std::string::npos, "a name ends at its NUL");
    }
    if (const auto* const address = std::get_if<rtnl::Address>(&event)) {
      FL_CHECK(address->prefix_length <= (address->ip.is4() ? 32 : 128), "a prefix is no longer than its address");
    }
  }
  return 0;
}
