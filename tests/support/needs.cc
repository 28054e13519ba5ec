#include "tests/support/needs.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "runtime/base/cat.h"
#include "tests/support/census.h"
#include "tests/support/files.h"

namespace convox::test {
namespace {

std::string missing_controllers() {
  const std::string offered = cat(" ", read_file(cgroup2_mount() + "/cgroup.controllers"));
  std::string missing;
  for (const char* name : {"cpu", "memory", "pids", "io", "cpuset"})
    if (offered.find(cat(" ", name, " ")) == std::string::npos &&
        offered.find(cat(" ", name, "\n")) == std::string::npos)
      missing += cat(missing.empty() ? "" : " ", name);
  return missing;
}

bool kernel_at_least(int major, int minor) {
  utsname name{};
  uname(&name);
  char* rest = nullptr;
  const long have = strtol(name.release, &rest, 10);
  return have > major || (have == major && strtol(rest + 1, nullptr, 10) >= minor);
}

// In a chroot a user namespace cannot be made (EPERM), so the limit alone says nothing: ask unshare(1).
bool user_namespaces() { return kernel_at_least(5, 19) && system("unshare --user true 2>/dev/null") == 0; }

bool installed(const char* program) { return access(cat("/usr/bin/", program).c_str(), X_OK) == 0; }

}  // namespace

std::string missing(Needs needs) {
  if ((needs & Root) && geteuid() != 0) return "root";
  if ((needs & (CgroupV2 | CgroupControllers)) && cgroup2_mount().empty()) return "a cgroup v2 mount";
  if (needs & CgroupControllers)
    if (const std::string names = missing_controllers(); !names.empty())
      return cat("cgroup v2 controllers (", names, ")");
  if ((needs & UserNamespaces) && !user_namespaces()) return "user namespaces and idmapped overlay layers";
  if ((needs & PrivateNamespaces) && !getenv("CONVOX_PRIVATE")) return "to be started by scripts/private";
  if ((needs & Strace) && !installed("strace")) return "strace";
  if ((needs & Umoci) && !installed("umoci")) return "umoci";
  return {};
}

}  // namespace convox::test
