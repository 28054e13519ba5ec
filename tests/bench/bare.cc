// What is the least that any runtime must ask of this kernel for one container's life?
//
//   bare ROOTFS CGROUP SCRATCH FLAGS      prints the microseconds of one life
//
// Namespaces, then by FLAGS: n a network namespace, c a cgroup leaf below CGROUP, o an overlay over ROOTFS with its
// upper layer in SCRATCH (v: volatile), m the usual mounts, u a user namespace over an idmapped lower layer, e the
// execve of ROOTFS's /bin/true instead of an end right there. Then pivot_root, wait, and everything removed again. No
// state, no checks, no confinement, no supervision: this is the floor, not a way to run anything. Man pages: clone(2)
// under clone3, mount_setattr(2), pivot_root(2), user_namespaces(7).
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "tests/bench/measure.h"

namespace {

constexpr unsigned kFirstId = 524288;

struct Wanted {
  std::string rootfs, cgroup, scratch;
  bool network, overlay, is_volatile, leaf, mounts, user, execute;
};

// One byte with a descriptor: says "the maps are written" and hands over the root.
void send_root(int socket, int root) {
  char byte = 1;
  iovec bytes{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof root)] = {};
  msghdr message{};
  message.msg_iov = &bytes, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof root);
  memcpy(CMSG_DATA(header), &root, sizeof root);
  must(sendmsg(socket, &message, 0), "send the root");
}

int receive_root(int socket) {
  char byte = 0;
  int root = -1;
  iovec bytes{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof root)] = {};
  msghdr message{};
  message.msg_iov = &bytes, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message)) die("receive the root");
  memcpy(&root, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof root);
  return root;
}

void write_text(const std::string& path, const std::string& text) {
  const int fd = static_cast<int>(must(open(path.c_str(), O_WRONLY | O_CLOEXEC), path.c_str()));
  must(write(fd, text.data(), text.size()), path.c_str());
  close(fd);
}

// The root as a detached mount: an overlay, or a copy of the tree ROOTFS; its lower layer shows the ids of `child`'s
// user namespace.
int make_root(const Wanted& wanted, pid_t child) {
  int tree = static_cast<int>(
      must(open_tree(AT_FDCWD, wanted.rootfs.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), "open_tree"));
  if (wanted.user) {
    const std::string path = "/proc/" + std::to_string(child) + "/ns/user";
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_IDMAP;
    attributes.userns_fd =
        static_cast<__u64>(must(open(path.c_str(), O_RDONLY | O_CLOEXEC), "open the user namespace"));
    must(mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes), "idmap the lower layer");
    close(static_cast<int>(attributes.userns_fd));
  }
  if (!wanted.overlay) {  // a copy of a shared mount is shared, and pivot_root(2) refuses such a root
    mount_attr attributes{};
    attributes.propagation = MS_PRIVATE;
    must(mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes), "make the root private");
    return tree;
  }
  const int context = static_cast<int>(must(fsopen("overlay", FSOPEN_CLOEXEC), "fsopen"));
  const auto set = [context](const char* key, const std::string& value) {
    must(fsconfig(context, FSCONFIG_SET_STRING, key, value.c_str(), 0), key);
  };
  set("lowerdir", "/proc/self/fd/" + std::to_string(tree));
  set("upperdir", wanted.scratch + "/upper");
  set("workdir", wanted.scratch + "/work");
  if (wanted.is_volatile) must(fsconfig(context, FSCONFIG_SET_FLAG, "volatile", nullptr, 0), "volatile");
  must(fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), "make the overlay");
  const int root = static_cast<int>(must(fsmount(context, FSMOUNT_CLOEXEC, 0), "fsmount"));
  close(context);
  close(tree);
  return root;
}

void make_mounts(bool network) {
  const unsigned long plain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  must(mount("proc", "proc", "proc", plain, nullptr), "proc");
  must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k"), "dev");
  for (const char* name : {"dev/pts", "dev/shm", "dev/mqueue"}) must(mkdir(name, 0755), name);
  must(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"), "devpts");
  must(mount("shm", "dev/shm", "tmpfs", plain, "mode=1777,size=65536k"), "shm");
  must(mount("mqueue", "dev/mqueue", "mqueue", plain, nullptr), "mqueue");
  if (network) must(mount("sysfs", "sys", "sysfs", plain | MS_RDONLY, nullptr), "sysfs");
}

[[noreturn]] void live(const Wanted& wanted, int socket) {
  const int root = receive_root(socket);
  if (wanted.user) {
    must(setresgid(0, 0, 0), "setresgid");
    must(setresuid(0, 0, 0), "setresuid");
  }
  must(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
  must(move_mount(root, "", AT_FDCWD, wanted.scratch.c_str(), MOVE_MOUNT_F_EMPTY_PATH), "attach the root");
  must(chdir(wanted.scratch.c_str()), "chdir");
  if (wanted.mounts) make_mounts(wanted.network);
  must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
  must(umount2(".", MNT_DETACH), "umount");
  must(chdir("/"), "chdir /");
  must(sethostname("bare", 4), "sethostname");
  if (wanted.execute) {
    char* const argv[] = {const_cast<char*>("true"), nullptr};
    execve("/bin/true", argv, argv + 1);
    die("execve");
  }
  _exit(0);
}

void live_and_die(const Wanted& wanted) {
  const std::string leaf = wanted.cgroup + "/bare-" + std::to_string(getpid());
  int group = -1, sockets[2];
  if (wanted.leaf) {
    must(mkdir(leaf.c_str(), 0755), "make the cgroup");
    group = static_cast<int>(must(open(leaf.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open the cgroup"));
  }
  must(mkdir(wanted.scratch.c_str(), 0755), "make the scratch directory");
  for (const char* name : {"/upper", "/work"}) {
    must(mkdir((wanted.scratch + name).c_str(), 0755), name);
    if (wanted.user) must(chown((wanted.scratch + name).c_str(), kFirstId, kFirstId), "chown");
  }
  must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), "socketpair");

  clone_args how{};
  how.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
  if (wanted.network) how.flags |= CLONE_NEWNET;
  if (wanted.user) how.flags |= CLONE_NEWUSER;
  if (wanted.leaf) how.flags |= CLONE_INTO_CGROUP | CLONE_NEWCGROUP;
  how.exit_signal = SIGCHLD;
  how.cgroup = wanted.leaf ? static_cast<__u64>(group) : 0;
  const pid_t child = static_cast<pid_t>(must(syscall(SYS_clone3, &how, sizeof how), "clone3"));
  if (child == 0) live(wanted, sockets[1]);
  close(sockets[1]);
  if (wanted.user) {
    const std::string process = "/proc/" + std::to_string(child), map = "0 " + std::to_string(kFirstId) + " 65536";
    write_text(process + "/uid_map", map);
    write_text(process + "/gid_map", map);
  }
  const int root = make_root(wanted, child);
  send_root(sockets[0], root);
  close(root);
  int status = -1;
  must(waitpid(child, &status, 0), "wait");
  if (status != 0) _exit(99);

  close(sockets[0]);
  if (wanted.leaf) {
    close(group);
    must(rmdir(leaf.c_str()), "remove the cgroup");
  }
  for (const char* name : {"/work/work/incompat/volatile/dirty", "/work/work/incompat/volatile", "/work/work/incompat",
                           "/work/work", "/work", "/upper", ""})
    if (remove((wanted.scratch + name).c_str()) < 0 && errno != ENOENT) die("remove the scratch directory");
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) return 2;
  const auto has = [flags = words[4]](char letter) { return strchr(flags, letter) != nullptr; };
  const Wanted wanted{.rootfs = words[1],
                      .cgroup = words[2],
                      .scratch = words[3],
                      .network = has('n'),
                      .overlay = has('o'),
                      .is_volatile = has('v'),
                      .leaf = has('c'),
                      .mounts = has('m'),
                      .user = has('u'),
                      .execute = has('e')};
  const double start = now();
  live_and_die(wanted);
  printf("%.1f\n", now() - start);
}
