// What do the host side's steps say for themselves? words.cc has the stage's.
#include <linux/mount.h>

#include "runtime/host_ids.h"
#include "runtime/words.h"

namespace convox::runtime {
namespace {

std::string namespaces_text(const Namespaces& n) {
  std::string text = "mount, pid";
  if (n.user) text += ", user";
  if (n.network) text += ", network";
  if (n.ipc) text += ", ipc";
  if (n.uts) text += ", uts";
  if (n.cgroup) text += ", cgroup";
  if (n.time) text += ", time";
  return text;
}

Words of(const ProtectSupervisor&) {
  return {"lower our own OOM score", "the OOM killer shall take the container, not the one who must report and undo it",
          "proc(5)"};
}
Words of(const WriteRecord&) {
  return {"write the container's record", "whoever finds it after a crash can undo everything that follows",
          "rename(2)"};
}
Words of(const LeaseIds&) {
  return {cat("lease ", kIdsEach, " host ids"),
          "no two containers share an id, so none can touch another's files or processes", "subuid(5)"};
}
Words of(const LeaseAddress& step) {
  std::string ports;
  for (const networks::Published& port : step.network.published)
    ports += cat(ports.empty() ? "" : ", ", port.address, port.address.empty() ? "" : ":", port.host, "/",
                 port.protocol, " to ", port.container);
  return {cat("lease an address in network ", step.network.name, ports.empty() ? "" : " and the host's ports ", ports),
          "each app has a network of its own; others find it there by name", "symlink(2)"};
}
Words of(const StartNetwork& step) {
  return {cat("start convox-net: bridge, link and addresses in network ", step.name),
          "it works beside what follows; this program speaks no netlink", "rtnetlink(7)"};
}
Words of(const AwaitNetwork& step) {
  return {cat("wait for its link in network ", step.name), "the command may want to talk at once", "ppoll(2)"};
}
Words of(const OpenNames& step) {
  return {cat("open the names of network ", step.network, " as a mount (read-only, nosuid, nodev, noexec)"),
          "one file for all of its containers: who comes or goes is there or gone at once", "hosts(5)"};
}
Words of(const MakeStorage&) {
  return {"make the container's upper and work directory",
          "an overlay writes here; the image's layers stay as they are", "mkdir(2)"};
}
Words of(const MakeCgroup& step) {
  std::string deed = cat("make the cgroup ", step.path);
  std::vector<std::string> values;
  for (const auto& setting : step.settings) values.push_back(cat(setting.file, "=", setting.value));
  if (!values.empty()) deed += cat(" with ", joined(values, ", "));
  return {deed, "limits are in force before the first process is born into it", "cgroups(7)"};
}
Words of(const OpenStdio& step) {
  if (step.by_stage)
    return {"open /dev/null for the stage", "what the command gets is opened inside, by the stage", "null(4)"};
  return {"make three pipes for its input and output", "the user's own descriptors never enter the container",
          "pipe2(2)"};
}
Words of(const SealPrograms&) {
  return {"seal the stage and its plan in memory",
          "what the container can reach is an unreadable copy, never this program: CVE-2019-5736", "memfd_create(2)"};
}
Words of(const CloneChild& step) {
  return {cat("clone into new namespaces: ", namespaces_text(step.namespaces)),
          "one call: the child never runs in a namespace or cgroup of the host", "clone3(2)"};
}
Words of(const MakeExecGroup& step) {
  return {cat("make a cgroup for its processes below that of ", step.container),
          "the container's limits hold for them, and all can be ended together", "cgroups(7)"};
}
Words of(const StartWatcher&) {
  return {"start a watcher, which ends them if this convox is killed",
          "only PID 1 takes a container's processes along when it dies, and this is not PID 1", "pidfd_open(2)"};
}
Words of(const CloneInto& step) {
  return {cat("clone into the container: ", namespaces_text(step.namespaces)),
          "only the PID namespace of our children changes; the child joins the others in one call, by pidfd",
          "setns(2)"};
}
Words of(const WriteIdMaps&) {
  return {cat("map ids 0-", kIdsEach - 1, " of its user namespace to the leased ones"),
          "its root is nobody on the host", "user_namespaces(7)"};
}
Words of(const LetStageBegin&) {
  return {"let the child execute the stage", "an execve by an id without a mapping would drop every capability",
          "write(2)"};
}
Words of(const OpenSysfs&) {
  return {"make a sysfs of the host's network (read-only, nosuid, nodev, noexec)",
          "only the owner of a network namespace may mount its sysfs", "fsopen(2)"};
}
Words of(const OpenVolume& step) {
  return {cat(step.volume.make_source ? "make and open " : "open ", step.volume.source, " as a mount",
              attributes_text(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (step.volume.read_only ? MOUNT_ATTR_RDONLY : 0)),
              step.idmapped ? ", idmapped" : ""),
          "on the host side, before anything in the container can move its path", "open_tree(2)"};
}
Words of(const MakeDevices& step) {
  std::string_view resolvers = "without resolvers";
  if (step.resolvers == Resolvers::kHosts) resolvers = "with the host's resolvers";
  if (step.resolvers == Resolvers::kReachable) resolvers = "with those of the host's resolvers that it can reach";
  return {cat("make /dev: null zero full random urandom tty; hosts, hostname, resolv.conf ", resolvers),
          "the image's own /dev is never read or followed: CVE-2025-31133", "mknod(2)"};
}
Words of(const MountOverlay& step) {
  return {cat("stack ", step.layers.size(), step.layers.size() == 1 ? " layer" : " layers",
              step.idmapped ? ", idmapped," : "", " and a writable one of its own",
              step.keep ? "" : ", which need not survive"),
          "the layers stay as they are and are shared; no mount table of the host ever shows them", "fsconfig(2)"};
}
Words of(const AwaitStage&) {
  return {"wait for the stage's hello", "from here on it has memory of its own, and a limit on it cannot hit us",
          "ppoll(2)"};
}
Words of(const ResetScheduling&) {
  return {"reset niceness, scheduling, affinity and OOM score",
          "a caller that is nice, pinned or protected must not shape the payload", "sched_setscheduler(2)"};
}
Words of(const LimitMemory& step) {
  return {cat("limit its memory: ", step.setting.file, "=", step.setting.value),
          "while it shared our memory the OOM killer would have taken us too", "write(2)"};
}
Words of(const HandOver&) {
  return {"hand the mounts to the stage", "descriptors cannot be redirected, paths can", "sendmsg(2)"};
}
Words of(const LetStageGoOn&) {
  return {"let the stage go on", "what was the caller's is not the command's any more", "write(2)"};
}
Words of(const AwaitPayload&) {
  return {"wait until the command runs", "its execve closes the socket; a failure says its step and errno first",
          "recvmsg(2)"};
}

}  // namespace

Words words(const HostStep& step) {
  return std::visit([](const auto& deed) { return of(deed); }, step);
}

Words words(const ExecStep& step) {
  return std::visit([](const auto& deed) { return of(deed); }, step);
}

}  // namespace convox::runtime
