#pragma once
/// Who is alive. An interface, as the answer will come from membership; until then from the Nodes' own condition.
#include "proto/kube/objects.h"

namespace fairlead::speaker {

class Liveness {
 public:
  virtual ~Liveness() = default;
  virtual bool is_alive(const kube::Node& node) const = 0;
};

/// Condition Ready, as somebody else reports it: slow, but never in disagreement between speakers.
class NodeReadiness final : public Liveness {
 public:
  bool is_alive(const kube::Node& node) const override { return node.is_ready; }
};

}  // namespace fairlead::speaker
