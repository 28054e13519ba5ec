// The host's side of a log: what a crash tore is cut off, and nothing else.
#include "runtime/log_store.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include <cstring>

#include "tests/unit/expect.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::runtime;
using log::Kind;

namespace {

template <class Value>
Value must(Result<Value> result, std::source_location at = std::source_location::current()) {
  cr_assert(result.has_value(), "line %u: %s", at.line(), result.error().text.c_str());
  return *std::move(result);
}

constexpr const char* kFirst = "00000001.log";
constexpr std::size_t kHead = sizeof(log::SegmentHead), kRecord = sizeof(log::RecordHead);

std::string content(const TemporaryDirectory& box, const char* name) { return must(fs::read(box.fd(), name, 1 << 20)); }

void put(const TemporaryDirectory& box, const char* name, std::string_view bytes) {
  must(fs::replace(box.fd(), name, bytes, 0600, fs::Durable::kNo));
}

// Three records, and where each ends.
std::string three_records(const TemporaryDirectory& box, std::vector<std::size_t>* ends) {
  LogTail tail = must(open_log_tail(box.fd()));
  for (const char* text : {"one", "", "three"}) {
    must(append(tail, Kind::kOutput, text));
    ends->push_back(tail.used);
  }
  return content(box, kFirst);
}

}  // namespace

Test(log_store, the_origin_survives_being_written) {
  const Origin origin{.id = "551967b75abd",
                      .app = "blog",
                      .service = "web",
                      .release = "RABCDEFGHIJ",
                      .command = {"sh", "-c", "echo \"\n\""},
                      .started = 1'764'000'000};
  const Origin again = must(parse_origin(print(origin)));
  expect_text(again.id, origin.id);
  expect_text(again.app, origin.app);
  expect_text(again.service, origin.service);
  expect_text(again.release, origin.release);
  cr_assert(again.command == origin.command);
  cr_assert(again.started == origin.started);
  for (const char* text : {"", "{}", "{\"version\":2}", "{\"version\":1,\"id\":7}", "[]"})
    cr_assert(not(parse_origin(text).has_value()), "%s", text);
}

Test(log_store, a_directory_is_private_and_says_whose_it_is_once) {
  const TemporaryDirectory box;
  const std::string root = box.path() + "/root";
  const UniqueFd made = must(make_log_directory(root, {.id = "551967b75abd", .app = "blog", .started = 1}));
  must(make_log_directory(root, {.id = "551967b75abd", .app = "blog", .started = 2}));
  const UniqueFd opened = must(open_log_directory(root, "blog", "551967b75abd"));
  struct stat st {};
  cr_assert(fstat(opened.get(), &st) == 0 && (st.st_mode & 07777) == 0700);
  cr_assert(must(parse_origin(must(fs::read(opened.get(), "process.json", 4096)))).started == 1);
  cr_assert(open_log_directory(root, "blog", "aaaaaaaaaaaa").error().code == ENOENT);
  for (const char* bad : {"", "..", "a/b"}) {
    cr_assert(not(make_log_directory(root, {.id = bad, .app = "blog"}).has_value()));
    cr_assert(not(make_log_directory(root, {.id = "551967b75abd", .app = bad}).has_value()));
    cr_assert(not(open_log_directory(root, "blog", bad).has_value()));
    cr_assert(not(open_log_directory(root, bad, "551967b75abd").has_value()));
  }
}

Test(log_store, a_tail_torn_at_any_byte_is_cut_to_the_last_whole_record) {
  const TemporaryDirectory box;
  std::vector<std::size_t> ends = {kHead};
  const std::string whole = three_records(box, &ends);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    put(box, kFirst, whole.substr(0, size));
    std::size_t expected = kHead;  // a torn head is written anew
    for (const std::size_t end : ends)
      if (end <= size) expected = end;
    const LogTail tail = must(open_log_tail(box.fd()));
    cr_assert(tail.used == expected && tail.number == 1, "cut at %zu: %lu and not %zu", size, tail.used, expected);
    expect_text(content(box, kFirst), whole.substr(0, expected));
  }
}

Test(log_store, what_is_no_record_ends_the_segment) {
  const TemporaryDirectory box;
  std::vector<std::size_t> ends = {kHead};
  const std::string whole = three_records(box, &ends);
  // A machine that lost its power leaves zeros; size, mark and kind each must be believable.
  for (const auto& [at, byte] : {std::pair{3, '\x7f'}, {4, '\0'}, {6, '\0'}, {6, '\x08'}}) {
    std::string damaged = whole;
    damaged[ends[1] + static_cast<std::size_t>(at)] = byte;
    put(box, kFirst, damaged);
    cr_assert(must(open_log_tail(box.fd())).used == ends[1], "byte %d", at);
  }
  put(box, kFirst, whole + std::string(100, '\0'));
  cr_assert(must(open_log_tail(box.fd())).used == whole.size());
}

Test(log_store, a_record_is_what_was_appended_and_time_never_goes_back) {
  const TemporaryDirectory box;
  LogTail tail = must(open_log_tail(box.fd()));
  must(append(tail, Kind::kSystem, "hello"));
  log::RecordHead head;
  std::string bytes = content(box, kFirst);
  cr_assert(bytes.size() == kHead + kRecord + 5 && tail.used == bytes.size());
  std::memcpy(&head, bytes.data() + kHead, sizeof head);
  cr_assert(head.size == 5 && head.mark == log::kRecordMark && head.kind == Kind::kSystem && head.time == tail.last);
  expect_text(bytes.substr(kHead + kRecord), "hello");

  const std::int64_t future = tail.last += 1'000'000'000'000;
  must(append(tail, Kind::kStarted, ""));
  cr_assert(tail.last == future);
  cr_assert(must(open_log_tail(box.fd())).last == future);
  cr_assert(not(append(tail, Kind::kOutput, std::string(log::kLargestRecord + 1, 'x')).has_value()));
  cr_assert(must(open_log_tail(box.fd())).used == tail.used);
}

Test(log_store, a_continued_segment_is_left_for_the_next_number) {
  const TemporaryDirectory box;
  LogTail first = must(open_log_tail(box.fd()));
  must(append(first, Kind::kOutput, "x"));
  must(append(first, Kind::kContinued, ""));
  const LogTail second = must(open_log_tail(box.fd()));
  cr_assert(second.number == 2 && second.oldest == 1 && second.used == kHead && second.last == first.last);
  cr_assert(second.written == first.used - kHead);
  log::SegmentHead head;
  std::memcpy(&head, content(box, "00000002.log").data(), sizeof head);
  cr_assert(head.magic == log::kSegmentMagic && head.number == 2 && head.written == second.written);
}

// A keeper that died between two steps of a rotation.
Test(log_store, a_rotation_that_a_crash_interrupted_is_finished) {
  for (const bool with_head : {true, false}) {
    const TemporaryDirectory box;
    LogTail first = must(open_log_tail(box.fd()));
    must(append(first, Kind::kOutput, "x"));
    const std::uint64_t written = first.used - kHead + kRecord;
    const log::SegmentHead head{.number = 2, .written = written};
    put(box, "00000002.log", with_head ? std::string(reinterpret_cast<const char*>(&head), sizeof head) : "");
    const LogTail second = must(open_log_tail(box.fd()));
    cr_assert(second.number == 2 && second.used == kHead && second.written == written);
    const std::string old = content(box, kFirst);
    log::RecordHead last;
    std::memcpy(&last, old.data() + old.size() - kRecord, sizeof last);
    cr_assert(last.kind == Kind::kContinued && last.time >= first.last && second.last == last.time);
    must(open_log_tail(box.fd()));
    cr_assert(content(box, kFirst).size() == old.size());  // once
  }
}

Test(log_store, the_oldest_finished_logs_of_an_app_go_first_and_those_in_use_never) {
  const TemporaryDirectory box;
  const char* const ids[] = {"live", "newer", "older"};
  for (const char* id : ids) {
    const UniqueFd directory = must(make_log_directory(box.path(), {.id = id, .app = "blog"}));
    must(fs::replace(directory.get(), kFirst, std::string(10'000, 'x'), 0600, fs::Durable::kNo));
    const timespec old[2] = {{1000, 0}, {std::string_view(id) == "newer" ? 2000 : 1000, 0}};
    for (const char* name : {kFirst, "process.json"})
      futimens(must(fs::open_beneath(directory.get(), name, O_WRONLY)).get(), old);
  }
  const auto left = [&] {
    std::string names;
    for (const char* id : ids)
      if (open_log_directory(box.path(), "blog", id)) names += cat(id, " ");
    return names;
  };
  const auto lives = [](const std::string& id) { return id == "live"; };
  cr_assert(must(sweep_logs(box.path(), "blog", lives, 40'000)) == 0);
  expect_text(left(), "live newer older ");
  cr_assert(must(sweep_logs(box.path(), "blog", lives, 15'000)) == 1);
  expect_text(left(), "live newer ");
  cr_assert(must(sweep_logs(box.path(), "blog", lives, 0)) == 1);
  expect_text(left(), "live ");
  cr_assert(must(sweep_logs(box.path(), "no-such-app", lives, 0)) == 0);
}
