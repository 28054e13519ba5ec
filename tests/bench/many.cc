// What does `convox ps` over many containers cost beside bare reads of the same files?
//
//   many CONVOX DIRECTORY COUNT ROUNDS PROGRAM...
//
// Makes COUNT groups convox/<id>, each with a sleeping PROGRAM in it, and their records below DIRECTORY/run, held as a
// supervisor holds them. Then, in turns, `CONVOX ps` and a loop over the same files: state.json once, cpu.stat twice,
// and for memory what this host has, memory.* or each process's smaps_rollup; open, read, close and nothing else. Both
// are processes of their own; what counts is their processor time. Prints the medians and the ratio, removes
// everything. With 0 ROUNDS it measures nothing: it prints `ready` and holds the containers until its input ends.
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "cgroups/hierarchy.h"
#include "runtime/host.h"
#include "runtime/record.h"

namespace {

using namespace convox;

void must(bool fine, const char* what) {
  if (fine) return;
  std::perror(what);
  std::exit(1);
}

struct Many {
  std::string groups;   // .../convox
  std::string records;  // DIRECTORY/run/c
  std::vector<std::string> ids;
  std::vector<int> pids;
  bool controlled = false;  // the memory controller counts
};

void write_file(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  must(fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()), path.c_str());
  close(fd);
}

int start_in(const std::string& group, char** program) {
  const int directory = open(group.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  clone_args how{};
  how.flags = CLONE_INTO_CGROUP;
  how.exit_signal = SIGCHLD;
  how.cgroup = static_cast<unsigned>(directory);
  const long pid = syscall(SYS_clone3, &how, sizeof how);
  if (pid == 0) {
    execv(program[0], program);
    _exit(127);
  }
  must(pid > 0, "clone3");
  close(directory);
  return static_cast<int>(pid);
}

void add(Many& many, int number, const std::string& boot_id, char** program) {
  char id[16];
  std::snprintf(id, sizeof id, "%012x", number);
  many.ids.emplace_back(id);
  const std::string group = many.groups + "/" + id, record = many.records + "/" + id;
  must(mkdir(group.c_str(), 0755) == 0, group.c_str());
  many.pids.push_back(start_in(group, program));
  must(mkdir(record.c_str(), 0700) == 0, record.c_str());
  runtime::Record one;
  one.id = id;
  one.app = "bench";
  one.service = "web";
  one.release = "RBENCHBENCH";
  one.command = {"sleep", "1000000"};
  one.phase = runtime::Phase::kRunning;
  one.boot_id = boot_id;
  one.pid = many.pids.back();
  one.started = 1;
  one.cgroup = std::string("convox/") + id;
  one.layers.assign(8, std::string(64, 'a'));  // as many as images have
  one.detached = one.keep = true;
  write_file(record + "/state.json", runtime::print(one));
  const int held = open(record.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // until we end
  must(held >= 0 && flock(held, LOCK_EX | LOCK_NB) == 0, record.c_str());
}

void remove_all(const Many& many) {
  for (const int pid : many.pids) kill(pid, SIGKILL);
  for (const int pid : many.pids) waitpid(pid, nullptr, 0);
  for (const std::string& id : many.ids) rmdir((many.groups + "/" + id).c_str());
  rmdir(many.groups.c_str());
}

// --- the bare side: no more than the kernel needs to be asked
char buffer[1 << 16];

void read_one(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) _exit(1);
  if (read(fd, buffer, sizeof buffer) < 0) _exit(1);
  close(fd);
}

void read_each(const Many& many, const std::string& place, const char* file) {
  char path[512];
  for (const std::string& id : many.ids) {
    std::snprintf(path, sizeof path, "%s/%s/%s", place.c_str(), id.c_str(), file);
    read_one(path);
  }
}

void read_bare(const Many& many) {
  read_each(many, many.records, "state.json");
  read_each(many, many.groups, "cpu.stat");
  read_each(many, many.groups, "cpu.stat");
  if (many.controlled) {
    for (const char* file : {"memory.current", "memory.stat", "memory.max"}) read_each(many, many.groups, file);
    return;
  }
  read_each(many, many.groups, "cgroup.procs");
  char path[64];
  for (const int pid : many.pids) {
    std::snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    read_one(path);
  }
}

// Milliseconds of processor time.
template <class Act>
double cost(Act act) {
  const pid_t pid = fork();
  if (pid == 0) {
    act();
    _exit(0);
  }
  int status = 0;
  rusage used{};
  must(wait4(pid, &status, 0, &used) == pid && status == 0, "a run failed");
  const auto milliseconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return milliseconds(used.ru_utime) + milliseconds(used.ru_stime);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: many CONVOX DIRECTORY COUNT ROUNDS PROGRAM...\n");
    return 2;
  }
  const std::string directory = argv[2];
  const int count = std::atoi(argv[3]), rounds = std::atoi(argv[4]);
  const rlimit files{static_cast<rlim_t>(count) + 100, static_cast<rlim_t>(count) + 100};
  must(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
  const auto hierarchy = cgroups::read_hierarchy();
  const auto boot_id = runtime::read_boot_id();
  must(hierarchy && boot_id, "no cgroup v2");

  Many many;
  many.groups = hierarchy->mount_point + "/convox";
  many.records = directory + "/run/c";
  for (const std::string& one : {directory, directory + "/run", many.records}) mkdir(one.c_str(), 0700);
  mkdir(many.groups.c_str(), 0755);
  if (hierarchy->controllers.has(cgroups::Controller::kMemory)) {
    write_file(hierarchy->mount_point + "/cgroup.subtree_control", "+cpu +memory +pids +io");
    write_file(many.groups + "/cgroup.subtree_control", "+cpu +memory +pids +io");
    many.controlled = true;
  }
  for (int number = 0; number < count; ++number) add(many, number, *boot_id, argv + 5);
  sleep(1);  // each has become its program

  if (rounds == 0) {
    std::puts("ready");
    std::fflush(stdout);
    while (std::getchar() != EOF) continue;
    remove_all(many);
    return 0;
  }
  std::vector<double> ours, bare;
  for (int round = 0; round < rounds; ++round) {
    ours.push_back(cost([&] {
      dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
      execl(argv[1], argv[1], "--state-root", directory.c_str(), "ps", "-a", "bench", nullptr);
      _exit(127);
    }));
    bare.push_back(cost([&] { read_bare(many); }));
  }
  remove_all(many);
  std::printf(
      "%d containers, memory by %s, median of %d: convox ps %.1f ms, bare reads %.1f ms of processor time, x %.2f\n",
      count, many.controlled ? "memory.*" : "smaps_rollup", rounds, median(ours), median(bare),
      median(ours) / median(bare));
  return 0;
}
