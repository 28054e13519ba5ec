#include "runtime/container_root.h"

#include <linux/capability.h>

namespace convox::runtime {

Result<> make_files_as(std::uint32_t id) {
  sys::setfsgid(id);
  sys::setfsuid(id);
  // Both calls keep their failure to themselves: asking with an impossible id tells.
  if (sys::setfsuid(~0U) != static_cast<long>(id) || sys::setfsgid(~0U) != static_cast<long>(id))
    return os_error("setfsuid", cat(id), Errno(-EPERM));
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  TRY(check(sys::capget(&head, sets), "capget", ""));
  for (auto& half : sets) half.effective = half.permitted;
  TRY(check(sys::capset(&head, sets), "capset", ""));
  return ok();
}

}  // namespace convox::runtime
