// Would the kernel take these bytes as a seccomp program?
#pragma once
#include <string_view>

namespace convox::security {

// Checks what the kernel checks when a filter is loaded (net/core/filter.c bpf_check_classic, kernel/seccomp.c
// seccomp_check_filter), for the instructions that libseccomp writes; a program that uses any other is refused here.
bool is_seccomp_program(std::string_view bytes);

}  // namespace convox::security
