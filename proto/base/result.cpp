#include "proto/base/result.h"

#include <cerrno>
#include <system_error>

namespace fairlead {

std::string_view name(Errc code) {
  switch (code) {
    case Errc::malformed: return "malformed";
    case Errc::not_found: return "not_found";
    case Errc::exists: return "exists";
    case Errc::conflict: return "conflict";
    case Errc::denied: return "denied";
    case Errc::unavailable: return "unavailable";
    case Errc::exhausted: return "exhausted";
  }
  return "unknown";
}

namespace {

Errc from_errno(int n) {
  switch (n) {
    case ENOENT:
    case ENODEV: return Errc::not_found;
    case EEXIST: return Errc::exists;
    case ERESTART:
    case EBUSY: return Errc::conflict;
    case EPERM:
    case EACCES: return Errc::denied;
    case ENOSPC:
    case ENOMEM:
    case EMFILE:
    case ENFILE: return Errc::exhausted;
    case EINVAL:
    case EMSGSIZE: return Errc::malformed;
    default: return Errc::unavailable;
  }
}

}  // namespace

Error system_error(std::string what, int sys_errno) {
  what += ": ";
  what += std::generic_category().message(sys_errno);
  return Error{from_errno(sys_errno), std::move(what), sys_errno};
}

}  // namespace fairlead
