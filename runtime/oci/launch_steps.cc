// How are the host side's small steps done: state, groups, the child, id maps, messages?
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "cgroups/device_filter.h"
#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/oci/check.h"
#include "runtime/oci/hooks.h"
#include "runtime/oci/id_maps.h"
#include "runtime/oci/launching.h"
#include "runtime/oci/net_devices.h"
#include "runtime/oci/outlets.h"
#include "runtime/oci/resctrl.h"
#include "runtime/oci/stage_plan.h"
#include "runtime/unix_socket.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr const char* kGate = "gate";

bool is_forbidden(const Error& error) { return error.code == EACCES || error.code == EPERM || error.code == EROFS; }

// Two descriptors or paths of one namespace show one inode.
Result<bool> is_ours(int dir, const std::string& path, Kind kind) {
  struct stat theirs {
  }, ours{};
  TRY(check(sys::newfstatat(dir, path.c_str(), &theirs, path.empty() ? AT_EMPTY_PATH : 0), "stat", path));
  const std::string own = cat("/proc/self/ns/", file_of(kind));
  TRY(check(sys::newfstatat(AT_FDCWD, own.c_str(), &ours, 0), "stat", own));
  return theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

Result<UniqueFd> open_namespace(const Namespace& one) {
  UniqueFd fd = TRY(fs::open(one.path, O_RDONLY), "the ", type_of(one.kind), " namespace");
  const long kind = TRY(check(sys::ioctl(fd.get(), NS_GET_NSTYPE, 0L), "ioctl", one.path));
  if (static_cast<std::uint64_t>(kind) != flag_of(one.kind))
    return invalid(cat(one.path, " is no ", type_of(one.kind), " namespace"));
  return fd;
}

// A namespace that is named and still ours: what a configuration changes in it, it would change for us.
Result<> check_shared(Kind kind, const Config& config) {
  for (const auto& [key, value] : config.sysctl)
    if (kind_of_sysctl(key) == kind)
      return invalid(cat("linux.sysctl.", key, ": the ", type_of(kind), " namespace is the host's"));
  return ok();
}

Result<UniqueFd> process_directory(int pid) { return fs::open(cat("/proc/", pid), O_PATH | O_DIRECTORY); }

Result<> run_on(int pid, const std::string& processors) {
  std::string mask = TRY(bit_mask(processors));
  if (mask.empty()) mask.assign(1024, '\xff');
  TRY(check(sys::sched_setaffinity(pid, mask.size(), mask.data()), "sched_setaffinity", processors));
  return ok();
}

}  // namespace

Result<> Launch::perform(const WriteState&) { return around_.states->write(*around_.claim, state_); }

Result<> Launch::perform(const MakeCgroup& step) {
  if (step.driver == CgroupDriver::kSystemd) return make_scope(step);
  auto made = cgroups::Cgroup::create(around_.hierarchy, step.path,
                                      {.needed = step.controllers, .useful = cgroups::counting(), .may_exist = true});
  if (!made && step.may_lack && is_forbidden(made.error())) {
    state_.cgroup.clear();
    return ok();
  }
  cgroup_ = TRY(std::move(made));
  state_.cgroup = step.path;
  state_.made_cgroup = true;
  TRY(around_.states->write(*around_.claim, state_));  // before anybody is in it, whom `delete` may then kill
  return cgroup_->write(step.settings, around_.hierarchy);
}

// The record names the scope once it is ours: until then, if we die, its helper dies too, and a scope with nobody in it
// ends by itself. A scope of that name that was there before is somebody else's, and no record of ours may name it.
// The files are written as well: systemd has no properties for some, and rounds others.
Result<> Launch::make_scope(const MakeCgroup& step) {
  const bool contained = !runtime::in_initial_user_namespace();
  scope_ = TRY(start_scope({.path = step.path,
                            .id = plan_.wishes.id,
                            .settings = step.settings,
                            .devices = cgroups::with_default_devices(plan_.config.resources.devices),
                            .annotations = plan_.config.annotations,
                            .user = ::geteuid() != 0 || contained},
                           around_.hierarchy));
  state_.scope = scope_->unit();
  state_.cgroup = scope_->group();
  state_.made_cgroup = true;
  TRY(around_.states->write(*around_.claim, state_));
  cgroup_ = TRY(cgroups::Cgroup::create(
      around_.hierarchy, state_.cgroup,
      {.needed = step.controllers, .useful = cgroups::counting(), .may_exist = true, .may_be_occupied = true}));
  return cgroup_->write(step.settings, around_.hierarchy);
}

Result<> Launch::perform(const FilterDevices& step) {
  if (!cgroup_) return ok();
  return cgroups::filter_devices(*cgroup_, step.rules, !runtime::in_initial_user_namespace());
}

// Below a directory that is ours alone (0700), so nobody inside can reach it by a path.
Result<> Launch::perform(const MakeGate&) {
  gate_ = TRY(runtime::bind_at(around_.claim->directory.get(), kGate, SOCK_SEQPACKET));
  TRY(check(sys::listen(gate_.get(), 1), "listen", kGate));
  return ok();
}

Result<> Launch::perform(const CloneChild& step) {
  runtime::Birth birth;
  birth.kinds = step.namespaces;
  for (const Namespace& one : step.joined) {
    UniqueFd fd = TRY(open_namespace(one));
    const bool ours = TRY(is_ours(fd.get(), "", one.kind));
    if (ours) TRY(check_shared(one.kind, plan_.config));
    if (one.kind == Kind::kUser && ours) continue;  // setns(2): EINVAL
    birth.joined.push_back({fd.get(), flag_of(one.kind)});
    joined_.push_back(std::move(fd));
  }
  TRY(child_.clone(birth, cgroup_ ? &*cgroup_ : nullptr));
  if (step.awaits_maps && !birth.has_user_namespace()) return invalid("its user namespace is our own");
  if (own_user_namespace() && !plan_.config.is_new(Kind::kUser)) TRY(open_user_namespace());
  joined_.clear();
  return ok();
}

// Where the container's first process is; a group below the container's if one was asked for.
Result<> Launch::perform(const CloneInto& step) {
  const auto where_it_is = [&]() -> Result<std::optional<cgroups::Cgroup>> {
    std::optional<cgroups::Cgroup> none;
    if (state_.cgroup.empty() && step.cgroup.empty()) return none;
    const std::string path = TRY(cgroups::group_of_process(around_.hierarchy, cat(state_.pid)));
    cgroups::Cgroup group = TRY(cgroups::Cgroup::open(around_.hierarchy, path.empty() ? "." : path));
    return std::optional<cgroups::Cgroup>(std::move(group));
  };
  if (step.cgroup.empty())
    cgroup_ = TRY(where_it_is());
  else
    cgroup_ = TRY(cgroups::Cgroup::open(around_.hierarchy, cat(state_.cgroup, "/", step.cgroup)));
  if (!step.processors.empty()) TRY(run_on(0, step.processors), "process.execCPUAffinity.initial");

  runtime::Birth birth;
  birth.kinds = step.namespaces;
  birth.join = around_.process->get();
  if (birth.kinds & CLONE_NEWUSER) {
    const UniqueFd process = TRY(process_directory(state_.pid));
    const bool ours = TRY(is_ours(process.get(), "ns/user", Kind::kUser));
    if (ours) birth.kinds &= ~std::uint64_t{CLONE_NEWUSER};
  }
  Result<> cloned = child_.clone(birth, cgroup_ ? &*cgroup_ : nullptr);
  // A group with controllers for those below it takes no processes.  cgroups(7), "no internal processes"
  if (!cloned && cloned.error().code == EBUSY && !step.cgroup.empty()) {
    cgroup_ = TRY(where_it_is());
    cloned = child_.clone(birth, cgroup_ ? &*cgroup_ : nullptr);
  }
  return cloned;
}

Result<> Launch::open_user_namespace() {
  const UniqueFd process = TRY(process_directory(child_.pid()));
  user_namespace_ =
      UniqueFd(TRY(check(sys::openat(process.get(), "ns/user", O_RDONLY | O_CLOEXEC), "open", "ns/user")));
  root_uid_ = TRY(root_of_map(process.get(), "uid_map"));
  root_gid_ = TRY(root_of_map(process.get(), "gid_map"));
  return ok();
}

Result<> Launch::perform(const WriteIdMaps& step) {
  TRY(write_id_maps(child_.pid(), step.uids, step.gids));
  return open_user_namespace();
}

Result<> Launch::perform(const SetOomScore& step) {
  const UniqueFd process = TRY(process_directory(child_.pid()));
  const std::string value = cat(step.value);
  Result<> written = fs::write_once(process.get(), "oom_score_adj", value);
  if (written || !is_forbidden(written.error())) return written;
  const std::string now = TRY(fs::read_once(process.get(), "oom_score_adj"));
  return step.may_fail || now == cat(value, "\n") ? ok() : std::move(written);
}

Result<> Launch::perform(const SetAffinity& step) { return run_on(child_.pid(), step.processors); }

Result<> Launch::perform(const LimitMemory& step) {
  if (!cgroup_) return ok();
  TRY(end_scope_helper({step.setting}));
  return cgroup_->write(step.setting, around_.hierarchy);
}

Result<> Launch::perform(const DelegateCgroup&) {
  if (!cgroup_) return ok();
  return cgroup_->delegate(root_uid_);
}

Result<> Launch::perform(const JoinResctrl& step) {
  const UniqueFd resctrl = TRY(open_resctrl());
  state_.resctrl = TRY(resctrl_to_make(resctrl.get(), step.rdt, state_.id));
  TRY(around_.states->write(*around_.claim, state_));  // whoever finds it can remove it
  return join_resctrl(resctrl.get(), step.rdt, state_.id, child_.pid());
}

// The child waits for its mounts, in its network namespace already; a hook finds the devices there.
Result<> Launch::perform(const MoveNetDevices& step) {
  return move_net_devices(step.devices, cat("/proc/", child_.pid(), "/ns/net"));
}

// The child is in the scope and has memory of its own, so nobody need stand in for it.
Result<> Launch::end_scope_helper(const std::vector<cgroups::FileValue>& rest) {
  if (!scope_) return ok();
  Result<> done = scope_->finish(rest);
  scope_.reset();
  return done;
}

Result<> Launch::perform(const StateCreated&) {
  TRY(end_scope_helper({}));
  state_.pid = child_.pid();
  state_.start_time = TRY(start_time_of(state_.pid));
  state_.started = !plan_.wishes.gate;
  return around_.states->write(*around_.claim, state_);
}

// In its innermost PID namespace.  proc_pid_status(5), NSpid
Result<int> Launch::inner_pid() const {
  const std::string status = TRY(fs::read_once(AT_FDCWD, cat("/proc/", child_.pid(), "/status")));
  for (std::string_view rest = status; !rest.empty();) {
    const std::string_view line = cut(rest, '\n');
    if (line.starts_with("NSpid:"))
      if (const auto pid = number(line.substr(line.rfind('\t') + 1))) return static_cast<int>(*pid);
  }
  return child_.pid();
}

Result<> Launch::perform(const HandOver&) {
  const auto add_hooks = [this](const std::vector<Hook>& hooks, Status status, int pid) -> Result<UniqueFd> {
    if (hooks.empty()) return UniqueFd();
    State seen = state_;
    seen.pid = pid;
    slots_.push_back(TRY(state_file(state_json(seen, status))));
    UniqueFd output(TRY(check(sys::memfd_create("hook-output", MFD_CLOEXEC), "memfd_create", "")));
    slots_.emplace_back(TRY(check(sys::fcntl(output.get(), F_DUPFD_CLOEXEC, 0), "fcntl", "")));
    return output;
  };
  const Config& config = plan_.config;
  if (config.has_own(Kind::kTime) && !config.is_new(Kind::kTime))
    slots_.push_back(TRY(open_namespace(*config.find(Kind::kTime))));
  create_output_ = TRY(add_hooks(config.hooks.create_container, Status::kCreating, child_.pid()));
  if (!config.hooks.start_container.empty()) {
    const int pid = TRY(inner_pid());
    TRY(add_hooks(config.hooks.start_container, Status::kCreated, pid));
  }
  if (gate_) slots_.push_back(std::move(gate_));
  TRY(child_.hand_over(slots_));
  slots_.clear();
  return ok();
}

Result<> Launch::perform(const RunHooks& step) {
  const std::string_view kind = step.created ? "prestart" : "createRuntime";
  const std::string text = state_json(state_, step.created ? Status::kCreated : Status::kCreating);
  return run_hooks(step.hooks, kind, text, state_.bundle);
}

Result<> Launch::settle_console() {
  UniqueFd& console = child_.console();
  if (!console || around_.outlets.console_socket.empty()) return ok();
  TRY(check(sys::fcntl(console.get(), F_SETFL, 0), "fcntl", "the terminal"));  // only our own relay never waits
  TRY(send_console(around_.outlets.console_socket, console));
  console.reset();
  return ok();
}

Result<> Launch::perform(const AwaitCreated&) {
  TRY(child_.await_created());
  return settle_console();
}

Result<> Launch::perform(const AwaitPayload&) {
  TRY(child_.await_payload());
  return settle_console();
}

Result<> Launch::perform(const WritePidFile&) {
  const Outlets& outlets = around_.outlets;
  if (!outlets.pidfd_socket.empty()) {
    const UniqueFd pidfd(TRY(check(sys::pidfd_open(child_.pid(), 0), "pidfd_open", "")));
    TRY(send_pidfd(outlets.pidfd_socket, pidfd));
  }
  return outlets.pid_file.empty() ? ok() : write_pid_file(outlets.pid_file, child_.pid());
}

}  // namespace convox::oci
