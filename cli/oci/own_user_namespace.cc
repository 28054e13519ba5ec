#include "cli/oci/own_user_namespace.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "cli/oci/log.h"
#include "cli/oci/programs.h"
#include "runtime/base/fs.h"
#include "runtime/base/process.h"
#include "runtime/clone.h"
#include "runtime/oci/id_maps.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr int kMappingSeconds = 10;  // newuidmap asks the user database, which may be a directory service
constexpr int kMostSeconds = 30;     // both, and then some

Result<bool> may_mount() {
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2]{};
  TRY(check(sys::capget(&head, sets), "capget", ""));
  return (sets[0].effective & (1U << CAP_SYS_ADMIN)) != 0;
}

bool maps_only(const std::vector<IdMapping>& mappings, unsigned id) {
  return mappings.size() == 1 && mappings[0].host == id && mappings[0].size == 1;
}

Result<> check_root(const std::vector<IdMapping>& mappings, unsigned id, std::string_view kind) {
  for (const IdMapping& one : mappings)
    if (one.container == 0 && one.size > 0 && one.host == id) return ok();
  return invalid(
      cat("linux.", kind, "Mappings must map id 0 to ", id, ", the caller's own: an ordinary user makes it"));
}

// newuidmap(1): PROGRAM PID INSIDE OUTSIDE COUNT...
Result<> map(std::string_view name, int pid, const std::vector<IdMapping>& mappings) {
  auto path = find_program(name);
  if (!path)
    return Error(path.error()).advise("it is in Debian's package uidmap; without it only one's own id can be mapped");
  Program program{*path, {std::string(name), cat(pid)}, {}, kMappingSeconds};
  for (const IdMapping& one : mappings)
    for (const std::uint32_t number : {one.container, one.host, one.size}) program.arguments.push_back(cat(number));
  Finished finished = TRY(run_program(program), name);
  if (finished.status == 0) return ok();
  while (finished.errors.ends_with('\n')) finished.errors.pop_back();
  return invalid(cat(name, ": ", finished.errors));
}

struct Pipe {
  UniqueFd read, write;
};
Result<Pipe> make_pipe() {
  int ends[2];
  TRY(check(sys::pipe2(ends, O_CLOEXEC), "pipe2", ""));
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// A process that stays where we are now, which is where the two programs must run from: inside, they have no more
// rights than we. It does its work at the word of its parent, and says what went wrong, or nothing.
class Mapper {
 public:
  static Result<Mapper> start(const Config& config) {
    const int self = static_cast<int>(sys::getpid());
    Mapper mapper;
    Pipe word = TRY(make_pipe()), answer = TRY(make_pipe());
    int pidfd = -1;
    clone_args args{};
    args.flags = CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    const long pid = TRY(check(sys::clone3(&args, sizeof args), "clone3", "a process that maps ids"));
    if (pid == 0) {
      runtime::die_with_parent();
      word.write.reset();
      char go = 0;
      if (sys::read(word.read.get(), &go, 1) == 1) {
        Result<> mapped = map("newuidmap", self, config.uid_mappings);
        if (mapped) mapped = map("newgidmap", self, config.gid_mappings);
        const std::string said = mapped ? "+" : words_of(mapped.error());
        (void)fs::write_all(answer.write.get(), said, "the answer");
      }
      sys::exit_group(0);
    }
    mapper.process_ = UniqueFd(pidfd);
    mapper.word_ = std::move(word.write);
    mapper.answer_ = std::move(answer.read);
    return mapper;
  }

  Result<> perform() {
    TRY(fs::write_all(word_.get(), "+", "the word"));
    pollfd end{process_.get(), POLLIN, 0};
    timespec left{kMostSeconds, 0};
    long ready = 0;
    do ready = sys::ppoll(&end, 1, &left);
    while (ready == -EINTR);
    TRY(check(ready, "ppoll", ""));
    if (ready == 0) sys::pidfd_send_signal(process_.get(), SIGKILL);
    runtime::reap(process_);
    const std::string said = TRY(fs::read_all(answer_.get(), "the answer", 1 << 16));
    if (said == "+") return ok();
    return invalid(said.empty() ? std::string("the process that maps ids did not say that it did") : said);
  }

 private:
  UniqueFd process_, word_, answer_;
};

Result<> leave(int kinds) {
  const long done = sys::unshare(kinds);
  if (done == -EPERM || done == -ENOSPC)
    return os_error("unshare", "a user namespace", Errno(done))
        .advise(
            "an ordinary user needs one; see user.max_user_namespaces, and what this host's security module forbids");
  TRY(check(done, "unshare", ""));
  return ok();
}

Result<> make_own(const Config& config) {
  const unsigned uid = ::geteuid(), gid = ::getegid();
  TRY(check_root(config.uid_mappings, uid, "uid"));
  TRY(check_root(config.gid_mappings, gid, "gid"));
  if (maps_only(config.uid_mappings, uid) && maps_only(config.gid_mappings, gid)) {
    TRY(leave(CLONE_NEWUSER | CLONE_NEWNS));
    return write_id_maps(static_cast<int>(sys::getpid()), config.uid_mappings, config.gid_mappings);
  }
  Mapper mapper = TRY(Mapper::start(config));
  TRY(leave(CLONE_NEWUSER | CLONE_NEWNS));
  return mapper.perform();
}

Result<> join(const std::string& path) {
  const UniqueFd file = TRY(fs::open(path, O_RDONLY), "the user namespace");
  TRY(check(sys::setns(file.get(), CLONE_NEWUSER), "setns", path));
  return leave(CLONE_NEWNS);
}

}  // namespace

Result<bool> enter_own_user_namespace(const Config& config) {
  const bool able = TRY(may_mount());
  const Namespace* user = config.find(Kind::kUser);
  if (able || !user) return false;
  TRY(user->path.empty() ? make_own(config) : join(user->path));
  return true;
}

void inherit_user_namespace(Config& config) {
  std::erase_if(config.namespaces, [](const Namespace& one) { return one.kind == Kind::kUser; });
}

// The owner of a user namespace has all rights in it from outside, so setns(2) lets it in; and those rights are what
// the other namespaces, which belong to that one, ask for.
Result<bool> enter_user_namespace_of(const State& state, const UniqueFd& process) {
  const bool able = TRY(may_mount());
  if (able || !state.user_namespace) return false;
  TRY(check(sys::setns(process.get(), CLONE_NEWUSER), "setns", "the container's user namespace"));
  return true;
}

}  // namespace convox::oci
