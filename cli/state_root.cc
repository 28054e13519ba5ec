#include "cli/state_root.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace convox::cli {
namespace {

constexpr std::string_view kOthersCanWrite = "can be written by others than its owner";

Result<std::string> absolute(std::string_view path) {
  if (path.starts_with('/')) return std::string(path);
  char here[4096];
  TRY(check(sys::getcwd(here, sizeof here), "getcwd", ""));
  return cat(std::string_view(here), "/", path);
}

Result<std::string> trusted(std::string_view path) {
  std::string made = TRY(absolute(path));
  TRY(check_trusted_directory(made));
  return made;
}

}  // namespace

Result<> check_trusted_directory(const std::string& path) {
  std::string at = path;
  struct stat st {};
  long found = 0;
  while ((found = sys::newfstatat(AT_FDCWD, at.c_str(), &st, 0)) == -ENOENT && at.size() > 1)
    at.erase(std::max<std::size_t>(at.rfind('/'), 1));
  if (found < 0) return os_error("stat", at, Errno(found));
  if (!S_ISDIR(st.st_mode)) return invalid(cat(at, " is not a directory"));
  if (st.st_uid != 0 && st.st_uid != ::getuid())
    return invalid(cat(at, " belongs to user ", st.st_uid, ", who is neither root nor you"));
  if (st.st_mode & (S_IWGRP | S_IWOTH))
    return invalid(cat(at, " ", kOthersCanWrite)).advise(at == path ? "" : cat("make ", path, " first: mkdir -m 700"));
  return ok();
}

Result<StateRoot> find_state_root(const StateRootWishes& wishes) {
  const auto variable = [&](const char* name) -> std::optional<std::string> {
    const char* value = wishes.environment ? wishes.environment(name) : nullptr;
    return value && *value ? std::optional<std::string>(value) : std::nullopt;
  };
  StateRoot made;
  if (wishes.root)
    made.root = TRY(trusted(*wishes.root), "--root");
  else if (wishes.state_root)
    made.root = TRY(trusted(cat(*wishes.state_root, "/lib")), "--state-root");
  else if (const auto root = variable("CONVOX_ROOT"))
    made.root = TRY(trusted(*root), "CONVOX_ROOT");
  if (wishes.state_root)
    made.run = TRY(trusted(cat(*wishes.state_root, "/run")), "--state-root");
  else if (const auto run = variable("CONVOX_RUN"))
    made.run = TRY(trusted(*run), "CONVOX_RUN");
  return made;
}

}  // namespace convox::cli
