/// A kubeconfig file, and its texts by themselves: addresses of servers, base64, tokens.
#include <algorithm>
#include <string>

#include "proto/runtime/kubeconfig.h"
#include "tests/fuzz/fuzz.h"

using namespace fairlead;

namespace {

void check_server(const runtime::ApiServer& server) {
  FL_CHECK(!server.host.empty() && server.port != 0, "a server has an address");
  FL_CHECK(server.host.find_first_of(" /[]@\r\n") == std::string::npos, "a host is a host");
  FL_CHECK(std::none_of(server.path.begin(), server.path.end(), [](char c) { return c <= ' ' || c > '~'; }),
           "a path is fit for a request line");
  const auto again = runtime::parse_api_server(server.str());
  FL_CHECK(again && again->host == server.host && again->port == server.port, "an address reads back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view in = fuzz::text(data, size);
  if (const auto access = runtime::parse_kubeconfig(in, "/folder")) {
    FL_CHECK(access->servers.size() == 1 && !access->ca.is_none(), "a cluster has a server and a CA");
    FL_CHECK(access->certificate.is_none() == access->key.is_none(), "a certificate comes with its key");
    check_server(access->servers.front());
    if (!access->token.empty()) FL_CHECK(runtime::clean_token(access->token) == access->token, "a token is clean");
  } else {
    FL_CHECK(access.error().code == Errc::malformed && !access.error().what.empty(), "a refusal is a sentence");
  }
  if (const auto server = runtime::parse_api_server(in)) check_server(*server);
  if (const auto token = runtime::clean_token(in)) FL_CHECK(!token->empty(), "a token has characters");
  if (const auto bytes = runtime::decode_base64(in)) FL_CHECK(bytes->size() <= size * 3 / 4 + 2, "base64 does not grow");
  return 0;
}
