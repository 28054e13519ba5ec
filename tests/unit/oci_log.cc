// Is what engines read of a failure one object, and are the words theirs?
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "cli/oci/log.h"
#include "runtime/base/fs.h"
#include "runtime/base/json.h"
#include "tests/unit/expect.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::oci;

namespace {

constexpr std::string_view kTime = "2026-11-23T23:00:00Z";

std::string content(const TemporaryDirectory& box) { return *fs::read(box.fd(), "log", 1 << 20); }

Globals globals(const TemporaryDirectory& box, bool json, bool debug) {
  Globals made;
  made.log = cat(box.path(), "/log");
  made.json_log = json;
  made.debug = debug;
  return made;
}

void silence() {
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(null, STDERR_FILENO);
  ::close(null);
}

}  // namespace

Test(oci_log, a_json_line_is_one_object_with_three_members) {
  expect_text(log_line(true, "error", "it \"failed\"", kTime),
              "{\"level\":\"error\",\"msg\":\"it \\\"failed\\\"\",\"time\":\"2026-11-23T23:00:00Z\"}\n");
}

Test(oci_log, a_text_line_is_logfmt) {
  expect_text(log_line(false, "error", "it \"failed\"", kTime),
              "time=\"2026-11-23T23:00:00Z\" level=error msg=\"it \\\"failed\\\"\"\n");
}

Test(oci_log, whatever_the_text_is_made_of_a_line_is_one_line_and_json_is_utf_8) {
  const std::string hostile = "a\nb\x1b[31m\xff\xe2\x80\xae\x01";
  for (const bool json : {true, false}) {
    const std::string line = log_line(json, "error", hostile, kTime);
    cr_expect(line.find('\n') == line.size() - 1);
    cr_expect(line.find('\x1b') == std::string::npos && line.find('\xff') == std::string::npos);
  }
  cr_expect(json::parse(log_line(true, "error", hostile, kTime), "the line").has_value());
}

Test(oci_log, the_words_of_the_kernel_are_in_lower_case) {
  expect_text(words_of(os_error("open", "/x", Errno(-ENOENT)).under("exec")),
              "exec: open /x: no such file or directory (ENOENT)");
  expect_text(words_of(os_error("mkdir", "Operation not permitted", Errno(-EPERM))),
              "mkdir Operation not permitted: operation not permitted (EPERM)");
  expect_text(words_of(invalid("No change").advise("try again")), "No change; try again");
}

Test(oci_log, only_errors_go_into_a_json_log) {
  const TemporaryDirectory box;
  cr_assert(open_log(globals(box, true, false)).has_value());
  silence();
  log_debug("details");
  log_warning("a hook failed");
  log_error(invalid("it failed"));
  const std::string text = content(box);
  const auto document = json::parse(text, "the log");
  cr_assert(document.has_value(), "%s", text.c_str());
  expect_text(json::string(*document, "msg")->value_or(""), "it failed");
}

Test(oci_log, under_debug_everything_goes_into_it) {
  const TemporaryDirectory box;
  cr_assert(open_log(globals(box, true, true)).has_value());
  log_debug("details");
  log_warning("a hook failed");
  const std::string text = content(box);
  cr_expect(text.find("details") != std::string::npos && text.find("a hook failed") != std::string::npos);
}

Test(oci_log, a_log_is_appended_to_and_can_be_read_by_all) {
  const TemporaryDirectory box;
  cr_assert(fs::replace(box.fd(), "log", "before\n", 0644, fs::Durable::kNo).has_value());
  cr_assert(open_log(globals(box, false, false)).has_value());
  log_warning("after");
  cr_expect(content(box).starts_with("before\ntime="));
  TemporaryDirectory other;
  ::umask(022);
  cr_assert(open_log(globals(other, false, false)).has_value());
  struct stat st {};
  cr_assert(::stat(cat(other.path(), "/log").c_str(), &st) == 0);
  cr_expect((st.st_mode & 0777) == 0644);
}

Test(oci_log, without_a_log_nothing_is_opened) {
  cr_expect(open_log(Globals{}).has_value());
  log_debug("details");
}
