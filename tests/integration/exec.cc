// One more command in a container that runs: is it confined as the container is, does it end with its client, and does
// nothing that stands inside fool it?
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "tests/support/app.h"
#include "tests/support/wait.h"

using namespace convox::test;
using convox::cat;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;
constexpr int kKilled = 128 + SIGKILL;

std::vector<std::string> entries(const std::string& directory) {
  std::vector<std::string> names;
  DIR* open = opendir(directory.c_str());
  while (const dirent* entry = open ? readdir(open) : nullptr)
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  if (open) closedir(open);
  return names;
}

// A process of the container whose client was killed is ours now, as it is the host's PID 1's elsewhere. Until somebody
// asks for its status, its PID namespace cannot go, and so neither can the container.  pid_namespaces(7)
void reap_orphans() {
  for (const std::string& name : entries("/proc")) {
    const std::string status = read_file(cat("/proc/", name, "/status"));
    if (status.find(cat("\nPPid:\t", getpid(), "\n")) != std::string::npos &&
        status.find("\nState:\tZ") != std::string::npos && !status.starts_with("Name:\tconvox\n"))
      waitpid(atoi(name.c_str()), nullptr, WNOHANG);
  }
}

// A container of the service web, held by an attached convox. Its PID 1 says `up` and sleeps.
class Container {
 public:
  explicit Container(App& app, std::vector<std::string> flags = {}, const std::string& before = "true")
      : app_(app), holder_(start(app, std::move(flags), before)) {
    cr_assert(holder_.expect("up"));
    const auto ids = entries(app.state() + "/c");
    cr_assert(ids.size() == 1);
    id = ids[0];
    // The payload may say `up` before its convox has written that it runs.
    comes_true([&] { return record().find("\"phase\":\"running\"") != std::string::npos; });
  }
  Ran stop() {
    holder_.signal(SIGTERM);
    comes_true([&] {
      reap_orphans();
      return !is_directory(group());
    });
    return holder_.wait();
  }
  Ran exec(std::vector<std::string> words, Start how = {}) {
    words.insert(words.begin(), {"exec", id});
    return app_.convox(std::move(words), std::move(how));
  }
  Program start_exec(std::vector<std::string> words, Start how = {}) {
    words.insert(words.begin(), {"exec", id});
    return app_.start_convox(std::move(words), std::move(how));
  }
  [[nodiscard]] std::string record() const { return read_file(app_.state() + "/c/" + id + "/state.json"); }
  [[nodiscard]] int pid() const {
    const std::string text = record();
    const std::size_t at = text.find("\"pid\":");
    return at == std::string::npos ? -1 : atoi(text.c_str() + at + 6);
  }
  [[nodiscard]] std::string group() const { return cgroup2_mount() + "/convox/" + id; }
  // Groups of commands in it, and how many processes they hold.
  [[nodiscard]] std::vector<std::string> groups() const {
    std::vector<std::string> names = entries(group());
    std::erase_if(names, [](const std::string& name) { return !name.starts_with("exec-"); });
    return names;
  }
  [[nodiscard]] long processes() const {
    long count = 0;
    for (const std::string& name : groups()) {
      const std::string pids = read_file(cat(group(), "/", name, "/cgroup.procs"));
      count += std::count(pids.begin(), pids.end(), '\n');
    }
    return count;
  }

  std::string id;

 private:
  static Program start(App& app, std::vector<std::string> flags, const std::string& before) {
    flags.insert(flags.begin(), "run");
    flags.insert(flags.end(), {"web", cat(before, "; echo up; exec sleep 1000")});
    return app.start_convox(std::move(flags), {.limit = std::chrono::seconds(120)});
  }

  App& app_;
  Program holder_;
};

// The watcher of the client `pid`.
int watcher_of(int pid) {
  for (const std::string& name : entries("/proc"))
    if (const std::string status = read_file(cat("/proc/", name, "/status"));
        status.find(cat("\nPPid:\t", pid, "\n")) != std::string::npos &&
        read_file(cat("/proc/", name, "/cmdline")).starts_with("convox:[watcher]"))
      return atoi(name.c_str());
  return -1;
}

// What must be equal in a container's payload and in what joins it. Numbers of processes, the inodes of pipes and the
// way up to the host differ for good reasons.
Census facts_of(const std::string& text) {
  Census facts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    const auto begins = [&](const char* key) { return line.starts_with(key); };
    if (begins("pid=") || begins("ppid=") || begins("sid=") || begins("pgrp=") || begins("death_signal=")) continue;
    if (begins("cgroup=") && line.find("0::/") == std::string::npos) continue;  // cgroup v1: not ours to set
    if (begins("cgroup=0::/exec-")) line = "cgroup=0::/";
    if (begins("env=PWD=") || begins("env=SHLVL=")) continue;  // a shell's own
    if (begins("fd_")) line = line.substr(0, 5);
    facts.insert(line);
  }
  return facts;
}

}  // namespace

// --- status, input, output

Test(exec, gives_the_status_of_the_command) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  const struct {
    std::vector<std::string> words;
    int status;
    const char* says;
  } rows[] = {{{"testbox", "exit", "0"}, 0, ""},
              {{"testbox", "exit", "7"}, 7, ""},
              {{"exit 9"}, 9, ""},
              {{"sh", "-c", "kill -KILL $$"}, 137, ""},
              {{"sh", "-c", "kill -TERM $$"}, 143, ""},
              {{"testbox", "crash"}, 139, ""},
              {{"no-such-command"}, 127, "find no-such-command along PATH: not found in the container"},
              {{"/no/such"}, 127, "not found in the container"},
              {{"/etc/passwd"}, 126, "Permission denied (EACCES)"},
              {{"/tmp"}, 126, "Is a directory (EISDIR)"},
              {{"--user", "nobody-here", "true"}, 125, "no user or group \"nobody-here\" in the image"},
              {{"--workdir", "/no/such", "true"}, 125, "change to /no/such"},
              {{"--workdir", "here", "true"}, 125, "--workdir \"here\" is not an absolute path"}};
  for (const auto& [words, status, says] : rows) {
    const Ran ran = web.exec(words);
    EXPECT_STATUS(ran, status);
    EXPECT_TEXT(ran.out, "");
    if (*says)
      EXPECT_CONTAINS(ran.err, says);
    else
      EXPECT_TEXT(ran.err, "");
    cr_expect(ran.err.empty() || ran.err.starts_with(cat("ERROR: exec in ", web.id, ": ")), "%s", ran.err.c_str());
  }
  cr_expect(web.groups().empty());
  EXPECT_STATUS(web.stop(), 143);
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, passes_every_byte_of_input_and_both_outputs) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  std::string bytes;
  for (int i = 0; i < 1 << 20; ++i) bytes.push_back(static_cast<char>(i * 31 + (i >> 8)));
  const Ran ran = web.exec({"testbox", "cat"}, {.input = bytes});
  EXPECT_STATUS(ran, 0);
  cr_expect(ran.out == bytes, "%zu bytes came back", ran.out.size());
  const Ran both = web.exec({"testbox", "both-outputs", "<ok>\x1b[1m", "error"});
  EXPECT_TEXT(both.out, "<ok>\x1b[1m");
  EXPECT_TEXT(both.err, "error");
  web.stop();
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, options_behind_the_command_are_the_commands) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  EXPECT_TEXT(web.exec({"testbox", "echo-args", "-la", "-e", "-h", "--help", "-d"}).out, "-la\n-e\n-h\n--help\n-d\n");
  EXPECT_TEXT(web.exec({"--", "testbox", "echo-args", "--user", "-a"}).out, "--user\n-a\n");
  EXPECT_TEXT(web.exec({"testbox", "echo-args", "$HOME", "a b"}).out, "$HOME\na b\n");
  EXPECT_TEXT(web.exec({"echo $((6*7))"}).out, "42\n");
  web.stop();
}

Test(exec, has_the_containers_environment_and_directory_and_what_flags_change_of_them) {
  REQUIRE(kNeeds);
  App app;
  Container web(app, {"--env", "COLOUR=blue", "--env", "SHAPE=round", "--workdir", "/tmp"});
  const Ran own = web.exec({"testbox", "confinement"}, {.environment = {"SECRET=of the caller"}});
  EXPECT_TEXT(fact(own.out, "cwd"), "/tmp");
  EXPECT_TEXT(fact(own.out, "hostname"), web.id);
  for (const std::string& entry : {std::string("COLOUR=blue"), std::string("SHAPE=round"), cat("HOSTNAME=", web.id)})
    EXPECT_CONTAINS(own.out, cat("env=", entry, "\n"));
  cr_expect(own.out.find("SECRET") == std::string::npos);
  const Ran changed =
      web.exec({"--env", "COLOUR=red", "--env", "TAKEN", "--workdir", "/", "--user", "app", "testbox", "confinement"},
               {.environment = {"TAKEN=yes"}});
  EXPECT_TEXT(fact(changed.out, "cwd"), "/");
  EXPECT_TEXT(fact(changed.out, "uids"), "1000 1000 1000");
  for (const char* entry : {"COLOUR=red", "SHAPE=round", "TAKEN=yes", "HOME="})
    EXPECT_CONTAINS(changed.out, cat("env=", entry));
  cr_expect(changed.out.find("COLOUR=blue") == std::string::npos);
  web.stop();
}

// --- confinement

Test(exec, has_the_limits_of_the_container_and_not_the_callers) {
  REQUIRE(kNeeds);
  App app;
  const std::string convox = Sandbox::build() + "/convox";
  Program container =
      app.start({"/bin/sh", "-c", "ulimit -S -f 100000; ulimit -n 2000; exec \"$0\" run web sleep 60", convox});
  std::string id;
  cr_assert(comes_true([&] {
    id = app.convox({"ps", "-q"}).out.substr(0, 12);
    return id.size() == 12 && app.convox({"exec", id, "true"}).status == 0;
  }));
  const std::string own = app.convox({"exec", id, "cat", "/proc/1/limits"}).out;
  EXPECT_CONTAINS(own, "2000");
  EXPECT_TEXT(app.convox({"exec", id, "cat", "/proc/self/limits"}).out, own);
  const Ran limited =
      app.run({"/bin/sh", "-c", "ulimit -S -v 4000000; ulimit -S -t 50; exec \"$0\" exec \"$1\" cat /proc/self/limits",
               convox, id});
  EXPECT_TEXT(limited.out, own);
  EXPECT_STATUS(app.convox({"ps", "stop", id}), 0);
  container.wait();
}

Test(exec, is_confined_exactly_as_the_container_is) {
  REQUIRE(kNeeds);
  App app;
  const std::vector<std::string> forms[] = {{},
                                            {"--cap-drop", "ALL", "--cap-add", "SYS_CHROOT", "--read-only"},
                                            {"--user", "app"},
                                            {"--network", "host", "--userns", "host"},
                                            {"--privileged"}};
  for (const auto& form : forms) {
    Container web(app, form, "testbox confinement >/dev/shm/payload");
    const std::string payload = web.exec({"cat", "/dev/shm/payload"}).out;
    // A caller that is nice, ignores signals and has files open.
    const Ran joined = app.run({"/bin/bash", "-c",
                                "ulimit -c 0; umask 0; trap '' HUP INT; exec 7</etc/passwd 9</; cd /etc; "
                                "exec nice -n 5 \"$0\" \"$@\" </dev/null",
                                Sandbox::build() + "/convox", "exec", web.id, "testbox", "confinement"});
    const std::string name = form.empty() ? "plain" : form.back();
    cr_expect(joined.status == 0, "%s: %s", name.c_str(), joined.err.c_str());
    cr_expect(payload.size() > 1000);
    const std::string differs = difference(facts_of(payload), facts_of(joined.out));
    cr_expect(differs.empty(), "%s: what joined differs from the container:\n%s", name.c_str(), differs.c_str());
    EXPECT_TEXT(fact(joined.out, "death_signal"), "9");
    web.stop();
  }
}

Test(exec, is_in_every_namespace_of_the_containers_first_process) {
  REQUIRE(kNeeds);
  App app;
  for (const auto& form : {std::vector<std::string>{}, std::vector<std::string>{"--network", "host"}}) {
    Container web(app, form);
    const Ran ran = web.exec({"testbox", "confinement"});
    int kinds = 0;
    for (const char* kind :
         {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"}) {
      char target[128] = {};
      if (readlink(cat("/proc/", web.pid(), "/ns/", kind).c_str(), target, sizeof target - 1) < 0) continue;
      ++kinds;
      EXPECT_TEXT(fact(ran.out, cat("namespace_", kind)), target);
    }
    cr_expect(kinds >= 9, "%d kinds", kinds);
    web.stop();
  }
}

Test(exec, lives_in_a_group_below_the_containers) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  Program sleeper = web.start_exec({"echo in; exec sleep 1000"});
  cr_expect(sleeper.expect("in"));
  cr_expect(web.groups().size() == 1 && web.processes() == 1);
  sleeper.signal(SIGTERM);
  EXPECT_STATUS(sleeper.wait(), 143);
  cr_expect(web.groups().empty());
  web.stop();
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, holds_to_the_pids_limit_of_the_container) {
  REQUIRE(kNeeds | CgroupControllers);
  App app;
  Container web(app, {"--pids-limit", "1"});
  const Ran ran = web.exec({"true"});
  EXPECT_STATUS(ran, 125);
  EXPECT_CONTAINS(ran.err, "EAGAIN");
  EXPECT_CONTAINS(ran.err, "as many processes as it may have");
  web.stop();
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, tells_that_the_containers_memory_was_not_enough) {
  REQUIRE(kNeeds | CgroupControllers);
  App app;
  Container web(app, {"--memory-limit", "32"});
  const Ran ran = web.exec({"testbox", "eat", "100"});
  EXPECT_STATUS(ran, kKilled);
  EXPECT_CONTAINS(ran.err, "out of memory (limit 32 MB)");
  web.stop();
}

// --- terminal and signals

Test(exec, has_a_terminal_of_the_containers_own) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  Program shell = web.start_exec({"testbox is-tty; testbox winsize; trap 'testbox winsize' WINCH; "
                                  "trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.1; done"},
                                 {.terminal = true});
  for (const char* part : {"0=terminal", "1=terminal", "2=terminal", "controlling=yes", "24 80", "ready"})
    cr_expect(shell.expect(part), "%s", part);
  shell.resize(50, 132);
  cr_expect(shell.expect("50 132"));
  shell.type("\x03");
  cr_expect(shell.expect("interrupted"));
  EXPECT_STATUS(shell.wait(), 5);
  // The console of PID 1 is nobody else's, and input that is no terminal gets none.
  EXPECT_TEXT(web.exec({"testbox is-tty | head -n 1; ls /dev/console 2>/dev/null"}).out, "0=no\n");
  web.stop();
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, passes_signals_on) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  Program told = web.start_exec({"testbox", "tell-signals"});
  cr_expect(told.expect("ready"));
  for (const auto& [number, says] : {std::pair{SIGUSR1, "SIGUSR1"}, {SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}}) {
    told.signal(number);
    cr_expect(told.expect(says), "%s", says);
  }
  EXPECT_STATUS(told.wait(), 143);
  Program interrupted = web.start_exec({"sh", "-c", "trap '' TERM; echo in; sleep 1000"});
  cr_expect(interrupted.expect("in"));
  interrupted.signal(SIGINT);
  EXPECT_STATUS(interrupted.wait(), 130);
  EXPECT_STATUS(web.exec({"true"}), 0);
  web.stop();
}

Test(exec, gives_the_terminal_back_when_the_container_dies) {
  REQUIRE(kNeeds);
  App app;
  for (const char* command : {"exec WEB 'echo in; exec sleep 1000'", "exec WEB no-such-command"}) {
    Container web(app);
    std::string line = command;
    line.replace(line.find("WEB"), 3, web.id);
    Program shell = app.start({"/bin/sh", "-c",
                               cat("a=$(stty -g); ", Sandbox::build(), "/convox ", line,
                                   "; s=$?; [ \"$a\" = \"$(stty -g)\" ] && echo restored=yes status=$s. || "
                                   "echo restored=no status=$s.")},
                              {.terminal = true});
    const bool runs = line.ends_with("1000'");
    if (runs) {
      cr_expect(shell.expect("in\r\n"));
      kill(web.pid(), SIGKILL);
      cr_expect(shell.expect("the process ended, and the command with it"));
    }
    cr_expect(shell.expect(cat("restored=yes status=", runs ? 137 : 127, ".")));
    shell.wait();
    web.stop();
  }
  EXPECT_NOTHING_LEFT(app);
}

// --- the end of it

Test(exec, ends_what_the_command_left_behind) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  const Ran ran = web.exec({"(trap '' HUP TERM; exec busybox setsid yes) & sleep 0.2; echo done >&2; exit 3"});
  EXPECT_STATUS(ran, 3);
  EXPECT_TEXT(ran.err, "done\n");
  cr_expect(web.groups().empty());
  web.stop();
  EXPECT_NOTHING_LEFT(app);
}

constexpr const char* kTree =
    "(trap '' HUP TERM INT; busybox setsid sleep 1001) & (trap '' HUP; exec sleep 1002) >/dev/null 2>&1 & sleep 0.1; "
    "echo in; sleep 1003";

Test(exec, a_killed_client_takes_the_whole_tree_along) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  for (const bool terminal : {false, true}) {
    Program client = web.start_exec({kTree}, {.terminal = terminal});
    cr_expect(client.expect("in"));
    cr_expect(web.processes() >= 3, "%ld", web.processes());
    client.signal(SIGKILL);
    EXPECT_STATUS(client.wait(), kKilled);
    cr_expect(comes_true([&] { return web.processes() == 0; }), "%ld live on", web.processes());
    cr_expect(web.groups().size() == 1);
    EXPECT_STATUS(app.convox({"gc"}), 0);
    cr_expect(web.groups().empty());
  }
  EXPECT_STATUS(web.exec({"true"}), 0);
  web.stop();
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, the_next_command_ends_the_tree_of_a_client_whose_watcher_was_killed_too) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  Program client = web.start_exec({kTree});
  cr_expect(client.expect("in"));
  const int watcher = watcher_of(client.pid());
  cr_assert(watcher > 0);
  kill(watcher, SIGSTOP);
  client.signal(SIGKILL);
  client.wait();
  kill(watcher, SIGKILL);
  cr_expect(web.processes() > 0);
  EXPECT_STATUS(app.convox({"gc"}), 0);
  cr_expect(web.groups().empty());
  cr_expect(entries(app.state() + "/exec").empty());
  web.stop();
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, the_watcher_has_no_rights_and_nothing_open_but_three_descriptors) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  Program client = web.start_exec({"echo in; exec sleep 1000"});
  cr_expect(client.expect("in"));
  const int watcher = watcher_of(client.pid());
  cr_assert(watcher > 0);
  const auto confined = [&] {
    const std::string status = read_file(cat("/proc/", watcher, "/status"));
    return status.find("CapEff:\t0000000000000000") != std::string::npos &&
           status.find("Seccomp:\t2") != std::string::npos;
  };
  cr_expect(comes_true(confined));
  cr_expect(entries(cat("/proc/", watcher, "/fd")).size() == 3);
  client.signal(SIGTERM);
  client.wait();
  cr_expect(kill(watcher, 0) < 0);
  web.stop();
}

// Stopped, it cannot ask for the status of its command; and a zombie of the namespace would keep the container there.
Test(exec, a_stopped_client_does_not_keep_the_container_from_ending) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  Program client = web.start_exec({"echo in; exec sleep 1000"});
  cr_expect(client.expect("in"));
  client.signal(SIGSTOP);
  EXPECT_STATUS(web.stop(), 143);
  const Ran ran = client.wait();
  EXPECT_STATUS(ran, kKilled);
  EXPECT_CONTAINS(ran.err, "the process ended, and the command with it");
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, a_detached_command_lives_on_without_its_client) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  const Ran ran = web.exec({"--detach", "testbox confinement >/dev/shm/facts; exec sleep 1004"}, {.terminal = true});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, "");
  EXPECT_TEXT(ran.err, "");
  cr_expect(comes_true([&] { return web.exec({"ps | grep -c '[s]leep 1004'"}).out == "1\n"; }));
  const std::string facts = web.exec({"cat", "/dev/shm/facts"}).out;
  EXPECT_TEXT(fact(facts, "fd_0"), "/dev/null");
  EXPECT_TEXT(fact(facts, "fd_2"), "/dev/null");
  EXPECT_STATUS(app.convox({"gc"}), 0);
  cr_expect(web.processes() == 1);
  // A command that cannot be executed is told of, for we are still there then.
  EXPECT_STATUS(web.exec({"--detach", "no-such-command"}), 127);
  EXPECT_STATUS(web.exec({"kill -9 $(ps | grep '[s]leep 1004' | awk '{print $1}')"}), 0);
  cr_expect(comes_true([&] { return web.processes() == 0; }));
  EXPECT_STATUS(app.convox({"gc"}), 0);
  cr_expect(web.groups().empty());
  cr_expect(entries(app.state() + "/exec").empty());

  EXPECT_STATUS(web.exec({"--detach", "sleep", "1005"}), 0);
  web.stop();
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, many_at_once_leave_nothing) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  // It says `up` a moment before its shell becomes sleep(1).
  std::string before;
  cr_assert(comes_true([&] {
    before = difference({}, app.census());
    return before.find(" sleep\n") != std::string::npos;
  }));
  std::vector<Program> all;
  for (int i = 0; i < 64; ++i)
    all.push_back(web.start_exec({"sh", "-c", cat("echo out; exit ", i)}, {.limit = std::chrono::seconds(60)}));
  for (int i = 0; i < 64; ++i) {
    const Ran ran = all[static_cast<std::size_t>(i)].wait();
    EXPECT_STATUS(ran, i);
    EXPECT_TEXT(ran.out, "out\n");
    EXPECT_TEXT(ran.err, "");
  }
  EXPECT_TEXT(difference({}, app.census()), before);
  web.stop();
  EXPECT_NOTHING_LEFT(app);
}

// --- what is refused

Test(exec, refuses_what_does_not_run) {
  REQUIRE(kNeeds);
  App app;
  const auto refused = [&](const std::string& what, const std::string& says) {
    const Ran ran = app.convox({"exec", what, "true"});
    EXPECT_STATUS(ran, 125);
    EXPECT_TEXT(ran.out, "");
    EXPECT_TEXT(ran.err, cat("ERROR: ", says, "\n"));
  };
  refused("0123456789ab", "no such process: 0123456789ab");
  refused("web", "no such process: web");
  Container web(app, {"--keep"});
  EXPECT_STATUS(app.convox({"exec", web.id.substr(0, 3), "true"}), 0);
  EXPECT_STATUS(app.convox({"exec", "web", "true"}), 0);
  refused(web.id.substr(0, 2), cat("no such process: ", web.id.substr(0, 2)));

  write_file(web.group() + "/cgroup.freeze", "1");
  refused(web.id, cat("process ", web.id, " is paused"));
  write_file(web.group() + "/cgroup.freeze", "0");
  write_file(cat(app.state(), "/c/", web.id, "/stop"), "");
  refused(web.id, cat("process ", web.id, " is being stopped"));
  unlink(cat(app.state(), "/c/", web.id, "/stop").c_str());
  EXPECT_STATUS(app.convox({"exec", web.id, "true"}), 0);

  web.stop();
  const Ran finished = app.convox({"exec", web.id, "true"});
  EXPECT_STATUS(finished, 125);
  EXPECT_CONTAINS(finished.err, cat("ERROR: process ", web.id, " is not running"));
  EXPECT_STATUS(app.convox({"exec", web.id}), 125);
  EXPECT_STATUS(app.convox({"gc", "--kept"}), 0);
  EXPECT_NOTHING_LEFT(app);
}

// --- a container that wants to lead it astray

namespace {
constexpr const char* kMayMount[] = {"--cap-add", "SYS_ADMIN"};
}

Test(exec, a_proc_that_is_none_of_the_kernels_is_refused) {
  REQUIRE(kNeeds);
  App app;
  app.convox({"run", kMayMount[0], kMayMount[1], "web", "true"});  // compiles a filter, to stay
  app.remember();
  for (const char* before : {"mount -t tmpfs none /proc && mkdir -p /proc/self/fd && cp /etc/passwd /proc/self/status",
                             "mkdir /other && mount --bind /other /proc", "mount --bind /proc/1 /proc"}) {
    Container web(app, {kMayMount[0], kMayMount[1]}, before);
    const Ran ran = web.exec({"true"});
    EXPECT_STATUS(ran, 125);
    EXPECT_CONTAINS(ran.err, "open the container's root and its /proc");
    web.stop();
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, a_terminal_that_is_none_is_refused) {
  REQUIRE(kNeeds);
  App app;
  app.convox({"run", kMayMount[0], kMayMount[1], "web", "true"});
  app.remember();
  for (const char* fake : {"touch /dev/pts/ptmx", "busybox mkfifo /dev/pts/ptmx", "ln -s /etc/passwd /dev/pts/ptmx"}) {
    Container web(app, {kMayMount[0], kMayMount[1]}, cat("mount -t tmpfs none /dev/pts && ", fake));
    const Ran ran = web.exec({"true"}, {.terminal = true});
    EXPECT_STATUS(ran, 125);
    EXPECT_CONTAINS(ran.out, "open a terminal of the container's own devpts");
    EXPECT_STATUS(web.exec({"true"}), 0);  // without one it is not asked for
    web.stop();
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, a_null_device_that_is_none_is_refused) {
  REQUIRE(kNeeds);
  App app;
  for (const char* fake : {"touch /dev/null", "busybox mkfifo /dev/null", "ln -s /etc/passwd /dev/null"}) {
    Container web(app, {}, cat("rm /dev/null && ", fake));
    const Ran ran = web.exec({"--detach", "sleep", "1000"});
    EXPECT_STATUS(ran, 125);
    EXPECT_CONTAINS(ran.err, "open the container's own /dev/null");
    cr_expect(web.groups().empty());
    web.stop();
  }
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, traps_in_its_file_system_are_errors_in_time) {
  REQUIRE(kNeeds);
  App app;
  Container web(
      app, {},
      "mkdir /trap && busybox mkfifo /trap/fifo && printf '#!/proc/self/exe\\n' >/trap/self && chmod 755 /trap/*; "
      "ln -s /proc/self/exe /trap/link");
  const std::string convox = read_file(Sandbox::build() + "/convox");
  EXPECT_STATUS(web.exec({"--env", "PATH=/trap", "fifo"}), 126);
  EXPECT_STATUS(web.exec({"/trap/fifo"}), 126);
  EXPECT_STATUS(web.exec({"/trap/self"}), 126);
  EXPECT_STATUS(web.exec({"/trap/link"}), 126);
  EXPECT_STATUS(web.exec({"sh", "-c", "rm /etc/passwd; busybox mkfifo /etc/passwd"}), 0);
  const Ran fifo = web.exec({"true"});
  EXPECT_STATUS(fifo, 125);
  EXPECT_CONTAINS(fifo.err, "passwd is no file");
  cr_expect(read_file(Sandbox::build() + "/convox") == convox);
  web.stop();
  EXPECT_NOTHING_LEFT(app);
}

// Between the join and the execve the container sees a process of ours: it may stop and kill it, and nothing else.
Test(exec, what_joins_cannot_be_looked_into_or_held_up_for_ever) {
  REQUIRE(kNeeds);
  App app;
  Container web(app, {},
                // Builtins only, to be fast enough. What is stopped stays what it is, but for an execve that had begun.
                // Of a zombie all can be opened and nothing read.
                "(while :; do for p in /proc/[0-9]*; do n=${p#/proc/}; read -r c <$p/cmdline; case $c in convox:*) "
                "kill -STOP $n; for f in exe mem environ; do [ -z \"$(head -c 1 $p/$f)\" ] || won=$f; done; "
                "[ -z \"$(ls $p/fd; ls $p/cwd/; ls $p/root/)\" ] || won=fd; c=; read -r c <$p/cmdline; case $c in "
                "convox:*) echo seen >>/dev/shm/seen; [ -z \"$won\" ] || echo $won >>/dev/shm/won; won=; continue;; "
                "esac; won=; kill -CONT $n;; esac; done; done) >/dev/null 2>&1 & true");
  int told = 0;
  for (int round = 0; round < 20; ++round) {
    Program client = web.start_exec({"true"});
    sleep_milliseconds(100L * slowness());  // long enough for one that nobody stops
    client.signal(SIGTERM);
    const Ran ran = client.wait();
    told += ran.status == 143;
    cr_expect(ran.status == 0 || ran.status == 143, "%d %s", ran.status, ran.err.c_str());
  }
  const std::string shm = cat("/proc/", web.pid(), "/root/dev/shm/");
  EXPECT_TEXT(read_file(shm + "won"), "");
  cr_expect(told == 0 || !read_file(shm + "seen").empty());
  fprintf(stderr, "exec: stopped inside %d of 20 times\n", told);
  web.stop();
  EXPECT_NOTHING_LEFT(app);
}

Test(exec, explains_itself_and_does_nothing) {
  REQUIRE(kNeeds);
  App app;
  Container web(app);
  const Ran ran = web.exec({"--explain", "touch", "/dev/shm/touched"});
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.out, "clone into the container: mount, pid, user, network, ipc, uts, cgroup");
  EXPECT_CONTAINS(ran.out, "execute touch /dev/shm/touched");
  EXPECT_STATUS(web.exec({"test", "-e", "/dev/shm/touched"}), 1);
  web.stop();
}
