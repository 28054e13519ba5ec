// Apps, builds, releases and environment from the outside: what the commands print, and what is left of them when they
// are given nonsense, interrupted, or have no room to write.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/cat.h"
#include "tests/support/image.h"
#include "tests/support/needs.h"
#include "tests/support/sandbox.h"

using convox::cat;
using namespace convox::test;

namespace {

bool is_letter(char c) { return c >= 'A' && c <= 'Z'; }

// Ids of releases and builds in a text, each as one letter: they are random.
std::string without_ids(std::string text) {
  for (std::size_t at = 0; at + 11 <= text.size(); ++at) {
    const auto end = text.begin() + static_cast<long>(at) + 11;
    const bool word = (at == 0 || !is_letter(text[at - 1])) && (end == text.end() || !is_letter(*end));
    if (word && (text[at] == 'R' || text[at] == 'B') && std::all_of(end - 11, end, is_letter)) text.erase(at + 1, 10);
  }
  return text;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// One line of error, nothing on stdout, status 1.
void expect_error(const Ran& ran, const std::string& error) {
  EXPECT_STATUS(ran, 1);
  EXPECT_TEXT(ran.out, "");
  EXPECT_TEXT(ran.err, cat("ERROR: ", error, "\n"));
}

std::string id_of(Ran ran) {
  EXPECT_STATUS(ran, 0);
  cr_assert(ran.out.size() == 11, "no id: %s%s", ran.out.c_str(), ran.err.c_str());
  return ran.out;
}

std::string app_directory(const Sandbox& box) { return box.lib() + "/apps/app"; }

// A box whose convox has a helper of the test's own beside it, a shell script.
std::string with_helper(Sandbox& box, const std::string& script) {
  const std::string directory = box.path() + "/bin";
  write_file(directory + "/convox", read_file(Sandbox::build() + "/convox"), 0755);
  write_file(directory + "/convox-image", "#!/bin/sh\n" + script, 0755);
  return directory + "/convox";
}

}  // namespace

Test(app_commands, a_deploy_prints_convoxs_lines_and_its_release_is_active) {
  Sandbox box;
  box.add_testbox_app();
  const Ran deploy = box.convox({"deploy", "-d", "the first"});
  EXPECT_STATUS(deploy, 0);
  EXPECT_TEXT(deploy.err, "");
  const std::string image = deploy.out.substr(deploy.out.find("Image: web ") + 11, 12);
  EXPECT_TEXT(without_ids(deploy.out), cat("Packaging source... OK\nUploading source... OK\nStarting build... OK\n",
                                           "Running: import oci:image\nImage: web ", image, "\nImage: worker ", image,
                                           "\nPromoting R... \nOK\n"));
  EXPECT_TEXT(without_ids(box.convox({"apps"}).out), "APP  STATUS   RELEASE\napp  running  R\n");
  const std::string builds = box.convox({"builds"}).out;
  EXPECT_CONTAINS(builds, "ID           STATUS    RELEASE      STARTED");
  EXPECT_CONTAINS(without_ids(builds), "B  complete  R  ");
  EXPECT_CONTAINS(builds, "the first\n");
  EXPECT_CONTAINS(without_ids(box.convox({"releases"}).out), "R  active  B  ");
  EXPECT_TEXT(box.convox({"services"}).out, "SERVICE  DOMAIN  PORTS\nweb              \nworker           \n");
}

Test(app_commands, a_build_is_not_in_force_until_it_is_promoted) {
  Sandbox box;
  box.add_testbox_app();
  const Ran build = box.convox({"build"});
  EXPECT_CONTAINS(without_ids(build.out), "Build:   B\nRelease: R\n");
  EXPECT_TEXT(box.convox({"apps"}).out, "APP  STATUS   RELEASE\napp  running  \n");
  EXPECT_TEXT(without_ids(box.convox({"releases", "promote"}).out), "Promoting R... \nOK\n");
  const std::string first = box.convox({"apps", "info"}).out;
  EXPECT_TEXT(without_ids(first),
              "Name        app\nStatus      running\nGeneration  2\nLocked      false\nRelease     R\n");
  const std::string id = id_of(box.convox({"build", "--id"}));
  EXPECT_TEXT(box.convox({"apps", "info"}).out, first);
  // In lower case, by a beginning, and back again.
  EXPECT_STATUS(box.convox({"releases", "promote", id}), 0);
  EXPECT_CONTAINS(box.convox({"apps"}).out, id);
  const Ran back = box.convox({"releases", "rollback", first.substr(first.find("Release     ") + 12, 11)});
  EXPECT_TEXT(without_ids(back.out), "Rolling back to R... OK, R\nPromoting R... \nOK\n");
  EXPECT_TEXT(box.convox({"releases", "manifest", id}).out, read_file(box.app() + "/convox.yml"));
}

Test(app_commands, variables_are_set_read_and_unset_in_new_releases) {
  Sandbox box;
  box.add_testbox_app();
  const Ran set = box.convox({"env", "set", "FOO=bar", "BAZ=quux=1"});
  EXPECT_TEXT(without_ids(set.out), "Setting BAZ, FOO... OK\nRelease: R\n");
  EXPECT_TEXT(set.err, "");
  EXPECT_TEXT(box.convox({"env"}).out, "BAZ=quux=1\nFOO=bar\n");
  EXPECT_TEXT(box.convox({"env", "get", "FOO"}).out, "bar\n");
  expect_error(box.convox({"env", "get", "FOOO"}), "env not found: FOOO");
  EXPECT_STATUS(box.convox({"deploy"}), 0);

  const Ran piped = box.convox({"env", "set", "A=1"}, {.input = "B=2\n\n# no\nA=ignored\n"});
  EXPECT_TEXT(without_ids(piped.out), "Setting A, B... OK\nRelease: R\n");
  EXPECT_CONTAINS(piped.err, "hint: `convox releases promote R");
  EXPECT_TEXT(box.convox({"env"}).out, "A=1\nB=2\nBAZ=quux=1\nFOO=bar\n");
  EXPECT_CONTAINS(box.convox({"releases"}).out, "env add:A add:B");

  const Ran unset = box.convox({"env", "unset", "A", "FOO", "--promote"});
  EXPECT_TEXT(without_ids(unset.out), "Unsetting A, FOO... OK\nRelease: R\nPromoting R... \nOK\n");
  const std::string id = id_of(box.convox({"env", "set", "--replace", "ONE=1", "--id"}));
  EXPECT_TEXT(box.convox({"env", "--release", id}).out, "ONE=1\n");
  EXPECT_CONTAINS(box.convox({"releases", "info", id}).out,
                  "Description  env add:ONE remove:B remove:BAZ\nEnv          ONE=1\n");
  expect_error(box.convox({"env", "set", "one"}), "an assignment must have the form NAME=VALUE");
  EXPECT_STATUS(box.convox({"env", "set"}), 1);
}

Test(app_commands, env_set_does_not_wait_for_a_pipe_that_stays_silent) {
  Sandbox box;
  const Ran ran = box.convox({"env", "set", "A=1"}, {.keep_input_open = true});
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.err, "standard input is open and silent");
}

Test(app_commands, what_is_wrong_with_a_manifest_is_said_in_one_line_and_nothing_is_stored) {
  Sandbox box;
  box.add_testbox_app();
  const auto deploy = [&](std::string_view manifest) {
    box.write("convox.yml", manifest);
    box.remember();
    return box.convox({"deploy"});
  };
  expect_error(deploy("environment: [B, A, C=1]\nservices: {web: {image: oci:image}}\n"), "required env: A, B");
  EXPECT_NOTHING_LEFT(box);
  const Ran docker = deploy("services: {web: {build: .}}\n");
  EXPECT_STATUS(docker, 1);
  EXPECT_TEXT(docker.out, "");
  EXPECT_CONTAINS(docker.err, "ERROR: service web has no image: building from a Dockerfile comes in a later version");
  EXPECT_NOTHING_LEFT(box);
  const Ran broken = deploy("services:\n\t- x");
  EXPECT_STATUS(broken, 1);
  EXPECT_TEXT(broken.out, "");
  EXPECT_NOTHING_LEFT(box);
  const Ran absent = box.convox({"deploy", "-m", "absent.yml"});
  expect_error(absent, "no such file: absent.yml");
  deploy("services: {web: {image: oci:image}}\n");
  expect_error(box.convox({"builds", "import-image", "oci:image", "--service", "nope"}), "no such service: nope");
  expect_error(box.convox({"releases", "promote", "RABCDEFGHIJ"}), "no such release: RABCDEFGHIJ");
  expect_error(box.convox({"releases", "-a", "other"}), "no such app: other");
}

Test(app_commands, an_image_that_is_missing_fails_the_build_and_changes_nothing_else) {
  Sandbox box;
  box.add_testbox_app();
  EXPECT_STATUS(box.convox({"deploy"}), 0);
  const std::string active = box.convox({"apps"}).out;
  box.write("convox.yml", "services: {web: {image: oci:absent}}\n");
  const Ran deploy = box.convox({"deploy"});
  EXPECT_STATUS(deploy, 1);
  EXPECT_CONTAINS(deploy.err, "ERROR: build failed: importing oci:absent: ");
  cr_expect(count(deploy.err, "\n") == 1, "%s", deploy.err.c_str());
  EXPECT_TEXT(box.convox({"apps"}).out, active);
  cr_expect(count(box.convox({"releases"}).out, "\n") == 2);
  const std::string builds = box.convox({"builds", "-l", "1"}).out;
  EXPECT_CONTAINS(without_ids(builds), "\nB  failed ");
  const std::string id = builds.substr(builds.find('\n') + 1, 11);
  EXPECT_CONTAINS(box.convox({"builds", "logs", id}).out, "\nERROR: importing oci:absent: ");
  expect_error(box.convox({"builds", "import-image", "oci:image"}),
               "oci:image is for no service: each has its `image:`; name one with --service");
  const Ran import = box.convox({"builds", "import-image", "oci:absent", "--service", "web"});
  EXPECT_STATUS(import, 1);
  EXPECT_CONTAINS(import.out, "Waiting for import to complete... ");
  EXPECT_CONTAINS(import.err, "ERROR: import failed: importing oci:absent: ");
}

Test(app_commands, an_imported_image_goes_to_services_without_one_or_to_the_one_named) {
  Sandbox box;
  write_layout(box.app() + "/image", testbox_image());
  write_layout(box.app() + "/other", {.layers = {{.entries = {file("only", "this")}}}});
  box.write("convox.yml", "services: {web: {build: .}, worker: {image: oci:other}}\n");
  const Ran import = box.convox({"builds", "import-image", "oci:image"});
  EXPECT_TEXT(without_ids(import.out),
              "Creating build... OK, B\nRelaying image oci:image... OK\nWaiting for import to complete... OK\n"
              "Creating release... OK, R\nBuild:   B\nRelease: R\n");
  EXPECT_STATUS(box.convox({"builds", "import-image", "oci:other", "--service", "web"}), 0);
  const std::string list = box.convox({"builds"}).out;
  const auto images = [&](std::size_t row) {
    std::size_t at = 0;
    for (; row > 0; --row) at = list.find('\n', at) + 1;
    const std::string record = read_file(cat(app_directory(box), "/builds/", list.substr(at, 11), ".json"));
    const std::size_t web = record.find("\"web\":\""), worker = record.find("\"worker\":\"");
    cr_assert(web != record.npos && worker != record.npos, "%s", record.c_str());
    return std::pair(record.substr(web + 7, 64), record.substr(worker + 10, 64));
  };
  cr_expect(images(2).first != images(2).second);
  cr_expect(images(1).first == images(1).second);
  cr_expect(images(1).second == images(2).second);
}

Test(app_commands, a_variable_of_the_active_release_is_not_dropped_unnoticed) {
  Sandbox box;
  box.add_testbox_app();
  EXPECT_STATUS(box.convox({"env", "set", "KEY=1"}), 0);
  EXPECT_STATUS(box.convox({"deploy"}), 0);
  EXPECT_STATUS(box.convox({"env", "unset", "KEY"}), 0);
  const Ran deploy = box.convox({"deploy"});
  EXPECT_STATUS(deploy, 1);
  EXPECT_TEXT(deploy.out, "");
  EXPECT_CONTAINS(without_ids(deploy.err), "ERROR: release would drop env of the active release R: KEY; ");
  EXPECT_STATUS(box.convox({"deploy", "--force"}), 0);
  EXPECT_TEXT(box.convox({"env"}).out, "");
}

Test(app_commands, two_deploys_at_once_both_become_releases) {
  Sandbox box;
  box.add_testbox_app();
  Program one = box.start_convox({"deploy"});
  Program two = box.start_convox({"deploy"});
  EXPECT_STATUS(one.wait(), 0);
  EXPECT_STATUS(two.wait(), 0);
  const std::string releases = without_ids(box.convox({"releases"}).out);
  cr_expect(count(releases, "\nR  ") == 2, "%s", releases.c_str());
  cr_expect(count(releases, "active") == 1, "%s", releases.c_str());
  cr_expect(count(box.convox({"builds"}).out, "complete") == 2);
}

Test(app_commands, a_deploy_that_is_killed_leaves_no_process_and_stops_nobody) {
  for (const int signal : {SIGKILL, SIGTERM, SIGINT}) {
    Sandbox box;
    box.add_testbox_app();
    const std::string convox = with_helper(box, "exec sleep 1000\n");
    Program deploy = box.start({convox, "deploy"});
    cr_assert(deploy.expect("Running: import oci:image"));
    EXPECT_CONTAINS(box.convox({"builds"}).out, "running");
    deploy.signal(signal);
    EXPECT_STATUS(deploy.wait(), 128 + signal);
    EXPECT_CONTAINS(box.convox({"builds"}).out, "failed");
    // The kernel kills the helper when its parent has ended, and so a moment after we heard of that.
    for (int wait = 0; wait < 50 && count(box.leftovers(), "process") > 0; ++wait) ::usleep(100'000);
    cr_expect(count(box.leftovers(), "process") == 0, "%s", box.leftovers().c_str());
    EXPECT_STATUS(box.convox({"deploy"}), 0);
    EXPECT_CONTAINS(box.convox({"builds"}).out, "complete");
  }
}

Test(app_commands, a_helper_that_dies_or_lies_fails_the_build) {
  Sandbox box;
  box.add_testbox_app();
  const auto deploy = [&](const std::string& script) { return box.run({with_helper(box, script), "deploy"}); };
  EXPECT_CONTAINS(deploy("kill -9 $$\n").err,
                  "ERROR: build failed: importing oci:image: convox-image was killed by signal 9\n");
  EXPECT_CONTAINS(deploy("exit 3\n").err,
                  "ERROR: build failed: importing oci:image: convox-image ended with status 3\n");
  EXPECT_CONTAINS(deploy("echo '{\"image\":\"../../x\"}'\n").err, "convox-image did not name an image");
  EXPECT_CONTAINS(deploy("echo no\n").err, "ERROR: build failed: importing oci:image: convox-image: ");
  // What it is given: nothing of the caller's environment.
  const Ran ran =
      box.run({with_helper(box, "env | sort | tr '\\n' ' ' >&2; exit 1\n"), "deploy"}, {.environment = {"SECRET=1"}});
  cr_expect(count(ran.err, "SECRET") == 0, "%s", ran.err.c_str());
}

Test(app_commands, a_damaged_record_is_moved_aside_and_named_once) {
  Sandbox box;
  box.add_testbox_app();
  EXPECT_STATUS(box.convox({"deploy"}), 0);
  const std::string id = id_of(box.convox({"env", "set", "A=1", "--id"}));
  const std::string path = cat(app_directory(box), "/releases/", id, ".json");
  std::string text = read_file(path);
  *std::find(text.begin(), text.end(), 'A') = 'B';
  write_file(path, text, 0600);
  const Ran first = box.convox({"releases"});
  EXPECT_STATUS(first, 1);
  EXPECT_TEXT(first.out, "");
  EXPECT_TEXT(first.err, cat("ERROR: release ", id, ": damaged record: ", id,
                             ".json: its checksum does not match its content; moved aside as ", id, ".json.bad\n"));
  EXPECT_CONTAINS(without_ids(box.convox({"releases"}).out), "R  active  B  ");
  EXPECT_TEXT(read_file(path + ".bad"), text);
  EXPECT_STATUS(box.convox({"env", "set", "A=2"}), 0);

  // A record cut short by a disk that was lost.
  write_file(app_directory(box) + "/app.json", "", 0600);
  EXPECT_STATUS(box.convox({"apps", "info"}), 1);
  expect_error(box.convox({"apps", "info"}), "no such app: app");
  EXPECT_STATUS(box.convox({"apps", "create"}), 0);
  EXPECT_STATUS(box.convox({"releases", "promote"}), 0);
}

Test(app_commands, a_full_disk_leaves_the_records_as_they_were) {
  REQUIRE(Root | PrivateNamespaces);
  Sandbox box;
  make_directories(box.lib());
  cr_assert(mount("none", box.lib().c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=256k,mode=0700") == 0);
  EXPECT_STATUS(box.convox({"env", "set", "A=1"}), 0);
  const std::string before = box.convox({"releases"}).out;
  const int filler = open((box.lib() + "/filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string block(4096, 'x');
  while (::write(filler, block.data(), block.size()) > 0) {
  }
  const Ran full = box.convox({"env", "set", "A=2"});
  EXPECT_STATUS(full, 1);
  EXPECT_CONTAINS(full.err, "No space left on device (ENOSPC)\n");
  cr_expect(count(full.err, "\n") == 1, "%s", full.err.c_str());
  EXPECT_TEXT(box.convox({"env"}).out, "A=1\n");
  cr_expect(ftruncate(filler, 0) == 0);
  close(filler);
  EXPECT_STATUS(box.convox({"env", "set", "A=3"}), 0);
  cr_expect(count(box.convox({"releases"}).out, "\n") == count(before, "\n") + 1);
  cr_expect(count(box.leftovers(), ".tmp-") == 0, "%s", box.leftovers().c_str());
  cr_expect(umount2(box.lib().c_str(), MNT_DETACH) == 0);
}

Test(app_commands, whichever_call_fails_or_kills_the_records_are_the_old_or_the_new_ones, .timeout = 120) {
  REQUIRE(Strace);
  Sandbox box;
  const std::string trace = box.path() + "/trace";
  const auto traced = [&](const std::string& call, const std::string& inject, const std::string& assignment) {
    return box.run({"/usr/bin/strace", "-o", trace, "-e", cat("trace=", call), "-e", cat("inject=", call, inject),
                    Sandbox::build() + "/convox", "env", "set", assignment});
  };
  EXPECT_STATUS(box.convox({"env", "set", "N=0"}), 0);
  std::string before = "N=0\n";
  int points = 0;
  for (const std::string call :
       {"openat", "openat2", "mkdirat", "write", "fsync", "renameat2", "getdents64", "flock"}) {
    EXPECT_STATUS(traced(call, ":error=EIO:when=1000", before.substr(0, before.size() - 1)), 0);
    const std::size_t calls = count(read_file(trace), cat("\n", call, "(")) + 1;
    for (const std::string fault : {"error=EIO", "signal=KILL"})
      for (std::size_t at = 1; at <= calls; ++at) {
        const std::string after = cat("N=", ++points), where = cat(call, " ", at, " ", fault);
        const Ran ran = traced(call, cat(":", fault, ":when=", at), after);
        const Ran env = box.convox({"env"});
        cr_expect(env.status == 0 && env.err.empty(), "%s: %s", where.c_str(), env.err.c_str());
        cr_expect(env.out == before || env.out == after + "\n", "%s: %s", where.c_str(), env.out.c_str());
        cr_expect(ran.status != 0 || env.out == after + "\n", "%s: status 0, and yet %s", where.c_str(),
                  env.out.c_str());
        cr_expect(ran.status != 1 || ran.err.starts_with("ERROR: "), "%s: %s", where.c_str(), ran.err.c_str());
        cr_expect(ran.status != kTimedOut, "%s: hangs", where.c_str());
        before = env.out;
      }
  }
  cr_expect(points > 50, "only %d points", points);
  EXPECT_STATUS(box.convox({"env", "set", "N=end"}), 0);
  cr_expect(count(box.leftovers(), ".tmp-") + count(box.leftovers(), ".bad") == 0, "%s", box.leftovers().c_str());
}

Test(app_commands, a_store_that_cannot_be_written_is_an_error_of_one_line) {
  REQUIRE(Root | PrivateNamespaces);
  Sandbox box;
  box.add_testbox_app();
  make_directories(box.lib());
  cr_assert(mount("none", box.lib().c_str(), "tmpfs", MS_RDONLY, "mode=0700") == 0);
  expect_error(box.convox({"deploy"}), "mkdir apps: Read-only file system (EROFS)");
  EXPECT_TEXT(box.convox({"apps"}).out, "APP  STATUS  RELEASE\n");
  cr_expect(umount2(box.lib().c_str(), MNT_DETACH) == 0);
}

Test(app_commands, an_app_is_deleted_with_its_data_but_not_while_it_runs) {
  Sandbox box;
  box.add_testbox_app();
  EXPECT_STATUS(box.convox({"deploy"}), 0);
  EXPECT_TEXT(box.convox({"apps", "create", "app-2"}).out, "Creating app-2... OK\n");
  make_directories(box.lib() + "/volumes/app/service/web/data");
  make_directories(box.lib() + "/volumes/app-2/data");
  // What a running container looks like to others: a directory that its supervisor holds locked.
  const std::string container = box.state() + "/c/551967b75abd";
  write_file(container + "/state.json",
             "{\"version\":1,\"id\":\"551967b75abd\",\"app\":\"app\",\"phase\":\"running\"}");
  const int supervisor = open(container.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  cr_assert(flock(supervisor, LOCK_EX | LOCK_NB) == 0);
  expect_error(box.convox({"apps", "delete", "app"}), "app app has running processes: 551967b75abd; end them first");
  EXPECT_TEXT(box.convox({"apps", "delete", "app-2"}).out, "Deleting app-2... OK\n");
  cr_expect(not exists(box.lib() + "/volumes/app-2"));
  close(supervisor);
  EXPECT_TEXT(box.convox({"apps", "delete", "app"}).out, "Deleting app... OK\n");
  cr_expect(not exists(box.lib() + "/volumes/app"));
  cr_expect(not exists(app_directory(box)));
  expect_error(box.convox({"apps", "delete", "app"}), "no such app: app");
  EXPECT_STATUS(box.convox({"apps", "delete"}), 1);
}
