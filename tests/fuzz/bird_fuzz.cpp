/// Whatever comes over BIRD's socket, or stands in a file that config_text() once wrote: nothing crashes, memory stays
/// bounded, and where the stream was cut makes no difference.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "proto/bird/config_text.h"
#include "proto/bird/report.h"

namespace {

using namespace fairlead::bird;

void judge(bool is_right) {
  if (!is_right) std::abort();
}

std::size_t read_all(ReplyReader& reader, std::vector<Reply>& out) {
  for (;;) {
    const auto next = reader.next();
    if (std::holds_alternative<std::monostate>(next)) return 0;
    if (std::holds_alternative<Broken>(next)) return 1;
    if (const auto* r = std::get_if<Reply>(&next)) out.push_back(*r);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr std::size_t kLine = 600, kReply = 20'000;
  ReplyReader whole(kLine, kReply);
  std::vector<Reply> replies;
  whole.feed(bytes);
  const std::size_t is_broken = read_all(whole, replies);

  ReplyReader cut(kLine, kReply);
  std::vector<Reply> again;
  std::size_t is_cut_broken = 0;
  for (std::size_t at = 0, step = size == 0 ? 1 : data[0] % 7 + 1; at < size && is_cut_broken == 0; at += step) {
    cut.feed(bytes.substr(at, step));
    is_cut_broken = read_all(cut, again);
    judge(cut.held() <= kReply + kLine + step);
  }
  judge(is_broken == is_cut_broken && replies == again);

  for (const Reply& r : replies) {
    parse_greeting(r);
    parse_status(r);
    parse_configured(r);
    parse_protocols(r);
    parse_bfd_sessions(r);
    parse_route_count(r);
  }
  for (const auto& [name, found] : blocks_of(bytes)) judge(!name.empty() && found.number != 0);
  peer_at_line(bytes, static_cast<int>(size % 50));
  router_id_of(bytes);
  return 0;
}
