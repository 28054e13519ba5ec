#include "tests/oci/support/container.h"

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <poll.h>
#include <rapidjson/document.h>
#include <rapidjson/pointer.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "runtime/base/cat.h"
#include "tests/support/sandbox.h"

namespace convox::test {
namespace {

constexpr const char* kConfig = R"({
  "ociVersion": "1.0.2",
  "process": {
    "terminal": false,
    "user": {"uid": 0, "gid": 0},
    "args": ["/bin/true"],
    "env": ["PATH=/sbin:/bin", "TERM=xterm"],
    "cwd": "/",
    "capabilities": {"bounding": CAPS, "effective": CAPS, "permitted": CAPS},
    "noNewPrivileges": true
  },
  "root": {"path": "rootfs"},
  "hostname": "box",
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
     "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=8m"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}
  ],
  "linux": {
    "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}]
  }
})";
constexpr const char* kCapabilities =
    R"(["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD","CAP_NET_RAW","CAP_SETGID","CAP_SETUID",)"
    R"("CAP_SETFCAP","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"])";
constexpr const char* kApplets[] = {"sh",    "cat",   "echo",    "true",     "false", "sleep",  "id",       "ls",
                                    "stat",  "grep",  "env",     "pwd",      "ps",    "mount",  "kill",     "mkdir",
                                    "rm",    "touch", "ln",      "mknod",    "dd",    "head",   "wc",       "readlink",
                                    "tty",   "stty",  "test",    "chmod",    "chown", "umount", "hostname", "printf",
                                    "cp",    "umask", "dirname", "tr",       "sort",  "find",   "setsid",   "mv",
                                    "rmdir", "nc",    "ulimit",  "printenv", "ip",    "seq",    "cut",      "date"};

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

std::string text_of(const rapidjson::Document& document) {
  rapidjson::StringBuffer text;
  rapidjson::Writer<rapidjson::StringBuffer> writer(text);
  document.Accept(writer);
  return {text.GetString(), text.GetSize()};
}

void parse(rapidjson::Document& document, const std::string& json) {
  if (document.Parse(json.c_str(), json.size()).HasParseError())
    cr_fatal("the harness was given what is no JSON: %s", json.c_str());
}

void copy_file(const std::string& from, const std::string& to) {
  const int in = open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  struct stat st {};
  if (in < 0 || out < 0 || fstat(in, &st) < 0) cr_fatal("the harness cannot copy %s to %s", from.c_str(), to.c_str());
  for (off_t left = st.st_size; left > 0;) {
    const ssize_t put = sendfile(out, in, nullptr, static_cast<std::size_t>(left));
    if (put <= 0) cr_fatal("the harness cannot copy %s: %s", from.c_str(), strerror(errno));
    left -= put;
  }
  fchmod(out, 0755);
  close(in);
  close(out);
}

template <class Visit>
void walk(const std::string& tree, Visit visit) {
  std::string root = tree;
  char* const roots[] = {root.data(), nullptr};
  FTS* open = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, nullptr);
  if (!open) return;
  while (const FTSENT* entry = fts_read(open)) visit(*entry);
  fts_close(open);
}

// Whether a process of the test runner's own, which was not made by the runtime.
void unmount_below(const std::string& tree) {
  for (;;) {
    std::string last;
    std::istringstream mounts(read_file("/proc/self/mountinfo"));
    for (std::string line; std::getline(mounts, line);) {
      std::istringstream words(line);
      std::string word;
      for (int field = 0; field < 5; ++field) words >> word;
      if (word.starts_with(tree + "/")) last = word;
    }
    if (last.empty() || umount2(last.c_str(), MNT_DETACH) < 0) return;
  }
}

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) +
         (!text.empty() && text.back() != '\n' ? 1 : 0);
}

}  // namespace

Container::Container() {
  adopt_orphans();
  const char* below = getenv("CONVOX_TEST_DIR");
  path_ = cat(below ? below : "/var/tmp", "/oci-XXXXXX");
  if (!mkdtemp(path_.data())) cr_fatal("the harness cannot make %s", path_.c_str());
  chmod(path_.c_str(), 0755);
  id_ = cat("oci-", getpid(), "-", path_.substr(path_.size() - 6));
  config_ = replaced(kConfig, "CAPS", kCapabilities);
  set("/linux/cgroupsPath", quoted("/" + id_));
  for (const char* name : {"bin", "proc", "sys", "dev", "tmp", "etc", "root", "mnt"})
    make_directories(cat(rootfs(), "/", name));
  chmod((rootfs() + "/tmp").c_str(), 01777);
  copy_file("/usr/bin/busybox", rootfs() + "/bin/busybox");
  for (const char* applet : kApplets) make_link("busybox", cat(rootfs(), "/bin/", applet));
  copy_file(Sandbox::build() + "/tests/testbox", rootfs() + "/testbox");
  write_file(rootfs() + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n");
  write_file(rootfs() + "/etc/group", "root:x:0:\nuser:x:1000:\n");
  write_file(path_ + "/in", "");
  make_directories(root());
  before_ = census();
}

Container::~Container() {
  // First the processes: a pid namespace does not end before its last zombie is reaped, and exec's orphans are ours.
  const int kill_file = open((cgroup() + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC);
  if (kill_file >= 0 && write(kill_file, "1", 1) == 1)
    comes_true([this] {
      while (waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      return limit("cgroup.events").find("populated 1") == std::string::npos;
    });
  if (kill_file >= 0) close(kill_file);
  for (DIR* list = opendir(root().c_str()); list;) {
    const dirent* entry = readdir(list);
    if (!entry) {
      closedir(list);
      break;
    }
    if (entry->d_name[0] != '.') bare({"delete", "--force", entry->d_name});
  }
  // What a broken runtime left must not be met by the next test.
  walk(cgroup(), [](const FTSENT& entry) {
    if (entry.fts_info == FTS_DP) rmdir(entry.fts_accpath);
  });
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  unmount_below(path_);
  remove_tree(path_);
}

void Container::set(const std::string& pointer, const std::string& json) {
  rapidjson::Document document, value;
  parse(document, config_);
  parse(value, json);
  rapidjson::Pointer(pointer.c_str()).Set(document, value);
  config_ = text_of(document);
}

void Container::erase(const std::string& pointer) {
  rapidjson::Document document;
  parse(document, config_);
  if (!rapidjson::Pointer(pointer.c_str()).Erase(document)) cr_fatal("the config has no %s", pointer.c_str());
  config_ = text_of(document);
}

void Container::args(const Words& words) {
  std::string list;
  for (const std::string& word : words) list += cat(list.empty() ? "" : ",", quoted(word));
  set("/process/args", cat("[", list, "]"));
}

void Container::testbox(Words words) {
  words.insert(words.begin(), "/testbox");
  args(words);
}

void Container::namespace_of(const std::string& type, const std::string& path) {
  rapidjson::Document document;
  parse(document, config_);
  auto& list = document["linux"]["namespaces"];
  for (auto one = list.Begin(); one != list.End();) one = (*one)["type"] == type.c_str() ? list.Erase(one) : one + 1;
  config_ = text_of(document);
  if (!path.empty()) set("/linux/namespaces/-", cat(R"({"type":)", quoted(type), R"(,"path":)", quoted(path), "}"));
}

void Container::user_namespace(unsigned first) {
  const std::string map = cat(R"([{"containerID":0,"hostID":)", first, R"(,"size":65536}])");
  set("/linux/namespaces/-", R"({"type":"user"})");
  set("/linux/uidMappings", map);
  set("/linux/gidMappings", map);
  walk(rootfs(), [first](const FTSENT& entry) {
    if (entry.fts_info != FTS_DP && lchown(entry.fts_accpath, first, first) < 0)
      cr_fatal("the harness cannot give away %s", entry.fts_accpath);
  });
}

void Container::write_config() { write_file(bundle() + "/config.json", config_); }

Words Container::words_for(Words words) const {
  Words all = {runtime_path(), "--root", root(), "--log", path_ + "/log", "--log-format", "json"};
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

namespace {
Start with_environment(Start how) {
  how.environment.insert(how.environment.begin(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
  how.environment.insert(how.environment.begin(), "ASAN_OPTIONS=detect_leaks=0");
  return how;
}
}  // namespace

Program Container::start_call(Words words, Start how) {
  unlink((path_ + "/log").c_str());
  how = with_environment(std::move(how));
  const Words rest = words_for(std::move(words));
  how.argv.insert(how.argv.end(), rest.begin(), rest.end());
  if (how.directory.empty()) how.directory = bundle();
  return Program(how);
}

Ran Container::call(Words words, Start how) {
  Ran ran = start_call(words, std::move(how)).wait();
  hold_to_contract(words, ran);
  return ran;
}

Ran Container::bare(Words words, Start how) {
  how = with_environment(std::move(how));
  how.argv = {runtime_path(), "--root", root()};
  how.argv.insert(how.argv.end(), words.begin(), words.end());
  if (how.directory.empty()) how.directory = bundle();
  return Program(how).wait();
}

// Rules 1 and 2: whoever parses the log, or both outputs as one, must find what belongs there and nothing else.
void Container::hold_to_contract(const Words& words, const Ran& ran) {
  if (!is_convox()) return;
  const bool foreground = words[0] == "run" || words[0] == "exec";
  if (foreground && std::find(words.begin(), words.end(), "--detach") == words.end()) return;
  if (ran.status == 0) {
    cr_expect(ran.err.empty(), "%s succeeds and says on stderr: %s", words[0].c_str(), ran.err.c_str());
    cr_expect(log().empty(), "%s succeeds and logs: %s", words[0].c_str(), log().c_str());
  } else {
    cr_expect(lines_in(ran.err) == 1, "%s fails with not one line on stderr: %s", words[0].c_str(), ran.err.c_str());
    cr_expect(at(log(), "/level") == "error", "%s fails with no single error object in the log: %s", words[0].c_str(),
              log().c_str());
  }
}

Ran Container::run(Words flags, Start how) {
  write_config();
  Words words = {"run"};
  words.insert(words.end(), flags.begin(), flags.end());
  words.insert(words.end(), {"--bundle", bundle(), id_});
  return call(words, std::move(how));
}

Program Container::start_detached(const std::string& verb, const Words& flags, Start how) {
  write_config();
  unlink((path_ + "/log").c_str());
  how = with_environment(std::move(how));
  Words argv = {"/bin/sh", "-c", "exec \"$@\" <../in >>../out 2>>../err", "sh"};
  argv.insert(argv.end(), how.argv.begin(), how.argv.end());
  Words words = {verb, "--bundle", bundle()};
  words.insert(words.end(), flags.begin(), flags.end());
  words.push_back(id_);
  const Words rest = words_for(words);
  argv.insert(argv.end(), rest.begin(), rest.end());
  how.argv = std::move(argv);
  how.directory = bundle();
  return Program(how);
}

Ran Container::detached(const std::string& verb, const Words& flags, Start how) {
  // What it says itself comes into the same file as what the container will say.
  const std::size_t before = err().size();
  Ran ran = start_detached(verb, flags, std::move(how)).wait();
  ran.err += err().substr(before);
  Words words = {verb};
  words.insert(words.end(), flags.begin(), flags.end());
  hold_to_contract(words, ran);
  return ran;
}

Ran Container::launch(Words flags) {
  Ran ran = create(std::move(flags));
  return ran.status == 0 ? start() : ran;
}

Ran Container::exec(Words command, Words flags, Start how) {
  Words words = {"exec"};
  words.insert(words.end(), flags.begin(), flags.end());
  words.push_back(id_);
  words.insert(words.end(), command.begin(), command.end());
  return call(words, std::move(how));
}

Ran Container::exec_process(const std::string& json, Words flags, Start how) {
  write_file(path_ + "/process.json", json);
  flags.insert(flags.end(), {"--process", path_ + "/process.json"});
  return exec({}, std::move(flags), std::move(how));
}

std::string Container::status() {
  const Ran ran = bare({"state", id_});
  return ran.status == 0 ? at(ran.out, "/status") : "absent";
}

int Container::pid() {
  const std::string text = at(bare({"state", id_}).out, "/pid");
  return atoi(text.c_str());
}

int Container::reap(int pid) {
  int status = 0;
  const bool ended = pid > 0 && comes_true([&] { return waitpid(pid, &status, WNOHANG) != 0; });
  if (!ended) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Container::says(const std::string& text) {
  return comes_true([&] { return out().find(text) != std::string::npos; });
}

bool Container::stops() {
  return comes_true([&] {
    const std::string now = status();
    return now == "stopped" || now == "absent";
  });
}

std::string Container::limit(const std::string& file) const {
  const std::string path = cat(cgroup(), "/", file);
  if (!exists(path)) return "absent";
  std::string text = read_file(path);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

Census Container::census() const {
  Census all = take_census(root());
  walk("/sys/fs/cgroup", [&all](const FTSENT& entry) {
    if (entry.fts_info == FTS_D) all.insert(cat("cgroup ", entry.fts_path));
  });
  // crun keeps caches beside its containers; what stands in /dev is every program's.
  std::erase_if(all,
                [](const std::string& line) { return line.starts_with("file /.") || line.starts_with("device "); });
  return all;
}

std::string Container::leftovers() const { return difference(before_, census()); }

std::string fact(const std::string& lines, const std::string& key) {
  std::istringstream text(lines);
  for (std::string line; std::getline(text, line);)
    if (line.starts_with(key + "=")) return line.substr(key.size() + 1);
  return "absent";
}

bool has_line(const std::string& lines, const std::string& line) {
  return ("\n" + lines + "\n").find("\n" + line + "\n") != std::string::npos ||
         ("\n" + lines + "\n").find("\n" + line + "\r\n") != std::string::npos;
}

std::string not_refused(const Ran& ran, const std::string& words) {
  const bool failed = ran.status != 0 && ran.status != kTimedOut, exact = !is_convox() || ran.status == 1;
  const bool says_so = !is_convox() || strcasestr(ran.err.c_str(), words.c_str());
  if (failed && exact && says_so) return {};
  return cat("status ", ran.status, ", stderr: ", ran.err,
             says_so ? "" : "\nwithout the words: ", says_so ? "" : words);
}

ConsoleSocket::ConsoleSocket(const std::string& path) {
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
  strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&name), sizeof name) < 0 || listen(listener_, 8) < 0)
    cr_fatal("the harness cannot listen on %s: %s", path.c_str(), strerror(errno));
}

ConsoleSocket::~ConsoleSocket() { close(listener_); }

int ConsoleSocket::receive(std::string* payload) {
  pollfd ready{.fd = listener_, .events = POLLIN, .revents = 0};
  if (poll(&ready, 1, 10'000) != 1) return -1;
  const int peer = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  char text[8192], control[CMSG_SPACE(sizeof(int) * 4)];
  iovec piece{.iov_base = text, .iov_len = sizeof text};
  msghdr message{};
  message.msg_iov = &piece, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof control;
  int received = -1;
  ready.fd = peer;
  if (poll(&ready, 1, 10'000) == 1) {
    const ssize_t got = recvmsg(peer, &message, MSG_CMSG_CLOEXEC);
    if (got > 0 && payload) payload->assign(text, static_cast<std::size_t>(got));
    const cmsghdr* header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
    if (header && header->cmsg_type == SCM_RIGHTS) memcpy(&received, CMSG_DATA(header), sizeof received);
    // The rest of a message that is longer than one read (a seccomp listener's JSON).
    while (payload && got > 0 && poll(&ready, 1, 1'000) == 1) {
      const ssize_t more = read(peer, text, sizeof text);
      if (more <= 0) break;
      payload->append(text, static_cast<std::size_t>(more));
    }
  }
  close(peer);
  return received;
}

std::string read_until(int fd, const std::string& text) {
  std::string all;
  for (int moment = 0; moment < 100 && all.find(text) == std::string::npos; ++moment) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, 100) != 1) continue;
    char buffer[4096];
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0) break;
    all.append(buffer, static_cast<std::size_t>(got));
  }
  return all;
}

void make_link(const std::string& target, const std::string& path) {
  if (symlink(target.c_str(), path.c_str()) < 0) cr_fatal("the harness cannot link %s", path.c_str());
}

std::string link_text(const std::string& path) {
  char text[4096];
  const ssize_t size = readlink(path.c_str(), text, sizeof text);
  return size < 0 ? std::string() : std::string(text, static_cast<std::size_t>(size));
}

Neighbour::Neighbour(Words flags, const std::string& kind) : kind_(kind) {
  flags.insert(flags.begin(), "/usr/bin/unshare");
  flags.insert(flags.end(), {"sleep", "1000"});
  program_ = std::make_unique<Program>(
      Start{.argv = flags, .environment = {"PATH=/usr/bin:/bin"}, .limit = std::chrono::seconds(60)});
  // unshare(1) has executed its command when the namespaces are made.
  if (!comes_true([this] { return read_file(cat("/proc/", pid(), "/comm")) == "sleep\n"; }))
    cr_fatal("unshare(1) made no namespace");
}

std::string Neighbour::path() const { return cat("/proc/", pid(), "/ns/", kind_); }
std::string Neighbour::link() const { return link_text(path()); }

}  // namespace convox::test
