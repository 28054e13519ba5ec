// How does a function of the host side say that it failed?
//
// `Result<T>` holds a value or an `Error`. No exceptions: unwinding allocates and locks and must never cross a clone,
// and here every failure is expected. std::expected is not in C++20; the member names are its own. Text grows outward,
// one layer a caller, from the deed to the call to the errno:
//   starting web: step 9 of 31, mount proc on /proc: Operation not permitted (EPERM)
// Branch on `kind` or `code`, never on text. A function handles an error or returns it; it never prints and returns.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/cat.h"
#include "runtime/base/sys.h"

namespace convox {

struct [[nodiscard]] Error {
  enum class Kind {
    kSystem,         // a system call failed; `code` is its errno
    kInvalid,        // what somebody wrote (a file, a flag, an image) is not acceptable
    kNotFound,       // a thing that was named does not exist
    kNoCommand,      // the command to run was not found in the container: exit status 127
    kNotExecutable,  // it was found and cannot be executed: exit status 126
    kInterrupted,    // a signal asked us to stop; `code` is its number: exit status 128 + code
  };
  Kind kind = Kind::kInvalid;
  int code = 0;        // errno where kind is kSystem (also set for kNoCommand and kNotExecutable), else 0
  std::string text;    // one line, without a trailing full stop
  std::string advice;  // what the user can do about it, or empty
  std::vector<std::string> more = {};  // further lines, where `text` announces a list of problems

  // The same error seen from one layer further out: `doing` says what the caller was up to.
  [[nodiscard]] Error under(std::string_view doing) && {
    if (!doing.empty()) text = cat(doing, ": ", text);
    return std::move(*this);
  }
  [[nodiscard]] Error advise(std::string_view what) && {
    advice = what;
    return std::move(*this);
  }
};

// "mkdirat /run/convox/c: File exists (EEXIST)". `call` names the system call, `object` what it was applied to.
Error os_error(std::string_view call, std::string_view object, Errno error);
// "File exists (EEXIST)"
std::string describe(Errno error);
inline Error invalid(std::string_view text) { return Error{Error::Kind::kInvalid, 0, std::string(text), {}}; }
inline Error not_found(std::string_view text) { return Error{Error::Kind::kNotFound, 0, std::string(text), {}}; }

struct Nothing {};

template <class Value = Nothing>
class [[nodiscard]] Result {
 public:
  Result(Value value) : value_(std::move(value)) {}  // NOLINT: a value is a result
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: so is an error
  template <class Other>
  requires(std::convertible_to<Other, Value> && !std::same_as<std::remove_cvref_t<Other>, Value> &&
           !std::same_as<std::remove_cvref_t<Other>, Error> && !std::same_as<std::remove_cvref_t<Other>, Result>)
      Result(Other&& other)
      : value_(Value(std::forward<Other>(other))) {}  // NOLINT

  explicit operator bool() const noexcept { return value_.has_value(); }
  [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
  Value& operator*() & { return *value_; }
  const Value& operator*() const& { return *value_; }
  Value&& operator*() && { return std::move(*value_); }
  Value* operator->() { return &*value_; }
  const Value* operator->() const { return &*value_; }
  [[nodiscard]] const Error& error() const& { return error_; }
  [[nodiscard]] Error&& error() && { return std::move(error_); }

 private:
  std::optional<Value> value_;
  Error error_;
};

inline Result<> ok() { return Nothing{}; }

// Turns what a wrapper of sys.h returned into a Result: the value, or an os_error.
inline Result<long> check(long result, std::string_view call, std::string_view object) {
  if (result < 0) return os_error(call, object, Errno(result));
  return result;
}

}  // namespace convox

// TRY(expression) or TRY(expression, "doing ", what): the value, or `return` the error `.under(...)`.
// The library's one macro. A GNU statement expression, because only that can return from the caller. Not inside the
// braces of an initialiser: g++ 12 has been seen to lose the return there. Not inside another TRY: -Wshadow.
#define TRY(expression, ...)                                                         \
  __extension__({                                                                    \
    auto tried_ = (expression);                                                      \
    if (!tried_) return std::move(tried_).error().under(::convox::cat(__VA_ARGS__)); \
    *std::move(tried_);                                                              \
  })
