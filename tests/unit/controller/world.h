#pragma once
/// Builders, and a little API server: it holds objects and puts the controller's writes into them.
#include <map>
#include <string>
#include <vector>

#include "controller/core/converge.h"
#include "proto/api/validate.h"

namespace fairlead::controller::core {

inline Ip ip(std::string_view text) { return parse_ip(text).value(); }
inline IpRange range(std::string_view text) { return std::get<IpRange>(api::parse_range(text)); }
inline Prefix prefix(std::string_view text) { return parse_prefix(text).value(); }
inline std::vector<Ip> ips(std::initializer_list<std::string_view> texts) {
  std::vector<Ip> out;
  for (const auto text : texts) out.push_back(ip(text));
  return out;
}

/// "s7". Appended and not added up: GCC 12 warns about its own operator+ when it optimises.
inline std::string numbered(std::string prefix, int i) { return prefix.append(std::to_string(i)); }

inline api::IPAddressPool pool(std::string name, std::initializer_list<std::string_view> ranges,
                               std::int64_t created = 0) {
  api::IPAddressPool out;
  out.meta.ns = "default";
  out.meta.name = std::move(name);
  out.meta.created = created;
  for (const auto text : ranges) out.addresses.push_back(range(text));
  return out;
}

inline api::ServiceAllocation allocation(std::vector<std::string> namespaces,
                                         std::vector<kube::LabelSelector> namespace_selectors = {},
                                         std::vector<kube::LabelSelector> service_selectors = {}, int priority = 0) {
  return {priority, std::move(namespaces), std::move(namespace_selectors), std::move(service_selectors)};
}

inline kube::Service service(std::string name, std::int64_t created = 0) {
  kube::Service out;
  out.meta.ns = "default";
  out.meta.name = std::move(name);
  out.meta.created = created;
  out.type = kube::ServiceType::load_balancer;
  kube::ServicePort port;
  port.port = Port{80};
  out.ports.push_back(port);
  return out;
}

/// As an API server would have made it: with a cluster address of its own.
inline kube::Service served(std::string name, std::initializer_list<std::string_view> cluster_ips,
                            std::int64_t created = 0) {
  kube::Service out = service(std::move(name), created);
  out.cluster_ips = ips(cluster_ips);
  return out;
}

inline kube::Service holding(kube::Service s, std::initializer_list<std::string_view> addresses, std::string from) {
  for (const auto text : addresses) s.ingress.push_back({ip(text), "", true});
  s.meta.annotations[pool_annotation_key(api::Group::fairlead)] = std::move(from);
  return s;
}

inline kube::Node node(std::string name, std::initializer_list<std::string_view> addresses) {
  kube::Node out;
  out.meta.name = std::move(name);
  out.internal_ips = ips(addresses);
  return out;
}

struct World {
  std::map<kube::Name, kube::Service> services;
  std::map<kube::Name, api::IPAddressPool> pools;
  std::map<kube::Name, kube::Node> nodes;
  std::vector<api::Community> communities;
  api::ConfigSet set;  // of judge() alone
  match::Namespaces namespaces;
  bool may_miss_pools = false;
  std::set<std::string> gone_pools;
  bool has_unreadable_pool = false;
  std::map<std::string, api::AddressRecord> records;  // by name; the controller's own is kept by step()
  TimePoint now{};
  std::int64_t wall_now = 1'800'000'000;
  Config config;
  Memory memory;           // as long as the program runs
  bool restarts = true;    // before each pass

  World& add(kube::Service s) {
    services[{s.meta.ns, s.meta.name}] = std::move(s);
    return *this;
  }
  World& add(api::IPAddressPool p) {
    pools[{p.meta.ns, p.meta.name}] = std::move(p);
    return *this;
  }
  World& add(kube::Node n) {
    nodes[{"", n.meta.name}] = std::move(n);
    return *this;
  }
  kube::Service& at(const std::string& name) { return services.at({"default", name}); }

  Snapshot snapshot() const {
    Snapshot out;
    for (const auto& [name, s] : services) out.services.push_back(&s);
    for (const auto& [name, p] : pools) out.pools.push_back(&p);
    for (const auto& [name, n] : nodes) out.nodes.push_back(&n);
    for (const auto& c : communities) out.communities.push_back(&c);
    out.namespaces = &namespaces;
    out.may_miss_pools = may_miss_pools;
    out.gone_pools = &gone_pools;
    out.has_unreadable_pool = has_unreadable_pool;
    for (const auto& [name, record] : records) out.records.push_back(&record);
    out.now = now;
    out.wall_now = wall_now;
    return out;
  }
  /// Time goes by on both clocks.
  void wait(std::chrono::seconds time) {
    now += time;
    wall_now += time.count();
  }
  /// A speaker on node "n1" says that it heard this station, or nobody, for what it is asked.
  void hear(const Ip& address, std::string hardware_address) {
    api::AddressRecord& record = records["speaker-n1"];
    record.meta.name = "speaker-n1";
    for (const auto& q : records["controller"].notes.asked) {
      if (q.address == address) record.notes.heard.push_back({address, q.id, hardware_address, hardware_address.empty() ? "" : "eth0"});
    }
  }

  void put(const Write& w) {
    kube::Service& s = services.at(w.service);
    if (w.cluster_ips) s.cluster_ips = *w.cluster_ips;
    if (w.node_ports) {
      for (std::size_t i = 0; i < s.ports.size(); ++i) s.ports[i].node_port = w.node_ports->at(i);
    }
    if (w.ingress) {
      s.ingress.clear();
      for (const Ip& address : *w.ingress) s.ingress.push_back({address, "", true});
    }
    const std::string& key = pool_annotation_key(config.group);
    if (w.pool && w.pool->empty()) s.meta.annotations.erase(key);
    if (w.pool && !w.pool->empty()) s.meta.annotations[key] = *w.pool;
  }

  /// One pass, and its writes into the objects.
  Decisions step() {
    if (restarts) memory = {};
    Decisions out = converge(snapshot(), config, memory);
    for (const Write& w : out.writes) put(w);
    records[std::string(api::kControllerRecord)].notes = out.notes;
    return out;
  }

  std::vector<Ip> external(const std::string& name) const { return ingress_ips(services.at({"default", name})); }
};

inline std::vector<Reason> reasons(const std::vector<Notice>& notices) {
  std::vector<Reason> out;
  for (const Notice& n : notices) out.push_back(n.reason);
  return out;
}

}  // namespace fairlead::controller::core
