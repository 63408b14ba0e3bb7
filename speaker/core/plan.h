#pragma once
/// What the kernel should do for one Service. Pure, and per Service: an event re-plans the dirty Services, a change of
/// node facts all of them. The whole plan is the map of plan_service(), and a test shows that random increments give
/// what one full run gives.
///
/// The rows of the truth table (who asks x which frontend x which policy) are decided here and nowhere else; see
/// README.md beside this file.
#include <compare>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "proto/kube/objects.h"
#include "proto/nft/handle.h"
#include "speaker/core/endpoints.h"
#include "speaker/core/facts.h"

namespace fairlead::speaker {

enum class Scope : std::uint8_t { cluster, local };

/// Names a list of endpoints within its Service, for as long as the Service has it.
struct ListKey {
  std::string port_name;
  Protocol protocol = Protocol::tcp;
  Family family = Family::v4;
  Scope scope = Scope::cluster;
  auto operator<=>(const ListKey&) const = default;
};

struct EndpointList {
  ListKey key;
  std::vector<Target> targets;  // sorted, unique, never empty
  bool operator==(const EndpointList&) const = default;
};

/// What happens to a new connection.
struct Choice {
  enum class Kind : std::uint8_t { refuse, ignore, list };
  Kind kind = Kind::refuse;
  Scope list = Scope::cluster;  // of the frontend's port and family
  nft::Masquerade masquerade = nft::Masquerade::never;
  bool operator==(const Choice&) const = default;
};

/// ... for everybody alike, or by the source's class.
struct Action {
  Choice everybody;
  struct BySource {
    Choice pod, node, other;
    bool operator==(const BySource&) const = default;
  };
  std::optional<BySource> by_source;
  bool operator==(const Action&) const = default;
};

struct Frontend {
  std::optional<Ip> ip;  // none: a NodePort
  Family family = Family::v4;
  Protocol protocol = Protocol::tcp;
  Port port;
  std::string port_name;  // with family and protocol, the key of its lists
  Action action;
  bool is_guarded = false;      // loadBalancerSourceRanges: only `sources` may ask, whoever they are
  std::vector<Prefix> sources{};  // sorted, of the frontend's family, none inside another
  bool operator==(const Frontend&) const = default;
};

struct ServicePlan {
  std::vector<EndpointList> lists;
  std::vector<Frontend> frontends;
  std::vector<Ip> refused;    // addresses of this Service whose other ports are refused
  std::vector<Ip> answering;  // VIPs that answer ping
  std::vector<Ip> hairpin;
  bool operator==(const ServicePlan&) const = default;
};

/// Who may speak to the VIPs of one family (loadBalancerSourceRanges): the ranges of that family; where one of them holds an
/// address of this host, the VIPs too, as a host that has bound a VIP speaks to it from it. Empty: everybody may.
std::vector<Prefix> allowed_sources(const kube::Service& service, std::span<const Ip> vips, Family family, const NodeFacts& node);

ServicePlan plan_service(const kube::Service& service, std::span<const kube::EndpointSlice* const> slices,
                         const NodeFacts& node);

/// Not ours to program: ExternalName, headless, without cluster address, or labelled for another proxy.
bool is_programmed(const kube::Service& service);

}  // namespace fairlead::speaker
