/// A datagram of nf_tables: dumps, notifications (generation messages among them), acknowledgements.
#include <algorithm>

#include "proto/nft/batch.h"
#include "proto/nft/decode.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;
using namespace fairlead::nft;

namespace {

/// Whether a batch could say it: names of chains are short texts, and sets have no values.
bool is_sayable(const Element& e) {
  switch (info(e.key.map).value_kind) {
    case ValueKind::none: return e.value.empty();
    case ValueKind::bytes: return true;
    case ValueKind::goto_chain: return e.value.size() < 200 && e.value.find('\0') == std::string::npos;
  }
  return false;
}

void read_element(const Element& e) {
  const Map map = e.key.map;
  FL_CHECK(e.key.bytes.size() == info(map).key_size * (info(map).has_two_ends() ? 2U : 1U), "a key has the size of its map");
  FL_CHECK(!describe(e.key).empty(), "a key can be told");
  if (map == Map::endpoints4 || map == Map::endpoints6) {
    const EndpointTarget target = endpoint_target(e);
    FL_CHECK((map == Map::endpoints4) == target.ip.is4(), "an endpoint has the family of its map");
    FL_CHECK(endpoint_slot(e.key).id.value <= kMaxListId, "a list id has 20 bits");
  } else if (info(map).value_kind == ValueKind::bytes) {
    const Handle handle = handle_of(e.value);
    FL_CHECK(handle.id().value <= kMaxListId, "a list id has 20 bits");
  }
  if (const auto frontend = guarded_frontend(e.key)) FL_CHECK(!describe(*frontend).empty(), "a frontend can be told");
  if (map == Map::allowed4 || map == Map::allowed6) {
    FL_CHECK(guarded_frontend(guard_of(e.key)) == guarded_frontend(e.key), "a guard and who may pass it are of one frontend");
  }
  if (info(map).key_kind == KeyKind::interval) {
    const std::string_view both = e.key.bytes;
    FL_CHECK(both.substr(0, info(map).key_size) <= both.substr(info(map).key_size), "an interval does not end before it begins");
  }
}

std::vector<WireElement> wire_of(ByteView datagram) {
  std::vector<WireElement> out;
  Messages messages(datagram);
  while (const auto message = messages.next()) {
    if (message->topic != Topic::element) continue;
    auto list = parse_elements(message->attributes).elements;
    std::move(list.begin(), list.end(), std::back_inserter(out));
  }
  return out;
}

void check_map(Map map, const std::vector<WireElement>& wire) {
  std::vector<Element> elements = assemble(map, wire);
  for (const Element& e : elements) read_element(e);
  std::erase_if(elements, [](const Element& e) { return !is_sayable(e); });
  if (elements.empty()) return;
  Batch batch(1);
  batch.add("fairlead", elements);
  const Bytes bytes = std::move(batch).finish();
  FL_CHECK(assemble(map, wire_of(bytes)) == elements, "elements that are written read back");
}

void check_message(const Message& message) {
  FL_CHECK(message.error >= 0 && message.error < 4096, "an error is an errno");
  parse_table(message.attributes);
  parse_chain(message.attributes);
  parse_rule(message.attributes);
  parse_set(message.attributes);
  const ElementList list = parse_elements(message.attributes);
  if (list.elements.empty()) return;
  for (std::size_t i = 0; i < kMaps; ++i) {
    const Map map = static_cast<Map>(i);
    if (list.elements.size() <= 8 || list.set == info(map).name) check_map(map, list.elements);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Messages messages({data, size});
  std::size_t count = 0;
  while (const auto message = messages.next()) {
    FL_CHECK(++count <= size / 16, "every message takes its header off the datagram");
    check_message(*message);
  }
  return 0;
}
