// What is written of a container is what is read back, and nothing else is taken for it; host ids are shared by nobody.
#include <criterion/criterion.h>

#include "runtime/host_ids.h"
#include "runtime/record.h"
#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::runtime;

Test(container_record, reads_back_what_was_written) {
  Record record;
  record.id = "0123456789ab";
  record.app = "shop";
  record.service = "web";
  record.release = "RABCDEFGHIJ";
  record.command = {"sh", "-c", "echo \"\x01\" \xc3\xa9", "\xff"};
  record.phase = Phase::kStopped;
  record.boot_id = "b";
  record.pid = 4711;
  record.started = 1700000000;
  record.status = 137;
  record.cgroup = "convox/0123456789ab";
  record.layers = {std::string(64, 'a')};
  record.keep = true;
  const auto read = parse_record(print(record));
  cr_assert(read.has_value());
  expect_text(print(*read), print(record));
  cr_assert(read->pid == 4711 && read->status == 137 && read->keep && read->phase == Phase::kStopped);
}

Test(container_record, that_is_not_utf_8_is_an_error) {
  const auto with_id = [&](const char* id) { return cat("{\"version\":1,\"phase\":\"running\",\"id\":\"", id, "\"}"); };
  for (const char* fine : {"a", "\xc3\xa9", "\\u00e9", "\\ud83d\\ude00"})
    cr_expect(parse_record(with_id(fine)), "%s", fine);
  for (const char* bad : {"\xff", "\xc3", "\xed\xa0\x80", "\xc0\xaf", "\\ud800", "\\u0000"})
    cr_expect(not parse_record(with_id(bad)), "%s", bad);
}

Test(container_record, torn_and_foreign_records_are_errors) {
  const std::string whole = print(Record{});
  for (std::size_t size = 0; size + 1 < whole.size(); ++size)
    cr_assert(not parse_record(whole.substr(0, size)), "%zu", size);
  for (const char* text : {"{}", "[]", "{\"version\":2,\"phase\":\"running\"}", "{\"version\":1,\"phase\":\"asleep\"}",
                           "{\"version\":1,\"phase\":\"running\",\"pid\":\"one\"}"})
    cr_assert(not parse_record(text), "%s", text);
}

Test(host_ids, ranges_of_accounts_are_not_leased) {
  const auto ranges =
      parse_subordinate_ids("alice:100000:65536\n# comment\nbob:600000:10\nbroken:x:y\ncarol:1:\n:7:7\n");
  cr_assert(ranges.size() == 3);
  cr_assert(overlaps(ranges, {524288 + 65536, 65536}));  // 589824 to 655359 holds bob's
  cr_assert(not overlaps(ranges, {524288, 65536}));
  cr_assert(overlaps({{4294900000U, 67295}}, {4294901760U, 65535}));  // up to the last id, without wrapping
}
