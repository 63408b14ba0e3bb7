#pragma once
/// ApiClient on cpprestsdk. See cpprest_client.cpp for what that library needs to be told.
#include <memory>

#include "proto/runtime/api_client.h"
#include "proto/runtime/loop.h"

namespace fairlead::runtime {

/// Malformed: what is configured cannot be used (no server, a CA that is none). Call before other threads start: it sets
/// the environment of OpenSSL.
Result<std::unique_ptr<ApiClient>> open_api_client(Loop& loop, ClusterAccess access);

}  // namespace fairlead::runtime
