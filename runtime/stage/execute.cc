// How does the stage become the payload?
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/stat.h>

#include "runtime/stage/stage.h"

namespace convox::stage {
namespace {

// May this be executed? 0, -ENOENT (go on looking), or -EACCES and -EISDIR (it is there and may not be).
long executable(const char* path) noexcept {
  struct statx st {};
  const long rc = sys::statx(AT_FDCWD, path, 0, STATX_TYPE, &st);
  if (rc == -ENOENT || rc == -ENOTDIR) return -ENOENT;
  if (rc < 0) return rc;
  if ((st.stx_mode & S_IFMT) == S_IFDIR) return -EISDIR;  // execve(2) itself has EACCES for it, which says less
  if ((st.stx_mode & S_IFMT) != S_IFREG) return -EACCES;
  constexpr int kMayExecute = 1;  // X_OK
  return sys::faccessat2(AT_FDCWD, path, kMayExecute, AT_EACCESS);
}

std::string_view variable(const Stage& stage, std::string_view name) noexcept {
  const Head& head = stage.plan.head();
  for (std::uint32_t i = 0; i < head.envp.count; ++i) {
    const std::string_view entry = stage.plan.view(stage.plan.item(head.envp, i));
    if (entry.size() > name.size() && entry.substr(0, name.size()) == name && entry[name.size()] == '=')
      return entry.substr(name.size() + 1);
  }
  return {};
}

long search_path(Stage& stage, std::string_view command) noexcept {
  std::string_view path = variable(stage, "PATH");
  long worst = -ENOENT;  // what to say if no directory has it: EACCES beats "not found", as in execvp(3)
  while (!path.empty()) {
    const std::size_t colon = path.find(':');
    const std::string_view dir = path.substr(0, colon);
    path = colon == std::string_view::npos ? std::string_view() : path.substr(colon + 1);
    if (dir.size() + command.size() + 2 > sizeof stage.found) continue;
    char* out = stage.found;
    for (const char c : dir) *out++ = c;
    if (!dir.empty()) *out++ = '/';  // an empty entry is the working directory: environ(7)
    for (const char c : command) *out++ = c;
    *out = '\0';
    const long rc = executable(stage.found);
    if (rc == 0) return 0;
    if (rc == -EACCES || rc == -EISDIR) worst = -EACCES;
    if (rc != -ENOENT && rc != -EACCES && rc != -EISDIR)
      return rc;  // it may be here: another directory's program is not the one meant
  }
  return worst;
}

// PID 1 for payloads that do not want to be it: reaps what is orphaned to it, passes signals on, ends with the payload.
[[noreturn]] void live_as_init(int payload) noexcept {
  constexpr int kChild = 17, kTerminalOutput = 22;  // SIGCHLD, SIGTTOU
  const unsigned long all = ~0UL;
  sys::close_range(0, ~0U, 0);  // an end of a pipe held here would keep its reader waiting, if only until we end
  for (;;) {
    const long signal = sys::rt_sigtimedwait(&all, nullptr, nullptr);
    if (signal == kChild) {
      int status = 0;
      long pid = 0;
      while ((pid = sys::wait4(-1, &status, 1 /* WNOHANG */)) > 0)
        if (pid == payload) sys::exit_group((status & 0x7f) ? 128 + (status & 0x7f) : status >> 8 & 0xff);
      if (pid < 0) sys::exit_group(kStageFailed);  // while the payload is our child there is no error: do not wait on
    } else if (signal > 0 && signal != kTerminalOutput) {
      sys::kill(payload, static_cast<int>(signal));
    }
  }
}

}  // namespace

Errno perform(const FindCommand&, Stage& stage) noexcept {
  const Head& head = stage.plan.head();
  stage.argv = head.argv;
  // `run web 'a | b'` is sh -c 'a | b' if there is a shell; images without one get the words.
  if (head.split_argv.count > 0 && executable("/bin/sh") == -ENOENT) stage.argv = head.split_argv;
  if (stage.argv.count == 0) return Errno(-ENOENT);
  const std::string_view command = stage.plan.view(stage.plan.item(stage.argv, 0));
  if (command.empty()) return Errno(-ENOENT);
  const bool by_path = command.find('/') != std::string_view::npos;
  stage.path = by_path ? command.data() : stage.found;
  return Errno(by_path ? executable(command.data()) : search_path(stage, command));
}

// Marked, not closed: our own socket must live until execve, for its closing is the news of success. A host directory
// that is still open past execve would be a way out (CVE-2024-21626). What the payload gets of the caller's descriptors
// must be there: Verify has seen that none of them is ours.
Errno perform(const CloseOnExec& step, Stage& stage) noexcept {
  if (const long rc = sys::close_range(3 + step.preserved, ~0U, CLOSE_RANGE_CLOEXEC); rc < 0) return Errno(rc);
  for (std::uint32_t i = 0; i < step.preserved; ++i)
    if (const long rc = sys::fcntl(static_cast<int>(3 + i), F_SETFD, 0); rc < 0) return Errno(rc);
  // The last packet on the good way: a filter may forbid sending, or kill what follows. From here on the host side also
  // asks how we ended.
  stage.report({.kind = Report::kReady});
  return {};
}

// Behind a filter that the payload could have made it must not gain rights by execve, so without no_new_privs the
// kernel wants CAP_SYS_ADMIN. SetCapabilities has kept it for this moment; the filter must allow the capset that gives
// it up, or nothing more happens.  seccomp(2)
Errno perform(const LoadFilter& step, Stage& stage) noexcept {
  const bool raises = step.as_admin && stage.holds_admin;
  if (raises) {
    Capabilities raised = stage.capabilities;
    raised.permitted |= std::uint64_t{1} << CAP_SYS_ADMIN;
    raised.effective |= std::uint64_t{1} << CAP_SYS_ADMIN;
    if (const Errno error = set_capabilities(raised); error) return error;
  }
  sock_fprog program{};
  program.len = static_cast<unsigned short>(step.program.size / sizeof(sock_filter));
  program.filter = reinterpret_cast<sock_filter*>(const_cast<char*>(stage.plan.text(step.program)));
  // There is one thread only, and TSYNC does not go with a listener.
  const unsigned flags = (step.flags & ~unsigned{SECCOMP_FILTER_FLAG_TSYNC}) |
                         (step.listens ? unsigned{SECCOMP_FILTER_FLAG_NEW_LISTENER} : 0U);
  const long rc = sys::seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
  if (rc < 0) return Errno(rc);
  stage.filtered = true;
  if (step.listens) {
    const UniqueFd listener(rc);
    stage.report({.kind = Report::kListener}, listener.get());
  }
  stage.holds_admin = false;
  return raises ? set_capabilities(stage.capabilities) : Errno();
}

Errno perform(const BecomeInit&, Stage& stage) noexcept {
  const unsigned long all = ~0UL, none = 0;
  // No signal is lost before live_as_init asks for it.
  if (const long rc = sys::rt_sigprocmask(2 /* SIG_SETMASK */, &all, nullptr); rc < 0) return Errno(rc);
  const long child = sys::fork();
  if (child < 0) return Errno(child);
  if (child > 0) {
    sys::close(stage.socket);
    live_as_init(static_cast<int>(child));
  }
  // A process group of its own, in the foreground of the terminal if there is one: Ctrl-C is for the payload alone.
  if (const long rc = sys::setpgid(0, 0); rc < 0) return Errno(rc);
  int self = static_cast<int>(sys::getpid());
  if (const long rc = sys::ioctl(0, TIOCSPGRP, &self); rc < 0 && rc != -ENOTTY) return Errno(rc);
  return Errno(sys::rt_sigprocmask(2, &none, nullptr));
}

Errno perform(const Execute&, Stage& stage) noexcept {
  const Head& head = stage.plan.head();
  char** argv = stage.plan.pointers(std::size_t{head.argv.count} + head.split_argv.count + head.envp.count + 4);
  for (std::uint32_t i = 0; i < stage.argv.count; ++i)
    argv[i] = const_cast<char*>(stage.plan.text(stage.plan.item(stage.argv, i)));
  argv[stage.argv.count] = nullptr;
  char** envp = argv + stage.argv.count + 1;
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < head.envp.count; ++i) {
    const std::string_view entry = stage.plan.view(stage.plan.item(head.envp, i));
    if (!(head.adds_home && entry == "HOME=")) envp[count++] = const_cast<char*>(entry.data());  // empty is unset
  }
  if (head.adds_home) envp[count++] = stage.home;
  envp[count] = nullptr;
  return Errno(sys::execve(stage.path, argv, envp));  // returns only when it failed
}

}  // namespace convox::stage
