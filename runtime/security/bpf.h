// Would the kernel take these bytes as a seccomp program, and what would the program answer?
//
// Both for the instructions that libseccomp writes: load a word of struct seccomp_data, and, compare, jump, return.
// Classic BPF has more; a program that uses any other is refused here.  The kernel's description: networking/filter.rst
#pragma once
#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

struct seccomp_data;

namespace convox::security {

// A program that has passed the kernel's own checks (net/core/filter.c bpf_check_classic, kernel/seccomp.c
// seccomp_check_filter), so that no load and no jump of it can leave its bounds, and it ends.
class Program {
 public:
  static std::optional<Program> parse(std::string_view bytes);

  // The answer to one system call: SECCOMP_RET_...
  [[nodiscard]] std::uint32_t answer(const seccomp_data& call) const;

 private:
  explicit Program(std::vector<sock_filter> instructions) : instructions_(std::move(instructions)) {}
  std::vector<sock_filter> instructions_;
};

}  // namespace convox::security
