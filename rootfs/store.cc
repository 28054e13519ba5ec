#include "rootfs/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "runtime/base/fs.h"
#include "runtime/base/lock.h"

namespace convox::rootfs {
namespace {

constexpr std::size_t kRecordLimit = 8UL * 1024 * 1024;

bool is_temporary(std::string_view name) { return name.starts_with(".tmp-"); }

}  // namespace

Result<Store> Store::open(const std::string& root) {
  return Store(TRY(fs::open_private_directory(root), "opening the store"), root);
}

Result<UniqueFd> Store::part(const char* name) const {
  return TRY(fs::make_and_open_directory(root_.get(), name, 0700), "the store ", path_);
}

Result<UniqueFd> Store::lock(Lock kind) const {
  UniqueFd file = TRY(fs::open_beneath(root_.get(), "store.lock", O_RDWR | O_CREAT, 0600), "locking the store ", path_);
  TRY(convox::lock(file.get(), kind == Lock::kShared ? LockKind::kShared : LockKind::kExclusive,
                   cat("the store ", path_)));
  return file;
}

Result<UniqueFd> Store::skeleton() const {
  auto open_it = [this] { return fs::open_beneath(root_.get(), "skeleton", O_RDONLY | O_DIRECTORY); };
  Result<UniqueFd> there = open_it();
  if (there || there.error().code != ENOENT) return there;

  const UniqueFd temporaries = TRY(layers());
  const std::string name = cat(".tmp-", fs::random_hex(8));
  const fs::PlainModes modes;
  const UniqueFd made = TRY(fs::make_and_open_directory(temporaries.get(), name, 0755), "making the skeleton");
  for (const char* directory : {"dev", "etc", "proc", "sys"})
    TRY(check(sys::mkdirat(made.get(), directory, 0755), "mkdir", directory), "making the skeleton");
  for (const char* file : {"etc/hosts", "etc/hostname", "etc/resolv.conf"})
    TRY(check(sys::mknodat(made.get(), file, S_IFREG | 0644, 0), "mknod", file), "making the skeleton");
  const long named = sys::renameat2(temporaries.get(), name.c_str(), root_.get(), "skeleton", RENAME_NOREPLACE);
  if (named == -EEXIST) TRY(fs::remove_tree(temporaries.get(), name));  // somebody else was first
  if (named < 0 && named != -EEXIST) return os_error("rename", "skeleton", Errno(named));
  return open_it();
}

Result<UniqueFd> Store::layer(std::string_view chain_id) const {
  if (!is_hex_digest(chain_id)) return invalid(cat("layer ", chain_id, ": not a chain id"));
  const UniqueFd all = TRY(layers());
  Result<UniqueFd> found = fs::open_beneath(all.get(), cat(chain_id, "/fs"), O_RDONLY | O_DIRECTORY);
  if (!found && found.error().code == ENOENT) return not_found(cat("layer ", chain_id, ": not in the store ", path_));
  return found;
}

Result<Image> Store::image(std::string_view id) const {
  if (!is_hex_digest(id)) return invalid(cat("image ", id, ": not an image id"));
  const UniqueFd all = TRY(images());
  const Result<std::string> record = fs::read(all.get(), cat(id, ".json"), kRecordLimit);
  if (!record && record.error().code == ENOENT) return not_found(cat("image ", id, ": not in the store ", path_));
  if (!record) return record.error();
  Image image = TRY(parse_image(*record, cat("image record ", id)));
  if (image.id != id) return invalid(cat("image record ", id, ": says it is ", image.id));
  return image;
}

Result<std::vector<Image>> Store::list_images() const {
  std::vector<Image> found;
  const UniqueFd all = TRY(images());
  for (const std::string& name : TRY(fs::list(all.get()))) {
    const std::string_view id = std::string_view(name).substr(0, name.size() - std::min<std::size_t>(name.size(), 5));
    if (name.ends_with(".json") && is_hex_digest(id)) found.push_back(TRY(image(id)));
  }
  return found;
}

Result<> Store::publish(const Image& image) const {
  if (!is_hex_digest(image.id)) return invalid(cat("image ", image.id, ": not an image id"));
  const UniqueFd all = TRY(images());
  return fs::replace(all.get(), cat(image.id, ".json"), print(image), 0600, fs::Durable::kYes);
}

Result<Store::Swept> Store::collect_garbage(const std::vector<std::string>& in_use) const {
  const UniqueFd held = TRY(lock(Lock::kExclusive), "collecting garbage");
  std::set<std::string> live(in_use.begin(), in_use.end());
  // A record that cannot be read ends the collection: its layers are not known, and might be these.
  for (const Image& image : TRY(list_images(), "collecting garbage"))
    live.insert(image.layers.begin(), image.layers.end());

  Swept swept;
  const UniqueFd all = TRY(layers());
  for (const std::string& name : TRY(fs::list(all.get()))) {
    if (!is_hex_digest(name) || live.contains(name)) continue;
    // Off its name first: half a layer must never be found under a chain id, not even after a crash.
    const std::string doomed = cat(".tmp-", fs::random_hex(16));
    TRY(check(sys::renameat2(all.get(), name.c_str(), all.get(), doomed.c_str(), 0), "rename", cat("layer ", name)));
    TRY(fs::remove_tree(all.get(), doomed), "removing layer ", name);
    ++swept.layers;
  }
  const UniqueFd records = TRY(images());
  for (const int dir : {all.get(), records.get()}) {
    for (const std::string& name : TRY(fs::list(dir))) {
      if (!is_temporary(name)) continue;
      TRY(fs::remove_tree(dir, name), "removing ", name);
      ++swept.temporaries;
    }
  }
  return swept;
}

}  // namespace convox::rootfs
