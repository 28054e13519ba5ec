// What a reader makes of a log, sound or not: whole lines, in the order of their times.
#include "runtime/log_reader.h"

#include <criterion/criterion.h>

#include "tests/support/log_writer.h"
#include "tests/unit/expect.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::runtime;
using convox::test::kTick;
using convox::test::LogWriter;

namespace {

// "10.5 id out text" a line; output is `out`, error is `err`, ours is `sys`.
LogReader::Sink into(std::string& text) {
  return [&text](const Origin& origin, const Lines& lines) -> Result<> {
    constexpr const char* names[] = {"out", "err", "sys"};
    std::string_view rest = lines.text;
    for (bool more = true; more;) {
      const std::size_t end = rest.find('\n');
      more = end != rest.npos;
      const auto tenths = lines.time / (kTick / 10);
      text += cat(tenths / 10, ".", tenths % 10, " ", origin.id, " ", names[static_cast<int>(lines.stream)], " ",
                  rest.substr(0, end), "\n");
      if (more) rest.remove_prefix(end + 1);
    }
    return ok();
  };
}

class Box : public TemporaryDirectory {
 public:
  std::string read(LogQuestion question = {}) const {
    question.app = "shop";
    std::string text;
    auto reader = LogReader::open(path(), question, [](const std::string&) { return Result<bool>(false); });
    if (!reader) return cat("error: ", reader.error().text);
    const auto done = reader->read(into(text));
    return done ? text : cat(text, "error: ", done.error().text);
  }
};

// A follower, and what it has handed on since it was last asked.
class Follower {
 public:
  explicit Follower(const Box& box, LogQuestion question = {})
      : reader_([&] {
          question.app = "shop";
          question.follow = true;
          return std::move(
              *LogReader::open(box.path(), question, [](const std::string&) { return Result<bool>(true); }));
        }()) {}

  std::string said() {
    std::string text;
    cr_assert(reader_.notice().has_value());
    cr_assert(reader_.read(into(text)).has_value());
    return text;
  }
  LogReader& reader() { return reader_; }

 private:
  LogReader reader_;
};

constexpr std::size_t k64K = 64 * 1024;

std::int64_t real_now() {
  timespec at{};
  sys::clock_gettime(0, &at);
  return at.tv_sec * kTick + at.tv_nsec;
}

}  // namespace

// --- records into lines --------------------------------------------------------------------------------------------

Test(log_lines, are_what_stands_between_newlines_wherever_records_end) {
  Box box;
  LogWriter(box.path(), "shop", "a").output(1, "one\ntw").output(2, "o\n\nfo").output(3, "u").output(4, "r\n");
  expect_text(box.read(), "1.0 a out one\n1.0 a out two\n2.0 a out \n2.0 a out four\n");
}

Test(log_lines, of_output_and_error_do_not_mix) {
  Box box;
  LogWriter(box.path(), "shop", "a").output(1, "out ").error(2, "err ").output(3, "put\n").error(4, "or\n");
  expect_text(box.read(), "1.0 a out out put\n2.0 a err err or\n");
}

Test(log_lines, that_did_not_end_are_shown_when_the_process_has_ended_or_begins_again_or_all_is_read) {
  Box box;
  LogWriter(box.path(), "shop", "a")
      .started(1)
      .output(2, "x")
      .exited(3, 0)
      .started(4)
      .error(5, "y")
      .started(6)
      .output(7, "z");
  expect_text(box.read(),
              "1.0 a sys started\n2.0 a out x\n3.0 a sys exited with status 0\n4.0 a sys started\n"
              "5.0 a err y\n6.0 a sys started\n7.0 a out z\n");
}

Test(log_lines, longer_than_64_kib_are_split_there_and_nowhere_else) {
  const std::string whole(k64K, 'x');
  Box box;
  LogWriter writer(box.path(), "shop", "a");
  writer.output(1, whole).output(2, "\n");              // just fits
  writer.output(3, whole.substr(1)).output(4, "yz\n");  // one too long
  writer.output(5, whole).output(6, whole).output(7, "\n");
  const std::string x = whole, split = whole.substr(1) + "y";
  expect_text(box.read(),
              cat("1.0 a out ", x, "\n3.0 a out ", split, "\n4.0 a out z\n5.0 a out ", x, "\n6.0 a out ", x, "\n"));
}

Test(log_lines, hold_any_byte) {
  Box box;
  const std::string bytes("\0\xff\x1b[31m\r\x80", 9);
  LogWriter(box.path(), "shop", "a").output(1, cat(bytes, "\n"));
  expect_text(box.read(), cat("1.0 a out ", bytes, "\n"));
}

Test(log_lines, tell_how_a_process_ended) {
  const std::pair<log::Exit, const char*> cases[] = {
      {{.code = 3}, "exited with status 3"},
      {{.code = -1, .signal = 9}, "killed by signal 9"},
      {{.code = -1, .signal = 9, .oom_kills = 1, .oom_at_limit = 1, .memory_limit = 16 << 20},
       "was killed: out of memory (limit 16 MB)"},
      {{.code = -1, .signal = 9, .oom_kills = 1, .memory_limit = 16 << 20}, "was killed: out of memory (of the host)"},
      {{.code = 137, .oom_kills = 2, .oom_at_limit = 2, .memory_limit = 1536 << 10},
       "exited with status 137; 2 of its processes were killed: out of memory (limit 1536 KB)"},
      {{.code = -1, .signal = 9, .timed_out = 1}, "was stopped: it ran longer than --timeout"},
  };
  for (const auto& [exit, words] : cases) expect_text(describe(exit), words);
}

Test(log_lines, say_what_could_not_be_written) {
  Box box;
  const std::uint64_t bytes = 12345;
  LogWriter(box.path(), "shop", "a")
      .output(1, "half ")
      .record(log::Kind::kDropped, 2 * kTick, {reinterpret_cast<const char*>(&bytes), sizeof bytes})
      .output(3, "a line\n", true)
      .record(log::Kind::kSystem, 4 * kTick, "restarts in 2s");
  expect_text(box.read(),
              "1.0 a out half \n2.0 a sys 12345 bytes dropped: the log could not be written\n3.0 a out a line\n"
              "4.0 a sys restarts in 2s\n");
}

// --- segments --------------------------------------------------------------------------------------------------------

Test(log_records, go_on_over_segments_within_a_line) {
  Box box;
  LogWriter(box.path(), "shop", "a")
      .output(1, "one t")
      .next_segment(2)
      .output(3, "wo\n", true)
      .next_segment(4)
      .next_segment(5)
      .output(6, "x\n");
  expect_text(box.read(), "1.0 a out one two\n6.0 a out x\n");
}

Test(log_records, of_a_retained_tail_begin_with_a_whole_line) {
  Box box;
  LogWriter writer(box.path(), "shop", "a");
  writer.output(1, "gone").next_segment(2).output(3, "half\nwhole\n", true).error(4, "first\n");
  writer.remove_segment(1);
  expect_text(box.read(), "3.0 a out whole\n4.0 a err first\n");
}

Test(log_records, that_are_torn_are_no_records) {
  const log::RecordHead head{.size = 100, .time = 2 * kTick};
  const std::string torn = cat(std::string_view(reinterpret_cast<const char*>(&head), sizeof head), "only this");
  for (std::size_t size = 1; size <= torn.size(); size += 4) {
    Box box;
    LogWriter(box.path(), "shop", "a").output(1, "whole\n").raw(torn.substr(0, size));
    expect_text(box.read(), "1.0 a out whole\n");
  }
}

Test(log_records, that_were_torn_and_cut_off_are_never_seen) {
  Box box;
  LogWriter writer(box.path(), "shop", "a");
  const log::RecordHead head{.size = 100, .time = 2 * kTick};
  const std::string torn = cat(std::string_view(reinterpret_cast<const char*>(&head), sizeof head), "torn\ntorn\n");
  writer.output(1, "one\n").raw(torn);
  Follower follower(box);
  expect_text(follower.said(), "1.0 a out one\n");
  writer.cut(torn.size()).output(3, "two\n");
  expect_text(follower.said(), "3.0 a out two\n");
}

Test(log_records, that_are_damaged_cost_the_rest_of_their_segment_and_a_line_that_says_so) {
  const std::string zeros(4096, '\0');
  Box box;
  LogWriter(box.path(), "shop", "a")
      .output(1, "one\n")
      .raw(zeros)
      .output(2, "lost\n")
      .next_segment(3)
      .output(4, "two\n");
  expect_text(box.read(),
              "1.0 a out one\n1.0 a sys segment 1 of the log is damaged, its rest is left out\n4.0 a out two\n");
  const log::RecordHead huge{.size = log::kLargestRecord + 1, .time = kTick};
  LogWriter(box.path(), "shop", "b").raw({reinterpret_cast<const char*>(&huge), sizeof huge});
  expect_text(box.read({.process = "b"}), "0.0 b sys segment 1 of the log is damaged, its rest is left out\n");
}

Test(log_records, of_an_unknown_kind_are_passed_over) {
  Box box;
  LogWriter(box.path(), "shop", "a")
      .output(1, "one\n")
      .record(static_cast<log::Kind>(200), 2 * kTick, "?")
      .output(3, "two\n");
  expect_text(box.read(), "1.0 a out one\n3.0 a out two\n");
}

Test(log_records, in_a_removed_segment_are_read_to_its_end_and_what_is_missed_is_counted) {
  Box box;
  LogWriter writer(box.path(), "shop", "a");
  writer.output(1, "one\n");
  Follower follower(box);
  expect_text(follower.said(), "1.0 a out one\n");
  writer.output(2, "two\nha").next_segment(3).output(4, "missed\n").next_segment(5).output(6, "lf\nlast\n");
  writer.remove_segment(1);
  writer.remove_segment(2);
  // A record of 7 bytes, and the one that says that the next segment goes on.
  expect_text(follower.said(),
              "2.0 a out two\n2.0 a out ha\n3.0 a sys 39 bytes missed: the log was rotated before they were read\n"
              "6.0 a out lf\n6.0 a out last\n");
}

// Its writer and the host died before the word could be written that the next segment goes on.
Test(log_records, of_a_removed_segment_without_a_last_word_are_followed_by_the_next) {
  Box box;
  LogWriter writer(box.path(), "shop", "a");
  writer.output(1, "one\n");
  Follower follower(box);
  writer.output(2, "two\n").begin_segment().output(3, "three\n");
  expect_text(follower.said(), "1.0 a out one\n2.0 a out two\n");
  writer.remove_segment(1);
  writer.output(4, "four\n");
  expect_text(follower.said(), "3.0 a out three\n4.0 a out four\n");
}

// The keeper takes the next segment back if it cannot say in this one that it goes on there.
Test(log_records, of_a_segment_that_was_begun_and_taken_back_are_waited_for_where_they_come) {
  Box box;
  LogWriter writer(box.path(), "shop", "a");
  writer.output(1, "one\n");
  Follower follower(box);
  expect_text(follower.said(), "1.0 a out one\n");
  ::close(::open(writer.path(2).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  expect_text(follower.said(), "");
  writer.remove_segment(2);
  writer.output(2, "two\n").next_segment(3).output(4, "three\n");
  expect_text(follower.said(), "2.0 a out two\n4.0 a out three\n");
}

// --- the merge -------------------------------------------------------------------------------------------------------

Test(log_merge, is_by_time_and_then_by_process) {
  Box box;
  LogWriter(box.path(), "shop", "b").output(1, "b1\n").output(3, "b3\nb3 too\n").output(5, "b5\n");
  LogWriter(box.path(), "shop", "a").output(2, "a2\n").output(3, "a3\n").error(4, "a4\n");
  LogWriter(box.path(), "shop-2", "c").output(1, "another app\n");
  expect_text(box.read(),
              "1.0 b out b1\n2.0 a out a2\n3.0 a out a3\n3.0 b out b3\n3.0 b out b3 too\n4.0 a err a4\n5.0 b out b5\n");
}

Test(log_merge, never_shows_a_time_before_that_of_the_line_above) {
  Box box;
  // A line that took its time to end, beside one of the other stream.
  LogWriter(box.path(), "shop", "a").output(1, "prompt> ").error(2, "meanwhile\n").output(3, "answer\n");
  LogWriter(box.path(), "shop", "b").output(1.5, "b\n").output(2.5, "c\n");
  expect_text(box.read(), "1.5 b out b\n2.0 a err meanwhile\n2.0 a out prompt> answer\n2.5 b out c\n");
}

Test(log_merge, takes_only_what_was_asked_for) {
  Box box;
  LogWriter(box.path(), "shop", "a", "web").output(1, "GET /\nPOST /\n").output(2, "GET /x\nget\n");
  LogWriter(box.path(), "shop", "b", "worker").output(1.5, "GET it\n");
  expect_text(box.read({.service = "worker"}), "1.5 b out GET it\n");
  expect_text(box.read({.process = "a"}), "1.0 a out GET /\n1.0 a out POST /\n2.0 a out GET /x\n2.0 a out get\n");
  expect_text(box.read({.filters = {"GET"}}), "1.0 a out GET /\n1.5 b out GET it\n2.0 a out GET /x\n");
  expect_text(box.read({.filters = {"/", "GET", "x"}}), "2.0 a out GET /x\n");
  expect_text(box.read({.filters = {"nothing"}}), "");
}

Test(log_merge, begins_where_it_was_asked_to) {
  Box box;
  LogWriter writer(box.path(), "shop", "a");
  for (int time = 1; time <= 9; ++time) {
    writer.output(time, cat("line ", time, "\nbegun at ", time, " "));
    if (time % 3 == 0) writer.next_segment(time);
    writer.output(time + 0.5, "ended\n", true);
  }
  // The line that began before is none of those since then.
  expect_text(box.read({.since = 9 * kTick}), "9.0 a out line 9\n9.0 a out begun at 9 ended\n");
  expect_text(box.read({.since = 8 * kTick + kTick / 2}), "9.0 a out line 9\n9.0 a out begun at 9 ended\n");
  expect_text(box.read({.since = 4'000'000'000 * kTick}), "");
}

Test(log_merge, of_the_tail_has_the_last_lines_of_all_processes_together) {
  Box box;
  LogWriter one(box.path(), "shop", "a");
  LogWriter two(box.path(), "shop", "b");
  std::vector<std::string> all;
  for (int time = 1; time <= 40; ++time) {
    const std::string text = cat(time % 5 == 0 ? "five " : "", time);
    (time % 3 ? one : two).output(time, text + "\n");
    all.push_back(cat(time, ".0 ", time % 3 ? "a" : "b", " out ", text, "\n"));
    if (time % 4 == 0) one.next_segment(time);
  }
  for (const std::size_t tail : {0u, 1u, 2u, 7u, 39u, 40u, 1000u}) {
    std::string expected;
    for (std::size_t at = all.size() - std::min(tail, all.size()); at < all.size(); ++at) expected += all[at];
    expect_text(box.read({.tail = tail}), expected);
  }
  expect_text(box.read({.filters = {"five"}, .tail = 2}), "35.0 a out five 35\n40.0 a out five 40\n");
  expect_text(box.read({.since = 39 * kTick, .tail = 9}), "39.0 b out 39\n40.0 a out five 40\n");
}

Test(log_merge, of_the_tail_of_a_growing_log_is_that_of_the_moment_it_was_asked) {
  Box box;
  LogWriter writer(box.path(), "shop", "a");
  writer.output(1, "1\n2\n");
  auto reader =
      LogReader::open(box.path(), {.app = "shop", .tail = 1}, [](const std::string&) { return Result<bool>(true); });
  writer.output(2, "3\n");
  std::string text;
  cr_assert(reader.has_value() && reader->read(into(text)).has_value());
  expect_text(text, "1.0 a out 2\n");
}

Test(log_merge, of_an_app_without_logs_is_empty) {
  Box box;
  LogWriter(box.path(), "other", "a").output(1, "x\n");
  cr_assert(::mkdir(cat(box.path(), "/apps/shop").c_str(), 0700) == 0);
  expect_text(box.read(), "");
  // Nor do strange files make it fail.
  LogWriter writer(box.path(), "shop", "a");
  writer.output(1, "x\n");
  ::close(::open(cat(box.path(), "/apps/shop/logs/file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ::close(::open(cat(writer.directory(), "/00000002.log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ::unlink(cat(writer.directory(), "/process.json").c_str());
  expect_text(box.read(), "1.0 a out x\n");
}

// --- following -------------------------------------------------------------------------------------------------------

Test(log_follow, sees_what_is_written_new_processes_and_ends) {
  Box box;
  LogWriter one(box.path(), "shop", "a");
  Follower follower(box);
  expect_text(follower.said(), "");
  one.output(1, "one\nbe");
  expect_text(follower.said(), "1.0 a out one\n");
  LogWriter two(box.path(), "shop", "b");
  two.started(2);
  one.output(3, "gun\n");
  expect_text(follower.said(), "1.0 a out begun\n2.0 b sys started\n");
  one.next_segment(4).output(5, "further\n").exited(6, 0);
  expect_text(follower.said(), "5.0 a out further\n6.0 a sys exited with status 0\n");
  one.started(7);
  expect_text(follower.said(), "7.0 a sys started\n");
}

// A young line waits, so that one of another process that is a little older can still come before it.
Test(log_follow, holds_a_line_back_for_a_moment_and_keeps_the_order) {
  Box box;
  LogWriter one(box.path(), "shop", "a");
  LogWriter two(box.path(), "shop", "b");
  Follower follower(box);
  const std::int64_t now = real_now();
  one.record(log::Kind::kOutput, now, "younger\n");
  expect_text(follower.said(), "");
  const auto wait = follower.reader().wait();
  cr_assert(wait && *wait > 0 && *wait <= LogReader::kHold);
  two.record(log::Kind::kOutput, now - 1, "older\n");
  const timespec hold{0, LogReader::kHold};
  ::nanosleep(&hold, nullptr);
  std::string said = follower.said();
  const std::size_t older = said.find("older"), younger = said.find("younger");
  cr_assert(older < younger && younger != said.npos, "%s", said.c_str());
  cr_assert(not(follower.reader().wait()));
}

// The clock that stamps lines may be set back while nobody looks.
Test(log_follow, does_not_hold_back_a_line_of_the_future_for_ever) {
  Box box;
  LogWriter one(box.path(), "shop", "a");
  Follower follower(box);
  one.record(log::Kind::kOutput, real_now() + 3600 * kTick, "from the future\n");
  expect_text(follower.said(), "");
  const timespec hold{0, LogReader::kHold + 1'000'000};
  ::nanosleep(&hold, nullptr);
  cr_assert(follower.said().ends_with("from the future\n"));
}

Test(log_follow, says_that_the_logs_were_removed_and_goes_on_without_a_process_that_was) {
  Box box;
  LogWriter one(box.path(), "shop", "a");
  LogWriter two(box.path(), "shop", "b");
  Follower follower(box);
  one.output(1, "last words\n");
  const auto logs = fs::open(cat(box.path(), "/apps/shop/logs"), O_RDONLY | O_DIRECTORY);
  cr_assert(fs::remove_tree(logs->get(), "a").has_value());
  two.output(2, "b\n");
  const std::string said = follower.said();
  expect_text(said, "1.0 a out last words\n2.0 b out b\n");
  const auto app = fs::open(cat(box.path(), "/apps/shop"), O_RDONLY | O_DIRECTORY);
  cr_assert(fs::remove_tree(app->get(), "logs").has_value());
  const auto noticed = follower.reader().notice();
  cr_assert(not(noticed));
  expect_text(noticed.error().text, "the logs of app shop were removed");
}

Test(log_follow, with_a_tail_shows_that_and_all_that_comes) {
  Box box;
  LogWriter one(box.path(), "shop", "a");
  one.output(1, "1\n2\n3\n");
  Follower follower(box, {.tail = 1});
  expect_text(follower.said(), "1.0 a out 3\n");
  one.output(2, "4\n5\n");
  expect_text(follower.said(), "2.0 a out 4\n2.0 a out 5\n");
}
