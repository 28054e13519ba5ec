// How long does one of several commands take that only make sense in a row?
//
//   sequence N COMMAND... [, COMMAND...]...      runs them in turn; prints the microseconds of the N-th
//   sequence all COMMAND... [, COMMAND...]...    or of all of them
//
// A `create` must come before a `start`, and a `delete` after it; what is measured is one of them, or the row. From
// before the spawn to after the reap, spawned as vfork does. What a command leaves behind (a container's first process)
// is ours to reap, and reaped outside of the time. A command that fails ends the measurement. stdout of the commands is
// dropped, into an unlinked file: see interleave.cc.
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <vector>

#include "tests/bench/measure.h"

extern char** environ;

namespace {

int unlinked_file() {
  char path[] = "/var/tmp/convox-sequence-XXXXXX";
  const int fd = static_cast<int>(must(mkostemp(path, O_CLOEXEC), "mkostemp"));
  must(unlink(path), "unlink");
  return fd;
}

void run(const std::vector<char*>& argv, int dropped) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, dropped, 0);
  posix_spawn_file_actions_adddup2(&files, dropped, 1);
  pid_t child = 0;
  errno = posix_spawn(&child, argv[0], &files, nullptr, argv.data(), environ);
  if (errno) die(argv[0]);
  posix_spawn_file_actions_destroy(&files);
  int status = -1;
  must(waitpid(child, &status, 0), "wait");
  if (status != 0) {
    fprintf(stderr, "sequence: %s %s: status 0x%x\n", argv[0], argv[1] ? argv[1] : "", static_cast<unsigned>(status));
    _exit(1);
  }
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return 2;
  std::vector<std::vector<char*>> commands(1);
  for (int at = 2; at < count; ++at) {
    if (strcmp(words[at], ",") == 0)
      commands.emplace_back();
    else
      commands.back().push_back(words[at]);
  }
  for (auto& command : commands) {
    if (command.empty()) return 2;
    command.push_back(nullptr);
  }
  must(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
  const bool all = strcmp(words[1], "all") == 0;
  const std::size_t chosen = static_cast<std::size_t>(atoi(words[1]));
  const int dropped = unlinked_file();
  double taken = 0;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const double start = now();
    run(commands[i], dropped);
    if (all || i + 1 == chosen) taken += now() - start;
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
  while (waitpid(-1, nullptr, 0) > 0) {
  }
  printf("%.1f\n", taken);
}
