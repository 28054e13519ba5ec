#include "runtime/oci/outlets.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "runtime/base/fs.h"
#include "runtime/base/json.h"
#include "runtime/send_descriptors.h"
#include "runtime/unix_socket.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

Result<> send_one(const std::string& socket, std::string_view message, int fd, const char* doing) {
  const UniqueFd connection = TRY(runtime::connect_to(socket, SOCK_STREAM), doing);
  TRY(runtime::send_descriptors(connection.get(), message, &fd, 1), doing);
  return ok();
}

}  // namespace

Result<> send_console(const std::string& socket, const UniqueFd& master) {
  unsigned number = 0;
  TRY(check(sys::ioctl(master.get(), TIOCGPTN, &number), "ioctl", "TIOCGPTN"));
  return send_one(socket, cat("/dev/pts/", number), master.get(), "sending the terminal");
}

Result<> send_pidfd(const std::string& socket, const UniqueFd& pidfd) {
  return send_one(socket, "pidfd", pidfd.get(), "sending a pidfd");
}

Result<> write_pid_file(const std::string& path, int pid) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1), hidden = cat(".", name);
  const UniqueFd dir = TRY(fs::open(parent, O_PATH | O_DIRECTORY));
  sys::unlinkat(dir.get(), hidden.c_str(), 0);  // of one who was killed while writing
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const UniqueFd file(TRY(check(sys::openat(dir.get(), hidden.c_str(), flags, 0666), "create", hidden)));
  TRY(fs::write_all(file.get(), cat(pid), path));
  TRY(check(sys::renameat2(dir.get(), hidden.c_str(), dir.get(), name.c_str(), 0), "rename", path));
  return ok();
}

Result<> send_listener(const Outlets& outlets, const UniqueFd& listener, const State& state, int pid) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  writer.StartObject();
  writer.Key("ociVersion");
  json::write(writer, state.version);
  writer.Key("fds");
  writer.StartArray();
  writer.String("seccompFd");
  writer.EndArray();
  writer.Key("pid");
  writer.Int(pid);
  if (!outlets.listener_metadata.empty()) {
    writer.Key("metadata");
    json::write(writer, outlets.listener_metadata);
  }
  writer.Key("state");
  const std::string text = state_json(state, Status::kCreating);
  writer.RawValue(text.data(), text.size(), rapidjson::kObjectType);
  writer.EndObject();
  const std::string_view message(buffer.GetString(), buffer.GetSize());
  return send_one(outlets.listener_path, message, listener.get(), "sending the seccomp listener");
}

}  // namespace convox::oci
