#include "runtime/security/seccomp.h"

#include <linux/filter.h>

#include "runtime/security/seccomp_cache.h"
#include "runtime/security/seccomp_compile.h"
#include "runtime/security/seccomp_context.h"
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

#if defined(__x86_64__)
constexpr std::string_view kArchitecture = "x86_64";
#elif defined(__aarch64__)
constexpr std::string_view kArchitecture = "aarch64";
#endif

// All that the program for `capabilities` depends on. The tables are in it, not only their name: whoever changes a row
// and forgets the policy's name must not get yesterday's program.
std::string policy_key(CapabilitySet capabilities) {
  std::string key =
      cat(kPolicyName, '\n', kArchitecture, "\nlibseccomp ", libseccomp_version(), '\n', capabilities, '\n');
  for (const CallRow& row : call_rows()) key += cat(row.calls, ';', row.allowed_with, ';', row.otherwise, '\n');
  for (const std::span<const ArgumentRow> rows : argument_rows())
    for (const ArgumentRow& row : rows) {
      key += cat(row.call, ';', row.allowed_with, ';', row.otherwise);
      for (const ArgumentTest& test : {row.first, row.second})
        key += cat(';', test.argument, ';', test.mask, ';', test.value);
      key += '\n';
    }
  return key;
}

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
  const CapabilitySet capabilities = asked(granted);
  if (capabilities == asked(kDefaultCapabilities)) return std::string(default_filter());
  const std::string key = policy_key(capabilities);
  if (std::optional<std::string> program = cached_program(cache_dir, key)) return std::move(*program);
  std::string program = TRY(compile_filter(capabilities));
  (void)cache_program(cache_dir, key, program);
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
