#include "runtime/oci/hooks.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "runtime/base/first_error.h"
#include "runtime/base/fs.h"
#include "runtime/clone.h"
#include "runtime/oci/words.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr std::size_t kMostSaid = 4096;  // bytes of its output that an error shows

// Until it ends; the time limit is a hook's own.
Result<int> wait_for(const runtime::Child& child, std::uint32_t seconds) {
  pollfd end{child.pidfd.get(), POLLIN, 0};
  timespec left{seconds, 0};
  long ready = 0;
  do ready = sys::ppoll(&end, 1, seconds == 0 ? nullptr : &left);
  while (ready == -EINTR);
  TRY(check(ready, "ppoll", ""));
  if (ready == 0) {
    sys::kill(-child.pid, SIGKILL);  // its group, of which it is the first: not reaped, so the number is still its own
    runtime::reap(child.pidfd);
    return invalid(cat("it took longer than ", seconds, seconds == 1 ? " second" : " seconds"));
  }
  siginfo_t info{};
  TRY(check(sys::waitid(P_PIDFD, child.pidfd.get(), &info, WEXITED), "waitid", ""));
  return info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;  // as wait(2) spells it
}

Result<> run(const Hook& hook, std::string_view state_json, int directory) {
  const UniqueFd input = TRY(state_file(state_json));
  const UniqueFd output(TRY(check(sys::memfd_create("hook-output", MFD_CLOEXEC), "memfd_create", "")));
  runtime::HostProgram program;
  program.path = hook.path;
  program.arguments = hook.args;
  program.environment = hook.env;
  program.stdio[0] = input.get();
  program.stdio[1] = program.stdio[2] = output.get();
  program.directory = directory;
  const runtime::Child child = TRY(runtime::start_host_program(program));
  const int status = TRY(wait_for(child, hook.timeout));
  if (status == 0) return ok();
  const std::string text = last_words(output);
  return invalid(cat(status_text(static_cast<std::uint32_t>(status)), text.empty() ? "" : ": ", text));
}

}  // namespace

std::string last_words(const UniqueFd& output) {
  char text[kMostSaid];
  const long size = sys::lseek(output.get(), 0, SEEK_END);
  const long from = size > static_cast<long>(sizeof text) ? size - static_cast<long>(sizeof text) : 0;
  const long got = sys::pread(output.get(), text, sizeof text, from);
  std::string line(text, got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return line;
}

Result<UniqueFd> state_file(std::string_view text) {
  UniqueFd file(TRY(check(sys::memfd_create("state", MFD_CLOEXEC), "memfd_create", "")));
  TRY(fs::write_all(file.get(), text, "the state"));
  TRY(check(sys::lseek(file.get(), 0, SEEK_SET), "lseek", "the state"));
  return file;
}

Result<> run_hooks(const std::vector<Hook>& hooks, std::string_view kind, std::string_view state_json,
                   const std::string& directory) {
  const UniqueFd bundle = TRY(fs::open(directory, O_PATH | O_DIRECTORY));
  for (std::size_t i = 0; i < hooks.size(); ++i)
    TRY(run(hooks[i], state_json, bundle.get()), kind, " hook ", i + 1, ", ", hooks[i].path);
  return ok();
}

Result<> run_all_hooks(const std::vector<Hook>& hooks, std::string_view kind, std::string_view state_json,
                       const std::string& directory) {
  const UniqueFd bundle = TRY(fs::open(directory, O_PATH | O_DIRECTORY));
  FirstError first;
  for (std::size_t i = 0; i < hooks.size(); ++i)
    if (Result<> ran = run(hooks[i], state_json, bundle.get()); !ran)
      first(std::move(ran).error().under(cat(kind, " hook ", i + 1, ", ", hooks[i].path)));
  return std::move(first).result();
}

}  // namespace convox::oci
