#include "runtime/oci/rootless.h"

#include <fcntl.h>
#include <sched.h>

#include <algorithm>

#include "runtime/base/fs.h"
#include "runtime/oci/id_maps.h"
#include "runtime/security/capabilities.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

// Whoever made a namespace has all rights in it. An execve keeps them only for its root.
Result<> enter(const UniqueFd& user_namespace) {
  TRY(check(sys::setns(user_namespace.get(), CLONE_NEWUSER), "setns", "the user namespace"));
  TRY(check(sys::unshare(CLONE_NEWNS), "unshare", "mounts"));
  TRY(check(sys::setresgid(0, 0, 0), "setresgid", "0"), "becoming root of the user namespace");
  TRY(check(sys::setresuid(0, 0, 0), "setresuid", "0"), "becoming root of the user namespace");
  return ok();
}

}  // namespace

bool is_unprivileged(const runtime::Host& host) {
  return !(host.effective_capabilities & security::bit(CAP_SYS_ADMIN));
}

Result<> enter_new_user_namespace(Config& config) {
  const UniqueFd made = TRY(mapped_user_namespace(config.uid_mappings, config.gid_mappings), "the user namespace");
  TRY(enter(made));
  std::erase_if(config.namespaces, [](const Namespace& one) { return one.kind == Kind::kUser; });
  config.uid_mappings.clear();
  config.gid_mappings.clear();
  return ok();
}

Result<> enter_user_namespace_of(int pid) {
  const UniqueFd theirs = TRY(fs::open(cat("/proc/", pid, "/ns/user"), O_RDONLY));
  return enter(theirs);
}

}  // namespace convox::oci
