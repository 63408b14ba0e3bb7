#pragma once
/// Services as `kubectl get services -A` prints them (without the age). Pure.
#include <map>
#include <string>

#include "proto/kube/objects.h"

namespace fairlead::controller::report {

/// One header line and one line for each Service, columns aligned; "" when there is none.
std::string table(const std::map<kube::Name, kube::Service>& services);

}  // namespace fairlead::controller::report
