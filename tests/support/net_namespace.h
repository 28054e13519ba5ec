// Who plays a container, or a host, in a test of networks? A process in a network namespace of its own.
#pragma once
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "runtime/base/cat.h"
#include "tests/support/needs.h"
#include "tests/support/program.h"

namespace convox::test {

class NetNamespace {
 public:
  NetNamespace() {
    int ready[2];
    cr_assert(0 == ::pipe(ready));
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const bool made = ::unshare(CLONE_NEWNET) == 0;
      if (::write(ready[1], "", made ? 1 : 0) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char byte;
    cr_assert(1 == ::read(ready[0], &byte, 1), "no network namespace can be made");
    ::close(ready[0]);
  }
  NetNamespace(NetNamespace&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  NetNamespace& operator=(NetNamespace&&) = delete;
  ~NetNamespace() { end(); }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  [[nodiscard]] std::string path() const { return cat("/proc/", pid_, "/ns/net"); }

 private:
  pid_t pid_ = -1;
};

// A shell's words in a network namespace; the test fails if they do.
inline std::string in_namespace(const std::string& words, const std::string& name_space = "/proc/self/ns/net") {
  const Ran ran = run({.argv = {"/usr/bin/nsenter", cat("--net=", name_space), "/bin/sh", "-c", words},
                       .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}});
  cr_assert(ran.status == 0, "%s: %s", words.c_str(), ran.err.c_str());
  return ran.out;
}
inline std::string ip(const std::string& words, const std::string& name_space = "/proc/self/ns/net") {
  return in_namespace(cat("ip ", words), name_space);
}

}  // namespace convox::test
