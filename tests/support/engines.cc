#include "tests/support/engines.h"

#include <criterion/new/assert.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <sstream>

#include "runtime/base/cat.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "tests/support/wait.h"

namespace convox::test {
namespace {

constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Variables by which the process that makes the session tells the tests of it.
constexpr const char *kDirectory = "CONVOX_ENGINES", *kMissing = "CONVOX_ENGINES_MISSING",
                     *kTrouble = "CONVOX_ENGINES_TROUBLE";

std::string variable(const char* name) {
  const char* value = getenv(name);
  return value ? value : "";
}

bool installed(const std::string& program) {
  for (const char* directory : {"/usr/bin/", "/usr/sbin/"})
    if (access(convox::cat(directory, program).c_str(), X_OK) == 0) return true;
  return false;
}

std::string mount_at(const char* source, const std::string& target, const char* type, unsigned long flags,
                     const char* options) {
  if (mount(source, target.c_str(), type, flags, options) == 0) return {};
  return convox::cat("cannot mount ", source, " on ", target, ": ", strerror(errno), "\n");
}

bool is_cgroup2(const char* path) {
  struct statfs fs {};
  return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

// Whatever engines write to or read from outside their own directories is covered by something of ours. (/tmp is not:
// the test runner has a socket there.)
std::string cover_the_machine(const std::string& path) {
  std::string trouble;
  // Engines look for cgroups at this one place; on a host whose version 1 has it, it is covered by version 2.
  if (!is_cgroup2("/sys/fs/cgroup")) trouble += mount_at("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, nullptr);
  trouble += mount_at("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
  trouble += mount_at("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");  // Podman's locks
  make_directories(path + "/covers");
  for (const char* place : {"/var/lib/containers", "/var/lib/cni", "/etc/containers"}) {
    if (!is_directory(place)) continue;
    std::string name = place;
    for (char& letter : name)
      if (letter == '/') letter = '-';
    const std::string cover = convox::cat(path, "/covers/", name);
    make_directories(cover);
    if (strcmp(place, "/etc/containers") == 0 &&
        run({.argv = {"/bin/cp", "-a", "/etc/containers/.", cover}, .environment = {kPath}}).status != 0)
      trouble += "cannot copy /etc/containers\n";
    trouble += mount_at(cover.c_str(), place, nullptr, MS_BIND, nullptr);
  }
  // A runtime that gives its standard descriptors to the container's user would give the machine's /dev/null away.
  const std::string null = path + "/covers/null";
  if (mknod(null.c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0 || chmod(null.c_str(), 0666) != 0)
    trouble += convox::cat("cannot make ", null, "\n");
  trouble += mount_at(null.c_str(), "/dev/null", nullptr, MS_BIND, nullptr);
  // An entry of ours in the files that name users.
  const auto with_line = [&](const char* file, const std::string& line) {
    if (!exists(file)) return;  // without uidmap: the tests that need it say so
    const std::string cover = convox::cat(path, "/covers/", strrchr(file, '/') + 1);
    write_file(cover, convox::cat(read_file(file), line, "\n"));
    trouble += mount_at(cover.c_str(), file, nullptr, MS_BIND, nullptr);
  };
  with_line("/etc/passwd",
            convox::cat("convox-engines:x:", Session::kUser, ":", Session::kUser, "::", Session::home(), ":/bin/sh"));
  with_line("/etc/group", convox::cat("convox-engines:x:", Session::kUser, ":"));
  for (const char* file : {"/etc/subuid", "/etc/subgid"})
    with_line(file, "convox-engines:2000000000:65536\ncontainers:2100000000:1048576");
  return trouble;
}

// Podman's configuration: the drop-in as it is installed, with the path of the runtime under test, and ours.
std::string configure(const std::string& path) {
  const std::string directory = "/etc/containers/containers.conf.d/";
  std::string drop_in = read_file("packaging/podman/convox-oci.conf");
  const std::size_t at = drop_in.find("\nconvox-oci = [");
  if (at == std::string::npos) return "packaging/podman/convox-oci.conf does not name the runtime's path\n";
  drop_in.replace(at, drop_in.find(']', at) + 1 - at, convox::cat("\nconvox-oci = [\"", Session::runtime(), "\"]"));
  write_file(directory + "50-convox-oci.conf", drop_in);
  const bool pids = missing(CgroupControllers).empty();
  write_file(directory + "90-test.conf",
             convox::cat("[containers]\n"
                         "netns = \"none\"\n"
                         "log_driver = \"k8s-file\"\n"
                         // A root without CAP_SYS_RESOURCE cannot raise the limits that Podman would.
                         "default_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n",
                         pids ? "" : "pids_limit = 0\n",
                         "[engine]\n"
                         "cgroup_manager = \"cgroupfs\"\n"
                         "events_logger = \"file\"\n"
                         "runtime = \"convox-oci\"\n"));
  // Where the home directory of Session::kUser is.
  for (const std::string& own : {Session::home(), Session::user_runtime_directory()}) {
    make_directories(own);
    if (chown(own.c_str(), Session::kUser, Session::kUser) != 0 || chmod(own.c_str(), 0700) != 0)
      return convox::cat("cannot give away ", own, "\n");
  }
  make_directories(path + "/home");
  make_directories(path + "/tmp");
  chmod((path + "/tmp").c_str(), 01777);
  return {};
}

std::string make_image() {
  std::vector<Entry> entries;
  for (Layer& layer : testbox_image().layers) entries.insert(entries.end(), layer.entries.begin(), layer.entries.end());
  for (Entry& entry : entries)  // Podman and containerd give a hard link's mode to the file
    if (!entry.hardlink.empty()) entry.mode = S_IFREG | 0755;
  write_file(Session::archive(), tar(entries, Compression::kNone));
  make_directories(Session::tree());
  const Ran unpacked =
      run({.argv = {"/bin/tar", "-xf", Session::archive(), "-C", Session::tree()}, .environment = {kPath}});
  return unpacked.status == 0 ? "" : convox::cat("cannot unpack the image: ", unpacked.err);
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  DIR* open = opendir(directory.c_str());
  if (!open) return names;
  while (const dirent* entry = readdir(open))
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) names.emplace_back(entry->d_name);
  closedir(open);
  return names;
}

// What is mounted below `path` is not walked: it is in the census as a mount.
void add_tree(Census& census, const char* kind, const std::string& path, bool directories_only, int depth,
              dev_t device = 0) {
  struct stat st {};
  if (lstat(path.c_str(), &st) < 0 || (directories_only && !S_ISDIR(st.st_mode))) return;
  census.insert(convox::cat(kind, " ", path));
  if (!S_ISDIR(st.st_mode) || depth == 0 || (device && st.st_dev != device)) return;
  for (const std::string& name : names_in(path))
    add_tree(census, kind, convox::cat(path, "/", name), directories_only, depth - 1, st.st_dev);
}

// Everything in these private namespaces but ourselves and what we descend from.
void add_processes(Census& census) {
  std::set<int> ours = {getpid()};
  for (int pid = getpid(); pid > 1;) {
    const std::string stat = read_file(convox::cat("/proc/", pid, "/stat"));
    const std::size_t close = stat.rfind(')');
    if (close == std::string::npos) break;
    pid = atoi(stat.c_str() + close + 4);
    ours.insert(pid);
  }
  for (const std::string& name : names_in("/proc")) {
    const int pid = atoi(name.c_str());
    if (pid <= 0 || ours.contains(pid)) continue;
    const std::string stat = read_file(convox::cat("/proc/", pid, "/stat"));
    const std::size_t close = stat.rfind(')');
    if (close == std::string::npos || stat[close + 2] == 'Z') continue;
    census.insert(convox::cat("process ", pid, " ", stat.substr(stat.find('(') + 1, close - stat.find('(') - 1)));
  }
}

constexpr int kDeep = 20;

// Mounts, links and devices as in every census; groups, processes and files of engines.
Census engine_census() {
  Census census;
  const std::string path = Session::path();
  // Podman mounts its store's directory over itself now and then, and the last user undoes it.
  const std::string own_mount = convox::cat(" ", path, "/store/overlay ", path, "/store/overlay ");
  for (const std::string& line : take_census("/nonexistent"))
    if (!line.starts_with("process ") && !line.starts_with("namespace ") && line.find(own_mount) == line.npos)
      census.insert(line);
  add_processes(census);
  add_tree(census, "group", "/sys/fs/cgroup", true, kDeep);
  for (const std::string& place : {std::string("/run"), std::string("/dev/shm"), path + "/tmp"})
    add_tree(census, "file", place, false, kDeep);
  // (With vfs a layer with other owners is a copy, which stays.)
  for (const std::string& storage : {path + "/store", Session::home() + "/.local/share/containers/storage"})
    for (const char* part : {"/overlay", "/overlay-containers", "/vfs-containers"})
      add_tree(census, "file", storage + part, false, 1);
  // The runtime's compiled filters are for the next container.
  std::erase_if(census, [](const std::string& line) { return line.find("/@seccomp") != line.npos; });
  return census;
}

// Of the run root Podman takes no more than 50 characters.
constexpr const char *kPodmanRun = "/run/podman", *kPodmanTemporary = "/run/libpod";

std::vector<std::string> podman_command() {
  const std::string path = Session::path();
  return {"/usr/bin/podman", "--root",           path + "/store", "--runroot",   kPodmanRun, "--tmpdir",
          kPodmanTemporary,  "--storage-driver", "overlay",       "--log-level", "error"};
}

// As the kernel will judge it: no capability, no group of root's, and an environment of its own.
std::vector<std::string> rootless_command() {
  const std::string id = std::to_string(Session::kUser);
  return {"/usr/bin/setpriv",
          "--reuid=" + id,
          "--regid=" + id,
          "--clear-groups",
          "--inh-caps=-all",
          "/usr/bin/env",
          "-i",
          kPath,
          "HOME=" + Session::home(),
          "XDG_RUNTIME_DIR=" + Session::user_runtime_directory(),
          "TMPDIR=" + Session::path() + "/tmp",
          "TERM=xterm",
          "/usr/bin/podman",
          "--storage-driver",
          "vfs",
          "--log-level",
          "error"};
}

void import_and_run(const Engine& podman) {
  const Ran imported = podman({"import", "--quiet", Session::archive(), "localhost/app"});
  cr_assert(imported.status == 0, "podman import: %s", imported.err.c_str());
  const Ran first = podman({"run", "--rm", "app", "true"});
  cr_assert(first.status == 0, "podman run: %s", first.err.c_str());
}

}  // namespace

std::string Session::path() { return variable(kDirectory); }
std::string Session::tree() { return path() + "/tree"; }
std::string Session::archive() { return path() + "/image.tar"; }
std::string Session::home() { return path() + "/user/home"; }
std::string Session::user_runtime_directory() { return convox::cat("/run/user/", kUser); }
std::string Session::missing() { return variable(kMissing); }
std::string Session::trouble() { return variable(kTrouble); }

std::string Session::runtime() {
  const std::string named = variable("RUNTIME");
  return named.empty() ? Sandbox::build() + "/convox-oci" : named;
}

void Session::begin(const std::vector<std::string>& programs) {
  std::string lacks = convox::test::missing(Root | CgroupV2 | PrivateNamespaces);
  for (const std::string& program : programs)
    if (!installed(program)) lacks += convox::cat(lacks.empty() ? "" : ", ", program, "(1)");
  setenv(kMissing, lacks.c_str(), 1);
  if (!lacks.empty()) return;

  const std::string below = variable("CONVOX_TEST_DIR");
  std::string directory = (below.empty() ? "/var/tmp" : below) + "/convox-engines-XXXXXX";
  std::string trouble;
  if (!mkdtemp(directory.data())) trouble = convox::cat("cannot make ", directory, "\n");
  chmod(directory.c_str(), 0755);
  setenv(kDirectory, directory.c_str(), 1);
  if (trouble.empty() && access(runtime().c_str(), X_OK) != 0)
    trouble = convox::cat("there is no runtime ", runtime(), "\n");
  if (trouble.empty()) trouble = cover_the_machine(directory);
  if (trouble.empty()) trouble = configure(directory);
  if (trouble.empty()) trouble = make_image();
  setenv(kTrouble, trouble.c_str(), 1);
}

// The processes of the session end with the namespace that it lives in; what is mounted below it must not be walked.
void Session::end() {
  if (path().empty()) return;
  for (bool more = true; more;) {
    more = false;
    std::istringstream mounts(read_file("/proc/self/mountinfo"));
    for (std::string line; std::getline(mounts, line);) {
      std::istringstream words(line);
      std::string word;
      for (int field = 0; field < 5; ++field) words >> word;
      if (word.starts_with(path() + "/") && umount2(word.c_str(), MNT_DETACH) == 0) more = true;
    }
  }
  remove_tree(path());
}

Program start_beside_engines(std::vector<std::string> argv, Start how) {
  how.argv = std::move(argv);
  std::vector<std::string> environment = {kPath, "LANG=C.UTF-8", "TERM=xterm", "HOME=" + Session::path() + "/home",
                                          "TMPDIR=" + Session::path() + "/tmp"};
  environment.insert(environment.end(), how.environment.begin(), how.environment.end());
  how.environment = std::move(environment);
  if (how.directory.empty()) how.directory = "/";
  return Program(how);
}

Engine::Engine(std::vector<std::string> command) : command_(std::move(command)) {
  // A null device that an earlier test's container was given is taken back: that test has told of it.
  if (chown("/dev/null", 0, 0) != 0) cr_fatal("cannot take /dev/null back");
  before_ = engine_census();
}

Program Engine::start(std::vector<std::string> arguments, Start how) const {
  arguments.insert(arguments.begin(), command_.begin(), command_.end());
  return start_beside_engines(std::move(arguments), std::move(how));
}
Ran Engine::operator()(std::vector<std::string> arguments, Start how) const {
  return start(std::move(arguments), std::move(how)).wait();
}

std::string Engine::leftovers() const {
  std::string left;
  comes_true([&] { return (left = difference(before_, engine_census())).empty(); });
  return left;
}

Podman::Podman() : Engine(podman_command()) {
  if (first_use("podman", import_and_run)) *this = Podman();
}
RootlessPodman::RootlessPodman() : Engine(rootless_command()) {
  if (first_use("rootless-podman", import_and_run)) *this = RootlessPodman();
}

// What an engine makes at its first use (directories, locks, parent groups) is meant to stay.
bool Engine::first_use(const std::string& name, void (*use)(const Engine& engine)) const {
  const std::string used = convox::cat(Session::path(), "/covers/used-", name);
  if (exists(used)) return false;
  use(*this);
  write_file(used, "");
  comes_true([&] { return difference(before_, engine_census()).find("process") == std::string::npos; });
  return true;
}

std::string trimmed(std::string text) {
  std::erase(text, '\r');
  const std::size_t first = text.find_first_not_of(" \n"), last = text.find_last_not_of(" \n");
  return first == std::string::npos ? "" : text.substr(first, last + 1 - first);
}

int own_seccomp_filters() {
  const std::string status = read_file("/proc/self/status");
  const std::size_t at = status.find("Seccomp_filters:");
  return at == std::string::npos ? 0 : atoi(status.c_str() + at + 16);
}

}  // namespace convox::test
