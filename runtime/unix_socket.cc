#include "runtime/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstring>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

constexpr long kLongestSend = 10;  // seconds

Result<sockaddr_un> address_of(int dir, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = cat("/proc/self/fd/", dir, "/", name);
  if (path.size() >= sizeof address.sun_path) return invalid(cat("the name of the socket is too long: ", name));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<UniqueFd> new_socket(int type) {
  return UniqueFd(TRY(check(sys::socket(AF_UNIX, type | SOCK_CLOEXEC, 0), "socket", "")));
}

}  // namespace

Result<UniqueFd> connect_at(int dir, const std::string& name, int type) {
  const sockaddr_un address = TRY(address_of(dir, name));
  UniqueFd socket = TRY(new_socket(type));
  TRY(check(sys::connect(socket.get(), &address, sizeof address), "connect", name));
  return socket;
}

Result<UniqueFd> bind_at(int dir, const std::string& name, int type) {
  const sockaddr_un address = TRY(address_of(dir, name));
  UniqueFd socket = TRY(new_socket(type));
  TRY(check(sys::bind(socket.get(), &address, sizeof address), "bind", name));
  return socket;
}

Result<UniqueFd> connect_to(const std::string& path, int type) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const UniqueFd dir = TRY(fs::open(parent, O_PATH | O_DIRECTORY));
  const sockaddr_un address = TRY(address_of(dir.get(), slash == std::string::npos ? path : path.substr(slash + 1)));
  UniqueFd socket = TRY(new_socket(type));
  const timeval limit{kLongestSend, 0};
  TRY(check(sys::call("setsockopt", __NR_setsockopt, socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit),
            "setsockopt", "SO_SNDTIMEO"));
  TRY(check(sys::connect(socket.get(), &address, sizeof address), "connect", path));
  return socket;
}

}  // namespace convox::runtime
