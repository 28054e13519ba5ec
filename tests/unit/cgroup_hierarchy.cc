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

Test(cgroup_hierarchy, a_word_is_whole) {
  cr_assert(has_word("cpuset cpu io\n", "cpu"));
  cr_assert(has_word("cpuset cpu io\n", "io"));
  cr_assert(has_word("io", "io"));
  cr_assert(not has_word("cpuset\n", "cpu"));
  cr_assert(not has_word("\n", "cpu"));
  cr_assert(not has_word("", ""));
}

Test(cgroup_hierarchy, the_root_of_a_mount_is_that_of_the_one_on_top) {
  const char* mounts =
      "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 none rw\n"
      "31 23 0:26 /a\\040b /sys/fs/cgroup rw - cgroup2 none rw\n"
      "32 23 0:26 /other /other rw - cgroup2 none rw\n";
  const auto top = find_mount_root(mounts, "/sys/fs/cgroup"), other = find_mount_root(mounts, "/other");
  cr_assert_str_eq(top->c_str(), "/a b");
  cr_assert_str_eq(other->c_str(), "/other");
  cr_assert(not find_mount_root(mounts, "/none").has_value());
}

Test(cgroup_hierarchy, the_group_of_a_process_is_said_from_the_mount_point) {
  struct {
    const char *text, *root, *expected;  // null: an error
  } cases[] = {
      {"0::/\n", "/", ""},
      {"0::/a.slice/b\n", "/", "a.slice/b"},
      {"12:pids:/x\n1:name=systemd:/y\n0::/z\n", "/", "z"},
      {"0::/..x\n", "/", "..x"},
      {"0::/docker/abc/in\n", "/docker/abc", "in"},
      {"0::/docker/abc\n", "/docker/abc", ""},
      {"0::/docker/abcd\n", "/docker/abc", nullptr},
      {"0::/docker\n", "/docker/abc", nullptr},
      {"0::/../sibling\n", "/", nullptr},
      {"0::/..\n", "/", nullptr},
      {"0::/../sibling\n", "/..", nullptr},
      {"0::/x\n", "/..", nullptr},
      {"0::/gone (deleted)\n", "/", nullptr},
      {"12:pids:/x\n", "/", nullptr},
      {"", "/", nullptr},
  };
  for (auto& one : cases) {
    const Result<std::string> group = parse_group(one.text, one.root);
    cr_expect(group.has_value() == (one.expected != nullptr), "%s in %s", one.text, one.root);
    if (group && one.expected) cr_expect_str_eq(group->c_str(), one.expected);
  }
}
