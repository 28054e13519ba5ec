// Hooks: when each of the six runs, where, what it is told, and what its failure does.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

namespace {

// Each hook appends to trace/. A hook of the host side is a script of the host; the two inside need one in both worlds.
struct Hooked : Container {
  Hooked() {
    make_directories(trace());
    chmod(trace().c_str(), 0777);
    sh("echo command >>/trace/order; exec sleep 1000");
    set("/mounts/-",
        cat(R"({"type":"bind","source":)", quoted(trace()), R"(,"destination":"/trace","options":["rbind"]})"));
  }
  [[nodiscard]] std::string trace() const { return path() + "/trace"; }
  // The state is read before the script begins; a script that wants it is an argument of reads().
  void hook(const std::string& kind, const std::string& script, const std::string& more = {}) {
    reads(kind, cat("while read line; do :; done; ", script), more);
  }
  void reads(const std::string& kind, const std::string& script, const std::string& more = {}) {
    set(cat("/hooks/", kind, "/-"), cat(R"({"path":"/bin/sh","args":["sh","-c",)", quoted(script), "]", more, "}"));
  }
  void notes(const std::string& kind) {
    const bool inside = kind == "startContainer";
    reads(kind, cat("cat >>", inside ? "/trace" : trace(), "/", kind, "; echo ", kind, " >>",
                    inside ? "/trace" : trace(), "/order"));
  }
  void all() {
    for (const char* kind :
         {"poststop", "poststart", "startContainer", "createContainer", "createRuntime", "prestart"}) {
      set(cat("/hooks/", kind), "[]");
      notes(kind);
    }
  }
  [[nodiscard]] std::string noted(const std::string& name) const { return read_file(cat(trace(), "/", name)); }
};

constexpr const char* kHostKinds[] = {"prestart", "createRuntime", "poststart", "poststop"};

}  // namespace

Test(hooks, run_in_the_order_of_the_specification) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "runs poststart beside the command");
  LIMITATION(Runc, "of this version runs poststart in create");
  Hooked box;
  box.all();
  EXPECT_STATUS(box.create(), 0);
  EXPECT_TEXT(box.noted("order"), "prestart\ncreateRuntime\ncreateContainer\n");
  EXPECT_STATUS(box.start(), 0);
  cr_expect(comes_true([&] { return box.noted("order").find("command") != std::string::npos; }));
  EXPECT_CONTAINS(box.noted("order"), "createContainer\nstartContainer\n");
  EXPECT_CONTAINS(box.noted("order"), "poststart\n");
  EXPECT_STATUS(box.call({"delete", "--force", box.id()}), 0);
  EXPECT_CONTAINS(box.noted("order"), "poststop\n");
}

Test(hooks, several_of_a_kind_run_one_after_the_other) {
  REQUIRE_CONTAINERS();
  Hooked box;
  box.set("/hooks/prestart", "[]");
  box.hook("prestart", cat("sleep 0.2; echo first >>", box.trace(), "/order"));
  box.hook("prestart", cat("echo second >>", box.trace(), "/order"));
  box.create();
  EXPECT_TEXT(box.noted("order"), "first\nsecond\n");
}

Test(hooks, are_told_the_state_on_their_input) {
  REQUIRE_CONTAINERS();
  Hooked box;
  box.set("/annotations", R"({"key":"value"})");
  box.all();
  box.create();
  const int pid = box.pid();
  box.start();
  box.call({"delete", "--force", box.id()});
  for (const char* kind : {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}) {
    const std::string state = box.noted(kind);
    EXPECT_AT(state, "/id", box.id());
    if (judged() != Crun || std::string(kind) != "startContainer") EXPECT_AT(state, "/bundle", box.bundle());
    EXPECT_AT(state, "/annotations/key", "value");
    EXPECT_CONTAINS(at(state, "/ociVersion"), "1.");
  }
  for (const char* kind : {"prestart", "createRuntime"}) EXPECT_AT(box.noted(kind), "/pid", cat(pid));
  EXPECT_AT(box.noted("poststop"), "/status", "stopped");
}

Test(hooks, are_told_the_status_of_their_phase) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "differ in the words");
  Hooked box;
  box.all();
  box.launch();
  box.call({"delete", "--force", box.id()});
  EXPECT_AT(box.noted("prestart"), "/status", "created");
  EXPECT_AT(box.noted("createRuntime"), "/status", "creating");
  EXPECT_AT(box.noted("createContainer"), "/status", "creating");
  EXPECT_AT(box.noted("startContainer"), "/status", "created");
  EXPECT_AT(box.noted("poststart"), "/status", "running");
  EXPECT_AT(box.noted("poststop"), "/status", "stopped");
}

Test(hooks, of_the_runtime_stand_in_its_namespaces_and_see_the_containers) {
  REQUIRE_CONTAINERS();
  Hooked box;
  for (const char* kind : kHostKinds) box.set(cat("/hooks/", kind), "[]");
  for (const char* kind : kHostKinds)
    box.hook(kind, cat("readlink /proc/self/ns/mnt /proc/self/ns/net >", box.trace(), "/", kind));
  box.reads("createRuntime",
            cat("pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' | tr -d '\\n'); readlink /proc/$pid/ns/net >",
                box.trace(), "/theirs"),
            R"(,"env":["PATH=/usr/bin:/bin"])");
  box.create();
  const std::string net = link_text(cat("/proc/", box.pid(), "/ns/net"));
  box.start();
  box.call({"delete", "--force", box.id()});
  const std::string own = link_text("/proc/self/ns/mnt") + "\n" + link_text("/proc/self/ns/net") + "\n";
  for (const char* kind : kHostKinds) EXPECT_TEXT(box.noted(kind), own);
  if (judged() != Crun) EXPECT_TEXT(box.noted("theirs"), net + "\n");
}

Test(hooks, of_the_container_stand_in_its_namespaces) {
  REQUIRE_CONTAINERS();
  Hooked box;
  box.set("/hooks/createContainer", "[]"), box.set("/hooks/startContainer", "[]");
  box.hook("createContainer", cat("readlink /proc/self/ns/net /proc/self/ns/mnt >", box.trace(), "/createContainer"));
  box.hook("startContainer",
           "for kind in net mnt; do readlink /proc/self/ns/$kind; done >/trace/startContainer; pwd >/trace/root; ls / "
           ">>/trace/root");
  box.create();
  const std::string net = link_text(cat("/proc/", box.pid(), "/ns/net")),
                    mnt = link_text(cat("/proc/", box.pid(), "/ns/mnt"));
  box.start();
  cr_expect(comes_true([&] { return box.noted("order") == "command\n"; }));
  EXPECT_TEXT(box.noted("createContainer"), net + "\n" + mnt + "\n");
  EXPECT_TEXT(box.noted("startContainer"), net + "\n" + mnt + "\n");
  EXPECT_LINE(box.noted("root"), "testbox");
}

Test(hooks, create_container_comes_before_the_pivot) {
  REQUIRE_CONTAINERS();
  Hooked box;
  box.set("/hooks/createContainer", "[]");
  box.hook("createContainer", cat("test -e ", box.bundle(), "/config.json && echo host-paths >", box.trace(), "/seen"));
  box.create();
  EXPECT_TEXT(box.noted("seen"), "host-paths\n");
}

Test(hooks, have_the_environment_of_the_config_and_nothing_else) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "leaks its own");
  Hooked box;
  box.set("/hooks/prestart", "[]"), box.set("/hooks/poststop", "[]");
  const std::string script = cat("/usr/bin/env >>", box.trace(), "/environment");
  box.hook("prestart", script, R"(,"env":["GIVEN=yes"])");
  EXPECT_STATUS(box.create({}, {.environment = {"SECRET=of the host"}}), 0);
  EXPECT_CONTAINS(box.noted("environment"), "GIVEN=yes\n");
  cr_expect(box.noted("environment").find("SECRET") == std::string::npos, "%s", box.noted("environment").c_str());
}

Test(hooks, have_their_path_as_arguments_if_none_are_given) {
  REQUIRE_CONTAINERS();
  Hooked box;
  write_file(box.path() + "/hook", cat("#!/bin/sh\necho \"$0 $#\" >", box.trace(), "/arguments\n"), 0755);
  box.set("/hooks/prestart", cat(R"([{"path":)", quoted(box.path() + "/hook"), "}]"));
  box.create();
  EXPECT_TEXT(box.noted("arguments"), box.path() + "/hook 0\n");
}

Test(hooks, get_no_descriptor_but_the_three) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "leaks some");
  Hooked box;
  box.set("/hooks/prestart", "[]"), box.set("/hooks/createContainer", "[]");
  for (const char* kind : {"prestart", "createContainer"})
    box.hook(kind, cat("for fd in 3 4 5 6 7 8 9 11 12 13 14 15; do readlink /proc/self/fd/$fd; done >", box.trace(),
                       "/", kind));
  box.create();
  cr_expect(exists(box.trace() + "/prestart"));
  EXPECT_TEXT(box.noted("prestart"), "");
  if (is_convox()) EXPECT_TEXT(box.noted("createContainer"), "");
}

Test(hooks, that_do_not_read_their_input_are_no_failure) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "fails on the broken pipe");
  Hooked box;
  box.set("/hooks/prestart", R"([{"path":"/bin/true"}])");
  std::string big = std::string(200'000, 'x');
  box.set("/annotations", cat(R"({"big":")", big, "\"}"));
  EXPECT_STATUS(box.create(), 0);
}

Test(hooks, that_fail_before_the_start_tear_the_container_down) {
  REQUIRE_CONTAINERS();
  for (const char* kind : {"prestart", "createRuntime", "createContainer"}) {
    Hooked box;
    box.set(cat("/hooks/", kind), "[]");
    box.hook(kind, "exit 9");
    const Ran ran = box.create();
    cr_expect(ran.status != 0, "%s", kind);
    EXPECT_TEXT(box.status(), "absent");
    if (judged() != Crun) EXPECT_NOTHING_LEFT(box);
    cr_expect(box.noted("order").empty());
  }
}

Test(hooks, their_failure_names_the_kind_and_the_reason) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "say it in other words");
  Hooked box;
  box.set("/hooks/createRuntime", "[]");
  box.hook("createRuntime", "echo reason >&2; exit 9");
  const Ran ran = box.create();
  EXPECT_REFUSED(ran, "createRuntime");
  EXPECT_CONTAINS(ran.err, "9");
}

Test(hooks, of_poststop_run_after_a_failed_create) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "skips them");
  Hooked box;
  box.set("/hooks/prestart", "[]"), box.set("/hooks/poststop", "[]");
  box.hook("prestart", "exit 1");
  box.notes("poststop");
  cr_expect(box.create().status != 0);
  EXPECT_CONTAINS(box.noted("order"), "poststop");
}

Test(hooks, of_start_container_that_fail_keep_the_command_from_running) {
  REQUIRE_CONTAINERS();
  Hooked box;
  box.set("/hooks/startContainer", "[]");
  box.hook("startContainer", "exit 9");
  EXPECT_STATUS(box.create(), 0);
  const Ran ran = box.start();
  if (is_convox()) EXPECT_REFUSED(ran, "startContainer");
  cr_expect(box.stops());
  EXPECT_TEXT(box.noted("order"), "");
}

Test(hooks, of_poststart_that_fail_are_an_error_of_start_and_stop_the_container) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions warn and go on");
  Hooked box;
  box.set("/hooks/poststart", "[]");
  box.hook("poststart", "exit 9");
  EXPECT_STATUS(box.create(), 0);
  EXPECT_REFUSED(box.start(), "poststart");
  cr_expect(box.stops());
}

Test(hooks, of_poststop_that_fail_do_not_keep_delete_from_its_work) {
  REQUIRE_CONTAINERS();
  Hooked box;
  box.set("/hooks/poststop", "[]");
  box.hook("poststop", "exit 9");
  box.notes("poststop");
  box.launch();
  const Ran ran = box.bare({"delete", "--force", box.id()});
  cr_expect(ran.status == 0, "%s", ran.err.c_str());
  if (judged() != Runc) EXPECT_CONTAINS(box.noted("order"), "poststop");  // it leaves out the rest
  EXPECT_TEXT(box.status(), "absent");
}

Test(hooks, that_take_too_long_are_killed_with_all_they_started) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "kill the hook and wait for what it started, or leave it");
  Hooked box;
  box.set("/hooks/prestart", "[]");
  box.hook("prestart", cat("sleep 1000 & echo $! >", box.trace(), "/child; wait"),
           R"(,"timeout":1,"env":["PATH=/bin:/usr/bin"])");
  const Ran ran = box.create();
  EXPECT_REFUSED(ran, "prestart");
  const int child = atoi(box.noted("child").c_str());
  cr_expect(child > 0);
  cr_expect(comes_true([&] {
    const std::string stat = read_file(cat("/proc/", child, "/stat"));
    return stat.empty() || stat.find(") Z") != std::string::npos;
  }));
}

Test(hooks, with_a_timeout_that_is_not_reached_are_fine) {
  REQUIRE_CONTAINERS();
  Hooked box;
  box.set("/hooks/prestart", "[]");
  box.hook("prestart", "exit 0", R"(,"timeout":100)");
  EXPECT_STATUS(box.create(), 0);
}

Test(hooks, with_a_relative_path_are_refused_before_anything_is_made) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "find out when they execute it");
  Hooked box;
  box.set("/hooks/poststop", R"([{"path":"hook"}])");
  EXPECT_REFUSED(box.create(), "absolute");
  EXPECT_NOTHING_LEFT(box);
}

Test(hooks, with_a_timeout_of_zero_or_less_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "take it");
  Hooked box;
  box.set("/hooks/prestart", R"([{"path":"/bin/true","timeout":0}])");
  EXPECT_REFUSED(box.create(), "timeout");
}

Test(hooks, that_do_not_exist_fail_create) {
  REQUIRE_CONTAINERS();
  Hooked box;
  box.set("/hooks/prestart", R"([{"path":"/no/such/hook"}])");
  cr_expect(box.create().status != 0);
  EXPECT_TEXT(box.status(), "absent");
}

Test(hooks, of_a_foreground_run_run_too) {
  REQUIRE_CONTAINERS();
  Hooked box;
  box.all();
  box.sh("echo command >>/trace/order");
  EXPECT_STATUS(box.run(), 0);
  for (const char* kind : {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"})
    EXPECT_LINE(box.noted("order"), kind);
}
