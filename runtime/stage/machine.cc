// How does the stage set up the machine that the payload sees: its name, clocks, sysctls and network?
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/socket.h>

#include "runtime/stage/stage.h"

namespace convox::stage {
namespace {

// Appends `value` to the text that ends at `at`; the new end.
char* put(char* at, std::uint64_t value) noexcept {
  char digits[20];
  int count = 0;
  do digits[count++] = static_cast<char>('0' + value % 10);
  while ((value /= 10) > 0);
  while (count > 0) *at++ = digits[--count];
  return at;
}
char* put(char* at, std::string_view text) noexcept {
  for (const char c : text) *at++ = c;
  return at;
}
char* put(char* at, std::string_view clock, const Offset& offset) noexcept {
  at = put(put(at, clock), offset.seconds < 0 ? " -" : " ");
  const auto seconds = static_cast<std::uint64_t>(offset.seconds);
  at = put(put(at, offset.seconds < 0 ? 0 - seconds : seconds), " ");
  return put(put(at, offset.nanoseconds), "\n");
}

bool is_set(const Offset& offset) noexcept { return offset.seconds != 0 || offset.nanoseconds != 0; }

// Of an unreadable program the files in /proc/self belong to the host's root, so in a user namespace we may not write
// ours. As PID 1 of a new PID namespace nobody is beside us who could use the moment in which we are readable.
// PR_SET_DUMPABLE(2const), proc(5)
UniqueFd open_offsets(const Stage& stage, Errno* error) noexcept {
  constexpr const char* path = "self/timens_offsets";
  UniqueFd file = open_proc(stage, path, O_WRONLY, error);
  if (error->value != EACCES || sys::getpid() != 1) return file;
  *error = Errno(sys::prctl(PR_SET_DUMPABLE, 1));
  if (!*error) file = open_proc(stage, path, O_WRONLY, error);
  if (const long rc = sys::prctl(PR_SET_DUMPABLE, 0); rc < 0) *error = Errno(rc);
  return file;
}

}  // namespace

Errno perform(const SetHostname& step, Stage& stage) noexcept {
  return Errno(sys::sethostname(stage.plan.text(step.name), step.name.size));
}

Errno perform(const SetDomainname& step, Stage& stage) noexcept {
  return Errno(sys::setdomainname(stage.plan.text(step.name), step.name.size));
}

// Through the procfs that we mounted ourselves: a path could lead to another file (CVE-2025-52881). One write, because
// procfs takes each write as a whole value.
Errno perform(const WriteSysctl& step, Stage& stage) noexcept {
  Errno error;
  const UniqueFd file = open_proc(stage, stage.plan.text(step.path), O_WRONLY, &error);
  if (!file) return error;
  const long put = sys::write(file.get(), stage.plan.text(step.value), step.value.size);
  return put >= 0 && put != static_cast<long>(step.value.size) ? Errno(-EIO) : Errno(put);
}

// Unshare moves our future children alone, and the offsets can be written until somebody is inside. Then we enter it
// ourselves, which a single thread that shares its memory with nobody may.  time_namespaces(7)
Errno perform(const NewTimeNamespace& step, Stage& stage) noexcept {
  if (const long rc = sys::unshare(CLONE_NEWTIME); rc < 0) return Errno(rc);
  Errno error = have_proc(stage);
  if (error) return error;
  if (is_set(step.monotonic) || is_set(step.boottime)) {
    const UniqueFd file = open_offsets(stage, &error);
    if (error) return error;
    char text[160];
    const char* end = put(put(text, "monotonic", step.monotonic), "boottime", step.boottime);
    const long rc = sys::write(file.get(), text, static_cast<std::size_t>(end - text));
    if (rc < 0) return Errno(rc);
    if (rc != end - text) return Errno(-EIO);
  }
  const UniqueFd namespaces = open_proc(stage, "self/ns", O_PATH | O_DIRECTORY, &error);
  if (!namespaces) return error;
  const long opened = sys::openat(namespaces.get(), "time_for_children", O_RDONLY | O_CLOEXEC);
  if (opened < 0) return Errno(opened);
  const UniqueFd ours(opened);
  return Errno(sys::setns(ours.get(), CLONE_NEWTIME));
}

Errno perform(const JoinTimeNamespace& step, Stage& stage) noexcept {
  const UniqueFd it = stage.take(step.it);
  return Errno(sys::setns(it.get(), CLONE_NEWTIME));
}

// A new network namespace has one link, `lo`, and it is down. An ioctl is enough: netdevice(7)
Errno perform(const RaiseLoopback&, Stage&) noexcept {
  const long fd = sys::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Errno(fd);
  const UniqueFd socket(fd);
  ifreq request{};
  request.ifr_ifrn.ifrn_name[0] = 'l';
  request.ifr_ifrn.ifrn_name[1] = 'o';
  if (const long rc = sys::ioctl(socket.get(), 0x8913 /* SIOCGIFFLAGS */, &request); rc < 0) return Errno(rc);
  request.ifr_ifru.ifru_flags = static_cast<short>(request.ifr_ifru.ifru_flags | IFF_UP);
  return Errno(sys::ioctl(socket.get(), 0x8914 /* SIOCSIFFLAGS */, &request));
}

}  // namespace convox::stage
