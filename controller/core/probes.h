#pragma once
/// Addresses that are asked about before they are given: a station on the segment may have one without Kubernetes knowing
/// of it (RFC 5227 section 2.1, RFC 4862 section 5.4). The speakers ask; this knows what was asked, what was heard, and
/// for how long that holds. Pure: time is an argument.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proto/api/objects.h"
#include "proto/base/clock.h"

namespace fairlead::controller::core {

class Probes {
 public:
  /// Nobody says anything: no speaker is on the segment of this address, or none runs. Then it is given as it is.
  static constexpr Duration kPatience = std::chrono::seconds(5);
  /// Nobody has it: until it is given, or so long.
  static constexpr Duration kFreeFor = std::chrono::minutes(1);
  /// Somebody has it. Then it is asked again, if a Service wants it.
  static constexpr Duration kTakenFor = std::chrono::minutes(10);
  /// Questions at a time: each is some broadcasts on the segment. The others wait their turn.
  static constexpr std::size_t kAtOnce = 256;

  struct Taken {
    kube::Name wanted_by;  // the Service for which it was asked
    std::string hardware_address, interface, node;
    TimePoint until{};
  };

  /// Ids begin here: another number for each Probes, so that answers to an earlier one mean nothing.
  Probes() = default;
  explicit Probes(std::int64_t first_id) : next_id_(first_id) {}

  /// A pass begins: what has run out is forgotten.
  void begin(TimePoint now);
  void learn(const api::AddressRecord& record, TimePoint now);
  /// True: nobody has it, so it may be given now. Else it is asked about, or will be.
  bool is_free(const Ip& ip, const kube::Name& service, TimePoint now);
  /// The pass is over: what nobody wanted in it is asked no more.
  void end();

  const std::map<Ip, Taken>& taken() const { return taken_; }
  std::vector<api::AddressNotes::Question> questions() const;
  /// When a pass is due without any change.
  std::optional<TimePoint> next() const;

 private:
  struct Asked {
    std::int64_t id = 0;
    kube::Name service;
    TimePoint until{};  // of our patience; of what we know once it is free
    bool is_free = false;
    bool is_wanted = true;  // in this pass
  };
  void set_free(Asked& asked, TimePoint now);

  std::int64_t next_id_ = 1;
  std::map<Ip, Asked> asked_;
  std::map<Ip, Taken> taken_;
  std::size_t open_ = 0;  // of asked_, without an answer
};

}  // namespace fairlead::controller::core
