#include "runtime/probe.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

constexpr time_t kPatience = 10;                // seconds; everything here takes milliseconds
constexpr const char* kIds = "0 524288 65536";  // those of the first container

// A child of ours and the socket to it. Destruction ends the child, whatever it is doing.
struct Child {
  UniqueFd process;  // pidfd
  UniqueFd socket;
  int pid = -1;
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!process) return;
    sys::pidfd_send_signal(process.get(), SIGKILL);
    sys::waitid(P_PIDFD, process.get(), nullptr, WEXITED | __WALL);
  }
};

// A copy of this process in new `namespaces`. It performs `act` on its end of the socket and ends with it.
template <class Act>
Errno start(Child& child, std::uint64_t namespaces, Act act) {
  int ends[2];
  if (const long made = sys::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends); made < 0) return Errno(made);
  child.socket = UniqueFd(ends[0]);
  const UniqueFd other(ends[1]);
  int pidfd = -1;
  clone_args how{};
  how.flags = namespaces | CLONE_PIDFD;
  how.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  const long pid = sys::clone3(&how, sizeof how);
  if (pid < 0) return Errno(pid);
  if (pid == 0) {
    child.socket.reset();  // else this copy would keep the socket open that tells it of our end
    act(other.get());
    sys::exit_group(0);
  }
  child.process = UniqueFd(pidfd);
  child.pid = static_cast<int>(pid);
  return {};
}

// One message from the child, or ETIMEDOUT, or EPIPE if it died before.
template <class Message>
Errno receive(const Child& child, Message& into) {
  pollfd wait{child.socket.get(), POLLIN, 0};
  timespec patience{kPatience, 0};
  const long ready = sys::ppoll(&wait, 1, &patience);
  if (ready < 0) return Errno(ready);
  if (ready == 0) return Errno(-ETIMEDOUT);
  const long size = sys::read(child.socket.get(), &into, sizeof into);
  if (size < 0) return Errno(size);
  return size == sizeof into ? Errno{} : Errno(-EPIPE);
}

struct Key {
  const char *name, *value;
};

// A new file system of `type`, detached: no path shows it.
long make_mount(const char* type, std::initializer_list<Key> keys) {
  const long opened = sys::fsopen(type, FSOPEN_CLOEXEC);
  if (opened < 0) return opened;
  const UniqueFd context(opened);
  for (const Key& key : keys)
    if (const long set = sys::fsconfig(context.get(), FSCONFIG_SET_STRING, key.name, key.value, 0); set < 0) return set;
  if (const long made = sys::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0); made < 0) return made;
  return sys::fsmount(context.get(), FSMOUNT_CLOEXEC, 0);
}

Errno try_mount(const char* type, std::initializer_list<Key> keys) {
  const long mount = make_mount(type, keys);
  const UniqueFd owner(mount);
  return Errno(mount);
}

// --- user namespace and proc ----------------------------------------------------------------------------------------

// Waits for its id maps, then mounts a proc; then it stays, so that its namespace does.
void live_in_user_namespace(int socket) {
  char go = 0;
  if (sys::read(socket, &go, 1) != 1) return;
  const Errno procfs = try_mount("proc", {});
  sys::write(socket, &procfs, sizeof procfs);
  sys::read(socket, &go, 1);  // end of file
}

Errno map_ids(const Child& child) {
  for (const char* map : {"uid_map", "gid_map"}) {
    const Result<> written = fs::write_once(AT_FDCWD, cat("/proc/", child.pid, "/", map), kIds);
    if (!written) return Errno(-written.error().code);
  }
  return {};
}

// Gives the namespace's descriptor, or none.
UniqueFd probe_user_namespace(Child& child, Probes& found) {
  found.user_namespace = start(child, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS, live_in_user_namespace);
  if (!found.user_namespace) found.user_namespace = map_ids(child);
  if (found.user_namespace) return UniqueFd();
  sys::write(child.socket.get(), "", 1);
  if (const Errno heard = receive(child, found.procfs)) found.procfs = heard;
  const long opened = sys::openat(AT_FDCWD, cat("/proc/", child.pid, "/ns/user").c_str(), O_RDONLY | O_CLOEXEC);
  found.user_namespace = Errno(opened);
  return UniqueFd(opened);
}

// --- mounts ---------------------------------------------------------------------------------------------------------

// Shows `from` at `to` with its owners mapped as the namespace maps its ids.
Errno mount_idmapped(const char* from, const char* to, int user_namespace) {
  const long opened = sys::open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (opened < 0) return Errno(opened);
  const UniqueFd tree(opened);
  mount_attr idmap{};
  idmap.attr_set = MOUNT_ATTR_IDMAP;
  idmap.userns_fd = static_cast<std::uint64_t>(user_namespace);
  if (const Errno error{sys::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &idmap, sizeof idmap)}) return error;
  return Errno(sys::move_mount(tree.get(), "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH));
}

struct MountProbes {
  Errno overlay = kNotTried, idmapped_mount = kNotTried, idmapped_overlay = kNotTried;
};

// In a mount namespace of its own. The working directory first: unshare moves it to the copy of its mount, while the
// descriptor stays behind on the host's, of which a layer cannot be made (EINVAL). Private next: on most hosts mounts
// are shared, and a mount made here would appear on the host.  mount_namespaces(7)
MountProbes try_mounts(int scratch, int user_namespace) {
  MountProbes found;
  found.overlay = Errno(sys::fchdir(scratch));
  if (!found.overlay) found.overlay = Errno(sys::unshare(CLONE_NEWNS));
  if (!found.overlay) found.overlay = Errno(sys::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  if (found.overlay) return found;
  found.overlay = try_mount("overlay", {{"lowerdir", "lower"}, {"upperdir", "upper"}, {"workdir", "work"}});
  if (user_namespace < 0) return found;
  found.idmapped_mount = mount_idmapped("lower", "mapped", user_namespace);
  if (found.idmapped_mount) return found;
  found.idmapped_overlay = try_mount("overlay", {{"lowerdir", "mapped"}, {"upperdir", "upper"}, {"workdir", "work"}});
  return found;
}

MountProbes probe_mounts(int scratch, int user_namespace) {
  Child child;
  MountProbes found;
  found.overlay = start(child, 0, [=](int socket) {
    const MountProbes tried = try_mounts(scratch, user_namespace);
    sys::write(socket, &tried, sizeof tried);
  });
  if (found.overlay) return found;
  if (const Errno heard = receive(child, found)) found.overlay = heard;
  return found;
}

// The store or the nearest directory above it.
Result<UniqueFd> open_nearest(std::string path) {
  for (;;) {
    Result<UniqueFd> dir = fs::open(path, O_RDONLY | O_DIRECTORY);
    if (dir || dir.error().code != ENOENT || path.empty() || path == "/") return dir;
    path.resize(path.find_last_of('/') == 0 ? 1 : std::min(path.find_last_of('/'), path.size()));
  }
}

Result<> probe_store(const std::string& store, int user_namespace, Probes& found) {
  const UniqueFd parent = TRY(open_nearest(store));
  const std::string name = cat(".convox-doctor-", fs::random_hex(8));
  const auto tried = [&]() -> Result<> {
    const UniqueFd scratch = TRY(fs::make_and_open_directory(parent.get(), name, 0700));
    for (const char* part : {"lower", "mapped", "upper", "work"})
      TRY(check(sys::mkdirat(scratch.get(), part, 0755), "mkdir", part));
    const MountProbes mounts = probe_mounts(scratch.get(), user_namespace);
    found.overlay = mounts.overlay;
    found.idmapped_mount = mounts.idmapped_mount;
    found.idmapped_overlay = mounts.idmapped_overlay;
    return ok();
  }();
  const Result<> removed = fs::remove_tree(parent.get(), name);
  TRY(tried);
  TRY(removed);
  found.store = {};
  return ok();
}

// --- nftables -------------------------------------------------------------------------------------------------------

// The smallest question there is: which generation are the rules? It also loads the module.  nfnetlink.h, nf_tables.h
Errno probe_nftables() {
  const long opened = sys::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (opened < 0) return Errno(opened);
  const UniqueFd socket(opened);
  struct {
    nlmsghdr header;
    nfgenmsg body;
  } question{};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  if (const Errno error{sys::write(socket.get(), &question, sizeof question)}) return error;
  pollfd wait{socket.get(), POLLIN, 0};
  timespec patience{kPatience, 0};
  if (sys::ppoll(&wait, 1, &patience) != 1) return Errno(-ETIMEDOUT);
  alignas(nlmsghdr) char answer[1024];
  const long size = sys::read(socket.get(), answer, sizeof answer);
  if (size < static_cast<long>(sizeof(nlmsghdr))) return size < 0 ? Errno(size) : Errno(-EPROTO);
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (header->nlmsg_type != NLMSG_ERROR) return {};
  if (size < static_cast<long>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return Errno(-EPROTO);
  return Errno(static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error);
}

}  // namespace

Probes probe(const std::string& store) {
  Probes found;
  found.nftables = probe_nftables();
  Child child;  // the user namespace lives as long as it does
  const UniqueFd user_namespace = probe_user_namespace(child, found);
  if (const Result<> tried = probe_store(store, user_namespace.get(), found); !tried)
    found.store = Errno(tried.error().code ? -tried.error().code : -EIO);
  return found;
}

}  // namespace convox::runtime
