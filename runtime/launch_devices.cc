// How does the host side make what only it can make: /dev with working nodes, and a sysfs of the host's network?
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "runtime/base/fs.h"
#include "runtime/container_root.h"
#include "runtime/launch.h"
#include "runtime/new_file_system.h"
#include "runtime/usual_devices.h"

namespace convox::runtime {
namespace {

Result<> fill_dev(int dev) {
  for (const auto& [name, major, minor] : kUsualDevices)
    TRY(check(sys::mknodat(dev, name, S_IFCHR | 0666, static_cast<unsigned>(makedev(major, minor))), "mknod", name));
  for (const auto& [target, name] : kUsualLinks) TRY(check(sys::symlinkat(target, dev, name), "symlink", name));
  for (const char* name : {"pts", "shm", "mqueue"}) TRY(check(sys::mkdirat(dev, name, 0755), "mkdir", name));
  return ok();
}

Result<> write_new(int dir, const std::string& name, std::string_view text) {
  const long fd = sys::openat(dir, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  const UniqueFd file(TRY(check(fd, "create", name)));
  return fs::write_all(file.get(), text, name);
}

}  // namespace

// A device node on a file system that the initial user namespace made works, if its mount says so; inside a user
// namespace mknod is refused. So /dev is made here, whole, and nothing of the image's /dev is read or followed
// (CVE-2025-31133). The container's own files of /etc lie on it too: whatever it writes into them, 4 MB are the end,
// and none of it is the host's memory.
Result<> Launch::perform(const MakeDevices& step) {
  const std::string resolvers = TRY(read_resolvers(step.resolvers));
  const std::string hosts =
      cat("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t", claim_.id, "\n");
  const std::string texts[] = {hosts, cat(claim_.id, "\n"), resolvers};  // in the order of kIdentityFiles

  NewFileSystem tmpfs = TRY(NewFileSystem::open("tmpfs"));
  TRY(tmpfs.set("mode", "755"));
  TRY(tmpfs.set("size", "4m"));
  TRY(tmpfs.set("nr_inodes", "1024"));
  UniqueFd dev = TRY(tmpfs.create(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  const fs::PlainModes modes;
  Result<> filled = as_container_root(root_id(), [&]() -> Result<> {
    TRY(check(sys::fchownat(dev.get(), "", root_id(), root_id(), AT_EMPTY_PATH), "fchown", "/dev"));
    TRY(fill_dev(dev.get()));
    for (std::size_t i = 0; i < std::size(kIdentityFiles); ++i)
      TRY(write_new(dev.get(), cat(".", kIdentityFiles[i]), texts[i]));
    return ok();
  });
  TRY(std::move(filled));
  mounts_[1] = std::move(dev);
  return ok();
}

Result<> Launch::perform(const OpenSysfs&) {
  constexpr std::uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  NewFileSystem sysfs = TRY(NewFileSystem::open("sysfs"));
  mounts_[slots_of(plan_.config).sysfs] = TRY(sysfs.create(attributes));
  return ok();
}

}  // namespace convox::runtime
