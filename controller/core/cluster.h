#pragma once
/// Cluster addresses and node ports: what an API server does, for folder mode. Pure.
#include "controller/core/task.h"

namespace fairlead::controller::core {

/// First everything that a spec shows is taken, then what is missing is given. A Service of which something is missing
/// in the end waits.
void give_cluster(std::vector<Task>& tasks, const Config& config, std::vector<Notice>& problems);

}  // namespace fairlead::controller::core
