/// The state file without its sum, which is put behind: nobody's guesses would ever pass it.
#include <string>

#include "proto/runtime/object_codec.h"
#include "proto/runtime/state_file.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;

namespace {

std::string with_sum(std::string_view body) {
  std::uint64_t sum = 0xcbf29ce484222325U;
  for (const char c : body) sum = (sum ^ static_cast<std::uint8_t>(c)) * 0x100000001b3U;
  std::string out(body);
  for (int i = 0; i < 8; ++i, sum >>= 8) out += static_cast<char>(sum & 0xff);
  return out;
}

void check_object(const api::Object& object) {
  const api::Kind kind = api::kind_of(object);
  const std::string bytes = runtime::encode(object);
  const auto again = runtime::decode(kind, bytes);
  FL_CHECK(again && *again == object, "an object that was read is written as it is");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body = fuzz::text(data, size);
  FL_CHECK(!runtime::decode_state(body) || size > 16, "a sum is there");
  const auto state = runtime::decode_state(with_sum(body));
  if (state) {
    const auto again = runtime::decode_state(runtime::encode(*state));
    FL_CHECK(again && *again == *state, "a state that was read is written as it is");
    for (const runtime::State::Group& group : state->groups) {
      for (const std::string& bytes : group.objects) {
        if (const auto object = runtime::decode(group.kind, bytes)) check_object(*object);
      }
    }
  }
  // The same bytes as one object of each kind: shorter ways to the same codec.
  for (std::size_t i = 0; i < api::kKinds; ++i) {
    if (const auto object = runtime::decode(static_cast<api::Kind>(i), body)) check_object(*object);
  }
  return 0;
}
