// Does an ordinary user's Podman get from the runtime what it asks for?
//
// The user has no capability, no cgroup but the one it stands in, and subordinate ids by newuidmap(1): Podman makes a
// user namespace with them and starts the runtime as its root. Man pages: user_namespaces(7), subuid(5).
#include <unistd.h>

#include "runtime/base/cat.h"
#include "tests/support/engines.h"
#include "tests/support/wait.h"

using namespace convox::test;

ReportHook(PRE_ALL)(criterion_test_set*) { Session::begin({"podman", "conmon", "newuidmap", "setpriv"}); }
ReportHook(POST_ALL)(criterion_global_stats*) { Session::end(); }

namespace {
constexpr auto kNeeds = Root | UserNamespaces;

std::string says(const RootlessPodman& podman, std::vector<std::string> flags, const std::string& script) {
  flags.insert(flags.begin(), {"run", "--rm"});
  flags.insert(flags.end(), {"app", "sh", "-c", script});
  const Ran ran = podman(flags);
  EXPECT_STATUS(ran, 0);
  return trimmed(ran.out);
}
}  // namespace

Test(rootless_podman, run_passes_input_both_outputs_and_the_status) {
  REQUIRE_ENGINE(kNeeds);
  const RootlessPodman podman;
  const Ran ran =
      podman({"run", "--rm", "--interactive", "app", "sh", "-c", "cat; echo wrong >&2; exit 7"}, {.input = "one\n"});
  EXPECT_STATUS(ran, 7);
  EXPECT_TEXT(ran.out, "one\n");
  EXPECT_TEXT(ran.err, "wrong\n");
  EXPECT_STATUS(podman({"run", "--rm", "app", "nosuch"}), 127);
  EXPECT_STATUS(podman({"run", "--rm", "app", "/app/bin/not-executable"}), 126);
  EXPECT_NOTHING_LEFT(podman);
}

Test(rootless_podman, runs_as_the_user_that_the_maps_say) {
  REQUIRE_ENGINE(kNeeds);
  const RootlessPodman podman;
  const std::string id = std::to_string(Session::kUser);
  EXPECT_TEXT(
      says(podman, {}, "id -u; awk '{ print $1, $2, $3 }' /proc/self/uid_map; touch /tmp/x; stat -c %u /tmp/x /app"),
      convox::cat("0\n0 ", id, " 1\n1 2000000000 65536\n0\n0"));
  EXPECT_TEXT(says(podman, {"--userns", "keep-id"}, "id -u"), id);
  EXPECT_TEXT(says(podman, {"--user", "app"}, "id -u; touch /tmp/x && stat -c %u /tmp/x"), "1000\n1000");
  // What the container's root may do to the host: what the user may, so nothing to a file of root's.
  const std::string file = Session::path() + "/tmp/of-root";
  write_file(file, "secret\n", 0600);
  EXPECT_TEXT(says(podman, {"--volume", file + ":/secret"}, "cat /secret 2>/dev/null || echo no"), "no");
  EXPECT_TEXT(says(podman, {"--privileged", "--volume", file + ":/secret"}, "cat /secret 2>/dev/null || echo no"),
              "no");
  unlink(file.c_str());
  EXPECT_NOTHING_LEFT(podman);
}

Test(rootless_podman, run_confines_as_it_was_asked_to) {
  REQUIRE_ENGINE(kNeeds);
  const RootlessPodman podman;
  EXPECT_TEXT(
      says(
          podman,
          {"--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--hostname", "named", "--tmpfs",
           "/t", "--sysctl", "net.ipv4.ip_forward=1"},
          "grep -E 'CapEff|NoNewPrivs|Seccomp_filters' /proc/self/status; hostname; touch /x 2>/dev/null || echo kept; "
          "touch /t/x && cat /proc/sys/net/ipv4/ip_forward"),
      convox::cat("CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp_filters:\t", own_seccomp_filters() + 1,
                  "\nnamed\nkept\n1"));
  EXPECT_NOTHING_LEFT(podman);
}

Test(rootless_podman, a_terminal_works) {
  REQUIRE_ENGINE(kNeeds);
  const RootlessPodman podman;
  Program shell = podman.start(
      {"run", "--rm", "--interactive", "--tty", "app", "sh", "-c", "testbox is-tty; read x; echo \"<$x>\"; exit 4"},
      {.terminal = true});
  cr_expect(shell.expect("controlling=yes"));
  shell.type("word\n");
  cr_expect(shell.expect("<word>"));
  EXPECT_STATUS(shell.wait(), 4);
  EXPECT_NOTHING_LEFT(podman);
}

Test(rootless_podman, a_detached_container_is_executed_in_logged_stopped_and_removed) {
  REQUIRE_ENGINE(kNeeds);
  const RootlessPodman podman;
  EXPECT_STATUS(podman({"run", "--detach", "--name", "base", "app", "sh", "-c",
                        "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done"}),
                0);
  cr_expect(comes_true([&] { return podman({"logs", "base"}).out == "ready\n"; }));
  const Ran ran =
      podman({"exec", "--interactive", "--user", "5", "base", "sh", "-c", "cat; id -u; exit 9"}, {.input = "in\n"});
  EXPECT_STATUS(ran, 9);
  EXPECT_TEXT(ran.out, "in\n5\n");
  EXPECT_STATUS(podman({"exec", "base", "nosuch"}), 127);
  EXPECT_CONTAINS(podman({"top", "base", "pid", "comm"}).out, "sh");
  EXPECT_STATUS(podman({"stop", "--time", "60", "base"}), 0);
  EXPECT_TEXT(trimmed(podman({"inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "base"}).out),
              "exited 3");
  EXPECT_STATUS(podman({"start", "base"}), 0);
  EXPECT_STATUS(podman({"kill", "base"}), 0);
  EXPECT_TEXT(podman({"wait", "base"}).out, "137\n");
  EXPECT_STATUS(podman({"rm", "base"}), 0);
  EXPECT_NOTHING_LEFT(podman);
}

Test(rootless_podman, run_without_cgroups_works) {
  REQUIRE_ENGINE(kNeeds);
  const RootlessPodman podman;
  EXPECT_TEXT(says(podman, {"--cgroups", "disabled", "--cgroupns", "host"}, "grep ^0: /proc/self/cgroup"),
              "0::/runner");
  EXPECT_NOTHING_LEFT(podman);
}
