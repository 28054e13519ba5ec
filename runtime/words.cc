#include "runtime/words.h"

#include <linux/mount.h>
#include <sys/resource.h>

#include "runtime/containers.h"

namespace convox::runtime {
namespace {

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string text;
  for (const std::string& part : parts) text += cat(text.empty() ? "" : between, part);
  return text;
}

std::string attributes_text(std::uint64_t attributes) {
  std::vector<std::string> names;
  if (attributes & MOUNT_ATTR_RDONLY) names.emplace_back("read-only");
  if (attributes & MOUNT_ATTR_NOSUID) names.emplace_back("nosuid");
  if (attributes & MOUNT_ATTR_NODEV) names.emplace_back("nodev");
  if (attributes & MOUNT_ATTR_NOEXEC) names.emplace_back("noexec");
  return names.empty() ? std::string() : cat(" (", joined(names, ", "), ")");
}

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

std::string_view limit_name(std::uint32_t resource) {
  switch (resource) {
    case RLIMIT_NOFILE:
      return "open files";
    case RLIMIT_CORE:
      return "core dumps";
    case RLIMIT_MEMLOCK:
      return "locked memory";
    default:
      return "resource";
  }
}

// --- the host side -------------------------------------------------------------------------------------------

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
  return {cat("make /dev: null zero full random urandom tty; hosts, hostname, resolv.conf ",
              step.host_resolvers ? "with the host's resolvers" : "without resolvers"),
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

// --- the stage ------------------------------------------------------------------------------------------------

Words of(const stage::StartSession&, const StagePlan&) {
  return {"start a session", "it has no terminal, so none of ours can be its controlling one", "setsid(2)"};
}
Words of(const stage::NewKeyring& step, const StagePlan& plan) {
  return {cat("join a new session keyring \"", plan.view(step.name), "\""),
          "keyrings have no namespace: it would search the caller's keys", "keyctl(2)"};
}
Words of(const stage::CleanSlate&, const StagePlan&) {
  return {"reset signals, mask, umask, personality and timer slack", "execve keeps what a caller ignored or blocked",
          "rt_sigaction(2)"};
}
Words of(const stage::UnshareMounts&, const StagePlan&) {
  return {"make every mount a slave of the host's", "no mount made from here on appears on the host", "mount(2)"};
}
Words of(const stage::Receive& step, const StagePlan&) {
  return {cat("receive ", step.slots, " mounts"), "the host side made them meanwhile", "recvmsg(2)"};
}
Words of(const stage::AttachRoot&, const StagePlan&) {
  return {"attach the overlay as the new root (nodev)", "device nodes in an image never work", "move_mount(2)"};
}
Words of(const stage::AwaitGo&, const StagePlan&) {
  return {"wait for the host side", "the command must not run with the caller's priority", "read(2)"};
}
Words of(const stage::EnterRoot&, const StagePlan&) {
  return {"open the container's root and its /proc", "by now its own root may have put something else there",
          "openat2(2)"};
}
Words of(const stage::MountNew& step, const StagePlan& plan) {
  const std::string_view type = plan.view(step.type);
  std::string options = joined(plan.views(step.options), ",");
  if (!options.empty()) options = cat(" with ", options);
  std::string why = "a new instance, which belongs to the container";
  if (type == "proc") why = "it shows the new PID namespace only";
  if (type == "sysfs") why = "it shows the new network namespace only";
  if (type == "cgroup2") why = "its root is the container's own cgroup";
  if (type == "devpts") why = "terminals of the host cannot be reached through it";
  return {cat("mount ", type, " on ", plan.view(step.target), options, attributes_text(step.attributes)), why,
          "fsopen(2)"};
}
Words of(const stage::AttachTree& step, const StagePlan& plan) {
  return {cat("attach ", plan.view(step.target), attributes_text(step.attributes)),
          "by descriptor, below the new root: no link in the image leads out", "move_mount(2)"};
}
Words of(const stage::PlaceFile& step, const StagePlan& plan) {
  return {cat("show ", plan.view(step.target), " (nosuid, nodev, noexec)"), "written by us, for this container alone",
          "open_tree(2)"};
}
Words of(const stage::OpenConsole&, const StagePlan&) {
  return {"open a terminal of the container's own devpts and send us its master",
          "the user's terminal never enters the container", "pty(7)"};
}
Words of(const stage::OpenNull&, const StagePlan&) {
  return {"open the container's own /dev/null as input and output", "nobody listens, and the host's is the host's",
          "null(4)"};
}
Words of(const stage::OwnStdio&, const StagePlan&) {
  return {"give its input and output to its user", "/dev/stdout can be opened again by whom it belongs to",
          "fchown(2)"};
}
Words of(const stage::PivotRoot&, const StagePlan&) {
  return {"make the new root \"/\" and let go of the old one", "nothing of the host's file system stays reachable",
          "pivot_root(2)"};
}
Words of(const stage::ImageVolume& step, const StagePlan& plan) {
  return {cat("make ", plan.view(step.path), " a mount of its own (nosuid, nodev)"),
          "the image names it as a volume: it stays writable", "open_tree(2)"};
}
Words of(const stage::MakeDirectory& step, const StagePlan& plan) {
  return {cat("make ", plan.view(step.path), " if the image lacks it"),
          "after the pivot: no host path can be reached any more", "openat2(2)"};
}
Words of(const stage::Mask& step, const StagePlan& plan) {
  return {cat("mask ", plan.view(step.path)), "it shows or steers the host", "open_tree(2)"};
}
Words of(const stage::ReadOnly& step, const StagePlan& plan) {
  return {cat("make ", plan.view(step.path), " read-only"), "writing there would change the host", "mount_setattr(2)"};
}
Words of(const stage::ReadOnlyRoot&, const StagePlan&) {
  return {"make the root read-only", "asked for", "mount_setattr(2)"};
}
Words of(const stage::SetHostname& step, const StagePlan& plan) {
  return {cat("set the hostname to ", plan.view(step.name)), "the UTS namespace is its own", "sethostname(2)"};
}
Words of(const stage::WriteSysctl& step, const StagePlan& plan) {
  return {cat("write /proc/", plan.view(step.path), " = ", plan.view(step.value)), "it concerns its own namespace only",
          "proc(5)"};
}
Words of(const stage::RaiseLoopback&, const StagePlan&) {
  return {"bring lo up", "a new network namespace has nothing else", "netdevice(7)"};
}
Words of(const stage::SetLimit& step, const StagePlan&) {
  return {cat("limit ", limit_name(step.resource), " to ", step.soft, ":", step.hard),
          "capped by the caller's own limit", "prlimit(2)"};
}
Words of(const stage::ResolveUser& step, const StagePlan& plan) {
  const std::string_view user = plan.view(step.user);
  return {cat("look up user ", user.empty() ? "root" : user, " in the image", step.never_root ? ", not root" : ""),
          "the image's passwd and group, read by our own parser: NSS would load the image's code", "passwd(5)"};
}
Words of(const stage::NoNewPrivileges&, const StagePlan&) {
  return {"set no_new_privs", "no setuid file can give rights back", "prctl(2)"};
}
Words of(const stage::DropBounding& step, const StagePlan&) {
  return {cat("keep only these capabilities: ", security::names(step.keep)), "the bounding set caps every later execve",
          "capabilities(7)"};
}
Words of(const stage::BecomeUser&, const StagePlan&) {
  return {"become that user, with its groups", "groups, gid, uid: each needs what the next takes away", "setgroups(2)"};
}
Words of(const stage::ChangeDirectory& step, const StagePlan& plan) {
  return {cat("change to ", plan.view(step.path), step.may_fail ? ", as root" : ", as the user"),
          "either may be the one who is allowed", "chdir(2)"};
}
Words of(const stage::SetCapabilities&, const StagePlan&) {
  return {"set the five capability sets",
          "a user other than root has none; inheritable and ambient are empty: CVE-2022-24769", "capset(2)"};
}
Words of(const stage::DieWithParent&, const StagePlan&) {
  return {"die when convox dies", "a container without its supervisor is an orphan", "prctl(2)"};
}
Words of(const stage::FindCommand&, const StagePlan& plan) {
  return {cat("find ", plan.argv.empty() ? std::string("the command") : plan.argv[0], " along PATH"),
          "as the user, who may see less than root", "environ(7)"};
}
Words of(const stage::Verify& step, const StagePlan&) {
  return {
      cat("verify ", step.mounts ? "mounts, " : "", "ids, capabilities, limits, descriptors, directory and signals"),
      "what is, against what was planned: a difference ends the launch", "openat(2)"};
}
Words of(const stage::CloseOnExec&, const StagePlan&) {
  return {"mark every other descriptor close-on-exec", "an open host directory would be a way out: CVE-2024-21626",
          "close_range(2)"};
}
Words of(const stage::LoadFilter&, const StagePlan&) {
  return {"load the seccomp filter convox-1", "as late as it can be, so that it need not allow the calls above",
          "seccomp(2)"};
}
Words of(const stage::BecomeInit&, const StagePlan&) {
  return {"stay as PID 1 and run the command as its child", "orphans are reaped and signals passed on", "clone(2)"};
}
Words of(const stage::Execute&, const StagePlan& plan) {
  return {cat("execute ", joined(plan.argv, " ")), "the stage becomes the payload", "execve(2)"};
}

std::string_view difference_text(stage::Difference difference) {
  using enum stage::Difference;
  switch (difference) {
    case kNone:
      return "";
    case kMountMissing:
      return "a planned mount is missing";
    case kMountUnknown:
      return "there is a mount that was not planned";
    case kMountFlags:
      return "a mount is less restricted than planned";
    case kMountShared:
      return "a mount is shared with the host";
    case kIds:
      return "user or group ids differ";
    case kGroups:
      return "supplementary groups differ";
    case kCapabilities:
      return "capabilities differ";
    case kNoNewPrivs:
      return "no_new_privs differs";
    case kLimit:
      return "a resource limit differs";
    case kDescriptor:
      return "a descriptor is open that should not be";
    case kDirectory:
      return "the working directory is outside the root";
    case kSignals:
      return "signals are blocked, ignored or caught";
    case kUmask:
      return "the umask differs";
  }
  return "";
}

// In the user's own words, where the step is about something that the user named.
struct Explain {
  const StagePlan& plan;
  Errno error;
  stage::Difference difference;
  bool new_user_namespace;

  Error operator()(const stage::FindCommand&) const { return command(); }
  Error operator()(const stage::Execute&) const { return command(); }
  Error operator()(const stage::ResolveUser& step) const {
    const std::string user(plan.view(step.user));
    if (error.value == ENOENT)
      return Error{Error::Kind::kNotFound, ENOENT, cat("no user or group \"", user, "\" in the image"), {}};
    if (error.value == EPERM && step.never_root)
      return Error{Error::Kind::kInvalid, EPERM, "runAsNonRoot is set and the user is root", {}};
    if (error.value == ERANGE)
      return Error{Error::Kind::kInvalid, ERANGE, cat("the container has ids 0 to ", step.largest_id), {}};
    if (error.value == EINVAL)
      return Error{
          Error::Kind::kInvalid, EINVAL, cat("\"", user, "\" is no user, or the image's passwd is no file"), {}};
    return other("look_up");
  }
  Error operator()(const stage::MountNew& step) const {
    Error said = other("fsopen");
    // A user namespace may have a new /proc and /sys only where the host's show all they have.  mount_namespaces(7)
    if (error.value == EPERM && new_user_namespace)
      said.advice = cat("where the ", plan.view(step.type),
                        " of this host is itself covered or masked, as in a container, ", "--userns host may work");
    return said;
  }
  Error operator()(const stage::Verify&) const {
    if (difference == stage::Difference::kNone) return other("openat");
    return Error{Error::Kind::kSystem, error.value, std::string(difference_text(difference)), {}};
  }
  template <class Step>
  Error operator()(const Step& step) const {
    if (error.value == EXDEV)
      return Error{Error::Kind::kSystem,
                   EXDEV,
                   cat("that place is, or links lead to, a mount of the container's own: ", describe(error)),
                   {}};
    std::string call = words(stage::Step(step), plan).source;
    return other(call.substr(0, call.find('(')));
  }

 private:
  Error other(std::string_view call) const { return os_error(call, "", error); }
  [[nodiscard]] Error command() const {
    if (error.value == ENOENT) return Error{Error::Kind::kNoCommand, ENOENT, "not found in the container", {}};
    return Error{Error::Kind::kNotExecutable, error.value, describe(error), {}};
  }
};

}  // namespace

Words words(const HostStep& step) {
  return std::visit([](const auto& deed) { return of(deed); }, step);
}

Words words(const ExecStep& step) {
  return std::visit([](const auto& deed) { return of(deed); }, step);
}

Words words(const stage::Step& step, const StagePlan& plan) {
  return std::visit([&](const auto& deed) { return of(deed, plan); }, step);
}

Error explain_failure(const StagePlan& plan, std::size_t index, Errno error, stage::Difference difference,
                      bool new_user_namespace) {
  return std::visit(Explain{plan, error, difference, new_user_namespace}, plan.steps()[index]);
}

}  // namespace convox::runtime
