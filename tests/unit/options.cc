// A command line means what Convox's means, and its mistakes are told in Convox's words.
#include "cli/options.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::cli;

namespace {

constexpr Option kOptions[] = {
    kAppOption,
    {.name = "detach", .letter = 'd'},
    {.name = "entrypoint", .letter = 'e', .letter_in_front = true},
    {.name = "env", .value = "NAME=value", .repeatable = true},
    {.name = "timeout", .letter = 't', .value = "seconds"},
};
const Command kRun = {.name = "run",
                      .arguments = "<service> <command>",
                      .summary = "",
                      .options = kOptions,
                      .minimum = 2,
                      .maximum = Command::kAny,
                      .pass_through = true};
const Command kBuild = {.name = "build", .arguments = "[dir]", .summary = "", .options = kOptions, .maximum = 1};
const Command kStop = {
    .name = "ps stop", .arguments = "<pid>", .summary = "", .options = kOptions, .minimum = 1, .maximum = 1};
const Command kList = {.name = "ps", .arguments = "", .summary = "", .options = kOptions};

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

// "name=value ... | argument ...", or the error's text.
std::string understood(const Command& command, std::string_view line) {
  const auto words = split(line);
  const auto result = parse(command, words);
  if (!result) return result.error().text;
  std::string text;
  for (const auto& [option, value] : result->given) text += cat(option, "=", value, " ");
  text += "|";
  for (const std::string& argument : result->arguments) text += cat(" ", argument);
  return text;
}

struct Case {
  std::string_view line, expected;
};

void check_cases(const Command& command, std::initializer_list<Case> cases) {
  for (const auto& [line, expected] : cases) {
    const std::string got = understood(command, line);
    cr_expect(got == expected, "%s: %s", std::string(line).c_str(), got.c_str());
  }
}

}  // namespace

Test(options, can_be_spelled_in_every_gnu_way_and_stand_anywhere) {
  check_cases(kBuild, {
                          {"", "|"},
                          {"-a app1 dir", "app=app1 | dir"},
                          {"dir --app app1", "app=app1 | dir"},
                          {"--app=app1 dir -d", "app=app1 detach=true | dir"},
                          {"-aapp1", "app=app1 |"},
                          {"-a=app1", "app=app1 |"},
                          {"-da app1", "detach=true app=app1 |"},
                          {"-daapp1", "detach=true app=app1 |"},
                          {"--app=", "app= |"},
                          {"--app --detach", "app=--detach |"},
                          {"--detach=false -d=0", "detach=false detach=false |"},
                          {"-", "| -"},
                          {"-d -- --app", "detach=true | --app"},
                          {"--wait -r local --state-root /x", "wait=true rack=local state-root=/x |"},
                          {"--env A=1 --env=B=2", "env=A=1 env=B=2 |"},
                      });
}

Test(options, mistakes_are_told_in_convox_words) {
  check_cases(
      kList,
      {{"--bogus", "unknown flag: --bogus"},
       {"--bogus=1", "unknown flag: --bogus"},
       {"-la", "unknown flag: -la"},
       {"--app", "flag needs an argument: --app"},
       {"-a", "flag needs an argument: 'a' in -a"},
       {"-da", "flag needs an argument: 'a' in -a"},
       {"--ap x", "unknown flag: --ap"},
       {"-d=x", "invalid argument \"x\" for \"-d, --detach\" flag: strconv.ParseBool: parsing \"x\": invalid syntax"},
       {"web", "0 args required"}});
  check_cases(kStop, {{"", "1 arg required"}, {"a b", "1 arg required"}, {"a", "| a"}});
  check_cases(kBuild, {{"a b", "no more than 1 arg expected"}});
  check_cases(kRun, {{"web", "at least 2 args required"},
                     {"--la web ls", "unknown flag: --la"},
                     {"web -la ls", "unknown flag: -la"}});
}

Test(options, behind_a_command_to_pass_through_only_our_own_are_taken) {
  check_cases(kRun, {
                        {"web bin/task --detach", "detach=true | web bin/task"},
                        {"web bash -a app1 -t 7200", "app=app1 timeout=7200 | web bash"},
                        {"web ls -la", "| web ls -la"},
                        {"web ls -dl", "| web ls -dl"},
                        {"web ls -a", "flag needs an argument: 'a' in -a"},
                        {"web ls -- -a", "| web ls -a"},
                        {"-- web ls -d", "| web ls -d"},
                        {"web sh -c x", "| web sh -c x"},
                        {"web node -e code", "| web node -e code"},
                        {"-e web node", "entrypoint=true | web node"},
                        {"web node --entrypoint=false", "entrypoint=false | web node"},
                        {"web ls -h", "| web ls -h"},
                        {"web ls --help", "| web ls --help"},
                        {"web grep -w x", "| web grep -w x"},
                        {"web git log --oneline -n=3", "| web git log --oneline -n=3"},
                        {"web echo -", "| web echo -"},
                        {"web sort -- -- x", "| web sort -- x"},
                    });
}

Test(options, help_needs_no_arguments) {
  check_cases(kRun, {{"--help", "help=true |"}, {"web -h", "help=true | web"}});
  check_cases(kStop, {{"-h", "help=true |"}});
}

Test(options, values_are_the_last_one_all_of_them_or_a_number) {
  const auto words = split("--env A --env B -d --detach=false -t abc");
  const auto invocation = parse(kList, words);
  cr_assert(invocation.has_value());
  cr_assert(invocation->value("env") == "B");
  cr_assert(invocation->values("env").size() == 2);
  cr_assert(not(invocation->flag("detach", true)));
  cr_assert(invocation->flag("entrypoint", true));
  cr_assert(not(invocation->value("app").has_value()));
  const auto number = invocation->number("timeout");
  cr_assert(not(number.has_value()));
  expect_text(number.error().text,
              "invalid argument \"abc\" for \"-t, --timeout\" flag: strconv.Atoi: parsing \"abc\": invalid syntax");
  cr_assert(not(invocation->number("app")->has_value()));
}

Test(options, in_front_of_the_command_only_global_ones_are_counted) {
  const std::initializer_list<std::pair<std::string_view, std::size_t>> cases = {
      {"ps", 0}, {"--root /x ps", 2}, {"-r local --wait ps", 3}, {"--root=/x ps", 1}, {"--bogus ps", 1}, {"--root", 1}};
  for (const auto& [line, count] : cases) {
    const auto words = split(line);
    cr_expect(count_leading_options(words) == count, "%s", std::string(line).c_str());
  }
}
