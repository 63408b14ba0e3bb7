/// A Service of a person and, behind a line "%%%%", the overlay file that programs keep for it.
#include <string>

#include "proto/runtime/folder_overlay.h"
#include "proto/runtime/json.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;
using runtime::Format;
using runtime::Json;

namespace {

/// As the folder source reads one: a single object, or nothing.
Json read_one(std::string_view text) {
  Json out;
  const auto error = runtime::read_objects(text, Format::yaml, [&](const Json& object, const runtime::Place&) { out = object; });
  return error ? Json() : out;
}

runtime::ServiceWrite write_for(const kube::Service& service) {
  runtime::ServiceWrite out;
  const Ip ip = Ip4::of(0x0a600007);
  out.cluster_ips = std::vector<Ip>{ip};
  out.node_ports = std::vector<Port>(service.ports.size(), Port{30080});
  out.ingress = std::vector<kube::Ingress>{{Ip4::of(0xc0000207), "", true}};
  out.pool = "pool";
  return out;
}

void check_write(const std::string& manifest, const Json& overlay, const kube::Service& merged) {
  const auto written = runtime::with_write(overlay.is_object() ? overlay : Json::object(), merged, write_for(merged), "fairlead.io/pool");
  FL_CHECK(written, "a write that fits is taken");
  const std::string text = runtime::to_text(*written);
  const auto after = runtime::parse_merged(manifest, &text);
  const auto* const service = std::get_if<kube::Service>(&after);
  if (service == nullptr) return;  // the node port may be taken twice by the manifest's own ports
  bool shows = false;
  for (const kube::Ingress& i : service->ingress) shows = shows || i.ip == Ip(Ip4::of(0xc0000207));
  FL_CHECK(shows, "what is written to the status is seen");
  const auto again = runtime::with_write(*written, *service, write_for(*service), "fairlead.io/pool");
  FL_CHECK(again && *again == *written, "the same write again changes nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view in = fuzz::text(data, size);
  const Json manifest = read_one(fuzz::take_part(in, "%%%%"));
  const Json overlay = read_one(in);
  const std::string manifest_text = runtime::to_text(manifest);
  const std::string overlay_text = runtime::to_text(overlay);
  const auto merged = runtime::parse_merged(manifest_text, &overlay_text);
  if (const auto* const service = std::get_if<kube::Service>(&merged)) check_write(manifest_text, overlay, *service);
  const Json once = runtime::merged_service(manifest, overlay);
  FL_CHECK(runtime::merged_service(once, overlay) == once, "merging twice is merging once");
  runtime::with_status(overlay.is_object() ? overlay : Json::object(), {});
  return 0;
}
