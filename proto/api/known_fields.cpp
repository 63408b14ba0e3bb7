#include "proto/api/known_fields.h"

#include <algorithm>
#include <cctype>
#include <span>

#include "proto/api/documents.h"

namespace fairlead::api {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::string_view kPool[] = {"addresses", "autoAssign", "avoidBuggyIPs", "serviceAllocation"};
constexpr std::string_view kOwnPool[] = {"allowCrossNamespaceSharing"};
constexpr std::string_view kAllocation[] = {"priority", "namespaces", "namespaceSelectors", "serviceSelectors"};
constexpr std::string_view kL2[] = {"ipAddressPools", "ipAddressPoolSelectors", "nodeSelectors", "interfaces",
                                    "serviceSelectors", "preferredNodeSelectors"};
constexpr std::string_view kBgp[] = {"aggregationLength", "aggregationLengthV6", "localPref", "communities",
                                     "ipAddressPools", "ipAddressPoolSelectors", "nodeSelectors", "peers",
                                     "serviceSelectors"};
constexpr std::string_view kOwnBgp[] = {"asPathPrepend", "med"};
constexpr std::string_view kPeer[] = {"myASN", "peerASN", "peerAddress", "sourceAddress", "peerPort", "holdTime",
                                      "keepaliveTime", "routerID", "nodeSelectors", "password", "bfdProfile",
                                      "ebgpMultiHop"};
constexpr std::string_view kNewerPeer[] = {"dynamicASN", "localASN", "interface", "connectTime", "passwordSecret",
                                           "enableGracefulRestart", "vrf", "disableMP", "dualStackAddressFamily"};
constexpr std::string_view kProfile[] = {"receiveInterval", "transmitInterval", "detectMultiplier", "echoInterval",
                                         "echoMode", "passiveMode", "minimumTtl"};
constexpr std::string_view kCommunities[] = {"communities"};

bool is_in(Names names, std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); }

/// But for capitals and the "s" of a list: what people mistake one for the other.
bool is_alike(std::string_view a, std::string_view b) {
  if (a.ends_with('s')) a.remove_suffix(1);
  if (b.ends_with('s')) b.remove_suffix(1);
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

void look(const kube::Json& parent, const std::string& prefix, const std::vector<Names>& known,
          std::vector<UnknownField>& out) {
  if (!parent.is_object()) return;
  for (const auto& [name, value] : parent.items()) {
    if (std::any_of(known.begin(), known.end(), [&field = name](Names names) { return is_in(names, field); })) continue;
    UnknownField found{prefix + name, ""};
    for (const Names names : known) {
      for (const std::string_view candidate : names) {
        if (is_alike(candidate, name)) found.similar = candidate;
      }
    }
    out.push_back(std::move(found));
  }
}

const kube::Json& member(const kube::Json& object, const char* key) {
  static const kube::Json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

/// `is_old`: a BGPPeer of v1beta1.
std::vector<Names> lists_of(Kind kind, Group group, bool is_old) {
  const bool is_ours = group == Group::fairlead;
  switch (kind) {
    case Kind::ip_address_pool: return {kPool, is_ours ? Names(kOwnPool) : Names()};
    case Kind::l2_advertisement: return {kL2};
    case Kind::bgp_advertisement: return {kBgp, is_ours ? Names(kOwnBgp) : Names()};
    case Kind::bgp_peer: return {kPeer, is_old ? Names() : Names(kNewerPeer)};
    case Kind::bfd_profile: return {kProfile};
    case Kind::community: return {kCommunities};
    default: return {};
  }
}

}  // namespace

std::vector<std::string_view> known_fields(Kind kind, Group group) {
  std::vector<std::string_view> out;
  for (const Names names : lists_of(kind, group, false)) out.insert(out.end(), names.begin(), names.end());
  return out;
}

std::vector<UnknownField> unknown_fields(Kind kind, const kube::Json& object, Group group) {
  std::vector<UnknownField> out;
  const bool is_old = api_version_of(object) == "metallb.io/v1beta1";
  const std::vector<Names> lists = lists_of(kind, group_of_document(object, group), is_old);
  if (lists.empty()) return out;
  const kube::Json& spec = member(object, "spec");
  look(spec, "spec.", lists, out);
  if (kind == Kind::ip_address_pool) {
    look(member(spec, "serviceAllocation"), "spec.serviceAllocation.", {kAllocation}, out);
  }
  return out;
}

}  // namespace fairlead::api
