// A helper is heard to its end, or ended.
#include "runtime/base/process.h"

#include <criterion/criterion.h>
#include <signal.h>

using namespace convox;

namespace {

Result<Finished> shell(std::string script, int seconds = 20) {
  return run_program(
      {.path = "/bin/sh", .arguments = {"sh", "-c", script}, .environment = {"A=1"}, .seconds = seconds});
}

}  // namespace

Test(process, both_streams_and_the_status_arrive) {
  const auto finished = shell("cat; echo out $A; echo err >&2; exit 7");
  cr_assert(finished.has_value());
  cr_assert(finished->status == 7);
  cr_assert(finished->output == "out 1\n");
  cr_assert(finished->errors == "err\n");
}

Test(process, more_than_a_pipe_holds_arrives_whole) {
  const auto finished = shell("i=0; while [ $i -lt 20000 ]; do echo 123456789; i=$((i+1)); done");
  cr_assert(finished.has_value());
  cr_assert(finished->output.size() == 200000u);
}

Test(process, a_signal_shows_in_the_status) {
  const auto finished = shell("kill -TERM $$");
  cr_assert(finished.has_value());
  cr_assert(finished->status == 128 + SIGTERM);
}

Test(process, a_pipe_that_nobody_reads_ends_it_as_usual) {
  ::signal(SIGPIPE, SIG_IGN);  // as convox has it
  const auto finished = shell("kill -PIPE $$; exit 3");
  cr_assert(finished.has_value());
  cr_assert(finished->status == 128 + SIGPIPE);
}

Test(process, a_program_that_takes_too_long_is_killed, .timeout = 20) {
  const auto finished = shell("exec sleep 1000", 1);
  cr_assert(not(finished.has_value()));
  cr_assert(finished.error().text == "running /bin/sh: took too long");
}

Test(process, a_program_that_is_not_there_is_named) {
  const auto finished = run_program({.path = "/nonexistent/x", .arguments = {"x"}, .environment = {}});
  cr_assert(finished.error().text == "execute /nonexistent/x: No such file or directory (ENOENT)");
}

Test(process, it_is_given_nothing_but_its_three_descriptors) {
  const auto finished = shell("ls /proc/self/fd");
  cr_assert(finished->output == "0\n1\n2\n3\n", "%s", finished->output.c_str());  // 3: the directory that ls reads
}
