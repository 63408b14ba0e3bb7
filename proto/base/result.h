#pragma once
/// A value or the reason there is none, with the names of std::expected (missing from C++20; to be replaced by an alias
/// one day). Thread: plain values, no sharing.
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace fairlead {

/// Named after what the caller does next.
enum class Errc {
  malformed,    // drop the input, count it; never retry
  not_found,    // our picture is old: re-read the actual state
  exists,       // the same
  conflict,     // somebody else changed it (ERESTART, HTTP 409/410): re-read, plan again
  denied,       // EPERM, HTTP 403: report, retry slowly
  unavailable,  // retry with backoff
  exhausted,    // ENOSPC, empty pool: tell the user in status; retry when something is freed
};

/// The label of a metric and of a log line: "malformed", "not_found", ...
std::string_view name(Errc code);

struct Error {
  Errc code;
  std::string what;  // "add vip 10.0.0.7: table fairlead is gone"
  int sys_errno = 0;
};

/// An error from errno: `what` gets ": " and the system's text appended, the code follows from the number.
Error system_error(std::string what, int sys_errno);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT(google-explicit-constructor)

  bool has_value() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const { return error_; }

 private:
  Error error_{};
  bool ok_ = true;
};

}  // namespace fairlead
