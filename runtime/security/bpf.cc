#include "runtime/security/bpf.h"

#include <linux/seccomp.h>

#include <cstring>

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

std::optional<Program> Program::parse(std::string_view bytes) {
  const std::size_t count = bytes.size() / sizeof(sock_filter);
  if (count == 0 || count > BPF_MAXINSNS || bytes.size() % sizeof(sock_filter) != 0) return std::nullopt;
  std::vector<sock_filter> instructions(count);
  std::memcpy(instructions.data(), bytes.data(), bytes.size());
  for (std::size_t at = 0; at < count; ++at)
    if (!is_instruction(instructions[at], count - at - 1)) return std::nullopt;
  if (instructions.back().code != (BPF_RET | BPF_K)) return std::nullopt;
  return Program(std::move(instructions));
}

std::uint32_t Program::answer(const seccomp_data& call) const {
  std::uint32_t accumulator = 0;
  for (std::size_t at = 0;; ++at) {
    const sock_filter& it = instructions_[at];
    switch (it.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + it.k, sizeof accumulator);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= it.k;
        break;
      case BPF_JMP | BPF_JA:
        at += it.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += accumulator == it.k ? it.jt : it.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += accumulator >= it.k ? it.jt : it.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        at += accumulator > it.k ? it.jt : it.jf;
        break;
      default:  // BPF_RET | BPF_K
        return it.k;
    }
  }
}

}  // namespace convox::security
