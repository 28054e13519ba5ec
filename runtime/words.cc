#include "runtime/words.h"

#include <linux/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstring>

namespace convox::runtime {
namespace {

std::string_view limit_name(std::uint32_t resource) {
  constexpr std::string_view names[] = {"processor time", "file size",       "data",      "stack",
                                        "core dumps",     "resident memory", "processes", "open files",
                                        "locked memory",  "memory",          "locks",     "pending signals",
                                        "message queues", "niceness",        "priority",  "real time"};
  return resource < std::size(names) ? names[resource] : "resource";
}

std::string limit_value(std::uint64_t limit) { return limit == RLIM64_INFINITY ? "unlimited" : cat(limit); }

// ", shared, with all below it" of MS_*, or nothing.
std::string propagation_text(std::uint64_t propagation, bool recursive) {
  std::string_view name;
  if (propagation & MS_SHARED) name = "shared";
  if (propagation & MS_SLAVE) name = "slave";
  if (propagation & MS_PRIVATE) name = "private";
  if (propagation & MS_UNBINDABLE) name = "unbindable";
  return name.empty() ? std::string() : cat(", ", name, recursive ? ", with all below it" : "");
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
Words of(const stage::AttachRoot& step, const StagePlan& plan) {
  const std::string place = step.at.size > 0 ? cat("at ", plan.view(step.at)) : "over \"/\"";
  return {cat("attach the new root ", place, attributes_text(step.attributes)),
          step.attributes & MOUNT_ATTR_NODEV ? "device nodes in an image never work"
                                             : "in a copy of the host's mount namespace",
          "move_mount(2)"};
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
  return {cat("mount ", type, " on ", plan.view(step.target), options, attributes_text(step.attributes),
              propagation_text(step.propagation, false)),
          why, "fsopen(2)"};
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
Words of(const stage::OwnStdio& step, const StagePlan&) {
  return {cat("give its input and output to its user",
              step.inherited ? ", if they are no devices; for the host's /dev/null, take its own" : ""),
          "/dev/stdout can be opened again by whom it belongs to", "fchown(2)"};
}
Words of(const stage::PivotRoot&, const StagePlan&) {
  return {"make the new root \"/\" and let go of the old one", "nothing of the host's file system stays reachable",
          "pivot_root(2)"};
}
Words of(const stage::MoveRoot&, const StagePlan&) {
  return {"move the new root over \"/\" and change to it", "asked for: an initramfs cannot be pivoted away from",
          "move_mount(2)"};
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
Words of(const stage::MakeReadOnly& step, const StagePlan& plan) {
  return {cat("make the mount on ", plan.view(step.target), " read-only"), "all that belongs into it is there",
          "mount_setattr(2)"};
}
Words of(const stage::SetPropagation& step, const StagePlan&) {
  return {cat("set the propagation of \"/\"", propagation_text(step.propagation, step.recursive)), "asked for",
          "mount_setattr(2)"};
}
Words of(const stage::MakeNode& step, const StagePlan& plan) {
  const char type = S_ISBLK(step.mode) ? 'b' : S_ISFIFO(step.mode) ? 'p' : 'c';
  const std::string number = type == 'p' ? std::string() : cat(" ", step.major, ":", step.minor);
  return {cat("make the node ", plan.view(step.path), " (", std::string(1, type), number, ")"),
          "asked for; what stands there already must be the same", "mknodat(2)"};
}
Words of(const stage::MakeLink& step, const StagePlan& plan) {
  return {cat("make the link ", plan.view(step.path), " to ", plan.view(step.target)),
          "programs expect it; what stands there already stays", "symlinkat(2)"};
}
Words of(const stage::AwaitHooks&, const StagePlan&) {
  return {"wait for the host side's hooks", "the mounts are made and not yet entered", "sendmsg(2)"};
}
Words of(const stage::RunHook& step, const StagePlan& plan) {
  const std::string limit = step.timeout > 0 ? cat(", for at most ", step.timeout, " s") : std::string();
  return {cat("run the hook ", plan.view(step.path), limit), "inside, with the state of the container as its input",
          "execve(2)"};
}
Words of(const stage::Gate&, const StagePlan&) {
  return {"say that it is created, and wait for start", "whoever connects opens the gate, and hears the rest",
          "accept(2)"};
}
Words of(const stage::SetHostname& step, const StagePlan& plan) {
  return {cat("set the hostname to ", plan.view(step.name)), "the UTS namespace is its own", "sethostname(2)"};
}
Words of(const stage::SetDomainname& step, const StagePlan& plan) {
  return {cat("set the domain name to ", plan.view(step.name)), "the UTS namespace is its own", "setdomainname(2)"};
}
Words of(const stage::WriteSysctl& step, const StagePlan& plan) {
  return {cat("write /proc/", plan.view(step.path), " = ", plan.view(step.value)), "it concerns its own namespace only",
          "proc(5)"};
}
Words of(const stage::NewTimeNamespace& step, const StagePlan&) {
  const auto text = [](const stage::Offset& offset) {
    return offset.nanoseconds == 0 ? cat(offset.seconds, " s") : cat(offset.seconds, " s ", offset.nanoseconds, " ns");
  };
  return {cat("enter a new time namespace (monotonic ", text(step.monotonic), ", boottime ", text(step.boottime), ")"),
          "its offsets can be written until somebody is inside", "unshare(2)"};
}
Words of(const stage::JoinTimeNamespace&, const StagePlan&) {
  return {"join the time namespace", "only a thread that shares its memory with nobody may", "setns(2)"};
}
Words of(const stage::RaiseLoopback&, const StagePlan&) {
  return {"bring lo up", "a new network namespace has nothing else", "netdevice(7)"};
}
Words of(const stage::SetLimit& step, const StagePlan&) {
  return {cat("limit ", limit_name(step.resource), " to ", limit_value(step.soft), ":", limit_value(step.hard)),
          step.exact ? "asked for" : "capped by the caller's own limit", "prlimit(2)"};
}
Words of(const stage::ResolveUser& step, const StagePlan& plan) {
  const std::string_view user = plan.view(step.user);
  return {cat("look up user ", user.empty() ? "root" : user, " in the image", step.never_root ? ", not root" : ""),
          "the image's passwd and group, read by our own parser: NSS would load the image's code", "passwd(5)"};
}
Words of(const stage::TakeUser& step, const StagePlan& plan) {
  const std::string_view bytes = plan.view(step.groups);
  std::string groups = step.keep_groups ? ", with the caller's groups" : "";
  for (std::size_t at = 0; at + sizeof(std::uint32_t) <= bytes.size(); at += sizeof(std::uint32_t)) {
    std::uint32_t group = 0;
    std::memcpy(&group, bytes.data() + at, sizeof group);
    groups += cat(at == 0 ? ", with groups " : ",", group);
  }
  return {cat("take user ", step.uid, ":", step.gid, groups), "by number: no name is looked up", "credentials(7)"};
}
Words of(const stage::SetSecurityLabel& step, const StagePlan& plan) {
  return {cat("write ", plan.view(step.value), " to attr/", plan.view(step.file)),
          "the label of the command; through a procfs that is one: CVE-2019-16884", "openat2(2)"};
}
Words of(const stage::SetScheduler& step, const StagePlan&) {
  constexpr std::string_view names[] = {"other", "fifo", "rr", "batch", "iso", "idle", "deadline"};
  return {
      cat("schedule as ", step.policy < std::size(names) ? names[step.policy] : "another policy", ", nice ", step.nice),
      "asked for", "sched_setattr(2)"};
}
Words of(const stage::SetIoPriority& step, const StagePlan&) {
  return {cat("set the I/O priority to class ", step.value >> 13, ", level ", step.value & 7), "asked for",
          "ioprio_set(2)"};
}
Words of(const stage::SetPersonality& step, const StagePlan&) {
  return {cat("set the personality to ", step.value == 8 ? "LINUX32" : "LINUX"), "asked for", "personality(2)"};
}
Words of(const stage::SetMemoryPolicy& step, const StagePlan&) {
  return {cat("set memory policy ", step.mode & 0xff), "asked for: where its pages may lie", "set_mempolicy(2)"};
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
          "either may be the one who is allowed", "fchdir(2)"};
}
Words of(const stage::SetCapabilities& step, const StagePlan&) {
  std::string why = "an inheritable one passes through any file that has it: CVE-2022-24769";
  if (step.only_root) why = "a user other than root has none; inheritable and ambient are empty: CVE-2022-24769";
  return {cat("set the five capability sets", step.for_filter ? ", SYS_ADMIN still permitted for the filter" : ""), why,
          "capset(2)"};
}
Words of(const stage::DieWithParent&, const StagePlan&) {
  return {"die when convox dies", "a container without its supervisor is an orphan", "prctl(2)"};
}
Words of(const stage::FindCommand&, const StagePlan& plan) {
  return {cat("find ", plan.argv.empty() ? std::string("the command") : plan.argv[0], " along PATH"),
          "as the user, who may see less than root", "environ(7)"};
}
Words of(const stage::Verify& step, const StagePlan&) {
  return {cat("verify ", step.mounts != stage::Verify::Mounts::kUnknown ? "mounts, " : "",
              "ids, capabilities, limits, descriptors, directory and signals"),
          "what is, against what was planned: a difference ends the launch", "openat(2)"};
}
Words of(const stage::CloseOnExec& step, const StagePlan&) {
  const std::string others =
      step.preserved > 0 ? cat("descriptor from ", 3 + step.preserved, " on") : "other descriptor";
  return {cat("mark every ", others, " close-on-exec"), "an open host directory would be a way out: CVE-2024-21626",
          "close_range(2)"};
}
Words of(const stage::LoadFilter& step, const StagePlan&) {
  return {cat("load the seccomp filter", step.as_admin ? " and give up SYS_ADMIN" : "",
              step.listens ? ", and send us its listener" : ""),
          "as late as it can be, so that it need not allow the calls above", "seccomp(2)"};
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
  std::uint32_t detail;
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
  Error operator()(const stage::RunHook& step) const {
    const std::string hook(plan.view(step.path));
    const int status = static_cast<int>(detail);
    std::string how = describe(error);
    if (error.value == ETIMEDOUT) how = cat("it did not end within ", step.timeout, " s");
    if (error.value == EREMOTEIO)
      how = WIFSIGNALED(status) ? cat("killed by signal ", WTERMSIG(status)) : cat("exit status ", WEXITSTATUS(status));
    return Error{Error::Kind::kSystem, error.value, cat("hook ", hook, ": ", how), {}};
  }
  Error operator()(const stage::Verify&) const {
    const auto difference = static_cast<stage::Difference>(detail);
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

Words words(const stage::Step& step, const StagePlan& plan) {
  return std::visit([&](const auto& deed) { return of(deed, plan); }, step);
}

Error explain_failure(const stage::Step& step, const StagePlan& plan, Errno error, std::uint32_t detail,
                      bool new_user_namespace) {
  return std::visit(Explain{plan, error, detail, new_user_namespace}, step);
}

}  // namespace convox::runtime
