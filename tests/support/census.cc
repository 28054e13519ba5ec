#include "tests/support/census.h"

#include <dirent.h>
#include <fts.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "runtime/base/cat.h"
#include "tests/support/files.h"

namespace convox::test {
namespace {

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> list;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    list.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return list;
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

std::string link_text(const std::string& path) {
  char text[512];
  const ssize_t size = readlink(path.c_str(), text, sizeof text);
  return size < 0 ? std::string() : std::string(text, static_cast<std::size_t>(size));
}

// Our own namespace's mounts, all of them. If the host's first process lives in another one, also those of its mounts
// that speak of us: a container's mount that propagated out would stand there.
void add_mounts(Census& census, const std::string& state_root) {
  for (const std::string& mount : lines(read_file("/proc/self/mountinfo"))) census.insert(cat("mount ", mount));
  if (link_text("/proc/1/ns/mnt") == link_text("/proc/self/ns/mnt")) return;
  for (const std::string& mount : lines(read_file("/proc/1/mountinfo")))
    if (mount.find(state_root) != std::string::npos || mount.find("convox/") != std::string::npos)
      census.insert(cat("mount of process 1 ", mount));
}

std::vector<int> add_cgroups(Census& census) {
  std::vector<int> members;
  const std::string mount = cgroup2_mount();
  if (mount.empty()) return members;
  std::vector<std::string> open = {"convox"};
  while (!open.empty()) {
    const std::string group = open.back();
    open.pop_back();
    const std::string path = cat(mount, "/", group);
    if (access(path.c_str(), F_OK) != 0) continue;
    census.insert(cat("cgroup ", group));
    for (const std::string& pid : lines(read_file(cat(path, "/cgroup.procs")))) members.push_back(atoi(pid.c_str()));
    for (const std::string& name : names_in(path))
      if (is_directory(cat(path, "/", name))) open.push_back(cat(group, "/", name));
  }
  return members;
}

struct Process {
  int parent = 0;
  char state = '?';
  std::string name;
};

std::map<int, Process> all_processes() {
  std::map<int, Process> all;
  for (const std::string& entry : names_in("/proc")) {
    const int pid = atoi(entry.c_str());
    if (pid <= 0) continue;
    const std::string stat = read_file(cat("/proc/", pid, "/stat"));  // "pid (name) S ppid ...", name may hold anything
    const auto open = stat.find('('), close = stat.rfind(')');
    if (open == std::string::npos || close == std::string::npos) continue;
    all[pid] = {.parent = atoi(stat.c_str() + close + 4),
                .state = stat[close + 2],
                .name = stat.substr(open + 1, close - open - 1)};
  }
  return all;
}

bool descends(const std::map<int, Process>& all, int pid, int from) {
  for (auto at = all.find(pid); at != all.end(); at = all.find(at->second.parent))
    if (at->second.parent == from) return true;
  return false;
}

// A zombie is no leftover: it holds nothing, and its parent, perhaps this process, has yet to ask for its status.
void add_processes(Census& census, const std::vector<int>& members) {
  const auto all = all_processes();
  for (const auto& [pid, process] : all) {
    const bool member = std::find(members.begin(), members.end(), pid) != members.end();
    if (process.state == 'Z' || !(member || descends(all, pid, getpid()))) continue;
    census.insert(cat("process ", pid, " ", process.name));
    for (const std::string& kind : names_in(cat("/proc/", pid, "/ns"))) {
      const std::string theirs = link_text(cat("/proc/", pid, "/ns/", kind));
      if (theirs != link_text(cat("/proc/self/ns/", kind))) census.insert(cat("namespace ", theirs, " of ", pid));
    }
  }
}

void add_files(Census& census, const std::string& root) {
  std::string path = root;
  char* const roots[] = {path.data(), nullptr};
  FTS* walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, nullptr);
  if (!walk) return;
  while (FTSENT* entry = fts_read(walk)) {
    if (entry->fts_info == FTS_DP) continue;
    const std::string name = std::string(entry->fts_path).substr(root.size());
    census.insert(cat("file ", name.empty() ? "/" : name));
    if (name.starts_with("/lib/layers/") && name.ends_with("/fs")) fts_set(walk, entry, FTS_SKIP);
  }
  fts_close(walk);
}

// What a container is lent, it may not change for everyone: an fchown of a standard descriptor that is /dev/null
// reaches the host's own node. (devpts and others of /dev come and go with terminals, so these alone.)
void add_devices(Census& census) {
  for (const char* path :
       {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"}) {
    struct stat st {};
    if (stat(path, &st) < 0) continue;
    census.insert(cat("device ", path, " mode ", st.st_mode & 07777, " owner ", st.st_uid, ":", st.st_gid));
  }
}

}  // namespace

std::string cgroup2_mount() {
  std::string found;  // the last one listed lies on top
  for (const std::string& mount : lines(read_file("/proc/self/mountinfo"))) {
    if (mount.find(" - cgroup2 ") == std::string::npos) continue;
    std::istringstream words(mount);
    std::string word;
    for (int field = 0; field < 5; ++field) words >> word;
    found = word;
  }
  return found;
}

std::multiset<std::string> network_links() {
  std::multiset<std::string> links;
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (!socket) return links;
  std::vector<char> buffer(static_cast<std::size_t>(MNL_SOCKET_BUFFER_SIZE));
  nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = RTM_GETLINK;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = 1;
  static_cast<rtgenmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtgenmsg)))->rtgen_family = AF_UNSPEC;
  const auto keep = [](const nlmsghdr* message, void* into) {
    const auto* link = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    const auto name = [](const nlattr* attribute, void* text) {
      if (mnl_attr_get_type(attribute) == IFLA_IFNAME) *static_cast<std::string*>(text) = mnl_attr_get_str(attribute);
      return MNL_CB_OK;
    };
    std::string text;
    mnl_attr_parse(message, sizeof *link, name, &text);
    static_cast<std::multiset<std::string>*>(into)->insert(cat(link->ifi_index, " ", text));
    return MNL_CB_OK;
  };
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
      mnl_socket_sendto(socket, request, request->nlmsg_len) > 0) {
    for (int more = MNL_CB_OK; more > MNL_CB_STOP;) {
      const ssize_t got = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
      more = got <= 0 ? MNL_CB_ERROR
                      : mnl_cb_run(buffer.data(), static_cast<std::size_t>(got), 1, mnl_socket_get_portid(socket), keep,
                                   &links);
    }
  }
  mnl_socket_close(socket);
  return links;
}

void adopt_orphans() { prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

Census take_census(const std::string& state_root) {
  Census census;
  add_mounts(census, state_root);
  add_processes(census, add_cgroups(census));
  for (const std::string& link : network_links()) census.insert(cat("link ", link));
  add_devices(census);
  add_files(census, state_root);
  for (const char* directory : {"/run", "/var/lib", "/dev/shm"})
    for (const std::string& name : names_in(directory))
      if (name.starts_with("convox")) census.insert(cat("file ", directory, "/", name));
  return census;
}

std::string difference(const Census& before, const Census& after) {
  std::string text;
  const auto list = [&text](const char* sign, const Census& from, const Census& without) {
    std::vector<std::string> rest;
    std::set_difference(from.begin(), from.end(), without.begin(), without.end(), std::back_inserter(rest));
    for (const std::string& line : rest) text += cat(sign, line, "\n");
  };
  list("+ ", after, before);
  list("- ", before, after);
  return text;
}

}  // namespace convox::test
