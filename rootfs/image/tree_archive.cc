#include "rootfs/image/tree_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <vector>

#include "rootfs/image/interrupt.h"
#include "rootfs/image/lower.h"
#include "runtime/base/fs.h"

namespace convox::rootfs {
namespace {

constexpr std::size_t kDepth = 1024;

// libarchive writes into `pending_`; read() gives that out and, when it is empty, takes the next step of the walk.
class TreeArchive final : public Stream {
 public:
  explicit TreeArchive(std::string name) : name_(std::move(name)), archive_(archive_write_new()) {}
  ~TreeArchive() override {
    archive_write_fail(archive_);  // else free would write the rest of a file that we stopped in, as zeros
    archive_write_free(archive_);
  }

  Result<> begin(UniqueFd root) {
    archive_write_set_format_pax_restricted(archive_);
    archive_write_set_option(archive_, nullptr, "xattrheader", "SCHILY");
    archive_write_set_bytes_per_block(archive_,
                                      0);  // no padding to records: the callback gets each piece as it is made
    TRY(check_archive(archive_write_open(archive_, this, nullptr, on_write, nullptr)));
    struct stat status {};
    TRY(check(sys::newfstatat(root.get(), "", &status, AT_EMPTY_PATH), "stat", name_));
    device_ = status.st_dev;
    TRY(header(root.get(), ".", status, {}));
    return enter(std::move(root), "");
  }

  Result<std::size_t> read(char* into, std::size_t size) override {
    if (interrupted()) return invalid("interrupted");
    while (given_ == pending_.size() && !closed_) {
      pending_.clear();
      given_ = 0;
      TRY(step(), name_);
    }
    const std::size_t some = std::min(size, pending_.size() - given_);
    std::copy_n(pending_.data() + given_, some, into);
    given_ += some;
    return some;
  }

 private:
  struct Directory {
    UniqueFd fd;
    std::string path;  // with a slash at its end, or empty
    std::vector<std::string> names;
    std::size_t next = 0;
  };
  struct File {
    UniqueFd fd;
    std::string path;
    std::uint64_t left;
  };

  static long on_write(archive*, void* self, const void* bytes, std::size_t size) {
    static_cast<TreeArchive*>(self)->pending_.append(static_cast<const char*>(bytes), size);
    return static_cast<long>(size);
  }

  Result<> check_archive(long code) {
    // A name that is not ASCII cannot be converted in the C locale and is kept as it is, as in tar_reader.cc.
    if (code >= ARCHIVE_OK || (code == ARCHIVE_WARN && archive_errno(archive_) == EILSEQ)) return ok();
    const char* text = archive_error_string(archive_);
    return invalid(cat("writing tar: ", text ? text : "unknown error"));
  }

  Result<> step() {
    if (file_) return content();
    if (way_.empty()) {
      closed_ = true;
      return check_archive(archive_write_close(archive_));
    }
    Directory& directory = way_.back();
    if (directory.next == directory.names.size()) {
      way_.pop_back();
      return ok();
    }
    const std::string name = directory.names[directory.next++];
    return visit(directory.fd.get(), name, cat(directory.path, name));
  }

  Result<> content() {
    char buffer[65536];
    const long got = sys::read(file_->fd.get(), buffer, std::min<std::uint64_t>(sizeof buffer, file_->left));
    TRY(check(got, "read", file_->path));
    if (got == 0) return invalid(cat(file_->path, ": became shorter while it was read"));
    TRY(check_archive(archive_write_data(archive_, buffer, static_cast<std::size_t>(got))));
    file_->left -= static_cast<std::uint64_t>(got);
    if (file_->left == 0) file_.reset();
    return ok();
  }

  Result<> enter(UniqueFd fd, std::string path) {
    if (way_.size() >= kDepth) return invalid(cat(path, ": deeper than ", kDepth, " directories"));
    std::vector<std::string> names = TRY(fs::list(fd.get()), path);
    way_.push_back({std::move(fd), std::move(path), std::move(names), 0});
    return ok();
  }

  Result<> visit(int dir, const std::string& name, const std::string& path) {
    struct stat status {};
    TRY(check(sys::newfstatat(dir, name.c_str(), &status, AT_SYMLINK_NOFOLLOW), "stat", path));
    const bool directory = S_ISDIR(status.st_mode), regular = S_ISREG(status.st_mode);
    if (S_ISSOCK(status.st_mode)) return ok();
    if (S_ISLNK(status.st_mode)) {
      std::string target(4096, '\0');
      const long size = TRY(check(sys::readlinkat(dir, name.c_str(), target.data(), target.size()), "readlink", path));
      target.resize(static_cast<std::size_t>(size));
      return header(-1, path, status, target);
    }
    if (!directory && !regular) return header(-1, path, status, {});
    // Between the stat and this the name may have come to mean something else: then the types differ, and we stop.
    UniqueFd fd(
        TRY(check(sys::openat(dir, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), "open", path)));
    TRY(check(sys::newfstatat(fd.get(), "", &status, AT_EMPTY_PATH), "stat", path));
    if (directory != S_ISDIR(status.st_mode) || regular != S_ISREG(status.st_mode))
      return invalid(cat(path, ": changed while it was read"));
    if (regular && status.st_nlink > 1) {
      const auto [first, is_first] = links_.emplace(std::pair(status.st_dev, status.st_ino), path);
      if (!is_first) return hard_link(path, status, first->second);
    }
    TRY(header(fd.get(), path, status, {}));
    if (directory) return status.st_dev == device_ ? enter(std::move(fd), cat(path, '/')) : ok();
    if (status.st_size > 0) file_ = File{std::move(fd), path, static_cast<std::uint64_t>(status.st_size)};
    return ok();
  }

  // `fd` is -1 for what cannot be opened: it has no attributes that we keep.
  Result<> header(int fd, const std::string& path, const struct stat& status, const std::string& target) {
    const auto entry = new_entry(path, status);
    if (!target.empty()) archive_entry_set_symlink(entry.get(), target.c_str());
    if (S_ISREG(status.st_mode)) archive_entry_set_size(entry.get(), status.st_size);
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) archive_entry_set_rdev(entry.get(), status.st_rdev);
    if (fd >= 0)
      for (const auto& [name, value] : TRY(attributes_of(fd), path).xattrs)
        archive_entry_xattr_add_entry(entry.get(), name.c_str(), value.data(), value.size());
    return check_archive(archive_write_header(archive_, entry.get()));
  }

  Result<> hard_link(const std::string& path, const struct stat& status, const std::string& first) {
    const auto entry = new_entry(path, status);
    archive_entry_set_hardlink(entry.get(), first.c_str());
    archive_entry_unset_size(entry.get());
    return check_archive(archive_write_header(archive_, entry.get()));
  }

  struct Free {
    void operator()(archive_entry* entry) const { archive_entry_free(entry); }
  };
  static std::unique_ptr<archive_entry, Free> new_entry(const std::string& path, const struct stat& status) {
    std::unique_ptr<archive_entry, Free> entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), path.c_str());
    archive_entry_set_mode(entry.get(), status.st_mode);
    archive_entry_set_uid(entry.get(), status.st_uid);
    archive_entry_set_gid(entry.get(), status.st_gid);
    archive_entry_set_mtime(entry.get(), status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    return entry;
  }

  std::string name_;
  archive* archive_;
  dev_t device_ = 0;
  std::vector<Directory> way_;
  std::optional<File> file_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  std::string pending_;
  std::size_t given_ = 0;
  bool closed_ = false;
};

}  // namespace

Result<std::unique_ptr<Stream>> archive_of_tree(const std::string& path) {
  UniqueFd root = TRY(fs::open(path, O_RDONLY | O_DIRECTORY));
  auto stream = std::make_unique<TreeArchive>(path);
  TRY(stream->begin(std::move(root)));
  return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace convox::rootfs
