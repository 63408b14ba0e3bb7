/// A JSON object, taken for each kind that we read, and as the answers of an API server. What is understood keeps its
/// meaning through the state file's codec.
#include <string>

#include "proto/api/parse.h"
#include "proto/kube/parse.h"
#include "proto/runtime/folder_objects.h"
#include "proto/runtime/kube_requests.h"
#include "proto/runtime/object_codec.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;

namespace {

void check_error(const kube::FieldError& error) { FL_CHECK(!error.what.empty(), "a refusal is a sentence"); }

template <class T>
const T* good(const kube::Parsed<T>& parsed) {
  if (const auto* const error = std::get_if<kube::FieldError>(&parsed)) check_error(*error);
  return std::get_if<T>(&parsed);
}

void check_codec(api::Kind kind, const std::string& bytes) {
  const auto object = runtime::decode(kind, bytes);
  FL_CHECK(object.has_value(), "what was written can be read");
  FL_CHECK(runtime::encode(*object) == bytes, "one object has one form");
}

void check_kind(api::Kind kind, const kube::Json& json) {
  if (const auto parsed = api::parse(kind, json); const auto* const object = good(parsed)) {
    FL_CHECK(api::kind_of(*object) == kind, "an object is of the kind that was asked for");
    FL_CHECK(!api::key_of(*object).name.name.empty(), "an object has a name");
    check_codec(kind, runtime::encode(*object));
    runtime::api_servers_in(*object);
  }
  const runtime::Arrival arrival = runtime::read_object(kind, json);
  FL_CHECK(arrival.object.has_value() != arrival.fault.has_value(), "an object is used or refused");
  if (arrival.object) check_codec(kind, arrival.bytes);
}

/// What only a folder has.
void check_folder_kinds(const kube::Json& json) {
  const auto parsed_service = kube::parse_service(json);
  const auto parsed_pod = kube::parse_pod(json);
  const auto parsed_endpoints = kube::parse_endpoints(json);
  const kube::Service* const service = good(parsed_service);
  const kube::Pod* const pod = good(parsed_pod);
  const kube::Endpoints* const endpoints = good(parsed_endpoints);
  const std::vector<const kube::Pod*> pods(pod == nullptr ? 0U : 1U, pod);
  for (const kube::EndpointSlice& slice : runtime::make_slices(service, endpoints, pods)) {
    FL_CHECK(slice.meta.name.find('~') != std::string::npos, "a slice that was made has a name of its own kind");
  }
}

void check_answers(const std::string& body) {
  for (std::size_t i = 0; i < api::kKinds; ++i) {
    const auto kind = static_cast<api::Kind>(i);
    const auto page = runtime::read_page(kind, body);
    if (!page) break;
    for (const runtime::Arrival& a : page->arrivals) FL_CHECK(a.object.has_value() != a.fault.has_value(), "used or refused");
  }
  runtime::read_answer({200, "", body, {}});
  FL_CHECK(!runtime::read_answer({409, "", body, {}}).what.empty(), "a refusal is told");
  runtime::shows_pool(body, "pool");
  if (const auto wait = runtime::read_retry_after(body)) {
    FL_CHECK(*wait >= Duration{} && *wait <= runtime::kMostRetryAfter, "no server stops us for long");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(fuzz::text(data, size));
  check_answers(body);
  const kube::Json json = kube::parse_json(body);
  if (json.is_discarded()) return 0;
  for (std::size_t i = 0; i < api::kKinds; ++i) check_kind(static_cast<api::Kind>(i), json);
  check_folder_kinds(json);
  return 0;
}
