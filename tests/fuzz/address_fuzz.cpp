/// Small texts in objects and flags: addresses, prefixes, ranges, times.
#include <string>

#include "proto/api/objects.h"
#include "proto/kube/common.h"
#include "proto/net/prefix.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view in = fuzz::text(data, size);
  const auto ip = parse_ip(in);
  const auto sloppy = parse_ip_sloppy(in);
  if (ip) {
    FL_CHECK(sloppy == ip, "what the strict reader takes, the other takes alike");
    FL_CHECK(parse_ip(ip->str()) == ip, "an address reads back");
    if (const auto after = next(*ip)) FL_CHECK(previous(*after) == ip && *ip < *after, "next and previous are inverse");
  }
  if (const auto prefix = parse_prefix(in)) {
    FL_CHECK(parse_prefix(prefix->str()) == prefix, "a prefix reads back");
    const IpRange range = prefix->range();
    FL_CHECK(range.first == prefix->base && range.first <= range.last && prefix->contains(range.last), "a prefix is a range");
  }
  const api::ParsedRange parsed = api::parse_range(in);
  if (const auto* const range = std::get_if<IpRange>(&parsed)) {
    FL_CHECK(range->first <= range->last && range->first.family() == range->last.family(), "a range is in order");
    if (range->first != range->last) FL_CHECK(api::parse_range(range->str()) == parsed, "a range reads back");
  } else {
    FL_CHECK(!std::get<std::string>(parsed).empty(), "a refusal is a sentence");
  }
  kube::parse_time(in);
  return 0;
}
