#include "runtime/networks/machine.h"

#include <fcntl.h>

#include <cerrno>

#include "runtime/base/fs.h"

namespace convox::networks {

Result<bool> has_ipv6() {
  for (const char* links : {"all", "default"}) {
    const Result<std::string> off = fs::read_once(AT_FDCWD, cat("/proc/sys/net/ipv6/conf/", links, "/disable_ipv6"));
    if (!off && off.error().code == ENOENT) return false;  // ipv6.disable=1, or a kernel without it
    if (!off) return Error(off.error());
    if (!off->starts_with('0')) return false;
  }
  return true;
}

// A machine without an id has the prefix of every such machine: it is still nobody else's in the world.
Result<std::optional<Address6>> ipv6_prefix() {
  if (!TRY(has_ipv6())) return std::optional<Address6>();
  const Result<std::string> id = fs::read_once(AT_FDCWD, "/etc/machine-id");
  if (!id && id.error().code != ENOENT) return Error(id.error());
  return std::optional<Address6>(machine_prefix(id ? *id : ""));
}

}  // namespace convox::networks
