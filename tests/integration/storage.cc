// What a container wrote goes with it, however it tried to stay; and nothing that stays keeps others from running.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/app.h"

using namespace convox::test;

namespace {

constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

void make(const std::string& path) { cr_assert(mkdir(path.c_str(), 0700) == 0, "%s", path.c_str()); }

}  // namespace

// Deeper than there are descriptors: removal must not need one a level.
Test(storage, directories_as_deep_as_a_container_likes_are_removed) {
  REQUIRE(kNeeds);
  App box;
  const std::string dig = "cd /tmp; i=0; while [ $i -lt 600 ]; do mkdir d && cd d || exit 9; i=$((i+1)); done; exit 3";
  const Ran ran = box.run(
      {"/bin/sh", "-c", "ulimit -n 200; exec " + Sandbox::build() + "/convox run --network none web '" + dig + "'"});
  EXPECT_STATUS(ran, 3);
  EXPECT_TEXT(ran.err, "");
  EXPECT_NOTHING_LEFT(box);
}

// A leftover that cannot be removed: not a reason to run nothing any more, nor to take the command its status.
Test(storage, what_cannot_be_removed_is_told_and_stops_nobody) {
  REQUIRE(kNeeds);
  App box;
  const std::string left = box.lib() + "/containers/0123456789ab";
  make(box.state() + "/c/0123456789ab");
  write_file(left + "/upper/file", "x");
  if (box.run({"/usr/bin/chattr", "+i", left + "/upper/file"}).status != 0) cr_skip_test("no immutable files here");
  const Ran ran = box.convox({"run", "web", "sh", "-c", "exit 4"});
  EXPECT_STATUS(ran, 4);
  EXPECT_CONTAINS(ran.err, "WARNING: removing container 0123456789ab: ");
  EXPECT_STATUS(box.convox({"gc"}), 1);
  EXPECT_STATUS(box.run({"/usr/bin/chattr", "-i", left + "/upper/file"}), 0);
  EXPECT_STATUS(box.convox({"gc"}), 0);
  EXPECT_NOTHING_LEFT(box);
}

// Everything that a container owns has its name: nothing depends on what its record says.
Test(storage, a_record_that_is_torn_foreign_or_missing_does_not_save_a_leftover) {
  REQUIRE(kNeeds);
  App box;
  for (const char* record : {"", "not a record", "{\"version\":99}"}) {
    write_file(box.lib() + "/containers/0123456789ab/upper/file", "x");
    make(box.state() + "/c/0123456789ab");
    if (*record) write_file(box.state() + "/c/0123456789ab/state.json", record);
    EXPECT_TEXT(box.convox({"run", "web", "echo", "fine"}).out, "fine\n");
    EXPECT_NOTHING_LEFT(box);
  }
}

// A reboot empties the run directory and not the store.
Test(storage, of_nobody_is_swept_away_by_gc) {
  REQUIRE(kNeeds);
  App box;
  make(box.lib() + "/containers/0123456789ab");
  make(box.lib() + "/containers/0123456789ab/upper");
  EXPECT_TEXT(box.convox({"gc"}).out, "Removed 1 containers, 0 layers and 0 temporaries\n");
  EXPECT_NOTHING_LEFT(box);
}

Test(storage, that_was_to_be_kept_outlives_a_killed_convox) {
  REQUIRE(kNeeds);
  App box;
  Program running = box.start_convox({"run", "--keep", "web", "echo precious > /kept; echo ready; exec sleep 60"});
  cr_assert(running.expect("ready"));
  running.signal(SIGKILL);
  running.wait();
  EXPECT_STATUS(box.convox({"run", "web", "true"}), 0);  // reaps it
  const Ran found =
      box.run({"/bin/sh", "-c",
               "cat " + box.lib() + "/containers/*/upper/kept; cat " + box.lib() + "/containers/*/state.json"});
  EXPECT_CONTAINS(found.out, "precious\n");
  EXPECT_CONTAINS(found.out, "\"status\":-1");
  EXPECT_TEXT(box.convox({"gc"}).out, "Removed 0 containers, 0 layers and 0 temporaries\n");
  EXPECT_TEXT(box.convox({"gc", "--kept"}).out, "Removed 1 containers, 0 layers and 0 temporaries\n");
  EXPECT_NOTHING_LEFT(box);
}

// The three files of /etc are writable, and bounded: they are not the host's /run.
Test(storage, the_files_in_etc_cannot_fill_the_host) {
  REQUIRE(kNeeds);
  App box;
  const Ran ran =
      box.convox({"run", "web", "dd if=/dev/zero of=/etc/hosts bs=1M count=64 2>/dev/null; stat -c %s /etc/hosts"});
  EXPECT_STATUS(ran, 0);
  cr_assert(std::stol(ran.out) <= 4 << 20, "%s", ran.out.c_str());
}
