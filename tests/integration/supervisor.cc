// Whatever becomes of the user's input, output, terminal and shell: is the command still supervised, and its end told?
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/app.h"
#include "tests/support/wait.h"

using namespace convox::test;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

std::string program() { return Sandbox::build() + "/convox"; }

// A line for a shell, with convox as $0.
std::vector<std::string> shell_line(const std::string& line) { return {"/bin/sh", "-c", line, program()}; }

// Without taking anything of its output, which Program::wait would do: a terminal or pipe that nobody reads.
bool ends_unread(const Program& running, int seconds) {
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, running.pid(), 0));
  pollfd end{pidfd, POLLIN, 0};
  const bool ended = poll(&end, 1, seconds * 1000 * slowness()) == 1;
  close(pidfd);
  return ended;
}

bool wait_for_file(const std::string& path) {
  for (int moment = 0; moment < 500 && read_file(path).empty(); ++moment) sleep_milliseconds(20);
  return !read_file(path).empty();
}
}  // namespace

// --- signals during the start

Test(supervisor, only_a_request_to_end_interrupts_a_start) {
  REQUIRE(kNeeds);
  App app;
  for (int round = 0; round < 5; ++round) {
    Program starting = app.start_convox({"run", "web", "testbox", "exit", "3"});
    for (int moment = 0; moment < 40; ++moment) {
      starting.signal(SIGCONT);  // which a shell sends with `fg` and `bg`
      sleep_milliseconds(2);
    }
    EXPECT_STATUS(starting.wait(), 3);
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(supervisor, a_terminal_resized_during_the_start_has_its_new_size) {
  REQUIRE(kNeeds);
  App app;
  for (int round = 0; round < 8; ++round) {
    Program shell = app.start_convox({"run", "web", "sleep 0.3; testbox winsize"}, {.terminal = true});
    sleep_milliseconds(round * 5);
    shell.resize(50, 132);
    cr_expect(shell.expect("50 132"), "resized after %d ms", round * 5);
    shell.wait();
  }
}

// --- streams that break

Test(supervisor, a_broken_stream_never_replaces_the_commands_status) {
  REQUIRE(kNeeds);
  App app;
  const Ran directory = app.run(shell_line("exec \"$0\" run --network none web \"ls; exit 7\" </"));
  EXPECT_STATUS(directory, 7);
  EXPECT_CONTAINS(directory.out, "README");
  EXPECT_TEXT(directory.err, "");
  EXPECT_STATUS(app.run(shell_line("exec \"$0\" run --network none web 'cat; exit 7' 0>/dev/null")),
                7);  // not open for reading
  // What was lost is told all the same.
  const Ran full = app.run(shell_line("exec \"$0\" run --network none web 'echo lost; exit 7' >/dev/full"));
  EXPECT_STATUS(full, 7);
  EXPECT_CONTAINS(full.err, "No space left on device");
  EXPECT_NOTHING_LEFT(app);
}

Test(supervisor, input_and_output_may_be_a_socket) {
  REQUIRE(kNeeds);
  App app;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  cr_assert(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listener, 1) == 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  const std::string connect = convox::cat("exec 3<>/dev/tcp/127.0.0.1/", ntohs(address.sin_port), "; ");

  Program echo =
      app.start({"/bin/bash", "-c", connect + "exec \"$0\" run --network none web testbox cat <&3 >&3", program()});
  int peer = accept(listener, nullptr, nullptr);
  cr_expect(write(peer, "to and fro", 10) == 10 && shutdown(peer, SHUT_WR) == 0);
  char back[32] = {};
  cr_expect(recv(peer, back, sizeof back - 1, MSG_WAITALL) == 10);
  EXPECT_TEXT(back, "to and fro");
  close(peer);
  EXPECT_STATUS(echo.wait(), 0);

  Program reset = app.start(
      {"/bin/bash", "-c", connect + "exec \"$0\" run --network none web 'echo up >&2; cat; exit 7' <&3", program()});
  peer = accept(listener, nullptr, nullptr);
  sleep_milliseconds(500);
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(peer);  // ECONNRESET at the other end
  const Ran ran = reset.wait();
  EXPECT_STATUS(ran, 7);
  EXPECT_TEXT(ran.err, "up\n");
  close(listener);
  EXPECT_NOTHING_LEFT(app);
}

// --- streams that stall

Test(supervisor, a_stalled_terminal_delays_neither_the_timeout_nor_a_signal) {
  REQUIRE(kNeeds);
  App app;
  Program late = app.start_convox({"run", "--timeout", "1", "web", "yes"}, {.terminal = true});
  cr_expect(ends_unread(late, 12));
  EXPECT_STATUS(late.wait(), 124);
  Program told = app.start_convox({"run", "web", "yes"}, {.terminal = true});
  sleep_milliseconds(700 * slowness());
  told.signal(SIGTERM);
  cr_expect(ends_unread(told, 12));
  EXPECT_STATUS(told.wait(), 128 + SIGTERM);
  EXPECT_NOTHING_LEFT(app);
}

Test(supervisor, a_stalled_pipe_delays_neither_the_timeout_nor_a_signal) {
  REQUIRE(kNeeds);
  App app;
  Program late = app.start_convox({"run", "--timeout", "1", "web", "yes"});
  cr_expect(ends_unread(late, 12));
  EXPECT_STATUS(late.wait(), 124);
  // A pipe with room when it was polled has none any more, because others write into it too.
  const Ran others =
      app.run(shell_line("{ yes & a=$!; yes & b=$!; \"$0\" run --network none --timeout 2 web yes; echo status=$? >&2; "
                         "kill $a $b; } | { timeout 1 cat >/dev/null; sleep 12; }"));
  EXPECT_CONTAINS(others.err, "status=124");
  EXPECT_NOTHING_LEFT(app);
}

// A reader that opens a FIFO after its last writer has left is never told of the end by poll.
Test(supervisor, an_input_that_is_a_fifo_ends) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.run(shell_line("mkfifo fifo; echo through >fifo & exec \"$0\" run --network none web cat <fifo"));
  EXPECT_TEXT(ran.out, "through\n");
  EXPECT_STATUS(ran, 0);
}

// --- the terminal

Test(supervisor, a_terminal_whose_output_nobody_takes_is_hung_up) {
  REQUIRE(kNeeds);
  App app;
  Program shell =
      app.start(shell_line("a=$(stty -g); { \"$0\" run --network none web yes; echo status=$? >&2; } | head -n 1; "
                           "[ \"$a\" = \"$(stty -g)\" ] && echo restored=yes"),
                {.terminal = true});
  cr_expect(shell.expect("y\r\n"));
  cr_expect(shell.expect("status=129"));
  cr_expect(shell.expect("restored=yes"));
  shell.wait();
  EXPECT_NOTHING_LEFT(app);
}

Test(supervisor, a_command_that_survives_the_hangup_cannot_wait_for_a_reader) {
  REQUIRE(kNeeds);
  App app;
  Program shell = app.start(
      shell_line(
          "{ \"$0\" run --network none web \"trap : HUP; yes; exit 3\"; echo status=$? >&2; } | head -n 1; echo"),
      {.terminal = true});
  cr_expect(shell.expect("y\r\n"));
  cr_expect(shell.expect("status=3"));  // `yes` got EIO
  shell.wait();
  EXPECT_NOTHING_LEFT(app);
}

Test(supervisor, a_command_may_close_its_terminal_and_open_it_again) {
  REQUIRE(kNeeds);
  App app;
  Program init = app.start_convox({"run", "web",
                                   "exec </dev/null >/dev/null 2>&1; sleep 0.5; echo again >/dev/console; "
                                   "read word </dev/console; sleep 0.5; echo \"got $word\" >/dev/console; exit 5"},
                                  {.terminal = true});
  cr_expect(init.expect("again"));
  init.type("word\n");
  cr_expect(init.expect("got word"));
  EXPECT_STATUS(init.wait(), 5);
  EXPECT_NOTHING_LEFT(app);
}

// --- job control

Test(supervisor, a_job_in_the_background_leaves_the_terminal_alone) {
  REQUIRE(kNeeds);
  App app;
  Program shell = app.start(shell_line("set -m; \"$0\" run --network none web 'testbox is-tty; cat; exit 3' & wait $!; "
                                       "echo status=$?."),
                            {.terminal = true});
  cr_expect(shell.expect("0=no"));
  cr_expect(shell.expect("status=3."));
  shell.wait();
  EXPECT_NOTHING_LEFT(app);
}

Test(supervisor, a_job_brought_back_has_its_terminal_again) {
  REQUIRE(kNeeds);
  App app;
  Program shell = app.start({"/bin/bash", "--norc", "--noprofile", "-i"}, {.terminal = true});
  shell.type(convox::cat(
      "sh -c 'echo $$ >pid; exec ", program(),
      " run --network none web \"echo u''p; read -n 1 key; echo g''ot=\\$key; testbox winsize; exec sleep 1000\"'\n"));
  cr_expect(shell.expect("up\r\n"));
  cr_assert(wait_for_file(app.app() + "/pid"));
  const int convox = atoi(read_file(app.app() + "/pid").c_str());
  kill(convox, SIGSTOP);
  cr_expect(shell.expect("Stopped"));
  shell.resize(50, 132);
  shell.type("stty sane; echo sh''ell\n");
  cr_expect(shell.expect("shell\r\n"));
  shell.type("fg\n");
  cr_expect(shell.expect("run --network none web"));
  sleep_milliseconds(500 * slowness());
  shell.type("q");  // a whole line in itself, for one who reads it raw
  cr_expect(shell.expect("got=q"));
  cr_expect(shell.expect("50 132"));
  kill(convox, SIGTERM);
  cr_expect(shell.expect("# "));  // the shell's prompt
  shell.type("echo status=$?.; rm pid\n");
  cr_expect(shell.expect("status=143."));
  shell.type("exit\n");
  shell.wait();
  EXPECT_NOTHING_LEFT(app);
}

// --- to stop a container

Test(supervisor, a_timeout_sends_the_stop_signal_of_the_image) {
  REQUIRE(kNeeds);
  for (const char* name : {"SIGUSR1", "USR1", "10"}) {
    App app(testbox_image_with({}, convox::cat(R"({"StopSignal":")", name, "\"}")));
    const Ran ran = app.convox({"run", "--timeout", "1", "web",
                                "trap 'echo usr1; exit 0' USR1; trap 'echo term; exit 0' TERM; while :; do sleep 0.1; "
                                "done"});
    EXPECT_TEXT(ran.out, "usr1\n");
    EXPECT_STATUS(ran, 124);
  }
}

Test(supervisor, a_stop_signal_that_is_none_is_an_error_before_the_start) {
  REQUIRE(kNeeds);
  App app(testbox_image_with({}, R"({"StopSignal":"SIGNONSENSE"})"));
  const Ran ran = app.convox({"run", "web", "echo ran"});
  EXPECT_STATUS(ran, 125);
  EXPECT_TEXT(ran.out, "");
  EXPECT_TEXT(ran.err, "ERROR: the image's StopSignal: \"SIGNONSENSE\" is no signal\n");
  EXPECT_NOTHING_LEFT(app);
}

// A write to a frozen file system waits in the kernel, deaf to SIGKILL (state D).  ioctl_fsfreeze(2)
Test(supervisor, a_process_that_cannot_be_killed_is_named) {
  REQUIRE(kNeeds | PrivateNamespaces);
  App app;
  const std::string disk = app.path() + "/disk";
  const auto host = [&](const std::string& line) { return app.run({"/bin/sh", "-c", line, disk}).status; };
  if (host("truncate -s 8M $0.image && mkfs.ext4 -q $0.image && mkdir $0 && mount -o loop $0.image $0") != 0)
    cr_skip("needs mkfs.ext4 and loop devices");
  app.remember();
  Program stuck =
      app.start_convox({"run", "--timeout", "2", "--volume", disk + ":/v", "web", "echo up; sleep 1; >/v/file"},
                       {.keep_input_open = true, .limit = std::chrono::seconds(60)});
  cr_expect(stuck.expect("up\n"));
  cr_assert(host("fsfreeze -f $0") == 0);
  const bool ended = ends_unread(stuck, 40);
  cr_expect(host("fsfreeze -u $0") == 0);
  cr_expect(ended);
  const Ran ran = stuck.wait();
  EXPECT_STATUS(ran, 125);
  EXPECT_CONTAINS(ran.err, "still lives 10 seconds after SIGKILL");
  EXPECT_STATUS(app.convox({"gc"}), 0);
  EXPECT_NOTHING_LEFT(app);
  host("umount $0");
}
