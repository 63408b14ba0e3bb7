#pragma once
/// A second opinion on the controller's decisions, made of the reference alone: it shares no code with controller/core
/// but the types of objects, and looks at every address one by one, so it is as slow as it is plain.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proto/api/objects.h"

namespace fairlead::controller::naive {

using kube::Service;

inline bool is_ours(const Service& s) {
  return s.type == kube::ServiceType::load_balancer && s.load_balancer_class.empty();
}

inline std::string note(const Service& s, const std::string& what) {
  for (const char* prefix : {"fairlead.io/", "metallb.io/", "metallb.universe.tf/"}) {
    const auto found = s.meta.annotations.find(prefix + what);
    if (found != s.meta.annotations.end()) return found->second;
  }
  return "";
}
inline std::vector<Ip> external(const Service& s) {
  std::vector<Ip> out;
  for (const auto& entry : s.ingress) {
    if (entry.ip) out.push_back(*entry.ip);
  }
  return out;
}

using Namespaces = std::map<std::string, kube::Labels, std::less<>>;

/// The objects, and who shows which address.
struct View {
  const std::map<kube::Name, Service>& services;
  const std::map<kube::Name, api::IPAddressPool>& pools;
  const std::map<kube::Name, kube::Node>& nodes;
  const Namespaces& namespaces;
  std::map<Ip, std::vector<const Service*>> shown;

  View(const std::map<kube::Name, Service>& s, const std::map<kube::Name, api::IPAddressPool>& p,
       const std::map<kube::Name, kube::Node>& n, const Namespaces& ns)
      : services(s), pools(p), nodes(n), namespaces(ns) {
    for (const auto& [name, service] : services) {
      if (!is_ours(service)) continue;
      for (const Ip& ip : external(service)) shown[ip].push_back(&service);
    }
  }
};

inline bool ends_badly(const Ip& ip) { return ip.is4() && (ip.octets()[3] == 0 || ip.octets()[3] == 255); }
inline bool holds(const api::IPAddressPool& p, const Ip& ip) {
  return std::any_of(p.addresses.begin(), p.addresses.end(), [&](const IpRange& r) {
    return r.first.family() == ip.family() && r.first <= ip && ip <= r.last;
  });
}

/// Valid pools, oldest first: a later one that overlaps, repeats a name or holds a Node is out.
inline std::vector<const api::IPAddressPool*> valid(const View& v) {
  std::vector<const api::IPAddressPool*> all, out;
  for (const auto& [name, p] : v.pools) all.push_back(&p);
  std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) {
    return std::tie(a->meta.created, a->meta.ns, a->meta.name) < std::tie(b->meta.created, b->meta.ns, b->meta.name);
  });
  for (const auto* p : all) {
    bool is_good = !p->addresses.empty();
    for (const auto& [name, n] : v.nodes) {
      for (const Ip& ip : n.internal_ips) is_good = is_good && !holds(*p, ip);
    }
    for (const IpRange& a : p->addresses) {
      for (const auto* other : out) {
        for (const IpRange& b : other->addresses) {
          is_good = is_good && !(a.first.family() == b.first.family() && a.first <= b.last && b.first <= a.last);
        }
      }
    }
    if (is_good) out.push_back(p);
  }
  return out;
}

/// The families that it is to have, the primary one first.
inline std::vector<Family> wanted(const Service& s) {
  std::vector<Family> out;
  for (const Ip& ip : s.cluster_ips) out.push_back(ip.family());
  if (out.size() < 2 || s.ip_family_policy == kube::IpFamilyPolicy::single_stack) {
    out.resize(std::min<std::size_t>(out.size(), 1));
    return out;
  }
  const bool is_v6_first = !s.ip_families.empty() && s.ip_families.front() == Family::v6;
  return is_v6_first ? std::vector{Family::v6, Family::v4} : std::vector{Family::v4, Family::v6};
}
inline bool needs_both(const Service& s) {
  return wanted(s).size() == 2 && s.ip_family_policy != kube::IpFamilyPolicy::prefer_dual_stack;
}

/// The histories have selectors of labels that must be equal.
inline bool is_selected(const std::vector<kube::LabelSelector>& selectors, const kube::Labels& labels) {
  return std::any_of(selectors.begin(), selectors.end(), [&](const auto& selector) {
    return std::all_of(selector.match_labels.begin(), selector.match_labels.end(), [&](const auto& pair) {
      const auto found = labels.find(pair.first);
      return found != labels.end() && found->second == pair.second;
    });
  });
}
inline bool serves(const Namespaces& namespaces, const api::IPAddressPool& p, const Service& s) {
  if (!p.service_allocation) return true;
  const auto& rule = *p.service_allocation;
  if (!rule.namespaces.empty() || !rule.namespace_selectors.empty()) {
    const bool is_named = std::find(rule.namespaces.begin(), rule.namespaces.end(), s.meta.ns) != rule.namespaces.end();
    const auto there = namespaces.find(s.meta.ns);
    const bool is_of_label = there != namespaces.end() && is_selected(rule.namespace_selectors, there->second);
    if (!is_named && !is_of_label) return false;
  }
  return rule.service_selectors.empty() || is_selected(rule.service_selectors, s.meta.labels);
}

/// Reference MetalLB 2.5. `p`: where the address is; null where that is not known any more.
inline bool may_share(const Service& a, const Service& b, const api::IPAddressPool* p) {
  const std::string key = note(a, "allow-shared-ip");
  if (key.empty() || key != note(b, "allow-shared-ip")) return false;
  if (a.meta.ns != b.meta.ns && p != nullptr && !p->allow_cross_namespace_sharing) return false;
  if (a.external_traffic_policy != b.external_traffic_policy) return false;
  if (a.external_traffic_policy == kube::TrafficPolicy::local && a.selector != b.selector) return false;
  for (const auto& x : a.ports) {
    for (const auto& y : b.ports) {
      if (x.protocol == y.protocol && x.port == y.port) return false;
    }
  }
  return true;
}

/// Whether the Service could have this address besides all that is shown.
inline bool is_room(const View& v, const Service& s, const Ip& ip, const api::IPAddressPool& p) {
  if (p.avoid_buggy_ips && ends_badly(ip)) return false;
  const auto users = v.shown.find(ip);
  if (users == v.shown.end()) return true;
  for (const Service* other : users->second) {
    if (other->meta.ns == s.meta.ns && other->meta.name == s.meta.name) continue;
    if (!may_share(s, *other, &p)) return false;
  }
  return true;
}

/// The valid pool that holds the address.
inline const api::IPAddressPool* home(const std::vector<const api::IPAddressPool*>& valid_pools, const Ip& ip) {
  for (const auto* p : valid_pools) {
    if (holds(*p, ip)) return p;
  }
  return nullptr;
}

/// The first address of the family, in the order of the pool, that the Service could have; looks at 100 of each range.
inline std::optional<Ip> first_room(const View& v, const Service& s, const api::IPAddressPool& p, Family family) {
  for (const IpRange& r : p.addresses) {
    if (r.first.family() != family) continue;
    std::optional<Ip> at = r.first;
    for (int i = 0; i < 100 && at && *at <= r.last; ++i, at = next(*at)) {
      if (is_room(v, s, *at, p)) return at;
    }
  }
  return std::nullopt;
}

/// Where automatic choice looks, in order.
inline std::vector<const api::IPAddressPool*> automatic(const Namespaces& namespaces,
                                                        const std::vector<const api::IPAddressPool*>& valid_pools,
                                                        const Service& s) {
  std::vector<const api::IPAddressPool*> pinned, rest;
  for (const auto* p : valid_pools) {
    if (!p->auto_assign || !serves(namespaces, *p, s)) continue;
    (p->service_allocation ? pinned : rest).push_back(p);
  }
  const auto by_name = [](const auto* a, const auto* b) { return a->meta.name < b->meta.name; };
  std::sort(pinned.begin(), pinned.end(), by_name);
  std::sort(rest.begin(), rest.end(), by_name);
  std::stable_sort(pinned.begin(), pinned.end(), [](const auto* a, const auto* b) {
    const auto rank = [](int priority) { return priority == 0 ? 1L << 40 : static_cast<long>(priority); };
    return rank(a->service_allocation->priority) < rank(b->service_allocation->priority);
  });
  pinned.insert(pinned.end(), rest.begin(), rest.end());
  return pinned;
}

/// What the Service, which has nothing, should get where all others are as they are; none where it has to wait.
inline std::vector<Ip> choice(const View& v, const std::vector<const api::IPAddressPool*>& valid_pools, const Service& s) {
  const std::vector<Family> families = wanted(s);
  if (families.empty()) return {};
  const auto sorted = [](std::vector<Ip> ips) {
    std::sort(ips.begin(), ips.end());
    return ips;
  };
  std::vector<Ip> asked;
  const std::string list = note(s, "loadBalancerIPs");
  const std::string named = note(s, "address-pool");
  if (!list.empty()) {
    const auto comma = list.find(',');
    asked.push_back(*parse_ip(list.substr(0, comma)));
    if (comma != std::string::npos) asked.push_back(*parse_ip(list.substr(comma + 1)));
    if (asked.size() != families.size()) return {};
    const auto* const p = home(valid_pools, asked[0]);
    if (p == nullptr || !serves(v.namespaces, *p, s) || (!named.empty() && p->meta.name != named)) return {};
    for (const Ip& ip : asked) {
      const bool is_wanted = std::find(families.begin(), families.end(), ip.family()) != families.end();
      if (!is_wanted || home(valid_pools, ip) != p || !is_room(v, s, ip, *p)) return {};
    }
    return sorted(asked);
  }
  std::vector<const api::IPAddressPool*> pools = automatic(v.namespaces, valid_pools, s);
  if (!named.empty()) {
    pools.clear();
    for (const auto* p : valid_pools) {
      if (p->meta.name == named && serves(v.namespaces, *p, s)) pools.push_back(p);
    }
  }
  const auto among = [&](const bool is_pinned) -> std::vector<Ip> {
    std::vector<const api::IPAddressPool*> some;
    for (const auto* p : pools) {
      if (p->service_allocation.has_value() == is_pinned) some.push_back(p);
    }
    for (const auto* p : some) {
      std::vector<Ip> got;
      for (const Family f : families) {
        if (const auto ip = first_room(v, s, *p, f)) got.push_back(*ip);
      }
      if (got.size() == families.size()) return sorted(got);
    }
    if (needs_both(s)) return {};
    for (const Family f : families) {
      for (const auto* p : some) {
        if (const auto ip = first_room(v, s, *p, f)) return {*ip};
      }
    }
    return {};
  };
  const std::vector<Ip> got = among(true);
  return got.empty() ? among(false) : got;
}

}  // namespace fairlead::controller::naive
