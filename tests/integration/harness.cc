// Would the harness notice? A judge that cannot say no is worth nothing: each test here does what a bad program would
// do.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/cat.h"
#include "tests/support/image.h"
#include "tests/support/needs.h"
#include "tests/support/sandbox.h"

using namespace convox::test;

namespace {
std::string testbox() { return Sandbox::build() + "/tests/testbox"; }
}  // namespace

Test(harness, tells_outputs_and_status_apart) {
  Sandbox box;
  const Ran ran = box.run({testbox(), "both-outputs", "to stdout", "to stderr"});
  EXPECT_TEXT(ran.out, "to stdout");
  EXPECT_TEXT(ran.err, "to stderr");
  EXPECT_STATUS(box.run({testbox(), "exit", "7"}), 7);
  EXPECT_STATUS(box.run({testbox(), "crash"}), 128 + SIGSEGV);
  EXPECT_STATUS(box.run({testbox(), "kill-self", "15"}), 128 + SIGTERM);
}

Test(harness, passes_a_megabyte_through_unchanged) {
  Sandbox box;
  std::string bytes;
  for (int at = 0; at < 1'000'000; ++at) bytes += static_cast<char>(at * 7);
  cr_expect(box.run({testbox(), "cat"}, {.input = bytes}).out == bytes);
}

Test(harness, kills_what_does_not_end) {
  Sandbox box;
  const Ran ran = box.run({testbox(), "sleep", "1000"}, {.limit = std::chrono::seconds(1)});
  cr_expect(eq(int, int{ran.status}, int{kTimedOut}));
  EXPECT_CONTAINS(ran.err, "time limit");
  EXPECT_NOTHING_LEFT(box);
}

Test(harness, gives_a_terminal_with_a_size_that_changes) {
  Sandbox box;
  EXPECT_CONTAINS(box.run({testbox(), "is-tty"}, {.terminal = true}).out, "controlling=yes");
  EXPECT_CONTAINS(box.run({testbox(), "is-tty"}).out, "controlling=ENXIO");
  Program shell = box.start({"/bin/busybox", "sh"}, {.terminal = true});
  shell.resize(50, 132);
  shell.type(testbox() + " winsize\n");
  cr_expect(shell.expect("50 132"));
  shell.type("exit 3\n");
  EXPECT_STATUS(shell.wait(), 3);
}

Test(harness, sees_a_file_that_was_left) {
  Sandbox box;
  write_file(box.state() + "/c/551967b75abd/state.json", "{}");
  EXPECT_CONTAINS(box.leftovers(), "+ file /run/c/551967b75abd/state.json");
}

Test(harness, sees_an_orphan_that_was_left) {
  Sandbox box;
  const Ran ran = box.run({testbox(), "leave-orphan", "1000"});
  EXPECT_CONTAINS(ran.err, "keeps its output open");
  EXPECT_CONTAINS(box.leftovers(), convox::cat("+ process ", atoi(ran.out.c_str()), " testbox"));
  kill(atoi(ran.out.c_str()), SIGKILL);
}

Test(harness, sees_a_mount_that_was_left) {
  REQUIRE(Root | PrivateNamespaces);
  Sandbox box;
  const std::string point = box.path() + "/mounted";
  mkdir(point.c_str(), 0755);
  cr_assert(mount("left", point.c_str(), "tmpfs", 0, nullptr) == 0);
  EXPECT_CONTAINS(box.leftovers(), "/mounted");
  umount(point.c_str());
  rmdir(point.c_str());
  EXPECT_NOTHING_LEFT(box);
}

// A runtime that forgets to make its mounts private shows them to the whole machine: scripts/private shares its mounts
// as systemd does on the hosts of our users, so that this comes out.
Test(harness, sees_a_mount_that_came_out_of_a_namespace) {
  REQUIRE(Root | PrivateNamespaces);
  Sandbox box;
  mkdir((box.path() + "/out").c_str(), 0755);
  const std::string script = convox::cat("mount -t tmpfs left ", box.path(), "/out");
  box.run({"/usr/bin/unshare", "--mount", "--propagation", "unchanged", "sh", "-c", script});
  EXPECT_CONTAINS(box.leftovers(), "/out");
  umount((box.path() + "/out").c_str());
}

Test(harness, sees_a_link_that_was_left) {
  REQUIRE(Root | PrivateNamespaces);
  Sandbox box;
  EXPECT_STATUS(box.run({"/bin/ip", "link", "add", "left0", "type", "veth", "peer", "name", "left1"}), 0);
  EXPECT_CONTAINS(box.leftovers(), "left0");
  box.run({"/bin/ip", "link", "delete", "left0"});
  EXPECT_NOTHING_LEFT(box);
}

Test(harness, sees_a_cgroup_that_was_left) {
  REQUIRE(Root | CgroupV2 | PrivateNamespaces);
  Sandbox box;
  const std::string parent = cgroup2_mount() + "/convox", group = parent + "/left";
  mkdir(parent.c_str(), 0755);
  cr_assert(mkdir(group.c_str(), 0755) == 0);
  EXPECT_CONTAINS(box.leftovers(), "+ cgroup convox/left");
  rmdir(group.c_str());
  rmdir(parent.c_str());
}

Test(harness, writes_an_image_that_others_can_read) {
  REQUIRE(Root | Umoci);
  Sandbox box;
  box.add_testbox_app();
  EXPECT_STATUS(box.run({"/usr/bin/umoci", "raw", "unpack", "--image", "image:latest", "tree"}), 0);
  EXPECT_TEXT(read_file(box.app() + "/tree/app/README"), "an app for tests\n");
  struct stat st {};
  cr_expect(stat((box.app() + "/tree/bin/ls").c_str(), &st) == 0 && st.st_nlink > 10);
}
