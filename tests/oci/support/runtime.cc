#include "tests/oci/support/runtime.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/base/cat.h"
#include "tests/support/needs.h"
#include "tests/support/sandbox.h"

namespace convox::test {
namespace {

constexpr const char* kCgroups = "/sys/fs/cgroup";

bool unified() {
  struct statfs fs {};
  return statfs(kCgroups, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

}  // namespace

std::string runtime_path() {
  const char* named = getenv("RUNTIME");
  if (!named || !*named) return Sandbox::build() + "/convox-oci";
  const std::string name = named;
  if (name.find('/') == std::string::npos) {
    for (const char* directory : {"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/"})
      if (access(cat(directory, name).c_str(), X_OK) == 0) return cat(directory, name);
  }
  char absolute[4096];
  return realpath(named, absolute) ? absolute : name;
}

Runtime judged() {
  const std::string path = runtime_path();
  const std::string name = path.substr(path.rfind('/') + 1);
  return name == "crun" ? Crun : name == "runc" ? Runc : Convox;
}

std::string missing_for_containers() {
  if (std::string lacks = missing(Root | CgroupV2 | PrivateNamespaces); !lacks.empty()) return lacks;
  if (access(runtime_path().c_str(), X_OK) != 0) return cat("the runtime ", runtime_path());
  if (!unified() && mount("cgroup2", kCgroups, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return cat("cgroup v2 on ", kCgroups, ": ", strerror(errno));
  return {};
}

}  // namespace convox::test
