/// A manifest file, YAML or JSON, and what a folder with it holds.
#include <string>
#include <vector>

#include "proto/runtime/folder_store.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;
using runtime::Format;
using runtime::Json;

namespace {

void check_faults(const std::vector<runtime::Fault>& faults) {
  for (const runtime::Fault& f : faults) FL_CHECK(!f.what.empty() && !f.where.empty(), "a fault says what and where");
}

void check_syntax(std::string_view text, Format format) {
  std::vector<Json> objects;
  const auto error = runtime::read_objects(text, format, [&](const Json& object, const runtime::Place& place) {
    if (objects.size() == 4) return;
    FL_CHECK(runtime::line_of(text, place, "spec.ports[0].port") >= 1, "lines count from 1");
    objects.push_back(object);
  });
  if (error) FL_CHECK(error->line >= 1 && !error->what.empty(), "a syntax error says what and where");
  for (const Json& object : objects) {
    if (object.is_null()) continue;  // an empty document is none
    std::vector<Json> again;
    const std::string written = runtime::to_yaml({{"it", object}});
    const auto broken = runtime::read_objects(written, Format::yaml, [&](const Json& o, const runtime::Place&) { again.push_back(o); });
    FL_CHECK(!broken && again.size() == 1 && again[0] == Json({{"it", object}}), "what is written reads back");
  }
}

void check_folder(std::string_view text, Format format) {
  std::vector<api::Kind> all;
  for (std::size_t i = 0; i < api::kKinds; ++i) all.push_back(static_cast<api::Kind>(i));
  runtime::Manifest manifest = runtime::read_manifest("dir/a.yaml", text, format);
  check_faults(manifest.faults);
  runtime::FolderStore store("dir", all);
  store.update("a.yaml", manifest);
  for (const runtime::Change& change : store.take_changes()) {
    FL_CHECK(change.object.has_value(), "a folder that fills loses nothing");
    FL_CHECK(api::key_of(*change.object) == change.key, "an object comes under its name");
  }
  check_faults(store.take_faults());
  store.update("a.yaml", std::move(manifest));
  FL_CHECK(store.take_changes().empty(), "the same again changes nothing");
  store.remove("a.yaml");
  for (const runtime::Change& change : store.take_changes()) {
    const bool is_default = change.key.kind == api::Kind::l2_advertisement;
    FL_CHECK(!change.object.has_value() || is_default, "a folder that empties gains nothing");
  }
  FL_CHECK(store.objects() == 0, "nothing is left");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text(data, size);
  const bool may_be_json = text.starts_with('{') || text.starts_with('[');
  for (const Format format : {Format::yaml, Format::json}) {
    if (format == Format::json && !may_be_json) break;
    check_syntax(text, format);
    check_folder(text, format);
  }
  return 0;
}
