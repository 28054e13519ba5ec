// How does convox start another program of its own and hear what it says?
//
// Helpers (convox-image, convox-net) are started by path, never through PATH, with an environment and descriptors
// that we name: stdin is /dev/null or a pipe, stdout and stderr are pipes, everything else is closed at execve. The
// helper dies with us (PR_SET_PDEATHSIG) and has a deadline. For the payload of a container see runtime/launch: it is
// started differently. clone3(2), pidfd_open(2), waitid(2), prctl(2)
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox {

struct Program {
  std::string path;                    // absolute
  std::vector<std::string> arguments;  // with argv[0]
  std::vector<std::string> environment;
  int seconds = 60;  // how long it may take; then it is killed
};

struct Finished {
  int status = 0;  // its exit status, or 128 + the signal that ended it
  std::string output, errors;
};

// One that runs. Destruction closes our ends of its pipes; it is killed when we end.
struct Running {
  int pid = -1;
  UniqueFd process;                // its pidfd
  UniqueFd input, output, errors;  // input: only if it was asked for
};
Result<Running> start_program(const Program& program, bool with_input);
// One line of its output, without the newline; nothing if it closed that first. The deadline is `seconds` from now.
Result<std::optional<std::string>> read_line(const Running& running, int seconds);
// Waits for its end, and reads what it says until then. After `seconds` it is killed.
Result<Finished> finish_program(Running running, const Program& program);

// Runs it to its end. An error means that it could not be started or took too long; a status other than 0 is no error
// here.
Result<Finished> run_program(const Program& program);

// Where the helper `name` is: beside the running program, as in a build tree, else where `make install` puts helpers.
// In this order, because a build tree must not use the helper of an older convox that is installed; and whoever can
// write beside convox could replace convox itself.
std::string helper_path(std::string_view name);

}  // namespace convox
