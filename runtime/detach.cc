#include "runtime/detach.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <optional>

#include "runtime/base/fs.h"
#include "runtime/ending.h"
#include "runtime/keeper_image.h"
#include "runtime/keeper_plan.h"
#include "runtime/launch.h"
#include "runtime/log_store.h"
#include "runtime/sealed.h"
#include "runtime/security/seccomp.h"
#include "runtime/signals.h"

namespace convox::runtime {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kKeepers = "convox/@keepers";
constexpr auto kLongestStart = 90s;  // a launch has a deadline of its own, and says more
constexpr auto kLongestUndo = 15s;   // after a signal that interrupts it
constexpr std::uint32_t kSegments = 10;
constexpr int kFailedStart = 125;

std::int64_t seconds_now() {
  timespec time{};
  sys::clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec;
}

// --- what a launcher says: one byte, by the keeper that it became; or its error

struct Failure {
  Error::Kind kind;
  int code;
};

void send_failure(int socket, const Error& error) {
  const Failure failure{error.kind, error.code};
  std::string packet(reinterpret_cast<const char*>(&failure), sizeof failure);
  packet.append(error.text).append(1, '\0').append(error.advice);
  sys::write(socket, packet.data(), packet.size());
}

Error received_failure(std::string_view packet) {
  Failure failure{};
  if (packet.size() <= sizeof failure) return invalid("the launcher sent a packet of the wrong size");
  std::memcpy(&failure, packet.data(), sizeof failure);
  packet.remove_prefix(sizeof failure);
  const std::size_t end = packet.find('\0');
  return Error{failure.kind, failure.code, std::string(packet.substr(0, end)),
               end == packet.npos ? std::string() : std::string(packet.substr(end + 1))};
}

// Until the payload runs (the keeper's byte), or the launcher says why not, or ends without a word.
Result<Child> await_start(Child child, const UniqueFd& socket, int signals) {
  auto deadline = Clock::now() + kLongestStart;
  for (;;) {
    pollfd fds[2] = {{socket.get(), POLLIN, 0}, {signals, POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    timespec timeout{left.count() / 1000, left.count() % 1000 * 1'000'000};
    const long ready = left > 0ms ? sys::ppoll(fds, 2, &timeout) : 0;
    if (ready == -EINTR) continue;
    if (ready == 0) {
      sys::pidfd_send_signal(child.pidfd.get(), SIGKILL);
      reap(child.pidfd);
      return Error{Error::Kind::kSystem, ETIMEDOUT, "the launcher has not started it in time", {}};
    }
    TRY(check(ready, "ppoll", ""));
    // Passed on: the launcher undoes what it did and says by which signal it was interrupted.
    if (fds[1].revents)
      if (const int signal = next_signal(signals); asks_to_end(signal)) {
        sys::pidfd_send_signal(child.pidfd.get(), signal);
        deadline = std::min(deadline, Clock::now() + kLongestUndo);
      }
    if (!fds[0].revents) continue;
    char packet[8192];
    const long got = sys::read(socket.get(), packet, sizeof packet);
    if (got == -EINTR || got == -EAGAIN) continue;
    if (got == 1) return child;
    reap(child.pidfd);
    if (got <= 0) return Error{Error::Kind::kSystem, ECHILD, "the keeper ended before the command ran", {}};
    return received_failure({packet, static_cast<std::size_t>(got)});
  }
}

// --- the process that is forked

// A daemon's beginnings: no terminal, no input, nobody's job. Until the keeper is ready it ends with the one who waits
// for it: a signal that the launch answers by undoing all.
Result<> leave(int parent) {
  TRY(check(sys::setsid(), "setsid", ""));
  // The caller's limits are about its own session: one of processor time would one day kill the keeper, one of file
  // size end its log.  getrlimit(2)
  for (const int resource : {RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_DATA}) {
    rlimit64 limit{RLIM64_INFINITY, RLIM64_INFINITY};
    if (sys::prlimit64(0, resource, &limit, nullptr) == 0) continue;
    TRY(check(sys::prlimit64(0, resource, nullptr, &limit), "prlimit", ""));  // not ours to raise: as far as it goes
    limit.rlim_cur = limit.rlim_max;
    TRY(check(sys::prlimit64(0, resource, &limit, nullptr), "prlimit", ""));
  }
  TRY(check(sys::prctl(PR_SET_PDEATHSIG, SIGTERM), "prctl", "PR_SET_PDEATHSIG"));
  if (sys::getppid() != parent) return invalid("whoever started it is gone");
  const UniqueFd null = TRY(fs::open("/dev/null", O_RDWR));
  for (int fd = 0; fd < 3; ++fd) TRY(check(sys::dup3(null.get(), fd, 0), "dup3", "/dev/null"));
  TRY(check(sys::chdir("/"), "chdir", "/"));
  return ok();
}

Result<> stay_open(int fd) {
  if (fd >= 0) TRY(check(sys::fcntl(fd, F_SETFD, 0), "fcntl", "F_SETFD"));
  return ok();
}

// Replaces this process by the small program. Returns only on failure.
Error execute_keeper(const std::string& block, const Host& host, const char* name) {
  const auto perform = [&]() -> Result<> {
    const bool newer = host.executable_memfd_flag();
    const UniqueFd program = TRY(sealed("convox-keeper", keeper_image(), true, newer));
    const UniqueFd plan = TRY(sealed("convox-keeper-plan", block, false, newer));
    TRY(stay_open(plan.get()));
    std::string number = cat(plan.get());
    std::string title = name;
    char* argv[] = {title.data(), number.data(), nullptr};
    char* envp[] = {nullptr, nullptr};
#ifdef CONVOX_FAULTS
    envp[0] = faults::environment();
#endif
    TRY(check(sys::execveat(program.get(), "", argv, envp, AT_EMPTY_PATH), "execveat", "the keeper"));
    return ok();
  };
  Result<> failed = perform();
  return std::move(failed).error();
}

// The rest of the keeper's life, as descriptors and numbers.
Result<> become_keeper(const Detached& what, Running running, LogTail tail, UniqueFd logs, int ready) {
  const UniqueFd storage = TRY(what.containers.storage(what.claim.id));
  const UniqueFd exit = TRY(fs::open_beneath(storage.get(), "exit", O_WRONLY));
  const UniqueFd status = TRY(fs::open(cat("/proc/", running.pid, "/status"), O_RDONLY));
  const UniqueFd kill = TRY(fs::open_beneath(running.cgroup->fd(), "cgroup.kill", O_WRONLY));
  // Without the memory controller there are no such files.
  auto events = fs::open_beneath(running.cgroup->fd(), "memory.events", O_RDONLY);
  auto max = fs::open_beneath(running.cgroup->fd(), "memory.max", O_RDONLY);
  for (const auto* file : {&events, &max})
    if (!*file && file->error().code != ENOENT) return file->error();

  keeper::Plan plan;
  plan.mode = keeper::Mode::kKeep;
  keeper::Keep& keep = plan.keep;
  keep.payload = running.pidfd.get();
  keep.payload_pid = running.pid;
  keep.status = status.get();
  keep.output = running.output.get();
  keep.error_output = running.error_output.get();
  keep.console = running.console.get();
  keep.cgroup_kill = kill.get();
  keep.memory_events = events ? events->get() : -1;
  keep.memory_max = max ? max->get() : -1;
  keep.claim = what.claim.directory.get();
  keep.exit = exit.get();
  keep.logs = logs.get();
  keep.ready = ready;
  go_on(keep, tail);
  keep.most_segments = kSegments;
  keep.stop_signal = static_cast<std::uint32_t>(what.record.stop_signal);
  keep.segment_size = static_cast<std::uint64_t>(what.record.log_size) / kSegments;
  keep.timeout = what.record.timeout;
  keep.grace = std::int64_t{what.record.grace} * 1'000'000'000;
  for (const int fd : {keep.payload, keep.status, keep.output, keep.error_output, keep.console, keep.cgroup_kill,
                       keep.memory_events, keep.memory_max, keep.claim, keep.exit, keep.logs, keep.segment, keep.ready})
    TRY(stay_open(fd));
  return execute_keeper(print(plan), what.host, "convox:[keeper]");
}

Result<> launch_and_keep(Detached& what, int parent, int ready, int signals) {
  TRY(leave(parent));
  what.record.holder = static_cast<int>(sys::getpid());
  const Record& record = what.record;
  UniqueFd logs =
      TRY(make_log_directory(what.containers.store().path(),
                             {record.id, record.app, record.service, record.release, record.command, record.started}));
  LogTail tail = TRY(open_log_tail(logs.get()));
  std::string filter;
  if (what.config.seccomp) {
    const UniqueFd cache = TRY(what.containers.filter_cache());
    filter = TRY(security::filter_program(what.config.capabilities, cache.get()));
  }
  const LaunchPlan plan = TRY(plan_launch(what.config, what.host, filter));
  Launch launch(plan, what.containers, what.claim, what.host.cgroups, record, signals);
  Running running = TRY(launch.perform());
  running.input.reset();  // nobody will ever type
  TRY(append(tail, log::Kind::kStarted, {}));
  return become_keeper(what, std::move(running), std::move(tail), std::move(logs), ready);
}

// The group that all keepers live in: outside of their containers' groups, which a limit or a kill is about, and
// outside of the session's, which ends with the user's.
Result<cgroups::Cgroup> keepers_group(const cgroups::Hierarchy& hierarchy) {
  auto made = cgroups::Cgroup::create(hierarchy, kKeepers, {});
  if (!made && made.error().code == EEXIST) return cgroups::Cgroup::open(hierarchy, kKeepers);
  return made;
}

// Forks a process in the keepers' group that lives by `deed` and says on its socket how that went. What `deed` returns
// is an error: on success another program runs in its place.
template <class Deed>
Result<Child> fork_and_wait(const Host& host, int signals, Deed deed) {
  const cgroups::Cgroup group = TRY(keepers_group(host.cgroups));
  int ends[2] = {-1, -1};
  TRY(check(sys::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair", ""));
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const int parent = static_cast<int>(sys::getpid());
  Child child = TRY(fork_into(group.fd()));
  if (child.pid == 0) {
#ifdef CONVOX_FAULTS
    faults::become(faults::kLauncher);
#endif
    const Result<> failed = deed(parent, theirs.get());
    send_failure(theirs.get(), failed.error());
    sys::exit_group(1);
  }
  theirs.reset();
  return await_start(std::move(child), ours, signals);
}

Result<Child> start_keeper(Detached& what, int signals) {
  return fork_and_wait(what.host, signals,
                       [&](int parent, int ready) { return launch_and_keep(what, parent, ready, signals); });
}

// --- the minder

// A link, a name and a port of the host are not for the next command to take away: others would go on calling there.
bool needs_minder(const Record& record, const ContainerConfig& config) {
  return record.remove || (!record.restart.empty() && record.restart != "no") || config.network.joined();
}

// Sleeps until `keeper` has ended, or for `delay`, and then is convox again.
Error become_minder(const Detached& what, const UniqueFd* keeper, std::chrono::nanoseconds delay) {
  const auto perform = [&]() -> Result<> {
    const UniqueFd self = TRY(fs::open("/proc/self/exe", O_PATH));
    keeper::Plan plan;
    plan.mode = keeper::Mode::kMind;
    plan.mind.keeper = keeper ? keeper->get() : -1;
    plan.mind.claim = what.claim.directory.get();
    plan.mind.program = self.get();
    plan.mind.delay = delay.count();
    for (const int fd : {plan.mind.keeper, plan.mind.claim, plan.mind.program}) TRY(stay_open(fd));
    const std::vector<std::string> argv = {"convox", kAgain, what.claim.id, cat(plan.mind.claim)};
    const std::vector<std::string> environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                                  cat("CONVOX_ROOT=", what.containers.store().path()),
                                                  cat("CONVOX_RUN=", what.containers.run_path())};
    return execute_keeper(print(plan, argv, environment), what.host, "convox:[minder]");
  };
  Result<> failed = perform();
  return std::move(failed).error();
}

Result<> start_and_mind(Detached& what, int parent, int ready, int signals) {
  TRY(leave(parent));
  what.record.minder = static_cast<int>(sys::getpid());
  const Child keeper = TRY(start_keeper(what, signals));
  const char runs = 1;
  sys::write(ready, &runs, 1);  // if nobody hears it, nobody minds
  sys::prctl(PR_SET_PDEATHSIG, 0);
  return become_minder(what, &keeper.pidfd, 0ns);
}

// Returns only if it could not be started.
Error start_again(Detached& what, int signals) {
  what.record.started = seconds_now();
  what.record.phase = Phase::kCreating;
  Result<Child> keeper = start_keeper(what, signals);
  if (!keeper) return std::move(keeper).error();
  return become_minder(what, &keeper->pidfd, 0ns);
}

// As if it had run and failed: what keeps it from starting may pass, and the policy knows how often to try.
void note_failed_start(Record& record, const Error& error) {
  record.phase = Phase::kStopped;
  record.status = kFailedStart;
  record.signal = 0;
  record.finished = seconds_now();
  record.why = cat("could not be started again: ", error.text);
}

// The back-off, asleep. Returns only on failure.
Result<> wait_for_next(Detached& what, std::chrono::milliseconds delay) {
  Record& record = what.record;
  record.streak = lasted(record) ? 1 : record.streak + 1;
  ++record.restarts;
  record.phase = Phase::kWaiting;
  TRY(what.containers.end_round(what.claim, what.host.cgroups));
  // On a full run directory the old record stays, and says again that it has ended when the pause is over.
  (void)what.containers.write(what.claim, record);
  note_in_log(what.containers.store().path(), record.app, record.id,
              cat("restart ", record.restarts, " in ", delay.count(), " ms"));
  return become_minder(what, nullptr, delay);
}

}  // namespace

Result<Child> start_detached(Detached& what, int signals) {
  if (!needs_minder(what.record, what.config)) return start_keeper(what, signals);
  return fork_and_wait(what.host, signals,
                       [&](int parent, int ready) { return start_and_mind(what, parent, ready, signals); });
}

namespace {

// Returns when it is not to be started again.
Result<> go_on(Detached& what, int signals) {
  Record& record = what.record;
  record.minder = static_cast<int>(sys::getpid());
  if (record.phase != Phase::kWaiting) {
    TRY(what.containers.note_end(record));
  } else if (!what.containers.stop_requested(what.claim)) {
    note_failed_start(record, start_again(what, signals));
    note_in_log(what.containers.store().path(), record.app, record.id, record.why);
  }
  record.phase = Phase::kStopped;
  if (what.containers.stop_requested(what.claim)) return ok();
  const auto delay = restart_after(record);
  return delay ? wait_for_next(what, *delay) : ok();
}

}  // namespace

Result<int> after_end(const Containers& containers, const Host& host, const Claim& claim, int signals) {
  Record last = TRY(containers.record(claim));
  Detached what{containers, host, claim, {}, std::move(last)};
  Record& record = what.record;
  Result<ContainerConfig> config = containers.config(claim.id);
  if (config) what.config = std::move(*config);
  // Nobody reads what we print, so a failure is told where whoever looks for the container will look.
  if (const Result<> gone_on = config ? go_on(what, signals) : Result<>(config.error()); !gone_on) {
    record.phase = Phase::kStopped;
    record.why = cat("not started again: ", gone_on.error().text);
    note_in_log(containers.store().path(), record.app, record.id, record.why);
  }
  TRY(containers.dispose(claim, host.cgroups, record.remove ? nullptr : &record));
  return record.status >= 0 ? record.status : kFailedStart;
}

}  // namespace convox::runtime
