// config.json's `process`: user, groups, umask, environment, directory, capabilities, limits, priorities.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/oci/support/container.h"
#include "tests/support/sandbox.h"

using namespace convox::test;

namespace {

struct Facts : Container {
  Facts() { testbox({"confinement"}); }
};

}  // namespace

Test(user, and_groups_are_exactly_those_of_the_config) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/user", R"({"uid":1000,"gid":1001,"additionalGids":[5,6]})");
  const std::string out = box.run().out;
  EXPECT_FACT(out, "uids", "1000 1000 1000");
  EXPECT_FACT(out, "gids", "1001 1001 1001");
  EXPECT_FACT(out, "groups", "5 6");
}

Test(user, the_callers_groups_are_dropped) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.write_config();
  const Ran ran =
      run({.argv = {"/usr/bin/setpriv", "--groups", "27,100", runtime_path(), "--root", box.root(), "run", box.id()},
           .environment = {"PATH=/usr/sbin:/usr/bin"},
           .directory = box.bundle()});
  EXPECT_STATUS(ran, 0);
  EXPECT_FACT(ran.out, "groups", "");
}

Test(user, the_umask_is_0022_or_that_of_the_config) {
  REQUIRE_CONTAINERS();
  Facts box;
  EXPECT_FACT(box.run().out, "umask", "0022");
  box.set("/process/user/umask", "63");
  EXPECT_FACT(box.run().out, "umask", "0077");
}

Test(environment, is_that_of_the_config_in_its_order) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/env", R"(["PATH=/bin","B=2","A=1","EMPTY=","SPACE=a b","HOME=/nowhere"])");
  const std::string out = box.run().out;
  EXPECT_CONTAINS(out, "env=B=2\nenv=A=1\nenv=EMPTY=\nenv=SPACE=a b\n");
  EXPECT_LINE(out, "env=HOME=/nowhere");
}

Test(environment, of_duplicates_the_last_wins) {
  REQUIRE_CONTAINERS();
  Container box;
  box.set("/process/env", R"(["PATH=/bin","A=first","A=last"])");
  box.sh("echo $A");
  EXPECT_TEXT(box.run().out, "last\n");
}

Test(environment, home_comes_from_the_containers_passwd) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("echo $HOME");
  EXPECT_TEXT(box.run().out, "/root\n");
  box.set("/process/user", R"({"uid":1000,"gid":1000})");
  EXPECT_TEXT(box.run().out, "/home/user\n");
}

Test(environment, home_is_slash_for_an_unknown_user) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "sets none");
  Container box;
  box.sh("echo $HOME");
  box.set("/process/user", R"({"uid":4242,"gid":4242})");
  EXPECT_TEXT(box.run().out, "/\n");
}

Test(environment, a_passwd_that_is_a_fifo_or_a_link_out_hangs_nobody) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "open it as it is");
  Container box;
  box.sh("echo $HOME");
  unlink((box.rootfs() + "/etc/passwd").c_str());
  cr_assert(mkfifo((box.rootfs() + "/etc/passwd").c_str(), 0666) == 0);
  EXPECT_TEXT(box.run({}, {.limit = std::chrono::seconds(10)}).out, "/\n");
}

Test(directory, is_that_of_the_config) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/cwd", quoted("/tmp"));
  EXPECT_FACT(box.run().out, "cwd", "/tmp");
}

Test(directory, is_made_if_it_is_missing) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "refuses it");
  Facts box;
  box.set("/process/cwd", quoted("/not/yet/there"));
  EXPECT_FACT(box.run().out, "cwd", "/not/yet/there");
  cr_expect(is_directory(box.rootfs() + "/not/yet/there"));
}

Test(directory, that_is_relative_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "takes it");
  Facts box;
  box.set("/process/cwd", quoted("tmp"));
  EXPECT_REFUSED(box.create(), "absolute");
}

Test(directory, that_is_a_file_is_refused) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/cwd", quoted("/etc/passwd"));
  EXPECT_REFUSED(box.create(), "not a directory");
}

Test(directory, that_the_user_may_not_enter_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "enter it before they become the user");
  Facts box;
  make_directories(box.rootfs() + "/closed");
  chmod((box.rootfs() + "/closed").c_str(), 0700);
  box.set("/process/cwd", quoted("/closed"));
  EXPECT_STATUS(box.run(), 0);
  box.set("/process/user", R"({"uid":1000,"gid":1000})");
  box.set("/process/capabilities", "{}");
  EXPECT_REFUSED(box.create(), "permission denied");
}

Test(directory, that_only_the_user_may_enter_works) {
  REQUIRE_CONTAINERS();
  Facts box;
  make_directories(box.rootfs() + "/own");
  cr_expect(chown((box.rootfs() + "/own").c_str(), 1000, 1000) == 0);
  chmod((box.rootfs() + "/own").c_str(), 0700);
  box.set("/process/cwd", quoted("/own"));
  box.set("/process/user", R"({"uid":1000,"gid":1000})");
  EXPECT_FACT(box.run().out, "cwd", "/own");
}

Test(capabilities, are_five_exact_sets) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/capabilities", R"({"bounding":["CAP_CHOWN","CAP_KILL","CAP_SETUID","CAP_FOWNER"],
      "permitted":["CAP_CHOWN","CAP_KILL","CAP_SETUID"],"effective":["CAP_CHOWN"],
      "inheritable":["CAP_KILL","CAP_SETUID"],"ambient":["CAP_KILL"]})");
  // As a user, whose execve does not add root's.
  box.set("/process/user", R"({"uid":1000,"gid":1000})");
  const std::string out = box.run().out;
  EXPECT_FACT(out, "cap_bounding", "00000000000000a9");
  EXPECT_FACT(out, "cap_inheritable", "00000000000000a0");
  EXPECT_FACT(out, "cap_ambient", "0000000000000020");
  EXPECT_FACT(out, "cap_permitted", "0000000000000020");  // across execve a user keeps the ambient ones
  EXPECT_FACT(out, "cap_effective", "0000000000000020");
}

Test(capabilities, of_root_are_the_bounding_and_inheritable_set) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/capabilities", R"({"bounding":["CAP_CHOWN"],"permitted":["CAP_CHOWN"],"effective":["CAP_CHOWN"]})");
  const std::string out = box.run().out;
  for (const char* set : {"bounding", "permitted", "effective"}) EXPECT_FACT(out, cat("cap_", set), "0000000000000001");
  for (const char* set : {"inheritable", "ambient"}) EXPECT_FACT(out, cat("cap_", set), "0000000000000000");
}

Test(capabilities, an_empty_object_is_five_empty_sets) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/capabilities", "{}");
  const std::string out = box.run().out;
  for (const char* set : {"bounding", "permitted", "effective", "inheritable", "ambient"})
    EXPECT_FACT(out, cat("cap_", set), "0000000000000000");
}

Test(capabilities, an_absent_object_is_five_empty_sets) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "leaves its own");
  Facts box;
  box.erase("/process/capabilities");
  const std::string out = box.run().out;
  for (const char* set : {"bounding", "permitted", "effective", "inheritable", "ambient"})
    EXPECT_FACT(out, cat("cap_", set), "0000000000000000");
}

Test(capabilities, unknown_names_are_ignored) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "refuses them");
  Facts box;
  for (const char* set : {"bounding", "permitted", "effective"})
    box.set(cat("/process/capabilities/", set), R"(["CAP_CHOWN","CAP_NOT_INVENTED_YET"])");
  EXPECT_FACT(box.run().out, "cap_effective", "0000000000000001");
}

Test(capabilities, are_never_inheritable_without_being_asked) {  // CVE-2022-24769
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/user", R"({"uid":1000,"gid":1000})");
  EXPECT_FACT(box.run().out, "cap_inheritable", "0000000000000000");
  box.sh("sleep 1000");
  box.launch();
  EXPECT_FACT(box.exec({"/testbox", "confinement"}).out, "cap_inheritable", "0000000000000000");
}

Test(limits, all_sixteen_names_are_known) {
  REQUIRE_CONTAINERS();
  Facts box;
  std::string list;
  // Without CAP_SYS_RESOURCE a limit can only go down, so each is what it can be lowered to.
  const char* const names[] = {"CPU",     "FSIZE", "DATA",  "STACK",      "RSS",      "NPROC", "NOFILE",
                               "MEMLOCK", "AS",    "LOCKS", "SIGPENDING", "MSGQUEUE", "RTTIME"};
  for (const char* name : names)
    list += cat(list.empty() ? "" : ",", R"({"type":"RLIMIT_)", name, R"(","soft":1000,"hard":8000})");
  for (const char* name : {"CORE", "NICE", "RTPRIO"})
    list += cat(R"(,{"type":"RLIMIT_)", name, R"(","soft":0,"hard":0})");
  std::string big = list;
  for (const char* name : {"DATA", "STACK", "AS", "FSIZE"}) {
    const std::string small = cat(R"({"type":"RLIMIT_)", name, R"(","soft":1000,"hard":8000})");
    big.replace(big.find(small), small.size(),
                cat(R"({"type":"RLIMIT_)", name, R"(","soft":4000000000,"hard":8000000000})"));
  }
  box.set("/process/rlimits", cat("[", big, "]"));
  const std::string out = box.run().out;
  for (const char* name : {"cpu", "rss", "nproc", "nofile", "memlock", "locks", "sigpending", "msgqueue", "rttime"})
    EXPECT_FACT(out, cat("rlimit_", name), "1000 8000");
  for (const char* name : {"data", "stack", "as", "fsize"})
    EXPECT_FACT(out, cat("rlimit_", name), "4000000000 8000000000");
  for (const char* name : {"core", "nice", "rtprio"}) EXPECT_FACT(out, cat("rlimit_", name), "0 0");
}

Test(limits, a_soft_one_above_its_hard_one_is_refused) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/rlimits", R"([{"type":"RLIMIT_NOFILE","soft":200,"hard":100}])");
  EXPECT_REFUSED(box.create(), "RLIMIT_NOFILE");
  if (judged() != Crun) EXPECT_NOTHING_LEFT(box);  // it leaves the cgroup
}

Test(limits, duplicates_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "take the last");
  Facts box;
  box.set("/process/rlimits",
          R"([{"type":"RLIMIT_NOFILE","soft":100,"hard":100},{"type":"RLIMIT_NOFILE","soft":50,"hard":50}])");
  EXPECT_REFUSED(box.create(), "RLIMIT_NOFILE");
}

Test(limits, unknown_names_are_refused) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/rlimits", R"([{"type":"RLIMIT_NOSUCH","soft":100,"hard":100}])");
  EXPECT_REFUSED(box.create(), "RLIMIT_NOSUCH");
}

Test(privileges, no_new_privs_is_set_exactly_when_asked) {
  REQUIRE_CONTAINERS();
  Facts box;
  EXPECT_FACT(box.run().out, "no_new_privs", "1");
  box.set("/process/noNewPrivileges", "false");
  EXPECT_FACT(box.run().out, "no_new_privs", "0");
  box.erase("/process/noNewPrivileges");
  EXPECT_FACT(box.run().out, "no_new_privs", "0");
}

Test(privileges, the_process_is_dumpable_again_and_has_no_death_signal) {
  REQUIRE_CONTAINERS();
  Facts box;
  const std::string out = box.run().out;
  EXPECT_FACT(out, "dumpable", "1");
  EXPECT_FACT(out, "death_signal", "0");
  EXPECT_FACT(out, "securebits", "0");
}

Test(privileges, signals_are_neither_blocked_nor_ignored) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "its language's run time leaves some");
  Facts box;
  box.write_config();
  const Ran ran = run({.argv = {"/bin/sh", "-c", "trap '' HUP PIPE CHLD USR1; exec \"$@\"", "sh", runtime_path(),
                                "--root", box.root(), "run", box.id()},
                       .environment = {"PATH=/usr/sbin:/usr/bin"},
                       .directory = box.bundle()});
  EXPECT_FACT(ran.out, "signals_blocked", "0000000000000000");
  if (is_convox()) EXPECT_FACT(ran.out, "signals_ignored", "0000000000000000");
}

Test(oom_score, is_written_if_it_is_there_and_kept_if_not) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/oomScoreAdj", "500");
  EXPECT_FACT(box.run().out, "oom_score_adj", "500");
  box.erase("/process/oomScoreAdj");
  std::string own = read_file("/proc/self/oom_score_adj");
  own.pop_back();
  EXPECT_FACT(box.run().out, "oom_score_adj", own);
}

Test(oom_score, zero_is_a_value) {
  REQUIRE_CONTAINERS();
  Facts box;
  box.set("/process/oomScoreAdj", "0");
  box.write_config();
  const Ran ran = run({.argv = {"/bin/sh", "-c", "echo 300 >/proc/self/oom_score_adj; exec \"$@\"", "sh",
                                runtime_path(), "--root", box.root(), "run", box.id()},
                       .environment = {"PATH=/usr/sbin:/usr/bin"},
                       .directory = box.bundle()});
  if (ran.status == 0 && judged() != Crun) EXPECT_FACT(ran.out, "oom_score_adj", "0");
}

Test(scheduler, policy_and_nice_are_set) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions know no scheduler");
  Facts box;
  box.set("/process/scheduler", R"({"policy":"SCHED_BATCH","nice":5})");
  const std::string out = box.run().out;
  EXPECT_FACT(out, "scheduler", "3");
  EXPECT_FACT(out, "nice", "5");
}

Test(scheduler, idle_and_its_flags_are_set) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions know no scheduler");
  Facts box;
  box.set("/process/scheduler", R"({"policy":"SCHED_IDLE","flags":["SCHED_FLAG_RESET_ON_FORK"]})");
  EXPECT_FACT(box.run().out, "scheduler", cat(5 | 0x40000000));
}

Test(scheduler, what_does_not_belong_to_the_policy_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions know no scheduler");
  Facts box;
  for (const char* json :
       {R"({"nice":5})", R"({"policy":"SCHED_NOSUCH"})", R"({"policy":"SCHED_OTHER","nice":20})",
        R"({"policy":"SCHED_OTHER","nice":-21})", R"({"policy":"SCHED_OTHER","priority":1})",
        R"({"policy":"SCHED_FIFO","priority":1,"runtime":5})", R"({"policy":"SCHED_OTHER","deadline":5})",
        R"({"policy":"SCHED_OTHER","flags":["SCHED_FLAG_NOSUCH"]})"}) {
    box.set("/process/scheduler", json);
    const Ran ran = box.create();
    cr_expect(ran.status == 1 && ran.err.find("sched") != std::string::npos, "%s: %d %s", json, ran.status,
              ran.err.c_str());
    if (ran.status == 0) box.bare({"delete", "--force", box.id()});
  }
}

Test(io_priority, class_and_level_are_set) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions know no I/O priority");
  Facts box;
  box.set("/process/ioPriority", R"({"class":"IOPRIO_CLASS_BE","priority":7})");
  EXPECT_FACT(box.run().out, "io_priority", cat(2 << 13 | 7));
  box.set("/process/ioPriority", R"({"class":"IOPRIO_CLASS_IDLE","priority":0})");
  EXPECT_FACT(box.run().out, "io_priority", cat(3 << 13));
  box.set("/process/ioPriority", R"({"class":"IOPRIO_CLASS_BE","priority":8})");
  EXPECT_REFUSED(box.create(), "priority");
}

Test(affinity, exec_takes_the_final_cpus) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions know no affinity");
  Container box;
  box.sh("sleep 1000");
  box.set("/process/execCPUAffinity", R"({"initial":"0","final":"0"})");
  box.launch();
  EXPECT_FACT(box.exec({"/testbox", "confinement"}).out, "cpus", "0");
}

Test(personality, is_that_of_the_config) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "of this version knows no personality");
  Facts box;
  EXPECT_FACT(box.run().out, "personality", fact("personality=0", "personality"));
  box.set("/linux/personality", R"({"domain":"LINUX32"})");
  EXPECT_FACT(box.run().out, "personality", "8");
}

Test(personality, flags_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "take them or ignore them");
  Facts box;
  box.set("/linux/personality", R"({"domain":"LINUX","flags":["ADDR_NO_RANDOMIZE"]})");
  EXPECT_REFUSED(box.create(), "personality");
}

Test(args, are_passed_verbatim) {
  REQUIRE_CONTAINERS();
  Container box;
  box.testbox({"echo-args", "a b", "", "'\"\\", "\303\244", "--", "-x"});
  EXPECT_TEXT(box.run().out, "a b\n\n'\"\\\n\303\244\n--\n-x\n");
}

Test(args, a_container_without_process_is_created_and_cannot_start) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "demand a process in create");
  Container box;
  box.erase("/process");
  EXPECT_STATUS(box.create(), 0);
  EXPECT_TEXT(box.status(), "created");
  cr_expect(box.start().status != 0);
}

Test(args, an_empty_list_is_refused) {
  REQUIRE_CONTAINERS();
  Container box;
  box.set("/process/args", "[]");
  EXPECT_REFUSED(box.create(), "args");
}

Test(session, the_process_leads_one_of_its_own) {
  REQUIRE_CONTAINERS();
  Facts box;
  const std::string out = box.run().out;
  EXPECT_FACT(out, "pid", "1");
  EXPECT_FACT(out, "sid", "1");
  EXPECT_FACT(out, "threads", "1");
}

// keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0)
Test(keyring, is_a_new_one_unless_the_callers_is_wanted) {
  REQUIRE_CONTAINERS();
  const Words serial = {"call", "250", "0", "-3", "0"};
  Ran own = run({.argv = {Sandbox::build() + "/tests/testbox", "call", "250", "0", "-3", "0"}});
  if (own.out.empty() || !isdigit(own.out[0])) cr_skip("needs key rings: %s", own.out.c_str());
  Container box;
  box.testbox(serial);
  const std::string fresh = box.run().out;
  cr_expect(isdigit(fresh[0]) && fresh != own.out, "%s", fresh.c_str());
  EXPECT_TEXT(box.run({"--no-new-keyring"}).out, own.out);
}

Test(keyring, of_the_container_is_joined_by_exec) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "of this version leaves exec with the caller's");
  Container box;
  box.sh("/testbox call 250 0 -3 0; sleep 1000");
  box.launch();
  cr_expect(box.says("\n"));
  EXPECT_TEXT(box.exec({"/testbox", "call", "250", "0", "-3", "0"}).out, box.out());
}
