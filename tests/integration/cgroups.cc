// Does the kernel do with our groups what cgroups/ says it does? This calls the library itself, on the real hierarchy,
// below a group of its own.
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroups/cgroup.h"
#include "cgroups/counters.h"
#include "cgroups/stats.h"
#include "runtime/base/fs.h"
#include "tests/support/needs.h"

using namespace convox;
using namespace convox::cgroups;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kPatience{10'000};  // a VM without hardware support is slow; nothing here waits that long
constexpr std::size_t kMegabyte = 1 << 20;

template <class Value>
Value must(Result<Value> result) {
  cr_assert(result.has_value(), "%s", result.error().text.c_str());
  return *std::move(result);
}

// A place of this test's own, gone with everything in it when the test is over, whatever happened in between.
struct Place {
  Hierarchy hierarchy = must(read_hierarchy());
  std::string path = cat("convox-test-", getpid());

  Cgroup make(std::string_view name, const Limits& limits = {}) const {
    Cgroup group = must(Cgroup::create(hierarchy, cat(path, "/", name), {.needed = names(needed(limits))}));
    for (const Setting& setting : settings(limits)) must(group.set(setting));
    return group;
  }
  ~Place() {
    if (Result<Cgroup> all = Cgroup::open(hierarchy, path)) {
      cr_expect(all->kill() && all->wait_empty(kPatience) && all->remove());
      while (waitpid(-1, nullptr, 0) > 0) continue;
    }
  }
};

// A child born in the group. It makes raw calls only: this process has threads whose locks it cannot take over.
template <class Act>
int start_in(const Cgroup& group, Act act) {
  clone_args how{};
  how.flags = CLONE_INTO_CGROUP;
  how.exit_signal = SIGCHLD;
  how.cgroup = static_cast<unsigned>(group.fd());
  const long pid = sys::clone3(&how, sizeof how);
  if (pid == 0) sys::exit_group(act());
  cr_assert(pid > 0, "clone3: %ld", -pid);
  return static_cast<int>(pid);
}

long fork_raw() {
  clone_args how{};
  how.exit_signal = SIGCHLD;
  return sys::clone3(&how, sizeof how);
}
void rest(long milliseconds) {
  timespec time{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  sys::ppoll(nullptr, 0, &time);
}
int sleep_forever() {
  for (;;) rest(1'000'000);
}
int spin_forever() {
  for (;;) __asm__ volatile("");
}
int eat(std::size_t bytes) {
  const long at = sys::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at < 0) return 1;
  for (std::size_t byte = 0; byte < bytes; byte += 4096) reinterpret_cast<volatile char*>(at)[byte] = 1;
  return 0;
}

int status_of(int pid) {
  int status = 0;
  cr_assert(waitpid(pid, &status, 0) == pid);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string read_file(const Cgroup& group, const char* file) { return must(fs::read_once(group.fd(), file)); }

}  // namespace

Test(cgroups, a_child_is_born_in_its_group_and_killed_with_it) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  const int pid = start_in(group, sleep_forever);
  cr_assert(must(group.processes()) == std::vector<int>{pid});
  must(group.kill());
  must(group.wait_empty(kPatience));
  cr_assert(status_of(pid) == 128 + SIGKILL);
  cr_assert(must(group.processes()).empty());
  must(group.remove());
  cr_assert(Cgroup::open(place.hierarchy, group.path()).error().kind == Error::Kind::kNotFound);
  must(group.remove());  // the undo of a launch may run twice
}

// Each process forks the next and ends: a list of pids is out of date before the first signal is sent.
Test(cgroups, a_kill_catches_processes_that_fork_without_end) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  start_in(group, [] {
    while (fork_raw() == 0) continue;
    return 0;
  });
  must(group.kill());
  must(group.wait_empty(kPatience));
  must(group.remove());
}

Test(cgroups, a_group_is_made_once_and_only_below_the_root) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  cr_assert(Cgroup::create(place.hierarchy, group.path(), {}).error().code == EEXIST);
  for (const char* path : {"", "/", "..", "../x", "/x", "a//b", "a/", "a/../../b", "."})
    cr_assert(not Cgroup::create(place.hierarchy, path, {}).has_value(), "%s", path);
}

Test(cgroups, a_wait_for_a_group_that_lives_has_an_end) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  start_in(group, sleep_forever);
  cr_assert(group.wait_empty(milliseconds(50)).error().code == ETIMEDOUT);
  cr_assert(group.remove().error().code == EBUSY);
}

// The wait is over when the last process ends by itself, not at the deadline.
Test(cgroups, a_wait_is_woken_by_the_last_process) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  start_in(group, [] {
    rest(100);
    return 0;
  });
  timespec before{}, after{};
  clock_gettime(CLOCK_MONOTONIC, &before);
  must(group.wait_empty(kPatience));
  clock_gettime(CLOCK_MONOTONIC, &after);
  cr_assert(after.tv_sec - before.tv_sec < 5);
}

Test(cgroups, a_frozen_group_uses_no_time_until_it_is_thawed) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  start_in(group, spin_forever);
  must(group.freeze(kPatience));
  const std::uint64_t frozen = must(cpu_usage(group));
  rest(100);
  cr_assert(must(cpu_usage(group)) == frozen);
  must(group.thaw(kPatience));
  rest(100);
  cr_assert(must(cpu_usage(group)) > frozen);
  must(group.freeze(kPatience));
  must(group.kill());  // a frozen group can be killed as it is
  must(group.wait_empty(kPatience));
}

Test(cgroups, groups_that_a_container_made_go_with_it) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  const Cgroup deep = place.make("leaf/a.b/c/d");
  place.make("leaf/e");
  const int pid = start_in(deep, sleep_forever);
  cr_assert(must(group.processes()) == std::vector<int>{pid});
  cr_assert(group.remove().error().code == EBUSY);
  must(group.kill());
  must(group.wait_empty(kPatience));
  must(group.remove());
  cr_assert(not Cgroup::open(place.hierarchy, group.path()).has_value());
}

// With the memory controller or, on hybrid hosts, by the processes' own counts.
Test(cgroups, memory_is_counted_whoever_counts_it) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  Limits limits;
  if (place.hierarchy.controllers.has(Controller::kMemory)) limits.memory_max = 512 * kMegabyte;
  const Cgroup group = place.make("leaf", limits);
  int ready[2];
  cr_assert(sys::pipe2(ready, O_CLOEXEC) == 0);
  start_in(group, [&] {
    eat(32 * kMegabyte);
    sys::write(ready[1], "", 1);
    return sleep_forever();
  });
  char byte = 0;
  cr_assert(sys::read(ready[0], &byte, 1) == 1);
  const Memory memory = must(memory_usage(group, place.hierarchy));
  cr_assert(memory.used >= 32 * kMegabyte && memory.used < 48 * kMegabyte, "%lu", memory.used);
  cr_assert(memory.max == limits.memory_max);
}

Test(cgroups, a_limit_without_its_controller_is_refused_by_the_check_and_by_the_kernel) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  if (place.hierarchy.controllers.has(Controller::kMemory)) cr_skip("needs a host without the memory controller");
  const Limits limits{.memory_max = 16 * kMegabyte};
  cr_assert(not check_limits(limits, place.hierarchy).has_value());
  cr_assert(
      not Cgroup::create(place.hierarchy, cat(place.path, "/leaf"), {.needed = names(needed(limits))}).has_value());
  const Cgroup group = place.make("leaf");
  cr_assert(not group.set({"memory.max", "16777216", Controller::kMemory}).has_value());
}

Test(cgroups, a_group_that_is_there_already_is_taken_only_if_nobody_is_in_it) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const std::string path = cat(place.path, "/deep/below/leaf");
  const Wanted wanted{.may_exist = true};
  const Cgroup first = must(Cgroup::create(place.hierarchy, path, wanted));
  must(Cgroup::create(place.hierarchy, path, wanted));
  start_in(first, sleep_forever);
  EXPECT_CONTAINS(Cgroup::create(place.hierarchy, path, wanted).error().text, "cgroup is not empty");
  must(first.kill());
  must(first.wait_empty(kPatience));
  must(first.freeze(kPatience));
  EXPECT_CONTAINS(Cgroup::create(place.hierarchy, path, wanted).error().text, "cgroup is frozen");
  must(first.remove());
  cr_assert(Cgroup::open(place.hierarchy, cat(place.path, "/deep/below")).has_value(), "only the leaf goes");
}

Test(cgroups, a_process_is_found_in_its_group) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  const int pid = start_in(group, sleep_forever);
  EXPECT_TEXT(must(group_of_process(place.hierarchy, cat(pid))), group.path());
  cr_assert(not group_of_process(place.hierarchy, "0").has_value());
}

Test(cgroups, a_file_that_is_missing_is_an_error_unless_nobody_asked_for_it) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  must(group.write(FileValue{"none.max", "max", true}, place.hierarchy));
  const Result<> missing = group.write(FileValue{"none.max", "1"}, place.hierarchy);
  cr_assert(not missing.has_value());
  EXPECT_CONTAINS(missing.error().text, "the none controller");
  cr_assert(not group.write(FileValue{"cgroup.max.depth", "many", true}, place.hierarchy).has_value());
}

// Each line is a request of its own: of two, the second is what stays.
Test(cgroups, lines_are_written_one_by_one) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  must(group.write(std::vector<FileValue>{{"cgroup.max.depth", "3\n4"}, {"cgroup.max.descendants", "7"}},
                   place.hierarchy));
  EXPECT_TEXT(read_file(group, "cgroup.max.depth"), "4\n");
  EXPECT_TEXT(read_file(group, "cgroup.max.descendants"), "7\n");
}

Test(cgroups, a_delegated_group_is_its_users) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  must(group.delegate(1234));
  struct stat st {};
  for (const char* file : {"", "/cgroup.procs", "/cgroup.threads", "/cgroup.subtree_control"}) {
    cr_assert(stat(cat(place.hierarchy.mount_point, "/", group.path(), file).c_str(), &st) == 0);
    cr_expect_eq(st.st_uid, 1234u, "%s", file);
    cr_expect_eq(st.st_gid, 0u, "%s", file);
  }
  cr_assert(stat(cat(place.hierarchy.mount_point, "/", group.path(), "/cgroup.freeze").c_str(), &st) == 0);
  cr_expect_eq(st.st_uid, 0u);  // its limits and switches are not
}

Test(cgroups, every_group_counts_its_processor_time) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const Cgroup group = place.make("leaf");
  status_of(start_in(group, [] {
    for (int turn = 0; turn < 20'000'000; ++turn) __asm__ volatile("");
    return 0;
  }));
  const Counters counters = must(read_counters(group));
  cr_expect(counters.cpu.total > 1'000'000, "%lu", counters.cpu.total);
  cr_expect(counters.cpu.total >= counters.cpu.user && counters.cpu.user > 0);
}

// --- with controllers ---------------------------------------------------------------------------------------------

Test(cgroups, every_setting_is_in_force_after_it_was_written) {
  REQUIRE(Root | CgroupControllers);
  const Place place;
  const Limits limits{.cpu_weight = cpu_weight(250),
                      .cpu_max = cpu_max(1500),
                      .memory_low = 4 * kMegabyte,
                      .memory_max = 16 * kMegabyte,
                      .pids_max = 77,
                      .io_weight = 200,
                      .cpuset_cpus = "0",
                      .cpuset_mems = "0",
                      .delegated = true};
  cr_assert(check_limits(limits, place.hierarchy).has_value());
  const Cgroup group = place.make("a/b/leaf", limits);
  for (const Setting& setting : settings(limits)) {
    // Without swap in the kernel there is no file for it; io.weight names the device that it is the default of.
    const std::string expected = cat(setting.file == "io.weight" ? "default " : "", setting.value, "\n");
    EXPECT_TEXT(read_file(group, std::string(setting.file).c_str()), expected);
  }
}

Test(cgroups, a_process_that_eats_more_than_its_memory_is_killed_and_the_cause_is_known) {
  REQUIRE(Root | CgroupControllers);
  const Place place;
  const Cgroup group = place.make("leaf", {.memory_max = 16 * kMegabyte});
  cr_assert(status_of(start_in(group, [] { return eat(8 * kMegabyte); })) == 0);
  cr_assert(not must(oom_killed(group)));
  cr_assert(status_of(start_in(group, [] { return eat(64 * kMegabyte); })) == 128 + SIGKILL);
  const OomKills kills = must(oom_killed(group));
  cr_assert(kills.count == 1);
  EXPECT_TEXT(describe(kills, "web"), "web was killed: out of memory (limit 16 MB)");
}

Test(cgroups, a_fork_beyond_the_limit_of_processes_fails) {
  REQUIRE(Root | CgroupControllers);
  const Place place;
  const Cgroup group = place.make("leaf", {.pids_max = 5});
  const int forked = status_of(start_in(group, [] {
    for (int forks = 0; forks < 20; ++forks) {
      const long pid = fork_raw();
      if (pid == 0) return sleep_forever();
      if (pid < 0) return pid == -EAGAIN ? forks : 100;
    }
    return 20;
  }));
  cr_assert(forked == 4, "%d", forked);
  cr_assert(must(pids_current(group)) == 4U);
}

Test(cgroups, a_cpu_limit_throttles) {
  REQUIRE(Root | CgroupControllers);
  const Place place;
  const Cgroup group = place.make("leaf", {.cpu_max = cpu_max(100)});
  start_in(group, spin_forever);
  rest(1000);
  const std::uint64_t used = must(cpu_usage(group));
  cr_assert(used > 0 && used < 400'000, "%lu microseconds of a second", used);
  cr_assert(flat_value(read_file(group, "cpu.stat"), "nr_throttled") > 0U);
}

Test(cgroups, pressure_and_io_can_be_read) {
  REQUIRE(Root | CgroupControllers);
  const Place place;
  const Cgroup group = place.make("leaf", {.io_weight = 100});
  must(io_usage(group));
  for (const Resource one : {Resource::kCpu, Resource::kMemory, Resource::kIo}) must(pressure(group, one));
}

Test(cgroups, useful_controllers_are_handed_down_where_they_are_and_needed_ones_or_nothing) {
  REQUIRE(Root | CgroupControllers);
  const Place place;
  std::vector<std::string> useful = counting();
  useful.emplace_back("none");
  const Cgroup group =
      must(Cgroup::create(place.hierarchy, cat(place.path, "/a/leaf"), Wanted{.needed = {"cpuset"}, .useful = useful}));
  const std::string has = read_file(group, "cgroup.controllers");
  for (const char* one : {"cpu", "memory", "pids", "io", "cpuset"}) cr_expect(has_word(has, one), "%s", one);
  const Result<Cgroup> none = Cgroup::create(place.hierarchy, cat(place.path, "/b"), Wanted{.needed = {"none"}});
  cr_assert(not none.has_value());
  EXPECT_CONTAINS(none.error().text, "the none controller");
  cr_expect(not Cgroup::open(place.hierarchy, cat(place.path, "/b")).has_value());
}

Test(cgroups, every_resource_is_in_force_after_it_was_written) {
  REQUIRE(Root | CgroupControllers);
  const Place place;
  const Resources asked{.memory_limit = 64 * kMegabyte,
                        .memory_reservation = 4 * kMegabyte,
                        .memory_swap = 64 * kMegabyte,
                        .cpu_shares = 256,
                        .cpu_period = 50'000,
                        .cpu_burst = 1000,
                        .cpu_quota = 20'000,
                        .cpus = "0",
                        .mems = "0",
                        .pids_limit = 77,
                        .unified = {{"memory.high", "33554432"}, {"memory.oom.group", "1"}}};
  const std::vector<FileValue> files = must(settings(asked, weighs_by_bfq(place.hierarchy)));
  const Cgroup group =
      must(Cgroup::create(place.hierarchy, cat(place.path, "/leaf"), Wanted{.needed = controllers_of(files)}));
  must(group.write(files, place.hierarchy));
  for (const FileValue& one : files)
    if (one != FileValue{"cpu.max.burst", "0", true} && one.file != "memory.swap.max")
      EXPECT_TEXT(read_file(group, one.file.c_str()), cat(one.value, "\n"));
  // From there to any other pair of quota and burst, whichever of them is larger.
  for (const auto& [quota, burst] : std::vector<std::pair<std::int64_t, std::uint64_t>>{
           {1000, 1000}, {90'000, 80'000}, {2000, 1500}, {-1, 50'000}, {3000, 0}}) {
    const Resources next{.cpu_burst = burst, .cpu_quota = quota};
    must(group.write(must(settings(next, false)), place.hierarchy));
    EXPECT_TEXT(read_file(group, "cpu.max.burst"), cat(burst, "\n"));
  }
  const Resources idle{.cpu_shares = 2048, .cpu_idle = 1}, busy{.cpu_shares = 2048, .cpu_idle = 0};
  must(group.write(must(settings(idle, false)), place.hierarchy));
  must(group.write(must(settings(busy, false)), place.hierarchy));
  EXPECT_TEXT(read_file(group, "cpu.weight"), "174\n");
}

Test(cgroups, a_limit_below_what_is_in_use_is_told_before_it_kills) {
  REQUIRE(Root | CgroupControllers);
  const Place place;
  const Cgroup group = place.make("leaf", {.memory_max = 256 * kMegabyte});
  int ready[2];
  cr_assert(sys::pipe2(ready, O_CLOEXEC) == 0);
  start_in(group, [&] {
    eat(32 * kMegabyte);
    sys::write(ready[1], "", 1);
    return sleep_forever();
  });
  char byte = 0;
  cr_assert(sys::read(ready[0], &byte, 1) == 1);
  cr_expect(not check_usage(group, {.memory_limit = 16 * kMegabyte}).has_value());
  cr_expect(not check_usage(group, {.memory_limit = -1, .memory_swap = 16 * kMegabyte}).has_value());
  cr_expect(check_usage(group, {.memory_limit = 128 * kMegabyte}).has_value());
  cr_expect(check_usage(group, {.memory_limit = -1}).has_value());
  cr_expect(check_usage(group, {}).has_value());
}

Test(cgroups, everything_that_a_group_counts_can_be_read) {
  REQUIRE(Root | CgroupControllers);
  const Place place;
  const Cgroup group =
      must(Cgroup::create(place.hierarchy, cat(place.path, "/leaf"),
                          {.needed = {"cpu", "memory", "pids", "io", "cpuset"}, .useful = {"hugetlb"}}));
  must(group.write(FileValue{"pids.max", "9"}, place.hierarchy));
  int ready[2];
  cr_assert(sys::pipe2(ready, O_CLOEXEC) == 0);
  start_in(group, [&] {
    eat(32 * kMegabyte);
    sys::write(ready[1], "", 1);
    return sleep_forever();
  });
  char byte = 0;
  cr_assert(sys::read(ready[0], &byte, 1) == 1);
  const Counters counters = must(read_counters(group));
  cr_expect(counters.memory.usage >= 32 * kMegabyte && counters.memory.limit == kNoLimit);
  cr_expect(counters.memory.peak == 0 || counters.memory.peak >= counters.memory.usage);  // memory.peak: Linux 5.19
  cr_expect(counters.pids.usage == 1 && counters.pids.limit == 9);
  cr_expect(counters.memory_stat.size() > 20 && counters.memory_stat.front().first == "anon");
  cr_expect(not counters.cpus.empty() && not counters.mems.empty());
  if (has_word(place.hierarchy.offered, "hugetlb")) cr_expect(not counters.hugepages.empty());
}
