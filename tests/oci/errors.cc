// What a caller reads when something is wrong: exit codes, the words that engines look for, the log, and silence.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

namespace {

const char* const kVerbs[] = {"create", "start", "run",   "state",  "kill",   "delete", "exec",
                              "list",   "ps",    "pause", "resume", "update", "spec"};
const char* const kMoreVerbs[] = {"events", "features", "checkpoint", "restore"};

}  // namespace

Test(command_line, version_is_what_go_runc_scans_for) {
  REQUIRE_CONTAINERS();
  Container box;
  for (const char* flag : {"--version", "-v"}) {
    if (judged() == Crun && std::string(flag) == "-v") continue;
    const Ran ran = box.bare({flag});
    EXPECT_STATUS(ran, 0);
    EXPECT_CONTAINS(ran.out, " version ");
    EXPECT_CONTAINS(ran.out, "commit: ");
    EXPECT_CONTAINS(ran.out, "spec: 1.");
    EXPECT_TEXT(ran.err, "");
  }
}

Test(command_line, every_verb_explains_itself) {
  REQUIRE_CONTAINERS();
  Container box;
  for (const char* verb : kVerbs) {
    const Ran ran = box.bare({verb, "--help"});
    cr_expect(ran.status == 0 && !ran.out.empty() && ran.err.empty(), "%s --help: %d %s", verb, ran.status,
              ran.err.c_str());
  }
  EXPECT_STATUS(box.bare({"--help"}), 0);
}

Test(command_line, later_verbs_explain_themselves_too) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions lack events, features, or a build with CRIU");
  Container box;
  for (const char* verb : kMoreVerbs) {
    const Ran ran = box.bare({verb, "--help"});
    cr_expect(ran.status == 0 && !ran.out.empty() && ran.err.empty(), "%s --help: %d %s", verb, ran.status,
              ran.err.c_str());
  }
}

Test(command_line, an_unknown_flag_is_refused_by_every_verb) {
  REQUIRE_CONTAINERS();
  Container box;
  for (const char* verb : kVerbs) {
    const Ran ran = box.bare({verb, "--no-such-flag", box.id()});
    cr_expect(ran.status != 0 && !ran.err.empty(), "%s --no-such-flag: %d", verb, ran.status);
    const int refused = std::string(verb) == "exec" ? 255 : 1;  // so that no status of the command is meant
    if (is_convox()) cr_expect(ran.status == refused, "%s --no-such-flag: %d, not %d", verb, ran.status, refused);
  }
}

Test(command_line, an_unknown_verb_is_refused) {
  REQUIRE_CONTAINERS();
  Container box;
  cr_expect(box.bare({"no-such-verb"}).status != 0);
}

Test(command_line, a_missing_id_is_refused) {
  REQUIRE_CONTAINERS();
  Container box;
  for (const char* verb : {"create", "start", "state", "kill", "delete", "exec", "ps", "pause", "resume"})
    cr_expect(box.bare({verb}).status != 0, "%s without an id", verb);
}

Test(command_line, a_missing_value_is_asked_for_in_words_that_podman_knows) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of Debian are asked with flags that they lack");
  Container box;
  const Ran ran = box.bare({"restore", "--lsm-mount-context"});
  cr_expect(ran.status != 0);
  const bool known = (ran.out + ran.err).find("requires an argument") != std::string::npos ||
                     (ran.out + ran.err).find("flag needs an argument") != std::string::npos;
  cr_expect(known, "%s%s", ran.out.c_str(), ran.err.c_str());
}

Test(command_line, values_may_stand_behind_an_equals_sign) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.create();
  Ran ran = run({.argv = {runtime_path(), "--root=" + box.root(), "--log=" + box.path() + "/log", "--log-format=text",
                          "state", box.id()},
                 .directory = box.bundle()});
  EXPECT_STATUS(ran, 0);
  EXPECT_AT(ran.out, "/id", box.id());
}

Test(command_line, a_long_flag_may_have_one_dash) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "parses as getopt_long does");
  Container box;
  box.sh("exit 5");
  box.write_config();
  const Ran ran = run({.argv = {runtime_path(), "-root", box.root(), "run", "-no-pivot=false", "-no-subreaper",
                                "-bundle", box.bundle(), box.id()},
                       .environment = {"PATH=/usr/sbin:/usr/bin"},
                       .directory = box.path()});
  EXPECT_STATUS(ran, 5);
}

Test(command_line, the_flags_of_go_runc_and_crun_are_taken) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "each lack some");
  Container box;
  box.sh("sleep 1000");
  box.create();
  EXPECT_STATUS(box.bare({"--debug", "--rootless", "auto", "--criu", "/no/such/criu", "state", box.id()}), 0);
  EXPECT_STATUS(box.bare({"--rootless=false", "--log-level", "error", "state", box.id()}), 0);
  EXPECT_STATUS(box.bare({"--systemd-cgroup", "state", box.id()}), 0);
  EXPECT_STATUS(box.bare({"--cgroup-manager", "cgroupfs", "state", box.id()}), 0);
}

Test(command_line, a_root_of_slash_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "take it");
  Container box;
  cr_expect(run({.argv = {runtime_path(), "--root", "/", "list"}, .directory = box.path()}).status == 1);
}

Test(command_line, the_root_is_made_for_its_owner_alone) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.write_config();
  const std::string root = box.path() + "/deep/root";
  Ran made = run({.argv = {"/bin/sh", "-c", "exec \"$@\" <../in >../out 2>../err", "sh", runtime_path(), "--root", root,
                           "create", box.id()},
                  .environment = {"PATH=/usr/sbin:/usr/bin"},
                  .directory = box.bundle()});
  EXPECT_STATUS(made, 0);
  struct stat st {};
  lstat(root.c_str(), &st);
  const unsigned mode = st.st_mode & 0777;
  cr_expect(mode == 0700, "%o", mode);
  EXPECT_STATUS(run({.argv = {runtime_path(), "--root", root, "delete", "--force", box.id()}, .directory = box.path()}),
                0);
}

Test(command_line, spec_writes_a_config_that_runs_and_never_overwrites_one) {
  REQUIRE_CONTAINERS();
  Container box;
  unlink((box.bundle() + "/config.json").c_str());
  EXPECT_STATUS(box.call({"spec"}), 0);
  const std::string made = read_file(box.bundle() + "/config.json");
  EXPECT_AT(made, "/process/cwd", "/");
  EXPECT_AT(made, "/root/path", "rootfs");
  EXPECT_AT(made, "/process/terminal", "true");
  EXPECT_REFUSED(box.call({"spec"}), "exist");
  EXPECT_TEXT(read_file(box.bundle() + "/config.json"), made);
  box.set_config(made);
  box.erase("/linux/resources");
  if (at(made, "/process/rlimits") != "absent") box.erase("/process/rlimits");
  box.set("/process/terminal", "false");
  box.set("/linux/cgroupsPath", quoted("/" + box.id()));
  box.sh("exit 6");
  EXPECT_STATUS(box.run(), 6);
}

Test(command_line, spec_takes_a_bundle_and_a_rootless_form) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "spec has no --bundle");
  Container box;
  unlink((box.bundle() + "/config.json").c_str());
  EXPECT_STATUS(box.call({"spec", "--bundle", box.bundle(), "--rootless"}, {.directory = box.path()}), 0);
  EXPECT_CONTAINS(at(read_file(box.bundle() + "/config.json"), "/linux/namespaces"), "\"user\"");
  EXPECT_AT(read_file(box.bundle() + "/config.json"), "/linux/uidMappings/0/size", "1");
}

Test(command_line, features_is_one_json_object_without_a_root_directory) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "features comes with 1.8.6");
  Container box;
  const Ran ran = run({.argv = {runtime_path(), "--root", "/no/such/root", "features"}, .directory = box.path()});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.err, "");
  EXPECT_AT(ran.out, "/ociVersionMin", "1.0.0");
  EXPECT_CONTAINS(at(ran.out, "/hooks"), "\"createRuntime\"");
  EXPECT_CONTAINS(at(ran.out, "/mountOptions"), "\"rbind\"");
  EXPECT_CONTAINS(at(ran.out, "/linux/namespaces"), "\"pid\"");
  EXPECT_AT(ran.out, "/linux/cgroup/v2", "true");
  EXPECT_AT(ran.out, "/linux/seccomp/enabled", "true");
}

Test(command_line, features_needs_no_privilege) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "features comes with 1.8.6");
  const Ran ran = run(
      {.argv = {"/usr/bin/setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", runtime_path(), "features"},
       .environment = {"PATH=/usr/bin"}});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.err, "");
}

Test(command_line, features_names_what_cri_o_looks_for) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions know runtime-spec 1.0");
  Container box;
  const std::string out = box.call({"features"}).out;
  EXPECT_AT(out, "/ociVersionMax", "1.3.0");
  EXPECT_AT(out, "/hooks/5", "poststop");
  EXPECT_CONTAINS(at(out, "/mountOptions"), "\"rro\"");
  EXPECT_CONTAINS(at(out, "/mountOptions"), "\"tmpcopyup\"");
  EXPECT_AT(out, "/linux/mountExtensions/idmap/enabled", "true");
  EXPECT_AT(out, "/linux/netDevices/enabled", "true");
  EXPECT_AT(out, "/linux/cgroup/v1", "false");
  EXPECT_CONTAINS(at(out, "/linux/namespaces"), "\"time\"");
  EXPECT_CONTAINS(at(out, "/linux/seccomp/actions"), "\"SCMP_ACT_NOTIFY\"");
  EXPECT_CONTAINS(at(out, "/potentiallyUnsafeConfigAnnotations"), "\"org.systemd.property.\"");
}

Test(errors, an_unknown_id_does_not_exist) {
  REQUIRE_CONTAINERS();
  Container box;
  for (const char* verb : {"start", "state", "kill", "delete", "pause", "resume", "ps"})
    EXPECT_REFUSED(box.call({verb, "no-such-container"}), "does not exist");
  EXPECT_REFUSED(box.call({"update", "--pids-limit", "5", "no-such-container"}), "does not exist");
}

Test(errors, exec_in_an_unknown_container_does_not_exist) {
  REQUIRE_CONTAINERS();
  Container box;
  const Ran ran = box.call({"exec", "no-such-container", "true"});
  cr_expect(ran.status == (is_convox() || judged() == Runc ? 255 : 1), "%d", ran.status);
  if (judged() != Crun) EXPECT_CONTAINS(ran.err, "does not exist");
}

Test(errors, an_id_is_taken_once) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.create();
  EXPECT_REFUSED(box.create(), "container with given ID already exists");
  EXPECT_TEXT(box.status(), "created");
  EXPECT_STATUS(box.start(), 0);
}

Test(errors, an_id_is_no_path_and_no_strange_word) {
  REQUIRE_CONTAINERS();
  Container box;
  box.write_config();
  for (const char* id : {"", ".", "..", "../up", "a/b", "a b", "a\nb", "a:b", "\303\244"}) {
    if (judged() == Crun && (std::string(id) == "." || strpbrk(id, " \n:\303"))) continue;
    const Ran ran = box.call({"create", "--bundle", box.bundle(), id});
    EXPECT_REFUSED(ran, "invalid container ID format");
  }
  cr_expect(exists(box.path() + "/up") == false);
}

Test(errors, an_id_may_have_every_character_that_the_spec_names) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("exit 5");
  box.write_config();
  for (const char* id : {"a_b+c.d-e", "0", "_x"}) EXPECT_STATUS(box.bare({"run", id}), 5);
}

Test(errors, a_missing_command_is_an_error_of_create_with_podmans_words) {
  REQUIRE_CONTAINERS();
  Container box;
  box.args({"no-such-command"});
  const Ran ran = box.create();
  EXPECT_REFUSED(ran, "executable file not found in $PATH");
  EXPECT_CONTAINS(ran.err, "no-such-command");
  EXPECT_TEXT(box.status(), "absent");
  EXPECT_NOTHING_LEFT(box);
}

Test(errors, a_missing_absolute_command_is_an_error_of_create) {
  REQUIRE_CONTAINERS();
  Container box;
  box.args({"/no/such/command"});
  const Ran ran = box.create();
  EXPECT_REFUSED(ran, "no such file or directory");
  if (is_convox()) cr_expect(ran.err.find("permission denied") == std::string::npos, "%s", ran.err.c_str());
}

Test(errors, a_command_that_cannot_be_executed_is_permission_denied) {
  REQUIRE_CONTAINERS();
  Container box;
  write_file(box.rootfs() + "/plain", "#!/bin/sh\n", 0644);
  box.args({"/plain"});
  const Ran ran = box.create();
  EXPECT_REFUSED(ran, "permission denied");
  if (is_convox()) cr_expect(ran.err.find("no such file") == std::string::npos, "%s", ran.err.c_str());
  EXPECT_TEXT(box.status(), "absent");
}

Test(errors, a_directory_as_command_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "leaves it to start");
  Container box;
  box.args({"/bin"});
  EXPECT_REFUSED(box.create(), "is a directory");
}

Test(errors, the_command_is_looked_up_as_the_containers_user) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "leave it to start");
  Container box;
  write_file(box.rootfs() + "/root/tool", "#!/bin/sh\n", 0755);
  chmod((box.rootfs() + "/root").c_str(), 0700);
  box.args({"/root/tool"});
  EXPECT_STATUS(box.run(), 0);
  box.set("/process/user", R"({"uid":1000,"gid":1000})");
  box.set("/process/capabilities/effective", "[]");  // as engines do for such a user; CAP_DAC_OVERRIDE would let it in
  EXPECT_REFUSED(box.create(), "permission denied");
}

Test(errors, the_path_of_the_config_decides_where_the_command_is) {
  REQUIRE_CONTAINERS();
  Container box;
  write_file(box.rootfs() + "/opt/only-here", "#!/bin/sh\nexit 9\n", 0755);
  box.args({"only-here"});
  EXPECT_REFUSED(box.create(), "executable file not found in $PATH");
  box.set("/process/env", R"(["PATH=/bin:/opt"])");
  EXPECT_STATUS(box.run(), 9);
}

Test(errors, a_bundle_that_is_not_there_or_has_no_config_is_refused) {
  REQUIRE_CONTAINERS();
  Container box;
  // Not in the kernel's words, which an engine would take for a command that is not there.
  EXPECT_REFUSED(box.call({"create", "--bundle", "/no/such/bundle", box.id()}), "there is no bundle /no/such/bundle");
  unlink((box.bundle() + "/config.json").c_str());
  EXPECT_REFUSED(box.call({"create", "--bundle", box.bundle(), box.id()}), "config.json");
  EXPECT_NOTHING_LEFT(box);
}

Test(errors, a_root_file_system_that_is_not_there_is_refused) {
  REQUIRE_CONTAINERS();
  Container box;
  box.set("/root/path", quoted("no-such-rootfs"));
  EXPECT_REFUSED(box.create(), "no-such-rootfs");
  EXPECT_NOTHING_LEFT(box);
}

Test(errors, a_config_that_is_no_json_is_refused) {
  REQUIRE_CONTAINERS();
  Container box;
  for (const char* text : {"", "{", "[]", "{\"ociVersion\":\"1.0.0\"} trailing", "\1\2\3"}) {
    if (judged() != Convox && std::string(text).ends_with("trailing")) continue;
    write_file(box.bundle() + "/config.json", text);
    const Ran ran = box.call({"create", "--bundle", box.bundle(), box.id()});
    cr_expect(ran.status != 0, "%s", text);
  }
  EXPECT_NOTHING_LEFT(box);
}

Test(errors, a_failing_verb_logs_one_object_and_says_one_line) {
  REQUIRE_CONTAINERS();
  Container box;
  const Ran ran = box.call({"state", "no-such-container"});
  EXPECT_AT(box.log(), "/level", "error");
  const std::string message = at(box.log(), "/msg"), time = at(box.log(), "/time");
  cr_expect(message.size() > 10);
  cr_expect(time.size() >= 20 && time[4] == '-' && time[10] == 'T', "%s", time.c_str());
  EXPECT_TEXT(ran.out, "");
  const bool one_line = ran.err.find('\n') == ran.err.size() - 1;
  cr_expect(one_line, "%s", ran.err.c_str());
}

Test(errors, a_text_log_has_the_form_that_people_know) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "writes a form of its own");
  Container box;
  const std::string log = box.path() + "/text-log";
  cr_expect(box.bare({"--log", log, "state", "no-such-container"}).status != 0);
  const std::string text = read_file(log);
  EXPECT_CONTAINS(text, "time=\"");
  EXPECT_CONTAINS(text, "level=error msg=\"");
  EXPECT_CONTAINS(text, "does not exist");
}

Test(errors, the_log_is_appended_to) {
  REQUIRE_CONTAINERS();
  Container box;
  const std::string log = box.path() + "/text-log";
  write_file(log, "before\n");
  box.bare({"--log", log, "state", "no-such-container"});
  EXPECT_CONTAINS(read_file(log), "before\n");
  cr_expect(read_file(log).size() > 7);
}

Test(errors, success_is_silent_in_every_verb) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  const auto silent = [&box](const Ran& ran, const char* verb) {
    cr_expect(ran.status == 0, "%s: %d %s", verb, ran.status, ran.err.c_str());
    cr_expect(ran.err.empty() && box.log().empty(), "%s: %s%s", verb, ran.err.c_str(), box.log().c_str());
  };
  silent(box.create(), "create");
  silent(box.start(), "start");
  silent(box.state(), "state");
  silent(box.call({"list"}), "list");
  silent(box.call({"ps", box.id()}), "ps");
  silent(box.exec({"/bin/true"}), "exec");
  silent(box.call({"pause", box.id()}), "pause");
  silent(box.call({"resume", box.id()}), "resume");
  silent(box.call({"kill", box.id(), "KILL"}), "kill");
  cr_expect(box.stops());
  silent(box.call({"delete", box.id()}), "delete");
}

Test(errors, debug_lines_go_to_the_log_and_never_to_stderr) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "lets the debug lines of its first stage out on stderr");
  Container box;
  box.sh("sleep 1000");
  box.write_config();
  const Ran ran = run({.argv = {"/bin/sh", "-c", "exec \"$@\" <../in >../out 2>../err", "sh", runtime_path(), "--debug",
                                "--root", box.root(), "--log", box.path() + "/log", "create", box.id()},
                       .environment = {"PATH=/usr/sbin:/usr/bin"},
                       .directory = box.bundle()});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(box.err(), "");
}
