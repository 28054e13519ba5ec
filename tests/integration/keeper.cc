// Does a keeper keep everything that its payload said and how it ended, whatever happens around it?
#include "tests/support/keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/cat.h"
#include "tests/support/needs.h"
#include "tests/support/wait.h"

using namespace convox;
using namespace convox::test;
using log::Kind;

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

std::string numbered_lines(int from, int to) {
  std::string text;
  for (int i = from; i < to; ++i) append(text, i), text += '\n';
  return text;
}

std::uint64_t dropped(const std::vector<LogRecord>& records, int* count) {
  std::uint64_t sum = 0;
  for (const LogRecord& record : records) {
    if (record.kind != Kind::kDropped) continue;
    std::uint64_t bytes = 0;
    memcpy(&bytes, record.bytes.data(), sizeof bytes);
    sum += bytes;
    ++*count;
  }
  return sum;
}

// Reads what comes until the keeper has ended.
std::string follow(Kept& kept, LogFollower& follower) {
  std::string text;
  for (bool ended = false; !ended;) {
    ended = kept.wait_for_end(1);
    for (const LogRecord& record : follower.read())
      if (record.kind == Kind::kOutput) text += record.bytes;
  }
  return text;
}

[[noreturn]] void sleep_for_ever() {
  for (;;) pause();
}

}  // namespace

Test(keeper, keeps_both_outputs_byte_for_byte_and_in_order_of_time) {
  REQUIRE(Root);
  Sandbox box;
  std::string noise(300'000, '\0');
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * 7 + i / 251);
  Kept kept(box, {.payload = [&] {
              say("first\n");
              for (std::size_t at = 0; at < noise.size(); at += 1000) {
                say({noise.data() + at, 1000});
                say("e\n", 2);
              }
              say("no newline at the end");
              return 7;
            }});
  cr_assert(kept.ended_as_it_says());
  cr_assert(kept.output(Kind::kOutput) == cat("first\n", noise, "no newline at the end"));
  std::string errors;
  for (int i = 0; i < 300; ++i) errors += "e\n";
  EXPECT_TEXT(kept.output(Kind::kError), errors);
  const auto records = kept.records();
  for (std::size_t i = 1; i < records.size(); ++i) cr_assert(records[i].time >= records[i - 1].time);
  const log::Exit exit = kept.exit();
  cr_assert(exit.magic == log::kExitMagic && exit.code == 7 && exit.signal == 0 && exit.timed_out == 0);
  cr_assert(records.back().kind == Kind::kEnded);
  cr_assert(memcmp(records.back().bytes.data(), &exit, sizeof exit) == 0);
}

Test(keeper, tells_by_which_signal_the_payload_ended_and_what_memory_had_to_do_with_it) {
  REQUIRE(Root);
  Sandbox box;
  Kept kept(box, {.payload = []() -> int { return kill(getpid(), SIGKILL); },
                  .memory_events = "low 0\nhigh 0\nmax 40\noom 3\noom_kill 2\noom_group_kill 0\n",
                  .memory_max = "16777216\n"});
  cr_assert(kept.ended_as_it_says());
  const log::Exit exit = kept.exit();
  cr_assert(exit.code == -1 && exit.signal == SIGKILL, "code %d, signal %d", exit.code, exit.signal);
  cr_assert(exit.oom_kills == 2 && exit.oom_at_limit == 3 && exit.memory_limit == 16777216);
}

Test(keeper, loses_and_doubles_no_byte_over_hundreds_of_segments_that_somebody_follows) {
  REQUIRE(Root);
  Sandbox box;
  const std::string lines = numbered_lines(0, 300'000);
  Kept kept(box, {.payload =
                      [&] {
                        fcntl(1, F_SETPIPE_SZ, 4096);  // a record is a read, and a read no more than the pipe holds
                        for (std::size_t at = 0; at < lines.size(); at += 700)
                          say(std::string_view(lines).substr(at, 700));
                        return 0;
                      },
                  .segment_size = 4096,
                  .most_segments = 1'000'000});
  LogFollower follower(kept.logs());
  cr_assert(follow(kept, follower) == lines);
  cr_assert(kept.ended_as_it_says());
  cr_assert(follower.number() > 200, "%u segments", follower.number());
  cr_assert(kept.output(Kind::kOutput) == lines);  // of a late reader
}

Test(keeper, keeps_the_newest_segments_without_a_gap) {
  REQUIRE(Root);
  Sandbox box;
  const std::string lines = numbered_lines(0, 100'000);
  Kept kept(box, {.payload =
                      [&] {
                        say(lines);
                        return 0;
                      },
                  .segment_size = 65536,
                  .most_segments = 3});
  cr_assert(kept.ended_as_it_says());
  const std::string tail = kept.output(Kind::kOutput);
  cr_assert(tail.size() > 65536 && tail.size() < lines.size(), "%zu", tail.size());
  cr_assert(lines.ends_with(tail));
  EXPECT_TEXT(box.run({"/bin/sh", "-c", "ls \"$0\" | grep -c log$", kept.logs()}).out, "3\n");
}

Test(keeper, counts_what_a_full_disk_refused_and_says_it_once) {
  REQUIRE(Root | PrivateNamespaces);
  Sandbox box;
  const std::string disk = box.path() + "/disk";
  make_directories(disk);
  cr_assert(mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=512k,mode=0700") == 0);
  const Gate full, emptied, wrote, end;
  {
    Kept kept(box, {.payload =
                        [&] {
                          say("before\n");
                          full.pass();
                          for (int i = 0; i < 64; ++i)
                            say(std::string(16384, 'x'));  // the pipe never fills up for good
                          wrote.open();
                          emptied.pass();
                          say("after\n");
                          end.pass();
                          return 3;
                        },
                    .logs = disk});
    LogFollower follower(kept.logs());
    std::vector<LogRecord> seen;
    const auto wait_for = [&](std::string_view text) {
      for (int i = 0; i < 2000; ++i) {
        for (LogRecord& record : follower.read()) seen.push_back(std::move(record));
        if (!seen.empty() && seen.back().bytes.ends_with(text)) return true;
        usleep(5000);
      }
      return false;
    };
    cr_assert(wait_for("before\n"));
    const std::string ballast = disk + "/ballast";
    const int fd = open(ballast.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const std::string page(4096, 'b');
    while (write(fd, page.data(), page.size()) > 0) continue;
    close(fd);
    full.open();
    wrote.pass();
    cr_assert(unlink(ballast.c_str()) == 0);
    usleep(100'000);  // what is in the pipe is dropped or not: both are right, but it should be read by now
    emptied.open();
    cr_assert(wait_for("after\n"));
    end.open();
    cr_assert(kept.ended_as_it_says());
    cr_assert(kept.exit().code == 3);
    int count = 0;
    const auto records = kept.records();
    const std::uint64_t lost = dropped(records, &count);
    const std::string kept_output = kept.output(Kind::kOutput);
    cr_assert(count == 1, "%d records say that output was dropped", count);
    cr_assert(kept_output.starts_with("before\n") && kept_output.ends_with("after\n"));
    const std::size_t expected = 7 + 64 * 16384 + 6;
    cr_assert(lost > 0 && kept_output.size() + lost == expected, "%zu kept, %lu dropped", kept_output.size(), lost);
  }
  umount2(disk.c_str(), MNT_DETACH);
}

Test(keeper, gives_old_output_for_new_on_a_full_disk) {
  REQUIRE(Root | PrivateNamespaces);
  Sandbox box;
  const std::string disk = box.path() + "/disk";
  make_directories(disk);
  cr_assert(mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=256k,mode=0700") == 0);
  const std::string lines = numbered_lines(0, 200'000);
  {
    Kept kept(box, {.payload =
                        [&] {
                          say(lines);
                          return 0;
                        },
                    .logs = disk,
                    .segment_size = 32768,
                    .most_segments = 1000});
    cr_assert(kept.ended_as_it_says());
    int count = 0;
    cr_assert(dropped(kept.records(), &count) == 0 && count == 0);
    const std::string tail = kept.output(Kind::kOutput);
    cr_assert(lines.ends_with(tail) && tail.size() > 65536, "%zu bytes are left", tail.size());
  }
  umount2(disk.c_str(), MNT_DETACH);
}

Test(keeper, lives_on_when_its_log_directory_is_removed) {
  REQUIRE(Root);
  Sandbox box;
  const Gate removed;
  Kept kept(box, {.payload =
                      [&] {
                        removed.pass();
                        for (int i = 0; i < 100; ++i) say(std::string(10'000, 'x'));
                        return 5;
                      },
                  .segment_size = 65536});
  remove_tree(kept.logs());
  removed.open();
  cr_assert(kept.ended_as_it_says());
  cr_assert(kept.exit().code == 5);
}

Test(keeper, stops_what_outlives_its_time_as_the_payload_understands_it) {
  REQUIRE(Root | CgroupV2);
  const auto exit_on_signal = [] {
    signal(SIGTERM, [](int) { _exit(9); });
    sleep_for_ever();
    return 0;
  };
  const auto ignore_it = [] {
    signal(SIGTERM, [](int) {});
    sleep_for_ever();
    return 0;
  };
  const auto not_even_notice = [] {
    signal(SIGTERM, SIG_IGN);
    sleep_for_ever();
    return 0;
  };
  struct Case {
    int (*payload)();
    std::int64_t grace;
    bool cgroup_kill;
    int code, signal;
  };
  const Case cases[] = {{exit_on_signal, 60'000 * kMillisecond, true, 9, 0},
                        {ignore_it, 100 * kMillisecond, true, -1, SIGKILL},
                        {ignore_it, 0, false, -1, SIGKILL},
                        {not_even_notice, 60'000 * kMillisecond, true, -1, SIGKILL}};
  for (const Case& one : cases) {
    Sandbox box;
    const TestGroup group;
    Kept kept(box, {.payload = one.payload,
                    .cgroup = group.path(),
                    .cgroup_kill = one.cgroup_kill,
                    .timeout = 300 * kMillisecond,
                    .grace = one.grace});
    cr_assert(kept.ended_as_it_says());
    const log::Exit exit = kept.exit();
    cr_assert(exit.timed_out == 1 && exit.code == one.code && exit.signal == one.signal, "%zd: code %d, signal %d",
              &one - cases, exit.code, exit.signal);
  }
}

Test(keeper, holds_no_more_rights_descriptors_and_memory_than_it_needs) {
  REQUIRE(Root);
  Sandbox box;
  const Gate end;
  const std::string much(1 << 20, 'x');
  Kept kept(box, {.payload = [&] {
              say(much);
              say(much, 2);
              end.pass();
              return 0;
            }});
  for (int i = 0; i < 2000 && kept.output(Kind::kError).size() < much.size(); ++i) usleep(5000);
  cr_assert(kept.output(Kind::kError).size() == much.size());

  for (const auto& [key, value] : {std::pair{"Seccomp", "2"},
                                   {"NoNewPrivs", "1"},
                                   {"CapInh", "0000000000000000"},
                                   {"CapPrm", "0000000000000020"},
                                   {"CapEff", "0000000000000020"},
                                   {"CapBnd", "0000000000000000"},
                                   {"CapAmb", "0000000000000000"}})
    EXPECT_TEXT(status_line(kept.pid(), key), value);
  EXPECT_TEXT(box.run({"/bin/readlink", cat("/proc/", kept.pid(), "/cwd")}).out, "/\n");
  // payload, status, two outputs, claim, exit, logs, segment; epoll and timer
  EXPECT_TEXT(box.run({"/bin/sh", "-c", cat("ls /proc/", kept.pid(), "/fd | wc -l")}).out, "10\n");

  std::uint64_t kilobytes = 0;
  const std::string memory = read_file(cat("/proc/", kept.pid(), "/smaps_rollup"));
  for (const char* key : {"Private_Clean:", "Private_Dirty:"}) {
    const std::size_t at = memory.find(key);
    cr_assert(at != std::string::npos);
    kilobytes += strtoul(memory.c_str() + at + strlen(key), nullptr, 10);
  }
  cr_log_info("private memory: %lu KiB", kilobytes);
  cr_expect(kilobytes <= 128, "%lu KiB", kilobytes);

  for (const int signal : {SIGTERM, SIGHUP, SIGINT, SIGPIPE, SIGUSR1, SIGQUIT}) kill(kept.pid(), signal);
  kill(kept.pid(), SIGSTOP);
  kill(kept.pid(), SIGCONT);
  cr_expect(not(kept.wait_for_end(200)));
  end.open();
  cr_assert(kept.ended_as_it_says());
}

Test(keeper, dies_with_a_payload_that_does_not_outlive_it) {
  REQUIRE(Root);
  Sandbox box;
  Kept kept(box, {.payload = []() -> int { sleep_for_ever(); }});
  kill(kept.pid(), SIGKILL);
  cr_assert(kept.wait() == 128 + SIGKILL);
  int status = 0;
  cr_assert(waitpid(kept.payload(), &status, 0) == kept.payload() && status != 0);
  cr_assert(kept.exit().magic == 0);
}

Test(keeper, keeps_a_terminal_that_its_payload_closes_for_a_while) {
  REQUIRE(Root);
  Sandbox box;
  Kept kept(box, {.payload =
                      [] {
                        char name[64];
                        if (ttyname_r(1, name, sizeof name) != 0) return 1;
                        say("one\n");
                        for (int fd = 0; fd < 1024; ++fd) close(fd);
                        usleep(100'000);
                        if (open(name, O_RDWR) != 0) return 2;
                        say("two\n", 0);
                        return 0;
                      },
                  .terminal = true});
  cr_assert(kept.ended_as_it_says());
  cr_assert(kept.exit().code == 0, "code %d", kept.exit().code);
  EXPECT_TEXT(kept.output(Kind::kOutput), "one\r\ntwo\r\n");
}

Test(keeper, goes_on_when_the_payload_closes_its_outputs) {
  REQUIRE(Root);
  Sandbox box;
  Kept kept(box, {.payload = [] {
              say("said\n");
              close(1);
              close(2);
              sleep_milliseconds(300L * slowness());
              return 4;
            }});
  cr_expect(not(kept.wait_for_end(100)));
  cr_assert(kept.ended_as_it_says());
  cr_assert(kept.exit().code == 4);
  EXPECT_TEXT(kept.output(Kind::kOutput), "said\n");
}

Test(keeper, ends_with_the_payload_though_somebody_else_never_stops_writing) {
  REQUIRE(Root);
  Sandbox box;
  Kept kept(box, {.payload =
                      [] {
                        fcntl(2, F_SETPIPE_SZ, 1 << 20);  // refilled faster than it is emptied
                        for (int writers = 0; writers < 4; ++writers)
                          if (fork() == 0)
                            for (;;) say(std::string(65536, 'x'), 2);
                        usleep(50'000);
                        say("said\n");
                        return 4;
                      },
                  .most_segments = 1000});
  cr_assert(kept.ended_as_it_says());
  cr_assert(kept.exit().code == 4);
  EXPECT_TEXT(kept.output(Kind::kOutput), "said\n");
}
