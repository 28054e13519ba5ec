// How does an undo go on past a failure and still report it?
#pragma once
#include <optional>

#include "runtime/base/result.h"

namespace convox {

// Keeps the first error and lets the rest of an undo go on.
class FirstError {
 public:
  void operator()(Result<> result) {
    if (!result && !first_) first_ = std::move(result).error();
  }
  Result<> result() && {
    if (first_) return std::move(*first_);
    return ok();
  }

 private:
  std::optional<Error> first_;
};

}  // namespace convox
