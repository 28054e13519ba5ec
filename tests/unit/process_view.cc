// Rows, templates and JSON say of a process what its record and its group say.
#include "cli/process_view.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "cli/times.h"
#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::cli;
using runtime::Phase;

namespace {

constexpr std::int64_t kNow = 1'795'510'485;
constexpr std::string_view kSeed[] = {"ID", "NAME", "RELEASE", "CPU", "MEM", "STARTED", "COMMAND"};

Process process(std::string_view id, std::string_view service, std::vector<std::string> command) {
  Process made;
  made.record.id = id;
  made.record.app = "shop";
  made.record.service = service;
  made.record.release = "RHQZEJZFCSD";
  made.record.command = std::move(command);
  made.record.phase = Phase::kRunning;
  made.record.started = kNow - 2 * 3600;
  made.live = true;
  made.now = kNow * kSecond;
  return made;
}

Process ended(int status, int signal = 0) {
  Process made = process("551967b75abd", "web", {"true"});
  made.live = false;
  made.record.phase = Phase::kStopped;
  made.record.status = status;
  made.record.signal = signal;
  return made;
}

}  // namespace

Test(process_view, is_convoxs_table) {
  std::vector<Process> all = {process("551967b75abd", "web", {"rails", "server", "-b", "0.0.0.0"}),
                              process("62942430327e", "worker", {"sidekiq"})};
  all[0].usage.cpu = 0.3949;
  all[0].usage.memory = 2104;
  all[1].usage.memory = 3035;
  for (Process& one : all) one.usage.memory_limit = 10'000;
  expect_text(table_of(kSeed, all).text(),
              "ID            NAME    RELEASE      CPU    MEM     STARTED      COMMAND\n"
              "551967b75abd  web     RHQZEJZFCSD  0.39%  21.04%  2 hours ago  rails server -b 0.0.0.0\n"
              "62942430327e  worker  RHQZEJZFCSD  0.00%  30.35%  2 hours ago  sidekiq\n");
}

Test(process_view, of_nothing_is_the_header) {
  expect_text(table_of(kSeed, {}).text(), "ID  NAME  RELEASE  CPU  MEM  STARTED  COMMAND\n");
}

Test(process_view, shows_commands_as_they_were_written_and_escaped) {
  const struct {
    std::vector<std::string> command;
    const char* shown;
  } cases[] = {{{"psql $DATABASE_URL | wc -l"}, "psql $DATABASE_URL | wc -l"},  // a line for a shell
               {{"sh", "-c", "echo 'a  b'"}, "sh -c 'echo '\\''a  b'\\'''"},
               {{"echo", ""}, "echo ''"},
               {{"printf", "\033]0;pwned\a\n"}, "printf '\\x1b]0;pwned\\x07\\n'"},
               {{"echo", "\u202egpj"}, "echo \\u202egpj"}};
  const std::string_view only[] = {"COMMAND"};
  for (const auto& [command, shown] : cases)
    expect_text(table_of(only, std::vector{process("1", "web", command)}).text(), cat("COMMAND\n", shown, "\n"));
}

Test(process_view, names_the_status) {
  Process one = process("551967b75abd", "web", {"true"});
  const std::pair<Phase, const char*> phases[] = {
      {Phase::kCreating, "starting"}, {Phase::kRunning, "running"}, {Phase::kWaiting, "crashed"}};
  for (const auto& [phase, status] : phases) {
    one.record.phase = phase;
    expect_text(std::string(status_of(one)), status);
  }
  one.record.phase = Phase::kRunning;
  one.usage.frozen = true;
  expect_text(std::string(status_of(one)), "paused");
  expect_text(std::string(status_of(ended(0))), "complete");
  expect_text(std::string(status_of(ended(3))), "failed");
  expect_text(std::string(status_of(ended(137, 9))), "failed");
  expect_text(std::string(status_of(ended(runtime::kUnknownStatus))), "unknown");
}

Test(process_view, tells_how_one_ended) {
  expect_text(exit_of(ended(3).record), "3");
  Process killed = ended(137, 9);
  expect_text(exit_of(killed.record), "signal 9");
  killed.record.out_of_memory = true;
  expect_text(exit_of(killed.record), "signal 9 (out of memory)");
  Process lost = ended(runtime::kUnknownStatus);
  lost.record.why = "host rebooted";
  expect_text(exit_of(lost.record), "unknown (host rebooted)");
}

Test(process_view, writes_percents_with_two_decimals) {
  const std::pair<double, const char*> cases[] = {{0, "0.00%"},        {0.394, "0.39%"},     {21.04, "21.04%"},
                                                  {99.999, "100.00%"}, {1600.5, "1600.50%"}, {-1, "0.00%"}};
  for (const auto& [value, text] : cases) expect_text(percent(value), text);
}

Test(template, puts_fields_into_text) {
  const Process one = process("551967b75abd", "web", {"rake", "a b"});
  const std::pair<const char*, const char*> cases[] = {{"{{.ID}} {{.Name}}", "551967b75abd web\n"},
                                                       {"{{ .App }}:{{.Release}}", "shop:RHQZEJZFCSD\n"},
                                                       {"{{.Name}}\\t{{.Command}}\\n.", "web\trake 'a b'\n.\n"},
                                                       {"plain", "plain\n"},
                                                       {"{{.Status}}}}", "running}}\n"}};
  for (const auto& [text, line] : cases) {
    const auto parsed = Template::parse(text);
    cr_assert(parsed.has_value(), "%s", text);
    expect_text(parsed->line(one), line);
  }
  const auto uses = Template::parse("{{.ID}}{{.Cpu}}");
  cr_assert(uses->uses("CPU") && !uses->uses("MEM"));
}

Test(template, with_a_field_that_is_none_is_refused) {
  for (const char* text : {"{{.Foo}}", "{{ID}}", "{{.id}}", "{{}}", "{{json .}}", "{{.ID", "x{{"})
    cr_expect(not Template::parse(text).has_value(), "%s", text);
}

Test(process_view, as_json_has_numbers) {
  Process one = process("551967b75abd", "web", {"echo", "\"\033"});
  one.usage.cpu = 12.345;
  one.usage.cpu_time = 99;
  one.usage.memory = 1024;
  one.usage.memory_limit = 4096;
  one.record.pid = 4711;
  expect_text(json_of(std::vector{one}),
              "[{\"id\":\"551967b75abd\",\"app\":\"shop\",\"name\":\"web\",\"release\":\"RHQZEJZFCSD\","
              "\"status\":\"running\",\"command\":[\"echo\",\"\\\"\\u001B\"],\"started\":1795503285,\"restarts\":0,"
              "\"pid\":4711,\"cpu_percent\":12.35,\"cpu_usec\":99,\"memory_percent\":25.0,\"memory_bytes\":1024,"
              "\"memory_limit_bytes\":4096}]\n");
  Process oom = ended(137, 9);
  oom.record.out_of_memory = true;
  oom.record.finished = 5;
  const std::string text = json_of(std::vector{oom});
  cr_expect(text.find("\"finished\":5,\"exit_status\":137,\"signal\":9,\"reason\":\"out of memory\"}") != text.npos,
            "%s", text.c_str());
  expect_text(json_of({}), "[]\n");
}
