// `convox cp`: the same bytes both ways, to the right owner; and whatever the container does with its names meanwhile,
// nothing of the host is read for it or written by it.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <map>

#include "runtime/base/fs.h"
#include "tests/support/running.h"

using namespace convox::test;
using convox::cat;

namespace {

constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

// Every byte there is, and many of them.
std::string any_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  unsigned state = 1;
  for (char& byte : bytes) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

// "WHO CALL" lines of a MODE=faults build, as points: the so many-th call of that name.
std::vector<std::string> points_in(const std::string& log) {
  std::map<std::string, int> seen;
  std::vector<std::string> points;
  for (const std::string& call : lines_with(log, "host ")) points.push_back(cat("host:", call, ":", ++seen[call]));
  return points;
}

}  // namespace

Test(cp, gives_the_same_bytes_both_ways_and_files_to_root_inside) {
  REQUIRE(kNeeds);
  App app;
  app.write("data", any_bytes(5'000'001), 0640);
  app.remember();
  for (const char* userns : {"--userns=", "--userns=host"}) {
    std::vector<std::string> flags;
    if (std::string_view(userns).ends_with("host")) flags.emplace_back(userns);
    Running inside(app, "", "stat -c '%u:%g %a' /tmp/in; wc -c < /tmp/in", flags);
    EXPECT_STATUS(app.convox({"cp", "data", inside.id.substr(0, 5) + ":/tmp/in"}), 0);
    const Ran out = app.convox({"cp", "web:/tmp/in", "back"});
    EXPECT_STATUS(out, 0);
    EXPECT_TEXT(out.out + out.err, "");
    cr_expect(read_file(app.app() + "/data") == read_file(app.app() + "/back"), "%s", userns);
    struct stat st {};
    cr_expect(stat((app.app() + "/back").c_str(), &st) == 0 && st.st_uid == 0 && (st.st_mode & 07777) == 0640);
    unlink((app.app() + "/back").c_str());
    EXPECT_TEXT(inside.says(), "0:0 640\n5000001\n");
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(cp, copies_trees_with_links_and_fifos_and_volumes) {
  REQUIRE(kNeeds);
  App app(testbox_image(), "    volumes:\n      - /data\n");
  app.write("tree/a/file", "text");
  app.write("tree/empty", "");
  cr_assert(symlink("/etc/shadow", (app.app() + "/tree/link").c_str()) == 0);
  cr_assert(mkfifo((app.app() + "/tree/a/fifo").c_str(), 0600) == 0);
  Running inside(app, "", "cd /data/tree; ls -1; cat a/file; readlink link; test -p a/fifo && echo fifo");
  EXPECT_STATUS(app.convox({"cp", "tree", inside.id + ":/data"}), 0);
  EXPECT_STATUS(app.convox({"cp", inside.id + ":/data/tree", "back"}), 0);
  EXPECT_TEXT(app.run({"/usr/bin/diff", "--no-dereference", "-r", "tree", "back", "-x", "fifo"}).out, "");
  // It is the volume, not what lies below it.
  EXPECT_TEXT(read_file(app.lib() + "/volumes/app/service/web/data/tree/a/file"), "text");
  // All of it, but for what is the kernel's.
  const Ran whole = app.convox({"cp", inside.id + ":/", "whole"});
  EXPECT_STATUS(whole, 0);
  EXPECT_CONTAINS(whole.err, "WARNING: not copied, since devices, sockets");
  cr_expect(exists(app.app() + "/whole/bin/busybox") && exists(app.app() + "/whole/data/tree/a/file"));
  cr_expect(exists(app.app() + "/whole/proc") == false && exists(app.app() + "/whole/dev/null") == false);
  EXPECT_TEXT(inside.says(), "a\nempty\nlink\ntext/etc/shadow\nfifo\n");
}

Test(cp, keeps_owners_as_numbers_of_each_side_when_it_archives) {
  REQUIRE(kNeeds);
  App app;
  app.write("mine", "x", 04755);
  cr_assert(chown((app.app() + "/mine").c_str(), 1000, 50) == 0 && chmod((app.app() + "/mine").c_str(), 04755) == 0);
  app.write("foreign", "x");
  cr_assert(chown((app.app() + "/foreign").c_str(), 70'000, 0) == 0);
  Running inside(app, "", "stat -c '%u:%g %a' /tmp/mine /tmp/plain");
  EXPECT_STATUS(app.convox({"cp", "--archive", "mine", inside.id + ":/tmp"}), 0);
  EXPECT_STATUS(app.convox({"cp", "mine", inside.id + ":/tmp/plain"}), 0);
  const Ran refused = app.convox({"cp", "--archive", "foreign", inside.id + ":/tmp"});
  EXPECT_STATUS(refused, 1);
  EXPECT_CONTAINS(refused.err, "foreign: id 70000 has no place in the container's user namespace\n");
  EXPECT_STATUS(app.convox({"cp", "--archive", inside.id + ":/tmp/mine", "back"}), 0);
  struct stat st {};
  cr_expect(stat((app.app() + "/back").c_str(), &st) == 0 && st.st_uid == 1000 && st.st_gid == 50);
  EXPECT_TEXT(inside.says(), "1000:50 4755\n0:0 755\n");
}

Test(cp, writes_to_a_volume_and_not_to_a_read_only_root) {
  REQUIRE(kNeeds);
  App app(testbox_image(), "    volumes:\n      - /data\n");
  app.write("file", "text");
  Running inside(app, "", "cat /data/file", {"--read-only"});
  const Ran refused = app.convox({"cp", "file", inside.id + ":/app/"});
  EXPECT_STATUS(refused, 1);
  EXPECT_CONTAINS(refused.err, "Read-only file system (EROFS)\n");
  EXPECT_STATUS(app.convox({"cp", "file", inside.id + ":/data"}), 0);
  EXPECT_TEXT(inside.says(), "text");
}

// The 4 MB of /dev are soon full.
Test(cp, leaves_nothing_of_a_file_that_did_not_fit) {
  REQUIRE(kNeeds);
  App app;
  app.write("large", any_bytes(6'000'000));
  Running inside(app, "", "ls -A /dev | grep -e large -e convox-cp");
  const Ran full = app.convox({"cp", "large", inside.id + ":/dev/large"});
  EXPECT_STATUS(full, 1);
  EXPECT_CONTAINS(full.err, "No space left on device (ENOSPC)\n");
  EXPECT_TEXT(inside.says(), "");
}

Test(cp, replaces_no_mount_point_and_writes_to_no_file_of_the_kernel) {
  REQUIRE(kNeeds);
  App app;
  app.write("file", "evil");
  Running inside(app, "", "cat /etc/hostname");
  EXPECT_CONTAINS(app.convox({"cp", "file", inside.id + ":/etc/hostname"}).err, "its place is a mount point\n");
  for (const char* place : {"/proc/sys/kernel/core_pattern", "/proc/1/oom_score_adj", "/sys/new"}) {
    const Ran refused = app.convox({"cp", "file", inside.id + ":" + place});
    EXPECT_STATUS(refused, 1);
    EXPECT_CONTAINS(refused.err, "on a file system of the kernel\n");
  }
  EXPECT_TEXT(inside.says(), inside.id + "\n");
}

Test(cp, never_leaves_the_container_whatever_its_links_say) {
  REQUIRE(kNeeds);
  App app;
  app.write("secret", "of the host");
  const std::string secret = app.app() + "/secret";
  Running inside(app, cat("mkdir -p ", app.app(), "; echo inside > ", secret, "; ln -s ", secret,
                          " /absolute; ln -s ../../../../../../..", secret, " /tmp/dots; ln -s /proc/1/root", secret,
                          " /magic; ln -s /proc/self/cwd/secret /own"));
  const auto out = [&](const std::string& path) { return app.convox({"cp", "-L", inside.id + ":" + path, "out"}); };
  for (const std::string& path : {std::string("/absolute"), std::string("/tmp/dots"), "/../../../.." + secret}) {
    EXPECT_STATUS(out(path), 0);
    EXPECT_TEXT(read_file(app.app() + "/out"), "inside\n");  // the same name, in the container's own world
    unlink((app.app() + "/out").c_str());
  }
  for (const char* path : {"/magic", "/own", "/proc/1/root/etc/passwd", "/proc/1/cwd/secret"}) {
    EXPECT_STATUS(out(path), 1);
    cr_expect(exists(app.app() + "/out") == false, "%s", path);
  }
  // The way in.
  app.write("new", "written");
  EXPECT_STATUS(app.convox({"cp", "new", inside.id + ":/absolute"}), 0);
  EXPECT_TEXT(read_file(secret), "of the host");
  EXPECT_STATUS(out(secret), 0);
  EXPECT_TEXT(read_file(app.app() + "/out"), "written");
}

Test(cp, does_not_hang_on_a_fifo_nor_touch_a_device) {
  REQUIRE(kNeeds);
  App app;
  Running inside(app, "mkfifo /tmp/fifo");
  EXPECT_STATUS(app.convox({"cp", inside.id + ":/tmp/fifo", "fifo"}), 0);
  struct stat st {};
  cr_expect(lstat((app.app() + "/fifo").c_str(), &st) == 0 && S_ISFIFO(st.st_mode));
  const Ran refused = app.convox({"cp", inside.id + ":/dev/zero", "zero"});
  EXPECT_STATUS(refused, 1);
  EXPECT_CONTAINS(refused.err, "/dev/zero is a device\n");
}

// The container swaps a directory for a link to a directory of the host, all the time. Whoever resolves the path with
// the host's root is fooled within moments; that shows that the race is on.
Test(cp, loses_no_race_against_a_container_that_swaps_links) {
  REQUIRE(kNeeds);
  App app;
  const std::string trap = app.path() + "/trap";
  write_file(trap + "/file", "of the host");
  app.write("evil", "of the caller");
  Running inside(app,
                 cat("mkdir /swap /swap/d; echo inside > /swap/d/file; cd /swap; (while :; do mv d e; ln -s ", trap,
                     " d; rm d; mv e d; done) &"),
                 "kill $!");
  const std::string naive = cat("/proc/", inside.pid, "/root/swap/d/file");
  bool fooled = false;
  for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
       !fooled && std::chrono::steady_clock::now() < end;)
    fooled = read_file(naive) == "of the host";
  cr_assert(fooled, "the control was never fooled: this test says nothing");
  int copied = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string out = cat("out", i);
    copied += app.convox({"cp", inside.id + ":/swap/d/file", out}).status == 0;
    const std::string text = read_file(app.app() + "/" + out);
    cr_assert(text.empty() || text == "inside\n", "%s", text.c_str());
    app.convox({"cp", "evil", inside.id + ":/swap/d/"});
    app.convox({"cp", inside.id + ":/swap", cat("tree", i)});
  }
  cr_expect(copied > 0, "no copy ever met the directory");
  EXPECT_TEXT(app.run({"/bin/grep", "-rl", "of the host", "."}).out, "");  // it follows no links either
  EXPECT_TEXT(app.run({"/bin/ls", "-A", trap}).out, "file\n");
  EXPECT_TEXT(read_file(trap + "/file"), "of the host");
}

Test(cp, takes_files_of_a_finished_process_and_gives_it_none) {
  REQUIRE(kNeeds);
  App app;
  EXPECT_STATUS(app.convox({"run", "--keep", "web", "echo kept > /made; chown 1000:50 /made; rm /app/README; exit 3"}),
                3);
  const std::string id = convox::fs::list(open((app.lib() + "/containers").c_str(), O_RDONLY | O_CLOEXEC))->at(0);
  EXPECT_STATUS(app.convox({"cp", "--archive", id + ":/made", "."}), 0);
  EXPECT_TEXT(read_file(app.app() + "/made"), "kept\n");
  struct stat st {};
  cr_expect(stat((app.app() + "/made").c_str(), &st) == 0 && st.st_uid == 1000 && st.st_gid == 50);
  EXPECT_STATUS(app.convox({"cp", id + ":/bin/busybox", "."}), 0);  // of the image
  EXPECT_CONTAINS(app.convox({"cp", id + ":/app/README", "."}).err, "No such file or directory (ENOENT)\n");
  const Ran refused = app.convox({"cp", "made", id + ":/"});
  EXPECT_STATUS(refused, 1);
  EXPECT_TEXT(refused.err, cat("ERROR: process ", id, " is not running (it exited with status 3)\n"));
  EXPECT_STATUS(app.convox({"gc", "--kept"}), 0);
  for (const char* name : {"/made", "/busybox"}) unlink((app.app() + name).c_str());
  EXPECT_NOTHING_LEFT(app);
}

// Each system call of a copy fails once: then the copy is whole or not there, and one line says why.
Test(cp, is_whole_or_not_there_whichever_of_its_calls_fails) {
  REQUIRE(kNeeds);
  App app;
  app.write("tree/dir/file", "text of the file");
  cr_assert(symlink("dir/file", (app.app() + "/tree/link").c_str()) == 0);
  Running inside(app, "mkdir /out; echo inside > /out/file");
  for (const bool out : {false, true}) {
    const std::string destination = out ? app.app() + "/back" : cat("/proc/", inside.pid, "/root/tmp/tree");
    const std::string from = out ? inside.id + ":/out" : "tree", to = out ? "back" : inside.id + ":/tmp/tree";
    const std::vector<std::string> copy = {Sandbox::faults_build() + "/convox", "cp", from, to};
    const auto files = [&] { return app.run({"/usr/bin/find", destination, "-printf", "%P %y %s %m\n"}).out; };
    std::vector<std::string> logged = {"/bin/bash", "-c", "exec 1000>\"$0\" \"$@\"", "log"};
    logged.insert(logged.end(), copy.begin(), copy.end());
    EXPECT_STATUS(app.run(logged), 0);
    const std::string whole = files();
    const std::vector<std::string> points = points_in(read_file(app.app() + "/log"));
    cr_assert(points.size() > 60, "%zu calls", points.size());
    for (const std::string& point : points)
      for (const char* error : {"ENOMEM", "EACCES"}) {
        app.run({"/bin/rm", "-r", destination});
        Start how;
        how.environment = {cat("CONVOX_FAULT=", point, ":", error)};
        const Ran ran = app.run(copy, how);
        const bool refused =
            (ran.status == 1 || ran.status == 125) && ran.out.empty() && lines_with(ran.err, "ERROR: ").size() == 1;
        cr_expect(ran.status == 0 || refused, "%s %s: %d %s", point.c_str(), error, ran.status, ran.err.c_str());
        const std::string there = files();
        cr_expect(there == whole || (refused && there.empty()), "%s %s: %s", point.c_str(), error, there.c_str());
        const std::string rests = app.run({"/bin/sh", "-c", cat("ls -A ", destination, "/.. | grep convox-cp")}).out;
        cr_expect(rests.empty(), "%s %s leaves %s", point.c_str(), error, rests.c_str());
      }
  }
}

Test(cp, says_what_is_wrong_with_its_two_words) {
  REQUIRE(kNeeds);
  App app;
  const std::pair<std::vector<std::string>, const char*> rows[] = {
      {{"a", "b"}, "ERROR: one of the two paths, and only one, must be inside a process: ID:PATH\n"},
      {{"a:/x", "b:/x"}, "ERROR: one of the two paths, and only one, must be inside a process: ID:PATH\n"},
      {{"./a:b", "/c:d"}, "ERROR: one of the two paths, and only one, must be inside a process: ID:PATH\n"},
      {{"none:/x", "."}, "ERROR: no such process: none\n"},
      {{"none:x", "."}, "ERROR: must specify absolute paths for processes\n"},
      {{"none:", "."}, "ERROR: none:: the path inside is missing\n"},
      {{"", "web:/x"}, "ERROR: a path is empty\n"},
      {{"-", "web:/x"}, "ERROR: cp reads and writes no archives; a file of that name is ./-\n"},
      {{"web:/x"}, "ERROR: 2 args required\n"},
  };
  for (const auto& [words, error] : rows) {
    std::vector<std::string> arguments = {"cp"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const Ran ran = app.convox(arguments);
    EXPECT_STATUS(ran, 1);
    EXPECT_TEXT(ran.err, error);
  }
}
