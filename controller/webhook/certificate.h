#pragma once
/// The certificates of a webhook that looks after itself: a CA, and one serving certificate that it signs. The CA's key is
/// thrown away with the making, so nobody can ever sign anything else with it; a renewal is therefore always a new CA, and
/// the road that is taken once a year is the only one there is.
/// EC P-256. Pure but for OpenSSL's random numbers: the time is an argument, seconds since 1970. Any text is safe input.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/result.h"

namespace fairlead::controller::webhook {

/// As the Secret holds it, PEM.
struct Kept {
  std::string ca;           // ca.crt: who signed the certificate first; after a change, for a while, who signed the one before
  std::string certificate;  // tls.crt
  std::string key;          // tls.key
  bool operator==(const Kept&) const = default;
};

inline constexpr std::int64_t kDay = 86'400;
inline constexpr std::int64_t kCaLife = 3650 * kDay;
inline constexpr std::int64_t kCertificateLife = 365 * kDay;
/// After a change, who signed the certificate before is trusted for this long: replicas and API servers follow in seconds.
inline constexpr std::int64_t kOverlap = 3600;

/// fairlead-webhook.fairlead-system.svc, and the same below cluster.local. The first is what an API server asks for.
std::vector<std::string> service_names(std::string_view service, std::string_view ns);

/// Why another certificate is needed.
enum class Need {
  none,
  absent,        // one of the three is empty
  unreadable,    // one of the three is no PEM, or the key is not that of the certificate
  not_signed,    // not by the first of the CAs
  other_names,   // the certificate is not for exactly these names
  expiring,      // less than a third of its life is left, or the CA's ends
  not_yet_valid  // somebody's clock is wrong
};
std::string_view name(Need need);  // "expiring"; the label in the log
Need needs(const Kept& kept, const std::vector<std::string>& names, std::int64_t now);

/// A new CA and a certificate signed by it. Of `before` the first CA is kept as the second.
Result<Kept> make(const std::vector<std::string>& names, std::int64_t now, const Kept& before = {});

/// `kept` without the CA before, once it is trusted long enough.
Kept trimmed(const Kept& kept, std::int64_t now);

/// When the certificate ends, seconds since 1970; 0: it cannot be read.
std::int64_t ends_at(std::string_view certificate);

}  // namespace fairlead::controller::webhook
