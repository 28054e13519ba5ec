// linux.seccomp: actions, arguments, error numbers, calls that nobody knew, and listeners.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

namespace {

// Everything is allowed but what `rules` say.
struct Filtered : Container {
  explicit Filtered(const std::string& rules, const std::string& more = {}) {
    set("/linux/seccomp",
        cat(R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],)",
            R"("syscalls":[)", rules, "]", more, "}"));
    testbox({"try-syscall", "sethostname", "acct", "vhangup"});
  }
};
std::string act(const std::string& names, const std::string& action, const std::string& more = {}) {
  return cat(R"({"names":[)", names, R"(],"action":"SCMP_ACT_)", action, "\"", more, "}");
}
std::string number(long call) { return cat(call); }

}  // namespace

Test(seccomp, without_a_filter_there_is_none) {
  REQUIRE_CONTAINERS();
  Container box;
  box.testbox({"confinement"});
  EXPECT_FACT(box.run().out, "seccomp", "0");
}

Test(seccomp, a_filter_is_in_force_with_no_new_privs_and_without) {
  REQUIRE_CONTAINERS();
  for (const char* privileges : {"true", "false"}) {
    Filtered box(act(R"("sethostname")", "ERRNO"));
    box.set("/process/noNewPrivileges", privileges);
    box.testbox({"confinement"});
    EXPECT_FACT(box.run().out, "seccomp", "2");
    box.testbox({"try-syscall", "sethostname", "vhangup"});
    EXPECT_LINE(box.run().out, "sethostname=EPERM");
  }
}

Test(seccomp, an_error_number_is_that_of_the_rule) {
  REQUIRE_CONTAINERS();
  Filtered box(act(R"("sethostname")", "ERRNO", R"(,"errnoRet":95)") + "," +
               act(R"("acct")", "ERRNO", R"(,"errnoRet":38)"));
  const std::string out = box.run().out;
  EXPECT_LINE(out, "sethostname=EOPNOTSUPP");
  EXPECT_LINE(out, "acct=ENOSYS");
}

Test(seccomp, the_default_action_has_its_own_error_number) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions differ");
  Container box;
  // Everything that a small static program needs, and nothing else.
  box.set("/linux/seccomp",
          R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":95,"syscalls":[{"action":"SCMP_ACT_ALLOW",
      "names":["execve","brk","arch_prctl","set_tid_address","set_robust_list","rseq","prlimit64","readlink","readlinkat","getrandom",
      "mprotect","mmap","munmap","newfstatat","fstat","write","read","exit_group","fork","clone","wait4","setsid","exit","close",
      "rt_sigprocmask","gettid","getpid","tgkill","futex","ioctl"]}]})");
  box.testbox({"try-syscall", "sethostname"});
  EXPECT_LINE(box.run().out, "sethostname=EOPNOTSUPP");
}

Test(seccomp, killing_actions_kill) {
  REQUIRE_CONTAINERS();
  for (const char* action : {"KILL", "KILL_THREAD", "KILL_PROCESS"}) {
    if (judged() == Crun && std::string(action) == "KILL_THREAD") continue;
    Filtered box(act(R"("sethostname")", action));
    EXPECT_LINE(box.run().out, "sethostname=SIGSYS");
  }
}

Test(seccomp, trap_sends_a_signal) {
  REQUIRE_CONTAINERS();
  Filtered box(act(R"("sethostname")", "TRAP"));
  EXPECT_LINE(box.run().out, "sethostname=SIGSYS");
}

Test(seccomp, trace_without_a_tracer_is_enosys_and_log_lets_pass) {
  REQUIRE_CONTAINERS();
  Filtered box(act(R"("sethostname")", "TRACE") + "," + act(R"("acct")", "LOG"));
  const std::string out = box.run().out;
  EXPECT_LINE(out, "sethostname=ENOSYS");
  EXPECT_LINE(out, "acct=EPERM");  // what the kernel itself says without CAP_SYS_PACCT
}

Test(seccomp, unknown_names_are_ignored) {
  REQUIRE_CONTAINERS();
  Filtered box(act(R"("no_such_call","sethostname")", "ERRNO", R"(,"errnoRet":95)"));
  EXPECT_LINE(box.run().out, "sethostname=EOPNOTSUPP");
}

Test(seccomp, unknown_actions_and_operators_are_refused) {
  REQUIRE_CONTAINERS();
  Filtered box(act(R"("sethostname")", "NOSUCH"));
  EXPECT_REFUSED(box.create(), "SCMP_ACT_NOSUCH");
  Filtered other(act(R"("sethostname")", "ERRNO", R"(,"args":[{"index":0,"value":1,"op":"SCMP_CMP_NOSUCH"}])"));
  EXPECT_REFUSED(other.create(), "SCMP_CMP_NOSUCH");
}

Test(seccomp, unknown_flags_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "ignores them");
  Filtered box(act(R"("sethostname")", "ERRNO"), R"(,"flags":["SECCOMP_FILTER_FLAG_NOSUCH"])");
  EXPECT_REFUSED(box.create(), "SECCOMP_FILTER_FLAG_NOSUCH");
}

Test(seccomp, known_flags_are_taken) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "of this version knows no flags");
  Filtered box(act(R"("sethostname")", "ERRNO"),
               R"(,"flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_SPEC_ALLOW"])");
  EXPECT_LINE(box.run().out, "sethostname=EPERM");
}

// getpriority(PRIO_PROCESS, N) is judged by its second argument: libc adds nothing to it.
Test(seccomp, every_comparison_compares_all_64_bits) {
  REQUIRE_CONTAINERS();
  struct {
    const char* op;
    const char* value;
    const char* refused;
    const char* allowed;
  } const cases[] = {
      {"EQ", "0x100000005", "0x100000005", "5"},           {"NE", "7", "0x100000007", "7"},
      {"LT", "0x100000000", "0xffffffff", "0x100000000"},  {"LE", "0x100000000", "0x100000000", "0x100000001"},
      {"GT", "0x100000000", "0x100000001", "0x100000000"}, {"GE", "0x100000000", "0x100000000", "0xffffffff"}};
  for (const auto& one : cases) {
    Filtered box(act(R"("kcmp")", "ERRNO",
                     cat(R"(,"errnoRet":95,"args":[{"index":0,"value":)", std::stoull(one.value, nullptr, 0),
                         R"(,"op":"SCMP_CMP_)", one.op, "\"}]")));
    box.testbox({"call", number(SYS_kcmp), one.refused});
    const Ran refused = box.run();
    cr_expect(refused.out == "EOPNOTSUPP\n", "%s: %s%s", one.op, refused.out.c_str(), refused.err.c_str());
    box.testbox({"call", number(SYS_kcmp), one.allowed});
    const Ran allowed = box.run();
    cr_expect(allowed.out != "EOPNOTSUPP\n" && !allowed.out.empty(), "%s: %s%s", one.op, allowed.out.c_str(),
              allowed.err.c_str());
  }
}

Test(seccomp, masked_comparison_masks) {
  REQUIRE_CONTAINERS();
  Filtered box(act(R"("kcmp")", "ERRNO",
                   R"(,"errnoRet":95,"args":[{"index":0,"value":240,"valueTwo":32,"op":"SCMP_CMP_MASKED_EQ"}])"));
  box.testbox({"call", number(SYS_kcmp), "0x2f"});
  EXPECT_TEXT(box.run().out, "EOPNOTSUPP\n");
  box.testbox({"call", number(SYS_kcmp), "0x3f"});
  cr_expect(box.run().out != "EOPNOTSUPP\n");
}

Test(seccomp, arguments_of_one_rule_must_all_match) {
  REQUIRE_CONTAINERS();
  Filtered box(act(
      R"("kcmp")", "ERRNO",
      R"(,"errnoRet":95,"args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":1,"value":2,"op":"SCMP_CMP_EQ"}])"));
  box.testbox({"call", number(SYS_kcmp), "1", "2"});
  EXPECT_TEXT(box.run().out, "EOPNOTSUPP\n");
  box.testbox({"call", number(SYS_kcmp), "1", "3"});
  cr_expect(box.run().out != "EOPNOTSUPP\n");
}

Test(seccomp, the_same_argument_twice_in_a_rule_is_an_or) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "of this version takes the last");
  Filtered box(act(
      R"("kcmp")", "ERRNO",
      R"(,"errnoRet":95,"args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":0,"value":2,"op":"SCMP_CMP_EQ"}])"));
  for (const char* value : {"1", "2"}) {
    box.testbox({"call", number(SYS_kcmp), value});
    EXPECT_TEXT(box.run().out, "EOPNOTSUPP\n");
  }
  box.testbox({"call", number(SYS_kcmp), "3"});
  cr_expect(box.run().out != "EOPNOTSUPP\n");
}

Test(seccomp, of_an_unconditional_and_a_conditional_rule_the_first_wins) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "let libseccomp refuse the second rule");
  Filtered box(act(R"("kcmp")", "ERRNO", R"(,"errnoRet":95)") + "," +
               act(R"("kcmp")", "ERRNO", R"(,"errnoRet":38,"args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}])"));
  box.testbox({"call", number(SYS_kcmp), "1"});
  EXPECT_TEXT(box.run().out, "EOPNOTSUPP\n");
}

Test(seccomp, a_rule_with_the_default_action_is_no_rule) {
  REQUIRE_CONTAINERS();
  Filtered box(act(R"("sethostname")", "ALLOW"));
  EXPECT_LINE(box.run().out, "sethostname=EPERM");  // the kernel's: there is no CAP_SYS_ADMIN
}

Test(seccomp, calls_that_the_profile_cannot_know_are_enosys) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "answers EPERM");
  Container box;
  box.set(
      "/linux/seccomp",
      R"({"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"action":"SCMP_ACT_ALLOW",
      "names":["execve","execveat","brk","arch_prctl","set_tid_address","set_robust_list","rseq","prlimit64","readlink","readlinkat",
      "getrandom","mprotect","mmap","munmap","newfstatat","fstat","write","read","exit_group","fork","clone","wait4","setsid","exit",
      "close","rt_sigprocmask","gettid","getpid","tgkill","futex","ioctl","fcntl","capget","capset","prctl","setresuid","setresgid",
      "setgroups","setuid","setgid","chdir","fchdir","getcwd","openat","close_range","epoll_pwait","nanosleep","rt_sigreturn","sigaltstack","sched_yield","getppid",
      "rt_sigaction","open","stat","lstat","access","faccessat","faccessat2","getdents64","fstatfs","lseek","pread64","dup3","pipe2","epoll_ctl","epoll_create1","madvise","sched_getaffinity","tkill","unlinkat"]}]})");
  box.testbox({"try-syscall", "sethostname", "5000"});
  const std::string out = box.run().out;
  EXPECT_LINE(out, "sethostname=EPERM");
  EXPECT_LINE(out, "5000=ENOSYS");
}

Test(seccomp, a_listener_gets_the_descriptor_and_the_state) {
  REQUIRE_CONTAINERS();
  Container box;
  ConsoleSocket socket(box.path() + "/listener");
  box.set(
      "/linux/seccomp",
      cat(R"({"defaultAction":"SCMP_ACT_ALLOW","listenerPath":)", quoted(box.path() + "/listener"),
          R"(,"listenerMetadata":"some metadata","syscalls":[{"names":["sethostname"],"action":"SCMP_ACT_NOTIFY"}]})"));
  box.testbox({"try-syscall", "sethostname"});
  box.write_config();
  Program run = box.start_call({"run", "--bundle", box.bundle(), box.id()});
  std::string state;
  const int listener = socket.receive(&state);
  cr_assert(listener >= 0);
  EXPECT_AT(state, "/fds/0", "seccompFd");
  EXPECT_AT(state, "/metadata", "some metadata");
  EXPECT_AT(state, "/state/id", box.id());
  cr_expect(atoi(at(state, "/pid").c_str()) > 1, "%s", state.c_str());
  seccomp_notif request{};
  cr_assert(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) == 0);
  cr_expect(request.data.nr == SYS_sethostname);
  seccomp_notif_resp answer{};
  answer.id = request.id;
  answer.error = -95;
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  close(listener);
  EXPECT_LINE(run.wait().out, "sethostname=EOPNOTSUPP");
}

Test(seccomp, a_listener_without_a_path_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "of this version lets the notification fail");
  Filtered box(act(R"("sethostname")", "NOTIFY"));
  EXPECT_REFUSED(box.create(), "listenerPath");
}

Test(seccomp, a_listener_that_is_not_there_is_refused) {
  REQUIRE_CONTAINERS();
  Container box;
  box.set("/linux/seccomp", cat(R"({"defaultAction":"SCMP_ACT_ALLOW","listenerPath":)", quoted(box.path() + "/nobody"),
                                R"(,"syscalls":[{"names":["sethostname"],"action":"SCMP_ACT_NOTIFY"}]})"));
  box.sh("true");
  cr_expect(box.run().status != 0);
  EXPECT_TEXT(box.status(), "absent");
}
