// Who owns a filter that libseccomp is building, and how do its instructions come out?
//
// seccomp_init(3), seccomp_release(3), seccomp_export_bpf(3)
#pragma once
#include <seccomp.h>

#include <string>

#include "runtime/base/result.h"

namespace convox::security {

// Owns a filter context. One that could not be made is null; `program` and every call of libseccomp refuse it.
struct SeccompContext {
  scmp_filter_ctx filter = nullptr;
  explicit SeccompContext(std::uint32_t default_action) : filter(seccomp_init(default_action)) {}
  SeccompContext(const SeccompContext&) = delete;
  SeccompContext& operator=(const SeccompContext&) = delete;
  ~SeccompContext() { seccomp_release(filter); }

  // A binary tree over the call numbers instead of one comparison a call.
  [[nodiscard]] Result<> use_tree() const;
  // The finished program, an array of struct sock_filter.
  [[nodiscard]] Result<std::string> program() const;
};

// "2.5.4", of the library that is linked in.
std::string libseccomp_version();

}  // namespace convox::security
