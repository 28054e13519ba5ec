// How does the host side prepare the container's file system?
//
// As detached mounts, which no path shows and which die with their descriptors: nothing of a container is ever in the
// host's mount table. The overlay alone needs its layers attached somewhere while it is made (Linux before 6.15 takes
// no detached ones), so for that this process gives itself a mount namespace of its own, in which nobody else looks.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "runtime/base/fs.h"
#include "runtime/launch.h"

namespace convox::runtime {
namespace {

constexpr std::uint64_t kTight = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
constexpr int kDetach = 2;              // MNT_DETACH; <sys/mount.h> clashes with <linux/mount.h>
constexpr unsigned long kReadOnly = 1;  // MS_RDONLY
constexpr unsigned long kRecursive = 16384, kPrivate = 1 << 18, kSlave = 1 << 19;  // MS_REC, MS_PRIVATE, MS_SLAVE

// A file system under construction.  fsopen(2)
class NewFileSystem {
 public:
  static Result<NewFileSystem> open(const char* type) {
    return NewFileSystem(UniqueFd(TRY(check(sys::fsopen(type, FSOPEN_CLOEXEC), "fsopen", type))), type);
  }
  Result<> set(const char* key, const std::string& value) {
    return checked(sys::fsconfig(context_.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0), cat(key, "=", value));
  }
  Result<> set(const char* flag) {
    return checked(sys::fsconfig(context_.get(), FSCONFIG_SET_FLAG, flag, nullptr, 0), flag);
  }
  Result<UniqueFd> create(std::uint64_t attributes) {
    TRY(checked(sys::fsconfig(context_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), "create"));
    const long tree = sys::fsmount(context_.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
    return UniqueFd(TRY(check(tree, "fsmount", type_)));
  }

 private:
  NewFileSystem(UniqueFd context, const char* type) : context_(std::move(context)), type_(type) {}
  // The kernel explains itself in words that can be read from the context.
  Result<> checked(long rc, std::string_view what) {
    if (rc >= 0) return ok();
    char words[256];
    const long size = sys::read(context_.get(), words, sizeof words);
    Error error = os_error("fsconfig", cat(type_, " ", what), Errno(rc));
    if (size > 2)
      error.text =
          cat(error.text, " (",
              std::string_view(words + 2, static_cast<std::size_t>(size) - 2 - (words[size - 1] == '\n')), ")");
    return error;
  }

  UniqueFd context_;
  const char* type_;
};

// Files that this process makes belong to `id` from now on. Leaving uid 0 behind drops the file system capabilities
// from the effective set; they are raised again.  setfsuid(2), capabilities(7)
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

// Does `deed` as the container's root, and is root again when it returns.
template <class Deed>
Result<> as_container_root(std::uint32_t id, Deed deed) {
  Result<> done = make_files_as(id);
  if (done) done = deed();
  Result<> back = make_files_as(0);
  return done ? std::move(back) : std::move(done);
}

// A detached copy of the mount that shows `path` below `dir`, from there down.
Result<UniqueFd> clone_tree(int dir, const char* path, bool whole, const std::string& what) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH) | (whole ? AT_RECURSIVE : 0);
  return UniqueFd(TRY(check(sys::open_tree(dir, path, flags | AT_SYMLINK_NOFOLLOW), "open_tree", what)));
}

// A volume of convox's own comes into being where it is first used. Root's, as the layers are: the idmap makes it the
// container's.
Result<> make_directories(const std::string& path) {
  const fs::PlainModes modes;
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    const long made = sys::mkdirat(AT_FDCWD, part.c_str(), 0755);
    if (made != -EEXIST) TRY(check(made, "mkdir", part));
  }
  return ok();
}

// One byte each, beyond ASCII, where none means anything to overlayfs: fsconfig takes 255 bytes for all lower layers
// together, which are 128 names and 127 colons.
std::string layer_name(std::size_t n) { return std::string(1, static_cast<char>(0x80 + n)); }

}  // namespace

Result<> Launch::set_attributes(int tree, std::uint64_t attributes, bool idmapped, bool whole,
                                const std::string& what) const {
  mount_attr set{};
  set.attr_set = attributes;
  // A copy is a peer of the mount it was taken from, shared where that is shared (systemd shares all): what is mounted
  // below it in the container would appear on the host.  mount_namespaces(7)
  set.propagation = kPrivate;
  if (idmapped) {
    set.attr_set |= MOUNT_ATTR_IDMAP;
    set.userns_fd = static_cast<std::uint64_t>(user_namespace_.get());
  }
  const unsigned flags = AT_EMPTY_PATH | (whole ? AT_RECURSIVE : 0);
  TRY(check(sys::mount_setattr(tree, "", flags, &set, sizeof set), "mount_setattr", what));
  return ok();
}

// What the top layer says of "/", the upper directory must say too: it is what stat(2) will see there.
Result<> Launch::take_root_from(int layer) {
  struct stat top {};
  TRY(check(sys::newfstatat(layer, "", &top, AT_EMPTY_PATH), "stat", ""));
  if (top.st_uid != 0 || top.st_gid != 0)
    TRY(check(sys::fchownat(storage_.get(), "upper", top.st_uid, top.st_gid, 0), "chown", "upper"));
  root_mode_ = top.st_mode & 07777;
  return ok();
}

// Idmapped mounts show the store's files, which have the container's own ids, as the host ids that those ids stand for:
// no file is ever chowned, and all containers share one copy of a layer.  mount_setattr(2), "ID-mapped mounts"
Result<> Launch::perform(const AttachLayers& step) {
  std::vector<UniqueFd> trees;  // top first, as overlayfs wants them
  for (auto chain = step.layers.rbegin(); chain != step.layers.rend(); ++chain) {
    const UniqueFd layer = TRY(containers_.store().layer(*chain));
    if (trees.empty()) TRY(take_root_from(layer.get()), *chain);
    trees.push_back(TRY(clone_tree(layer.get(), "", false, *chain)));
  }
  const UniqueFd skeleton = TRY(containers_.store().skeleton());
  trees.push_back(TRY(clone_tree(skeleton.get(), "", false, "the skeleton")));
  layer_count_ = trees.size();
  trees.push_back(TRY(clone_tree(storage_.get(), "", false, "the container's storage")));
  for (const UniqueFd& tree : trees) TRY(set_attributes(tree.get(), 0, step.idmapped, false, "a layer"));

  // A namespace of our own, and in it a directory for each tree. Slave, or it would all appear on the host.
  working_directory_ = TRY(fs::open(".", O_PATH | O_DIRECTORY));
  TRY(check(sys::unshare(CLONE_NEWNS), "unshare", "CLONE_NEWNS"));
  TRY(check(sys::mount(nullptr, "/", nullptr, kRecursive | kSlave, nullptr), "mount", "/ as a slave"));
  NewFileSystem tmpfs = TRY(NewFileSystem::open("tmpfs"));
  layers_ = TRY(tmpfs.create(kTight));
  TRY(check(sys::move_mount(layers_.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH), "move_mount", "/"));
  TRY(check(sys::fchdir(layers_.get()), "fchdir", ""));
  for (std::size_t i = 0; i < trees.size(); ++i) {
    const std::string name = i < layer_count_ ? layer_name(i) : "own";
    TRY(check(sys::mkdirat(layers_.get(), name.c_str(), 0700), "mkdir", name));
    TRY(check(sys::move_mount(trees[i].get(), "", layers_.get(), name.c_str(), MOVE_MOUNT_F_EMPTY_PATH), "move_mount",
              name));
  }
  return ok();
}

// The overlay remembers who made it and writes as that one: so the container's root makes it. With the credentials of
// the host's root, whose id no idmapped upper can hold, it would be read-only without a word.
Result<> Launch::perform(const MountOverlay& step) {
  NewFileSystem overlay = TRY(NewFileSystem::open("overlay"));
  std::string lower;
  for (std::size_t i = 0; i < layer_count_; ++i) lower += cat(i ? ":" : "", layer_name(i));
  TRY(overlay.set("lowerdir", lower));
  TRY(overlay.set("upperdir", "own/upper"));
  TRY(overlay.set("workdir", "own/work"));
  // What an image could forge with xattrs stays off: redirects and metadata-only copies lead to other layers' files.
  TRY(overlay.set("redirect_dir", "nofollow"));
  TRY(overlay.set("metacopy", "off"));
  TRY(overlay.set("index", "off"));
  TRY(overlay.set("xino", "off"));
  if (!step.keep) TRY(overlay.set("volatile"));
  UniqueFd root;
  Result<> made = as_container_root(root_id(), [&]() -> Result<> {
    root = TRY(overlay.create(MOUNT_ATTR_NODEV));  // device nodes of an image never work: /dev is ours
    struct statfs fs {};
    TRY(check(sys::fstatfs(root.get(), &fs), "statfs", "the overlay"));
    if (static_cast<unsigned long>(fs.f_flags) & kReadOnly)
      return invalid("the overlay is read-only: its upper layer cannot be written");
    // A write through it, as its owner: the root's mode, which is due anyway.
    TRY(check(sys::fchmodat(root.get(), ".", root_mode_), "chmod", "the overlay's root"));
    return ok();
  });
  TRY(std::move(made));
  // The overlay has its own hold on the layers now; our namespace need not show them any longer.
  TRY(check(sys::umount2(".", kDetach), "umount", "the layers"));
  TRY(check(sys::fchdir(working_directory_.get()), "fchdir", "back"));
  layers_.reset();
  mounts_[0] = std::move(root);
  return ok();
}

// A device node on a file system that the initial user namespace made works, if its mount says so; inside a user
// namespace mknod is refused. So /dev is made here, whole, and nothing of the image's /dev is read or followed
// (CVE-2025-31133).
Result<> Launch::perform(const MakeDevices&) {
  struct Node {
    const char* name;
    unsigned minor, major = 1;
  };
  constexpr Node nodes[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}, {"tty", 0, 5}};
  constexpr const char* links[][2] = {
      {"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
      {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
  };
  constexpr const char* directories[] = {"pts", "shm", "mqueue"};
  NewFileSystem tmpfs = TRY(NewFileSystem::open("tmpfs"));
  TRY(tmpfs.set("mode", "755"));
  TRY(tmpfs.set("size", "4m"));
  TRY(tmpfs.set("nr_inodes", "1024"));
  UniqueFd dev = TRY(tmpfs.create(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  const fs::PlainModes modes;
  Result<> filled = as_container_root(root_id(), [&]() -> Result<> {
    TRY(check(sys::fchownat(dev.get(), "", root_id(), root_id(), AT_EMPTY_PATH), "fchown", "/dev"));
    for (const auto& [name, minor, major] : nodes)
      TRY(check(sys::mknodat(dev.get(), name, S_IFCHR | 0666, static_cast<unsigned>(makedev(major, minor))), "mknod",
                name));
    for (const auto& [target, name] : links) TRY(check(sys::symlinkat(target, dev.get(), name), "symlink", name));
    for (const char* name : directories) TRY(check(sys::mkdirat(dev.get(), name, 0755), "mkdir", name));
    return ok();
  });
  TRY(std::move(filled));
  mounts_[1] = std::move(dev);
  return ok();
}

Result<> Launch::perform(const OpenIdentityFiles&) {
  std::size_t slot = 2;
  for (const char* name : {"hosts", "hostname", "resolv.conf"}) {
    UniqueFd tree = TRY(clone_tree(claim_.directory.get(), name, false, name));
    TRY(set_attributes(tree.get(), kTight, false, false, name));
    mounts_[slot++] = std::move(tree);
  }
  return ok();
}

Result<> Launch::perform(const OpenSysfs&) {
  NewFileSystem sysfs = TRY(NewFileSystem::open("sysfs"));
  mounts_[slots_of(plan_.config).sysfs] = TRY(sysfs.create(kTight | MOUNT_ATTR_RDONLY));
  return ok();
}

Result<> Launch::perform(const OpenVolume& step) {
  const Volume& volume = step.volume;
  if (volume.make_source) TRY(make_directories(volume.source));
  const UniqueFd source = TRY(fs::open(volume.source, O_PATH));
  UniqueFd tree = TRY(clone_tree(source.get(), "", true, volume.source));
  const std::uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (volume.read_only ? MOUNT_ATTR_RDONLY : 0);
  Result<> set = set_attributes(tree.get(), attributes, step.idmapped, true, volume.source);
  if (!set && set.error().code == EINVAL && step.idmapped)
    return std::move(set).error().advise(
        "its file system cannot be idmapped: --userns host runs without a user namespace");
  TRY(std::move(set));
  mounts_.push_back(std::move(tree));
  return ok();
}

}  // namespace convox::runtime
