#pragma once
/// What a Service asks for by annotation (proto/api/annotations.h) and by spec.loadBalancerIP. Pure.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/kube/objects.h"

namespace fairlead::controller::core {

struct Request {
  std::vector<Ip> ips;           // none; one; or an IPv4 and an IPv6 one, sorted
  std::string_view pool;         // "": any
  std::string_view sharing_key;  // "": alone
  std::string fault;             // "", or why the addresses cannot be read: "<field> <what is wrong>: <remedy>"
  std::string deprecated;        // the annotations of the old prefix that count, "" when there are none
};

/// Borrows from the Service.
Request read_request(const kube::Service& service);

/// How a Service uses an address together with others.
struct Manner {
  std::string_view sharing_key;
  /// What has to be alike so that a packet may go to either's endpoints: empty where any node will do
  /// (externalTrafficPolicy: Cluster), else the selector.
  std::string backends;
  std::vector<std::uint32_t> ports;  // sorted; see port_key
};
Manner manner_of(const kube::Service& service, std::string_view sharing_key);

inline std::uint32_t port_key(Protocol protocol, Port port) {
  return static_cast<std::uint32_t>(protocol) << 16 | port.value;
}
std::string port_text(std::uint32_t key);  // "80/TCP"

}  // namespace fairlead::controller::core
