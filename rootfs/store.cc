#include "rootfs/store.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <set>

#include "runtime/base/fs.h"

namespace convox::rootfs {
namespace {

constexpr int kLockSeconds = 30;
constexpr std::size_t kRecordLimit = 8UL * 1024 * 1024;

// flock(2) knows no deadline, and a signal that should interrupt it can come just before it sleeps and be lost. So a
// child sleeps in it: the lock belongs to the open file, not to the process, and is ours when the child has it. The
// child's end can be waited for with a deadline, and a kill cannot come too early.
long wait_for_lock(int fd, int operation) {
  int raw_pidfd = -1;
  const long child = sys::fork(&raw_pidfd);
  if (child < 0) return child;
  if (child == 0) {
    sys::prctl(PR_SET_PDEATHSIG, SIGKILL);
    long rc = 0;
    do rc = sys::flock(fd, operation);
    while (rc == -EINTR);
    sys::exit_group(rc < 0 ? 1 : 0);
  }
  const UniqueFd pidfd(raw_pidfd);
  pollfd end{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  timespec left{.tv_sec = kLockSeconds, .tv_nsec = 0};  // the call counts it down, so EINTR needs no clock: ppoll(2)
  long ready = 0;
  do ready = sys::ppoll(&end, 1, &left);
  while (ready == -EINTR);
  if (ready <= 0) sys::pidfd_send_signal(pidfd.get(), SIGKILL);
  siginfo_t info{};
  long waited = 0;
  do waited = sys::waitid(P_PIDFD, pidfd.get(), &info, WEXITED | __WALL);
  while (waited == -EINTR);
  if (waited < 0) return waited;
  return info.si_code == CLD_EXITED && info.si_status == 0 ? 0 : -ETIMEDOUT;
}

// " by process 4711", or nothing where it cannot be told: the process that took the lock may have handed it on and
// ended.
std::string holder(int fd) {
  struct stat st {};
  if (sys::newfstatat(fd, "", &st, AT_EMPTY_PATH) < 0) return {};
  const Result<std::string> locks = fs::read(AT_FDCWD, "/proc/locks", kRecordLimit);
  if (!locks) return {};
  // "1: FLOCK  ADVISORY  WRITE 4711 fe:00:123 0 EOF"; a second field "->" marks one that waits.  proc(5)
  char device_and_inode[64];
  std::snprintf(device_and_inode, sizeof device_and_inode, " %02x:%02x:%lu ", major(st.st_dev), minor(st.st_dev),
                static_cast<unsigned long>(st.st_ino));
  for (std::size_t at = 0; at < locks->size();) {
    const std::size_t end = std::min(locks->find('\n', at), locks->size());
    const std::string_view line(locks->data() + at, end - at);
    at = end + 1;
    const std::size_t found = line.find(device_and_inode);
    if (found == std::string_view::npos || line.find("->") != std::string_view::npos) continue;
    const std::string pid(line.substr(line.rfind(' ', found - 1) + 1, found - line.rfind(' ', found - 1) - 1));
    if (sys::faccessat2(AT_FDCWD, cat("/proc/", pid).c_str(), 0, 0) == 0) return cat(" by process ", pid);
  }
  return {};
}

bool is_temporary(std::string_view name) { return name.starts_with(".tmp-"); }

}  // namespace

Result<Store> Store::open(const std::string& root) {
  return Store(TRY(fs::open_private_directory(root), "opening the store"), root);
}

Result<UniqueFd> Store::part(const char* name) const {
  return TRY(fs::make_and_open_directory(root_.get(), name, 0700), "the store ", path_);
}

Result<UniqueFd> Store::lock(Lock kind) const {
  UniqueFd file = TRY(fs::open_beneath(root_.get(), "store.lock", O_RDWR | O_CREAT, 0600), "locking the store ", path_);
  const int operation = kind == Lock::kShared ? LOCK_SH : LOCK_EX;
  long rc = sys::flock(file.get(), operation | LOCK_NB);
  if (rc == -EWOULDBLOCK) rc = wait_for_lock(file.get(), operation);
  if (rc == -ETIMEDOUT)
    return Error{Error::Kind::kSystem,
                 ETIMEDOUT,
                 cat("locking the store ", path_, ": held for ", kLockSeconds, " seconds", holder(file.get())),
                 {}};
  TRY(check(rc, "flock", cat(path_, "/store.lock")));
  return file;
}

Result<UniqueFd> Store::layer(std::string_view chain_id) const {
  if (!is_hex_digest(chain_id)) return invalid(cat("layer ", chain_id, ": not a chain id"));
  const UniqueFd all = TRY(layers());
  Result<UniqueFd> found = fs::open_beneath(all.get(), cat(chain_id, "/fs"), O_RDONLY | O_DIRECTORY);
  if (!found && found.error().code == ENOENT) return not_found(cat("layer ", chain_id, ": not in the store ", path_));
  return found;
}

Result<Image> Store::image(std::string_view id) const {
  if (!is_hex_digest(id)) return invalid(cat("image ", id, ": not an image id"));
  const UniqueFd all = TRY(images());
  const Result<std::string> record = fs::read(all.get(), cat(id, ".json"), kRecordLimit);
  if (!record && record.error().code == ENOENT) return not_found(cat("image ", id, ": not in the store ", path_));
  if (!record) return record.error();
  Image image = TRY(parse_image(*record, cat("image record ", id)));
  if (image.id != id) return invalid(cat("image record ", id, ": says it is ", image.id));
  return image;
}

Result<std::vector<Image>> Store::list_images() const {
  std::vector<Image> found;
  const UniqueFd all = TRY(images());
  for (const std::string& name : TRY(fs::list(all.get()))) {
    const std::string_view id = std::string_view(name).substr(0, name.size() - std::min<std::size_t>(name.size(), 5));
    if (name.ends_with(".json") && is_hex_digest(id)) found.push_back(TRY(image(id)));
  }
  return found;
}

Result<> Store::publish(const Image& image) const {
  if (!is_hex_digest(image.id)) return invalid(cat("image ", image.id, ": not an image id"));
  const UniqueFd all = TRY(images());
  return fs::replace(all.get(), cat(image.id, ".json"), print(image), 0600, fs::Durable::kYes);
}

Result<Store::Swept> Store::collect_garbage(const std::vector<std::string>& in_use) const {
  const UniqueFd held = TRY(lock(Lock::kExclusive), "collecting garbage");
  std::set<std::string> live(in_use.begin(), in_use.end());
  // A record that cannot be read ends the collection: its layers are not known, and might be these.
  for (const Image& image : TRY(list_images(), "collecting garbage"))
    live.insert(image.layers.begin(), image.layers.end());

  Swept swept;
  const UniqueFd all = TRY(layers());
  for (const std::string& name : TRY(fs::list(all.get()))) {
    if (!is_hex_digest(name) || live.contains(name)) continue;
    // Off its name first: half a layer must never be found under a chain id, not even after a crash.
    const std::string doomed = cat(".tmp-", fs::random_hex(16));
    TRY(check(sys::renameat2(all.get(), name.c_str(), all.get(), doomed.c_str(), 0), "rename", cat("layer ", name)));
    TRY(fs::remove_tree(all.get(), doomed), "removing layer ", name);
    ++swept.layers;
  }
  const UniqueFd records = TRY(images());
  for (const int dir : {all.get(), records.get()}) {
    for (const std::string& name : TRY(fs::list(dir))) {
      if (!is_temporary(name)) continue;
      TRY(fs::remove_tree(dir, name), "removing ", name);
      ++swept.temporaries;
    }
  }
  return swept;
}

}  // namespace convox::rootfs
