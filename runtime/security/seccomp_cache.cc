#include "runtime/security/seccomp_cache.h"

#include <fcntl.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/base/fs.h"
#include "runtime/security/bpf.h"

namespace convox::security {
namespace {

// The file: this, the key, the program.
struct Head {
  std::uint64_t checksum = 0;  // of the key and the program
  std::uint64_t key_size = 0;
};

// FNV-1a over words of eight bytes, the last one padded; the shift lets high bits reach low ones.
std::uint64_t fold(std::uint64_t hash, std::string_view bytes) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), sizeof hash))) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), std::min(bytes.size(), sizeof word));
    hash = (hash ^ word) * 0x100000001b3;
    hash ^= hash >> 32;
  }
  return hash;
}

std::uint64_t hash_of(std::string_view key) { return fold(0xcbf29ce484222325 ^ key.size(), key); }

void forget_oldest(int dir) {
  const Result<std::vector<std::string>> names = fs::list(dir);
  if (!names || (*names).size() <= kCachedPrograms) return;
  std::vector<std::pair<timespec, const std::string*>> files;
  for (const std::string& name : *names) {
    struct stat st {};
    if (sys::newfstatat(dir, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) files.emplace_back(st.st_mtim, &name);
  }
  if (files.size() <= kCachedPrograms) return;  // somebody else was here
  std::sort(files.begin(), files.end(), [](const auto& one, const auto& other) {
    return std::pair(one.first.tv_sec, one.first.tv_nsec) < std::pair(other.first.tv_sec, other.first.tv_nsec);
  });
  files.resize(files.size() - kCachedPrograms);
  for (const auto& [time, name] : files) sys::unlinkat(dir, name->c_str(), 0);
}

}  // namespace

std::string cache_name(std::string_view key) {
  std::string name = "program-";
  for (int shift = 60; shift >= 0; shift -= 4) name += "0123456789abcdef"[hash_of(key) >> shift & 15];
  return name;
}

std::optional<std::string> cached_program(int dir, std::string_view key) {
  if (dir < 0) return std::nullopt;
  const std::string name = cache_name(key);
  // O_NONBLOCK: whatever lies under this name, opening it must not hang.
  const Result<UniqueFd> file = fs::open_beneath(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  struct stat st {};
  if (!file || sys::newfstatat((*file).get(), "", &st, AT_EMPTY_PATH) < 0) return std::nullopt;
  if (st.st_mode != (S_IFREG | 0600) || st.st_uid != ::geteuid() || st.st_nlink != 1) return std::nullopt;
  const std::size_t largest = sizeof(Head) + key.size() + BPF_MAXINSNS * sizeof(sock_filter);
  const Result<std::string> content = fs::read_all((*file).get(), name, largest);
  if (!content || (*content).size() < sizeof(Head) + key.size()) return std::nullopt;
  Head head;
  std::memcpy(&head, (*content).data(), sizeof head);
  const std::string_view body = std::string_view(*content).substr(sizeof head);
  if (head.key_size != key.size() || body.substr(0, key.size()) != key) return std::nullopt;
  const std::string_view program = body.substr(key.size());
  if (head.checksum != fold(hash_of(key), program) || !Program::parse(program)) return std::nullopt;
  return std::string(program);
}

Result<> cache_program(int dir, std::string_view key, std::string_view program) {
  if (dir < 0) return ok();
  const Head head{fold(hash_of(key), program), key.size()};
  std::string content(sizeof head, '\0');
  std::memcpy(content.data(), &head, sizeof head);
  content += key;
  content += program;
  // Not durable: /run does not outlive a crash of the machine, and what would be half there would not be believed.
  TRY(fs::replace(dir, cache_name(key), content, 0600, fs::Durable::kNo));
  forget_oldest(dir);
  return ok();
}

}  // namespace convox::security
