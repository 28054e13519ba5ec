// Whose are the descriptors? Standard input and outputs, consoles, preserved and passed ones, and that nobody else
// keeps a copy.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

namespace {

// The runtime called by a shell that opens descriptors as `redirections` says.
Ran shell(Container& box, const std::string& redirections, const Words& words,
          std::vector<std::string> environment = {}) {
  box.write_config();
  environment.emplace_back("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
  Start how{.environment = environment, .directory = box.bundle()};
  how.argv = {"/bin/sh", "-c",           "export LISTEN_PID=$$; exec \"$@\" <../in >>../out 2>>../err " + redirections,
              "sh",      runtime_path(), "--root",
              box.root()};
  how.argv.insert(how.argv.end(), words.begin(), words.end());
  return run(how);
}

}  // namespace

Test(stdio, input_and_both_outputs_are_the_commands) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("cat; echo oops >&2");
  const Ran ran = box.run({}, {.input = "from outside\n"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, "from outside\n");
  EXPECT_TEXT(ran.err, "oops\n");
}

Test(stdio, the_end_of_the_input_arrives) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("wc -c");
  EXPECT_TEXT(box.run({}, {.input = std::string(100'000, 'x')}).out, "100000\n");
}

Test(stdio, a_foreground_run_lends_its_own_descriptors) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "makes pipes of its own and copies");
  Container box;
  box.sh("readlink /proc/self/fd/1");
  EXPECT_STATUS(shell(box, "", {"run", box.id()}), 0);
  EXPECT_TEXT(box.out(), box.path() + "/out\n");
}

// The number of the mount that a descriptor of the first process is of must be one of its own mounts.
Test(stdio, the_null_device_is_the_containers_own) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "lends the host's");
  Container box;
  box.sh("sleep 1000");
  cr_assert_eq(shell(box, "</dev/null >/dev/null 2>/dev/null", {"run", "--detach", box.id()}).status, 0);
  const std::string process = cat("/proc/", box.pid());
  const std::string mounts = read_file(process + "/mountinfo");
  for (const char* fd : {"0", "1", "2"}) {
    const std::string info = read_file(cat(process, "/fdinfo/", fd));
    const std::size_t at = info.find("mnt_id:\t");
    cr_assert(at != info.npos);
    const std::string id = info.substr(at + 8, info.find('\n', at) - at - 8);
    cr_expect(cat("\n", mounts).find(cat("\n", id, " ")) != std::string::npos, "descriptor %s is of mount %s", fd,
              id.c_str());
  }
}

Test(stdio, create_hands_its_descriptors_on_unchanged) {
  REQUIRE_CONTAINERS();
  Container box;
  box.testbox({"both-outputs", "to out", "to err"});
  box.create();
  box.start();
  cr_expect(box.says("to out"));
  EXPECT_TEXT(box.err(), "to err");
}

Test(stdio, nobody_else_keeps_them_when_the_command_has_ended) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.write_config();
  Program create = box.start_call({"create", "--bundle", box.bundle(), box.id()}, {.limit = std::chrono::seconds(60)});
  cr_expect(comes_true([&] { return box.status() == "created"; }));
  box.bare({"start", box.id()});
  box.bare({"kill", box.id(), "KILL"});
  cr_expect(box.stops());
  const Ran ran = create.wait();  // says so when an output has no end of file
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.err, "");
}

Test(stdio, start_has_nothing_of_the_containers_outputs) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("echo hello; sleep 1000");
  box.create();
  const Ran ran = box.start();
  EXPECT_TEXT(ran.out + ran.err, "");
  cr_expect(box.says("hello"));
}

Test(stdio, a_null_device_that_is_lent_keeps_its_owner) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "gives standard descriptors to the container's user, whatever they are");
  Container box;
  const std::string null = box.path() + "/null";
  cr_assert(mknod(null.c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0);
  box.set("/process/user", R"({"uid":1000,"gid":1000})");
  box.sh("true");
  EXPECT_STATUS(shell(box, "<../null >../null 2>../null", {"run", box.id()}), 0);
  struct stat st {};
  stat(null.c_str(), &st);
  cr_expect(st.st_uid == 0 && st.st_gid == 0, "it belongs to %u:%u", st.st_uid, st.st_gid);
}

Test(stdio, no_descriptor_but_the_three_reaches_the_command) {
  REQUIRE_CONTAINERS();
  Container box;
  box.testbox({"confinement"});
  EXPECT_STATUS(shell(box, "5<../in 9<.", {"run", box.id()}), 0);
  EXPECT_CONTAINS(box.out(), "fd_0=");
  for (int fd = 3; fd < 20; ++fd) EXPECT_FACT(box.out(), cat("fd_", fd), "absent");
}

Test(stdio, conmons_pipes_do_not_reach_the_command) {
  REQUIRE_CONTAINERS();
  Container box;
  box.testbox({"confinement"});
  EXPECT_STATUS(shell(box, "3<../in 4<../in 5<../in", {"run", box.id()},
                      {"_OCI_SYNCPIPE=3", "_OCI_STARTPIPE=4", "_OCI_ATTACHPIPE=5"}),
                0);
  for (int fd = 3; fd < 8; ++fd) EXPECT_FACT(box.out(), cat("fd_", fd), "absent");
  cr_expect(box.out().find("_OCI_SYNCPIPE") == std::string::npos);
}

Test(stdio, preserved_descriptors_reach_the_command_and_later_ones_do_not) {
  REQUIRE_CONTAINERS();
  Container box;
  box.testbox({"confinement"});
  write_file(box.path() + "/three", ""), write_file(box.path() + "/four", ""), write_file(box.path() + "/five", "");
  EXPECT_STATUS(shell(box, "3<../three 4<../four 5<../five", {"run", "--preserve-fds", "2", box.id()}), 0);
  EXPECT_FACT(box.out(), "fd_3", box.path() + "/three");
  EXPECT_FACT(box.out(), "fd_4", box.path() + "/four");
  EXPECT_FACT(box.out(), "fd_5", "absent");
}

Test(stdio, more_descriptors_than_there_are_cannot_be_preserved) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "preserve what there is");
  Container box;
  box.sh("true");
  const Ran ran = shell(box, "3<../in", {"run", "--preserve-fds", "2", box.id()});
  cr_expect(ran.status != 0);
}

Test(stdio, passed_sockets_come_with_their_number_and_pid_one) {
  REQUIRE_CONTAINERS();
  Container box;
  box.testbox({"confinement"});
  write_file(box.path() + "/three", "");
  EXPECT_STATUS(shell(box, "3<../three", {"run", box.id()}, {"LISTEN_FDS=1"}), 0);
  EXPECT_FACT(box.out(), "fd_3", box.path() + "/three");
  if (judged() != Crun) EXPECT_LINE(box.out(), "env=LISTEN_FDS=1");
  EXPECT_LINE(box.out(), "env=LISTEN_PID=1");
}

Test(stdio, names_of_passed_sockets_are_passed_too) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "pass no LISTEN_FDNAMES");
  Container box;
  box.testbox({"confinement"});
  EXPECT_STATUS(shell(box, "3<../in", {"run", box.id()}, {"LISTEN_FDS=1", "LISTEN_FDNAMES=web"}), 0);
  EXPECT_LINE(box.out(), "env=LISTEN_FDNAMES=web");
}

Test(stdio, the_runtimes_environment_does_not_reach_the_command) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("env");
  const Ran ran = box.run({}, {.environment = {"SECRET=of the host"}});
  EXPECT_STATUS(ran, 0);
  cr_expect(ran.out.find("SECRET") == std::string::npos, "%s", ran.out.c_str());
}

Test(console, its_master_is_sent_to_the_socket) {
  REQUIRE_CONTAINERS();
  Container box;
  ConsoleSocket socket(box.path() + "/console");
  box.set("/process/terminal", "true");
  box.sh("tty; stty size; echo to-console >/dev/console; exec sleep 1000");
  box.set("/process/consoleSize", R"({"height":33,"width":77})");
  EXPECT_STATUS(box.create({"--console-socket", box.path() + "/console"}), 0);
  std::string payload;
  const int master = socket.receive(&payload);
  cr_assert(master >= 0);
  cr_expect(payload.size() >= 1 && payload.size() <= 4096, "%zu bytes of payload", payload.size());
  box.start();
  const std::string shown = read_until(master, "to-console");
  EXPECT_LINE(shown, "/dev/pts/0");
  EXPECT_LINE(shown, "33 77");
  EXPECT_CONTAINS(shown, "to-console");
  close(master);
}

Test(console, is_the_controlling_terminal_of_a_session_of_its_own) {
  REQUIRE_CONTAINERS();
  Container box;
  ConsoleSocket socket(box.path() + "/console");
  box.set("/process/terminal", "true");
  box.testbox({"is-tty"});
  EXPECT_STATUS(box.create({"--console-socket", box.path() + "/console"}), 0);
  const int master = socket.receive();
  cr_assert(master >= 0);
  box.start();
  const std::string shown = read_until(master, "controlling=");
  EXPECT_LINE(shown, "0=terminal");
  EXPECT_LINE(shown, "2=terminal");
  EXPECT_CONTAINS(shown, "controlling=yes");
  close(master);
}

Test(console, belongs_to_the_user_of_the_process) {
  REQUIRE_CONTAINERS();
  Container box;
  ConsoleSocket socket(box.path() + "/console");
  box.set("/process/terminal", "true");
  box.set("/process/user", R"({"uid":1000,"gid":1000})");
  box.sh("stat -c 'owner=%u' $(tty); echo done");
  EXPECT_STATUS(box.create({"--console-socket", box.path() + "/console"}), 0);
  const int master = socket.receive();
  cr_assert(master >= 0);
  box.start();
  EXPECT_CONTAINS(read_until(master, "done"), "owner=1000");
  close(master);
}

Test(console, a_terminal_without_a_socket_is_refused_by_create) {
  REQUIRE_CONTAINERS();
  Container box;
  box.set("/process/terminal", "true");
  box.sh("true");
  EXPECT_REFUSED(box.create(), "console");
  EXPECT_NOTHING_LEFT(box);
}

Test(console, a_socket_without_a_terminal_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "ignores it");
  Container box;
  ConsoleSocket socket(box.path() + "/console");
  box.sh("true");
  EXPECT_REFUSED(box.create({"--console-socket", box.path() + "/console"}), "console");
}

Test(console, a_socket_that_nobody_listens_on_fails_create_and_leaves_nothing) {
  REQUIRE_CONTAINERS();
  Container box;
  box.set("/process/terminal", "true");
  box.sh("true");
  EXPECT_REFUSED(box.create({"--console-socket", box.path() + "/nobody"}), "nobody");
  EXPECT_TEXT(box.status(), "absent");
  EXPECT_NOTHING_LEFT(box);
}

Test(console, a_foreground_run_relays_it) {
  REQUIRE_CONTAINERS();
  Container box;
  box.set("/process/terminal", "true");
  box.sh("tty; read line; echo got $line; exit 3");
  box.write_config();
  Program run = box.start_call({"run", "--bundle", box.bundle(), box.id()}, {.terminal = true});
  cr_expect(run.expect("/dev/pts/"));
  run.type("word\r");
  cr_expect(run.expect("got word"));
  EXPECT_STATUS(run.wait(), 3);
}

Test(console, a_foreground_run_follows_the_size_of_the_callers_terminal) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "begins with a size of zero");
  Container box;
  box.set("/process/terminal", "true");
  box.sh("while stty size; do sleep 0.1; done");
  box.write_config();
  Program run = box.start_call({"run", "--bundle", box.bundle(), box.id()}, {.terminal = true});
  cr_expect(run.expect("24 80"));
  run.resize(50, 132);
  cr_expect(run.expect("50 132"));
  box.bare({"kill", box.id(), "KILL"});
  run.wait();
}

Test(console, of_exec_is_sent_to_its_own_socket) {
  REQUIRE_CONTAINERS();
  Container box;
  box.sh("sleep 1000");
  box.launch();
  ConsoleSocket socket(box.path() + "/console");
  const Ran ran = box.exec({"/bin/sh", "-c", "tty; exec sleep 1000"},
                           {"--tty", "--detach", "--console-socket", box.path() + "/console"});
  EXPECT_STATUS(ran, 0);
  const int master = socket.receive();
  cr_assert(master >= 0);
  EXPECT_CONTAINS(read_until(master, "/dev/pts/"), "/dev/pts/");
  close(master);
}

Test(console, a_pidfd_is_sent_to_the_pidfd_socket) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions have no --pidfd-socket");
  Container box;
  ConsoleSocket socket(box.path() + "/pidfd");
  box.sh("sleep 1000");
  EXPECT_STATUS(box.create({"--pidfd-socket", box.path() + "/pidfd"}), 0);
  const int pidfd = socket.receive();
  cr_assert(pidfd >= 0);
  EXPECT_CONTAINS(read_file(cat("/proc/self/fdinfo/", pidfd)), cat("Pid:\t", box.pid(), "\n"));
  close(pidfd);
}

Test(notify, start_waits_for_ready_and_passes_it_on_with_the_main_pid) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "does not wait in start");
  Container box;
  const std::string path = box.path() + "/notify";
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  cr_assert(bind(socket, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
  box.sh(
      "echo waiting; while ! [ -e /tmp/go ]; do sleep 0.1; done; "
      "/testbox notify READY=1; exec sleep 1000");
  EXPECT_STATUS(box.create({}, {.environment = {"NOTIFY_SOCKET=" + path}}), 0);
  Program start = box.start_call({"start", box.id()}, {.environment = {"NOTIFY_SOCKET=" + path}});
  cr_expect(box.says("waiting"));
  write_file(box.rootfs() + "/tmp/go", "");
  const auto message = [socket] {
    pollfd ready{.fd = socket, .events = POLLIN, .revents = 0};
    char text[4096];
    const ssize_t got = poll(&ready, 1, 10'000) == 1 ? recv(socket, text, sizeof text, 0) : 0;
    return std::string(text, got > 0 ? static_cast<std::size_t>(got) : 0);
  };
  std::string all = message();
  EXPECT_CONTAINS(all, "READY=1");
  all += message();
  EXPECT_CONTAINS(all, cat("MAINPID=", box.pid()));
  close(socket);  // nobody answers the barrier then
  EXPECT_STATUS(start.wait(), 0);
}

Test(notify, start_gives_up_when_the_container_dies) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "does not wait in start");
  LIMITATION(Runc, "waits for ever");
  Container box;
  const std::string path = box.path() + "/notify";
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  cr_assert(bind(socket, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
  box.sh("exit 0");
  EXPECT_STATUS(box.create({}, {.environment = {"NOTIFY_SOCKET=" + path}}), 0);
  cr_expect(box.call({"start", box.id()}, {.environment = {"NOTIFY_SOCKET=" + path}}).status != kTimedOut);
  close(socket);
}
