#include "proto/runtime/kubeconfig.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "proto/base/fd.h"
#include "proto/net/ip.h"
#include "proto/runtime/json.h"
#include "proto/runtime/yaml.h"

namespace fairlead::runtime {
namespace {

constexpr std::size_t kMostBytes = 1U << 20;

Error bad(std::string what) { return Error{Errc::malformed, std::move(what)}; }

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

bool is_host(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (const char c : text) {
    const bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    if (!is_fine) return false;
  }
  return true;
}

/// "host", "host:port", "[v6]:port", or a bare IPv6 address.
std::optional<ApiServer> parse_authority(std::string_view text, std::uint16_t port) {
  ApiServer out;
  out.port = port;
  if (parse_ip(text)) {
    out.host = parse_ip(text)->str();
    return out;
  }
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    const auto ip = end == std::string_view::npos ? std::nullopt : parse_ip(text.substr(1, end - 1));
    if (!ip || ip->is4()) return std::nullopt;
    out.host = ip->str();
    rest = text.substr(end + 1);
  } else {
    const auto colon = text.find(':');
    const std::string_view host = text.substr(0, colon);
    if (!is_host(host)) return std::nullopt;
    out.host = host;
    rest = colon == std::string_view::npos ? "" : text.substr(colon);
  }
  if (rest.empty()) return out;
  const auto given = rest[0] == ':' ? parse_port(rest.substr(1)) : std::nullopt;
  if (!given) return std::nullopt;
  out.port = *given;
  return out;
}

/// clusters, contexts and users are lists of {name, <kind>: {...}}.
const Json* named(const Json& list, const std::string& name, const char* kind) {
  if (!list.is_array()) return nullptr;
  for (const Json& item : list) {
    if (text_at(item, "name") == name && at(item, kind).is_object()) return &at(item, kind);
  }
  return nullptr;
}

std::string below(const std::string& folder, const std::string& path) {
  return path.empty() || path[0] == '/' ? path : folder + "/" + path;
}

/// `<what>-data` (base64) wins over `<what>`, as in kubectl.
Result<Pem> read_pem(const Json& object, const std::string& what, const std::string& folder, const std::string& where) {
  Pem out;
  if (const std::string data = text_at(object, (what + "-data").c_str()); !data.empty()) {
    auto text = decode_base64(data);
    if (!text) return bad(where + "." + what + "-data is no base64");
    out.text = *std::move(text);
    return out;
  }
  out.file = below(folder, text_at(object, what.c_str()));
  return out;
}

Result<ApiServer> read_server(const Json& cluster, const std::string& where) {
  const std::string url = text_at(cluster, "server");
  static constexpr std::string_view kScheme = "https://";
  if (!url.starts_with(kScheme)) return bad(where + ".server: \"" + url + "\" does not begin with https://");
  const std::string_view rest = std::string_view(url).substr(kScheme.size());
  const auto slash = rest.find('/');
  auto out = parse_authority(rest.substr(0, slash), 443);
  if (!out) return bad(where + ".server: \"" + url + "\" is no address of a server");
  if (slash != std::string_view::npos) out->path = rest.substr(slash);
  while (out->path.ends_with('/')) out->path.pop_back();
  out->verify_name = text_at(cluster, "tls-server-name");
  if (out->verify_name.empty()) out->verify_name = out->host;
  return *std::move(out);
}

Result<void> read_user(const Json& user, const std::string& folder, const std::string& where, ClusterAccess& out) {
  for (const char* unsupported : {"exec", "auth-provider", "username", "as"}) {
    if (!at(user, unsupported).is_null()) {
      return bad(where + "." + unsupported + " is not supported: use a token or a client certificate");
    }
  }
  auto certificate = read_pem(user, "client-certificate", folder, where);
  if (!certificate) return certificate.error();
  auto key = read_pem(user, "client-key", folder, where);
  if (!key) return key.error();
  if (certificate->is_none() != key->is_none()) {
    return bad(where + " has only one of client-certificate and client-key: give both");
  }
  out.certificate = *std::move(certificate);
  out.key = *std::move(key);
  out.token_file = below(folder, text_at(user, "tokenFile"));
  if (const std::string token = text_at(user, "token"); out.token_file.empty() && !token.empty()) {
    auto cleaned = clean_token(token);
    if (!cleaned) return bad(where + ".token holds characters that no token has");
    out.token = *std::move(cleaned);
  }
  return {};
}

}  // namespace

std::string ApiServer::str() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

std::optional<ApiServer> parse_api_server(std::string_view text) {
  auto out = parse_authority(text, 443);
  if (out) out->verify_name = kInternalName;
  return out;
}

Result<ClusterAccess> parse_kubeconfig(std::string_view text, const std::string& folder) {
  Json document;
  const auto error = read_objects(text, Format::yaml, [&](const Json& object, const Place&) {
    if (document.is_null()) document = object;
  });
  if (error) return bad("line " + std::to_string(error->line) + ": " + error->what);
  const std::string current = text_at(document, "current-context");
  const Json* const context = named(at(document, "contexts"), current, "context");
  if (context == nullptr) return bad("current-context: there is no context \"" + current + "\"");
  const std::string cluster_name = text_at(*context, "cluster");
  const std::string user_name = text_at(*context, "user");
  const Json* const cluster = named(at(document, "clusters"), cluster_name, "cluster");
  if (cluster == nullptr) return bad("contexts: there is no cluster \"" + cluster_name + "\"");
  const Json* const user = named(at(document, "users"), user_name, "user");
  if (user == nullptr) return bad("contexts: there is no user \"" + user_name + "\"");

  const std::string where = "cluster \"" + cluster_name + "\"";
  if (at(*cluster, "insecure-skip-tls-verify") == true) {
    return bad(where + ".insecure-skip-tls-verify is not supported: give its certificate-authority");
  }
  ClusterAccess out;
  auto server = read_server(*cluster, where);
  if (!server) return server.error();
  out.servers.push_back(*std::move(server));
  auto ca = read_pem(*cluster, "certificate-authority", folder, where);
  if (!ca) return ca.error();
  if (ca->is_none()) return bad(where + " has no certificate-authority: give the CA of the API server's certificate");
  out.ca = *std::move(ca);
  out.ca_from = out.ca.file.empty() ? "the kubeconfig" : out.ca.file;
  if (auto done = read_user(*user, folder, "user \"" + user_name + "\"", out); !done) return done.error();
  out.ns = text_at(*context, "namespace");
  return out;
}

Result<ClusterAccess> read_kubeconfig(const std::string& path) {
  const auto text = read_small_file(path);
  if (!text) return text.error();
  const auto slash = path.rfind('/');
  auto out = parse_kubeconfig(*text, slash == std::string::npos ? "." : path.substr(0, slash));
  if (!out) return Error{out.error().code, path + ": " + out.error().what};
  return out;
}

Result<ClusterAccess> in_cluster(const std::string& folder, std::string_view host, std::string_view port) {
  ClusterAccess out;
  out.token_file = folder + "/token";
  out.ca.file = folder + "/ca.crt";
  out.ca_from = out.ca.file;
  for (const std::string& file : {out.token_file, out.ca.file}) {
    if (::access(file.c_str(), F_OK) != 0) return Error{Errc::not_found, "there is no " + file};
  }
  if (const auto text = read_small_file(folder + "/namespace")) out.ns = clean_token(*text).value_or("");
  const auto number = parse_port(port);
  auto server = host.empty() ? std::nullopt : parse_authority(host, number.value_or(443));
  if (server) {
    server->verify_name = kInternalName;
    out.servers.push_back(*std::move(server));
  }
  return out;
}

Result<std::string> read_small_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return system_error("read " + path, errno);
  std::string out;
  char buffer[8192];
  ssize_t n = 0;
  while ((n = ::read(fd.get(), buffer, sizeof buffer)) > 0) {
    out.append(buffer, static_cast<std::size_t>(n));
    if (out.size() > kMostBytes) return bad(path + " is larger than a megabyte");
  }
  if (n < 0) return system_error("read " + path, errno);
  return out;
}

std::optional<std::string> clean_token(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
  for (const char c : text) {
    if (c <= ' ' || c > '~') return std::nullopt;
  }
  return std::string(text);
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    std::uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') value = static_cast<std::uint32_t>(c - 'A');
    else if (c >= 'a' && c <= 'z') value = static_cast<std::uint32_t>(c - 'a' + 26);
    else if (c >= '0' && c <= '9') value = static_cast<std::uint32_t>(c - '0' + 52);
    else if (c == '+') value = 62;
    else if (c == '/') value = 63;
    else return std::nullopt;
    if (padding > 0) return std::nullopt;  // nothing may follow it
    bits = bits << 6 | value;
    if (++count == 4) {
      out += static_cast<char>(bits >> 16 & 0xff);
      out += static_cast<char>(bits >> 8 & 0xff);
      out += static_cast<char>(bits & 0xff);
      bits = 0;
      count = 0;
    }
  }
  if (count == 1 || padding > 2) return std::nullopt;
  if (count == 2) out += static_cast<char>(bits >> 4 & 0xff);
  if (count == 3) {
    out += static_cast<char>(bits >> 10 & 0xff);
    out += static_cast<char>(bits >> 2 & 0xff);
  }
  return out;
}

}  // namespace fairlead::runtime
