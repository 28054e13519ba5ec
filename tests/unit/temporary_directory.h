// A directory below $TMPDIR that is gone with its test.
#pragma once
#include <fcntl.h>

#include <cstdlib>
#include <string>

#include "runtime/base/fs.h"

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* parent = std::getenv("TMPDIR");
    path_ = convox::cat(parent ? parent : "/tmp", "/convox-unit-XXXXXX");
    if (!::mkdtemp(path_.data())) std::abort();
    directory_ = convox::UniqueFd(convox::sys::openat(AT_FDCWD, path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~TemporaryDirectory() {
    const std::size_t slash = path_.rfind('/');
    const auto parent = convox::fs::open(path_.substr(0, slash), O_RDONLY | O_DIRECTORY);
    if (parent) static_cast<void>(convox::fs::remove_tree(parent->get(), path_.substr(slash + 1)));
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  int fd() const { return directory_.get(); }

 private:
  std::string path_;
  convox::UniqueFd directory_;
};
