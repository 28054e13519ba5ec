// How long do these commands take, side by side?
//
//   interleave ROUNDS CSV NAME COMMAND... -- NAME COMMAND... [-- ...]
//
// Each round runs every command once, in turn, so that whatever slows the machine for a while slows all of them alike.
// Time is from before the spawn to after the reap. Prints median, 10th and 90th percentile and the ratio of medians to
// the first command; every single figure goes to CSV as `name,round,microseconds`. stdin is
// empty, stdout is dropped: both are an unlinked file, for crun gives its standard descriptors to the container's root,
// and were one /dev/null, the host's would change its owner. A command whose name ends in `*` measures itself: its
// figure is the number that it prints. A command that fails ends the whole measurement: a fast failure must not pass
// for a fast start.
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

extern char** environ;

namespace {

struct Command {
  std::string name;
  std::vector<char*> argv;
  std::vector<double> microseconds;
};

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

int unlinked_file() {
  char path[] = "/var/tmp/convox-interleave-XXXXXX";
  const int fd = mkostemp(path, O_CLOEXEC);
  if (fd < 0 || unlink(path) < 0) exit(1);
  return fd;
}

void run_once(Command& command) {
  static const int empty = unlinked_file(), dropped = unlinked_file();
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, empty, 0);
  int ends[2] = {-1, -1};
  if (command.name.back() == '*') {
    if (pipe2(ends, O_CLOEXEC) < 0) exit(1);
    posix_spawn_file_actions_adddup2(&files, ends[1], 1);
  } else {
    posix_spawn_file_actions_adddup2(&files, dropped, 1);
  }
  const double start = now();
  pid_t child = 0;
  int status = -1;
  const int error = posix_spawn(&child, command.argv[0], &files, nullptr, command.argv.data(), environ);
  if (error == 0) waitpid(child, &status, 0);
  command.microseconds.push_back(now() - start);
  if (ends[0] >= 0) {
    char figure[64] = "";
    close(std::exchange(ends[1], -1));
    if (read(ends[0], figure, sizeof figure - 1) <= 0) status = -1;
    command.microseconds.back() = atof(figure);
    close(ends[0]);
  }
  posix_spawn_file_actions_destroy(&files);
  if (error || status != 0) {
    fprintf(stderr, "interleave: %s: %s (status 0x%x)\n", command.name.c_str(), error ? strerror(error) : "failed",
            static_cast<unsigned>(status));
    exit(1);
  }
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
    commands.push_back({.name = words[at], .argv = {}, .microseconds = {}});
    for (++at; at < count && strcmp(words[at], "--") != 0; ++at) commands.back().argv.push_back(words[at]);
    if (commands.back().argv.empty()) return 2;
    commands.back().argv.push_back(nullptr);
  }
  for (Command& command : commands) run_once(command);  // once to fill the caches; not counted
  for (Command& command : commands) command.microseconds.clear();
  for (int round = 0; round < rounds; ++round)
    for (Command& command : commands) run_once(command);

  FILE* csv = fopen(words[2], "we");
  if (!csv) return perror(words[2]), 1;
  const double first = percentile(commands[0].microseconds, 0.5);
  printf("%-34s %10s %10s %10s %8s\n", "", "median ms", "p10", "p90", "ratio");
  for (const Command& command : commands) {
    const double median = percentile(command.microseconds, 0.5);
    printf("%-34s %10.3f %10.3f %10.3f %8.2f\n", command.name.c_str(), median / 1e3,
           percentile(command.microseconds, 0.1) / 1e3, percentile(command.microseconds, 0.9) / 1e3, median / first);
    for (int round = 0; round < rounds; ++round)
      fprintf(csv, "%s,%d,%.1f\n", command.name.c_str(), round, command.microseconds[static_cast<std::size_t>(round)]);
  }
  return fclose(csv) == 0 ? 0 : 1;
}
