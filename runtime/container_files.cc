#include "runtime/container_files.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/file.h>

#include "runtime/base/fs.h"
#include "runtime/clone.h"
#include "runtime/overlay.h"

namespace convox::runtime {
namespace {

constexpr std::uint64_t kLookOnly = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
constexpr unsigned long kPrivate = 1 << 18;  // MS_PRIVATE

Result<UniqueFd> private_tree(const UniqueFd& directory, const std::string& what) {
  UniqueFd tree = TRY(clone_tree(directory.get(), "", false, what));
  mount_attr set{};
  set.propagation = kPrivate;
  TRY(check(sys::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &set, sizeof set), "mount_setattr", what));
  return tree;
}

Result<UniqueFd> make_overlay(const std::vector<UniqueFd>& trees) {
  NewFileSystem overlay = TRY(begin_overlay(trees, false));
  return overlay.create(kLookOnly);
}

// Read-only, so the upper layer can be one more lower one: overlayfs then needs no work directory, and what is looked
// at stays as it was left, whoever else looks. On disk files have the container's own ids.
Result<UniqueFd> stack(const Containers& containers, const Record& record, const UniqueFd* upper) {
  std::vector<UniqueFd> trees;
  if (upper) trees.push_back(TRY(private_tree(*upper, "upper")));
  for (auto chain = record.layers.rbegin(); chain != record.layers.rend(); ++chain) {
    const UniqueFd layer = TRY(containers.store().layer(*chain));
    trees.push_back(TRY(private_tree(layer, *chain)));
  }
  const UniqueFd skeleton = TRY(containers.store().skeleton());
  trees.push_back(TRY(private_tree(skeleton, "the skeleton")));
  Result<UniqueFd> root = invalid("the overlay was not made");
  const UniqueFd helper = TRY(in_private_mounts([&] { root = make_overlay(trees); }));
  reap(helper);
  return root;
}

// PID 1's root. It may have changed it, to another directory of its own.
Result<ContainerFiles> files_of(const Containers& containers, const ContainerProcess& process, const std::string& id) {
  ContainerFiles files;
  const long root = sys::openat(process.proc.get(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root == -ENOENT || root == -ESRCH) return invalid(cat("process ", id, " is not running (it has just ended)"));
  files.root = UniqueFd(TRY(check(root, "open", cat("/proc/", process.pid, "/root"))));
  const auto first_id = containers.leased_ids(id);
  if (!first_id && first_id.error().code != ENOENT) return first_id.error();
  files.shifted = first_id.has_value();  // without a user namespace it has no lease
  if (files.shifted) files.first_id = *first_id;
  return files;
}

}  // namespace

Result<UniqueFd> open_storage(const Containers& containers, const Record& record) {
  auto own = containers.storage(record.id);
  if (!own && own.error().code == ENOENT) return not_found(cat("the files of process ", record.id, " were not kept"));
  return own;
}

Result<UniqueFd> open_image_files(const Containers& containers, const Record& record) {
  return stack(containers, record, nullptr);
}

Result<ContainerFiles> open_files(const Containers& containers, const Host& host, const Listed& container) {
  if (container.live) {
    const ContainerProcess process = TRY(open_process(container, host.cgroups));
    return files_of(containers, process, container.record.id);
  }
  ContainerFiles files;
  files.read_only = true;
  files.storage = TRY(open_storage(containers, container.record));
  // Shared, so that any number may look at once; `gc` and a launch want it for themselves.
  TRY(check(sys::flock(files.storage.get(), LOCK_SH | LOCK_NB), "flock", "the container's storage"));
  const UniqueFd upper = TRY(fs::open_beneath(files.storage.get(), "upper", O_RDONLY | O_DIRECTORY));
  files.root = TRY(stack(containers, container.record, &upper));
  return files;
}

}  // namespace convox::runtime
