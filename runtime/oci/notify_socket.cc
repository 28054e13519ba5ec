#include "runtime/oci/notify_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <cstring>

#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/send_descriptors.h"
#include "runtime/unix_socket.h"

namespace convox::oci {
namespace {

constexpr const char* kName = "notify.sock";
constexpr long kBarrierSeconds = 30;  // as sd_notify_barrier(3) is used by others

// "@name" is an abstract address: a NUL and the name.
Result<UniqueFd> connect_to_manager(const std::string& address) {
  if (!address.starts_with('@')) return runtime::connect_to(address, SOCK_DGRAM);
  sockaddr_un abstract{};
  abstract.sun_family = AF_UNIX;
  if (address.size() > sizeof abstract.sun_path) return invalid("NOTIFY_SOCKET is too long");
  std::memcpy(abstract.sun_path + 1, address.data() + 1, address.size() - 1);
  UniqueFd socket(TRY(check(sys::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", "")));
  const auto size = static_cast<unsigned>(offsetof(sockaddr_un, sun_path) + address.size());
  TRY(check(sys::connect(socket.get(), &abstract, size), "connect", address));
  return socket;
}

bool says_ready(std::string_view message) {
  while (!message.empty())
    if (cut(message, '\n') == "READY=1") return true;
  return false;
}

// True once it is ready, false if it ended before.
Result<bool> await_ready(const UniqueFd& listening, const UniqueFd& process) {
  for (;;) {
    pollfd fds[2] = {{listening.get(), POLLIN, 0}, {process.get(), POLLIN, 0}};
    const long ready = sys::ppoll(fds, 2, nullptr);  // a service may take hours; its end is heard of
    if (ready == -EINTR) continue;
    TRY(check(ready, "ppoll", ""));
    if (!fds[0].revents) return false;
    char message[4096];
    const long size = sys::read(listening.get(), message, sizeof message);
    if (size == -EINTR) continue;
    TRY(check(size, "read", kName));
    if (says_ready({message, static_cast<std::size_t>(size)})) return true;
  }
}

Result<> say(const UniqueFd& manager, std::string_view text) {
  TRY(check(sys::write(manager.get(), text.data(), text.size()), "write", "NOTIFY_SOCKET"));
  return ok();
}

// The manager closes its end of the pipe once it has handled all that came before.
Result<> await_barrier(const UniqueFd& manager) {
  int ends[2] = {-1, -1};
  TRY(check(sys::pipe2(ends, O_CLOEXEC), "pipe2", ""));
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const int handed = theirs.get();
  TRY(runtime::send_descriptors(manager.get(), "BARRIER=1", &handed, 1));
  theirs.reset();
  pollfd end{ours.get(), POLLIN, 0};
  timespec left{kBarrierSeconds, 0};
  long ready = 0;
  do ready = sys::ppoll(&end, 1, &left);
  while (ready == -EINTR);
  return ok();
}

}  // namespace

Result<UniqueFd> listen_for_ready(int container) {
  const UniqueFd directory = TRY(fs::open_beneath(container, "notify", O_PATH | O_DIRECTORY));
  const long gone = sys::unlinkat(directory.get(), kName, 0);
  if (gone != -ENOENT) TRY(check(gone, "unlink", kName));
  UniqueFd socket = TRY(runtime::bind_at(directory.get(), kName, SOCK_DGRAM));
  TRY(check(sys::fchmodat(directory.get(), kName, 0777), "chmod", kName));  // whoever the payload's user is
  return socket;
}

Result<> relay_ready(const UniqueFd& listening, const std::string& manager, const UniqueFd& process, int pid) {
  const bool ready = TRY(await_ready(listening, process));
  if (!ready) return ok();
  const UniqueFd connection = TRY(connect_to_manager(manager), "NOTIFY_SOCKET");
  TRY(say(connection, "READY=1\n"));
  TRY(say(connection, cat("MAINPID=", pid, "\n")));
  return await_barrier(connection);
}

}  // namespace convox::oci
