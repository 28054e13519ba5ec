#include "tests/support/keeper.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/keeper_image.h"
#include "runtime/keeper_plan.h"
#include "tests/support/needs.h"

namespace convox::test {
namespace {

constexpr int kPatience = 20'000;  // milliseconds

int slowness() {
  const char* factor = getenv("CONVOX_TEST_SLOWNESS");
  return factor ? atoi(factor) : 1;
}

int memory_file(const char* name, std::string_view bytes, unsigned mode, bool sealed = true) {
  const int fd = memfd_create(name, MFD_ALLOW_SEALING);
  if (fd < 0 || write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) _exit(121);
  fchmod(fd, mode);
  if (sealed && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) _exit(122);
  return fd;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

std::string segment_path(const std::string& directory, unsigned number) {
  char name[16];
  snprintf(name, sizeof name, "%08u.log", number);
  return cat(directory, "/", name);
}

int pidfd_of(int pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

int open_file(const std::string& path, int flags) { return path.empty() ? -1 : open(path.c_str(), flags, 0600); }

// Ends of the two pipes, or of a pty in both; the payload's side and the keeper's.
struct Outputs {
  int of_payload[2] = {-1, -1}, of_keeper[2] = {-1, -1};

  explicit Outputs(bool terminal) {
    if (terminal) {
      of_keeper[0] = posix_openpt(O_RDWR | O_NOCTTY);
      grantpt(of_keeper[0]);
      unlockpt(of_keeper[0]);
      of_payload[0] = open(ptsname(of_keeper[0]), O_RDWR | O_NOCTTY);
      of_payload[1] = dup(of_payload[0]);
      return;
    }
    for (int i = 0; i < 2; ++i) {
      int ends[2];
      if (pipe(ends) < 0) _exit(123);
      of_keeper[i] = ends[0];
      of_payload[i] = ends[1];
    }
  }
};

[[noreturn]] void become_payload(const KeepHow& how, const Outputs& outputs, int parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(117);  // it has died before that, and nothing will tell us
  setsid();
  if (how.terminal) ioctl(outputs.of_payload[0], TIOCSCTTY, 0);
  if (!how.cgroup.empty()) write_file(how.cgroup + "/cgroup.procs", cat(getpid()));
  dup2(outputs.of_payload[0], 1);
  dup2(outputs.of_payload[1], 2);
  _exit(how.payload());
}

[[noreturn]] void execute_keeper(int plan) {
  const int image = memory_file("convox-keeper", runtime::keeper_image(), 0111);
  const std::vector<std::string> words = {"convox:[keeper]", cat(plan)};
  char* nothing = nullptr;
  syscall(SYS_execveat, image, "", pointers(words).data(), &nothing, AT_EMPTY_PATH);
  _exit(124);
}

}  // namespace

Gate::Gate() { cr_assert(pipe(ends) == 0); }
void Gate::open() const { say("x", ends[1]); }
void Gate::pass() const {
  char byte = 0;
  if (read(ends[0], &byte, 1) != 1) _exit(118);
}

void say(std::string_view text, int fd) {
  while (!text.empty()) {
    const ssize_t put = write(fd, text.data(), text.size());
    if (put < 0 && errno != EINTR) _exit(120);
    if (put > 0) text.remove_prefix(static_cast<std::size_t>(put));
  }
}

std::string status_line(int pid, std::string_view key) {
  const std::string status = read_file(cat("/proc/", pid, "/status"));
  const std::size_t at = status.find(cat("\n", key, ":\t"));
  if (at == std::string::npos) return "";
  const std::size_t start = at + key.size() + 3;
  return status.substr(start, status.find('\n', start) - start);
}

void become_keeper(const keeper::Plan& plan, const std::vector<std::string>& argv,
                   const std::vector<std::string>& environment) {
  const keeper::Keep& keep = plan.keep;
  for (const int fd : {keep.payload, keep.status, keep.output, keep.error_output, keep.console, keep.cgroup_kill,
                       keep.memory_events, keep.memory_max, keep.claim, keep.exit, keep.logs, keep.segment, keep.ready,
                       plan.mind.keeper, plan.mind.claim, plan.mind.program, plan.watch.client, plan.watch.cgroup_kill})
    if (fd >= 0) fcntl(fd, F_SETFD, 0);
  execute_keeper(memory_file("convox-plan", runtime::print(plan, argv, environment), 0400));
}

int start_keeper(const keeper::Plan& plan, const std::vector<std::string>& argv,
                 const std::vector<std::string>& environment) {
  const int pid = fork();
  if (pid == 0) become_keeper(plan, argv, environment);
  return pid;
}

int status_with(std::string_view block, bool sealed) {
  const int pid = fork();
  if (pid == 0) execute_keeper(memory_file("convox-plan", block, 0400, sealed));
  const int pidfd = pidfd_of(pid);
  pollfd end{pidfd, POLLIN, 0};
  const bool ended = poll(&end, 1, 5000 * slowness()) == 1;
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
  close(pidfd);
  return !ended ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Kept::Kept(const Sandbox& box, const KeepHow& how) : exit_(box.path() + "/exit") {
  const std::string root = how.logs.empty() ? box.lib() : how.logs;
  const std::string id = cat("id-", getpid());
  const auto directory = runtime::make_log_directory(root, {.id = id, .app = "web", .service = "web"});
  cr_assert(directory.has_value(), "%s", directory.error().text.c_str());
  logs_ = cat(root, "/apps/web/logs/", id);
  const auto tail = runtime::open_log_tail(directory->get());
  cr_assert(tail.has_value(), "%s", tail.error().text.c_str());
  write_file(exit_, std::string(sizeof(log::Exit), '\0'));
  const std::string files[] = {box.path() + "/memory.events", box.path() + "/memory.max"};
  write_file(files[0], how.memory_events);
  write_file(files[1], how.memory_max);
  int told[2], ready[2];
  cr_assert(pipe2(told, O_CLOEXEC) == 0 && pipe2(ready, O_CLOEXEC) == 0);

  keeper_ = fork();
  if (keeper_ == 0) {
    const Outputs outputs(how.terminal);
    const int self = getpid(), payload = fork();
    if (payload == 0) become_payload(how, outputs, self);
    if (write(told[1], &payload, sizeof payload) < 0) _exit(119);
    keeper::Plan plan;
    keeper::Keep& keep = plan.keep;
    keep.payload = pidfd_of(payload);
    keep.payload_pid = payload;
    keep.status = open_file(cat("/proc/", payload, "/status"), O_RDONLY);
    keep.output = how.terminal ? -1 : outputs.of_keeper[0];
    keep.error_output = outputs.of_keeper[1];
    keep.console = how.terminal ? outputs.of_keeper[0] : -1;
    if (!how.cgroup.empty() && how.cgroup_kill) keep.cgroup_kill = open_file(how.cgroup + "/cgroup.kill", O_WRONLY);
    keep.memory_events = how.memory_events.empty() ? -1 : open_file(files[0], O_RDONLY);
    keep.memory_max = how.memory_max.empty() ? -1 : open_file(files[1], O_RDONLY);
    keep.claim = open_file(root, O_RDONLY | O_DIRECTORY);
    keep.exit = open_file(exit_, O_WRONLY);
    keep.logs = directory->get();
    runtime::go_on(keep, *tail);
    keep.ready = ready[1];
    keep.most_segments = how.most_segments;
    keep.segment_size = how.segment_size;
    keep.timeout = how.timeout;
    keep.grace = how.grace;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    become_keeper(plan);
  }
  close(told[1]);
  close(ready[1]);
  pidfd_ = pidfd_of(keeper_);
  char byte = 1;
  cr_assert(read(told[0], &payload_, sizeof payload_) == sizeof payload_);
  pollfd end{ready[0], POLLIN, 0};
  cr_assert(poll(&end, 1, kPatience * slowness()) == 1, "the keeper did not begin");
  cr_assert(read(ready[0], &byte, 1) == 1, "the keeper gave up, status %d", wait());
  close(told[0]);
  close(ready[0]);
}

Kept::~Kept() {
  if (status_ == -2) {
    syscall(SYS_pidfd_send_signal, pidfd_, SIGKILL, nullptr, 0);
    wait();
  }
  close(pidfd_);
  while (waitpid(-1, nullptr, WNOHANG) > 0) {  // its orphans are ours: the payload, and what it forked
  }
}

bool Kept::wait_for_end(int milliseconds) {
  pollfd end{pidfd_, POLLIN, 0};
  return poll(&end, 1, milliseconds * slowness()) == 1;
}

bool Kept::ended_as_it_says() {
  const int status = wait();
  const log::Exit said = exit();
  return said.magic == log::kExitMagic && status == (said.signal != 0 ? 128 + said.signal : said.code);
}

int Kept::wait() {
  if (status_ != -2) return status_;
  if (!wait_for_end(kPatience)) return -1;
  int status = 0;
  waitpid(keeper_, &status, 0);
  return status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

log::Exit Kept::exit() const {
  log::Exit exit;
  const std::string bytes = read_file(exit_);
  cr_assert(bytes.size() == sizeof exit);
  memcpy(&exit, bytes.data(), sizeof exit);
  return exit;
}

std::vector<LogRecord> Kept::records() const {
  unsigned first = 0;
  if (DIR* directory = opendir(logs_.c_str())) {
    while (const dirent* entry = readdir(directory))
      if (const int number = atoi(entry->d_name); number > 0 && (first == 0 || static_cast<unsigned>(number) < first))
        first = static_cast<unsigned>(number);
    closedir(directory);
  }
  return LogFollower(logs_, first).read();
}

std::string Kept::output(log::Kind kind) const {
  std::string bytes;
  for (const LogRecord& record : records())
    if (record.kind == kind) bytes += record.bytes;
  return bytes;
}

LogFollower::LogFollower(std::string directory, unsigned number) : directory_(std::move(directory)), number_(number) {}

LogFollower::~LogFollower() {
  if (fd_ >= 0) close(fd_);
}

bool LogFollower::open() {
  if (fd_ >= 0) return true;
  fd_ = ::open(segment_path(directory_, number_).c_str(), O_RDONLY | O_CLOEXEC);
  log::SegmentHead head;
  if (fd_ < 0) return false;
  if (pread(fd_, &head, sizeof head, 0) != sizeof head) {  // begun a moment ago
    close(fd_);
    fd_ = -1;
    return false;
  }
  cr_assert(head.magic == log::kSegmentMagic && head.version == 1 && head.number == number_);
  if (at_ == 0) position_ = head.written;
  cr_assert(head.written == position_, "segment %u begins at %lu, not %lu", number_, head.written, position_);
  at_ = sizeof head;
  return true;
}

std::vector<LogRecord> LogFollower::read() {
  std::vector<LogRecord> found;
  static char bytes[sizeof(log::RecordHead) + log::kLargestRecord];
  while (open()) {
    log::RecordHead head;
    const ssize_t got = pread(fd_, bytes, sizeof bytes, static_cast<off_t>(at_));
    if (got < static_cast<ssize_t>(sizeof head)) break;
    memcpy(&head, bytes, sizeof head);
    cr_assert(head.mark == log::kRecordMark && head.size <= log::kLargestRecord, "no record at %lu of %u", at_,
              number_);
    if (static_cast<std::size_t>(got) < sizeof head + head.size) break;
    at_ += sizeof head + head.size;
    position_ += sizeof head + head.size;
    if (head.kind == log::Kind::kContinued) {
      close(fd_);
      fd_ = -1;
      ++number_;
      continue;
    }
    found.push_back({head.kind, head.time, std::string(bytes + sizeof head, head.size)});
  }
  return found;
}

TestGroup::TestGroup() : path_(cat(cgroup2_mount(), "/keeper-test-", getpid())) { make_directories(path_); }

TestGroup::~TestGroup() {
  write_file(path_ + "/cgroup.kill", "1");
  for (int i = 0; i < 2000 && rmdir(path_.c_str()) < 0 && errno == EBUSY; ++i) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    usleep(5000);
  }
}

}  // namespace convox::test
