#pragma once
/// Where the API servers are and how to prove who we are: from a kubeconfig file, or from a Pod's service account.
/// Reads the files that are named once; what rotates (token, CA, client certificate in files) is kept as a path and read
/// again by the client.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/result.h"

namespace fairlead::runtime {

/// https only.
struct ApiServer {
  std::string host;  // a name or an address, an IPv6 one without brackets
  std::uint16_t port = 443;
  std::string path;         // before every request's: "" or "/k8s/clusters/a"
  std::string verify_name;  // what its certificate must be for: a name or an address
  bool operator==(const ApiServer&) const = default;
  /// "192.0.2.1:6443", "[2001:db8::1]:6443"
  std::string str() const;
};

/// PEM, as text or in a file that may be replaced while we run. Both empty: none.
struct Pem {
  std::string text;
  std::string file;
  bool is_none() const { return text.empty() && file.empty(); }
  bool operator==(const Pem&) const = default;
};

struct ClusterAccess {
  std::vector<ApiServer> servers;  // tried in turn
  Pem ca;
  std::string ca_from;  // for sentences: "/var/run/.../ca.crt", "the kubeconfig"
  Pem certificate, key;
  std::string token;
  std::string token_file;
  std::string ns;  // "" when nothing says it
};

/// The name that every API server's certificate is for.
inline constexpr std::string_view kInternalName = "kubernetes.default.svc";
inline constexpr std::string_view kServiceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount";

/// "192.0.2.1:6443", "[2001:db8::1]:6443", "api.example:6443"; the port may be left out. The certificate is checked for
/// kInternalName.
std::optional<ApiServer> parse_api_server(std::string_view text);

/// `text` is the file's; relative paths in it are below `folder`. Malformed: one sentence that names the field.
Result<ClusterAccess> parse_kubeconfig(std::string_view text, const std::string& folder);
Result<ClusterAccess> read_kubeconfig(const std::string& path);

/// not_found: there is no service account here. `host` and `port`: KUBERNETES_SERVICE_HOST and _PORT, "" when unset.
Result<ClusterAccess> in_cluster(const std::string& folder, std::string_view host, std::string_view port);

/// A token or PEM from a file, at most a megabyte.
Result<std::string> read_small_file(const std::string& path);
/// Without blanks and line ends around; none when it is empty or holds what may not stand in a header.
std::optional<std::string> clean_token(std::string_view text);
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace fairlead::runtime
