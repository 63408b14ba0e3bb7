#pragma once
/// Which pools may be used. A pool is judged as a whole, oldest first (creation, then name), so of two that clash the
/// same one stays whatever the order of reading. A refused pool gives no addresses; those it has given before stay with
/// their Services (holder_of()), because a mistake in a pool must not stop what runs.
/// Pure. Pointers are borrowed from the caller's snapshot.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/core/reasons.h"
#include "proto/api/objects.h"

namespace fairlead::controller::core {

struct Refusal {
  const api::IPAddressPool* pool = nullptr;
  Reason reason = Reason::pool_without_addresses;
  std::string what;  // names object, field and remedy
};

class Pools {
 public:
  Pools(std::span<const api::IPAddressPool* const> all, std::span<const kube::Node* const> nodes);

  /// By name. Their ranges do not overlap.
  const std::vector<const api::IPAddressPool*>& valid() const { return valid_; }
  /// In the order of judging.
  const std::vector<Refusal>& refused() const { return refused_; }

  /// The index in valid() of the pool that contains the address.
  std::optional<std::size_t> at(const Ip& ip) const;
  /// Which entry of that pool's spec.addresses contains it.
  std::optional<std::size_t> entry_of(const Ip& ip) const;
  /// The index in valid() of the pool of this name.
  std::optional<std::size_t> named(std::string_view name) const;
  const Refusal* refused_named(std::string_view name) const;
  /// The refused pool that lets a Service keep an address: the one named (by the Service's annotation), whatever its
  /// ranges are now, because the version that gave the address is not known after a restart; else one that contains it.
  const api::IPAddressPool* holder_of(const Ip& ip, std::string_view named) const;

 private:
  struct Span {
    Ip last;
    const api::IPAddressPool* pool = nullptr;
    std::size_t index = 0;  // in valid_
    std::size_t entry = 0;  // in its spec.addresses
  };
  const Span* span_of(const Ip& ip) const;
  std::map<Ip, Span> spans_;  // by first address
  std::vector<const api::IPAddressPool*> valid_;
  std::vector<Refusal> refused_;
};

/// Oldest first; then by namespace and name. The order of everything that the controller hands out.
bool is_before(const kube::Meta& a, const kube::Meta& b);

/// Ends in .0 or .255: some old equipment drops these (avoidBuggyIPs). Never true for IPv6.
bool is_buggy(const Ip& ip);

/// Addresses that a pool could give, [0] IPv4 and [1] IPv6; saturates at 2^63-1, which is what a status can hold.
std::array<std::int64_t, 2> capacity(const api::IPAddressPool& pool);

}  // namespace fairlead::controller::core
