#include "runtime/oci/id_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include "runtime/base/fs.h"
#include "runtime/base/process.h"
#include "runtime/base/words.h"
#include "runtime/clone.h"

namespace convox::oci {

namespace {

constexpr std::uint32_t kNobody = 65534;

std::string_view word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return cut(rest, ' ');
}

// shadow's, which may map the ranges that /etc/subuid and /etc/subgid give a user.  newuidmap(1)
Result<> map_by_helper(const char* name, int pid, const std::vector<IdMapping>& mappings) {
  Program helper{.path = cat("/usr/bin/", name), .arguments = {name, cat(pid)}, .environment = {}};
  for (const IdMapping& one : mappings)
    for (const auto number : {one.container, one.host, one.size}) helper.arguments.push_back(cat(number));
  const Finished finished = TRY(run_program(helper), name);
  if (finished.status == 0) return ok();
  return invalid(cat(name, ": ", finished.errors.substr(0, finished.errors.find('\n'))));
}

}  // namespace

std::string map_text(const std::vector<IdMapping>& mappings) {
  std::string text;
  for (const IdMapping& one : mappings) text += cat(one.container, " ", one.host, " ", one.size, "\n");
  return text;
}

Result<> write_id_maps(int pid, const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids) {
  const UniqueFd process = TRY(fs::open(cat("/proc/", pid), O_PATH | O_DIRECTORY));
  Result<> written = fs::write_once(process.get(), "uid_map", map_text(uids));
  if (!written && written.error().code == EPERM) written = map_by_helper("newuidmap", pid, uids);
  TRY(std::move(written));
  written = fs::write_once(process.get(), "gid_map", map_text(gids));
  if (written || written.error().code != EPERM) return written;
  if (gids.size() != 1 || gids[0].size != 1) return map_by_helper("newgidmap", pid, gids);
  // Without CAP_SETGID only one's own group can be mapped, and only once nobody inside can drop groups any more.
  TRY(fs::write_once(process.get(), "setgroups", "deny"));
  return fs::write_once(process.get(), "gid_map", map_text(gids));
}

Result<std::uint32_t> root_of_map(int proc, const char* file) {
  const std::string text = TRY(fs::read_once(proc, file));
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = cut(rest, '\n');
    const std::string_view first = word(line);
    const auto host = number(word(line));
    if (first == "0" && host) return static_cast<std::uint32_t>(*host);
  }
  return kNobody;
}

Result<UniqueFd> mapped_user_namespace(const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids) {
  const runtime::Child sleeper = TRY(runtime::start_sleeper(CLONE_NEWUSER));
  Result<> mapped = write_id_maps(sleeper.pid, uids, gids);
  const std::string path = cat("/proc/", sleeper.pid, "/ns/user");
  auto opened = mapped ? fs::open(path, O_RDONLY) : Result<UniqueFd>(std::move(mapped).error());
  sys::pidfd_send_signal(sleeper.pidfd.get(), SIGKILL);
  runtime::reap(sleeper.pidfd);
  return opened;
}

}  // namespace convox::oci
