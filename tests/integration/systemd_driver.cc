// Does systemd make, change and forget our scopes? These tests are for a PID namespace in which systemd is PID 1: it is
// told numbers of processes. scripts/private-systemd makes one; those about limits run in the VM's systemd mode.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "cgroups/cgroup.h"
#include "runtime/base/fs.h"
#include "tests/support/files.h"
#include "tests/support/needs.h"
#include "tests/support/program.h"
#include "tests/support/wait.h"

using namespace convox::test;
using convox::cat;
namespace fs = convox::fs;

namespace {

constexpr std::chrono::seconds kPatience{30};
constexpr const char* kSlice = "convoxtest.slice";

bool systemd_runs() { return access("/run/systemd/private", F_OK) == 0 && read_file("/proc/1/comm") == "systemd\n"; }

#define REQUIRE_SYSTEMD(needs) \
  REQUIRE(Root | (needs));     \
  if (!systemd_runs()) cr_skip("needs systemd as PID 1")

std::string built(const char* program) {
  const char* build = getenv("CONVOX_BUILD");
  return cat(build ? build : "build/release", "/", program);
}

Ran run(std::vector<std::string> argv, std::string input = "") {
  return Program({.argv = std::move(argv),
                  .input = std::move(input),
                  .environment = {"PATH=/usr/bin:/bin"},
                  .limit = std::chrono::seconds(60)})
      .wait();
}
Ran systemctl(std::vector<std::string> words) {
  words.insert(words.begin(), "/usr/bin/systemctl");
  return run(std::move(words));
}
std::string shown(const std::string& unit, const char* property) {
  std::string text = systemctl({"show", "--value", "-p", property, unit}).out;
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

// A scope with a helper in it, and everything gone at the end.
class Scope {
 public:
  explicit Scope(std::string_view properties, bool collected = true)
      : helper_({.argv = {built("convox-systemd"), "start", "system", unit},
                 .environment = {"PATH=/usr/bin:/bin"},
                 .keep_input_open = true,
                 .limit = kPatience * 4}) {
    helper_.type(cat("Slice='", kSlice, "'\nDelegate=true\nDefaultDependencies=false\n",
                     collected ? "CollectMode='inactive-or-failed'\n" : "", properties, "\n\n"));
    started = helper_.expect("ok\n");
  }
  ~Scope() {
    run({built("convox-systemd"), "stop", "system", unit});
    systemctl({"stop", kSlice});
  }
  // Further properties, while the helper is there.
  bool tell(std::string_view lines) {
    helper_.type(cat(lines, "\n\n"));
    return helper_.expect("ok\n");
  }
  Ran end_helper() {
    helper_.close_input();
    return helper_.wait();
  }
  // A process that somebody puts there, as a container's is born there.
  int inhabit() const {
    const int pid = fork();
    if (pid == 0) {
      convox::sys::close_range(0, ~0U, 0);  // one of them is the helper's standard input
      for (;;) pause();
    }
    write_file("cgroup.procs", cat(pid));
    return pid;
  }
  void write_file(const char* name, const std::string& value) const {
    const int dir = open(directory.c_str(), O_PATH);
    cr_expect(fs::write_once(dir, name, value).has_value(), "%s", name);
    close(dir);
  }
  std::string file(const char* name) const { return read_file(cat(directory, "/", name)); }
  [[nodiscard]] bool exists() const { return access(directory.c_str(), F_OK) == 0; }

  static inline const std::string unit = cat("convoxtest-", getpid(), ".scope");
  static inline const std::string directory = cat("/sys/fs/cgroup/", kSlice, "/", unit);
  bool started = false;

 private:
  Program helper_;
};

bool was_killed(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

void end(int pid) {
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

}  // namespace

Test(systemd_driver, a_scope_has_the_helper_in_it_and_ends_with_it) {
  REQUIRE_SYSTEMD(CgroupV2);
  Scope scope("");
  cr_assert(scope.started);
  cr_expect(not scope.file("cgroup.procs").empty());
  EXPECT_TEXT(shown(scope.unit, "ActiveState"), "active");
  EXPECT_TEXT(shown(scope.unit, "Delegate"), "yes");
  EXPECT_STATUS(scope.end_helper(), 0);
  cr_expect(comes_true([&] { return !scope.exists(); }));
}

Test(systemd_driver, a_scope_outlives_the_helper_if_somebody_else_is_in_it) {
  REQUIRE_SYSTEMD(CgroupV2);
  Scope scope("");
  cr_assert(scope.started);
  const int pid = scope.inhabit();
  EXPECT_STATUS(scope.end_helper(), 0);
  EXPECT_TEXT(shown(scope.unit, "ActiveState"), "active");
  EXPECT_TEXT(scope.file("cgroup.procs"), cat(pid, "\n"));
  end(pid);
  cr_expect(comes_true([&] { return !scope.exists(); }));
}

Test(systemd_driver, what_systemd_is_told_is_in_force_and_stays) {
  REQUIRE_SYSTEMD(CgroupControllers);
  Scope scope(
      "MemoryLow=uint64 1048576\nCPUWeight=uint64 35\nCPUQuotaPeriodUSec=uint64 50000\n"
      "CPUQuotaPerSecUSec=uint64 500000\nAllowedCPUs=@ay [1]\nTasksMax=uint64 77\nIOWeight=uint64 200\n"
      "DevicePolicy='strict'\nDeviceAllow=@a(ss) [('/dev/char/1:3', 'rwm'), ('char-*', 'm')]\nTimeoutStopSec=uint64 3");
  cr_assert(scope.started);
  const auto in_force = [&] {
    EXPECT_TEXT(scope.file("memory.low"), "1048576\n");
    EXPECT_TEXT(scope.file("cpu.weight"), "35\n");
    EXPECT_TEXT(scope.file("cpu.max"), "25000 50000\n");
    EXPECT_TEXT(scope.file("cpuset.cpus"), "0\n");
    EXPECT_TEXT(scope.file("pids.max"), "77\n");
    EXPECT_TEXT(scope.file("io.weight"), "default 200\n");
  };
  in_force();
  EXPECT_TEXT(shown(scope.unit, "TimeoutStopUSec"), "3s");
  EXPECT_STATUS(systemctl({"daemon-reload"}), 0);
  in_force();
}

// memory.max is told last: the helper must not be the one that hits it.
Test(systemd_driver, properties_can_be_told_late_and_changed) {
  REQUIRE_SYSTEMD(CgroupControllers);
  Scope scope("");
  cr_assert(scope.started);
  cr_assert(scope.tell("MemoryMax=uint64 33554432"));
  EXPECT_TEXT(scope.file("memory.max"), "33554432\n");
  EXPECT_STATUS(
      run({built("convox-systemd"), "update", "system", scope.unit}, "MemoryMax=uint64 67108864\nTasksMax=uint64 5\n"),
      0);
  EXPECT_TEXT(scope.file("memory.max"), "67108864\n");
  EXPECT_TEXT(scope.file("pids.max"), "5\n");
}

Test(systemd_driver, what_is_wrong_is_said_in_one_line) {
  REQUIRE_SYSTEMD(CgroupV2);
  Scope scope("");
  cr_assert(scope.started);
  struct {
    std::vector<std::string> words;
    const char *input, *part;
  } cases[] = {
      {{"start", "system", scope.unit}, "Slice='convoxtest.slice'\n\n", "already"},
      {{"start", "system", "convoxtest-other.scope"}, "Slice='no slice'\n\n", "starting convoxtest-other.scope"},
      {{"update", "system", scope.unit}, "Odd=1\n", "Odd"},
      {{"update", "system", scope.unit}, "Odd=[]\n", "property Odd"},
      {{"update", "system", "convoxtest-none.scope"}, "TasksMax=uint64 5\n", "convoxtest-none.scope"}};
  for (auto& one : cases) {
    one.words.insert(one.words.begin(), built("convox-systemd"));
    const Ran ran = run(one.words, one.input);
    EXPECT_STATUS(ran, 1);
    EXPECT_CONTAINS(ran.err, one.part);
    cr_expect(std::count(ran.err.begin(), ran.err.end(), '\n') == 1, "%s", ran.err.c_str());
  }
}

Test(systemd_driver, a_stop_kills_what_is_in_it_and_may_be_repeated) {
  REQUIRE_SYSTEMD(CgroupV2);
  Scope scope("");
  cr_assert(scope.started);
  const int pid = scope.inhabit();
  EXPECT_STATUS(scope.end_helper(), 0);
  EXPECT_STATUS(run({built("convox-systemd"), "stop", "system", scope.unit}), 0);
  int status = 0;
  cr_assert(waitpid(pid, &status, 0) == pid);
  cr_expect(was_killed(status));
  cr_expect(not scope.exists());
  EXPECT_STATUS(run({built("convox-systemd"), "stop", "system", scope.unit}), 0);
}

// systemd keeps a scope that failed, and its name is taken (crun issue 1092: after an OOM kill). Here it fails by its
// time limit: after an OOM kill systemd 252 leaves one `inactive`.  systemd.scope(5), RuntimeMaxSec=
Test(systemd_driver, a_scope_that_failed_makes_room_for_the_next) {
  REQUIRE_SYSTEMD(CgroupV2);
  Scope scope("RuntimeMaxUSec=uint64 300000", false);
  cr_assert(scope.started);
  cr_assert(comes_true([&] { return shown(scope.unit, "ActiveState") == "failed"; }), "%s",
            shown(scope.unit, "ActiveState").c_str());
  Scope next("");
  cr_expect(next.started);
}

// --- the whole way: convox-oci --systemd-cgroup ---------------------------------------------------------------------

namespace {

// A container of one static program, in cvxtest-ID.scope.
class Container {
 public:
  explicit Container(std::string args, std::string resources) : home_(cat("/var/tmp/systemd-driver-", getpid())) {
    make_directories(home_ + "/rootfs/proc");
    write_file(home_ + "/rootfs/testbox", read_file(built("tests/testbox")), 0755);
    write_file(
        home_ + "/config.json",
        cat(R"({"ociVersion":"1.0.2","root":{"path":"rootfs"},"process":{"cwd":"/","user":{"uid":0,"gid":0},)",
            R"("args":["/testbox",)", args, R"(]},"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],)",
            R"("annotations":{"org.systemd.property.TimeoutStopSec":"uint64 3"},)",
            R"("linux":{"cgroupsPath":"convoxtest.slice:cvx:t1","resources":)", resources,
            R"(,"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"},{"type":"cgroup"}]}})"));
  }
  ~Container() {
    oci({"delete", "--force", "t1"});
    systemctl({"stop", unit});
    systemctl({"stop", kSlice});
    remove_tree(home_);
  }
  Ran oci(std::vector<std::string> words) const {
    std::vector<std::string> argv = {built("convox-oci"), "--root", home_ + "/state", "--systemd-cgroup"};
    argv.insert(argv.end(), words.begin(), words.end());
    return run(argv);
  }
  Ran create_as(const char* id) const { return oci({"create", "--bundle", home_, id}); }
  Ran create() const { return create_as("t1"); }
  [[nodiscard]] std::string file(const char* name) const { return read_file(cat(directory, "/", name)); }

  static constexpr const char* unit = "cvx-t1.scope";
  static constexpr const char* directory = "/sys/fs/cgroup/convoxtest.slice/cvx-t1.scope";

 private:
  std::string home_;
};

}  // namespace

Test(systemd_driver, a_container_is_born_in_its_scope_and_alone_there) {
  REQUIRE_SYSTEMD(CgroupV2);
  const Container container(R"("sleep","1000")", "{}");
  EXPECT_STATUS(container.create(), 0);
  EXPECT_TEXT(shown(container.unit, "ActiveState"), "active");
  EXPECT_TEXT(shown(container.unit, "TimeoutStopUSec"), "3s");
  EXPECT_TEXT(shown(container.unit, "DevicePolicy"), "strict");
  const std::string processes = container.file("cgroup.procs");
  cr_expect(std::count(processes.begin(), processes.end(), '\n') == 1, "%s", processes.c_str());
  EXPECT_STATUS(container.oci({"start", "t1"}), 0);
  EXPECT_STATUS(systemctl({"daemon-reload"}), 0);
  EXPECT_TEXT(container.file("cgroup.procs"), processes);
  EXPECT_STATUS(container.oci({"delete", "--force", "t1"}), 0);
  cr_expect(not exists(container.directory));
  EXPECT_TEXT(shown(container.unit, "LoadState"), "not-found");
}

// Who was there first is not disturbed by who comes second with the same name.
Test(systemd_driver, a_create_whose_scope_is_taken_fails_and_leaves_the_other_alone) {
  REQUIRE_SYSTEMD(CgroupV2);
  const Container container(R"("sleep","1000")", "{}");
  EXPECT_STATUS(container.create(), 0);
  const std::string processes = container.file("cgroup.procs");
  const Ran second = container.create_as("t2");
  cr_expect(second.status != 0);
  EXPECT_CONTAINS(second.err, "already");
  EXPECT_TEXT(container.file("cgroup.procs"), processes);
}

Test(systemd_driver, a_container_lives_in_a_scope_and_delete_forgets_it) {
  REQUIRE_SYSTEMD(CgroupControllers);
  const Container container(R"("sleep","1000")",
                            R"({"memory":{"limit":67108864},"cpu":{"shares":512,"quota":33333},"pids":{"limit":50}})");
  EXPECT_STATUS(container.create(), 0);
  EXPECT_TEXT(shown(container.unit, "ActiveState"), "active");
  EXPECT_TEXT(shown(container.unit, "MemoryMax"), "67108864");
  EXPECT_TEXT(shown(container.unit, "TimeoutStopUSec"), "3s");
  const std::string processes = container.file("cgroup.procs");
  cr_expect(std::count(processes.begin(), processes.end(), '\n') == 1, "%s", processes.c_str());
  EXPECT_TEXT(container.file("memory.max"), "67108864\n");
  EXPECT_TEXT(container.file("cpu.max"), "34000 100000\n");  // systemd counts in hundredths of a processor
  EXPECT_TEXT(container.file("cpu.weight"), "59\n");
  EXPECT_STATUS(container.oci({"start", "t1"}), 0);
  EXPECT_STATUS(container.oci({"update", "--memory", "33554432", "t1"}), 0);
  EXPECT_TEXT(container.file("memory.max"), "33554432\n");
  EXPECT_STATUS(systemctl({"daemon-reload"}), 0);
  EXPECT_STATUS(systemctl({"set-property", "--runtime", container.unit, "TasksMax=40"}), 0);
  EXPECT_TEXT(container.file("memory.max"), "33554432\n");
  EXPECT_TEXT(container.file("pids.max"), "40\n");
  EXPECT_STATUS(container.oci({"delete", "--force", "t1"}), 0);
  cr_expect(not exists(container.directory));
  EXPECT_TEXT(shown(container.unit, "LoadState"), "not-found");
}

Test(systemd_driver, an_id_can_be_used_again_after_an_oom_kill) {
  REQUIRE_SYSTEMD(CgroupControllers);
  const Container container(R"("eat","200")", R"({"memory":{"limit":33554432,"swap":33554432}})");
  for (int life = 0; life < 2; ++life) {
    EXPECT_STATUS(container.create(), 0);
    EXPECT_STATUS(container.oci({"start", "t1"}), 0);
    cr_expect(comes_true([&] { return container.oci({"state", "t1"}).out.find("stopped") != std::string::npos; }));
    EXPECT_STATUS(container.oci({"delete", "t1"}), 0);
    EXPECT_TEXT(shown(container.unit, "LoadState"), "not-found");
  }
}
