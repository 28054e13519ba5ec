#include "runtime/security/seccomp_cache.h"

#include <fcntl.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "runtime/base/fs.h"
#include "runtime/security/bpf.h"
#include "runtime/security/seccomp_policy.h"

namespace convox::security {
namespace {

#if defined(__x86_64__)
constexpr std::string_view kArchitecture = "x86_64";
#elif defined(__aarch64__)
constexpr std::string_view kArchitecture = "aarch64";
#endif

constexpr std::size_t kLargest = sizeof(std::uint64_t) + BPF_MAXINSNS * sizeof(sock_filter);

// FNV-1a, 64 bits.
std::uint64_t fold(std::uint64_t hash, std::string_view bytes) {
  for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

// Over the program, and over the tables that it came from: whoever changes a row and forgets the policy's name must not
// get yesterday's program.
std::uint64_t checksum(std::string_view program) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const CallRow& row : call_rows())
    hash = fold(hash, cat(row.calls, ';', row.allowed_with, ';', row.otherwise, '\n'));
  for (const std::span<const ArgumentRow> rows : argument_rows())
    for (const ArgumentRow& row : rows) {
      hash = fold(hash, cat(row.call, ';', row.allowed_with, ';', row.otherwise, '\n'));
      for (const ArgumentTest& test : {row.first, row.second})
        hash = fold(hash, cat(test.argument, ';', test.mask, ';', test.value, '\n'));
    }
  return fold(hash, program);
}

}  // namespace

std::string cache_name(CapabilitySet asked) {
  std::string digits;
  for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[asked >> shift & 15];
  const scmp_version* version = seccomp_version();
  return cat(kArchitecture, '-', kPolicyName, '-', digits, "-libseccomp-", version->major, '.', version->minor, '.',
             version->micro);
}

std::optional<std::string> cached_filter(int dir, const std::string& name) {
  // O_NONBLOCK: whatever lies under this name, opening it must not hang.
  const Result<UniqueFd> file = fs::open_beneath(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  struct stat st {};
  if (!file || sys::newfstatat((*file).get(), "", &st, AT_EMPTY_PATH) < 0) return std::nullopt;
  if (st.st_mode != (S_IFREG | 0600) || st.st_uid != ::geteuid() || st.st_nlink != 1) return std::nullopt;
  const Result<std::string> content = fs::read_all((*file).get(), name, kLargest);
  std::uint64_t written = 0;
  if (!content || (*content).size() < sizeof written) return std::nullopt;
  std::memcpy(&written, (*content).data(), sizeof written);
  std::string program = (*content).substr(sizeof written);
  if (written != checksum(program) || !Program::parse(program)) return std::nullopt;
  return program;
}

Result<> cache_filter(int dir, const std::string& name, std::string_view program) {
  const std::uint64_t sum = checksum(program);
  std::string content(sizeof sum, '\0');
  std::memcpy(content.data(), &sum, sizeof sum);
  content += program;
  // Not durable: /run does not outlive a crash of the machine, and what would be half there would not be believed.
  return fs::replace(dir, name, content, 0600, fs::Durable::kNo);
}

}  // namespace convox::security
