// Which files does a container share with the host, with the next container, and with nobody; and whose are they?
#include <sys/stat.h>

#include "tests/support/app.h"

using namespace convox::test;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;
}  // namespace

Test(volumes, of_the_host_are_written_with_the_ids_of_the_container) {
  REQUIRE(kNeeds);
  App app;
  const std::string host = app.path() + "/shared";
  make_directories(host);
  write_file(host + "/seen", "from the host\n");
  app.remember();
  const Ran ran = app.convox({"run", "--volume", host + ":/v", "web", "cat /v/seen; stat -c %u /v/seen; id -u"});
  EXPECT_TEXT(ran.out, "from the host\n0\n0\n");
  const Ran as_app =
      app.convox({"run", "--volume", host + ":/v", "web", "echo text >/v/made; chown 1000:50 /v/made; ls -l /v"});
  EXPECT_STATUS(as_app, 0);
  EXPECT_TEXT(read_file(host + "/made"), "text\n");
  struct stat st {};
  cr_expect(stat((host + "/made").c_str(), &st) == 0 && st.st_uid == 1000 && st.st_gid == 50);
}

Test(volumes, read_only_ones_cannot_be_written) {
  REQUIRE(kNeeds);
  App app;
  const std::string host = app.path() + "/shared";
  make_directories(host);
  app.remember();
  EXPECT_TEXT(app.convox({"run", "--volume", host + ":/v:ro", "web", "testbox", "write-file", "/v/x", "text"}).out,
              "/v/x=EROFS\n");
  // Relative to where the user stands, and setuid files do not count.
  EXPECT_TEXT(app.convox({"run", "--volume", "./image:/v:ro", "web", "ls /v"}).out, "blobs\nindex.json\noci-layout\n");
  EXPECT_CONTAINS(app.convox({"run", "--volume", host + ":/v", "web", "grep ' /v ' /proc/self/mountinfo"}).out,
                  "rw,nosuid,nodev,");
  EXPECT_NOTHING_LEFT(app);
}

Test(volumes, can_be_single_files) {
  REQUIRE(kNeeds);
  App app;
  const std::string host = app.path() + "/one";
  write_file(host, "one file\n");
  app.remember();
  const Ran ran = app.convox({"run", "--volume", host + ":/app/README", "--volume", host + ":/new/place", "web",
                              "cat README /new/place; echo more >>README"});
  EXPECT_TEXT(ran.out, "one file\none file\n");
  EXPECT_TEXT(read_file(host), "one file\nmore\n");
  EXPECT_NOTHING_LEFT(app);
}

Test(volumes, with_a_name_outlive_the_container) {
  REQUIRE(kNeeds);
  App app;
  const auto run = [&](std::string line, std::string user) {
    return app.convox({"run", "--volume", "data:/v", "--user", user, "web", line});
  };
  EXPECT_TEXT(run("stat -c '%u:%g %a' /v; echo text >/v/file", "root").out, "0:0 755\n");
  EXPECT_TEXT(run("cat /v/file; stat -c %u:%g /v/file", "app").out, "text\n0:0\n");
  struct stat st {};
  const std::string place = app.lib() + "/volumes/app/app/data/file";
  cr_expect(stat(place.c_str(), &st) == 0 && st.st_uid == 0, "%s is not there, or not root's", place.c_str());
  EXPECT_STATUS(app.convox({"run", "--volume", "a/b:/v", "web", "true"}), 125);
}

Test(volumes, of_the_manifest_are_the_services_own_or_the_apps) {
  REQUIRE(kNeeds);
  App app(
      testbox_image(),
      "    volumes:\n      - /own\n      - shared:/common\n"
      "  worker:\n    image: oci:image\n    command: sleep 60\n    volumes:\n      - /own\n      - shared:/common\n");
  EXPECT_STATUS(app.convox({"run", "web", "echo web >/own/file; echo web >/common/file"}), 0);
  EXPECT_TEXT(app.convox({"run", "worker", "cat /common/file; ls /own"}).out, "web\n");
  EXPECT_TEXT(app.convox({"run", "web", "cat /own/file"}).out, "web\n");
}

Test(volumes, that_cannot_be_idmapped_name_the_way_out) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.convox({"run", "--volume", "/sys/kernel:/v:ro", "web", "true"});
  EXPECT_STATUS(ran, 125);
  EXPECT_CONTAINS(ran.err, "--userns host");
  EXPECT_STATUS(app.convox({"run", "--userns", "host", "--volume", "/sys/kernel:/v:ro", "web", "ls /v"}), 0);
  EXPECT_NOTHING_LEFT(app);
}

Test(volumes, of_an_image_stay_writable_under_a_read_only_root) {
  REQUIRE(kNeeds);
  App app(testbox_image_with({directory("data/"), file("data/there", "from the image\n")},
                             R"({"Env":["PATH=/bin"],"Volumes":{"/data":{},"/var/made":{}}})"));
  const Ran ran = app.convox({"run", "--read-only", "web",
                              "cat /data/there; echo x >/data/new; echo x >/var/made/new; cat /data/new; "
                              "testbox write-file /x x; testbox write-file /etc/hosts x"});
  EXPECT_CONTAINS(ran.out, "from the image\nx\n/x=EROFS\n");
  // Nobody else sees what it wrote.
  EXPECT_TEXT(app.convox({"run", "web", "ls /data /var/made"}).out, "/data:\nthere\n\n/var/made:\n");
  EXPECT_NOTHING_LEFT(app);
}

Test(volumes, replace_each_other_by_their_place) {
  REQUIRE(kNeeds);
  App app;
  for (const char* name : {"/one", "/two"}) write_file(app.path() + name + "/name", name);
  app.remember();
  EXPECT_TEXT(
      app.convox({"run", "--volume", app.path() + "/one:/v", "--volume", app.path() + "/two:/v", "web", "cat /v/name"})
          .out,
      "/two");
}
