// Does convox come back when a keeper has ended, does nothing stay behind a client of `exec` that died, and does
// neither begin with a plan that is damaged?
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/cat.h"
#include "runtime/keeper_plan.h"
#include "tests/support/keeper.h"
#include "tests/support/needs.h"
#include "tests/support/wait.h"

using namespace convox;
using namespace convox::test;

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

[[noreturn]] void sleep_for_ever() {
  for (;;) pause();
}

}  // namespace

Test(minder, executes_its_program_when_the_keeper_has_ended_or_its_time_has_come) {
  REQUIRE(Root);
  Sandbox box;
  const std::string said = box.path() + "/said";
  const auto start = [&](bool with_keeper, std::int64_t delay, const Gate& gate) {
    const int pid = fork();
    if (pid > 0) {  // until it ignores SIGHUP and SIGINT
      for (int i = 0; i < 2000 && not(status_line(pid, "SigIgn").ends_with("3")); ++i) usleep(5000);
      return pid;
    }
    keeper::Plan plan{.mode = keeper::Mode::kMind};
    if (with_keeper) {
      const int child = fork();
      if (child == 0) {
        gate.pass();
        _exit(0);
      }
      plan.mind.keeper = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
    }
    plan.mind.claim = open(box.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    plan.mind.program = open("/bin/sh", O_PATH | O_CLOEXEC);
    plan.mind.delay = delay;
    become_keeper(plan,
                  {"sh", "-c",
                   cat("read kids </proc/$$/task/$$/children; echo $A$kids $(readlink /proc/$$/fd/", plan.mind.claim,
                       ") >>", said),
                   "x"},
                  {"A=b", "PATH=/bin"});
  };
  const auto ends = [](int pid, int milliseconds) {
    int status = 0;
    for (int i = 0; i < milliseconds; i += 5) {
      if (waitpid(pid, &status, WNOHANG) == pid) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
      usleep(5000);
    }
    return false;
  };
  const std::string line = cat("b ", box.path(), "\n");
  const Gate gate;
  int pid = start(true, 0, gate);
  // Its convox had them blocked all along; here it blocks them itself.
  cr_assert(comes_true([&] { return status_line(pid, "SigBlk").find_first_not_of("0") != std::string::npos; }));
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) kill(pid, signal);
  cr_assert(not(ends(pid, 300)));
  gate.open();
  cr_assert(ends(pid, 10'000));
  EXPECT_TEXT(read_file(said), line);

  pid = start(false, 400 * kMillisecond, gate);
  cr_assert(not(ends(pid, 200)));
  cr_assert(ends(pid, 10'000));
  EXPECT_TEXT(read_file(said), cat(line, line));

  pid = start(false, 600'000 * kMillisecond, gate);
  cr_assert(not(ends(pid, 200)));
  kill(pid, SIGTERM);
  cr_assert(ends(pid, 10'000));
  EXPECT_TEXT(read_file(said), cat(line, line, line));
}

Test(watcher, kills_what_a_dead_client_left) {
  REQUIRE(Root | CgroupV2);
  Sandbox box;
  const TestGroup group;
  const int left = fork();
  if (left == 0) sleep_for_ever();
  write_file(group.path() + "/cgroup.procs", cat(left));
  const int client = fork();
  if (client == 0) sleep_for_ever();
  keeper::Plan plan{.mode = keeper::Mode::kWatch};
  plan.watch.client = static_cast<int>(syscall(SYS_pidfd_open, client, 0));
  plan.watch.cgroup_kill = open((group.path() + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC);
  const int watcher = start_keeper(plan);
  for (int i = 0; i < 2000 && status_line(watcher, "Seccomp") != "2"; ++i) usleep(5000);
  EXPECT_TEXT(status_line(watcher, "CapEff"), "0000000000000000");
  EXPECT_TEXT(status_line(watcher, "CapBnd"), "0000000000000000");
  cr_assert(waitpid(left, nullptr, WNOHANG) == 0);
  kill(client, SIGKILL);
  int status = 0;
  cr_assert(waitpid(watcher, &status, 0) == watcher && status == 0);
  cr_assert(waitpid(left, &status, 0) == left && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

Test(keeper_plan, that_is_not_one_starts_nothing) {
  REQUIRE(Root);
  constexpr int kNotOurs = 126, kFailed = 125;
  keeper::Plan plan{.mode = keeper::Mode::kMind};
  plan.mind.program = 0;
  const std::string good = runtime::print(plan, {"sh"}, {"A=b"});
  cr_expect(status_with(good, false) == kNotOurs, "not sealed");
  for (std::size_t size = 0; size < good.size(); size += 8)
    cr_assert(status_with(good.substr(0, size)) == kNotOurs, "cut at %zu", size);
  const auto damaged = [&](auto change) {
    keeper::Plan bad;
    memcpy(&bad, good.data(), sizeof bad);
    change(bad);
    return status_with(cat(std::string(reinterpret_cast<const char*>(&bad), sizeof bad), good.substr(sizeof bad)));
  };
  cr_expect(damaged([](keeper::Plan& bad) { bad.magic ^= 1; }) == kNotOurs);
  cr_expect(damaged([](keeper::Plan& bad) { ++bad.version; }) == kNotOurs);
  cr_expect(damaged([](keeper::Plan& bad) { ++bad.size; }) == kNotOurs);
  cr_expect(damaged([](keeper::Plan& bad) { bad.mode = static_cast<keeper::Mode>(7); }) == kFailed);
  cr_expect(damaged([](keeper::Plan& bad) { bad.mind.argc = ~0U; }) == kFailed);
  cr_expect(damaged([](keeper::Plan& bad) { bad.mind.texts_at = ~0U; }) == kFailed);
  cr_expect(damaged([](keeper::Plan& bad) { --bad.mind.texts_size; }) == kFailed);
  for (const keeper::Mode mode : {keeper::Mode::kKeep, keeper::Mode::kWatch}) {
    const auto as = [&](std::uint32_t at, std::uint32_t size) {
      return damaged([&](keeper::Plan& bad) { bad.mode = mode, bad.filter = {at, size}; });
    };
    cr_expect(as(0, 0) == kFailed);
    cr_expect(as(~0U, 8) == kFailed);
    cr_expect(as(8, ~0U) == kFailed);
    cr_expect(as(0, 64) == kFailed);  // no program
  }
}
