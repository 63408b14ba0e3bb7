/// members() names what an object is made of, once for both directions; Out and In walk it.
#include "proto/runtime/object_codec.h"

#include <concepts>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fairlead::runtime {
namespace {

template <class T, class Plain>
concept Is = std::same_as<std::remove_const_t<T>, Plain>;

auto members(Is<Port> auto& o) { return std::tie(o.value); }
auto members(Is<IpRange> auto& o) { return std::tie(o.first, o.last); }
auto members(Is<kube::Meta> auto& o) { return std::tie(o.ns, o.name, o.uid, o.created, o.labels, o.annotations); }
auto members(Is<kube::ServicePort> auto& o) { return std::tie(o.name, o.protocol, o.port, o.target_port, o.node_port); }
auto members(Is<kube::Ingress> auto& o) { return std::tie(o.ip, o.hostname, o.is_vip); }
auto members(Is<kube::Service> auto& o) {
  return std::tie(o.meta, o.type, o.is_headless, o.cluster_ips, o.ip_families, o.ip_family_policy, o.ports, o.selector,
                  o.external_ips, o.external_traffic_policy, o.internal_traffic_policy, o.publish_not_ready_addresses,
                  o.allocate_load_balancer_node_ports, o.load_balancer_class, o.load_balancer_ip, o.affinity_seconds, o.source_ranges,
                  o.ingress);
}
auto members(Is<kube::Endpoint> auto& o) {
  return std::tie(o.address, o.is_ready, o.is_serving, o.is_terminating, o.node_name, o.zone_hints, o.node_hints);
}
auto members(Is<kube::EndpointPort> auto& o) { return std::tie(o.name, o.protocol, o.port); }
auto members(Is<kube::EndpointSlice> auto& o) { return std::tie(o.meta, o.service, o.family, o.ports, o.endpoints); }
auto members(Is<kube::Node> auto& o) {
  return std::tie(o.meta, o.internal_ips, o.pod_cidrs, o.is_ready, o.network_unavailable);
}
auto members(Is<kube::Namespace> auto& o) { return std::tie(o.meta); }
auto members(Is<kube::ServiceCIDR> auto& o) { return std::tie(o.meta, o.cidrs); }
auto members(Is<kube::LabelSelector::Expression> auto& o) { return std::tie(o.key, o.op, o.values); }
auto members(Is<kube::LabelSelector> auto& o) { return std::tie(o.match_labels, o.match_expressions); }
auto members(Is<api::ServiceAllocation> auto& o) {
  return std::tie(o.priority, o.namespaces, o.namespace_selectors, o.service_selectors);
}
auto members(Is<api::IPAddressPool> auto& o) {
  return std::tie(o.meta, o.addresses, o.auto_assign, o.avoid_buggy_ips, o.service_allocation,
                  o.allow_cross_namespace_sharing);
}
auto members(Is<api::L2Advertisement::Preference> auto& o) { return std::tie(o.weight, o.nodes); }
auto members(Is<api::L2Advertisement> auto& o) {
  return std::tie(o.meta, o.pools, o.pool_selectors, o.node_selectors, o.service_selectors, o.interfaces,
                  o.preferred_nodes);
}
auto members(Is<api::BGPAdvertisement> auto& o) {
  return std::tie(o.meta, o.aggregation_length, o.aggregation_length_v6, o.local_pref, o.communities, o.pools,
                  o.pool_selectors, o.node_selectors, o.peers, o.service_selectors, o.as_path_prepend, o.med);
}
auto members(Is<api::SecretRef> auto& o) { return std::tie(o.name, o.ns); }
auto members(Is<api::BGPPeer> auto& o) {
  return std::tie(o.meta, o.my_asn, o.peer_asn, o.dynamic_asn, o.local_asn, o.peer_address, o.interface,
                  o.source_address, o.peer_port, o.hold_time, o.keepalive_time, o.connect_time, o.router_id,
                  o.node_selectors, o.password, o.password_secret, o.bfd_profile, o.graceful_restart, o.ebgp_multihop,
                  o.vrf, o.disable_mp, o.dual_stack_address_family);
}
auto members(Is<api::BFDProfile> auto& o) {
  return std::tie(o.meta, o.receive_interval, o.transmit_interval, o.detect_multiplier, o.echo_interval, o.echo_mode,
                  o.passive_mode, o.minimum_ttl);
}
auto members(Is<api::Community::Alias> auto& o) { return std::tie(o.name, o.value); }
auto members(Is<api::Community> auto& o) { return std::tie(o.meta, o.communities); }
auto members(Is<api::AddressNotes::Question> auto& o) { return std::tie(o.address, o.id); }
auto members(Is<api::AddressNotes::Hearing> auto& o) { return std::tie(o.address, o.id, o.hardware_address, o.interface); }
auto members(Is<api::AddressNotes::HeldDown> auto& o) { return std::tie(o.address, o.service_namespace, o.service_name, o.until); }
auto members(Is<api::AddressNotes> auto& o) { return std::tie(o.asked, o.heard, o.held_down); }
auto members(Is<api::AddressRecord> auto& o) { return std::tie(o.meta, o.notes); }
auto members(Is<kube::Secret> auto& o) { return std::tie(o.meta, o.type, o.password); }

// The names that an enumeration has: a number from outside may be any.
template <class E>
bool is_up_to(E value, E last) {
  return static_cast<std::uint64_t>(value) <= static_cast<std::uint64_t>(last);
}
bool is_known(Protocol p) { return p == Protocol::tcp || p == Protocol::udp || p == Protocol::sctp; }
bool is_known(Family f) { return f == Family::v4 || f == Family::v6; }
bool is_known(kube::ServiceType t) { return is_up_to(t, kube::ServiceType::external_name); }
bool is_known(kube::IpFamilyPolicy p) { return is_up_to(p, kube::IpFamilyPolicy::require_dual_stack); }
bool is_known(kube::TrafficPolicy p) { return is_up_to(p, kube::TrafficPolicy::local); }
bool is_known(kube::LabelSelector::Operator o) { return is_up_to(o, kube::LabelSelector::Operator::does_not_exist); }
bool is_known(api::BGPPeer::DynamicAsn a) { return is_up_to(a, api::BGPPeer::DynamicAsn::external); }

class Out {
 public:
  explicit Out(std::string& out) : out_(out) {}

  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void put(T value) {
    put_number(out_, static_cast<std::uint64_t>(value));
  }
  void put(const std::string& text) { put_text(out_, text); }
  void put(Duration duration) { put(duration.count()); }
  void put(const Ip& ip) {
    const ByteView octets = ip.octets();
    out_ += static_cast<char>(octets.size());
    out_.append(reinterpret_cast<const char*>(octets.data()), octets.size());
  }
  void put(const Prefix& prefix) {
    put(prefix.base);
    put(prefix.length);
  }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <class T>
  void put(const std::vector<T>& list) {
    put(list.size());
    for (const T& item : list) put(item);
  }
  void put(const kube::Labels& labels) {
    put(labels.size());
    for (const auto& [key, value] : labels) {
      put(key);
      put(value);
    }
  }
  void put(const kube::TargetPort& port) {
    put(port.index());
    std::visit([this](const auto& value) { put(value); }, port);
  }
  template <class T>
    requires requires(const T& o) { members(o); }
  void put(const T& object) {
    std::apply([this](const auto&... member) { (this->put(member), ...); }, members(object));
  }

 private:
  std::string& out_;
};

/// Reads straight through; a read past the end yields nothing and clears ok().
class In {
 public:
  explicit In(std::string_view in) : in_(in) {}
  bool is_done() const { return is_ok_ && in_.empty(); }

  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void take(T& value) {
    const std::uint64_t found = number();
    value = static_cast<T>(found);
    if (static_cast<std::uint64_t>(value) != found) is_ok_ = false;  // does not fit
    if constexpr (std::is_enum_v<T>) is_ok_ = is_ok_ && is_known(value);
  }
  void take(bool& value) { value = number() != 0; }
  void take(std::string& text) {
    const auto found = take_text(in_);
    is_ok_ = is_ok_ && found.has_value();
    text = found.value_or("");
  }
  void take(Duration& duration) {
    Duration::rep count = 0;
    take(count);
    duration = Duration(count);
  }
  void take(Ip& ip) {
    const std::uint64_t size = number();
    if (size == 4) ip = Ip4{octets<4>()};
    else if (size == 16) ip = Ip6{octets<16>()};
    else is_ok_ = false;
  }
  void take(Prefix& prefix) {
    take(prefix.base);
    const std::uint64_t length = number();
    if (length > (prefix.base.is4() ? 32U : 128U)) is_ok_ = false;
    prefix.length = static_cast<std::uint8_t>(length);
  }
  template <class T>
  void take(std::optional<T>& value) {
    bool is_there = false;
    take(is_there);
    value.reset();
    if (is_there && is_ok_) take(value.emplace());
  }
  template <class T>
  void take(std::vector<T>& list) {
    list.clear();
    const std::size_t size = count();
    list.reserve(size);
    for (std::size_t i = 0; i < size && is_ok_; ++i) take(list.emplace_back());
  }
  void take(kube::Labels& labels) {
    labels.clear();
    const std::size_t size = count();
    for (std::size_t i = 0; i < size && is_ok_; ++i) {
      std::string key;
      take(key);
      std::string value;
      take(value);
      labels.emplace_hint(labels.end(), std::move(key), std::move(value));
    }
  }
  void take(kube::TargetPort& port) {
    if (number() == 0) {
      take(port.emplace<std::uint16_t>());
    } else {
      take(port.emplace<std::string>());
    }
  }
  template <class T>
    requires requires(T& o) { members(o); }
  void take(T& object) {
    std::apply([this](auto&... member) { (this->take(member), ...); }, members(object));
  }

 private:
  std::uint64_t number() {
    const auto found = take_number(in_);
    is_ok_ = is_ok_ && found.has_value();
    return found.value_or(0);
  }
  /// Every element is at least an octet: a count that is larger than what is left is a lie.
  std::size_t count() {
    const std::uint64_t size = number();
    if (size > in_.size()) is_ok_ = false;
    return is_ok_ ? static_cast<std::size_t>(size) : 0;
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> octets() {
    std::array<std::uint8_t, N> out{};
    if (in_.size() < N) {
      is_ok_ = false;
      return out;
    }
    std::copy_n(in_.begin(), N, out.begin());
    in_.remove_prefix(N);
    return out;
  }

  std::string_view in_;
  bool is_ok_ = true;
};

template <std::size_t I = 0>
std::optional<api::Object> decode_at(std::size_t index, std::string_view bytes) {
  if constexpr (I < std::variant_size_v<api::Object>) {
    if (index != I) return decode_at<I + 1>(index, bytes);
    std::variant_alternative_t<I, api::Object> object;
    In in(bytes);
    in.take(object);
    if (!in.is_done()) return std::nullopt;
    return api::Object(std::move(object));
  } else {
    return std::nullopt;
  }
}

}  // namespace

std::string encode(const api::Object& object) {
  std::string out;
  std::visit([&](const auto& o) { Out(out).put(o); }, object);
  out.shrink_to_fit();
  return out;
}

std::optional<api::Object> decode(api::Kind kind, std::string_view bytes) {
  return decode_at(static_cast<std::size_t>(kind), bytes);
}

void put_number(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void put_text(std::string& out, std::string_view text) {
  put_number(out, text.size());
  out += text;
}

std::optional<std::uint64_t> take_number(std::string_view& in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto octet = static_cast<std::uint8_t>(in.front());
    in.remove_prefix(1);
    value |= std::uint64_t{octet & 0x7fU} << shift;
    if (octet < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> take_text(std::string_view& in) {
  const auto size = take_number(in);
  if (!size || *size > in.size()) return std::nullopt;
  const std::string_view out = in.substr(0, static_cast<std::size_t>(*size));
  in.remove_prefix(out.size());
  return out;
}

}  // namespace fairlead::runtime
