#include "runtime/security/bpf_check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstring>
#include <vector>

namespace convox::security {
namespace {

bool is_instruction(const sock_filter& it, std::size_t following) {
  switch (it.code) {
    case BPF_LD | BPF_W | BPF_ABS:  // an aligned word of struct seccomp_data
      return it.k < sizeof(seccomp_data) && it.k % 4 == 0;
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_RET | BPF_K:
      return true;
    case BPF_JMP | BPF_JA:  // jumps go forward only, so that every program ends
      return it.k < following;
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_K:
      return it.jt < following && it.jf < following;
    default:
      return false;
  }
}

}  // namespace

bool is_seccomp_program(std::string_view bytes) {
  const std::size_t count = bytes.size() / sizeof(sock_filter);
  if (count == 0 || count > BPF_MAXINSNS || bytes.size() % sizeof(sock_filter) != 0) return false;
  std::vector<sock_filter> program(count);
  std::memcpy(program.data(), bytes.data(), bytes.size());
  for (std::size_t at = 0; at < count; ++at)
    if (!is_instruction(program[at], count - at - 1)) return false;
  return program.back().code == (BPF_RET | BPF_K);
}

}  // namespace convox::security
