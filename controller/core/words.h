#pragma once
/// The sentences about addresses and pools that more than one rule of the pass needs: what is in the way, and the remedy.
/// All of them with their remedies: ../README.md. Pure.
#include <string>

#include "controller/core/task.h"

namespace fairlead::controller::core {

class Words {
 public:
  /// Borrowed.
  Words(const Pools& pools, const match::Namespaces& namespaces, const Probes& probes)
      : pools_(pools), namespaces_(namespaces), probes_(probes) {}

  /// Of an address that was asked about and is taken.
  std::string who_answers(const Ip& ip) const;
  /// Why the address is not to be had.
  std::string in_the_way(const Ip& ip, const Clash& clash) const;
  /// The same for an address that a Service asks for.
  Task::Pending refused_request(const Ip& ip, const Clash& clash) const;
  /// Automatic choice has no pool to look at.
  Task::Pending no_candidate(const kube::Service& service, bool has_automatic) const;

 private:
  std::string remedy(const Ip& ip, const Clash& clash) const;

  const Pools& pools_;
  const match::Namespaces& namespaces_;
  const Probes& probes_;
};

}  // namespace fairlead::controller::core
