// Where is cgroup v2, judged from mountinfo texts of real hosts.
#include <criterion/criterion.h>

#include "cgroups/hierarchy.h"

using namespace convox;
using namespace convox::cgroups;

namespace {
constexpr const char* kHybrid =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,nosuid shared:10 master:3 - cgroup2 cgroup2 rw,nsdelegate\n";
}

Test(cgroup_hierarchy, the_mount_point_is_found_whatever_stands_around_it) {
  struct {
    const char *name, *mountinfo, *mount_point;
  } cases[] = {
      {"unified", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup"},
      {"hybrid", kHybrid, "/sys/fs/cgroup/unified"},
      {"no newline at the end", "30 23 0:26 / /cg rw - cgroup2 none rw", "/cg"},
      {"a space in the path", "30 23 0:26 / /my\\040groups rw - cgroup2 none rw\n", "/my groups"},
      {"a bind mount of a part comes second",
       "30 23 0:26 /system.slice /part rw - cgroup2 none rw\n31 23 0:26 / /whole rw - cgroup2 none rw\n", "/whole"},
      {"only a part", "30 23 0:26 /system.slice /part rw - cgroup2 none rw\n", "/part"},
      {"the type is what counts, not the source",
       "29 23 0:9 / /a rw - tmpfs cgroup2 rw\n30 23 0:26 / /b rw - cgroup2 x rw\n", "/b"},
  };
  for (auto& one : cases) {
    const Result<std::string> found = find_mount_point(one.mountinfo);
    cr_assert(found.has_value(), "%s", one.name);
    cr_assert_str_eq(found->c_str(), one.mount_point, "%s", one.name);
  }
}

Test(cgroup_hierarchy, a_host_with_version_1_only_is_told_from_one_with_nothing) {
  const Result<std::string> old = find_mount_point("35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  const Result<std::string> none = find_mount_point("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
  cr_assert(not old.has_value());
  cr_assert(not none.has_value());
  cr_assert_neq(old.error().text.find("version 1 only"), std::string::npos);
  cr_assert_neq(old.error().advice.find("systemd.unified_cgroup_hierarchy=1"), std::string::npos);
  cr_assert_eq(none.error().text.find("version 1"), std::string::npos);
}

Test(cgroup_hierarchy, controllers_are_whole_words_and_others_are_ignored) {
  const Controllers all = parse_controllers("cpuset cpu io memory hugetlb pids rdma misc\n");
  for (const Controller one : kControllers) cr_assert(all.has(one));
  cr_assert(parse_controllers("hugetlb\n").empty());
  cr_assert(parse_controllers("\n").empty());
  const Controllers cpuset = parse_controllers("cpuset\n");
  cr_assert(cpuset.has(Controller::kCpuset));
  cr_assert(not cpuset.has(Controller::kCpu));
}
