// What would the kernel answer if this filter were loaded? An interpreter of classic BPF for tests.
//
// It knows the instructions that a seccomp filter may use and libseccomp writes; anything else is a failed test, and so
// is a read outside struct seccomp_data or a jump past the end. The kernel's own description: networking/filter.rst.
#pragma once
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace convox::support {

// The filter's return value (SECCOMP_RET_...), or nothing if the program is not a good one.
inline std::optional<std::uint32_t> run_bpf(std::string_view bytes, const seccomp_data& data) {
  const std::size_t count = bytes.size() / sizeof(sock_filter);
  std::uint32_t accumulator = 0;
  for (std::size_t at = 0; at < count; ++at) {
    sock_filter it{};
    std::memcpy(&it, bytes.data() + at * sizeof it, sizeof it);
    switch (it.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (it.k % 4 != 0 || it.k >= sizeof data) return std::nullopt;
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + it.k, sizeof accumulator);
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
      case BPF_RET | BPF_K:
        return it.k;
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace convox::support
