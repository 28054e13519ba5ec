// How does the host side open the sources of a container's mounts?
//
// As detached mounts, which no path shows and which die with their descriptors: nothing of a container is ever in the
// host's mount table.
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "runtime/base/fs.h"
#include "runtime/copy_tree.h"
#include "runtime/mount_attributes.h"
#include "runtime/new_file_system.h"
#include "runtime/oci/id_maps.h"
#include "runtime/oci/launching.h"
#include "runtime/oci/notify_socket.h"
#include "runtime/overlay.h"

namespace convox::oci {

using convox::check;  // beside those of config.h
using runtime::change_mount;
using runtime::clone_tree;
using runtime::kPrivate;

namespace {

// Only of the mount itself: what is nested in it keeps what it has, unless the r-forms of the options say otherwise.
// Attributes that nobody named are kept from the source; in a user namespace the kernel refuses to clear those that
// the source's owner set (EPERM).  mount_namespaces(7), "Restrictions on mount namespaces"
Result<> set_attributes(const UniqueFd& tree, const Mount& mount) {
  const auto with_field = [](std::uint64_t set, std::uint64_t clear) {
    return set & MOUNT_ATTR__ATIME ? clear | MOUNT_ATTR__ATIME : clear;  // one field, replaced as a whole
  };
  const std::uint64_t clear = with_field(mount.set, mount.clear);
  const std::uint64_t below = with_field(mount.recursive_set, mount.recursive_clear);
  if (mount.recursive_set != 0 || below != 0)
    TRY(change_mount(tree.get(), {.set = mount.recursive_set, .clear = below, .whole = true}, mount.source));
  if (mount.set != 0 || clear != 0) TRY(change_mount(tree.get(), {.set = mount.set, .clear = clear}, mount.source));
  return ok();
}

// Private unless the configuration wants it otherwise. In a user namespace of its own a container never gets a peer of
// a host's mount: what it mounted there would appear on the host.
Result<> set_propagation(const UniqueFd& tree, const Mount& mount, bool own_user_namespace) {
  std::uint64_t first = kPrivate;
  if (mount.propagation == MS_SHARED || mount.propagation == MS_SLAVE) first = MS_SLAVE;
  if (mount.propagation == MS_SHARED && !own_user_namespace) first = MS_SHARED;
  TRY(change_mount(tree.get(), {.propagation = first, .whole = true}, mount.source));
  if (mount.propagation == 0 || mount.propagation == first) return ok();
  return change_mount(tree.get(), {.propagation = mount.propagation, .whole = mount.propagation_recursive},
                      mount.source);
}

Result<> check_procfs(const UniqueFd& source, const Mount& mount) {
  if (mount.destination != "/proc") return ok();
  struct statfs fs {};
  TRY(check(sys::fstatfs(source.get(), &fs), "statfs", mount.source));
  if (fs.f_type == PROC_SUPER_MAGIC) return ok();
  return invalid(cat("\"/proc\" cannot be mounted because ", mount.source, " is no procfs"));
}

}  // namespace

// The last component may be no link: who can change it could lead us anywhere.
Result<> Launch::perform(const OpenRoot& step) {
  const UniqueFd directory = TRY(fs::open(step.path, O_PATH | O_DIRECTORY | O_NOFOLLOW), "root.path");
  UniqueFd tree = TRY(clone_tree(directory.get(), "", true, step.path));
  TRY(change_mount(tree.get(), {.set = step.attributes, .propagation = step.propagation, .whole = true}, step.path));
  slots_.push_back(std::move(tree));
  return ok();
}

Result<UniqueFd> Launch::bind_source(const OpenBind& step) const {
  const Mount& mount = step.mount;
  if (mount.type != "cgroup") return fs::open(mount.source, O_PATH);
  std::string group = cgroup_ ? cgroup_->path() : TRY(cgroups::group_of_process(around_.hierarchy, "self"));
  return fs::open(cat(around_.hierarchy.mount_point, "/", group), O_PATH | O_DIRECTORY);
}

Result<int> Launch::user_namespace_of(const Mount& mount) {
  if (mount.idmap == Mount::IdMap::kNone && mount.uid_mappings.empty()) return -1;
  if (mount.uid_mappings.empty()) {
    if (user_namespace_) return user_namespace_.get();
    return invalid(cat("the mount at ", mount.destination,
                       " is to be idmapped, with neither mappings nor a user namespace to take them from"));
  }
  const std::string key = cat(map_text(mount.uid_mappings), "/", map_text(mount.gid_mappings));
  const auto known = mapped_.find(key);
  if (known != mapped_.end()) return known->second.get();
  UniqueFd made = TRY(mapped_user_namespace(mount.uid_mappings, mount.gid_mappings));
  return mapped_.emplace(key, std::move(made)).first->second.get();
}

Result<> Launch::perform(const OpenBind& step) {
  const Mount& mount = step.mount;
  const UniqueFd source = TRY(bind_source(step));
  TRY(check_procfs(source, mount));
  UniqueFd tree = TRY(clone_tree(source.get(), "", mount.recursive, mount.source));
  TRY(set_propagation(tree, mount, own_user_namespace()));
  TRY(set_attributes(tree, mount));
  const int ids = TRY(user_namespace_of(mount));
  if (ids >= 0) {
    const bool whole = mount.idmap == Mount::IdMap::kRecursive;
    TRY(change_mount(tree.get(), {.user_namespace = ids, .whole = whole}, mount.source), "idmap");
  }
  slots_.push_back(std::move(tree));
  return ok();
}

// With the mode and the owner of the directory that it covers. A root without that directory gives an empty one.
Result<> Launch::perform(const CopyUp& step) {
  const Mount& mount = step.mount;
  runtime::NewFileSystem tmpfs = TRY(runtime::NewFileSystem::open("tmpfs"));
  for (const std::string& option : mount.data) TRY(tmpfs.set_option(option));
  UniqueFd tree = TRY(tmpfs.create(mount.set));
  const runtime::Side from{slots_.front().get(), 0, false}, to{tree.get(), 0, false};
  const auto covered = from.open(mount.destination, O_PATH | O_DIRECTORY);
  if (!covered && covered.error().code != ENOENT) return covered.error();
  if (covered) {
    struct stat is {};
    TRY(check(sys::newfstatat(covered->get(), "", &is, AT_EMPTY_PATH), "stat", mount.destination));
    const runtime::Source source = TRY(runtime::find_source(from, cat(mount.destination, "/."), true));
    const runtime::Target target = TRY(runtime::find_target(to, "/", source));
    TRY(runtime::copy_tree(from, source, to, target, mount.destination,
                           {.archive = true, .go_on = [] { return ok(); }}),
        "tmpcopyup");
    TRY(check(sys::fchownat(tree.get(), "", is.st_uid, is.st_gid, AT_EMPTY_PATH), "chown", mount.destination));
    TRY(check(sys::fchmodat(tree.get(), ".", is.st_mode & 07777), "chmod", mount.destination));
  }
  TRY(set_propagation(tree, mount, own_user_namespace()));
  slots_.push_back(std::move(tree));
  return ok();
}

Result<> Launch::perform(const OpenNotify&) {
  const fs::PlainModes modes;
  const UniqueFd directory = TRY(fs::make_and_open_directory(around_.claim->directory.get(), "notify", 0755));
  UniqueFd tree = TRY(clone_tree(directory.get(), "", false, "notify"));
  constexpr std::uint64_t tight = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  TRY(change_mount(tree.get(), {.set = tight, .propagation = kPrivate}, "notify"));
  slots_.push_back(std::move(tree));
  if (!plan_.wishes.gate) notify_ = TRY(listen_for_ready(around_.claim->directory.get()));
  return ok();
}

}  // namespace convox::oci
