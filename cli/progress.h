// "Stopping 62942430327e... OK": how a command tells what it is doing.
//
// The beginning is written before the deed, so that a failure leaves it standing and the error follows it.
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::cli {

class Progress {
 public:
  // With --id everything but the id goes to standard error.
  enum class Where { kOutput, kError };
  explicit Progress(Where where = Where::kOutput) : where_(where) {}

  Result<> begin(std::string_view deed) const;        // "Stopping web... "
  Result<> done(std::string_view result = {}) const;  // "OK", or "OK, RHQZEJZFCSD"
  Result<> line(std::string_view text) const;         // a line of its own

 private:
  Where where_;
};

}  // namespace convox::cli
