// How does the host side make what only it can make: /dev with working nodes?
//
// A node on a file system of the initial user namespace works in every container; inside of a user namespace mknod is
// refused.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/mount_attributes.h"
#include "runtime/new_file_system.h"
#include "runtime/oci/launching.h"
#include "runtime/overlay.h"
#include "runtime/usual_devices.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

unsigned type_bits(char type) { return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR; }

bool has_option(const std::vector<std::string>& data, std::string_view key) {
  return std::any_of(data.begin(), data.end(), [&](std::string_view option) { return cut(option, '=') == key; });
}

// What this id of the container is here.
std::uint32_t host_id(std::uint32_t id, const std::vector<IdMapping>& mappings, std::uint32_t root) {
  for (const IdMapping& one : mappings)
    if (id >= one.container && id - one.container < one.size) return one.host + (id - one.container);
  return id == 0 ? root : id;
}

// The directories on the way to `path`, which is relative.
Result<> make_parents(int dev, const std::string& path) {
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    const long made = sys::mkdirat(dev, part.c_str(), 0755);
    if (made != -EEXIST) TRY(check(made, "mkdir", part));
  }
  return ok();
}

}  // namespace

Result<> Launch::perform(const MakeDevices& step) {
  const Mount& mount = step.mount;
  runtime::NewFileSystem tmpfs = TRY(runtime::NewFileSystem::open("tmpfs"));
  if (!has_option(mount.data, "mode")) TRY(tmpfs.set("mode", "755"));
  if (!has_option(mount.data, "uid")) TRY(tmpfs.set("uid", cat(root_uid_)));
  if (!has_option(mount.data, "gid")) TRY(tmpfs.set("gid", cat(root_gid_)));
  for (const std::string& option : mount.data) TRY(tmpfs.set_option(option));
  UniqueFd dev = TRY(tmpfs.create(mount.set & ~std::uint64_t{MOUNT_ATTR_NODEV}));
  const fs::PlainModes modes;
  for (const Device& device : step.devices) {
    const std::string name = device.path.substr(std::string_view("/dev/").size());
    TRY(make_parents(dev.get(), name));
    const auto number = static_cast<unsigned>(makedev(device.major, device.minor));
    TRY(check(sys::mknodat(dev.get(), name.c_str(), type_bits(device.type) | device.mode, number), "mknod", name));
    const std::uint32_t uid = host_id(device.uid, plan_.config.uid_mappings, root_uid_);
    const std::uint32_t gid = host_id(device.gid, plan_.config.gid_mappings, root_gid_);
    if (uid != 0 || gid != 0)
      TRY(check(sys::fchownat(dev.get(), name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW), "chown", name));
  }
  for (const auto& [target, name] : runtime::kUsualLinks) {
    const long made = sys::symlinkat(target, dev.get(), name);
    if (made != -EEXIST) TRY(check(made, "symlink", name));  // a device of that name was asked for
  }
  slots_.push_back(std::move(dev));
  return ok();
}

// What is shown must be what was asked for, whatever stands at that path here.
Result<> Launch::perform(const OpenNode& step) {
  const Device& device = step.device;
  const UniqueFd node = TRY(fs::open(device.path, O_PATH | O_NOFOLLOW));
  struct stat is {};
  TRY(check(sys::newfstatat(node.get(), "", &is, AT_EMPTY_PATH), "stat", device.path));
  const bool same = (is.st_mode & S_IFMT) == type_bits(device.type) &&
                    (device.type == 'p' || is.st_rdev == makedev(device.major, device.minor));
  if (!same) return invalid(cat("the host's ", device.path, " is not ", device.major, ":", device.minor));
  UniqueFd tree = TRY(runtime::clone_tree(node.get(), "", false, device.path));
  TRY(runtime::change_mount(tree.get(), {.propagation = runtime::kPrivate}, device.path));
  slots_.push_back(std::move(tree));
  return ok();
}

}  // namespace convox::oci
