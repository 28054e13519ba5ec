#include "runtime/oci/criu.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "runtime/base/fs.h"
#include "runtime/base/json.h"
#include "runtime/base/words.h"
#include "runtime/clone.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr const char* kDescriptors = "descriptors.json";
constexpr const char* kRestored = "restored";  // below the container's directory: CRIU writes a number there
constexpr const char* kConfiguration = "org.criu.config";  // an annotation: a file with further options
constexpr int kAboveAll = 64;             // descriptors from here on, for the program to have lower ones
constexpr long kMostSeconds = 24 * 3600;  // as long as a memory takes to be written

std::vector<std::string> common(const Criu& criu, const Config& config, std::string_view verb) {
  std::vector<std::string> all = {"criu",    std::string(verb), "--images-dir",    criu.images, "--work-dir",
                                  criu.work, "--log-file",      cat(verb, ".log"), "-v2"};
  if (const std::string* file = config.annotation(kConfiguration)) {
    all.emplace_back("--config");
    all.push_back(*file);
  }
  all.insert(all.end(), criu.passed.begin(), criu.passed.end());
  return all;
}

void add(std::vector<std::string>& all, std::string_view option, std::string value) {
  all.emplace_back(option);
  all.push_back(std::move(value));
}

std::string key_of(Kind kind) { return kind == Kind::kNetwork ? "extRootNetNS" : "extRootPidNS"; }

// The first line of its log that says so: what follows are the ends of what failed with it.
std::string first_error(const Criu& criu, std::string_view verb) {
  const auto log = fs::read(AT_FDCWD, cat(criu.work, "/", verb, ".log"), 64 << 20);
  for (std::string_view rest = log ? std::string_view(*log) : std::string_view(); !rest.empty();) {
    const std::string_view line = cut(rest, '\n');
    const std::size_t at = line.find("Error (");  // behind the time
    if (at != std::string_view::npos) return std::string(line.substr(at));
  }
  return "its log does not say why";
}

Result<> run(const Criu& criu, const std::vector<std::string>& arguments, std::vector<int> further) {
  const UniqueFd directory = TRY(fs::open(criu.work, O_PATH | O_DIRECTORY));
  const UniqueFd null = TRY(fs::open("/dev/null", O_RDWR));
  runtime::HostProgram program;
  program.path = criu.program;
  program.arguments = arguments;
  program.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};  // it runs iptables and tar
  for (int& fd : program.stdio) fd = null.get();                 // what it says is in its log
  program.directory = directory.get();
  program.further = std::move(further);
  const runtime::Child child = TRY(runtime::start_host_program(program));
  pollfd end{child.pidfd.get(), POLLIN, 0};
  timespec left{kMostSeconds, 0};
  long ready = 0;
  do ready = sys::ppoll(&end, 1, &left);
  while (ready == -EINTR);
  TRY(check(ready, "ppoll", ""));
  if (ready == 0) sys::kill(-child.pid, SIGKILL);
  siginfo_t info{};
  TRY(check(sys::waitid(P_PIDFD, child.pidfd.get(), &info, WEXITED), "waitid", ""));
  if (info.si_code == CLD_EXITED && info.si_status == 0) return ok();
  const std::string& verb = arguments[1];
  return invalid(cat("criu ", verb, " failed: ", first_error(criu, verb)))
      .advise(cat("all that it says is in ", criu.work, "/", verb, ".log"));
}

Result<int> above_all(int fd) {
  return static_cast<int>(TRY(check(sys::fcntl(fd, F_DUPFD_CLOEXEC, kAboveAll), "fcntl", "F_DUPFD")));
}

Result<> write_links(const Criu& criu, int pid) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  writer.StartArray();
  for (int fd = 0; fd < 3; ++fd) {
    char link[4096];
    const std::string name = cat("/proc/", pid, "/fd/", fd);
    const long size = sys::readlinkat(AT_FDCWD, name.c_str(), link, sizeof link);  // it may have closed it
    writer.String(link, size > 0 ? static_cast<unsigned>(size) : 0U);
  }
  writer.EndArray();
  const UniqueFd images = TRY(fs::open(criu.images, O_PATH | O_DIRECTORY));
  return fs::replace(images.get(), kDescriptors, std::string_view(buffer.GetString(), buffer.GetSize()), 0600,
                     fs::Durable::kNo);
}

Result<std::vector<std::string>> read_links(const Criu& criu) {
  const std::string text = TRY(fs::read(AT_FDCWD, cat(criu.images, "/", kDescriptors), 1 << 16));
  const json::Document document = TRY(json::parse_list(text, kDescriptors));
  std::vector<std::string> links;
  for (const auto& one : document.GetArray()) links.emplace_back(one.IsString() ? one.GetString() : "");
  return links;
}

}  // namespace

// A mask of a file is a mount of the null device, which is the container's own and so no business of ours.
std::vector<std::string> dump_arguments(const Criu& criu, const Config& config, const State& state,
                                        const std::vector<External>& namespaces) {
  std::vector<std::string> all = common(criu, config, criu.pre_dump ? "pre-dump" : "dump");
  add(all, "--tree", cat(state.pid));
  add(all, "--root", state.rootfs);
  for (const Mount& mount : config.mounts)
    if (mount.bind) add(all, "--external", cat("mnt[", mount.destination, "]:", mount.destination));
  for (const External& one : namespaces)
    add(all, "--external", cat(file_of(one.kind), "[", one.inode, "]:", key_of(one.kind)));
  if (criu.pre_dump || !criu.parent.empty()) all.emplace_back("--track-mem");
  if (!criu.parent.empty()) add(all, "--prev-images-dir", criu.parent);
  if (criu.status_fd >= 0) add(all, "--status-fd", "3");
  return all;
}

std::vector<std::string> restore_arguments(const Criu& criu, const Config& config, const State& state,
                                           const std::vector<External>& namespaces,
                                           const std::vector<std::string>& links, const std::string& pid_file) {
  std::vector<std::string> all = common(criu, config, "restore");
  add(all, "--root", state.rootfs);
  all.emplace_back("--restore-detached");
  all.emplace_back("--restore-sibling");
  add(all, "--pidfile", pid_file);
  if (!state.cgroup.empty()) add(all, "--cgroup-root", cat("/", state.cgroup));
  for (const Mount& mount : config.mounts)
    if (mount.bind) {
      const std::string source = mount.source.starts_with('/') ? mount.source : cat(state.bundle, "/", mount.source);
      add(all, "--external", cat("mnt[", mount.destination, "]:", source));
    }
  int next = 3;
  for (const External& one : namespaces) add(all, "--inherit-fd", cat("fd[", next++, "]:", key_of(one.kind)));
  for (const std::string& link : links) {
    if (link.starts_with("pipe:")) add(all, "--inherit-fd", cat("fd[", next, "]:", link));
    ++next;
  }
  return all;
}

Result<std::vector<External>> external_namespaces(const Config& config) {
  std::vector<External> all;
  for (const Namespace& one : config.namespaces) {
    if (one.path.empty() || (one.kind != Kind::kNetwork && one.kind != Kind::kPid)) continue;
    struct stat about {};
    TRY(check(sys::newfstatat(AT_FDCWD, one.path.c_str(), &about, 0), "stat", one.path));
    all.push_back({one.kind, one.path, about.st_ino});
  }
  return all;
}

Result<> checkpoint(const Criu& criu, const Config& config, const State& state) {
  const std::vector<External> namespaces = TRY(external_namespaces(config));
  if (!criu.pre_dump) TRY(write_links(criu, state.pid));
  UniqueFd status;
  std::vector<int> further;
  if (criu.status_fd >= 0) {
    status = UniqueFd(TRY(above_all(criu.status_fd)));
    further.push_back(status.get());
  }
  return run(criu, dump_arguments(criu, config, state, namespaces), std::move(further));
}

Result<int> restore(const Criu& criu, const Config& config, const State& state, const UniqueFd& directory) {
  const std::vector<External> namespaces = TRY(external_namespaces(config));
  const std::vector<std::string> links = TRY(read_links(criu));
  std::vector<UniqueFd> held;
  std::vector<int> further;
  for (const External& one : namespaces) {
    const UniqueFd opened = TRY(fs::open(one.path, O_RDONLY));
    held.emplace_back(TRY(above_all(opened.get())));
  }
  for (int fd = 0; fd < static_cast<int>(links.size()) && fd < 3; ++fd) held.emplace_back(TRY(above_all(fd)));
  for (const UniqueFd& fd : held) further.push_back(fd.get());
  // CRIU wants a mount where the root is.  criu(8), "--root"
  const char* root = state.rootfs.c_str();
  TRY(check(sys::mount(root, root, nullptr, MS_BIND | MS_REC, nullptr), "mount", state.rootfs));
  char link[4096];
  const std::string name = cat("/proc/self/fd/", directory.get());
  const long size = TRY(check(sys::readlinkat(AT_FDCWD, name.c_str(), link, sizeof link), "readlink", name));
  const std::string pid_file = cat(std::string_view(link, static_cast<std::size_t>(size)), "/", kRestored);
  TRY(run(criu, restore_arguments(criu, config, state, namespaces, links, pid_file), further));
  const std::string text = TRY(fs::read(directory.get(), kRestored, 64));
  const auto pid = number(std::string_view(text).substr(0, text.find('\n')));
  if (!pid) return invalid("criu restore did not say which process it made");
  return static_cast<int>(*pid);
}

}  // namespace convox::oci
