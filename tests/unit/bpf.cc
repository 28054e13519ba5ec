// Which bytes are a program that the kernel would take?
#include "runtime/security/bpf.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <string>
#include <vector>

using namespace convox::security;

namespace {
bool parses(std::string_view bytes) { return Program::parse(bytes).has_value(); }
}  // namespace

Test(bpf, only_programs_that_the_kernel_takes_are_programs) {
  const auto bytes = [](std::vector<sock_filter> program) {
    return std::string(reinterpret_cast<const char*>(program.data()), program.size() * sizeof(sock_filter));
  };
  const sock_filter ret{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
  cr_assert(parses(bytes({ret})));
  cr_assert(parses(bytes({{BPF_LD | BPF_W | BPF_ABS, 0, 0, 60}, {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0}, ret, ret})));
  cr_assert(parses(bytes(std::vector<sock_filter>(BPF_MAXINSNS, ret))));
  const std::string bad[] = {
      "",
      bytes({ret}) + "x",
      bytes(std::vector<sock_filter>(BPF_MAXINSNS + 1, ret)),
      bytes({{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0}}),        // runs off the end
      bytes({{BPF_LD | BPF_W | BPF_ABS, 0, 0, 2}, ret}),   // not aligned
      bytes({{BPF_LD | BPF_W | BPF_ABS, 0, 0, 64}, ret}),  // past struct seccomp_data
      bytes({{BPF_LD | BPF_W | BPF_IND, 0, 0, 0}, ret}),   // not for seccomp
      bytes({{BPF_JMP | BPF_JA, 0, 0, 1}, ret}),           // jumps past the end
      bytes({{BPF_JMP | BPF_JA, 0, 0, 0xffffffff}, ret}),  // jumps back
      bytes({{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0}, ret}),  // so does a branch
      bytes({{BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0}, ret}),
      bytes({{0xffff, 0, 0, 0}, ret}),
  };
  for (const std::string& program : bad)
    cr_assert(Program::parse(program).has_value() == false, "program %ld was accepted", &program - bad);
}
