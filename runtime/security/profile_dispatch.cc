#include "runtime/security/profile_dispatch.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "runtime/security/bpf.h"

namespace convox::security {
namespace {

constexpr std::uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS, kReturn = BPF_RET | BPF_K, kJump = BPF_JMP | BPF_JA;
constexpr std::uint16_t kEqual = BPF_JMP | BPF_JEQ | BPF_K, kAtLeast = BPF_JMP | BPF_JGE | BPF_K;
constexpr std::uint16_t kAbove = BPF_JMP | BPF_JGT | BPF_K;

// The instructions being written, and which jumps of theirs lead to which program.
struct Writer {
  std::vector<sock_filter> instructions;
  struct Exit {
    std::size_t at;
    const ArchitectureProgram* to;
  };
  std::vector<Exit> exits;

  void jump_to(const ArchitectureProgram& program) {
    exits.push_back({instructions.size(), &program});
    instructions.push_back({kJump, 0, 0, 0});
  }
};

// What stands for one architecture of the kernel's; for x86-64 `upper` is x32, if it is there. Number -1 is no call: a
// tracer that wants a call skipped writes it there, and the program answers it.  ptrace(2), seccomp(2)
void write_section(Writer& to, const ArchitectureProgram& program, const ArchitectureProgram& upper) {
  const std::uint32_t highest_above = &upper == &program ? kNoNumber : upper.highest;
  auto& it = to.instructions;
  it.push_back({kEqual, 0, 8, program.architecture});  // else to the next section
  it.push_back({kLoad, 0, 0, offsetof(seccomp_data, nr)});
  it.push_back({kAtLeast, 2, 0, end_of_ordinary(program.architecture)});  // to the third line below
  it.push_back({kAbove, 4, 0, program.highest});                          // to the last line
  to.jump_to(program);
  it.push_back({kAbove, 0, 1, highest_above});
  it.push_back({kEqual, 0, 1, kNoNumber});  // not -1: to the last line
  to.jump_to(upper);
  it.push_back({kReturn, 0, 0, SECCOMP_RET_ERRNO | ENOSYS});
}

}  // namespace

std::uint32_t end_of_ordinary(std::uint32_t architecture) {
  if (architecture == SCMP_ARCH_X86_64) return 0x40000000;
  return architecture == SCMP_ARCH_ARM ? 0x0f0000 : kNoNumber;
}

Result<std::string> dispatch(std::span<const ArchitectureProgram> programs) {
  const auto x32 = std::ranges::find(programs, SCMP_ARCH_X32, &ArchitectureProgram::architecture);
  Writer head;
  head.instructions.push_back({kLoad, 0, 0, offsetof(seccomp_data, arch)});
  for (const ArchitectureProgram& program : programs) {
    if (program.architecture == SCMP_ARCH_X32) continue;
    const bool has_upper = program.architecture == SCMP_ARCH_X86_64 && x32 != programs.end();
    write_section(head, program, has_upper ? *x32 : program);
  }
  head.instructions.push_back({kReturn, 0, 0, SECCOMP_RET_KILL_THREAD});

  for (const Writer::Exit& exit : head.exits) {
    std::size_t target = head.instructions.size();
    for (const ArchitectureProgram* it = programs.data(); it != exit.to; ++it)
      target += it->program.size() / sizeof(sock_filter);
    head.instructions[exit.at].k = static_cast<std::uint32_t>(target - exit.at - 1);
  }
  std::string all(reinterpret_cast<const char*>(head.instructions.data()),
                  head.instructions.size() * sizeof(sock_filter));
  for (const ArchitectureProgram& program : programs) all += program.program;
  if (!Program::parse(all))
    return invalid(
        cat("a program of ", all.size() / sizeof(sock_filter), " instructions, and the kernel takes ", BPF_MAXINSNS));
  return all;
}

}  // namespace convox::security
