// What would the kernel answer a process that opens or makes a device? An interpreter of the few instructions of eBPF
// that a device program is made of.
//
// Anything else is a failed test, and so is what the kernel's verifier refuses: a register that was not set, a jump
// back or out of the program, an instruction that is never reached. The kernel's own description: bpf/standardization.
#pragma once
#include <linux/bpf.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace convox::support {

// What the program returns in r0, or nothing if it is not a good one.
inline std::optional<std::uint32_t> run_ebpf(std::string_view bytes, const bpf_cgroup_dev_ctx& context) {
  std::vector<bpf_insn> program(bytes.size() / sizeof(bpf_insn));
  std::memcpy(program.data(), bytes.data(), program.size() * sizeof(bpf_insn));
  std::uint32_t registers[16] = {};
  unsigned set = 1U << BPF_REG_1;
  const auto read = [&](unsigned which) { return (set & (1U << which)) && which != BPF_REG_1; };
  for (std::size_t at = 0; at < program.size(); ++at) {
    const bpf_insn it = program[at];
    std::uint32_t& into = registers[it.dst_reg];
    const auto value = static_cast<std::uint32_t>(it.imm);
    switch (it.code) {
      case BPF_LDX | BPF_MEM | BPF_W:
        if (it.src_reg != BPF_REG_1 || it.off < 0 || it.off % 4 != 0 ||
            static_cast<std::size_t>(it.off) >= sizeof context)
          return std::nullopt;
        std::memcpy(&into, reinterpret_cast<const char*>(&context) + it.off, sizeof into);
        break;
      case BPF_ALU | BPF_MOV | BPF_X:
        if (!read(it.src_reg)) return std::nullopt;
        into = registers[it.src_reg];
        break;
      case BPF_ALU | BPF_MOV | BPF_K:
        into = value;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        if (!read(it.dst_reg)) return std::nullopt;
        into &= value;
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        if (!read(it.dst_reg)) return std::nullopt;
        into >>= value;
        break;
      case BPF_JMP32 | BPF_JNE | BPF_K:
      case BPF_JMP32 | BPF_JEQ | BPF_K:
        if (!read(it.dst_reg) || it.off < 0) return std::nullopt;
        if ((BPF_OP(it.code) == BPF_JEQ) == (into == value)) at += static_cast<std::size_t>(it.off);
        continue;  // sets nothing
      case BPF_JMP | BPF_EXIT:
        if (!read(BPF_REG_0)) return std::nullopt;
        return registers[BPF_REG_0];
      default:
        return std::nullopt;
    }
    if (it.dst_reg == BPF_REG_1 || it.dst_reg > BPF_REG_5) return std::nullopt;
    set |= 1U << it.dst_reg;
  }
  return std::nullopt;
}

// Can every instruction be reached? The verifier refuses a program where one cannot.
inline bool all_reached(std::string_view bytes) {
  std::vector<bpf_insn> program(bytes.size() / sizeof(bpf_insn));
  std::memcpy(program.data(), bytes.data(), program.size() * sizeof(bpf_insn));
  std::vector<bool> reached(program.size() + 1);
  reached[0] = true;
  for (std::size_t at = 0; at < program.size(); ++at) {
    if (!reached[at]) return false;
    const bpf_insn it = program[at];
    if (it.code == (BPF_JMP | BPF_EXIT)) continue;
    reached[at + 1] = true;
    const std::size_t target = at + 1 + static_cast<std::size_t>(it.off);
    if (BPF_CLASS(it.code) == BPF_JMP32 && it.off >= 0 && target < reached.size()) reached[target] = true;
  }
  return !reached[program.size()];
}

}  // namespace convox::support
