#include "runtime/security/seccomp_context.h"

#include <linux/filter.h>
#include <linux/memfd.h>

#include <cstdio>

#include "runtime/base/fs.h"

namespace convox::security {

Result<> SeccompContext::use_tree() const {
  TRY(check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "seccomp_attr_set", "optimize"));
  return ok();
}

Result<std::string> SeccompContext::program() const {
  // libseccomp 2.5 exports to a descriptor only.
  UniqueFd file(TRY(check(sys::memfd_create("seccomp", MFD_CLOEXEC), "memfd_create", "seccomp")));
  TRY(check(seccomp_export_bpf(filter, file.get()), "seccomp_export_bpf", ""));
  TRY(check(sys::lseek(file.get(), 0, SEEK_SET), "lseek", "seccomp"));
  return fs::read_all(file.get(), "the seccomp program", std::size_t{2} * BPF_MAXINSNS * sizeof(sock_filter));
}

std::string libseccomp_version() {
  const scmp_version* version = seccomp_version();
  return cat(version->major, '.', version->minor, '.', version->micro);
}

}  // namespace convox::security
