#pragma once
/// Competes for a Lease at an API server, as LeaseElection says, and gives it back at the end.
/// Thread: the loop's.
#include <functional>
#include <string>

#include "proto/runtime/api_client.h"
#include "proto/runtime/kube_requests.h"
#include "proto/runtime/lease.h"
#include "proto/runtime/loop.h"
#include "proto/runtime/quiet.h"
#include "proto/runtime/source.h"

namespace fairlead::runtime {

class KubeLease {
 public:
  struct Scope {
    std::string ns, name;
    std::string identity;
    bool is_sole = false;  // see LeaseElection
  };
  struct Shared {
    Loop& loop;
    ApiClient& client;
    Quiet& quiet;
    std::function<void(bool is_safe)> changed;
    std::function<void(Fault, bool is_mended)> fault;
  };

  KubeLease(Scope scope, Shared shared);

  void compete();
  /// The lease is ours, and for long enough that a write which starts now ends under it.
  bool is_safe() const { return election_.is_safe(shared_.loop.now()); }
  /// So that the next leader does not have to wait it out: after our last write has ended. Blocks for some seconds at most.
  void release();

 private:
  void read();
  void write(LeaseElection::Step step);
  void failed(const Answer& answer);
  void check();
  Fault fault(const std::string& why) const;
  std::string path() const;

  Scope scope_;
  Shared shared_;
  LeaseElection election_;
  std::string told_;
  bool is_asking_ = false;
  bool was_safe_ = false;
  Timer turn_, safety_;
};

}  // namespace fairlead::runtime
