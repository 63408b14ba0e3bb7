#pragma once
/// Our own objects from JSON, and the one table from (apiVersion, kind) to parser. Pure; see kube/parse.h for the rules.
#include <optional>

#include "proto/api/objects.h"
#include "proto/kube/fields.h"

namespace fairlead::api {

/// A document that does not name its group (the items of a Kubernetes list) is of `group`. Objects of metallb.io are read
/// without Fairlead's own fields. A BGPPeer of metallb.io/v1beta1 is read with the meaning that MetalLB gives it: only
/// the fields that version has; but a timer that is absent stays absent (MetalLB's conversion makes it 0).
/// `partly`: what could be read of an object that is refused, so that the rules can be asked about the rest of it.
kube::Parsed<IPAddressPool> parse_ip_address_pool(const kube::Json& object, Group group = Group::fairlead, IPAddressPool* partly = nullptr);
kube::Parsed<L2Advertisement> parse_l2_advertisement(const kube::Json& object, L2Advertisement* partly = nullptr);
kube::Parsed<BGPAdvertisement> parse_bgp_advertisement(const kube::Json& object, Group group = Group::fairlead, BGPAdvertisement* partly = nullptr);
kube::Parsed<BGPPeer> parse_bgp_peer(const kube::Json& object, BGPPeer* partly = nullptr);
kube::Parsed<BFDProfile> parse_bfd_profile(const kube::Json& object, BFDProfile* partly = nullptr);
kube::Parsed<Community> parse_community_object(const kube::Json& object, Community* partly = nullptr);
kube::Parsed<AddressRecord> parse_address_record(const kube::Json& object);

/// Which of the delivered kinds an object claims to be by its apiVersion and kind; none for all others. Fairlead's own
/// mode reads metallb.io as well, so that a folder moves over without rewriting; metallb.io mode reads nothing else of those
/// that people write.
std::optional<Kind> kind_of(std::string_view api_version, std::string_view kind, Group group = Group::fairlead);
kube::Parsed<Object> parse(Kind kind, const kube::Json& object, Group group = Group::fairlead);
/// The same; of an object of the configuration that is refused, `partly` gets what could be read.
kube::Parsed<Object> parse(Kind kind, const kube::Json& object, Group group, std::optional<Object>& partly);

/// Go's time.ParseDuration: "90s", "1m30s", "1.5h", "0". None when it is no duration or outside of 292 years.
std::optional<Duration> parse_duration(std::string_view text);

}  // namespace fairlead::api
