// What do the keeper's files share? Read main.cc first, then harmless.cc, keep.cc, log.cc, mind.cc.
//
// As in the stage: only sys:: calls, no heap, no exceptions; what fails is an Errno.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/base/sys.h"
#include "runtime/keeper/plan.h"

namespace convox::keeper {

// It could not become what it is to be, and has done nothing yet.
inline constexpr int kFailed = 125;

// The plan's bytes. Every access checks its range: what was written by the same build needs no less care to read.
class Block {
 public:
  // Maps the sealed memfd `fd`. EINVAL if its head is not a plan's.
  Errno map(int fd) noexcept;
  void unmap() noexcept;
  [[nodiscard]] const Plan& plan() const noexcept { return *reinterpret_cast<const Plan*>(bytes_); }
  // Empty if it is out of range.
  [[nodiscard]] std::string_view bytes(std::uint32_t at, std::uint32_t size) const noexcept;

 private:
  const char* bytes_ = nullptr;
  std::size_t size_ = 0;
};

// harmless.cc: what a process gives up that is going to stay.
Errno close_all_but(const int* kept, std::size_t count) noexcept;
Errno block_signals() noexcept;
Errno drop_capabilities(std::uint64_t keep) noexcept;
Errno load_filter(std::string_view program) noexcept;

// The three lives. Each returns only if it could not begin. keep.cc, mind.cc
Errno keep(Block& block) noexcept;
Errno mind(Block& block) noexcept;
Errno watch(Block& block) noexcept;

}  // namespace convox::keeper
