// Which container is meant by a few characters, and which by the name of a service?
#include "runtime/container_list.h"

#include <criterion/criterion.h>

#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::runtime;

namespace {
Listed one(const char* id, const char* app, const char* service, std::int64_t started, Phase phase = Phase::kRunning) {
  Listed listed{{}, phase != Phase::kStopped};
  listed.record.id = id;
  listed.record.app = app;
  listed.record.service = service;
  listed.record.started = started;
  listed.record.phase = phase;
  return listed;
}
const std::vector<Listed> kAll = {one("abc000000001", "a", "web", 20), one("abc000000002", "a", "web", 10),
                                  one("abd000000003", "a-b", "web", 5),
                                  one("fff000000004", "a", "web", 1, Phase::kStopped)};

std::string found(std::string_view text, std::optional<std::string_view> app = std::nullopt) {
  const auto result = find_container(kAll, text, app);
  return result ? result->record.id : result.error().text;
}
}  // namespace

Test(container_list, three_characters_of_an_id_are_enough_if_no_other_begins_with_them) {
  expect_text(found("abd"), "abd000000003");
  expect_text(found("abc000000002"), "abc000000002");
  expect_text(found("abc"), "ambiguous process id: abc (abc000000001, abc000000002)");
  expect_text(found("ab"), "no such process: ab");
  expect_text(found(""), "no such process: ");
  expect_text(found("fff"), "fff000000004");
}

Test(container_list, a_service_is_its_oldest_process_that_runs_in_that_app) {
  expect_text(found("web", "a"), "abc000000002");
  expect_text(found("web", "a-b"), "abd000000003");
  expect_text(found("web", "b"), "no such process: web");
  expect_text(found("web"), "no such process: web");
}

Test(container_list, what_does_not_run_is_told_with_the_reason) {
  Listed listed = kAll[3];
  listed.record.status = 3;
  expect_text(check_running(listed).error().text, "process fff000000004 is not running (it exited with status 3)");
  listed.record.signal = 9;
  expect_text(check_running(listed).error().text, "process fff000000004 is not running (it was ended by signal 9)");
  listed.record.why = "keeper killed";
  expect_text(check_running(listed).error().text, "process fff000000004 is not running (keeper killed)");
  cr_assert(check_running(kAll[0]).has_value());
}
