#include "runtime/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "runtime/base/fs.h"
#include "runtime/base/words.h"

namespace convox::runtime {
namespace {

// What a file of the kernel says; nothing if this kernel has none. Any other failure is one: what a container gets must
// not depend on it.
Result<std::optional<std::string>> read_if_there(const char* path) {
  Result<std::string> text = fs::read_once(AT_FDCWD, path);
  if (text) return std::optional(*std::move(text));
  if (text.error().code == ENOENT) return std::optional<std::string>();
  return std::move(text).error().under("reading this host");
}

// fsopen looks the file system up and loads its module if need be: exactly what the launch will do. /proc/filesystems
// would know only what is loaded already.
// Without the right to mount it answers EPERM before it looks; then we do not know, and check_host has another reason.
bool has_overlay() {
  const long opened = sys::fsopen("overlay", FSOPEN_CLOEXEC);
  const UniqueFd context(opened);
  return opened != -ENODEV;
}

// Absent where the kernel has no user namespaces.
Result<std::uint64_t> user_namespace_limit() {
  const auto text = TRY(read_if_there("/proc/sys/user/max_user_namespaces"));
  std::string_view line = text ? std::string_view(*text) : "0";
  return number(cut(line, '\n')).value_or(0);
}

}  // namespace

// The first user namespace has the same inode, 0xEFFFFFFD, on every host.  include/linux/proc_ns.h, PROC_USER_INIT_INO
// Whoever cannot tell is in it: a contained caller is spared what it has no rights for, the host's own is not.
bool in_initial_user_namespace() {
  char link[64];
  const long size = sys::readlinkat(AT_FDCWD, "/proc/self/ns/user", link, sizeof link);
  return size <= 0 || std::string_view(link, static_cast<std::size_t>(size)) == "user:[4026531837]";
}

KernelRelease parse_release(std::string_view release) {
  const auto leading_number = [&release] {
    const std::size_t digits = std::min(release.find_first_not_of("0123456789"), release.size());
    const auto value = number(release.substr(0, digits));
    release.remove_prefix(digits);
    return static_cast<int>(value.value_or(0));
  };
  KernelRelease kernel;
  kernel.major = leading_number();
  if (release.starts_with('.')) release.remove_prefix(1);
  kernel.minor = leading_number();
  return kernel;
}

void parse_status(std::string_view status, Host& into) {
  into.seccomp_filters = false;
  while (!status.empty()) {
    std::string_view value = cut(status, '\n');
    const std::string_view key = cut(value, ':');
    if (value.starts_with('\t')) value.remove_prefix(1);
    if (key == "Pid") into.own_proc = number(value) == static_cast<std::uint64_t>(sys::getpid());
    if (key == "Uid") {  // real, effective, saved, file system
      cut(value, '\t');
      into.uid = static_cast<unsigned>(number(cut(value, '\t')).value_or(~0U));
    }
    if (key == "CapEff") into.effective_capabilities = number(value, 16).value_or(0);
    if (key == "CapBnd") into.bounding_capabilities = number(value, 16).value_or(0);
    if (key == "Seccomp_filters") into.seccomp_filters = true;  // there if the kernel has CONFIG_SECCOMP_FILTER
  }
}

unsigned parse_possible_cpus(std::string_view list) {
  const std::string_view ranges = cut(list, '\n');
  const std::size_t last = ranges.find_last_of(",-");
  const auto highest = number(last == std::string_view::npos ? ranges : ranges.substr(last + 1));
  return highest ? static_cast<unsigned>(*highest) + 1 : 1;
}

Result<Host> read_host() {
  Host host;
  utsname names{};
  TRY(check(sys::uname(&names), "uname", "this host"));
  host.kernel = parse_release(names.release);
  host.kernel_release = names.release;
  host.machine = names.machine;

  Result<cgroups::Hierarchy> hierarchy = cgroups::read_hierarchy();
  if (hierarchy)
    host.cgroups = *std::move(hierarchy);
  else
    host.no_cgroups = std::move(hierarchy).error();

  const Result<std::string> status = fs::read_once(AT_FDCWD, "/proc/self/status");
  if (!status) return Error(status.error()).under("reading this host").advise("mount -t proc proc /proc");
  parse_status(*status, host);
  host.max_user_namespaces = TRY(user_namespace_limit());
  host.initial_user_namespace = in_initial_user_namespace();
  host.overlay = has_overlay();

  // A container may lack /sys. Only which processors' files are masked depends on it, and without /sys there are none.
  if (const auto cpus = TRY(read_if_there("/sys/devices/system/cpu/possible")))
    host.possible_cpus = parse_possible_cpus(*cpus);
  struct sysinfo memory {};
  TRY(check(sys::sysinfo(&memory), "sysinfo", "this host"));
  host.memory_total = memory.totalram * memory.mem_unit;
  rlimit64 files{};
  TRY(check(sys::prlimit64(0, RLIMIT_NOFILE, nullptr, &files), "prlimit64", "RLIMIT_NOFILE"));
  host.nofile_hard = files.rlim_max;
  return host;
}

Result<> check_host(const Host& host) {
  if (host.kernel < kOldestKernel)
    return invalid(cat("Linux ", host.kernel_release, " is too old: 5.14 or later is needed"));
  if (host.uid != 0) return invalid("only root can start containers").advise("use sudo");
  if (!(host.effective_capabilities & (1ULL << CAP_SYS_ADMIN)))
    return invalid("this process has not the capability CAP_SYS_ADMIN, without which nothing can be mounted")
        .advise("if this is a container, start it with --privileged");
  // Other processes' ids would lead to other processes' files.
  if (!host.own_proc)
    return invalid("/proc shows another PID namespace than this one").advise("mount -t proc proc /proc");
  if (!host.seccomp_filters) return invalid("the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)");
  if (host.no_cgroups) return *host.no_cgroups;
  if (!host.overlay) return invalid("the kernel has no overlay file system").advise("modprobe overlay");
  return ok();
}

Result<std::string> read_boot_id() {
  const std::string text = TRY(fs::read_once(AT_FDCWD, "/proc/sys/kernel/random/boot_id"));
  std::string_view line = text;
  return std::string(cut(line, '\n'));
}

}  // namespace convox::runtime
