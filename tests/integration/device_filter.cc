// Does the kernel take our device programs, and does it refuse and allow what they say? This calls the library itself,
// in a group of its own.
#include "cgroups/device_filter.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/needs.h"

using namespace convox;
using namespace convox::cgroups;

namespace {

template <class Value>
Value must(Result<Value> result) {
  cr_assert(result.has_value(), "%s", result.error().text.c_str());
  return *std::move(result);
}

struct Place {
  Hierarchy hierarchy = must(read_hierarchy());
  Cgroup group = must(Cgroup::create(hierarchy, cat("convox-test-", getpid()), {}));
  ~Place() { cr_expect(group.end().has_value()); }
};

// The errno of the act, done by a child that is born in the group. Raw calls only: the parent has threads.
template <class Act>
int in_group(const Cgroup& group, Act act) {
  clone_args how{};
  how.flags = CLONE_INTO_CGROUP;
  how.exit_signal = SIGCHLD;
  how.cgroup = static_cast<unsigned>(group.fd());
  const long pid = sys::clone3(&how, sizeof how);
  if (pid == 0) sys::exit_group(static_cast<int>(-std::min<long>(act(), 0)));
  cr_assert(pid > 0, "clone3: %ld", -pid);
  int status = 0;
  cr_assert(waitpid(static_cast<int>(pid), &status, 0) == pid && WIFEXITED(status));
  return WEXITSTATUS(status);
}

int opening(const Cgroup& group, const char* path, int flags) {
  return in_group(group, [=] { return sys::openat(AT_FDCWD, path, flags); });
}

int making(const Cgroup& group, unsigned type, unsigned major, unsigned minor) {
  const std::string path = cat("/tmp/node-", getpid());
  const int error = in_group(group, [&] {
    return sys::mknodat(AT_FDCWD, path.c_str(), type | 0600, static_cast<unsigned>(makedev(major, minor)));
  });
  unlink(path.c_str());
  return error;
}

// How many programs the kernel asks for this group.
unsigned programs(const Cgroup& group) {
  std::uint32_t ids[64] = {};
  bpf_attr query{};
  query.query.target_fd = static_cast<std::uint32_t>(group.fd());
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = reinterpret_cast<std::uint64_t>(ids);
  query.query.prog_cnt = 64;
  cr_assert(sys::bpf(BPF_PROG_QUERY, &query, sizeof query) == 0);
  return query.query.prog_cnt;
}

const DeviceRule kNone{false}, kAll{true}, kNull{true, 'c', 1, 3}, kZeroRead{true, 'c', 1, 5, true, false, false};

}  // namespace

Test(device_filter, a_group_without_a_program_has_every_device) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  cr_expect_eq(opening(place.group, "/dev/null", O_RDWR), 0);
  cr_expect_eq(opening(place.group, "/dev/zero", O_RDWR), 0);
  cr_expect_eq(making(place.group, S_IFCHR, 1, 5), 0);
}

Test(device_filter, what_no_rule_allows_is_refused_by_the_kernel) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  must(filter_devices(place.group, {kNone, kNull, kZeroRead}, false));
  cr_expect_eq(opening(place.group, "/dev/null", O_RDWR), 0);
  cr_expect_eq(opening(place.group, "/dev/zero", O_RDONLY), 0);
  cr_expect_eq(opening(place.group, "/dev/zero", O_RDWR), EPERM);
  cr_expect_eq(opening(place.group, "/dev/zero", O_WRONLY), EPERM);
  cr_expect_eq(opening(place.group, "/dev/full", O_RDONLY), EPERM);
  cr_expect_eq(making(place.group, S_IFCHR, 1, 3), 0);
  cr_expect_eq(making(place.group, S_IFCHR, 1, 5), EPERM);
  cr_expect_eq(making(place.group, S_IFBLK, 1, 3), EPERM);
  cr_expect_eq(making(place.group, S_IFIFO, 0, 0), 0);
}

Test(device_filter, groups_below_are_bound_by_it_too) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  must(filter_devices(place.group, {kNull}, false));
  const Cgroup below = must(place.group.create_below("below"));
  cr_expect_eq(opening(below, "/dev/zero", O_RDONLY), EPERM);
  must(filter_devices(below, {kAll}, false));
  cr_expect_eq(opening(below, "/dev/zero", O_RDONLY), EPERM);
  cr_expect_eq(opening(below, "/dev/null", O_RDONLY), 0);
}

Test(device_filter, an_update_takes_the_place_of_what_was_there) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  must(filter_devices(place.group, {kNull}, false));
  cr_expect_eq(opening(place.group, "/dev/zero", O_RDONLY), EPERM);
  must(filter_devices(place.group, {kZeroRead}, false));
  cr_expect_eq(opening(place.group, "/dev/zero", O_RDONLY), 0);
  cr_expect_eq(opening(place.group, "/dev/null", O_RDONLY), EPERM);
  cr_expect_eq(programs(place.group), 1u);
  must(filter_devices(place.group, {kAll}, false));
  cr_expect_eq(opening(place.group, "/dev/null", O_RDWR), 0);
  cr_expect_eq(programs(place.group), 1u);
}

// While the rules are replaced over and over, a device that no list has is never to be had, not for a moment.
Test(device_filter, an_update_leaves_no_moment_without_a_program) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  must(filter_devices(place.group, {kNull}, false));
  clone_args how{};
  how.flags = CLONE_INTO_CGROUP;
  how.exit_signal = SIGCHLD;
  how.cgroup = static_cast<unsigned>(place.group.fd());
  const long pid = sys::clone3(&how, sizeof how);
  if (pid == 0) {
    while (sys::openat(AT_FDCWD, "/dev/full", O_RDONLY) == -EPERM) continue;
    sys::exit_group(1);
  }
  for (int update = 0; update < 200; ++update)
    must(filter_devices(place.group, update % 2 ? std::vector{kNull} : std::vector{kZeroRead}, false));
  int status = 0;
  cr_expect_eq(waitpid(static_cast<int>(pid), &status, WNOHANG), 0, "it opened /dev/full");
  kill(static_cast<int>(pid), SIGKILL);
  waitpid(static_cast<int>(pid), &status, 0);
}

Test(device_filter, the_longest_lists_are_taken) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  std::vector<DeviceRule> rules{kNull};
  for (std::int64_t minor = 0; minor < 1000; ++minor)
    rules.push_back({minor % 2 == 0, 'b', 8, minor, true, false, false});
  must(filter_devices(place.group, with_default_devices(rules), false));
  cr_expect_eq(opening(place.group, "/dev/null", O_RDWR), 0);
  cr_expect_eq(opening(place.group, "/dev/zero", O_RDWR), 0);
}

// Without the right to load a program: an error, unless nothing is refused anyway or a user namespace explains it.
Test(device_filter, who_may_not_load_a_program_is_told_so_where_it_matters) {
  REQUIRE(Root | CgroupV2);
  const Place place;
  const auto unprivileged = [&](const std::vector<DeviceRule>& rules, bool in_user_namespace) {
    const long pid = fork();
    if (pid == 0) {
      const Result<> done = sys::setresuid(65534, 65534, 65534) < 0
                                ? invalid("setresuid")
                                : filter_devices(place.group, rules, in_user_namespace);
      _exit(done ? 0 : done.error().code);
    }
    int status = 0;
    cr_assert(waitpid(static_cast<int>(pid), &status, 0) == pid);
    return WEXITSTATUS(status);
  };
  cr_expect_eq(unprivileged({kNull}, false), EPERM);
  cr_expect_eq(unprivileged({kNull}, true), 0);
  cr_expect_eq(unprivileged({kNull, kAll}, false), 0);
}
