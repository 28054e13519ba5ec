// Does `convox run SERVICE COMMAND` behave as its user expects: outputs, status, terminal, signals, and nothing left?
#include <signal.h>

#include "runtime/base/cat.h"
#include "tests/support/needs.h"
#include "tests/support/sandbox.h"

using namespace convox::test;

namespace {

constexpr Needs kNeeds = Root | CgroupV2 | UserNamespaces | PrivateNamespaces;

// A box with the app of the tests, released and imported by a first run.
struct AppBox : Sandbox {
  AppBox() {
    add_testbox_app();
    const Ran first = convox({"run", "web", "true"});
    cr_assert(first.status == 0, "the first run failed: %s", first.err.c_str());
    remember();
  }
};

}  // namespace

Test(run, makes_the_first_release_and_prints_the_files_of_the_app) {
  REQUIRE(kNeeds);
  Sandbox box;
  box.add_testbox_app();
  const Ran ran = box.convox({"run", "web", "ls"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, "README\nbin\n");
}

Test(run, gives_the_status_of_the_command) {
  REQUIRE(kNeeds);
  AppBox box;
  const struct {
    std::vector<std::string> command;
    int status;
  } cases[] = {{{"true"}, 0},
               {{"sh", "-c", "exit 7"}, 7},
               {{"sh", "-c", "exit 255"}, 255},
               {{"testbox", "crash"}, 128 + SIGSEGV},
               {{"no-such-command"}, 127},
               {{"/app/bin/not-executable"}, 126},
               {{"/app"}, 126}};
  for (const auto& [command, status] : cases) {
    std::vector<std::string> words = {"run", "web", "--"};
    words.insert(words.end(), command.begin(), command.end());
    EXPECT_STATUS(box.convox(words), status);
  }
  EXPECT_NOTHING_LEFT(box);
}

Test(run, fails_with_125_and_one_line_when_the_mistake_is_ours) {
  REQUIRE(kNeeds);
  AppBox box;
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"run", "nobody", "true"},
                                             {"run", "web", "--no-such-flag", "true"},
                                             {"run", "--user", "nobody-here", "web", "true"}}) {
    const Ran ran = box.convox(words);
    if (words[2] == "--no-such-flag") continue;  // an unknown flag behind the service belongs to the command
    EXPECT_STATUS(ran, 125);
    EXPECT_TEXT(ran.out, "");
    cr_expect(ran.err.starts_with("ERROR: ") && ran.err.find('\n') == ran.err.size() - 1, "stderr: %s",
              ran.err.c_str());
  }
  EXPECT_NOTHING_LEFT(box);
}

Test(run, keeps_stdout_and_stderr_apart_and_every_byte) {
  REQUIRE(kNeeds);
  AppBox box;
  const Ran both = box.convox({"run", "web", "testbox", "both-outputs", "to stdout", "to stderr"});
  EXPECT_TEXT(both.out, "to stdout");
  EXPECT_TEXT(both.err, "to stderr");
  std::string bytes;
  for (int at = 0; at < 3'000'000; ++at) bytes += static_cast<char>(at * 7 + at / 256);
  const Ran copied = box.convox({"run", "web", "testbox", "cat"}, {.input = bytes});
  cr_expect(copied.out == bytes, "%zu bytes came back of %zu", copied.out.size(), bytes.size());
  EXPECT_NOTHING_LEFT(box);
}

Test(run, leaves_the_flags_behind_the_command_to_the_command) {
  REQUIRE(kNeeds);
  AppBox box;
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"run", "web", "ls", "-la"}, {"run", "web", "--", "ls", "-la"}}) {
    const Ran ran = box.convox(words);
    EXPECT_STATUS(ran, 0);
    EXPECT_CONTAINS(ran.out, "-rw-r--r--");
  }
}

Test(run, gives_a_terminal_only_to_who_has_one) {
  REQUIRE(kNeeds);
  AppBox box;
  const Ran plain = box.convox({"run", "web", "testbox", "is-tty"});
  EXPECT_CONTAINS(plain.out, "0=no\n1=no\n2=no\ncontrolling=ENXIO");
  const Ran shown = box.convox({"run", "web", "testbox", "is-tty"}, {.terminal = true});
  EXPECT_CONTAINS(shown.out, "0=terminal\r\n1=terminal\r\n2=terminal\r\ncontrolling=yes");
}

Test(run, forwards_the_size_of_the_terminal_and_its_changes) {
  REQUIRE(kNeeds);
  AppBox box;
  Program shell = box.start_convox({"run", "web", "sh"}, {.terminal = true});
  shell.type("testbox winsize; echo first\n");
  cr_expect(shell.expect("24 80"));
  cr_expect(shell.expect("first\r\n"));
  shell.resize(50, 132);
  shell.type("sleep 0.2; testbox winsize\n");
  cr_expect(shell.expect("50 132"));
  shell.type("exit 3\n");
  EXPECT_STATUS(shell.wait(), 3);
  EXPECT_NOTHING_LEFT(box);
}

Test(run, forwards_signals_to_the_command) {
  REQUIRE(kNeeds);
  AppBox box;
  Program run = box.start_convox({"run", "web", "testbox", "tell-signals"});
  cr_assert(run.expect("ready"));
  for (const auto& [number, name] : {std::pair{SIGUSR1, "SIGUSR1"}, {SIGHUP, "SIGHUP"}, {SIGINT, "SIGINT"}}) {
    run.signal(number);
    cr_expect(run.expect(name), "%s did not arrive", name);
  }
  run.signal(SIGTERM);
  EXPECT_STATUS(run.wait(), 128 + SIGTERM);
  EXPECT_NOTHING_LEFT(box);
}

Test(run, takes_the_container_with_it_when_it_is_killed) {
  REQUIRE(kNeeds);
  AppBox box;
  Program run = box.start_convox({"run", "web", "testbox", "ignore-term", "started"});
  cr_assert(run.expect("started"));
  run.signal(SIGKILL);
  EXPECT_STATUS(run.wait(), 128 + SIGKILL);
  EXPECT_STATUS(box.convox({"run", "web", "true"}), 0);  // the next command reaps what the dead one left
  EXPECT_NOTHING_LEFT(box);
}

Test(run, confines_the_command) {
  REQUIRE(kNeeds);
  AppBox box;
  const Ran ran = box.convox({"run", "web", "testbox", "confinement"});
  EXPECT_STATUS(ran, 0);
  for (const char* fact :
       {"no_new_privs=1\n", "seccomp=2\n", "cap_inheritable=0000000000000000\n", "cap_ambient=0000000000000000\n",
        "pid=1\n", "uids=0 0 0\n", "cwd=/app\n", "umask=0022\n", "signals_blocked=0000000000000000\n",
        "signals_ignored=0000000000000000\n", "securebits=0\n", "env=FROM_IMAGE=yes\n", "env=HOME=/root\n"})
    EXPECT_CONTAINS(ran.out, fact);
  EXPECT_CONTAINS(ran.out, "uid_map=         0     ");
  // Three pipes, and not one descriptor more.
  for (const char* fact : {"fd_0=pipe:", "fd_1=pipe:", "fd_2=pipe:"}) EXPECT_CONTAINS(ran.out, fact);
  cr_expect(ran.out.find("fd_3=") == std::string::npos, "a descriptor leaks: %s", ran.out.c_str());
  // Nothing of the host shows, and what could harm it is closed.
  cr_expect(ran.out.find(" SHARED") == std::string::npos, "a shared mount: %s", ran.out.c_str());
  for (const char* path : {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"})
    cr_expect(ran.out.find(convox::cat("mask_", path, "=open")) == std::string::npos, "%s can be read", path);
  cr_expect(ran.out.find(box.path()) == std::string::npos, "a path of the host shows: %s", ran.out.c_str());
}

Test(run, leaves_nothing_after_many_runs_at_once) {
  REQUIRE(kNeeds);
  AppBox box;
  std::vector<Program> runs;
  for (int n = 0; n < 16; ++n)
    runs.push_back(box.start_convox({"run", "web", "echo", std::to_string(n)}, {.limit = std::chrono::seconds(60)}));
  for (int n = 0; n < 16; ++n) {
    const Ran ran = runs[static_cast<std::size_t>(n)].wait();
    EXPECT_STATUS(ran, 0);
    EXPECT_TEXT(ran.out, convox::cat(n, "\n"));
  }
  EXPECT_NOTHING_LEFT(box);
}
