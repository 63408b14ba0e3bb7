#pragma once
/// What Prometheus is told about a speaker: what it announces, its answers, the data plane, BGP. What others keep anyway is
/// only written down when somebody asks (View), so that thousands of Services are not held twice. Thread: the loop's.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/clock.h"
#include "proto/base/metrics.h"
#include "speaker/core/announce.h"
#include "speaker/core/bgp_sessions.h"
#include "speaker/core/bird_report.h"
#include "speaker/core/foreign_claims.h"
#include "speaker/core/reply.h"

namespace fairlead::speaker {

class Metrics {
 public:
  /// The kernel has all that is wanted. `wall_seconds`: now, since 1970.
  void settled(std::size_t batches, std::size_t elements, Duration took, std::int64_t wall_seconds);
  void data_plane_failed(std::string_view error);
  /// A status object was written or removed; Errc's name, or "" for success.
  void status_written(std::string_view failure);

  struct Peer {
    std::string name;
    BgpSession session;
    std::uint64_t downs = 0;     // times that it was up and went down
    std::uint64_t failures = 0;  // attempts that failed for another reason than the one before
  };
  struct Bgp {
    std::optional<LinkState> link;  // none: not tried yet
    std::vector<Peer> peers;        // of this node, by name
    /// Calls for each VIP that some peer is told of.
    std::function<void(const std::function<void(const kube::Name& service, const Ip& vip)>&)> each_announced;
  };
  /// As it is at the moment of asking; only referred to while text() runs.
  struct View {
    std::string_view node;
    const std::map<kube::Name, std::vector<Announcement>>& announcements;  // by ARP and NDP, of all nodes
    const Tally& tally;
    const ForeignClaims* foreign = nullptr;
    std::size_t services = 0;  // known to the data plane
    std::size_t elements = 0;  // of ours in the kernel
    bool is_loaded = false;    // everything of the start was seen
    bool is_stale = false;     // something of the configuration is not in force
    std::size_t statuses_queued = 0;
    std::optional<Bgp> bgp = std::nullopt;
  };
  std::string text(const View& view) const;

 private:
  metrics::Registry registry_;
};

}  // namespace fairlead::speaker
