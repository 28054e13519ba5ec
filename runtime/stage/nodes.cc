// How does the stage make directories, device nodes and links in the container's root?
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>

#include "runtime/stage/stage.h"

namespace convox::stage {
namespace {

// The directory of `path`, made if missing, and in `name` the last component. EINVAL if that is none.
UniqueFd open_parent(const Stage& stage, std::string_view path, const char** name, Errno* error) noexcept {
  char directory[4096];
  const std::size_t slash = path.rfind('/');
  *error = Errno(-EINVAL);
  if (slash == std::string_view::npos || slash + 1 >= sizeof directory) return {};
  *name = path.data() + slash + 1;
  const std::string_view last = path.substr(slash + 1);
  if (last.empty() || last == "." || last == "..") return {};
  for (std::size_t i = 0; i <= slash; ++i) directory[i] = path[i];
  directory[slash + 1] = '\0';
  return open_target(stage, directory, Target::kDirectory, error);
}

}  // namespace

Errno perform(const MakeDirectory& step, Stage& stage) noexcept {
  Errno error;
  open_target(stage, stage.plan.text(step.path), Target::kDirectory, &error);
  return error;
}

// Its mode comes from mknod itself, without our umask: chmod(2) would need the node open, which for a device has
// effects. Its owner is set through the very node.
Errno perform(const MakeNode& step, Stage& stage) noexcept {
  Errno error;
  const char* name = nullptr;
  const UniqueFd dir = open_parent(stage, stage.plan.view(step.path), &name, &error);
  if (!dir) return error;
  const unsigned device = (step.minor & 0xff) | step.major << 8 | (step.minor & ~0xffU) << 12;  // new_encode_dev
  sys::umask(0);
  const long made = sys::mknodat(dir.get(), name, step.mode, device);
  sys::umask(stage.umask);
  if (made < 0 && made != -EEXIST) return Errno(made);
  const long opened = sys::openat(dir.get(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (opened < 0) return Errno(opened);
  const UniqueFd node(opened);
  struct statx st {};
  if (const long rc = sys::statx(node.get(), "", AT_EMPTY_PATH, STATX_TYPE, &st); rc < 0) return Errno(rc);
  const bool same = (st.stx_mode & S_IFMT) == (step.mode & S_IFMT) && st.stx_rdev_major == step.major &&
                    st.stx_rdev_minor == step.minor;
  if (!same) return Errno(-EEXIST);
  return made < 0 ? Errno() : Errno(sys::fchownat(node.get(), "", step.uid, step.gid, AT_EMPTY_PATH));
}

Errno perform(const MakeLink& step, Stage& stage) noexcept {
  Errno error;
  const char* name = nullptr;
  const UniqueFd dir = open_parent(stage, stage.plan.view(step.path), &name, &error);
  if (!dir) return error;
  const long rc = sys::symlinkat(stage.plan.text(step.target), dir.get(), name);
  return rc == -EEXIST ? Errno() : Errno(rc);
}

}  // namespace convox::stage
