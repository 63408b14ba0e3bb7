/// The body of a watch: cut into chunks of any size, the same lines come out, and every line is an event or refused.
#include <string>
#include <vector>

#include "proto/api/parse.h"
#include "proto/kube/watch.h"
#include "proto/runtime/kube_requests.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;

namespace {

struct Lines {
  std::vector<std::string> lines;
  bool is_too_long = false;
};

Lines read(std::string_view body, std::size_t max_line, fuzz::Dice& dice, std::size_t largest_chunk) {
  Lines out;
  kube::WatchLines lines(max_line);
  while (!body.empty()) {
    const std::string_view chunk = body.substr(0, 1 + dice.roll(largest_chunk));
    body.remove_prefix(chunk.size());
    lines.feed(chunk);
    while (const auto line = lines.next()) {
      FL_CHECK(!line->empty() && line->size() <= max_line, "a line is neither empty nor longer than allowed");
      out.lines.emplace_back(*line);
    }
    FL_CHECK(lines.held() <= max_line, "what is held is bounded");
  }
  out.is_too_long = lines.is_too_long();
  return out;
}

api::Kind kind_in(const kube::Json& object, fuzz::Dice& dice) {
  const auto text = [&](const char* key) {
    const auto at = object.find(key);
    return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  if (const auto kind = api::kind_of(text("apiVersion"), text("kind"))) return *kind;
  return static_cast<api::Kind>(dice.roll(api::kKinds));
}

void check_line(const std::string& line, fuzz::Dice& dice) {
  runtime::Chunk chunk;
  const auto parsed = kube::parse_watch_event(line);
  if (const auto* const error = std::get_if<kube::FieldError>(&parsed)) {
    FL_CHECK(!error->what.empty(), "a refusal is a sentence");
    runtime::add_line(api::Kind::service, line, chunk);
    FL_CHECK(chunk.arrivals.empty(), "a line that is no event brings no object");
    return;
  }
  const auto& event = std::get<kube::WatchEvent>(parsed);
  const api::Kind kind = kind_in(event.object, dice);
  runtime::add_line(kind, line, chunk);
  for (const runtime::Arrival& arrival : chunk.arrivals) {
    FL_CHECK(arrival.object.has_value() != arrival.fault.has_value(), "an object is used or refused");
    if (arrival.object) FL_CHECK(api::kind_of(*arrival.object) == kind, "an object is of the kind that is watched");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body = fuzz::text(data, size);
  fuzz::Dice dice(body);
  const std::size_t max_line = dice.roll(4) == 0 ? 1 + dice.roll(200) : kube::WatchLines::kMaxLine;
  const Lines whole = read(body, max_line, dice, size + 1);
  const Lines cut = read(body, max_line, dice, 7);
  FL_CHECK(whole.lines == cut.lines && whole.is_too_long == cut.is_too_long, "cuts do not matter");
  for (const std::string& line : whole.lines) check_line(line, dice);
  return 0;
}
