// How does the host side make files that belong to the container's root?
#pragma once
#include <cstdint>

#include "runtime/base/result.h"

namespace convox::runtime {

// Files that this task makes belong to `id` from now on: user and group of the calling task, not of the process.
// Leaving uid 0 behind drops the file system capabilities from the effective set; they are raised again.  setfsuid(2),
// capabilities(7)
Result<> make_files_as(std::uint32_t id);

// Does `deed` as the container's root, and is root again when it returns.
template <class Deed>
Result<> as_container_root(std::uint32_t id, Deed deed) {
  Result<> done = make_files_as(id);
  if (done) done = deed();
  Result<> back = make_files_as(0);
  return done ? std::move(back) : std::move(done);
}

}  // namespace convox::runtime
