#include "runtime/oci/resctrl.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "runtime/base/fs.h"

namespace convox::oci {
namespace {

constexpr const char* kPath = "/sys/fs/resctrl";
constexpr std::size_t kLargest = 1 << 20;  // of schemata and tasks

// The directory of the class, below the root; "." is the root's own class, closID "/".
Result<std::string> class_of(const IntelRdt& rdt, const std::string& id) {
  const std::string& name = rdt.clos_id ? *rdt.clos_id : id;
  if (rdt.clos_id && name == "/") return std::string(".");
  if (!fs::is_component(name)) return invalid(cat("linux.intelRdt.closID: '", name, "' is no name of a directory"));
  return name;
}

std::string monitor_of(const std::string& group, const std::string& id) { return cat(group, "/mon_groups/", id); }

Result<bool> is_there(int resctrl, const std::string& path) {
  const long result = sys::faccessat2(resctrl, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW);
  if (result == -ENOENT) return false;
  TRY(convox::check(result, "access", cat(kPath, '/', path)));
  return true;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t"), end = text.find_last_not_of(" \t");
  return from == std::string_view::npos ? std::string_view() : text.substr(from, end - from + 1);
}

// Takes what is before `mark` off the front of `text`, without the mark.
std::string_view next(std::string_view& text, char mark) {
  const std::size_t at = std::min(text.find(mark), text.size());
  const std::string_view piece = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return piece;
}

// "  L3:0=00f;1=ff" as {("L3", "0"): "f", ("L3", "1"): "ff"}: the kernel pads with spaces and zeros.
using Shares = std::map<std::pair<std::string, std::string>, std::string>;
Shares shares(std::string_view schemata) {
  Shares found;
  while (!schemata.empty()) {
    std::string_view line = next(schemata, '\n');
    const std::string resource(trimmed(next(line, ':')));
    while (!line.empty()) {
      std::string_view share = next(line, ';');
      const std::string domain(trimmed(next(share, '=')));
      std::string_view value = trimmed(share);
      value.remove_prefix(std::min(value.find_first_not_of('0'), value.size()));
      std::string& kept = found[{resource, domain}];
      kept = value;
      std::ranges::transform(kept, kept.begin(), [](char c) { return c >= 'A' && c <= 'F' ? char(c - 'A' + 'a') : c; });
    }
  }
  return found;
}

// One write(2) is one request: all lines of schemata or none, one process. O_CREAT is for a plain directory that plays
// the file system in a test; the kernel's has its files when it has the directory, and makes no others.
Result<> write(int resctrl, const std::string& path, std::string_view value) {
  const UniqueFd file(TRY(convox::check(
      sys::openat(resctrl, path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600), "open", path)));
  TRY(convox::check(sys::write(file.get(), value.data(), value.size()), "write", cat(path, " = ", value)));
  return ok();
}

// What was wrong with schemata stands in a file, in words.
Result<> write_schemata(int resctrl, const std::string& group, const std::string& schemata) {
  Result<> written = write(resctrl, cat(group, "/schemata"), schemata);
  if (written) return ok();
  const Result<std::string> status = fs::read_once(resctrl, "info/last_cmd_status");
  Error error = std::move(written).error().under("linux.intelRdt");
  if (status && !(*status).empty() && *status != "ok\n")
    error.text += cat(": ", (*status).substr(0, (*status).find('\n')));
  return error;
}

Result<> compare_schemata(int resctrl, const std::string& group, const std::string& schemata) {
  const Shares are = shares(TRY(fs::read(resctrl, cat(group, "/schemata"), kLargest), "linux.intelRdt"));
  for (const auto& [what, wanted] : shares(schemata)) {
    const auto found = are.find(what);
    if (found == are.end() || found->second != wanted)
      return invalid(cat("linux.intelRdt: the class '", group == "." ? "/" : group, "' exists with ", what.first, ':',
                         what.second, '=', found == are.end() ? "nothing" : found->second, ", not ", wanted));
  }
  return ok();
}

// A directory that is not empty: on the real file system the kernel removes all below it, files and groups.
Result<> remove(int resctrl, const std::string& path) {
  const long result = sys::unlinkat(resctrl, path.c_str(), AT_REMOVEDIR);
  if (result == -ENOENT) return ok();
  TRY(convox::check(result, "rmdir", cat(kPath, '/', path)));
  return ok();
}

}  // namespace

Result<UniqueFd> open_resctrl() {
  UniqueFd root = TRY(fs::open(kPath, O_RDONLY | O_DIRECTORY), "linux.intelRdt");
  struct statfs what {};
  TRY(convox::check(sys::fstatfs(root.get(), &what), "fstatfs", kPath));
  if (what.f_type != RDTGROUP_SUPER_MAGIC)
    return invalid(cat("linux.intelRdt: the resctrl file system is not mounted on ", kPath));
  return root;
}

Result<std::string> resctrl_to_make(int resctrl, const IntelRdt& rdt, const std::string& id) {
  const std::string group = TRY(class_of(rdt, id));
  const bool exists = TRY(is_there(resctrl, group));
  if (!rdt.clos_id && exists) return invalid(cat("linux.intelRdt: there is a class '", id, "' already"));
  if (rdt.clos_id && rdt.schemata.empty() && !exists)
    return not_found(cat("linux.intelRdt: there is no class '", group, "', and no schema to make it with"));
  if (!exists) return group;
  return rdt.monitoring ? monitor_of(group, id) : std::string();
}

Result<> join_resctrl(int resctrl, const IntelRdt& rdt, const std::string& id, int pid) {
  const std::string group = TRY(class_of(rdt, id)), monitor = monitor_of(group, id);
  const std::string made = TRY(resctrl_to_make(resctrl, rdt, id));
  if (made == group) TRY(convox::check(sys::mkdirat(resctrl, group.c_str(), 0755), "mkdir", cat(kPath, '/', group)));
  std::string schemata;
  for (const std::string& lines : rdt.schemata) schemata += cat(lines, lines.ends_with('\n') ? "" : "\n");
  if (!schemata.empty()) {
    const auto apply = made == group ? write_schemata : compare_schemata;
    TRY(apply(resctrl, group, schemata));
  }
  TRY(write(resctrl, cat(group, "/tasks"), cat(pid)), "linux.intelRdt");
  if (!rdt.monitoring) return ok();
  TRY(convox::check(sys::mkdirat(resctrl, monitor.c_str(), 0755), "mkdir", cat(kPath, '/', monitor)));
  TRY(write(resctrl, cat(monitor, "/tasks"), cat(pid)), "linux.intelRdt");
  return ok();
}

Result<> leave_resctrl(int resctrl, const std::string& made) {
  if (made.empty() || !TRY(is_there(resctrl, made))) return ok();
  const Result<std::string> tasks = fs::read(resctrl, cat(made, "/tasks"), kLargest);
  if (tasks && !(*tasks).empty()) return ok();
  return remove(resctrl, made);
}

}  // namespace convox::oci
