// Where something may be mounted: not over what the kernel tells, whatever the user wrote or the image made of it.
#include <sys/stat.h>

#include "tests/support/app.h"

using namespace convox::test;
using convox::cat;

namespace {

constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

Entry link_to(std::string path, std::string target) {  // symlink(2) is in the way of the other name
  return convox::test::symlink(std::move(path), std::move(target));
}

}  // namespace

Test(mount_targets, written_as_something_else_are_still_refused) {
  REQUIRE(kNeeds);
  App app;
  const std::string source = app.path() + "/volume";
  write_file(source + "/file", "x");
  app.remember();
  for (const char* target :
       {"/proc", "//proc", "/proc/", "/proc/sys", "/sys", "/dev", "/dev/pts", "/etc/../proc", "/."}) {
    const Ran ran = app.convox({"run", "--volume", cat(source, ":", target), "web", "true"});
    cr_expect(ran.status == 125 && ran.err.find("volume") != std::string::npos, "%s: %d %s", target, ran.status,
              ran.err.c_str());
  }
  EXPECT_NOTHING_LEFT(app);
}

// Verify reads /proc/self/status and mountinfo: an image or a volume must not be able to write them.
Test(mount_targets, that_links_lead_into_proc_are_refused) {
  REQUIRE(kNeeds);
  for (const char* into : {"/proc/1/status", "/proc/self/mountinfo", "/proc/uptime", "/sys/kernel/notes"}) {
    App app(testbox_image_with({link_to("etc/hostname", into)}));
    const Ran ran = app.convox({"run", "web", "true"});
    EXPECT_STATUS(ran, 125);
    EXPECT_CONTAINS(ran.err, "EXDEV");
    EXPECT_NOTHING_LEFT(app);
  }
  App app(testbox_image_with({link_to("data", "/proc/sys"), link_to("root-again", "/")}));
  const std::string source = app.path() + "/volume";
  write_file(source + "/file", "x");
  app.remember();
  for (const char* target : {"/data", "/root-again"}) {
    const Ran ran = app.convox({"run", "--volume", cat(source, ":", target), "web", "true"});
    EXPECT_STATUS(ran, 125);
    EXPECT_CONTAINS(ran.err, "EXDEV");
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(mount_targets, below_another_volume_are_mounts_of_their_own) {
  REQUIRE(kNeeds);
  App app;
  for (const char* name : {"outer", "inner"}) write_file(cat(app.path(), "/", name, "/file"), name);
  write_file(app.path() + "/outer/sub/hidden", "x");
  app.remember();
  const Ran ran = app.convox({"run", "--volume", app.path() + "/outer:/data", "--volume",
                              app.path() + "/inner:/data/sub:ro", "--volume", app.path() + "/outer:/etc", "web",
                              "cat /data/file /data/sub/file /etc/file; ls /data/sub; touch /data/sub/x"});
  EXPECT_CONTAINS(ran.out, "outerinnerouterfile\n");
  EXPECT_CONTAINS(ran.err, "Read-only file system");
}

// systemd-resolved's images ship a link to a file that it would make.
Test(mount_targets, behind_a_link_that_leads_nowhere_yet_are_made) {
  REQUIRE(kNeeds);
  App app(testbox_image_with(
      {link_to("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"), link_to("etc/hosts", "/etc/hosts")}));
  const Ran loop = app.convox({"run", "web", "true"});
  EXPECT_STATUS(loop, 125);
  EXPECT_CONTAINS(loop.err, "ELOOP");
  App good(testbox_image_with({link_to("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")}));
  const Ran ran = good.convox({"run", "web", "cat /run/systemd/resolve/stub-resolv.conf"});
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.out, "No network");
  EXPECT_NOTHING_LEFT(good);
}

Test(mount_targets, of_the_user_win_over_files_of_ours) {
  REQUIRE(kNeeds);
  App app;
  write_file(app.path() + "/hosts", "10.1.2.3 mine\n");
  write_file(app.path() + "/etc/only", "x");
  app.remember();
  EXPECT_TEXT(app.convox({"run", "--volume", app.path() + "/hosts:/etc/hosts", "web", "cat", "/etc/hosts"}).out,
              "10.1.2.3 mine\n");
  EXPECT_TEXT(app.convox({"run", "--volume", app.path() + "/etc:/etc:ro", "web", "ls", "/etc"}).out, "only\n");
  EXPECT_NOTHING_LEFT(app);
}

Test(mount_targets, that_links_lead_to_dev_are_refused_and_the_volume_is_untouched) {
  REQUIRE(kNeeds);
  App app(testbox_image_with({link_to("data", "/dev")}));
  write_file(app.path() + "/volume/.hosts", "mine");
  app.remember();
  const Ran ran = app.convox({"run", "--volume", app.path() + "/volume:/data", "web", "true"});
  EXPECT_STATUS(ran, 125);
  EXPECT_CONTAINS(ran.err, "EXDEV");
  EXPECT_NOTHING_LEFT(app);
}
