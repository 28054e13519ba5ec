// With a terminal: is it the container's own, of the right size, and is the caller's as it was afterwards?
#include <signal.h>

#include "tests/support/app.h"

using namespace convox::test;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

// convox between two `stty -g`, in a shell on the same terminal: what they say must be equal.
Program between_settings(App& app, const std::string& arguments) {
  return app.start({"/bin/sh", "-c",
                    convox::cat("a=$(stty -g); ", Sandbox::build(), "/convox ", arguments,
                                "; s=$?; b=$(stty -g); [ \"$a\" = \"$b\" ] && echo restored=yes status=$s. || "
                                "echo restored=no status=$s.")},
                   {.terminal = true});
}
}  // namespace

Test(terminal, is_one_of_the_containers_own) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.convox({"run", "web", "testbox is-tty; tty; ls -l /dev/console; readlink /proc/self/fd/0"},
                             {.terminal = true});
  EXPECT_STATUS(ran, 0);
  for (const char* part : {"0=terminal", "1=terminal", "2=terminal", "controlling=yes", "/dev/console", "136,   0"})
    EXPECT_CONTAINS(ran.out, part);
  EXPECT_STATUS(
      app.convox({"run", "--user", "app", "web", "echo x >/dev/tty && echo y >/dev/stdout"}, {.terminal = true}), 0);
  EXPECT_NOTHING_LEFT(app);
}

Test(terminal, has_the_size_of_the_callers_and_follows_it) {
  REQUIRE(kNeeds);
  App app;
  Program shell = app.start_convox({"run", "web",
                                    "testbox winsize; trap 'testbox winsize' WINCH; echo up; "
                                    "while :; do sleep 0.1; done"},
                                   {.terminal = true});
  cr_expect(shell.expect("24 80"));
  cr_expect(shell.expect("up"));
  shell.resize(50, 132);
  cr_expect(shell.expect("50 132"));
  shell.signal(SIGTERM);
  EXPECT_STATUS(shell.wait(), 128 + SIGTERM);
  EXPECT_NOTHING_LEFT(app);
}

Test(terminal, control_keys_are_the_containers) {
  REQUIRE(kNeeds);
  App app;
  Program shell = app.start_convox({"run", "web", "testbox", "tell-signals"}, {.terminal = true});
  cr_expect(shell.expect("ready"));
  shell.type("\x03");
  cr_expect(shell.expect("SIGINT"));
  shell.type("\x1c");
  cr_expect(shell.expect("SIGQUIT"));
  shell.signal(SIGTERM);
  EXPECT_STATUS(shell.wait(), 128 + SIGTERM);
}

Test(terminal, control_keys_go_to_the_command_and_not_to_its_init) {
  REQUIRE(kNeeds);
  App app(testbox_image(), "    init: true\n");
  Program shell = app.start_convox({"run", "web", "testbox", "tell-signals"}, {.terminal = true});
  cr_expect(shell.expect("ready"));
  shell.type("\x03");
  cr_expect(shell.expect("SIGINT"));
  shell.resize(50, 132);
  cr_expect(shell.expect("SIGWINCH"));
  shell.signal(SIGTERM);
  EXPECT_STATUS(shell.wait(), 128 + SIGTERM);
  EXPECT_NOTHING_LEFT(app);
}

Test(terminal, runs_a_shell) {
  REQUIRE(kNeeds);
  App app;
  Program shell = app.start_convox({"run", "web", "sh"}, {.terminal = true});
  shell.type("echo $((6*7))\n");
  cr_expect(shell.expect("42"));
  shell.type("sh -c 'echo sleeping; exec sleep 1000'\n");  // who says so is in the foreground by then
  cr_expect(shell.expect("sleeping\r\n"));
  shell.type("\x03");
  shell.type("echo sta''tus=$?\n");
  cr_expect(shell.expect("status=130"));
  cr_expect(shell.expect("/app # "));  // before that the line is not edited yet, and an end of file is lost
  shell.type("\x04");
  EXPECT_STATUS(shell.wait(), 0);
  EXPECT_NOTHING_LEFT(app);
}

Test(terminal, of_the_caller_is_as_it_was_afterwards) {
  REQUIRE(kNeeds);
  App app;
  for (const auto& [arguments, says] :
       {std::pair<const char*, const char*>{"run --network none web testbox exit 3", "restored=yes status=3."},
        {"run --network none web no-such-command", "restored=yes status=127."},
        {"run --network none --volume /sys/kernel:/v web true", "restored=yes status=125."},
        {"run --network none --timeout 1 web sleep 60", "restored=yes status=124."}}) {
    Program shell = between_settings(app, arguments);
    cr_expect(shell.expect(says), "%s", arguments);
    shell.wait();
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(terminal, of_the_caller_is_as_it_was_after_a_signal) {
  REQUIRE(kNeeds);
  App app;
  for (const int number : {SIGTERM, SIGHUP}) {
    Program shell = app.start(
        {"/bin/sh", "-c",
         convox::cat("a=$(stty -g); sh -c 'echo $$ >pid; exec ", Sandbox::build(),
                     "/convox run --network none web \"echo up; exec sleep 1000\"'; s=$?; "
                     "[ \"$a\" = \"$(stty -g)\" ] && echo restored=yes status=$s. || echo restored=no status=$s.")},
        {.terminal = true});
    cr_expect(shell.expect("up"));
    kill(atoi(read_file(app.app() + "/pid").c_str()), number);
    cr_expect(shell.expect(convox::cat("restored=yes status=", 128 + number, ".")), "after signal %d", number);
    shell.wait();
  }
}

Test(terminal, only_for_input_that_is_one) {
  REQUIRE(kNeeds);
  App app;
  // Output to a terminal alone is not enough; input from one with output to a pipe still is.
  Program shell =
      app.start({"/bin/sh", "-c",
                 convox::cat(Sandbox::build(), "/convox run --network none web testbox is-tty </dev/null; echo done.")},
                {.terminal = true});
  cr_expect(shell.expect("0=no"));
  cr_expect(shell.expect("1=no"));
  cr_expect(shell.expect("controlling=ENXIO"));
  cr_expect(shell.expect("done."));
  shell.wait();
}
