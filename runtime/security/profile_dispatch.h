// Which architecture's program answers a call, and which calls are too young for any?
//
// A kernel runs programs of several architectures, whose calls have other numbers: x86-64's also those of i386 and x32.
// So each architecture has a program of its own, and in front of them stand a few instructions that read the
// architecture and go to the right one. On the way they answer numbers above the highest that the profile names with
// ENOSYS, as an older kernel would: with another error, EPERM say, a libc does not try the older call. runc does the
// same. A call of an architecture that is not there ends the thread.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "runtime/base/result.h"

namespace convox::security {

inline constexpr std::uint32_t kNoNumber = 0xffffffff;  // no call is above it

struct ArchitectureProgram {
  std::uint32_t architecture = 0;     // SCMP_ARCH_*
  std::uint32_t highest = kNoNumber;  // the highest ordinary number that the profile names
  std::string program;                // struct sock_filter
};

// All of them as one program. An error if the kernel would not take it: it is too long.
Result<std::string> dispatch(std::span<const ArchitectureProgram> programs);

// From this number on the numbers of `architecture` are none of its ordinary ones: x32 is x86-64 to the kernel, but for
// a bit in the number, and ARM has private calls (set_tls).  asm/unistd.h
std::uint32_t end_of_ordinary(std::uint32_t architecture);

}  // namespace convox::security
