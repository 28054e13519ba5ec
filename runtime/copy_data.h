// How are the bytes of one file copied to another?
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "runtime/base/result.h"

namespace convox::runtime {

// From the start of `from` to the start of `to`, an empty file: `size` bytes, or up to the end if that comes first; all
// there is where size is 0 and the kernel makes the file up as it is read, as in /proc. (Of any other, 0 is the truth:
// to copy what is written into it meanwhile would be to copy without end.) Holes stay holes. `go_on` is asked every few
// megabytes. `what` is for the error.
Result<> copy_data(int from, int to, std::uint64_t size, const std::function<Result<>()>& go_on,
                   const std::string& what);

}  // namespace convox::runtime
