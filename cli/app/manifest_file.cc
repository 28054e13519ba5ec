#include "cli/app/manifest_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "cli/app/manifest_yaml.h"
#include "runtime/base/fs.h"

namespace convox::app {
namespace {

constexpr const char* kName = "convox.yml";

// Root, the caller, and the user who called us through sudo.
bool is_trusted(unsigned uid) {
  if (uid == 0 || uid == ::getuid()) return true;
  const char* text = std::getenv("SUDO_UID");
  unsigned sudo = 0;
  if (!text || ::getuid() != 0) return false;
  const char* end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, sudo);
  return error == std::errc() && at == end && uid == sudo;
}

// Could somebody else have put this here?
Result<> check_owner(int fd, const std::string& what) {
  struct stat st {};
  TRY(check(sys::newfstatat(fd, "", &st, AT_EMPTY_PATH), "stat", what));
  if (st.st_mode & S_IWOTH)  // the sticky bit is no excuse: anybody can put a link to a file of ours into /tmp
    return invalid(cat(what, " can be written by everybody")).advise("name it with -m to use it all the same");
  if (!is_trusted(st.st_uid))
    return invalid(cat(what, " belongs to user ", st.st_uid, ", who is neither root nor you"))
        .advise("name it with -m to use it all the same");
  return ok();
}

}  // namespace

Result<ManifestFile> read_manifest_file(std::optional<std::string_view> named) {
  ManifestFile file;
  file.path = named ? *named : kName;
  if (!named) {
    const UniqueFd here = TRY(fs::open(".", O_PATH | O_DIRECTORY));
    TRY(check_owner(here.get(), "the current directory"));
  }
  // In the directory checked above, so a link's owner need not be: only its target's. O_NONBLOCK: no waiting for the
  // writer of a fifo that happens to have the name; one that -m names is meant.
  auto opened = fs::open(file.path, O_RDONLY | (named ? 0 : O_NONBLOCK));
  if (!opened) {
    if (opened.error().code != ENOENT) return std::move(opened).error();
    return not_found(cat("no such file: ", file.path))
        .advise(named ? "" : "go to the app's directory, or name it with -m");
  }
  if (!named) TRY(check_owner(opened->get(), kName));
  file.text = TRY(fs::read_all(opened->get(), file.path, kYamlBytes));
  return file;
}

}  // namespace convox::app
