// How are the host side's small steps done: records, groups, pipes, sealed programs, id maps, messages?
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>

#include "runtime/base/fs.h"
#include "runtime/base/lock.h"
#include "runtime/ending.h"
#include "runtime/launch.h"
#include "runtime/sealed.h"
#include "runtime/stage_image.h"

namespace convox::runtime {
// As low as we may go: lowering it takes CAP_SYS_RESOURCE, and without that we are as likely a victim as before. The
// payload gets its own score in ResetScheduling.
Result<> Launch::perform(const ProtectSupervisor&) {
  Result<> written = fs::write_once(AT_FDCWD, "/proc/self/oom_score_adj", "-999");
  return !written && written.error().code == EACCES ? ok() : std::move(written);
}

Result<> Launch::perform(const WriteRecord&) {
  TRY(containers_.write(claim_, plan_.config));
  return containers_.write(claim_, record_);
}

Result<> Launch::perform(const LeaseIds&) {
  first_id_ = TRY(containers_.lease_ids(claim_));
  return ok();
}

Result<> Launch::perform(const MakeStorage&) {
  const UniqueFd all = TRY(containers_.store().containers());
  storage_ = TRY(fs::make_and_open_directory(all.get(), claim_.id, 0700));
  TRY(lock(storage_.get(), LockKind::kExclusive, "the container's storage"));  // gc may look at it just now
  // What is started again goes on with the files that it had.
  const bool again = record_.restarts > 0;
  const auto make = [&](const char* name, unsigned mode) {
    const long made = sys::mkdirat(storage_.get(), name, mode);
    return check(again && made == -EEXIST ? 0 : made, "mkdir", name);
  };
  TRY(make("upper", 0755));
  TRY(make("work", 0700));
  if (record_.detached) TRY(prepare_exit(storage_.get()));
  if (record_.keep) TRY(containers_.keep_storage(claim_.id, record_));  // a reboot takes the other record away
  return ok();
}

Result<> Launch::perform(const MakeCgroup& step) {
  cgroup_ = TRY(cgroups::Cgroup::create(hierarchy_, step.path, step.controllers));
  for (const cgroups::Setting& setting : step.settings) TRY(cgroup_->set(setting));
  return ok();
}

// The payload never gets a descriptor of the user's: through a terminal of ours it could type into our shell, and a
// shared file offset or O_NONBLOCK would be the user's too. It gets pipes, or a terminal of its own that the stage
// opens.
Result<> Launch::perform(const OpenStdio& step) {
  if (step.terminal) {
    for (UniqueFd& end : child_stdio_) end = TRY(fs::open("/dev/null", O_RDWR));
    return ok();
  }
  UniqueFd* ours[3] = {&running_.input, &running_.output, &running_.error_output};
  for (int i = 0; i < 3; ++i) {
    int ends[2] = {-1, -1};
    TRY(check(sys::pipe2(ends, O_CLOEXEC), "pipe2", ""));
    const int child_end = i == 0 ? 0 : 1;  // it reads the first and writes the others
    child_stdio_[i] = UniqueFd(ends[child_end]);
    *ours[i] = UniqueFd(ends[1 - child_end]);
    TRY(check(sys::fchown(ends[0], root_id(), root_id()), "fchown", "a pipe"));  // or nobody inside could pass it on
    // The supervisor never waits for one stream alone. Whoever has the other end does not see this.
    TRY(check(sys::fcntl(ours[i]->get(), F_SETFL, O_NONBLOCK), "fcntl", "a pipe"));
  }
  return ok();
}

Result<> Launch::perform(const SealPrograms& step) {
  const bool newer = step.executable_flag;
  stage_ = TRY(sealed("convox-stage", stage_image(), true, newer));
  stage_plan_ =
      TRY(sealed("convox-plan", plan_.stage.bytes(static_cast<std::uint32_t>(plan_.first_of_stage())), false, newer));
  return ok();
}

Result<> Launch::perform(const CloneChild& step) {
  int ends[2] = {-1, -1};
  TRY(check(sys::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair", ""));
  socket_ = UniqueFd(ends[0]);
  child_socket_ = UniqueFd(ends[1]);
  ChildStart start;
  start.socket = child_socket_.get();
  start.stage = stage_.get();
  start.plan = stage_plan_.get();
  for (int i = 0; i < 3; ++i) start.stdio[i] = child_stdio_[i].get();
  start.mapped = step.namespaces.user;
  start.step = static_cast<std::uint32_t>(plan_.before.size());
  child_ = TRY(memory_.clone(step.namespaces, cgroup_->fd(), start));
  // Ours of the child's ends are closed at once: only then is the end of the child the end of file. Its own copies of
  // the table are its own, for CLONE_FILES was not asked for.
  child_socket_.reset();
  for (UniqueFd& end : child_stdio_) end.reset();
  return ok();
}

// Root inside is nobody outside: ids 0 to 65535 are 65,536 host ids that belong to no account.  user_namespaces(7)
Result<> Launch::perform(const WriteIdMaps&) {
  const UniqueFd process = TRY(fs::open(cat("/proc/", child_.pid), O_PATH | O_DIRECTORY));
  const std::string map = cat("0 ", root_id(), " ", kIdsEach);
  TRY(fs::write_once(process.get(), "uid_map", map));
  TRY(fs::write_once(process.get(), "gid_map", map));
  const long fd = sys::openat(process.get(), "ns/user", O_RDONLY | O_CLOEXEC);
  user_namespace_ = UniqueFd(TRY(check(fd, "open", "ns/user")));
  return ok();
}

Result<> Launch::perform(const LetStageBegin&) {
  const char go = 1;
  TRY(check(sys::write(socket_.get(), &go, 1), "write", "to the child"));
  return ok();
}

// A nice or pinned caller must not shape the payload.
Result<> Launch::perform(const ResetScheduling&) {
  constexpr int kProcess = 1;  // IOPRIO_WHO_PROCESS
  const int pid = child_.pid;
  const sched_param plain{};
  unsigned char every_cpu[1024];
  std::memset(every_cpu, 0xff, sizeof every_cpu);
  TRY(check(sys::sched_setscheduler(pid, SCHED_OTHER, &plain), "sched_setscheduler", ""));
  TRY(check(sys::setpriority(PRIO_PROCESS, pid, 0), "setpriority", "0"));
  TRY(check(sys::ioprio_set(kProcess, pid, 0), "ioprio_set", ""));
  TRY(check(sys::sched_setaffinity(pid, sizeof every_cpu, every_cpu), "sched_setaffinity", ""));
  const UniqueFd process = TRY(fs::open(cat("/proc/", pid), O_PATH | O_DIRECTORY));
  const std::string score = TRY(fs::read(process.get(), "oom_score_adj", 16));
  if (score == "0\n") return ok();
  Result<> written = fs::write_once(process.get(), "oom_score_adj", "0");
  // Lowering it needs CAP_SYS_RESOURCE; a payload that stays easier to kill endangers nobody.
  if (!written && written.error().code == EACCES && score[0] != '-') return ok();
  return written;
}

Result<> Launch::perform(const LimitMemory& step) { return cgroup_->set(step.setting); }

Result<> Launch::perform(const HandOver&) {
  int fds[stage::kMaxSlots];
  const std::size_t count = mounts_.size();
  if (count > stage::kMaxSlots) return invalid("more mounts than one packet carries");
  for (std::size_t i = 0; i < count; ++i) fds[i] = mounts_[i].get();
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  cmsghdr* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(count * sizeof(int));
  std::memcpy(CMSG_DATA(part), fds, count * sizeof(int));
  TRY(check(sys::sendmsg(socket_.get(), &message, MSG_NOSIGNAL), "sendmsg", "to the stage"));
  mounts_.clear();
  return ok();
}

}  // namespace convox::runtime
