#include "runtime/security/seccomp.h"

#include <linux/filter.h>

#include "runtime/security/seccomp_cache.h"
#include "runtime/security/seccomp_compile.h"
#include "runtime/security/seccomp_policy.h"

// The embedded program, made by generate/seccomp_generator.cc when convox is built. The assembler looks for the file in
// the directories that -I names.
__asm__(
    ".pushsection .rodata.convox_default_filter, \"a\"\n"
    ".balign 8\n"
    ".hidden convox_default_filter\n"
    ".global convox_default_filter\n"
    "convox_default_filter: .incbin \"default_filter.bpf\"\n"
    ".hidden convox_default_filter_end\n"
    ".global convox_default_filter_end\n"
    "convox_default_filter_end:\n"
    ".popsection\n");
extern "C" const char convox_default_filter[], convox_default_filter_end[];

namespace convox::security {
namespace {

// What of `granted` the policy looks at: NET_RAW or CHOWN change nothing, so `--cap-add NET_RAW` compiles nothing.
CapabilitySet asked(CapabilitySet granted) { return granted & policy_capabilities(); }

struct Count {
  std::size_t allowed = 0, by_arguments = 0, refused = 0;
};

Count count(CapabilitySet granted) {
  Count calls;
  for (const CallRow& row : call_rows())
    for (const std::string_view call : words(row.calls)) {
      const Result<int> number = call_number(call);
      if (!number || *number == kNotHere) continue;
      ++(answer(row.allowed_with, row.otherwise, granted) == kAllow ? calls.allowed : calls.refused);
    }
  calls.by_arguments = argument_rows().size();
  return calls;
}

}  // namespace

std::string_view default_filter() {
  return {convox_default_filter, static_cast<std::size_t>(convox_default_filter_end - convox_default_filter)};
}

Result<std::string> filter_program(CapabilitySet granted, int cache_dir) {
  const CapabilitySet key = asked(granted);
  if (key == asked(kDefaultCapabilities)) return std::string(default_filter());
  const std::string name = cache_name(key);
  if (std::optional<std::string> program = cached_filter(cache_dir, name)) return std::move(*program);
  std::string program = TRY(compile_filter(key));
  // A cache that cannot be written makes the next start slow, and this one no less safe.
  (void)cache_filter(cache_dir, name, program);
  return program;
}

std::string explain_filter(CapabilitySet granted) {
  const Count calls = count(granted);
  const bool embedded = asked(granted) == asked(kDefaultCapabilities);
  return cat("seccomp: ", kPolicyName, ", ", calls.allowed, " calls allowed, ", calls.by_arguments,
             " by their arguments, ", calls.refused,
             " refused by name, all others as if the kernel lacked them (ENOSYS); ",
             embedded ? cat(default_filter().size() / sizeof(sock_filter), " instructions, compiled with convox")
                      : std::string("compiled at the first use of these capabilities"));
}

}  // namespace convox::security
