#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

namespace convox::test {

std::string read_file(const std::string& path) {
  std::string content;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return content;
  char buffer[65536];
  for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;) content.append(buffer, static_cast<std::size_t>(got));
  close(fd);
  return content;
}

void write_file(const std::string& path, std::string_view content, unsigned mode) {
  make_directories(path.substr(0, path.rfind('/')));
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  const bool written = fd >= 0 && write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  if (!written) cr_fatal("the harness cannot write %s: %s", path.c_str(), strerror(errno));
  fchmod(fd, mode);  // whatever the umask
  close(fd);
}

void make_directories(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    mkdir(path.substr(0, at).c_str(), 0755);
  mkdir(path.c_str(), 0755);
}

bool is_directory(const std::string& path) {
  struct stat st {};
  return lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

bool exists(const std::string& path) {
  struct stat st {};
  return lstat(path.c_str(), &st) == 0;
}

void remove_tree(const std::string& path) {
  std::string root = path;
  char* const roots[] = {root.data(), nullptr};
  FTS* walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, nullptr);
  if (!walk) return;
  while (const FTSENT* entry = fts_read(walk)) {
    if (entry->fts_info == FTS_D) continue;  // again after its content, as FTS_DP
    if (entry->fts_info == FTS_DP || entry->fts_info == FTS_DNR) {
      rmdir(entry->fts_accpath);
    } else {
      unlink(entry->fts_accpath);
    }
  }
  fts_close(walk);
}

}  // namespace convox::test
