// Does `convox logs` show what detached containers said: all of it, in order, while they say it and long after?
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/app.h"
#include "tests/support/log_writer.h"
#include "tests/support/wait.h"

using namespace convox;
using namespace convox::test;

namespace {

constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

std::int64_t now() {
  timespec at{};
  clock_gettime(CLOCK_REALTIME, &at);
  return at.tv_sec * kTick + at.tv_nsec;
}

// A box in which apps have logs that no container wrote.
class Written : public Sandbox {
 public:
  Written() {
    for (const char* app : {"app1", "app1-b"}) EXPECT_STATUS(convox({"apps", "create", app}), 0);
  }
  Ran logs(std::vector<std::string> arguments, Start how = {}) {
    arguments.insert(arguments.begin(), {"logs", "-a", "app1"});
    return convox(std::move(arguments), std::move(how));
  }
};

constexpr std::int64_t kThen = 1'768'487'400;  // 2026-01-15T14:30:00Z

std::string detached(App& app, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"run", "--detach", "--id"});
  const Ran ran = app.convox(std::move(arguments));
  EXPECT_STATUS(ran, 0);
  return ran.out;
}

// A directory that the container sees as /shared.
std::string shared(const App& app) {
  make_directories(app.app() + "/shared");
  return app.app() + "/shared:/shared";
}

// What stands behind the time and the source, of the lines from `source`.
std::vector<std::string> said(const std::string& text, const std::string& source) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::string line = text.substr(at, text.find('\n', at) - at);
    at += line.size() + 1;
    const std::size_t begin = line.find(' ');
    if (begin != line.npos && line.compare(begin + 1, source.size(), source) == 0)
      lines.push_back(line.substr(std::min(line.size(), begin + 1 + source.size() + 1)));
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "|";
  return text;
}

// The follower reads its log as soon as it watches it.
bool follows(const Program& program) {
  for (int moment = 0; moment < 500; ++moment) {
    for (int fd = 3; fd < 20; ++fd) {
      char target[64];
      const std::string path = cat("/proc/", program.pid(), "/fd/", fd);
      const ssize_t size = readlink(path.c_str(), target, sizeof target);
      if (size > 0 && std::string_view(target, static_cast<std::size_t>(size)) == "anon_inode:inotify") {
        sleep_milliseconds(50);
        return true;
      }
    }
    sleep_milliseconds(10);
  }
  return false;
}

}  // namespace

// --- what is printed -------------------------------------------------------------------------------------------------

Test(logs, are_printed_verbatim_in_order_and_no_other_app_s) {
  REQUIRE(kNeeds);
  Written box;
  LogWriter(box.lib(), "app1", "aaaaaaaaaaaa").started(kThen).output(kThen + 1, "one\n").exited(kThen + 5, 3);
  LogWriter(box.lib(), "app1", "bbbbbbbbbbbb", "worker")
      .error(kThen + 2, cat("two", std::string_view("\0\xff\x1b[2J", 6), "\n"));
  LogWriter(box.lib(), "app1-b", "cccccccccccc").output(kThen + 3, "of app1-b\n");
  const std::string two("2026-01-15T14:30:02Z service/worker/bbbbbbbbbbbb two\0\xff\x1b[2J\n", 59);
  const Ran ran =
      box.logs({"--no-follow", "--since", "2026-01-15T14:30:00Z", "--max-log-requests", "50", "--allow-previous"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out,
              "2026-01-15T14:30:00Z system/convox/web started\n2026-01-15T14:30:01Z service/web/aaaaaaaaaaaa one\n" +
                  two + "2026-01-15T14:30:05Z system/convox/web exited with status 3\n");
  EXPECT_TEXT(ran.err, "");
  EXPECT_TEXT(box.logs({"--follow=false", "--since=2026-01-15T14:30:00Z", "--service", "worker"}).out, two);
  EXPECT_TEXT(box.logs({"--no-follow", "--tail", "1", "--filter", "one"}).out,
              "2026-01-15T14:30:01Z service/web/aaaaaaaaaaaa one\n");
  EXPECT_TEXT(box.convox({"logs", "-a", "app1-b", "--no-follow", "--tail", "9"}).out,
              "2026-01-15T14:30:03Z service/web/cccccccccccc of app1-b\n");
}

Test(logs, of_two_minutes_are_the_default_but_for_one_finished_process) {
  REQUIRE(kNeeds);
  Written box;
  const auto seconds = static_cast<double>(now() / kTick);
  LogWriter(box.lib(), "app1", "aaaaaaaaaaaa").output(seconds - 600, "old\n").output(seconds - 60, "new\n");
  EXPECT_TEXT(joined(said(box.logs({"--no-follow"}).out, "service/web/aaaaaaaaaaaa")), "new|");
  EXPECT_TEXT(joined(said(box.logs({"--no-follow", "--since", "1d"}).out, "service/web/aaaaaaaaaaaa")), "old|new|");
  // It ends by itself, since nothing will ever come.
  EXPECT_TEXT(joined(said(box.logs({"-p", "aaaa"}).out, "service/web/aaaaaaaaaaaa")), "old|new|");
  EXPECT_TEXT(joined(said(box.logs({"-p", "aaaa", "--since", "5m"}).out, "service/web/aaaaaaaaaaaa")), "new|");
  EXPECT_TEXT(joined(said(box.convox({"logs", "-p", "aaaa"}).out, "service/web/aaaaaaaaaaaa")),
              "old|new|");  // of any app
}

Test(logs, can_be_json_with_every_byte) {
  REQUIRE(kNeeds);
  Written box;
  LogWriter(box.lib(), "app1", "aaaaaaaaaaaa")
      .record(log::Kind::kOutput, kThen * kTick + 5, "say \"hi\"\t\xe2\x82\xac\n")
      .record(log::Kind::kError, kThen * kTick + 6, "\xff\xfe\n");
  EXPECT_TEXT(box.logs({"--no-follow", "--tail", "9", "--json"}).out,
              R"({"time":"2026-01-15T14:30:00.000000005Z","app":"app1","service":"web","process":"aaaaaaaaaaaa",)"
              "\"stream\":\"output\",\"text\":\"say \\\"hi\\\"\\t\xe2\x82\xac\"}\n"
              R"({"time":"2026-01-15T14:30:00.000000006Z","app":"app1","service":"web","process":"aaaaaaaaaaaa",)"
              "\"stream\":\"error\",\"text\":\"\xef\xbf\xbd\xef\xbf\xbd\",\"base64\":\"//4=\"}\n");
  for (const char* flag : {"--timestamps", "--timestamps=nano"})
    EXPECT_CONTAINS(box.logs({"--no-follow", "--tail", "2", flag}).out,
                    "2026-01-15T14:30:00.000000005Z service/web/aaaaaaaaaaaa say");
}

Test(logs, show_a_terminal_colours_only_unless_it_wants_all) {
  REQUIRE(kNeeds);
  Written box;
  LogWriter(box.lib(), "app1", "aaaaaaaaaaaa").output(kThen, "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J!\r\n");
  const std::string prefix = "2026-01-15T14:30:00Z service/web/aaaaaaaaaaaa ";
  EXPECT_TEXT(box.logs({"--no-follow", "--tail", "1"}, {.terminal = true}).out,
              prefix + "\x1b[31mred\x1b[0m !\x1b[0m\r\n");
  EXPECT_TEXT(box.logs({"--no-follow", "--tail", "1", "--raw"}, {.terminal = true}).out,
              prefix + "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J!\r\r\n");
}

Test(logs, that_cannot_be_shown_are_one_error_and_no_output) {
  REQUIRE(kNeeds);
  Written box;
  LogWriter(box.lib(), "app1", "aaaaaaaaaaaa").output(kThen, "x\n");
  LogWriter(box.lib(), "app1", "aaaaaaaaaabb").output(kThen, "x\n");
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"logs", "-a", "nosuch"}, "ERROR: no such app: nosuch\n"},
      {{"logs", "-a", "app1", "-p", "bbbb"}, "ERROR: no such process: bbbb\n"},
      {{"logs", "-a", "app1", "-p", "aa"}, "ERROR: no such process: aa\n"},
      {{"logs", "-a", "app1", "-p", "aaaa"}, "ERROR: ambiguous process id: aaaa (aaaaaaaaaaaa, aaaaaaaaaabb)\n"},
      {{"logs", "-a", "app1-b", "-p", "aaaaaaaaaaaa"}, "ERROR: no such process: aaaaaaaaaaaa\n"},
      {{"logs", "-a", "app1", "--tail", "-1"}, "ERROR: --tail must be >= 0\n"},
      {{"logs", "-a", "app1", "--timestamps=milli"}, "ERROR: --timestamps: \"milli\" is not nano\n"},
      {{"logs", "-a", "app1", "web"}, "ERROR: 0 args required\n"},
  };
  for (const auto& [arguments, error] : cases) {
    const Ran ran = box.convox(arguments);
    EXPECT_STATUS(ran, 1);
    EXPECT_TEXT(ran.err, error);
    EXPECT_TEXT(ran.out, "");
  }
  EXPECT_CONTAINS(box.logs({"--since", "yesterday"}).err, "ERROR: --since: \"yesterday\" is neither a duration");
}

// --- following -------------------------------------------------------------------------------------------------------

Test(logs, follow_until_they_are_interrupted) {
  REQUIRE(kNeeds);
  Written box;
  for (const int signal : {SIGINT, SIGTERM}) {
    LogWriter writer(box.lib(), "app1", cat("aaaaaaaaaa", signal + 10));
    Program follower = box.start_convox({"logs", "-a", "app1", "-f"});
    cr_assert(follows(follower));
    LogWriter late(box.lib(), "app1", cat("bbbbbbbbbb", signal + 10));
    late.record(log::Kind::kOutput, now(), "of a new process\n");
    cr_expect(follower.expect("of a new process\n"));
    follower.signal(signal);
    const Ran ran = follower.wait();
    EXPECT_STATUS(ran, 0);
    EXPECT_TEXT(ran.err, "");
  }
}

// No polling: the kernel counts every time that it goes to sleep and wakes.
Test(logs, sleep_while_nothing_is_said) {
  REQUIRE(kNeeds);
  Written box;
  LogWriter writer(box.lib(), "app1", "aaaaaaaaaaaa");
  Program follower = box.start_convox({"logs", "-a", "app1"});
  cr_assert(follows(follower));
  const auto switches = [&] {
    const std::string status = read_file(cat("/proc/", follower.pid(), "/status"));
    return status.substr(status.find("voluntary_ctxt_switches"));
  };
  const std::string before = switches();
  sleep_milliseconds(500);
  EXPECT_TEXT(switches(), before);
  follower.signal(SIGINT);
  EXPECT_STATUS(follower.wait(), 0);
}

Test(logs, end_when_nobody_reads_them_even_if_nothing_is_said) {
  REQUIRE(kNeeds);
  Written box;
  LogWriter writer(box.lib(), "app1", "aaaaaaaaaaaa");
  writer.output(kThen, "one\ntwo\n");
  const Ran ran = box.run(
      {"/bin/sh", "-c", "{ \"$0\" logs -a app1 --tail 2; echo $? >&2; } | head -n 1", Sandbox::build() + "/convox"});
  EXPECT_CONTAINS(ran.out, "one\n");
  EXPECT_TEXT(ran.err, "0\n");
}

// A pager that was stopped, or a terminal by Ctrl-S: the write must not wait where no signal reaches it.
Test(logs, can_be_interrupted_while_their_reader_does_not_read) {
  REQUIRE(kNeeds);
  Written box;
  LogWriter writer(box.lib(), "app1", "aaaaaaaaaaaa");
  for (int count = 0; count < 20; ++count) writer.output(kThen, std::string(60'000, 'x') + "\n");
  const Ran ran = box.run(
      {"/bin/sh", "-c",
       "mkfifo pipe; sleep 60 <pipe >/dev/null & reader=$!; \"$0\" logs -a app1 --tail 20 >pipe & pid=$!; sleep 0.5; "
       "kill -INT $pid; wait $pid; echo $?; kill $reader",
       Sandbox::build() + "/convox"});
  EXPECT_TEXT(ran.out, "0\n");
}

Test(logs, that_are_removed_meanwhile_are_an_error) {
  REQUIRE(kNeeds);
  Written box;
  LogWriter writer(box.lib(), "app1", "aaaaaaaaaaaa");
  Program follower = box.start_convox({"logs", "-a", "app1"});
  cr_assert(follows(follower));
  remove_tree(box.lib() + "/apps/app1/logs");
  const Ran ran = follower.wait();
  EXPECT_STATUS(ran, 1);
  EXPECT_TEXT(ran.err, "ERROR: the logs of app app1 were removed\n");
}

// --- of real containers ----------------------------------------------------------------------------------------------

Test(logs, of_a_finished_detached_run_are_complete_from_the_first_byte) {
  REQUIRE(kNeeds);
  App app;
  const Ran ran = app.convox({"run", "--detach", "--wait", "web",
                              "printf first; echo; i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; echo "
                              "oops >&2; printf last; exit 3"});
  EXPECT_STATUS(ran, 3);
  const std::string id = ran.err.substr(9, 12);
  std::string expected = "first|";
  for (int line = 0; line < 500; ++line) expected += cat("line ", line, "|");
  const Ran logs = app.convox({"logs", "-p", id.substr(0, 6)});
  EXPECT_STATUS(logs, 0);
  std::vector<std::string> lines = said(logs.out, "service/web/" + id);
  std::erase(lines, "oops");  // of the other stream: read at its own time
  EXPECT_TEXT(joined(lines), expected + "last|");
  EXPECT_CONTAINS(logs.out, " oops\n");
  EXPECT_TEXT(joined(said(logs.out, "system/convox/web")), "started|exited with status 3|");
  // Its files and record go, its log stays.
  EXPECT_STATUS(app.convox({"gc", "--kept"}), 0);
  EXPECT_TEXT(app.convox({"logs", "-p", id.substr(0, 6)}).out, logs.out);
}

Test(logs, follow_a_process_to_its_end_and_show_lines_as_they_come) {
  REQUIRE(kNeeds);
  App app;
  const std::string id =
      detached(app, {"--volume", shared(app), "web",
                     "echo ready; while [ ! -e /shared/go ]; do sleep 0.05; done; echo gone; exit 5"});
  Program follower = app.start_convox({"logs", "-p", id});
  cr_assert(follower.expect(" ready\n"));
  Program all = app.start_convox({"logs", "--since", "1h"});
  cr_assert(all.expect(" ready\n"));
  write_file(app.app() + "/shared/go", "");
  cr_expect(all.expect(" exited with status 5\n"));
  const Ran ended = follower.wait();
  EXPECT_STATUS(ended, 0);
  cr_expect(ended.out.ends_with(" gone\n" + ended.out.substr(ended.out.rfind('\n', ended.out.size() - 2) + 1)));
  EXPECT_CONTAINS(ended.out, " system/convox/web exited with status 5\n");
  all.signal(SIGINT);
  EXPECT_STATUS(all.wait(), 0);
}

Test(logs, of_processes_that_talk_at_once_are_in_the_order_of_time_while_followed_and_later) {
  REQUIRE(kNeeds);
  App app;
  Program follower = app.start_convox({"logs", "--timestamps", "--filter", "line"});
  cr_assert(follows(follower));
  std::vector<std::string> ids;
  for (int process = 0; process < 3; ++process)
    ids.push_back(detached(app, {"web",
                                 "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); [ $((i % 10)) != 0 ] || "
                                 "sleep 0.01; done; echo last line; exec sleep 60"}));
  for (int process = 0; process < 3; ++process) cr_assert(follower.expect(" last line\n"));
  for (const std::string& id : ids) EXPECT_STATUS(app.convox({"ps", "stop", id}), 0);
  follower.signal(SIGINT);
  const std::string followed = follower.wait().out;
  EXPECT_TEXT(app.convox({"logs", "--timestamps", "--filter", "line", "--no-follow", "--since", "1h"}).out, followed);
  std::string expected;
  for (int line = 0; line < 300; ++line) expected += cat("line ", line, "|");
  for (const std::string& id : ids) EXPECT_TEXT(joined(said(followed, "service/web/" + id)), expected + "last line|");
  std::string before;
  for (std::size_t at = 0; at < followed.size(); at = followed.find('\n', at) + 1) {
    const std::string stamp = followed.substr(at, followed.find(' ', at) - at);
    cr_expect(before <= stamp, "%s comes behind %s", stamp.c_str(), before.c_str());
    before = stamp;
  }
}

Test(logs, follow_a_process_over_its_restarts) {
  REQUIRE(kNeeds);
  App app;
  const std::string id = detached(app, {"--restart", "on-failure:2", "web", "echo try; exit 4"});
  const Ran ran = app.convox({"logs", "-p", id, "--since", "1h"});
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(joined(said(ran.out, "service/web/" + id)), "try|try|try|");
  const std::vector<std::string> words = said(ran.out, "system/convox/web");
  cr_expect(words.size() >= 8 && words.front() == "started" && words[1] == "exited with status 4", "%s",
            joined(words).c_str());
}

Test(logs, end_with_a_process_whose_keeper_was_killed) {
  REQUIRE(kNeeds);
  App app;
  const std::string id = detached(app, {"web", "echo ready; exec sleep 60"});
  Program follower = app.start_convox({"logs", "-p", id});
  cr_assert(follower.expect(" ready\n"));
  const std::string record = read_file(app.state() + "/c/" + id + "/state.json");
  const int keeper = std::atoi(record.c_str() + record.find("\"holder\":") + 9);
  cr_assert(keeper > 1 && kill(keeper, SIGKILL) == 0);
  EXPECT_STATUS(follower.wait(), 0);
}

// A reader that does not read is nobody's business but its own.
Test(logs, that_nobody_takes_do_not_hold_up_the_container) {
  REQUIRE(kNeeds);
  App app;
  const std::string id = detached(app, {"--volume", shared(app), "web",
                                        "while [ ! -e /shared/go ]; do sleep 0.05; done; dd if=/dev/zero bs=1M "
                                        "count=3 2>/dev/null | tr '\\0' '\\n'; exit 6"});
  Program follower = app.start_convox({"logs", "-p", id});
  cr_assert(follows(follower));
  follower.signal(SIGSTOP);
  write_file(app.app() + "/shared/go", "");
  const std::string exit = app.lib() + "/containers/" + id + "/exit";
  bool ended = false;
  for (int moment = 0; moment < 500 && !ended; ++moment, sleep_milliseconds(20))
    ended = read_file(exit).starts_with("cvxe");
  cr_expect(ended);
  follower.signal(SIGCONT);
  const Ran ran = follower.wait();
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.out, " exited with status 6\n");
  cr_expect(said(ran.out, "service/web/" + id).size() == 3u << 20, "%zu lines",
            said(ran.out, "service/web/" + id).size());
}

Test(logs, of_a_container_that_ran_out_of_memory_say_so) {
  REQUIRE(kNeeds | CgroupControllers);
  App app;
  const std::string id = detached(app, {"--memory-limit", "16", "web", "testbox", "eat", "64"});
  EXPECT_CONTAINS(app.convox({"logs", "-p", id, "--since", "1h"}).out, "was killed: out of memory (limit 16 MB)\n");
}

// The whole of it: scripts/log-flood with a hundredth of its lines.
Test(logs, lose_and_double_no_line_while_keepers_are_killed) {
  REQUIRE(kNeeds | PrivateNamespaces);
  Sandbox box;
  char here[4096];
  cr_assert(getcwd(here, sizeof here) != nullptr);
  // An emulated processor reads more slowly than it is written to, and then lines are missed, as they should be.
  const bool slow = slowness() > 1;
  const std::string lines = slow ? "100000" : "1000000", a_second = slow ? "20000" : "1000000";
  const Ran ran = box.run({cat(here, "/scripts/log-flood"), Sandbox::build(), lines, a_second, "6"},
                          {.environment = {"CONVOX_PRIVATE=yes"}, .limit = std::chrono::seconds(60)});
  EXPECT_STATUS(ran, 0);
  EXPECT_CONTAINS(ran.out, ", 0 faults, 0 losses told\n");
}
