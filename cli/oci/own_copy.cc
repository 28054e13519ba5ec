#include "cli/oci/own_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "runtime/base/fs.h"
#include "runtime/host.h"
#include "runtime/sealed.h"

namespace convox::oci {
namespace {

constexpr std::size_t kMostWords = 4 << 20;  // more than one execve(2) takes
constexpr std::size_t kLargestProgram = 64 << 20;
constexpr std::string_view kName = "convox-oci";

Result<bool> is_copy() {
  char path[64];
  const long size = sys::readlinkat(AT_FDCWD, "/proc/self/exe", path, sizeof path);
  TRY(check(size, "readlink", "/proc/self/exe"));
  return std::string_view(path, static_cast<std::size_t>(size)).starts_with(cat("/memfd:", kName));
}

}  // namespace

Result<> become_sealed_copy() {
  if (TRY(is_copy())) return ok();
  const UniqueFd self = TRY(fs::open("/proc/self/exe", O_RDONLY));
  const std::string program = TRY(fs::read_all(self.get(), "this program", kLargestProgram));
  const UniqueFd list = TRY(fs::open("/proc/self/cmdline", O_RDONLY));
  std::string words = TRY(fs::read_all(list.get(), "the command line", kMostWords));
  const runtime::Host host = TRY(runtime::read_host());
  const UniqueFd copy = TRY(runtime::sealed(kName.data(), program, true, host.executable_memfd_flag()));
  std::vector<char*> argv;
  for (std::size_t at = 0; at < words.size(); at = words.find('\0', at) + 1) argv.push_back(&words[at]);
  argv.push_back(nullptr);
  const long failed = sys::execveat(copy.get(), "", argv.data(), environ, AT_EMPTY_PATH);
  return os_error("execveat", "a sealed copy of this program", Errno(failed));
}

}  // namespace convox::oci
