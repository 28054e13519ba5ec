// How long do these commands take, side by side?
//
//   interleave ROUNDS CSV NAME COMMAND... [then CLEANUP...] -- NAME COMMAND... [-- ...]
//
// Each round runs every command once, in turn, so that whatever slows the machine for a while slows all of them alike.
// Time is from before the spawn to after the reap; what a command started and left running is removed by its CLEANUP
// after that. Prints median, 10th and 90th percentile and the ratio of medians to the first command, and the median of
// the processor time that the command and those it waited for have used; every single figure goes to CSV as
// `name,round,microseconds,processor microseconds`. stdin is empty, stdout is dropped: both are an unlinked file, for
// crun gives its standard descriptors to the container's root, and were one /dev/null, the host's would change its
// owner. A command whose name ends in `*` measures itself: its figure is the number that it prints. A command that
// fails ends the whole measurement: a fast failure must not pass for a fast start.
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/bench/measure.h"

extern char** environ;

namespace {

using Words = std::vector<char*>;  // with the null pointer at their end that execve(2) wants

struct Command {
  std::string name;
  Words argv, cleanup;
  std::vector<double> microseconds, processor;
};

double microseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
}

int unlinked_file() {
  char path[] = "/var/tmp/convox-interleave-XXXXXX";
  const int fd = mkostemp(path, O_CLOEXEC);
  if (fd < 0 || unlink(path) < 0) exit(1);
  return fd;
}

[[noreturn]] void fail(const Command& command, const char* why, int status) {
  fprintf(stderr, "interleave: %s: %s (status 0x%x)\n", command.name.c_str(), why, static_cast<unsigned>(status));
  exit(1);
}

// Runs `argv` to its end, with standard output to `output`.
rusage spawn_and_wait(const Command& command, const Words& argv, int output) {
  static const int empty = unlinked_file();
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, empty, 0);
  posix_spawn_file_actions_adddup2(&files, output, 1);
  pid_t child = 0;
  int status = -1;
  rusage used{};
  const int error = posix_spawn(&child, argv[0], &files, nullptr, argv.data(), environ);
  if (error) fail(command, strerror(error), -1);
  wait4(child, &status, 0, &used);
  posix_spawn_file_actions_destroy(&files);
  if (status != 0) fail(command, argv == command.cleanup ? "its cleanup failed" : "failed", status);
  return used;
}

void run_once(Command& command) {
  static const int dropped = unlinked_file();
  int ends[2] = {-1, dropped};
  const bool measures_itself = command.name.back() == '*';
  if (measures_itself && pipe2(ends, O_CLOEXEC) < 0) exit(1);
  const double start = now();
  const rusage used = spawn_and_wait(command, command.argv, ends[1]);
  command.microseconds.push_back(now() - start);
  command.processor.push_back(microseconds(used.ru_utime) + microseconds(used.ru_stime));
  if (measures_itself) {
    char figure[64] = "";
    close(ends[1]);
    if (read(ends[0], figure, sizeof figure - 1) <= 0) fail(command, "printed no figure", 0);
    command.microseconds.back() = atof(figure);
    close(ends[0]);
  }
  if (!command.cleanup.empty()) spawn_and_wait(command, command.cleanup, dropped);
}

double percentile(std::vector<double> figures, double part) {
  std::sort(figures.begin(), figures.end());
  return figures[static_cast<std::size_t>(part * static_cast<double>(figures.size() - 1))];
}

}  // namespace

int main(int count, char** words) {
  if (count < 5) return 2;
  const int rounds = std::max(1, atoi(words[1]));
  std::vector<Command> commands;
  for (int at = 3; at < count; ++at) {
    Command& command = commands.emplace_back();
    command.name = words[at];
    Words* into = &command.argv;
    for (++at; at < count && strcmp(words[at], "--") != 0; ++at) {
      if (strcmp(words[at], "then") == 0)
        into = &command.cleanup;
      else
        into->push_back(words[at]);
    }
    if (command.argv.empty() || into->empty()) return 2;
    for (Words* each : {&command.argv, &command.cleanup})
      if (!each->empty()) each->push_back(nullptr);
  }
  for (Command& command : commands) run_once(command);  // once to fill the caches; not counted
  for (Command& command : commands) command.microseconds.clear(), command.processor.clear();
  for (int round = 0; round < rounds; ++round)
    for (Command& command : commands) run_once(command);

  FILE* csv = fopen(words[2], "we");
  if (!csv) return perror(words[2]), 1;
  const double first = percentile(commands[0].microseconds, 0.5);
  printf("%-34s %10s %10s %10s %8s %10s\n", "", "median ms", "p10", "p90", "ratio", "cpu ms");
  for (const Command& command : commands) {
    const double median = percentile(command.microseconds, 0.5);
    printf("%-34s %10.3f %10.3f %10.3f %8.3f %10.3f\n", command.name.c_str(), median / 1e3,
           percentile(command.microseconds, 0.1) / 1e3, percentile(command.microseconds, 0.9) / 1e3, median / first,
           percentile(command.processor, 0.5) / 1e3);
    for (std::size_t round = 0; round < command.microseconds.size(); ++round)
      fprintf(csv, "%s,%zu,%.1f,%.1f\n", command.name.c_str(), round, command.microseconds[round],
              command.processor[round]);
  }
  return fclose(csv) == 0 ? 0 : 1;
}
